"""What lies between the FHIR servers and the web doors: a network that cannot be trusted.

It passes notifications on, or drops, doubles, delays (and so shuffles) them, or loses the answer.
Doors take turns, as behind a balancer. What they acknowledged is counted here, on the senders'
side, by record and version.
"""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections import Counter
from collections.abc import Iterable, Sequence
from random import Random
from typing import Any

import httpx
import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from fhirbridge.fhir import jsonio
from tests.servers import free_port

#: What happens to a notification, and how often of a hundred.
FATES = {
    "passed": 58,
    "delayed": 20,
    "doubled": 8,
    "dropped": 8,  # the sender is told that all is well, and nothing arrives
    "broken": 3,  # nothing arrives, and the sender notices: it comes again
    "answer lost": 3,  # it arrives, and the sender does not know: it comes again
}
_LONGEST_DELAY = 3.0  # seconds

Acknowledged = tuple[str, str, str, int]  # server, type, id, version


class Network:
    """Between `url`, which the servers know, and the doors. Use as a context manager."""

    def __init__(self, doors: Sequence[str], rng: Random) -> None:
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self.acknowledged: set[Acknowledged] = set()
        self.fates: Counter[str] = Counter()
        self.answers: Counter[str] = Counter()
        self.cut = False
        self.doors, self._rng = doors, rng
        self._turns = itertools.cycle(doors)
        config = uvicorn.Config(
            self._pass, port=self.port, interface="asgi3", lifespan="off", log_config=None
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)

    def __enter__(self) -> Network:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.should_exit = self._server.force_exit = True
        self._thread.join(10)

    async def _run(self) -> None:
        limits = httpx.Limits(max_connections=64)
        async with httpx.AsyncClient(timeout=10, trust_env=False, limits=limits) as self._http:
            await self._server.serve()

    async def _pass(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        fate = self._rng.choices([*FATES], [*FATES.values()])[0]
        if self.cut:
            fate = "dropped"
        self.fates[fate] += 1
        answer = Response(status_code=200)
        if fate == "broken":
            answer = Response(status_code=502)
        elif fate != "dropped":
            answer = await self._forward(request, body, fate)
        await answer(scope, receive, send)

    async def _forward(self, request: Request, body: bytes, fate: str) -> Response:
        if fate == "delayed":
            await asyncio.sleep(self._rng.uniform(0, _LONGEST_DELAY))
        ways = [self._once(request, body) for _ in range(2 if fate == "doubled" else 1)]
        answers = await asyncio.gather(*ways)
        if fate == "answer lost":
            return Response(status_code=504)
        return answers[0]

    async def _once(self, request: Request, body: bytes) -> Response:
        headers = {k: v for k, v in request.headers.items() if k not in ("host", "content-length")}
        url = f"{next(self._turns)}{request.url.path}"
        try:
            answer = await self._http.request(request.method, url, content=body, headers=headers)
        except httpx.HTTPError as error:
            self.answers[type(error).__name__] += 1
            return Response(status_code=502)
        self.answers[str(answer.status_code)] += 1
        if answer.is_success:
            self.acknowledged.update(_said(request.url.path, body))
        return Response(answer.content, answer.status_code)


def _said(path: str, body: bytes) -> Iterable[Acknowledged]:
    """The record and version that a rest-hook delivery brought."""
    steps = path.strip("/").split("/")
    if len(steps) == 5 and body:
        _, server, _, type_, id_ = steps
        yield server, type_, id_, int(jsonio.loads(body)["meta"]["versionId"])
