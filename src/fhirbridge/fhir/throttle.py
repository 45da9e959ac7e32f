"""The load that we put on one FHIR server: so many requests at once, so many a second.

A server that says “come again in N seconds” (429 or 503 with Retry-After) is left alone by
everybody for as long, not only by the request that was told so. Nobody is let in meanwhile: who
would wait longer than `LONGEST_WAIT` is told at once to come later, so that no worker stands idle.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from threading import Lock, Semaphore

#: Seconds that a request waits here for its turn; longer is the caller's to wait.
LONGEST_WAIT = 5.0


class Later(Exception):
    """The server is to be left alone for `seconds` more."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"to be left alone for {seconds:.0f} s")
        self.seconds = seconds


class Throttle:
    """`at_once` requests at the same time, `a_second` of them begun (0: any). Thread-safe."""

    def __init__(
        self,
        *,
        at_once: int = 8,
        a_second: float = 0,
        clock: Callable[[], datetime],
        sleep: Callable[[float], None],
    ) -> None:
        self._lanes = Semaphore(at_once)
        self._apart = timedelta(seconds=1 / a_second if a_second else 0)
        self._clock, self._sleep = clock, sleep
        self._guard = Lock()
        self._next: datetime | None = None  # when the next request may begin
        self._closed_until: datetime | None = None
        self._latest: datetime | None = None  # that the clock showed

    @contextmanager
    def turn(self) -> Iterator[None]:
        """One request, when its turn has come. Raises `Later`."""
        with self._lanes:
            if wait := self._wait():
                self._sleep(wait)
            yield

    def leave_alone(self, seconds: float) -> None:
        """The server asked for it."""
        until = self._clock() + timedelta(seconds=seconds)
        with self._guard:
            self._closed_until = max(until, self._closed_until or until)

    def _set_back(self, now: datetime) -> None:
        """A clock that was set back must not keep everybody waiting for as long."""
        if self._latest is not None and now < self._latest:
            by = self._latest - now
            self._next = self._next and self._next - by
            self._closed_until = self._closed_until and self._closed_until - by
        self._latest = now

    def _wait(self) -> float:
        """Seconds until this request may begin; its place in the row is taken by asking."""
        with self._guard:
            now = self._clock()
            self._set_back(now)
            begin = max(now, self._closed_until or now, (self._next or now) if self._apart else now)
            wait = (begin - now).total_seconds()
            if wait > LONGEST_WAIT:
                raise Later(wait)
            self._next = begin + self._apart
            return wait
