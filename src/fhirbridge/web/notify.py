"""`/notify/{server}/{key}` and anything below it: every dialect, acknowledged when durable.

| answer | when |
|---|---|
| as the dialect wants (200) | the delivery is on disk |
| 401 | no Subscription of ours has this address and secret; nothing is kept |
| 413 | more than `LARGEST` bytes; `fhir.payload` bounds them once unpacked |
| 503, Retry-After | it cannot be kept now; the sender comes again |

Plain ASGI, in front of the application: on this path every microsecond is multiplied by all
changes of all servers, and there is nothing for a framework to validate.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from concurrent.futures import Future
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.intake import Refused
from fhirbridge.logs import named
from fhirbridge.store.records import StoreError

log = logging.getLogger("fhirbridge.web")

LARGEST = 5 * 2**20
_METHODS = ("PUT", "POST", "DELETE")
_PLAIN = "text/plain; charset=utf-8"


class TooLarge(Exception):
    """More than `LARGEST` bytes."""


class HungUp(Exception):
    """The sender went away before the end of the body: nobody reads an answer."""


class _Answer(NamedTuple):
    status: int
    body: bytes = b""
    content_type: str | None = _PLAIN
    more: tuple[tuple[bytes, bytes], ...] = ()


_NOT_ALLOWED = _Answer(405, b"", None, ((b"allow", ", ".join(_METHODS).encode()),))
_STRANGER = _Answer(401, b"unknown address or secret\n")
_TOO_LARGE = _Answer(413, b"at most %d bytes\n" % LARGEST)
_NOT_NOW = _Answer(503, b"cannot be kept now, come again\n", more=((b"retry-after", b"5"),))
_NOBODY = _Answer(400, b"", None)


class NotifyDoor:
    """The ASGI application: takes what is for `/notify/…`, hands on the rest."""

    def __init__(self, bridge: Bridge, rest: ASGIApp) -> None:
        self._bridge, self._rest = bridge, rest
        self._bell = _Bell()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        where: list[str] = scope["path"].split("/", 4) if scope["type"] == "http" else []
        if len(where) < 4 or where[1] != "notify" or not (where[2] and where[3]):
            await self._rest(scope, receive, send)
        elif scope["method"] not in _METHODS:
            await _send(_NOT_ALLOWED, send)
        else:
            await _send(await self._heard(scope, receive, *where[2:]), send)

    async def _heard(
        self, scope: Scope, receive: Receive, server: str, key: str, below: str = ""
    ) -> _Answer:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        try:
            body = await _body(headers.get("content-length", ""), receive)
            kept = self._bridge.hear(server, key, scope["method"], below, headers, body)
            await self._bell.ended(kept.on_disk)
        except Refused:
            return _STRANGER
        except TooLarge:
            return _TOO_LARGE
        except HungUp:
            return _NOBODY
        except StoreError as error:
            log.error("a delivery of %s could not be kept: %s", server, error)
            return _NOT_NOW
        except Exception as error:  # noqa: BLE001 - a defect of ours: the sender keeps it for us
            log.error("a delivery of %s met a defect: %s", server, named(error))
            return _NOT_NOW
        return _Answer(kept.answer.status, kept.answer.body, kept.answer.content_type)


class _Bell:
    """Waits for what ends in another thread: all that ended at once wake the loop once."""

    def __init__(self) -> None:
        self._ended: deque[asyncio.Future[None]] = deque()
        self._rung = False

    async def ended(self, future: Future[Any]) -> None:
        """Returns when it has ended, or raises what it raised."""
        loop = asyncio.get_running_loop()
        waiter: asyncio.Future[None] = loop.create_future()
        future.add_done_callback(lambda _: self._ring(loop, waiter))
        try:
            await waiter
        except asyncio.CancelledError:
            future.cancel()
            raise
        future.result()

    def _ring(self, loop: asyncio.AbstractEventLoop, waiter: asyncio.Future[None]) -> None:
        self._ended.append(waiter)
        if not self._rung:
            self._rung = True
            loop.call_soon_threadsafe(self._answer)

    def _answer(self) -> None:
        self._rung = False  # before the first is taken: whoever comes now rings again
        while self._ended:
            waiter = self._ended.popleft()
            if not waiter.done():
                waiter.set_result(None)


async def _body(length: str, receive: Receive) -> bytes:
    """The body as it was sent, bounded."""
    if length.isdecimal() and int(length) > LARGEST:
        raise TooLarge
    received = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise HungUp
        received += message.get("body", b"")
        if len(received) > LARGEST:
            raise TooLarge
        if not message.get("more_body", False):
            return bytes(received)


async def _send(answer: _Answer, send: Send) -> None:
    headers = [(b"content-length", b"%d" % len(answer.body)), *answer.more]
    if answer.content_type:
        headers.append((b"content-type", answer.content_type.encode("latin-1")))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
