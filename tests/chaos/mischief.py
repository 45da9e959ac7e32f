"""What goes wrong, and when. The plan is made of a seed; what the machine makes of it is not."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from random import Random
from typing import NamedTuple

from .processes import Disk, Program

_BETWEEN = (1.5, 5.0)  # seconds from one deed to the next
_GUARD = 1.0  # seconds between looks for what ended by itself
_GONE = (0.0, 3.0)  # seconds that what was killed stays away
_FULL = 30.0  # seconds that the disk is full, at most
_APART = 0.3  # of the whole time, from one server's outage to the next one's


class Deed(NamedTuple):
    at: float  # seconds after the start
    what: str
    act: Callable[[], None]


class Mischief:
    """Kills the victims at random; the servers, a worker and the disk have their turns, too."""

    def __init__(
        self,
        victims: Mapping[str, Program],
        servers: Sequence[Program],
        worker: Program,
        disk: Disk,
        *,
        seconds: float,
        down: float,
        hang: float,
        rng: Random,
        between: tuple[float, float] = _BETWEEN,
    ) -> None:
        self.done: Counter[str] = Counter()
        self._victims, self._disk = victims, disk
        self._stop, self._between = threading.Event(), between
        plan = [*self._kills(seconds, rng), *_outages(servers, seconds, down)]
        plan += _hang(worker, seconds * 0.30, hang)
        if disk.small:
            full = min(max(4.0, seconds * 0.08), _FULL)
            plan.append(Deed(seconds * 0.80, "the disk is full", disk.fill))
            plan.append(Deed(seconds * 0.80 + full, "", disk.clear))
        self._plan = sorted(plan, key=lambda deed: deed.at)

    def _kills(self, seconds: float, rng: Random) -> list[Deed]:
        """Every victim has its turn before any has its second."""
        deeds, at, names = [], 2.0, list[str]()
        while (at := at + rng.uniform(*self._between)) < seconds:
            if not names:
                names = rng.sample(sorted(self._victims), len(self._victims))
            name = names.pop()
            victim = self._victims[name]
            deeds.append(Deed(at, f"kill -9 {name}", victim.kill))
            deeds.append(Deed(at + rng.uniform(*_GONE), "", victim.start))
        return deeds

    def play(self) -> None:
        """Everything in its time; ends when the last deed is done."""
        began = time.monotonic()
        for deed in self._plan:
            while (left := began + deed.at - time.monotonic()) > 0:
                self._stop.wait(min(left, _GUARD))
                self._guard()
            deed.act()
            if deed.what:
                self.done[deed.what] += 1

    def _guard(self) -> None:
        """What ended by itself is started again, as a supervisor of processes would."""
        for victim in self._victims.values():
            if victim.ended:
                self.done[f"{victim.name} ended by itself"] += 1
                victim.start()


def longest_outage(seconds: float) -> float:
    """How long each server can be down in a play of so many seconds: two minutes, if they fit."""
    return min(120.0, seconds * _APART)


def _outages(servers: Sequence[Program], seconds: float, down: float) -> list[Deed]:
    """Each server is down for so long, one after the other."""
    deeds = []
    for server, begins in zip(servers, (0.15, 0.15 + _APART), strict=True):
        break_, heal = (
            partial(server.signal, signal.SIGUSR1),
            partial(server.signal, signal.SIGUSR2),
        )
        deeds.append(Deed(seconds * begins, f"{server.name} is down {down:.0f} s", break_))
        deeds.append(Deed(seconds * begins + down, "", heal))
    return deeds


def _hang(worker: Program, at: float, long: float) -> list[Deed]:
    """It stands still for longer than its lease lasts, and then goes on as if nothing had been."""
    return [
        Deed(at, f"{worker.name} hangs", lambda: worker.signal(signal.SIGSTOP)),
        Deed(at + long, "", lambda: worker.signal(signal.SIGCONT)),
    ]
