"""The gate before the console, the metrics and whatever else is there for those who run it.

| caller | answer |
|---|---|
| of this machine, and nothing leads here from elsewhere | let in |
| sends `Authorization: Bearer` (or Basic, any user) with `management_token` | let in |
| sends none, or a wrong one | 401; 429 after too many |
| anybody, where no token is configured | 403, with the remedy |
| anybody, with `management: open` | let in |

Notifications have keys of their own (`notify`), our worklist has its token (`worklist`), and what
`PUBLIC` names says nothing that is worth hiding. Everything else is closed, routes of tomorrow too.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Self

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from fhirbridge.settings import Settings, is_loopback, is_this_machine

from .callers import Guesses, headers_of, is_near

PUBLIC = frozenset({"/healthz", "/readyz", "/.well-known/jwks.json"})
_WORKLIST = "/fhir/"
_MAY_MANAGE = "fhirbridge.may_manage"

_CLOSED = (
    "closed: the console and the metrics are shown on this machine only.\n"
    "To see them from elsewhere, or behind a proxy, give the service a management_token (in a file,"
    " or in $FHIRBRIDGE_MANAGEMENT_TOKEN) and send it as Authorization: Bearer.\n"
)
_WHO = (
    "send the management_token of the configuration as Authorization: Bearer; a browser asks for it"
    " as a password, the user is any.\n"
)
_TOO_OFTEN = "too many wrong tokens from this address; come again later\n"


@dataclass(frozen=True)
class Management:
    """Who may manage. `is_public`: callers from elsewhere reach this service, by a proxy say."""

    token: str | None = field(default=None, repr=False)
    is_open: bool = False
    is_public: bool = False

    @classmethod
    def of(cls, settings: Settings, host: str = "127.0.0.1") -> Self:
        """As configured, for a service that listens at `host`."""
        token = settings.management_token
        return cls(
            token=token.get_secret_value() if token else None,
            is_open=settings.management == "open",
            is_public=not (is_loopback(settings.public_url) and is_this_machine(host)),
        )


def may_manage(request: Request) -> bool:
    """Was this caller let in, or is he here because the path is public?"""
    return bool(request.scope.get(_MAY_MANAGE))


class Gate:
    """The ASGI application that lets managers through to `rest`."""

    def __init__(self, rest: ASGIApp, management: Management, guesses: Guesses) -> None:
        self._rest, self._management, self._guesses = rest, management, guesses

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith(_WORKLIST):
            return await self._rest(scope, receive, send)
        is_public = scope["path"] in PUBLIC
        refusal = self._refusal(scope)
        scope[_MAY_MANAGE] = refusal is None
        if refusal is not None and not is_public:
            return await refusal(scope, receive, send)
        return await self._rest(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        management = self._management
        if management.is_open:
            return None
        headers = headers_of(scope)
        if not management.is_public and is_near(scope, headers):
            return None
        if management.token is None:
            return PlainTextResponse(_CLOSED, 403)
        given = _given(headers)
        if given is not None and compare_digest(given, management.token.encode()):
            return None
        if given is not None and (wait := self._guesses.wrong(scope)):
            return PlainTextResponse(_TOO_OFTEN, 429, {"Retry-After": str(wait)})
        challenge = {"WWW-Authenticate": 'Bearer realm="fhirbridge", Basic realm="fhirbridge"'}
        return PlainTextResponse(_WHO, 401, challenge)


def _given(headers: Mapping[str, str]) -> bytes | None:
    """The token of a request, as Bearer or as the password of Basic."""
    kind, _, value = headers.get("authorization", "").partition(" ")
    match kind.lower():
        case "bearer":
            return value.strip().encode("latin-1")
        case "basic":
            try:
                return base64.b64decode(value).partition(b":")[2]
            except binascii.Error:
                return b""
        case _:
            return None
