"""A source that pings by websocket: what it pings of is read, and what was missed meanwhile."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace

import pytest

from fhirbridge.bridge.story import Decided
from fhirbridge.fhir.websocket import Dropped, listen
from fhirbridge.listening import Listeners
from tests.bell import Bell
from tests.bridge.estate import Estate, dispense, order

pytestmark = pytest.mark.sockets


@pytest.fixture
def bell() -> Iterator[Bell]:
    with Bell() as made:
        yield made


@pytest.fixture
def listeners(estate: Estate, bell: Bell) -> Iterator[Listeners]:
    """The pharmacy of the estate pings; its Subscriptions are named by their types."""
    server = estate.settings.servers["pharmacy"]
    more = {"subscribe": "websocket", "websocket_url": bell.url}
    estate.settings.servers["pharmacy"] = server.model_copy(update=more)
    estate.restart()
    for row in estate.bridge.store.subscriptions():
        if row.source == "pharmacy":
            estate.bridge.store.save_subscription(replace(row, server_id=row.type))
    made = Listeners(estate.bridge)
    made.step()
    yield made
    made.close()


#: Seconds after which something hangs: more than all patience of a websocket.
_HANGS = 120.0


def until(condition: Callable[[], object]) -> None:
    waiting, end = threading.Event(), time.monotonic() + _HANGS
    while not condition():
        assert time.monotonic() < end, f"not within {_HANGS:.0f} s"
        waiting.wait(0.01)


def states(estate: Estate) -> set[str]:
    rows = estate.bridge.store.subscriptions()
    return {row.state for row in rows if row.source == "pharmacy"}


def dialects(estate: Estate) -> set[str]:
    return {line.dialect for line in estate.bridge.store.recent(100)}


def test_only_the_type_that_a_ping_is_about_is_read(
    estate: Estate, listeners: Listeners, bell: Bell
) -> None:
    del listeners
    until(lambda: set(bell.bound) == {"Patient", "MedicationDispense"})
    estate.put("ehr", order())
    until(lambda: estate.bridge.store.mark("pharmacy:MedicationDispense/*"))
    until(lambda: estate.bridge.store.mark("pharmacy:Patient/*"))
    estate.work()
    estate.put("pharmacy", dispense(mg=300), tell=False)
    estate.servers["pharmacy"].requests.clear()
    bell.ping("MedicationDispense")
    until(lambda: "websocket" in dialects(estate))
    estate.work()
    assert estate.told(Decided)[-1].decision.ledger.occasions[0].dispensed.total.value == 300
    asked = [target for _, target in estate.servers["pharmacy"].requests if "_history" in target]
    assert len(asked) == 1


def test_while_a_connection_is_gone_its_source_is_silent_and_then_catches_up(
    estate: Estate, listeners: Listeners, bell: Bell
) -> None:
    del listeners
    until(lambda: len(bell.bound) == 2)
    until(lambda: estate.bridge.store.mark("pharmacy:Patient/*"))
    until(lambda: estate.bridge.store.mark("pharmacy:MedicationDispense/*"))
    estate.work()
    bell.answers.clear()
    bell.hang_up()
    until(lambda: states(estate) == {"silent"})
    bell.answers.set()
    until(lambda: states(estate) == {"active"})
    until(lambda: (found := estate.bridge.store.mark("pharmacy:Patient/*")) and found.due_at)


def test_what_is_no_longer_there_to_listen_to_is_left(estate: Estate, listeners: Listeners) -> None:
    ears = [each for each in threading.enumerate() if each.name == "ear-pharmacy"]
    assert len(ears) == 2
    assert listeners.step() == 0
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    listeners.step()
    until(lambda: not any(each.is_alive() for each in ears))


def test_closing_waits_for_those_that_were_left_too(estate: Estate, listeners: Listeners) -> None:
    """Else they would speak to a store that is closed."""
    ears = [each for each in threading.enumerate() if each.name == "ear-pharmacy"]
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    listeners.step()
    listeners.close()
    assert not any(each.is_alive() for each in ears)


def test_why_a_connection_is_gone_is_said_without_headers(bell: Bell) -> None:
    secret = {"Authorization": "Bearer s3cret"}

    def asked(url: str) -> None:
        listen(url, "1", headers=secret, bound=bell.hang_up, ping=bell.hang_up, stopped=bool)

    with pytest.raises(Dropped, match="closed") as closed:
        asked(bell.url)
    assert "s3cret" not in str(closed.value)
    for url in ("ws://127.0.0.1:1/websocket", "http://127.0.0.1:1/", "nonsense"):
        with pytest.raises(Dropped, match="cannot be opened"):
            asked(url)
