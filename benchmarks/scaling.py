"""`make scale`: 1, 2 and 4 workers and two web doors on PostgreSQL and Redis, and what bounds them.

The same people change in every round; the door hears it while no worker runs, then so many
workers start, and the middle of their work is timed. Once the FHIR servers answer at once, so that
the processors are the bound; once they take 50 ms for each answer, as servers elsewhere do.
docs/scaling.md explains the figures.
"""

from __future__ import annotations

import asyncio
import itertools
import os
import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import NamedTuple

from benchmarks.fleet import Fleet, fleet
from benchmarks.intake import our_door, requests_of
from benchmarks.profile import profiled
from benchmarks.report import Row
from benchmarks.sending import sent, serving
from benchmarks.served import idled
from tests.servers import postgres_server

PEOPLE = 200
WORKERS = (1, 2, 4)
LAGS = (0.0, 0.05)  # seconds that a FHIR server takes more for each answer
THREADS = 2  # of each worker
_FROM, _TO = 0.9, 0.1  # of the people still owed: between them is timed
_SECONDS = 3.0  # that doors are sent to in each round
_ROUNDS = 3
_IDLE = 0.15  # of the cores idle, or less: no worker more makes it quicker


class Curve(NamedTuple):
    """What so many workers did."""

    workers: int
    lag: float
    a_second: float  # people decided
    work: dict[str, float]  # seconds of processor time for one decision, by who spent it
    idle: float  # cores of the machine that nobody used

    @property
    def cores(self) -> float:
        """How many cores the whole fleet kept busy."""
        return sum(self.work.values()) * self.a_second

    @property
    def bound(self) -> str:
        """What kept it from being quicker."""
        every = os.cpu_count() or 1
        others = max(0.0, every - self.idle - self.cores)
        if self.idle < _IDLE * every:
            most = max(self.work, key=lambda what: self.work[what])
            return f"the processors: most for {most}; other programs took {others:.1f} cores"
        return f"waiting{' for the FHIR servers' if self.lag else ''}; {self.idle:.1f} cores idle"


def run(people: int = PEOPLE, counts: Sequence[int] = WORKERS) -> Iterator[Row]:
    """Rows of the report, each as soon as it is known."""
    yield Row("cores of this machine", f"{os.cpu_count()}", "")
    yield from _doors()
    with fleet(people, doors=2) as made:
        for lag in LAGS:
            for server in made.servers.values():
                server.slow(lag)
            says = (
                f"servers that take {lag * 1e3:.0f} ms more"
                if lag
                else "servers that answer at once"
            )
            yield Row(f"— {says} —", "", "")
            alone: Curve | None = None
            for count in counts:
                curve = _curve(made, count, lag)
                alone = alone or curve
                yield from _told(curve, alone)
        for server in made.servers.values():
            server.slow(0.0)
        yield from (_busy(made, count) for count in counts if count > 1)
        yield from profiled(made)


def _curve(made: Fleet, count: int, lag: float) -> Curve:
    made.tell(made.change())
    owed = made.owed()
    with made.workers(count):
        began = made.until(lambda left: left <= owed * _FROM)
        first, work, idle = made.owed(), made.work(), idled()
        ended = made.until(lambda left: left <= owed * _TO)
        last, after, idle = made.owed(), made.work(), idled() - idle
        made.rest()
    done = first - last
    spent = {what: (after[what] - work[what]) / done for what in after}
    took = ended - began
    return Curve(count, lag, done / took, spent, idle / took)


def _told(each: Curve, alone: Curve) -> Iterator[Row]:
    """One worker is the measure of the others."""
    name = f"{each.workers} × {THREADS} threads"
    yield Row(f"{name}: people decided/s", f"{each.a_second:.1f}", "")
    if each is not alone:
        yield Row("… times those of one worker", f"{each.a_second / alone.a_second:.2f}", "")
    yield Row("… cores in use", f"{each.cores:.1f}", "", note=each.bound)
    shares = ", ".join(
        f"{what} {seconds * 1e3:.1f}" for what, seconds in each.work.items() if seconds > 5e-5
    )
    spent = f"{sum(each.work.values()) * 1e3:.1f}"
    yield Row("… ms of processor for one", spent, "", note=shares)


def _busy(made: Fleet, count: int) -> Row:
    """From the first notification to the last Task, the workers being there."""
    with made.workers(count):
        made.tell(made.change())  # they have started when these are done
        made.rest()
        began = time.monotonic()
        made.tell([each for _ in range(3) for each in made.change()], doors=2)
        heard = time.monotonic() - began
        made.rest()
        took = time.monotonic() - began
    told = 3 * made.people
    return Row(
        f"2 doors, {count} workers: acknowledged/s",
        f"{told / heard:,.0f}",
        "",
        note=f"while they work; {told} changes seen through in {took:.1f} s",
    )


def _doors() -> list[Row]:
    """One and two web doors before one PostgreSQL, in turns."""
    with ExitStack() as stack:
        store = stack.enter_context(postgres_server(durable=True))
        doors = [stack.enter_context(serving(our_door, (store, True))) for _ in range(2)]
        numbers = itertools.count()
        rounds = []
        for _ in range(_ROUNDS + 1):
            speed = []
            for some in (doors[:1], doors):
                ports = [each.port for each in some]
                end = time.monotonic() + _SECONDS
                waits = asyncio.run(sent(ports, requests_of(numbers), end=end))
                speed.append(len(waits) / _SECONDS)
            rounds.append(speed)
    one, two = (statistics.median(column) for column in zip(*rounds[1:], strict=True))
    return [
        Row("1 door on PostgreSQL: acknowledged/s", f"{one:,.0f}", ""),
        Row("2 doors on PostgreSQL: acknowledged/s", f"{two:,.0f}", ""),
        Row("… times those of one door", f"{two / one:.2f}", ""),
    ]
