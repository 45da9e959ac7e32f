"""Topic Subscriptions of the Subscriptions R5 Backport on R4, as another maker's server does them.

HAPI takes them on R4 and never tells (docs/servers.md 3); its R4B and R5 tell, and are tried in
`tests/services`. The embedded server has none.
"""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest

from fhirbridge.core.events import Verb
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.notify import BUNDLE, Heard, hear
from fhirbridge.fhir.subscription import heartbeat
from tests.contract.driver import Fhir, Listener
from tests.contract.topics import basic_topic, subscription

_HEARTBEAT = (
    "http://hl7.org/fhir/uv/subscriptions-backport/StructureDefinition/backport-heartbeat-period"
)


@pytest.fixture
def topics(fhir: Fhir, listener: Listener) -> Fhir:
    if not fhir.profile.topics:
        pytest.skip("this server tells of no topics on R4")
    listener.answers = itertools.repeat((BUNDLE.status, BUNDLE.content_type or "", BUNDLE.body))
    fhir.made(basic_topic())
    return fhir


def asked(fhir: Fhir, listener: Listener, content: str, *, beat: int = 0) -> str:
    """A Subscription that has started; its id."""
    wanted = subscription("R4B", listener.url, content)
    if beat:
        period = {"url": _HEARTBEAT, "valueUnsignedInt": beat}
        wanted["channel"]["extension"] = [period]
    return str(fhir.activated(wanted)["id"])


def told(fhir: Fhir, listener: Listener) -> list[Heard]:
    """What came, as our door understands it."""
    return [
        hear("ehr", (fhir.base_url,), each.method, "", each.headers, each.body, subscribed="Task")
        for each in listener.heard
    ]


def kinds(fhir: Fhir, listener: Listener) -> list[str]:
    return [each.kind for each in told(fhir, listener)]


@pytest.mark.parametrize("content", ["empty", "id-only", "full-resource"])
def test_a_handshake_then_numbered_events(topics: Fhir, listener: Listener, content: str) -> None:
    id_ = asked(topics, listener, content)
    topics.patient()
    order = {
        "resourceType": "MedicationRequest",
        "id": topics.id("o"),
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{topics.id('p')}"},
    }
    topics.made({**order, "medicationCodeableConcept": {"text": "one"}})
    topics.eventually(lambda: len(listener.heard) > 1, "the first event")
    topics.made({**order, "medicationCodeableConcept": {"text": "two"}})
    topics.eventually(lambda: len(listener.heard) > 2, "the second event")
    first, *events = told(topics, listener)
    assert (first.dialect, first.kind, first.status, first.total) == (
        "topic",
        "handshake",
        "requested",
        0,
    )
    assert first.events == ()
    assert sorted(event.number or 0 for each in events for event in each.events) == [1, 2]
    for each in events:
        assert (each.dialect, each.kind, each.problem) == ("topic", "event", None)
        assert (each.subscription, each.status) == (id_, "active")
        (event,) = each.events
        if content == "empty":
            assert (event.verb, event.type) == (Verb.TOUCHED, "Task")
            continue
        assert (event.verb, event.type, event.id) == (
            Verb.CHANGED,
            order["resourceType"],
            order["id"],
        )
        assert (each.told[0].resource is not None) == (content == "full-resource")


def test_a_heartbeat_counts_and_tells_nothing(topics: Fhir, listener: Listener) -> None:
    id_ = asked(topics, listener, "id-only", beat=1)
    # By what it keeps, the supervisor knows how long it may be silent.
    assert heartbeat(topics.get(f"Subscription/{id_}").body) == timedelta(seconds=1)
    topics.eventually(lambda: "heartbeat" in kinds(topics, listener), "a heartbeat")
    beat = told(topics, listener)[-1]
    assert (beat.events, beat.total, beat.problem) == ((), 0, None)


def test_an_answer_to_status_is_understood(topics: Fhir, listener: Listener) -> None:
    id_ = asked(topics, listener, "id-only")
    answer = topics.get(f"Subscription/{id_}/$status")
    assert answer.status == 200
    found = hear("ehr", (topics.base_url,), "POST", "", {}, jsonio.dumps(answer.body))
    assert (found.dialect, found.kind, found.total, found.status) == ("topic", "query", 0, "active")
