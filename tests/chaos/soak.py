"""`python -m tests.chaos.soak --minutes 20` (`make soak MINUTES=20`): what grows?

A steady load, and faults all the while: servers are down, a worker, Redis and PostgreSQL are
killed, a worker hangs, the disk is full, the network drops and doubles. One web door and one worker
live through it, and are looked at: memory, open files, the size of the database (of which what is
older than KEEP is forgotten, as the service does it) and the lag, at the start and at the end.
Faults end before the end, so that the lag can be caught up. Ends with 1 when something grew without
bound, or when something was lost.
"""

from __future__ import annotations

import argparse
import signal
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import psycopg

from benchmarks.served import resident
from fhirbridge import wiring
from fhirbridge.store import Store
from fhirbridge.store.records import StoreError
from tests.chaos.estate import LEASE, Estate, estate
from tests.chaos.mischief import Mischief

#: More than the overlap of polls: else a poll would take what was forgotten for news.
KEEP = timedelta(seconds=200)
_EACH = 2.0  # seconds from one look to the next
_CALM = 0.15  # of the time, at the end: no faults
_BETWEEN = (10.0, 30.0)  # seconds from one kill to the next
_LIVING = ("door-1", "worker-1")  # are never killed
_WINDOW = 0.08  # of the time: what is looked at in it counts as one moment


@dataclass(frozen=True)
class Look:
    """At one moment; what could not be seen (PostgreSQL was down) is None."""

    at: float  # seconds since the start
    memory: float  # MB of those that live on
    files: float  # handles
    database: float | None  # MB
    lag: float | None  # seconds that the oldest of what is due has waited


@dataclass(frozen=True)
class Bound:
    """What a figure may become."""

    what: str
    unit: str
    of: Callable[[Look], float | None]
    most: Callable[[float], float]  # at the end, for what it was at the start


BOUNDS = (
    Bound("memory of a door and a worker", "MB", lambda look: look.memory, lambda x: x * 1.15 + 5),
    Bound("their open files and sockets", "", lambda look: look.files, lambda x: x + 20),
    Bound("size of the database", "MB", lambda look: look.database, lambda x: x * 1.5 + 5),
    Bound("lag", "s", lambda look: look.lag, lambda x: max(x * 2, 30.0)),
)


def main() -> int:
    wanted = argparse.ArgumentParser(prog="python -m tests.chaos.soak", description=__doc__)
    wanted.add_argument("--minutes", type=float, default=20)
    wanted.add_argument("--seed", type=int, default=1)
    wanted.add_argument("--people", type=int, default=150)
    wanted.add_argument("--rate", type=float, default=5, help="changes a second")
    wanted.add_argument("--logs", type=Path, help="keep what the programs say in this folder")
    asked = wanted.parse_args()
    if asked.minutes < 6:
        wanted.error("--minutes: at least 6, else nothing is forgotten before the first look")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("told to end"))  # and nothing is left running
    with tempfile.TemporaryDirectory(prefix="fhirbridge-soak-") as scratch:
        folder = asked.logs or Path(scratch)
        folder.mkdir(parents=True, exist_ok=True)
        with estate(folder, asked.people, Random(asked.seed)) as made:
            return soak(made, asked.minutes * 60, asked.rate, Random(asked.seed))


def soak(made: Estate, seconds: float, rate: float, rng: Random) -> int:
    """Load and faults for so long; answers the exit code."""
    made.subscribed()
    made.hospital.admit()
    made.at_rest()
    mischief = Mischief(
        {name: each for name, each in made.victims.items() if name not in _LIVING},
        list(made.servers.values()),
        made.victims["worker-2"],
        made.disk,
        seconds=seconds * (1 - _CALM),
        down=min(120.0, seconds * 0.1),
        hang=LEASE * 1.5,
        rng=rng,
        between=_BETWEEN,
    )
    watch = Watch(made)
    for each in (mischief.play, watch.run):
        threading.Thread(target=each, daemon=True).start()
    made.hospital.live(seconds, rate)
    watch.stop()
    made.hospital.discharge()
    made.network.cut = True
    made.at_rest()
    made.swept()
    verdict = made.hospital.verdict(made.network.acknowledged, datetime.now(UTC))
    deeds = ", ".join(f"{what} ×{n}" for what, n in sorted(mischief.done.items()))
    print(f"what went wrong: {deeds}")
    print(f"changes {verdict.changes}, acknowledged {verdict.acknowledged}, lost {verdict.lost}")
    print(
        f"Tasks expected {verdict.expected}, found {verdict.found}; missing {verdict.missing},"
        f" doubled {verdict.doubled}, outdated {verdict.outdated}"
    )
    grown = reported(watch.looks, seconds)
    print("all is well" if verdict.well and not grown else "SOMETHING GREW OR WAS LOST")
    return 0 if verdict.well and not grown else 1


def reported(looks: Sequence[Look], seconds: float) -> list[str]:
    """Print each figure at start and end; answers what grew beyond its bound."""
    window = seconds * _WINDOW
    begin = max(seconds * 0.25, KEEP.total_seconds())
    first = [look for look in looks if begin <= look.at < begin + window]
    last = [look for look in looks if look.at >= seconds - window]
    grown = []
    for bound in BOUNDS:
        start, end = _middle(first, bound), _middle(last, bound)
        most = max(value for look in looks if (value := bound.of(look)) is not None)
        ok = end <= bound.most(start)
        if not ok:
            grown.append(bound.what)
        print(
            f"{bound.what:<34} start {start:8.1f}  end {end:8.1f}  most {most:8.1f} {bound.unit:<3}"
            f" (end at most {bound.most(start):.1f}{'' if ok else ': IT GREW'})"
        )
    return grown


def _middle(looks: Sequence[Look], bound: Bound) -> float:
    seen = [value for look in looks if (value := bound.of(look)) is not None]
    if not seen:
        raise RuntimeError(f"{bound.what} could not be seen once in a whole window")
    return statistics.median(seen)


class Watch:
    """Looks at what lives on, again and again, and lets the store forget."""

    def __init__(self, made: Estate) -> None:
        self.looks: list[Look] = []
        self._made, self._ended = made, threading.Event()
        self._began = time.monotonic()
        self._store = Store(made.settings.store, ids=wiring.names)

    def run(self) -> None:
        while not self._ended.wait(_EACH):
            pids = [self._made.victims[name].pid for name in _LIVING]
            self.looks.append(
                Look(
                    at=time.monotonic() - self._began,
                    memory=sum(resident(pid) for pid in pids),
                    files=sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in pids),
                    database=self._database(),
                    lag=self._lag(),
                )
            )
        self._store.close()

    def stop(self) -> None:
        self._ended.set()

    def _database(self) -> float | None:
        url = self._made.settings.store.replace("+psycopg", "")
        try:
            with psycopg.connect(url, connect_timeout=2) as connection:
                row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        except psycopg.Error:
            return None
        return None if row is None else row[0] / 1e6

    def _lag(self) -> float | None:
        now = datetime.now(UTC)
        try:
            self._store.purge(now - KEEP)
            oldest = self._store.counts(now).oldest_due
        except StoreError:
            return None
        return (now - oldest).total_seconds() if oldest else 0.0


if __name__ == "__main__":
    sys.exit(main())
