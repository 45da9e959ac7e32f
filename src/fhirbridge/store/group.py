"""Group commit: many deliveries that arrive at once share one `hear`, and so one fsync.

No waiting for company: while one commit is on its way to the disk, the next group gathers. The
queue is bounded; when it is full the door answers 503 and the sender comes again.

    future = group.submit(delivery)      # from any thread; from async: asyncio.wrap_future(future)
    heard = future.result()              # on disk now; or raises Unwritable

An event loop that has several deliveries in hand submits them with its `call_soon`: the group is
fetched once it has gone through them, and the two threads do not struggle for the interpreter.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from datetime import datetime
from typing import Protocol

from .records import Delivery, Heard, Unwritable


class Busy(Unwritable):
    """More deliveries wait than the queue holds, or the intake is closing. Retry soon."""


class Hears(Protocol):
    def hear(self, deliveries: Sequence[Delivery], now: datetime) -> list[Heard]: ...


_Job = tuple[Delivery, "Future[Heard]"]

#: Calls a function when what the caller has in hand now is done.
Soon = Callable[[Callable[[], None]], object]


def at_once(call: Callable[[], None]) -> None:
    call()


class GroupCommit:
    """One thread that hands deliveries to the store in groups of at most `most`.

    `depth` bounds how many wait, `weight` the bytes of their bodies, held in memory meanwhile
    (a single heavier one is taken when it is alone).
    """

    def __init__(
        self,
        store: Hears,
        clock: Callable[[], datetime],
        *,
        most: int = 256,
        depth: int = 2048,
        weight: int = 64 * 2**20,
    ) -> None:
        self._store = store
        self._clock = clock
        self._most = most
        self._depth = depth
        self._waiting: deque[_Job] = deque()
        self._news = threading.Condition(threading.Lock())  # guards the rest
        self._most_bytes = weight
        self._bytes = 0  # of those taken and not yet answered
        self._closed = False
        self._thread = threading.Thread(target=self._run, name="group-commit", daemon=True)
        self._thread.start()

    def submit(self, delivery: Delivery, soon: Soon = at_once) -> Future[Heard]:
        """Resolves when the delivery is on disk. Raises `Busy` at once when it cannot be taken."""
        future: Future[Heard] = Future()
        with self._news:
            if self._closed:
                raise Busy("the intake is closing")
            heavier = self._bytes + len(delivery.body)
            if self._bytes and heavier > self._most_bytes:
                raise Busy(f"{self._bytes} bytes are waiting already")
            if len(self._waiting) >= self._depth:
                raise Busy(f"{self._depth} deliveries are waiting already")
            self._waiting.append((delivery, future))
            self._bytes = heavier
        soon(self._ring)
        return future

    def close(self) -> None:
        """Commit what was taken, then stop."""
        with self._news:
            self._closed = True
            self._news.notify()
        self._thread.join()

    def _ring(self) -> None:
        with self._news:
            self._news.notify()

    def _run(self) -> None:
        while group := self._gather():
            # Whoever gave up meanwhile (the sender hung up) was promised nothing.
            self._commit([one for one in group if one[1].set_running_or_notify_cancel()])
            with self._news:
                self._bytes -= sum(len(delivery.body) for delivery, _ in group)

    def _gather(self) -> list[_Job]:
        """What waits, as soon as something does; nothing when the end has come."""
        with self._news:
            self._news.wait_for(lambda: self._waiting or self._closed)
            return [self._waiting.popleft() for _ in range(min(len(self._waiting), self._most))]

    def _commit(self, group: list[_Job]) -> None:
        if not group:
            return
        try:
            heard = self._store.hear([delivery for delivery, _ in group], self._clock())
        except Unwritable as error:
            for _, future in group:
                future.set_exception(error)
        except Exception as error:  # noqa: BLE001 - a submitter must get an answer, whatever it is
            self._apart(group, error)
        else:
            for (_, future), result in zip(group, heard, strict=True):
                future.set_result(result)

    def _apart(self, group: list[_Job], error: Exception) -> None:
        """One of them cannot be kept: only its own sender shall suffer."""
        if len(group) == 1:
            group[0][1].set_exception(error)
            return
        for job in group:
            self._commit([job])
