"""Workers on other machines: Celery as the wake-up call, and nothing more.

A message says only "something is due": whatever is lost with the broker, the store still owes,
and the ticker of each worker finds it. So a message may be lost, doubled or late.

    app = celery_app(settings)      `fhirbridge worker` runs it
    wake = waker(settings)          the web door calls it when something became due

Redis redelivers what a killed worker had in hand after VISIBILITY plus some seconds; the
store's lease is what keeps two workers from one person.
"""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable
from socket import gethostname

from celery import Celery, signals
from celery.platforms import EX_OK
from celery.worker import state
from kombu.exceptions import OperationalError

from fhirbridge import wiring
from fhirbridge.bridge.bridge import FORGET, Bridge
from fhirbridge.logs import get_logger, named
from fhirbridge.settings import Settings
from fhirbridge.store.records import StoreError

log = get_logger("fhirbridge.worker")

#: Seconds after which Redis gives an unacknowledged message to another worker.
VISIBILITY = 60
#: How many subjects one message may see through before others get their turn.
_HANDFUL = 20
_TICK = 1.0
_AGAIN = 5
_TASK = "fhirbridge.wake"


def celery_app(settings: Settings) -> Celery:
    """The Celery application of one installation. Raises ValueError without a broker."""
    if settings.broker is None:
        raise ValueError("broker: none is configured; give redis://… or let `serve` do the work")
    app = Celery("fhirbridge", broker=settings.broker)
    app.conf.update(
        task_acks_late=True,
        task_reject_on_worker_lost=True,
        task_ignore_result=True,
        worker_prefetch_multiplier=1,
        worker_hijack_root_logger=False,
        broker_connection_retry_on_startup=True,
        task_default_queue=f"fhirbridge-{settings.instance}",
        broker_transport_options={
            "visibility_timeout": VISIBILITY,
            "unacked_restore_interval": 2,  # by default ten times ten seconds
            "unacked_restore_throttle": 1,
            "socket_connect_timeout": 2,
            "socket_timeout": 5,
            "max_retries": 0,
        },
    )
    return app


def answers(settings: Settings) -> bool:
    """Does the broker answer now?"""
    try:
        with celery_app(settings).connection_for_write(connect_timeout=3) as connection:
            connection.ensure_connection(max_retries=1, timeout=3)
    except OperationalError:
        return False
    return True


def keeps(settings: Settings) -> bool:
    """Does Redis keep its data on disk? False too where it does not say (a managed one)."""
    with celery_app(settings).connection_for_write(connect_timeout=3) as connection:
        client = connection.default_channel.client
        try:
            said = {**client.config_get("save"), **client.config_get("appendonly")}
        except connection.connection_errors + connection.channel_errors:
            return False
    return bool(said.get("save")) or said.get("appendonly") == "yes"


def waker(settings: Settings) -> Callable[[], None]:
    """Wake some worker; when the broker does not answer, say so once and leave it to the tick."""
    app = celery_app(settings)
    down = threading.Event()

    def wake() -> None:
        try:
            app.send_task(_TASK, retry=False, expires=VISIBILITY)
            down.clear()
        except OperationalError:
            if not down.is_set():
                log.warning("broker_silent", next="workers find the work by themselves")
            down.set()

    return wake


class _Told:
    """What this process was told by signals, for as long as it runs.

    Celery takes SIGTERM and SIGINT and tells us of them. SIGHUP is taken from it: it would execute
    the whole program anew, without a look whether the configuration can be used.
    """

    def __init__(self) -> None:
        self.to_end, self.to_read_again = threading.Event(), threading.Event()
        signals.worker_shutting_down.connect(self._ends, weak=False)
        self.take_over()

    def _ends(self, **_: object) -> None:
        self.to_end.set()

    def take_over(self) -> None:
        """SIGHUP is ours."""
        if hasattr(signal, "SIGHUP"):  # Windows has none
            signal.signal(signal.SIGHUP, lambda *_: self.to_read_again.set())


def run(
    settings: Settings,
    bridge: Bridge,
    *,
    again: Callable[[], tuple[Settings, Bridge] | None] = lambda: None,
    concurrency: int = 2,
) -> None:
    """Work until told to end (SIGTERM).

    At SIGHUP `again` is asked for the configuration as it is now, and its bridge; None: it cannot
    be used, so the old one stays. What is in hand is seen through first.
    """
    told = _Told()
    log.info("worker_started", threads=concurrency)
    while True:
        new = _work(settings, bridge, told, again, concurrency)
        wiring.unwire(bridge)
        if new is None:
            return
        settings, bridge = new


def _work(
    settings: Settings,
    bridge: Bridge,
    told: _Told,
    again: Callable[[], tuple[Settings, Bridge] | None],
    concurrency: int,
) -> tuple[Settings, Bridge] | None:
    """Work with one configuration; answers the next one, or None at the end.

    Celery's worker may end by itself when Redis goes away while tasks run (kombu 5.7); it is
    started again then. Meanwhile the ticker does the work.
    """
    stop, app, new = threading.Event(), celery_app(settings), list[tuple[Settings, Bridge]]()

    def wake() -> None:
        _go_on(lambda: _handful(bridge))

    def heed() -> None:
        if told.to_read_again.is_set() and not new:
            told.to_read_again.clear()
            if (found := again()) is not None:
                new.append(found)
                state.should_stop = EX_OK  # as Celery does at SIGTERM

    app.task(wake, name=_TASK)
    ticker = threading.Thread(target=_ticks, args=(bridge, stop, heed), name="ticker", daemon=True)
    forgetter = threading.Thread(target=_forgets, args=(bridge, stop), name="forgetter")
    ticker.start()
    forgetter.start()
    try:
        while not (told.to_end.is_set() or new):
            state.should_stop = None
            if _listen(app, concurrency, told) == EX_OK and not new:
                break
            if not new:
                log.warning("broker_lost", again_in_seconds=_AGAIN)
                stop.wait(_AGAIN)
    finally:
        stop.set()
        ticker.join()
        forgetter.join()
    return new[0] if new and not told.to_end.is_set() else None


def _listen(app: Celery, concurrency: int, told: _Told) -> int:
    """Run one Celery worker to its end; answers its exit code."""
    worker = app.Worker(
        pool_cls="threads",
        concurrency=concurrency,
        loglevel="WARNING",
        without_gossip=True,
        without_mingle=True,
        quiet=True,
    )
    tweak = worker.install_platform_tweaks

    def tweaked(each: object) -> None:
        tweak(each)
        told.take_over()

    worker.install_platform_tweaks = tweaked
    worker.start()
    return EX_OK if worker.exitcode is None else int(worker.exitcode)


def _ticks(bridge: Bridge, stop: threading.Event, heed: Callable[[], None]) -> None:
    """Timers ring, what no message told of is worked off, and we do what signals told us."""

    def tick() -> None:
        bridge.tick()
        _handful(bridge)

    while not stop.wait(_TICK):
        heed()
        _go_on(tick)


def _forgets(bridge: Bridge, stop: threading.Event) -> None:
    """The journal is purged by whoever runs: there may be no web door, or it may be elsewhere."""

    def forget() -> None:
        if gone := bridge.forget(stop.is_set):
            log.info("journal_forgot", rows=gone)

    while not stop.wait(FORGET):
        _go_on(forget)


def _go_on(what: Callable[[], None]) -> None:
    """Whatever happens, the thread lives: it comes again with the next tick. Celery would log the
    words of an error, which may quote what it met."""
    try:
        what()
    except StoreError as error:
        log.error("store_failed", error=error, next="tried again")
    except Exception as error:  # noqa: BLE001 - see above
        log.error("thread_met_defect", error=named(error), next="tried again")


def _handful(bridge: Bridge) -> None:
    """See through what is due, one subject at a time."""
    owner = f"{gethostname()}/{threading.get_ident()}"
    for _ in range(_HANDFUL):
        if not bridge.work(owner, limit=1):
            return
