"""The application: the notify door, health, metrics and the console.

What touches the store runs in threads (`def` routes); only the notify door is `async`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import FastAPI, Request
from fastapi.responses import HTMLResponse, JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.fhir.keys import BadKeys
from fhirbridge.logs import get_logger
from fhirbridge.store.records import StoreError

from . import metrics, notify, worklist
from .callers import Guesses
from .console import Console
from .gate import Gate, Management, may_manage

log = get_logger("fhirbridge.web")

_NO_SCRIPTS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
_HERE_ONLY = Management()

Jwks = Callable[[], dict[str, Any]]


def no_keys() -> dict[str, Any]:
    """The JWK Set of an installation that has no keys."""
    return {"keys": []}


def app(
    bridge: Bridge,
    meter: metrics.Metrics,
    console: Console,
    jwks: Jwks = no_keys,
    management: Management = _HERE_ONLY,
) -> ASGIApp:
    """The web door of one bridge. `jwks`: our public keys, as they are now; may raise `BadKeys`."""
    guesses = Guesses(bridge.clock)
    made = FastAPI(title="fhirbridge", openapi_url=None)
    made.router.routes.extend(worklist.routes(bridge, guesses))

    @made.get("/healthz", response_class=PlainTextResponse)
    async def alive() -> str:
        return "ok\n"

    @made.get("/readyz")
    def ready(request: Request) -> Response:
        """Ready to keep what it is told. A server that is down is known to be, and no reason.
        Strangers are not told which servers there are."""
        try:
            bridge.store.ping()
        except StoreError as error:
            return JSONResponse({"store": str(error)}, 503)
        if not may_manage(request):
            return JSONResponse({"store": "writable"})
        links = bridge.store.subscriptions()
        states = {f"{link.source}/{link.type}": link.state for link in links}
        return JSONResponse({"store": "writable", "subscriptions": states})

    @made.get("/.well-known/jwks.json")
    def keys() -> Response:
        try:
            return JSONResponse(jwks(), headers={"Cache-Control": "max-age=300"})
        except BadKeys as error:
            log.error("keys_not_shown", error=error)
            words = "the keys cannot be read now; the log says why\n"
            return PlainTextResponse(words, 503, {"Retry-After": "60", "Cache-Control": "no-store"})

    @made.get("/metrics")
    def measured() -> Response:
        return Response(meter.text(), media_type=metrics.CONTENT_TYPE)

    @made.get("/")
    def shown() -> HTMLResponse:
        return HTMLResponse(console.page(), headers=_NO_SCRIPTS)

    gate = Gate(made, management, guesses)
    return notify.NotifyDoor(bridge, gate, guesses, meter.refused)
