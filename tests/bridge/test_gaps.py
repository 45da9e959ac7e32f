"""Events that did not come: noticed by their numbers, asked for, and read where that fails."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.fhir import jsonio
from fhirbridge.store.records import SubscriptionRow
from fhirbridge.supervisor import Supervisor
from tests.bridge.estate import Answer, Estate, Json, dispense, order, people

pytestmark = pytest.mark.lives

TYPE = "MedicationDispense"
TOPIC = "t-1"  # the id of the topic Subscription on the pharmacy


class Pharmacy:
    """A server that tells by topic, counts, and knows `$events` where `keeps` is given."""

    def __init__(self, estate: Estate, *, style: str = "R4") -> None:
        self.estate, self.style = estate, style
        self.told: list[str] = []  # the reference of each event; its number is its place from 1
        self.keeps = False
        self.asked: list[str] = []
        estate.servers["pharmacy"].around = self._around

    def changes(self, resource: Json, *, tell: bool = True) -> None:
        self.estate.put("pharmacy", resource, tell=False)
        self.told.append(f"{resource['resourceType']}/{resource['id']}")
        if tell:
            self.sends("event-notification", [len(self.told)])

    def begins_anew(self) -> None:
        self.told = []

    def sends(self, kind: str, numbers: list[int]) -> None:
        self._door(self.bundle(kind, numbers))

    def bundle(self, kind: str, numbers: list[int]) -> Json:
        make = self._parameters if self.style == "R4" else self._status
        return {
            "resourceType": "Bundle",
            "type": "history",
            "entry": [{"resource": make(kind, numbers)}],
        }

    def _status(self, kind: str, numbers: list[int]) -> Json:
        """R5: numbers are integers."""
        return {
            "resourceType": "SubscriptionStatus",
            "status": "active",
            "type": kind,
            "subscription": {"reference": f"Subscription/{TOPIC}"},
            "eventsSinceSubscriptionStart": len(self.told),
            "notificationEvent": [
                {"eventNumber": each, "focus": {"reference": self.told[each - 1]}}
                for each in numbers
            ],
        }

    def _parameters(self, kind: str, numbers: list[int]) -> Json:
        """R4 backport: numbers are strings."""
        events = [
            {
                "name": "notification-event",
                "part": [
                    {"name": "event-number", "valueString": str(each)},
                    {"name": "focus", "valueReference": {"reference": self.told[each - 1]}},
                ],
            }
            for each in numbers
        ]
        said = [
            {"name": "subscription", "valueReference": {"reference": f"Subscription/{TOPIC}"}},
            {"name": "status", "valueCode": "active"},
            {"name": "type", "valueCode": kind},
            {"name": "events-since-subscription-start", "valueString": str(len(self.told))},
        ]
        return {"resourceType": "Parameters", "parameter": [*said, *events]}

    def _door(self, document: Json) -> None:
        headers = {"x-fhirbridge-secret": "s3cret", "content-type": "application/fhir+json"}
        hear = self.estate.bridge.intake.hear
        kept = hear("pharmacy", f"key-pharmacy-{TYPE}", "POST", "", headers, jsonio.dumps(document))
        kept.on_disk.result(5)

    def _around(self, request: httpx.Request, go: Answer) -> httpx.Response:
        if "$events" not in request.url.path:
            return go(request)
        self.asked.append(request.url.query.decode())
        if not self.keeps:
            issue = {"severity": "error", "code": "not-supported"}
            return httpx.Response(400, json={"resourceType": "OperationOutcome", "issue": [issue]})
        first = int(request.url.params["eventsSinceNumber"])
        last = int(request.url.params["eventsUntilNumber"])
        assert f"Subscription/{TOPIC}/" in request.url.path
        answer = self.bundle("query-event", list(range(first, last + 1)))
        return httpx.Response(200, content=jsonio.dumps(answer))


@pytest.fixture(params=["R4", "R5"])
def style(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def at_work(tmp_path: Path, style: str) -> Iterator[tuple[Estate, Pharmacy, Supervisor]]:
    """One person, an order, Subscriptions that stand, and a first event."""
    estate = Estate(tmp_path)
    people(estate)
    estate.put("ehr", order())
    ids = iter(f"word-{n}" for n in range(1000))
    supervisor = wiring.supervise(
        estate.settings, estate.bridge, public_url="http://bridge.example", ids=lambda: next(ids)
    )
    stand(estate)
    supervisor.step()
    estate.bridge.sweep()
    estate.work()
    pharmacy = Pharmacy(estate, style=style)
    pharmacy.changes(dispense("d-0", mg=1))
    estate.work()
    yield estate, pharmacy, supervisor
    estate.close()


def stand(estate: Estate) -> None:
    """Every Subscription is on its server, and active there."""
    for row in estate.bridge.store.subscriptions():
        there = f"http://bridge.example/notify/{row.source}/{row.key}"
        channel = {"type": "rest-hook", "endpoint": there}
        found = {"resourceType": "Subscription", "id": row.type, "status": "active"}
        estate.put(
            row.source, {**found, "criteria": f"{row.type}?", "channel": channel}, tell=False
        )
        estate.bridge.store.save_subscription(
            SubscriptionRow(
                row.source, row.type, row.key, row.secret, None, row.type, "active", row.since
            )
        )


def later(estate: Estate, supervisor: Supervisor, seconds: float) -> None:
    estate.clock.now += timedelta(seconds=seconds)
    supervisor.step()


def state(estate: Estate) -> tuple[str, str | None]:
    row = estate.bridge.store.subscription("pharmacy", TYPE)
    assert row is not None
    return row.state, row.problem


def dispensed(estate: Estate) -> set[str]:
    """The dispenses that made somebody due."""
    return {
        event.id
        for line in estate.bridge.store.recent(1000)
        for event in line.events
        if event.type == TYPE and event.outcome == "new"
    }


Whole = tuple[Estate, Pharmacy, Supervisor]


def test_numbers_that_go_on_leave_it_active(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    for number in range(1, 4):
        pharmacy.changes(dispense(f"d-{number}"))
    later(estate, supervisor, 600)
    assert state(estate) == ("active", None)
    assert not pharmacy.asked


def test_what_is_missing_is_asked_for_and_heard(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    pharmacy.keeps = True
    pharmacy.changes(dispense("d-1"), tell=False)
    pharmacy.changes(dispense("d-2"), tell=False)
    pharmacy.changes(dispense("d-3"))
    later(estate, supervisor, 6)
    assert state(estate)[0] == "active"  # it may only be late
    later(estate, supervisor, 20)
    assert state(estate) == (
        "gap",
        "events 2-3 did not come: they are asked for, or what changed is read",
    )
    assert pharmacy.asked == ["eventsSinceNumber=2&eventsUntilNumber=3"]
    assert {"d-1", "d-2"} <= {
        event.id for line in estate.bridge.store.recent(9) for event in line.events
    }
    later(estate, supervisor, 6)
    assert state(estate) == ("active", None)
    assert len(pharmacy.asked) == 1
    assert not estate.bridge.store.gaps(estate.clock())


def test_what_only_comes_late_is_no_gap(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    pharmacy.changes(dispense("d-1"), tell=False)
    pharmacy.changes(dispense("d-2"))
    later(estate, supervisor, 6)
    pharmacy.sends("event-notification", [2])
    later(estate, supervisor, 60)
    assert state(estate) == ("active", None)
    assert not pharmacy.asked


def test_where_it_cannot_be_asked_for_what_changed_is_read(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    pharmacy.changes(dispense("d-1"), tell=False)
    pharmacy.changes(dispense("d-2"))
    later(estate, supervisor, 30)
    assert state(estate)[0] == "gap"
    later(estate, supervisor, 6)
    assert state(estate)[0] == "gap"  # nothing has been read yet
    before = len(estate.servers["pharmacy"].requests)
    estate.work()
    read = [each for each in estate.servers["pharmacy"].requests[before:] if TYPE in each[1]]
    assert read
    assert {"d-1", "d-2"} <= dispensed(estate)
    later(estate, supervisor, 6)
    assert state(estate) == ("active", None)
    pharmacy.changes(dispense("d-3"), tell=False)
    pharmacy.changes(dispense("d-4"))
    later(estate, supervisor, 30)
    assert state(estate)[0] == "gap"
    assert len(pharmacy.asked) == 1  # it is known that this server cannot be asked


def test_a_loss_at_the_end_is_told_by_a_heartbeat_or_an_answer(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    pharmacy.keeps = True
    pharmacy.changes(dispense("d-1"), tell=False)
    pharmacy.sends("heartbeat", [])
    later(estate, supervisor, 30)
    assert pharmacy.asked == ["eventsSinceNumber=2&eventsUntilNumber=2"]
    pharmacy.changes(dispense("d-2"), tell=False)
    pharmacy.sends("query-status", [])
    later(estate, supervisor, 30)
    assert pharmacy.asked[1:] == ["eventsSinceNumber=3&eventsUntilNumber=3"]


def test_a_server_that_counts_anew_is_read(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    for number in range(1, 30):
        pharmacy.changes(dispense(f"d-{number}"))
    estate.work()
    pharmacy.begins_anew()
    estate.put("pharmacy", dispense("d-lost"), tell=False)
    pharmacy.changes(dispense("d-30"))
    later(estate, supervisor, 30)
    assert state(estate) == (
        "gap",
        "its server began to count anew: what it may not have told is read",
    )
    estate.work()
    assert "d-lost" in dispensed(estate)
    later(estate, supervisor, 6)
    assert state(estate) == ("active", None)


def test_a_gap_outlives_a_restart_and_a_server_that_is_down(at_work: Whole) -> None:
    estate, pharmacy, supervisor = at_work
    pharmacy.keeps = True
    pharmacy.changes(dispense("d-1"), tell=False)
    pharmacy.changes(dispense("d-2"))
    estate.servers["pharmacy"].down = 503
    pharmacy_around, estate.servers["pharmacy"].around = (
        estate.servers["pharmacy"].around,
        lambda ask, go: go(ask),
    )
    later(estate, supervisor, 30)
    assert "503" in str(state(estate)[1]) or "answer" in str(state(estate)[1])
    estate.servers["pharmacy"].down, estate.servers["pharmacy"].around = None, pharmacy_around
    estate.restart()
    ids = iter(f"again-{n}" for n in range(1000))
    again: Any = wiring.supervise(
        estate.settings, estate.bridge, public_url="http://bridge.example", ids=lambda: next(ids)
    )
    later(estate, again, 30)
    later(estate, again, 6)
    assert state(estate) == ("active", None)
    assert {"d-1", "d-2"} <= dispensed(estate)
