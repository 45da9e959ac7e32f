"""The main line heard by websocket: pings, nothing else; and what a lost connection did not tell.

With SERVER=hapi the EHR is a real one with its own websocket; the other two have a bell.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge.sandbox import Sandbox
from tests.bell import Bell
from tests.bridge.estate import Json
from tests.journeys.hospital import Hapi, Hospital, hospital, until


@pytest.fixture
def bells() -> Iterator[dict[str, Bell]]:
    with Bell() as payer, Bell() as pharmacy, Bell() as ehr:
        yield {"payer": payer, "pharmacy": pharmacy, "ehr": ehr}


@pytest.fixture
def estate(tmp_path: Path, bells: dict[str, Bell]) -> Iterator[Hospital]:
    def more(name: str, server: Sandbox | Hapi) -> Json:
        if isinstance(server, Hapi):
            return {"subscribe": "websocket", "profile": "hapi"}
        bells[name].hang_at(server)
        return {"subscribe": "websocket", "websocket_url": bells[name].url}

    with hospital(tmp_path, more=more) as made:
        kinds = 1 + len(made.bridge.sources["pharmacy"].types)
        until(lambda: len(bells["pharmacy"].bound) == kinds)
        yield made


def dialects(estate: Hospital) -> set[str]:
    return {line.dialect for line in estate.bridge.store.recent(1000)}


def test_a_short_dispense_becomes_a_task_and_the_balance_closes_it(estate: Hospital) -> None:
    estate.people()
    estate.put("ehr", estate.order(), estate.visit())
    estate.put("pharmacy", estate.dispense(mg=300))
    until(lambda: "dispense-short" in estate.rules())
    estate.put("pharmacy", estate.dispense("e", mg=300))
    until(lambda: "dispense-short" not in estate.rules())
    assert estate.tasks(status="completed")
    assert dialects(estate) == {"websocket", "poll"}


def test_what_changed_while_nobody_was_connected_is_read(
    estate: Hospital, bells: dict[str, Bell]
) -> None:
    estate.people()
    estate.put("ehr", estate.order(), estate.visit())
    until(lambda: estate.tasks(status="requested"))
    bells["pharmacy"].hang_up()
    estate.put("pharmacy", estate.dispense(mg=300))  # nobody hears this
    until(lambda: "dispense-short" in estate.rules())
