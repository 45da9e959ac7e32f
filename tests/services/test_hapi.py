"""The switches of `sandbox/hapi`. What the server does with them is the contract suite's matter,
but for topic Subscriptions, which only its R4B and R5 deliver.
"""

from __future__ import annotations

import urllib.request
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fhirbridge.core.events import Event, Verb
from fhirbridge.fhir import jsonio
from tests.contract.driver import Fhir
from tests.contract.profiles import HAPI
from tests.contract.topics import notified, subscription
from tests.servers import hapi_server


def ask(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        url,
        method=method,
        data=jsonio.dumps(body) if body else None,
        headers={"Content-Type": "application/fhir+json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return jsonio.loads(answer.read())


@contextmanager
def caller(base: str) -> Iterator[Fhir]:
    with httpx.Client(timeout=60, trust_env=False) as http:
        yield Fhir(base, HAPI, http, uuid.uuid4().hex[:10])


def check_topics(base: str, version: str) -> None:
    """Every content of a notification is understood, and answered so that it comes once."""
    for content in ("empty", "id-only", "full-resource"):
        with caller(base) as fhir:
            order, (heard, _later) = notified(fhir, version, content)
        assert (heard.dialect, heard.kind, heard.problem) == ("topic", "event", None), content
        assert heard.status == "active"
        (event,) = heard.events
        if content == "empty":
            assert event.verb is Verb.TOUCHED
            continue
        expected = Event("ehr", Verb.CHANGED, "MedicationRequest", order["id"])
        assert (event.verb, event.type, event.id) == (expected.verb, expected.type, expected.id)
        assert (heard.told[0].resource is not None) == (content == "full-resource")
    check_operations(base, version)


def check_operations(base: str, version: str) -> None:
    """It keeps no events to be asked for, so `bridge.gaps` reads what changed (docs/servers.md 3).
    When this fails, HAPI has learned it: then `tests/services/test_gaps.py` shows more."""
    with caller(base) as fhir:
        asked = subscription(version, "http://127.0.0.1:9/", "id-only")
        place = f"Subscription/{fhir.call('POST', 'Subscription', asked).body['id']}"
        for operation in ("$events?eventsSinceNumber=1&eventsUntilNumber=1", "$events", "$status"):
            answer = fhir.get(f"{place}/{operation}")
            assert answer.status in (400, 404), answer.body
        operations = {
            each["name"]
            for resource in fhir.get("metadata").body["rest"][0]["resource"]
            if resource["type"] == "Subscription"
            for each in resource.get("operation", [])
        }
        assert not operations & {"events", "status", "$events", "$status"}
        fhir.call("DELETE", place)


def test_r4b_in_a_file_keeps_what_was_written_over_a_restart(tmp_path: Path) -> None:
    with hapi_server("R4B", data=tmp_path / "db") as base:
        capabilities = ask("GET", f"{base}/metadata")
        ask("PUT", f"{base}/Patient/p-1", {"resourceType": "Patient", "id": "p-1"})

    assert capabilities["fhirVersion"] == "4.3.0"
    # The versions other than R4 are here for topic notifications.
    assert "SubscriptionTopic" in {r["type"] for r in capabilities["rest"][0]["resource"]}

    with hapi_server("R4B", data=tmp_path / "db") as base:
        assert ask("GET", f"{base}/Patient/p-1")["meta"]["versionId"] == "1"
        check_topics(base, "R4B")


def test_r5_tells_of_topics() -> None:
    with hapi_server("R5") as base:
        assert ask("GET", f"{base}/metadata")["fhirVersion"] == "5.0.0"
        check_topics(base, "R5")
