"""Journeys with something broken in them: facts or Problems come of it, never an exception."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.fhir.read import Snapshot, read
from tests.scenarios.scenario import formulary

from .chart import ZONE, Json
from .test_labeled import ALL, told

BROKEN: tuple[Any, ...] = (None, "", "q12h", 10**30, -1, True, [], {}, [None], {"value": "q12h"})


def places(node: Any) -> list[tuple[Any, Any]]:
    """Every (container, key) below a node."""
    keys: list[Any] = []
    if isinstance(node, dict):
        keys = list(node)
    elif isinstance(node, list):
        keys = list(range(len(node)))
    inner = [each for key in keys for each in places(node[key])]
    return [(node, key) for key in keys] + inner


@pytest.mark.parametrize("seed", range(40))
def test_a_broken_journey_is_read_and_booked(seed: int) -> None:
    random = Random(seed)
    chart = told(random.choice(ALL))
    records: list[Json] = [each for source in chart.sources.values() for each in source]
    for record in records:
        holder, key = random.choice(places(record))
        holder[key] = random.choice(BROKEN)
    reading = read(Snapshot("ehr", records), ZONE)
    assert book(reading.facts, formulary(), Calendar(ZONE)) is not None
