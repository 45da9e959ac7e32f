"""Listening at websockets: one thread for each Subscription of a source that is to ping us.

A ping is heard like a notification without payload: kept first, then what changed is read. While
a connection is gone, its Subscription is `silent`, so that its source is polled at the quick
pace; when it is bound again, what was missed meanwhile is read.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.sources import Source
from fhirbridge.fhir.subscription import WEBSOCKET, Sign, State, next_step
from fhirbridge.fhir.websocket import Dropped, listen
from fhirbridge.logs import get_logger, named
from fhirbridge.store.records import StoreError, SubscriptionRow

log = get_logger("fhirbridge.listening")

_FIRST_WAIT, _LONGEST_WAIT = 1.0, 60.0  # seconds before a connection that is gone is made again


@dataclass(frozen=True)
class _Ear:
    """One thread, and how to end it."""

    row: SubscriptionRow
    thread: threading.Thread
    stop: threading.Event = field(default_factory=threading.Event)


class Listeners:
    """The websockets of one bridge. `step` is called again and again, from one thread."""

    def __init__(self, bridge: Bridge) -> None:
        self._bridge = bridge
        self._ears: dict[tuple[str, str], _Ear] = {}
        self._left: list[_Ear] = []  # told to end, and perhaps still in the middle of something

    def step(self) -> int:
        """Listen to what there is to listen to, and to nothing else; answers how many began."""
        sources = {n: s for n, s in self._bridge.sources.items() if s.channel == WEBSOCKET}
        wanted = {
            (row.source, row.type): row
            for row in (self._bridge.store.subscriptions() if sources else ())
            if row.source in sources and row.server_id and row.state in _BINDABLE
        }
        for name, ear in list(self._ears.items()):
            if name not in wanted or wanted[name].server_id != ear.row.server_id:
                ear.stop.set()
                self._left.append(self._ears.pop(name))
        self._left = [ear for ear in self._left if ear.thread.is_alive()]
        new = [row for name, row in wanted.items() if name not in self._ears]
        for row in new:
            self._begin(sources[row.source], row)
        return len(new)

    def close(self) -> None:
        """Hang up everywhere."""
        self._left += self._ears.values()
        self._ears.clear()
        for ear in self._left:
            ear.stop.set()
        for ear in self._left:
            ear.thread.join()
        self._left.clear()

    def _begin(self, source: Source, row: SubscriptionRow) -> None:
        stop = threading.Event()
        thread = threading.Thread(
            target=self._listen, args=(source, row, stop), name=f"ear-{row.source}", daemon=True
        )
        self._ears[row.source, row.type] = _Ear(row, thread, stop)
        thread.start()

    def _listen(self, source: Source, row: SubscriptionRow, stop: threading.Event) -> None:
        wait = _FIRST_WAIT

        def bound() -> None:
            nonlocal wait
            wait = _FIRST_WAIT
            self._walk(row, State.SILENT, Sign.HEARD, None)
            self._bridge.missed(source, row.type)

        def pinged() -> None:
            self._bridge.intake.pinged(row).result()  # what cannot be kept is read after `bound`

        while not stop.is_set():
            url = source.websocket
            try:
                if url is None:
                    raise Dropped("no address of its websocket is known: set websocket_url")
                listen(
                    url,
                    row.server_id or "",
                    headers=source.server.sign_in(),
                    bound=bound,
                    ping=pinged,
                    stopped=stop.is_set,
                )
            except Dropped as error:
                self._walk(row, State.ACTIVE, Sign.UNTOLD, str(error))
            except StoreError as error:
                log.error("ping_not_kept", source=row.source, error=error)
            except Exception as error:  # noqa: BLE001 - a defect of ours must not make us deaf
                log.error("listening_met_defect", source=row.source, error=named(error))
            stop.wait(wait)
            wait = min(wait * 2, _LONGEST_WAIT)

    def _walk(self, row: SubscriptionRow, state: State, sign: Sign, problem: str | None) -> None:
        after, _ = next_step(state, sign)
        try:
            self._bridge.store.walk_subscription(
                row.source,
                row.type,
                (state.value, after.value),
                self._bridge.clock(),
                problem=problem,
            )
        except StoreError as error:
            log.error("subscription_not_kept", source=row.source, type=row.type, error=error)


_BINDABLE = (State.ACTIVE.value, State.SILENT.value, State.GAP.value)
