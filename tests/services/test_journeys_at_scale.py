"""The same journeys with a Celery worker process, a real Redis and a real PostgreSQL."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml

from fhirbridge import worker
from fhirbridge.demo.estate import Running, embedded
from fhirbridge.journeys.estate import Clock
from fhirbridge.journeys.play import play, prepare
from fhirbridge.journeys.script import Journey, fixtures, journeys
from fhirbridge.settings import Settings
from tests.servers import postgres_server, redis_server

JOURNEYS = journeys(fixtures())

#: A worker as `fhirbridge worker` starts it, but for the clock, which is that of the journeys.
PROGRAM = """
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from fhirbridge import logs, settings, wiring, worker
from fhirbridge.demo.estate import PACE
logs.set_up()
found, offset = settings.read(Path(sys.argv[1]), {}), Path(sys.argv[2])
clock = lambda: datetime.now(UTC) + timedelta(seconds=float(offset.read_text()))
worker.run(found, wiring.wire(found, clock=clock, pace=PACE, retries=0))
"""


class SharedClock(Clock):
    """A clock that other processes read: a file holds how far it is ahead of the real one."""

    def __init__(self, at: datetime, file: Path) -> None:
        super().__init__(at)
        self._file = file
        self._share()

    def set(self, to: datetime) -> None:
        super().set(to)
        self._share()

    def _share(self) -> None:
        new = self._file.with_suffix(".new")
        new.write_text(str((self() - datetime.now(UTC)).total_seconds()))
        new.replace(self._file)  # nobody reads half a file


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("scale")
    offset = folder / "offset"
    with ExitStack() as stack:
        store = stack.enter_context(postgres_server())
        broker = stack.enter_context(redis_server())
        wake = worker.waker(Settings(broker=broker, instance="demo"))
        clock = SharedClock(JOURNEYS[0].script.as_of, offset)
        made = stack.enter_context(
            embedded(
                folder, clock=clock, store=store, broker=broker, workers=0, wake=wake, patience=40
            )
        )
        stack.enter_context(celery(made.settings, folder, offset))
        made.estate.rest()
        prepare(fixtures(), made.estate)
        yield made


@contextmanager
def celery(settings: Settings, folder: Path, offset: Path) -> Iterator[None]:
    """A worker process of this configuration, until the end."""
    config, log = folder / "worker.yaml", folder / "worker.log"
    said = settings.model_dump(mode="json", exclude_defaults=True)
    config.write_text(yaml.safe_dump(said), encoding="utf-8")
    with log.open("wb") as output:
        command = [sys.executable, "-c", PROGRAM, str(config), str(offset)]
        process = subprocess.Popen(command, stdout=output, stderr=output)
        try:
            yield
            assert process.poll() is None, log.read_text()
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
def test_a_journey_ends_as_its_fixture_says(journey: Journey, running: Running) -> None:
    result = play(journey, running.estate, lambda _: None)
    assert result.differences == ()
