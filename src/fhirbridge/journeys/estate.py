"""The estate of a journey: its servers, the bridge's store, a clock, and how to wait for them.

Nothing here sleeps for a while and hopes: each change is awaited in the bridge's journal, and
then until nothing is due, leased or on its way.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhirbridge.bridge.ports import Store
from fhirbridge.store.records import JournalEvent

from .hosts import Host, Written

_POLL = 0.02
_RECENT = 200


class Clock:
    """Time that can be set ahead, and otherwise goes on as usual. It never goes back."""

    def __init__(self, at: datetime) -> None:
        self._at, self._since = at, time.monotonic()

    def __call__(self) -> datetime:
        return self._at + timedelta(seconds=time.monotonic() - self._since)

    def set(self, to: datetime) -> None:
        """It is at least `to` now."""
        if to > self():
            self._at, self._since = to, time.monotonic()


@dataclass(frozen=True)
class Estate:
    """Where a journey is played.

    `notice` makes the bridge look at the clock (its ticker would, within a second). `patience`:
    seconds to wait for what must happen; a real server delivers seconds later.
    """

    hosts: Mapping[str, Host]
    store: Store
    clock: Clock
    notice: Callable[[], None]
    home: str
    patience: float = 10.0

    def at(self, moment: datetime) -> None:
        """Set the clock, and let the bridge do what has become due by it."""
        self.clock.set(moment)
        self.notice()
        self.rest()

    def heard(self, host: Host, written: Written) -> None:
        """Wait until the bridge has heard of a change. Raises TimeoutError."""
        if host.failing or written.type not in host.types:
            return
        what = f"{host.name} did not notify of {written.type}/{written.id}"
        with self._deadline(what) as waiting:
            while waiting():
                if any(
                    _tells(event, written)
                    for line in self.store.recent(_RECENT)
                    if line.source == host.name
                    for event in line.events
                ):
                    return

    def rest(self) -> None:
        """Wait until nothing is pending anywhere. Raises TimeoutError."""
        with self._deadline("the bridge does not come to rest") as waiting:
            while waiting():
                if self._quiet() and self._delivered() and self._quiet():
                    return

    def reads(self) -> dict[str, int | None]:
        """How often each server has let a patient be read."""
        return {name: host.reads() for name, host in self.hosts.items()}

    def _quiet(self) -> bool:
        counts = self.store.counts(self.clock())
        return not counts.due and not counts.leased

    def _delivered(self) -> bool:
        for host in self.hosts.values():
            host.idle(self.patience)
        return True

    @contextmanager
    def _deadline(self, what: str) -> Iterator[Callable[[], bool]]:
        """`waiting()` is True, after a breath, until the patience is used up."""
        end = time.monotonic() + self.patience
        first = True

        def waiting() -> bool:
            nonlocal first
            if not first:
                if time.monotonic() >= end:
                    raise TimeoutError(f"{what} within {self.patience:g} s")
                time.sleep(_POLL)
            first = False
            return True

        yield waiting


def _tells(event: JournalEvent, written: Written) -> bool:
    if (event.type, event.id) != (written.type, written.id):
        return False
    return event.version == written.version if written.version else event.verb == "deleted"
