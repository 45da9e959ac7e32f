"""`Sandbox`: the embedded FHIR server on a socket, in a thread, with its controls for tests."""

from __future__ import annotations

import asyncio
import itertools
import socket
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from fhirbridge.fhir.files import resources
from fhirbridge.fhir.jsonio import dumps, loads
from fhirbridge.sandbox.door import NO_HEADERS, Door, Headers, Reply, outcome
from fhirbridge.sandbox.hooks import HAPI_RETRIES, Hooks
from fhirbridge.sandbox.resources import Resource, Store

_UVICORN: dict[str, Any] = {"interface": "asgi3", "lifespan": "off", "ws": "none"}
_UVICORN |= {"log_config": None, "access_log": False, "timeout_graceful_shutdown": 1}


class Sandbox:
    """A running FHIR R4 server on 127.0.0.1; use as a context manager.

    `delay`: seconds from a write to its delivery; `retries`: seconds between tries; `resthook`:
    off, Subscriptions stay requested for ever; `trust`: whose certificates it believes, where it
    notifies by https. References are "Type/id"; writes raise `Refused`.
    """

    def __init__(
        self,
        name: str = "sandbox",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] | None = None,
        port: int = 0,
        delay: float = 0.05,
        retries: Sequence[float] = HAPI_RETRIES,
        resthook: bool = True,
        trust: ssl.SSLContext | bool = True,
    ) -> None:
        self.name, self._trust = name, trust
        self.requests: list[tuple[str, str]] = []
        self.store = Store(clock, ids or map(str, itertools.count(1)).__next__)
        self._socket = socket.create_server(("127.0.0.1", port))
        # Headers and body leave separately; with Nagle's algorithm each answer would cost 40 ms.
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.base_url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/fhir"
        self._door = Door(self.store, self.base_url, clock)
        self._hooks = Hooks(self.store, delay, retries, resthook)
        self._failures: Iterable[Reply] = iter(())
        self._server = uvicorn.Server(uvicorn.Config(self._serve, **_UVICORN))
        self._ready = threading.Event()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Sandbox:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = True
        self._thread.join()
        self._socket.close()

    async def _run(self) -> None:
        async with httpx.AsyncClient(timeout=10, trust_env=False, verify=self._trust) as http:
            self._hooks.start(http)
            self._ready.set()  # the socket listens: what comes before uvicorn is up waits there
            await self._server.serve(sockets=[self._socket])

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        target = request.url.path.removeprefix("/fhir").strip("/")
        target += f"?{request.url.query}" if request.url.query else ""
        self.requests.append((request.method, target))
        reply = next(iter(self._failures), None)
        reply = reply or self._door.answer(request.method, target, request.headers, body)
        headers = {"Content-Type": "application/fhir+json;charset=UTF-8"} | reply.headers
        content = dumps(reply.body) if reply.body else b""
        await Response(content, reply.status, headers)(scope, receive, send)

    def fail(
        self, status: int = 503, times: int | None = None, headers: Headers = NO_HEADERS
    ) -> None:
        """Answer every request (or the next `times`) so; without `times`, deliver nothing."""
        reply = Reply(status, outcome("out of order"), headers=dict(headers))
        self._failures = itertools.repeat(reply) if times is None else iter([reply] * times)
        self._hooks.silent = times is None

    def heal(self) -> None:
        """Answer again, and deliver what was held back."""
        self._failures, self._hooks.silent = iter(()), False

    def idle(self, timeout: float = 10) -> None:
        """Wait until no delivery is pending or being repeated, else raise `TimeoutError`."""
        self._hooks.idle(timeout)

    def count(self) -> int:
        """Requests since the start or the last `reset_counts`."""
        return len(self.requests)

    def reset_counts(self) -> None:
        """Count from zero."""
        self.requests.clear()

    def put(self, resource: Resource) -> Resource:
        """Write without HTTP; notifies like any write."""
        with self.store.unit():
            copy = loads(dumps(resource))
            self.store.update(copy["resourceType"], copy["id"], copy)
        return self.get(f"{resource['resourceType']}/{resource['id']}")

    def get(self, reference: str) -> Resource:
        """A copy of the newest version; `Refused` (404, 410) when there is none."""
        with self.store.lock:
            copy: Resource = loads(dumps(self.store.version(*reference.split("/")).resource))
        return copy

    def all(self, type_: str) -> list[Resource]:
        """Copies of all that stands of a type."""
        with self.store.lock:
            return [self.get("/".join(v.key)) for v in self.store.current(type_) if v.resource]

    def delete(self, reference: str) -> None:
        """Delete without HTTP; notifies like any deletion."""
        with self.store.unit():
            self.store.delete(*reference.split("/"))

    def load(self, paths: Iterable[Path]) -> int:
        """Store what files and folders hold (see `fhir.files`), references unchecked: how many."""
        mark = len(self.store.log)
        with self.store.unit(checked=False):
            for resource in resources(paths):
                self.store.update(resource["resourceType"], resource["id"], resource)
        return len(self.store.log) - mark
