"""`/notify/{server}/{key}` and anything below it: every dialect, acknowledged when durable.

| answer | when |
|---|---|
| as the dialect wants (200) | the delivery is on disk |
| 401 | no Subscription of ours has this address and secret; nothing is kept |
| 429, Retry-After | a stranger tried too often, or too many deliveries are in hand (`AT_ONCE`) |
| 413 | more than `LARGEST` bytes; `fhir.payload` bounds them once unpacked |
| 503, Retry-After | it cannot be kept now; the sender comes again |

Plain ASGI, in front of the application: on this path every microsecond is multiplied by all
changes of all servers, and there is nothing for a framework to validate.

A stranger is refused before the body is read, and only what is wrong counts against an address or
a Subscription: however others guess, a sender who knows its secret is heard.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from typing import Any, NamedTuple

from starlette.types import ASGIApp, Receive, Scope, Send

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.intake import Refused, Unsure
from fhirbridge.logs import get_logger, named
from fhirbridge.store.records import StoreError

from .callers import Guesses, headers_of

log = get_logger("fhirbridge.web")

LARGEST = 5 * 2**20
#: Deliveries that may be in hand at once, and how many of them may be of one Subscription: a
#: sender that runs wild must leave room for the others.
AT_ONCE, OF_ONE = 1024, 256
_CONTEXT = "traceparent"  # W3C Trace Context: what a sender or a gateway began
_METHODS = ("PUT", "POST", "DELETE")
_PLAIN = "text/plain; charset=utf-8"


class TooLarge(Exception):
    """More than `LARGEST` bytes."""


class Crowded(Exception):
    """More deliveries are in hand than we take at once."""


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
    """The ASGI application: takes what is for `/notify/…`, hands on the rest.

    `refused` is told the status of each delivery that was not kept.
    """

    def __init__(
        self, bridge: Bridge, rest: ASGIApp, guesses: Guesses, refused: Callable[[int], None]
    ) -> None:
        self._bridge, self._rest, self._guesses = bridge, rest, guesses
        self._refused = refused
        self._bell, self._room = _Bell(), _Room()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        where: list[str] = scope["path"].split("/", 4) if scope["type"] == "http" else []
        if len(where) < 4 or where[1] != "notify" or not (where[2] and where[3]):
            await self._rest(scope, receive, send)
        elif scope["method"] not in _METHODS:
            await _send(_NOT_ALLOWED, send)
        else:
            answer = await self._heard(scope, receive, *where[2:])
            if answer.status >= 400:
                self._refused(answer.status)
            await _send(answer, send)

    async def _heard(
        self, scope: Scope, receive: Receive, server: str, key: str, below: str = ""
    ) -> _Answer:
        headers, tracer, intake = headers_of(scope), self._bridge.tracer, self._bridge.intake
        soon = asyncio.get_running_loop().call_soon
        try:
            intake.expects(server, key, headers)
            with self._room.place(key):
                body = await _body(headers.get("content-length", ""), receive)
                context = [headers[_CONTEXT]] if _CONTEXT in headers else []
                with tracer.span("notification", of=context, source=server) as span:
                    method: str = scope["method"]
                    kept = intake.hear(server, key, method, below, headers, body, soon)
                    span.say(dialect=kept.dialect, events=kept.events)
                    with tracer.span("journal"):
                        await self._bell.ended(kept.on_disk)
        except Refused as refused:
            wait = self._guesses.wrong(scope, refused.key)
            return _later(wait) if wait else _STRANGER
        except (Unsure, Crowded):
            return _later(1)
        except TooLarge:
            log.warning("delivery_too_large", source=server, next="a poll finds what changed")
            return _TOO_LARGE
        except HungUp:
            return _NOBODY
        except StoreError as error:
            log.error("delivery_not_kept", source=server, error=error)
            return _NOT_NOW
        except Exception as error:  # noqa: BLE001 - a defect of ours: the sender keeps it for us
            log.error("delivery_met_defect", source=server, error=named(error))
            return _NOT_NOW
        return _Answer(kept.answer.status, kept.answer.body, kept.answer.content_type)


class _Room:
    """Counts what is in hand. Only the event loop asks."""

    def __init__(self) -> None:
        self._all, self._of = 0, Counter[str]()

    @contextmanager
    def place(self, key: str) -> Iterator[None]:
        """Room for one delivery of a Subscription. Raises `Crowded`."""
        if self._all >= AT_ONCE or self._of[key] >= OF_ONE:
            raise Crowded
        self._all += 1
        self._of[key] += 1
        try:
            yield
        finally:
            self._all -= 1
            self._of[key] -= 1


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


def _later(seconds: int) -> _Answer:
    """Too much of it: come again."""
    return _Answer(
        429, b"too many at once, come again\n", more=((b"retry-after", b"%d" % seconds),)
    )


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
