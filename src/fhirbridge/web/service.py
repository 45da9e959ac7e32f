"""One process that hears and works: the web door, worker threads and a ticker.

    with Service(bridge, supervise=lambda url: wiring.supervise(settings, bridge)) as service:
        service.url          # http://127.0.0.1:41237

Leaving it is graceful: the door closes first (what was taken is on disk), then each worker ends
what it has in hand. With `workers=0` it only hears; Celery workers do the work.
"""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from functools import partial
from typing import Self

from fhirbridge.bridge.bridge import FORGET, Bridge
from fhirbridge.bridge.story import all_of
from fhirbridge.listening import Listeners
from fhirbridge.logs import get_logger, named
from fhirbridge.store.records import StoreError
from fhirbridge.supervisor import Supervisor

from .app import Jwks, app, no_keys
from .console import Console
from .door import Door, bound
from .gate import Management
from .metrics import Metrics

log = get_logger("fhirbridge.web")

#: How long a worker sleeps when nothing wakes it: news by other processes is found so late.
_NAP = 1.0
_TICK = 1.0
#: How many of the due a worker takes at once; each is seen through before the next.
_HANDFUL = 1
_HERE_ONLY = Management()
_HAS_HUP = hasattr(signal, "SIGHUP")  # Windows has none


class Signals:
    """What the process is told, from now on: to end (SIGTERM, SIGINT), or to read its
    configuration again (SIGHUP). One that comes while a service takes over from another counts
    for the next. For the main thread."""

    def __init__(self) -> None:
        self._told: set[int] = set()
        numbers = [signal.SIGTERM, signal.SIGINT, *([signal.SIGHUP] if _HAS_HUP else [])]
        for number in numbers:
            signal.signal(number, lambda number, _: self._told.add(number))

    def __bool__(self) -> bool:
        return bool(self._told)

    @staticmethod
    def at_once_next_time() -> None:
        """The next SIGTERM or SIGINT ends the process as it stands. A server that does not answer
        may else keep it for minutes; what was begun is due again when its lease ends."""
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda number, _: os._exit(128 + number))

    def again(self) -> bool:
        """Whether the configuration is to be read again, and nothing ends; asked once for each."""
        again = _HAS_HUP and self._told == {signal.SIGHUP}
        if again:
            self._told.discard(signal.SIGHUP)
        return again


class Service:
    """The bridge in this process, from entering to leaving.

    `port=0` takes a free one. `supervise` makes the supervisor that keeps our Subscriptions
    alive, given the address at which we listen; None leaves them be. `wake` also wakes workers
    elsewhere. `jwks`: our public keys. `management`: who sees console and metrics;
    `trusted_proxies`: whose X-Forwarded-For is believed. `listening` is a socket of `bound` that
    outlives this service, so that callers wait at it while another takes over. `told`: what the
    process is told, for `wait`. `tick`:
    seconds between looks at timers and Subscriptions. `tls`: files of our certificate and its key.
    """

    def __init__(
        self,
        bridge: Bridge,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        workers: int = 2,
        supervise: Callable[[str], Supervisor] | None = None,
        tick: float = _TICK,
        wake: Callable[[], None] | None = None,
        jwks: Jwks = no_keys,
        management: Management = _HERE_ONLY,
        trusted_proxies: Sequence[str] = (),
        listening: socket.socket | None = None,
        told: Signals | None = None,
        tls: tuple[str, str] | None = None,
    ) -> None:
        self.bridge, self._tick, self._told = bridge, tick, told
        # uvicorn closes the socket that it is given; a copy of `listening` leaves that one open.
        self._socket = listening.dup() if listening else bound(host, port)
        scheme = "https" if tls else "http"
        self.url = f"{scheme}://{host}:{self._socket.getsockname()[1]}"
        self.supervisor = supervise(self.url) if supervise else None
        self._listeners = Listeners(bridge)
        meter = Metrics(bridge.store, bridge.clock, bridge.sources.values())
        console = Console(bridge)
        bridge.watcher = all_of(bridge.watcher, meter, console)
        self._news, self._stop = threading.Condition(), threading.Event()
        self._raised = 0
        bridge.wake = _both(self._wake, wake)
        made = app(bridge, meter, console, jwks, management)
        self._door = Door(made, self._socket, trusted_proxies, tls)
        self._others = [
            threading.Thread(target=self._work, args=(f"thread-{n}",), name=f"worker-{n}")
            for n in range(workers)
        ]
        self._others.append(threading.Thread(target=self._ticks, name="ticker"))
        self._others.append(threading.Thread(target=self._forgets, name="forgetter"))

    def __enter__(self) -> Self:
        self._door.open()
        while not self._told and not self._try(lambda: self.bridge.start() + 1):
            pass  # the door is open and answers 503 until the store is back
        for thread in self._others:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()
        self._listeners.close()
        self.bridge.close()
        self._stop.set()
        self._wake()
        for thread in self._others:
            thread.join()

    def wait(self) -> bool:
        """Until the process is told to end (False) or to read its configuration again (True)."""
        while self._door.is_open and not self._told:
            self._stop.wait(0.2)
        return self._told is not None and self._told.again()

    def _wake(self) -> None:
        with self._news:
            self._raised += 1
            self._news.notify()

    def _work(self, owner: str) -> None:
        seen = 0
        while not self._stop.is_set():
            seen = self._raised
            if self._go_on(lambda: self.bridge.work(owner, limit=_HANDFUL)):
                continue
            with self._news:
                self._news.wait_for(partial(self._is_news_since, seen), _NAP)

    def _is_news_since(self, seen: int) -> bool:
        return self._raised != seen

    def _ticks(self) -> None:
        while not self._stop.is_set():
            if self._go_on(self.bridge.tick):
                self._wake()
            if self.supervisor is not None:
                if self._go_on(partial(self.supervisor.step, self._stop.is_set)):
                    self.bridge.intake.renew()
                self._go_on(self._listeners.step)
            self._stop.wait(self._tick)

    def _forgets(self) -> None:
        while not self._stop.wait(FORGET):
            if gone := self._go_on(lambda: self.bridge.forget(self._stop.is_set)):
                log.info("journal_forgot", rows=gone)

    def _go_on(self, what: Callable[[], int]) -> int:
        """The same of a defect of ours, which must not end the thread: nobody would ring timers or
        look after Subscriptions, and nobody would see it."""
        try:
            return self._try(what)
        except Exception as error:  # noqa: BLE001 - see above
            log.error("thread_met_defect", error=named(error), next="tried again")
            self._stop.wait(self._tick)
            return 0

    def _try(self, what: Callable[[], int]) -> int:
        """A store that cannot be written now is no reason to end: it is tried again."""
        try:
            return what()
        except StoreError as error:
            log.error("store_failed", error=error, next="tried again")
            self._stop.wait(self._tick)
            return 0


def _both(first: Callable[[], None], second: Callable[[], None] | None) -> Callable[[], None]:
    def call() -> None:
        first()
        if second is not None:
            second()

    return call
