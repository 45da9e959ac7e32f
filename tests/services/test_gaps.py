"""Topics of real servers, all the way: asked for, told, one lost, and made up for.

The bridge asks a sekmet (R4 backport) and a HAPI (R4B) for the topic of their orders. A second
change never arrives, though the server thinks so: its number is missing, and it is read.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge
from fhirbridge.fhir.notify import BUNDLE
from fhirbridge.settings import Settings
from fhirbridge.store.records import JournalEvent
from fhirbridge.supervisor import Supervisor
from tests.contract.driver import Fhir, Listener
from tests.contract.profiles import HAPI, SEKMET
from tests.contract.sekmet import sekmet_server
from tests.contract.topics import TOPIC, basic_topic, topic
from tests.servers import hapi_server

_WITHIN = 90.0  # seconds
#: Requests that make up for a lost event: looks at the Subscription, `$events`, one type's changes.
_BOUND = 12
ORDERS = "MedicationRequest"


class Bay:
    """A bridge whose door the test keeps: what the server sent is handed on, or not."""

    def __init__(self, bridge: Bridge, supervisor: Supervisor, listener: Listener) -> None:
        self.bridge, self.supervisor, self.listener = bridge, supervisor, listener
        self.passed = 0
        self.lose = False
        self.lost: list[bytes] = []

    def step(self) -> None:
        while self.passed < len(self.listener.heard):
            each = self.listener.heard[self.passed]
            self.passed += 1
            if self.lose and b"event-notification" in each.body:
                self.lost.append(each.body)
                continue
            _, _, server, key, *below = each.path.strip("/").split("/")
            self.bridge.intake.renew()
            kept = self.bridge.intake.hear(
                server, key, each.method, "/".join(below), each.headers, each.body
            )
            kept.on_disk.result(10)
        self.supervisor.step()
        while self.bridge.work("test"):
            pass

    def until(self, condition: Callable[[], Any], what: str) -> None:
        end = time.monotonic() + _WITHIN
        while not condition():
            assert time.monotonic() < end, what
            self.step()
            time.sleep(0.05)

    @property
    def state(self) -> str:
        row = self.bridge.store.subscription("ehr", ORDERS)
        return row.state if row else "none"

    def told(self, dialect: str) -> list[JournalEvent]:
        """What came by this way about orders."""
        lines = [each for each in self.bridge.store.recent(1000) if each.dialect == dialect]
        return [event for line in lines for event in line.events if event.type == ORDERS]

    def knows(self, dialect: str, id_: str) -> bool:
        return id_ in {event.id for event in self.told(dialect)}


@contextmanager
def bay(base: str, folder: Path, clock: Callable[[], datetime]) -> Iterator[Bay]:
    settings = Settings.model_validate(
        {
            "instance": f"gaps-{uuid.uuid4().hex[:8]}",
            "store": f"sqlite:///{folder}/bridge.db",
            "servers": {
                "ehr": {
                    "base_url": base,
                    "holds": ["orders", "worklist"],
                    "topics": {ORDERS: TOPIC},
                }
            },
        }
    )
    with Listener().listening() as listener:
        answer = (BUNDLE.status, BUNDLE.content_type or "", BUNDLE.body)
        listener.answers = itertools.repeat(answer)
        bridge = wiring.wire(settings, clock=clock)
        supervisor = wiring.supervise(settings, bridge, public_url=listener.url)
        try:
            yield Bay(bridge, supervisor, listener)
        finally:
            supervisor.remove()
            wiring.unwire(bridge)


def order(fhir: Fhir, name: str) -> str:
    """An order for a drug that we do not know: only that it is told matters here."""
    made = fhir.made(
        {
            "resourceType": ORDERS,
            "id": fhir.id(name),
            "status": "active",
            "intent": "order",
            "subject": {"reference": f"Patient/{fhir.id('p')}"},
            "medicationCodeableConcept": {"text": "ibuprofen"},
        }
    )
    return str(made["id"])


def check_a_lost_event_is_made_up_for(fhir: Fhir, folder: Path) -> None:
    ahead = timedelta(0)
    with bay(fhir.base_url, folder, lambda: datetime.now(UTC) + ahead) as here:
        fhir.patient()
        here.until(lambda: here.state == "active", "the topic's Subscription never started")
        first = order(fhir, "o-1")
        here.until(lambda: here.knows("topic", first), "no topic notification came")
        here.lose = True
        second = order(fhir, "o-2")
        here.until(lambda: here.lost, "the second was never sent")
        here.lose = False
        third = order(fhir, "o-3")
        here.until(lambda: here.knows("topic", third), "nothing came after the lost one")
        assert not here.knows("topic", second)
        (gap,) = here.bridge.store.gaps(here.bridge.clock())
        assert len(gap.missing) == 1
        server = here.bridge.sources["ehr"].server
        before = server.requests
        ahead = timedelta(seconds=20)  # it does not merely come late
        here.until(lambda: here.knows("poll", second), "what is missing was not read")
        here.until(lambda: here.state == "active", "it stays a gap")
        assert here.bridge.store.gaps(here.bridge.clock()) == []
        assert server.requests - before <= _BOUND


@pytest.fixture
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


def test_sekmet_by_the_backport(tmp_path: Path, http: httpx.Client) -> None:
    with sekmet_server() as base:
        fhir = Fhir(base, SEKMET, http, uuid.uuid4().hex[:8])
        fhir.made(basic_topic())
        check_a_lost_event_is_made_up_for(fhir, tmp_path)


def test_hapi_r4b(tmp_path: Path, http: httpx.Client) -> None:
    with hapi_server("R4B") as base:
        fhir = Fhir(base, HAPI, http, uuid.uuid4().hex[:8])
        fhir.made(topic())
        check_a_lost_event_is_made_up_for(fhir, tmp_path)
