"""Heartbeats of a topic Subscription: where they came and come no more, its server is silent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import wiring
from fhirbridge.bridge.story import Decided
from fhirbridge.fhir import jsonio
from fhirbridge.store.records import SubscriptionRow
from fhirbridge.supervisor import Supervisor
from tests.bridge.estate import Estate, Json, dispense, order, people

pytestmark = pytest.mark.lives

TYPE, TOPIC = "MedicationDispense", "http://pharmacy.example/SubscriptionTopic/dispenses"
URL = "http://bridge.example"


class Ward:
    """An estate whose pharmacy is asked for a topic, and its supervisor. `step` lets time pass."""

    def __init__(self, folder: Path) -> None:
        self.estate = Estate(folder)
        people(self.estate)
        self.estate.put("ehr", order())
        pharmacy = self.estate.settings.servers["pharmacy"]
        asked = pharmacy.model_copy(update={"topics": {TYPE: TOPIC}})
        self.estate.settings.servers["pharmacy"] = asked
        for row in self.estate.bridge.store.subscriptions():
            self.estate.bridge.store.forget_subscription(row.source, row.type)
        self.events = 0
        self.begin()
        self.supervisor.step()
        for name, server in self.estate.servers.items():
            for each in server.shelf.current("Subscription"):
                self.estate.put(name, {**(each.resource or {}), "status": "active"}, tell=False)
        self.step(seconds=1)
        assert self.state == "active"

    def begin(self) -> None:
        self.estate.restart()
        ids = iter(f"word-{n}" for n in range(1000))
        self.supervisor: Supervisor = wiring.supervise(
            self.estate.settings, self.estate.bridge, public_url=URL, ids=lambda: next(ids)
        )

    def step(self, **by: float) -> None:
        self.estate.later(**by)
        self.supervisor.step()

    @property
    def row(self) -> SubscriptionRow:
        row = self.estate.bridge.store.subscription("pharmacy", TYPE)
        assert row is not None
        return row

    @property
    def state(self) -> str:
        return self.row.state

    @property
    def there(self) -> Json:
        """The server's copy."""
        return self.estate.get("pharmacy", f"Subscription/{self.row.server_id}")

    def sends(self, kind: str, *focus: str) -> None:
        self.events += len(focus)
        numbers = range(self.events - len(focus) + 1, self.events + 1)
        events = [
            {"eventNumber": str(number), "focus": {"reference": each}}
            for number, each in zip(numbers, focus, strict=True)
        ]
        status = {
            "resourceType": "SubscriptionStatus",
            "status": "active",
            "type": kind,
            "subscription": {"reference": f"Subscription/{self.row.server_id}"},
            "eventsSinceSubscriptionStart": str(self.events),
            **({"notificationEvent": events} if events else {}),
        }
        bundle = {"resourceType": "Bundle", "type": "history", "entry": [{"resource": status}]}
        headers = {"x-fhirbridge-secret": self.row.secret}
        self.estate.bridge.intake.renew()
        hear = self.estate.bridge.intake.hear
        kept = hear("pharmacy", self.row.key, "POST", "", headers, jsonio.dumps(bundle))
        kept.on_disk.result(5)

    def beat(self, times: int) -> None:
        for _ in range(times):
            self.step(minutes=2)
            self.sends("heartbeat")


@pytest.fixture
def ward(tmp_path: Path) -> Iterator[Ward]:
    made = Ward(tmp_path)
    yield made
    made.estate.close()


def test_a_heartbeat_is_asked_for(ward: Ward) -> None:
    (period,) = [
        each["valueUnsignedInt"]
        for each in ward.there["channel"]["extension"]
        if each["url"].endswith("/backport-heartbeat-period")
    ]
    assert period == 120


def test_a_heart_that_stopped_is_noticed_and_what_was_missed_is_read(ward: Ward) -> None:
    ward.beat(3)
    ward.estate.work()
    ward.estate.put("pharmacy", dispense(mg=300), tell=False)
    ward.step(minutes=3)
    assert ward.state == "active"  # one may be late
    ward.step(minutes=5)
    assert ward.state == "silent"
    assert "heartbeats" in str(ward.row.problem)
    ward.estate.work()  # long before the sweep of a source that pushes is due
    assert ward.estate.told(Decided)[-1].decision.ledger.occasions[0].dispensed.total.value == 300
    ward.sends("heartbeat")
    ward.step(minutes=5)
    assert (ward.state, ward.row.problem) == ("active", None)


def test_news_are_a_sign_of_life_too(ward: Ward) -> None:
    ward.beat(2)
    for _ in range(5):
        ward.step(minutes=4)
        ward.sends("event-notification", "MedicationDispense/d-1")
    assert ward.state == "active"


def test_a_server_that_never_sends_any_is_not_silent(ward: Ward) -> None:
    """HAPI takes the period and sends nothing; its handshake, if it had one, would be no proof."""
    ward.sends("event-notification", "MedicationDispense/d-1")
    for _ in range(9):
        ward.step(minutes=5)
    assert ward.state == "active"


def test_a_server_that_wants_no_heartbeats_is_not_silent(ward: Ward) -> None:
    ward.beat(2)
    there: dict[str, Any] = ward.there
    there["channel"]["extension"] = [
        each for each in there["channel"]["extension"] if "heartbeat" not in each["url"]
    ]
    ward.estate.put("pharmacy", there, tell=False)
    for _ in range(9):
        ward.step(minutes=5)
    assert ward.state == "active"


def test_the_period_is_the_one_that_the_server_set(ward: Ward) -> None:
    ward.beat(2)
    there: dict[str, Any] = ward.there
    for each in there["channel"]["extension"]:
        if "heartbeat" in each["url"]:
            each["valueUnsignedInt"] = 900
    ward.estate.put("pharmacy", there, tell=False)
    for _ in range(5):
        ward.step(minutes=5)
    assert ward.state == "active"
    for _ in range(2):
        ward.step(minutes=5)
    assert ward.state == "silent"


def test_our_own_outage_is_not_theirs(ward: Ward) -> None:
    ward.beat(3)
    ward.estate.clock.now += 4 * (ward.estate.bridge.pace.sweep)
    ward.begin()
    ward.step(seconds=1)
    assert ward.state == "active"
    ward.step(minutes=6)
    ward.step(minutes=6)
    assert ward.state == "silent"
