"""The metrics of a worker process: a door with nothing but `/metrics` and `/healthz`.

with MetricsDoor("127.0.0.1", 9100) as door:
    door.show(bridge, management)        # again after the configuration was read again
"""

from __future__ import annotations

from typing import Self

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.story import all_of

from .callers import Guesses
from .door import Door, bound
from .gate import Gate, Management
from .metrics import CONTENT_TYPE, Metrics


class MetricsDoor:
    """Open from entering to leaving. `port=0` takes a free one."""

    def __init__(self, host: str, port: int) -> None:
        listening = bound(host, port)
        self.host, self.url = host, f"http://{host}:{listening.getsockname()[1]}"
        self._app: ASGIApp = PlainTextResponse("not yet\n", 503)
        self._door = Door(self, listening)

    def show(self, bridge: Bridge, management: Management) -> None:
        """Count what this bridge does, from now on."""
        meter = Metrics(bridge.store, bridge.clock, bridge.sources.values())
        bridge.watcher = all_of(bridge.watcher, meter)

        def measured(_: Request) -> Response:
            return Response(meter.text(), media_type=CONTENT_TYPE)

        def alive(_: Request) -> Response:
            return PlainTextResponse("ok\n")

        routes = [Route("/metrics", measured), Route("/healthz", alive)]
        self._app = Gate(Starlette(routes=routes), management, Guesses(bridge.clock))

    def __enter__(self) -> Self:
        self._door.open()
        return self

    def __exit__(self, *_: object) -> None:
        self._door.close()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await self._app(scope, receive, send)
