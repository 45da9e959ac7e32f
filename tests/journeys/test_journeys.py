"""The journeys of `fixtures/`, played whole: `make journeys`, or `make journeys SERVER=hapi`."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fhirbridge.demo.estate import Running, embedded
from fhirbridge.journeys.estate import Clock
from fhirbridge.journeys.play import play, prepare
from fhirbridge.journeys.script import Journey, fixtures, journeys
from tests.servers import hapi_server

JOURNEYS = journeys(fixtures())


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """One estate for all journeys: they are played in the order of their dates."""
    folder, clock = tmp_path_factory.mktemp("estate"), Clock(JOURNEYS[0].script.as_of)
    with ExitStack() as stack:
        if os.environ.get("SERVER") == "hapi":
            url = stack.enter_context(hapi_server())
            unique = f"-{uuid.uuid4().hex[:6]}"
            made = embedded(folder, clock=clock, ehr=url, suffix=unique, patience=60)
        else:
            made = embedded(folder, clock=clock)
        estate = stack.enter_context(made)
        prepare(fixtures(), estate.estate)
        yield estate


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
def test_a_journey_ends_as_its_fixture_says(journey: Journey, running: Running) -> None:
    result = play(journey, running.estate, lambda _: None)
    assert result.differences == ()
