"""Inferno's client suite for R4 Subscriptions, played: what its server takes, and what it sends.

As its source does it (inferno-framework/subscriptions-test-kit: endpoints and jobs): it takes one
Subscription in a run and none with a heartbeat, names no Location, and knows neither search nor
update nor delete. The handshake has to be answered with exactly 200.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.fhir import jsonio
from fhirbridge.supervisor import Supervisor
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Answer, Estate, Json, people
from tests.web.test_door import Caller

pytestmark = pytest.mark.lives

EXAMPLES = Path(__file__).parents[1] / "fhir" / "notifications"
TOPIC = "http://payer.example/SubscriptionTopic/coverage"
URL = "http://bridge.example"
ID = "5f0a3c1e-0000-4000-8000-000000000001"
ENCOUNTER = ("Encounter", "86009987-eabe-42bf-8c02-b112b18cb616")


class Inferno:
    """The simulated server of one test run, in front of the payer's records."""

    def __init__(self, estate: Estate) -> None:
        self.estate = estate
        self.base = estate.servers["payer"].base_url
        self.taken: Json | None = None
        self.refused: list[str] = []
        self.status = "requested"
        estate.servers["payer"].around = self._around
        self.door = Caller(
            app(estate.bridge, Metrics(estate.bridge.store, estate.clock), Console(estate.bridge))
        )

    def _around(self, request: httpx.Request, go: Answer) -> httpx.Response:
        target = str(request.url).removeprefix(f"{self.base}/")
        if not target.startswith("Subscription"):
            return go(request)
        if request.method == "POST":
            return self._create(jsonio.loads(request.read()))
        if request.method == "GET" and target == f"Subscription/{ID}" and self.taken:
            return httpx.Response(200, content=jsonio.dumps({**self.taken, "status": self.status}))
        return httpx.Response(404, text="<h1>Not Found</h1>")

    def _create(self, asked: Json) -> httpx.Response:
        beats = [
            each
            for each in asked["channel"].get("extension", [])
            if each["url"].endswith("/backport-heartbeat-period")
        ]
        if beats or self.taken:
            self.refused.append("heartbeat" if beats else asked["criteria"])
            issue = {"severity": "error", "code": "not-supported" if beats else "business-rule"}
            return httpx.Response(400, json={"resourceType": "OperationOutcome", "issue": [issue]})
        self.taken = {**asked, "id": ID, "status": "requested"}
        return httpx.Response(201, content=jsonio.dumps(self.taken))

    def sends(self, kind: str, status: str, count: int, example: str) -> int:
        """One notification, made of a published example as the suite makes it of its input."""
        assert self.taken is not None
        text = (EXAMPLES / f"inferno_{example}.json").read_bytes()
        bundle = jsonio.loads(text.replace(b"https://fhirserver.org/fhir", self.base.encode()))
        said: dict[str, dict[str, Any]] = {
            "subscription": {"valueReference": {"reference": f"{self.base}/Subscription/{ID}"}},
            "topic": {"valueCanonical": self.taken["criteria"]},
            "status": {"valueCode": status},
            "type": {"valueCode": kind},
            "events-since-subscription-start": {"valueString": str(count)},
        }
        parameters = bundle["entry"][0]["resource"]["parameter"]
        events = [each for each in parameters if each["name"] == "notification-event"]
        bundle["entry"][0]["resource"]["parameter"] = [
            *({"name": name, **value} for name, value in said.items()),
            *(events if kind == "event-notification" else []),
        ]
        if kind == "handshake":
            bundle["entry"] = bundle["entry"][:1]
        channel = self.taken["channel"]
        headers = dict(each.split(": ", 1) for each in channel["header"])
        headers["Content-Type"] = channel["payload"]
        path = channel["endpoint"].removeprefix(URL)
        return self.door("POST", path, content=jsonio.dumps(bundle), headers=headers).status_code


@pytest.fixture
def run(tmp_path: Path) -> Iterator[tuple[Estate, Inferno, Supervisor]]:
    estate = Estate(tmp_path)
    people(estate)
    payer = estate.settings.servers["payer"]
    estate.settings.servers["payer"] = payer.model_copy(update={"topics": {"Coverage": TOPIC}})
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    estate.restart()
    ids = iter(f"word-{n}" for n in range(1000))
    supervisor = wiring.supervise(
        estate.settings, estate.bridge, public_url=URL, ids=lambda: next(ids)
    )
    yield estate, Inferno(estate), supervisor
    estate.close()


def stands(estate: Estate) -> tuple[str, str | None]:
    row = estate.bridge.store.subscription("payer", "Coverage")
    assert row is not None
    return row.state, row.server_id


@pytest.mark.parametrize("content", ["id_only", "full_resource", "empty"])
def test_a_run_of_the_suite(run: tuple[Estate, Inferno, Supervisor], content: str) -> None:
    estate, inferno, supervisor = run
    supervisor.step()
    assert inferno.taken is not None
    assert inferno.taken["criteria"] == TOPIC  # its one place is not taken by another type
    assert inferno.refused[0] == "heartbeat"
    assert stands(estate) == ("requested", ID)
    example = f"{content}_notification_bundle_example"
    assert inferno.sends("handshake", "requested", 0, example) == 200
    inferno.status = "active"
    estate.clock.now += timedelta(seconds=1)
    supervisor.step()
    assert stands(estate) == ("active", ID)
    estate.work()
    assert inferno.sends("event-notification", "active", 1, example) == 200
    (line,) = estate.bridge.store.recent(1)
    (event,) = line.events
    about = ("Coverage", "*") if content == "empty" else ENCOUNTER
    assert (line.dialect, line.problem, (event.type, event.id)) == ("topic", None, about)
    assert estate.bridge.store.gaps(estate.clock()) == []


def test_what_it_does_not_take_is_polled_and_says_why(
    run: tuple[Estate, Inferno, Supervisor],
) -> None:
    estate, _, supervisor = run
    supervisor.step()
    row = estate.bridge.store.subscription("payer", "Patient")
    assert row is not None
    assert row.state == "refused"
    assert "business-rule" in str(row.problem)
    assert "polled instead" in str(row.problem)
