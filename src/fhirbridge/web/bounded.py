"""HTTP as uvicorn speaks it, bounded: a request that comes too slowly, or too large, is cut off.

uvicorn itself waits for ever for the end of a head or a body, and keeps a head of any size. A
sender whose machine died in the middle of a request would keep its place (`notify.OF_ONE`) until
we are started anew, and anybody could fill our memory before a secret is asked for.
"""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from fhirbridge.limits import Limit
from fhirbridge.logs import get_logger

try:
    from resource import RLIMIT_NOFILE, getrlimit
except ImportError:  # Windows knows no such limit
    _FILES = 8192
else:
    _FILES = getrlimit(RLIMIT_NOFILE)[0]

log = get_logger("fhirbridge.web")

#: Seconds in which a whole request must have come: 5 MiB over a slow line.
ARRIVES = 60.0
#: Connections that may be open at once. A file of the process each: what reads FHIR servers and
#: keeps the store needs some, too, whoever calls us.
MOST = max(64, min(4096, _FILES - 256))
#: Bytes of a request line with its headers: as much as proxies pass on.
LARGEST_HEAD = 64 * 1024
#: Bytes of a request with all that frames its body. `notify.LARGEST` answers 413 before.
LARGEST_REQUEST = 12 * 2**20

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\n\r\n"
)


_said = Limit(burst=1, a_second=1 / 60, clock=lambda: datetime.now(UTC))


class Bounded(HttpToolsProtocol):
    """One connection. A request has come when its head and its body have."""

    def __init__(self, *args: Any, **more: Any) -> None:
        super().__init__(*args, **more)
        self._late: asyncio.TimerHandle | None = None
        self._size, self._in_head = 0, True

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._awaits()
        if len(self.connections) > MOST:
            if not _said.take():
                log.warning("connections_refused", most=MOST, next="senders come again")
            transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._awaits()  # also for bytes that begin no request, which end the wait for one
        self._size += len(data)
        super().data_received(data)
        if self._size > (LARGEST_HEAD if self._in_head else LARGEST_REQUEST):
            if self._in_head and (self.cycle is None or self.cycle.response_complete):
                self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._awaits()  # one that came in the same packet as the end of the last
        self._in_head = True

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        super().on_message_complete()
        self._has_come()
        self._size, self._in_head = 0, True

    def _awaits(self) -> None:
        if self._late is None:
            self._late = self.loop.call_later(ARRIVES, self.transport.close)

    def _has_come(self) -> None:
        if self._late is not None:
            self._late.cancel()
            self._late = None
