"""The Subscription that we ask for, and the table of its life."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.subscription import (
    LIFE,
    PATIENCE,
    Action,
    Sign,
    State,
    expires,
    heartbeat,
    is_overdue,
    next_step,
    own_query,
    own_type,
    sign_of,
    wanted,
)

URL = "http://bridge.example:8000/"
EXAMPLES = Path(__file__).parent / "subscriptions"
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)


def ask(**changes: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "instance": "st-mary",
        "server": "ehr",
        "type_": "MedicationRequest",
        "public_url": URL,
        "key": "k-1",
        "secret": "s3cret",
    }
    return wanted(**{**whole, **changes})


def whose(subscription: dict[str, Any]) -> str | None:
    return own_type(subscription, instance="st-mary", server="ehr", public_url=URL)


def test_what_is_asked_for() -> None:
    subscription = ask()
    assert subscription["status"] == "requested"
    assert subscription["criteria"] == "MedicationRequest?"
    assert subscription["reason"]
    channel = subscription["channel"]
    assert channel["type"] == "rest-hook"
    assert channel["endpoint"] == "http://bridge.example:8000/notify/ehr/k-1"
    assert channel["payload"] == "application/fhir+json"
    assert channel["header"] == ["X-Fhirbridge-Secret: s3cret"]
    assert channel["extension"][0]["valueBoolean"] is True
    assert "end" not in subscription
    assert ask(end=NOW)["end"] == "2026-12-01T12:00:00+00:00"


def test_it_is_valid_fhir() -> None:
    from fhir.resources.R4B.subscription import Subscription

    Subscription.model_validate(ask(end=NOW))


TOPIC = "http://ehr.example/SubscriptionTopic/orders"


def test_a_topic_is_asked_for_by_the_backport_and_known_again() -> None:
    from fhir.resources.R4B.subscription import Subscription

    asked = ask(topic=TOPIC)
    Subscription.model_validate(asked)
    assert asked["criteria"] == TOPIC
    assert asked["meta"]["profile"][0].endswith("/backport-subscription")
    assert asked["channel"]["_payload"]["extension"][0]["valueCode"] == "id-only"
    where: dict[str, Any] = {"instance": "st-mary", "server": "ehr", "public_url": URL}
    assert own_type(asked, **where, topics={"Task": "x", "MedicationRequest": TOPIC}) == (
        "MedicationRequest"
    )
    assert own_type(asked, **where) is None
    there = {**asked, "status": "active"}
    assert sign_of(there, URL, "ehr", "k-1", topic=TOPIC) is Sign.SAYS_ACTIVE
    # From a type to its topic, to another, and back: it is asked for anew.
    assert sign_of(there, URL, "ehr", "k-1") is Sign.DIFFERS
    assert sign_of(there, URL, "ehr", "k-1", topic=f"{TOPIC}/2") is Sign.DIFFERS
    assert sign_of({**ask(), "status": "active"}, URL, "ehr", "k-1", topic=TOPIC) is Sign.DIFFERS


@pytest.mark.parametrize("path", sorted(EXAMPLES.glob("*.json")), ids=lambda path: path.stem)
def test_a_topic_is_asked_for_as_the_published_examples_do(path: Path) -> None:
    """In the same elements, by the same names; and those of others are not ours."""
    example, asked = jsonio.loads(path.read_bytes()), ask(topic=TOPIC)
    for key in ("meta", "status", "reason", "criteria", "channel"):
        assert key in asked
        assert key in example
    assert set(example["meta"]["profile"]) == set(asked["meta"]["profile"])
    assert example["status"] == asked["status"] == "requested"
    assert example["channel"].keys() - {"_type"} == asked["channel"].keys()
    for key in ("type", "payload"):
        assert example["channel"][key] == asked["channel"][key]
    (content,), (ours,) = (each["channel"]["_payload"]["extension"] for each in (example, asked))
    assert content["url"] == ours["url"]
    beats = [e["url"] for e in asked["channel"]["extension"] if "heartbeat" in e["url"]]
    theirs = [e["url"] for e in example["channel"]["extension"] if "heartbeat" in e["url"]]
    assert theirs in ([], beats)
    assert heartbeat(example) == (timedelta(days=1) if theirs else None)
    assert whose(example) is None
    ended = expires(example, NOW, NOW, None)  # it ended in 2020
    assert ended


def test_without_heartbeats_it_is_the_same_but_for_them() -> None:
    with_them, without = ask(topic=TOPIC), ask(topic=TOPIC, beats=False)
    assert heartbeat(with_them) == timedelta(seconds=120)
    assert heartbeat(without) is None
    with_them["channel"]["extension"].pop()
    assert with_them == without


@pytest.mark.parametrize("secret", ["", "a:b", "a b", "a\nb"])
def test_a_secret_that_a_server_would_garble_is_refused(secret: str) -> None:
    with pytest.raises(ValueError, match="without a colon"):
        ask(secret=secret)
    with pytest.raises(ValueError, match="no resource type"):
        ask(type_="Medication Request")


def test_ours_is_known_by_its_tag_or_its_address() -> None:
    assert own_query("st-mary", "ehr", "Task") == {
        "_tag": "urn:fhirbridge:st-mary:subscription|ehr/Task"
    }
    assert whose(ask()) == "MedicationRequest"
    moved = ask(public_url="http://old.example")
    assert whose(moved) == "MedicationRequest"  # by the tag
    bare = ask()
    del bare["meta"]
    assert whose(bare) == "MedicationRequest"  # by the address
    for other in (ask(instance="test", public_url="http://x"), ask(server="ehr2"), {}):
        assert whose(other) is None


@pytest.mark.parametrize(
    ("found", "sign"),
    [
        (None, Sign.MISSING),
        (ask(), Sign.SAYS_REQUESTED),
        (ask() | {"status": "active"}, Sign.SAYS_ACTIVE),
        (ask() | {"status": "error"}, Sign.SAYS_ERROR),
        (ask() | {"status": "off"}, Sign.SAYS_OFF),
        (ask() | {"status": None}, Sign.SAYS_OFF),
        (ask(key="k-0") | {"status": "active"}, Sign.DIFFERS),
        ({}, Sign.DIFFERS),
    ],
)
def test_the_sign_that_a_copy_gives(found: dict[str, Any] | None, sign: Sign) -> None:
    assert sign_of(found, URL, "ehr", "k-1") is sign


def walk(state: State, *signs: Sign) -> tuple[State, list[Action]]:
    actions = []
    for sign in signs:
        state, action = next_step(state, sign)
        actions.append(action)
    return state, actions


def test_a_good_life() -> None:
    signs = (Sign.MISSING, Sign.SAYS_REQUESTED, Sign.SAYS_ACTIVE, Sign.SAYS_ACTIVE, Sign.HEARD)
    state, actions = walk(State.ABSENT, *signs)
    assert state is State.ACTIVE
    assert actions == [
        Action.ASK,
        Action.NOTHING,
        Action.CATCH_UP,
        Action.NOTHING,
        Action.NOTHING,
    ]


def test_after_a_restart_no_second_one_is_asked_for() -> None:
    assert next_step(State.ABSENT, Sign.SAYS_ACTIVE) == (State.ACTIVE, Action.CATCH_UP)
    assert next_step(State.ABSENT, Sign.SAYS_REQUESTED) == (State.REQUESTED, Action.NOTHING)


@pytest.mark.parametrize("sign", [Sign.REJECTED, Sign.OVERDUE])
def test_a_server_that_does_not_want_it_is_asked_again_later(sign: Sign) -> None:
    state, actions = walk(State.REQUESTED, sign, Sign.MISSING, Sign.SAYS_REQUESTED, Sign.OVERDUE)
    assert state is State.REQUESTED
    assert actions == [Action.NOTHING, Action.NOTHING, Action.NOTHING, Action.ASK]


@pytest.mark.parametrize("sign", [Sign.SAYS_ERROR, Sign.SAYS_OFF, Sign.MISSING])
def test_a_lost_one_is_asked_for_again_and_caught_up(sign: Sign) -> None:
    state, actions = walk(State.ACTIVE, sign, sign, Sign.OVERDUE, Sign.SAYS_ACTIVE)
    assert state is State.ACTIVE
    assert actions == [Action.NOTHING, Action.NOTHING, Action.ASK, Action.CATCH_UP]


def test_an_error_that_heals_by_itself_is_caught_up() -> None:
    assert next_step(State.ERROR, Sign.SAYS_ACTIVE) == (State.ACTIVE, Action.CATCH_UP)


def test_active_but_mute() -> None:
    state, actions = walk(State.ACTIVE, Sign.UNTOLD, Sign.SAYS_ACTIVE, Sign.HEARD)
    assert state is State.ACTIVE
    assert actions == [Action.CATCH_UP, Action.NOTHING, Action.CATCH_UP]


def test_whatever_is_not_active_can_become_so_again() -> None:
    """No state is a trap: each has a way to `active` that needs no person."""
    reached = {State.ACTIVE}
    while True:
        more = {state for (state, _), (after, _) in LIFE.items() if after in reached} - reached
        if not more:
            break
        reached |= more
    assert reached == set(State)


def test_becoming_active_always_catches_up() -> None:
    for (state, _), (after, action) in LIFE.items():
        if after is State.ACTIVE and state not in (State.ACTIVE, State.GAP):
            assert action is Action.CATCH_UP
    assert next_step(State.GAP, Sign.FILLED) == (State.ACTIVE, Action.NOTHING)  # it was read


def test_patience() -> None:
    assert not is_overdue(State.ACTIVE, NOW - timedelta(days=9), NOW)
    for state, patience in PATIENCE.items():
        assert is_overdue(state, NOW - patience, NOW)
        assert not is_overdue(state, NOW - patience + timedelta(seconds=1), NOW)
        assert next_step(state, Sign.OVERDUE)[0] is not state
