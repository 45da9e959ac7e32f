"""Signing in with OAuth 2.0 client credentials: SMART Backend Services, and a client secret.

HL7 SMART App Launch 2.2, "Backend Services". The token endpoint and what the server can do are
read from `{base}/.well-known/smart-configuration`; a token is asked for when the first request
needs one, kept, and renewed before it expires. However many threads need it, one asks, the
others wait; and so do processes that share their tokens (`sharing`).

A refusal is an error that says what to change (`proofs.REFUSALS`). It is
remembered for a moment, so that a wrong configuration does not become a storm at the server's
door; so is a 401 to a token that was just given. Only the error code of an answer is shown: a
description may hold anything. Whatever a token endpoint says, it says it about the source and not
about a person or a type: `Forbidden`, or `Unavailable` where it will give tokens later.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from threading import Lock
from typing import Any, Protocol
from urllib.parse import urlsplit

from .auth import PlainAnswer
from .errors import FhirError, Forbidden, Unavailable
from .keys import ALGORITHMS, BadKeys
from .proofs import BUSY, REFUSALS, Endpoint, Proof
from .scopes import Needs, in_words, missing, speaks_v2
from .sharing import Shared, Token

_EARLY = timedelta(seconds=60)  # a token is renewed so long before its end, at most a tenth
_UNSAID = 300  # seconds that a token lives if the server does not say: SMART's advice
_REMEMBERED = timedelta(seconds=30)  # how long a refusal stands before the server is asked again
_LONGEST = 86_400  # seconds after which a token is renewed, however long the server says it lives
_SKEW = timedelta(seconds=30)  # clocks that differ by more are named in a refusal
_ADDRESS = re.compile(r"https?://[^\s/?#@]+(?:[/?]\S*)?")
_CODE = re.compile(r"[a-z_]{1,40}")


class Wire(Protocol):
    """Sends one request to a sign-in server (`http.Http.plain`). Raises `Unavailable`."""

    @property
    def clock_offset(self) -> timedelta: ...

    def plain(
        self,
        operation: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PlainAnswer: ...
    def close(self) -> None: ...


class Backend:
    """The sign-in at one server. Thread-safe; an `auth.Auth`.

    `token_url` and `scopes` win over what is discovered and what is needed. `granted` are the
    scopes of the last answer, None before the first one.
    """

    def __init__(
        self,
        name: str,
        base_url: str,
        proof: Proof,
        needs: Needs,
        *,
        wire: Wire,
        clock: Callable[[], datetime],
        token_url: str | None = None,
        scopes: tuple[str, ...] = (),
        shared: Shared | None = None,
    ) -> None:
        self.name, self.needs = name, needs
        self.granted: tuple[str, ...] | None = None
        self._base_url, self._proof, self._wire, self._clock = base_url, proof, wire, clock
        self._token_url, self._scopes, self._shared = token_url, scopes, shared
        self._endpoint: Endpoint | None = None
        self._token: Token | None = None
        self._refused: tuple[FhirError, datetime] | None = None
        self._given_up: datetime | None = None  # when a token was last answered with 401
        self._one = Lock()

    def headers(self) -> Mapping[str, str]:
        """The header for the next request. Raises a `FhirError` when we cannot sign in."""
        return {"Authorization": f"Bearer {self._current().value}"}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """The server answered 401 to these headers: forget that token, and try with another. If
        one was tried just now, another will not do better."""
        with self._one:
            token, now = self._token, self._clock()
            if token is None or headers.get("Authorization") != f"Bearer {token.value}":
                return True  # there is another by now
            if self._given_up is not None and now < self._given_up + _REMEMBERED:
                return False
            self._given_up, self._token = now, None
            if self._shared is not None:
                self._shared.tokens.forget_token(self._shared_name(), token.value)
        return True

    def close(self) -> None:
        self._wire.close()

    def lacking(self) -> tuple[str, ...]:
        """The scopes that are needed and were not granted. Signs in if that was not done."""
        self._current()
        return missing(self.granted, self.needs) if self.granted is not None else ()

    def endpoint(self) -> Endpoint:
        """The token endpoint and what the server takes there; discovered once."""
        if self._endpoint is None:
            self._endpoint = self._discovered()
        return self._endpoint

    # --- the token

    def _current(self) -> Token:
        with self._one:
            now = self._clock()
            if self._token is not None and now < self._token.renew_at:
                return self._token
            if self._refused is not None and now < self._refused[1]:
                self._token = self._of_another(now)
                if self._token is None:
                    raise self._refused[0]
            elif self._shared is None:
                self._token = self._asked(now)
            else:
                self._token = self._shared.token(self._shared_name(), self._clock, self._asked)
            return self._token

    def _of_another(self, now: datetime) -> Token | None:
        """Who was refused uses what another process got meanwhile."""
        if self._shared is None:
            return None
        kept = self._shared.tokens.token(self._shared_name(), now)
        return Token(*kept) if kept else None

    def _shared_name(self) -> str:
        """A token is for one client and one set of scopes: another configuration has another."""
        scopes = " ".join(self._scopes) or repr(sorted(self.needs.items()))
        what = "\n".join([self._base_url, repr(self._proof), scopes])
        return f"{self.name}/{hashlib.sha256(what.encode()).hexdigest()[:16]}"

    def _asked(self, now: datetime) -> Token:
        try:
            token = self._ask(now)
        except FhirError as error:
            wait = timedelta(seconds=getattr(error, "retry_after", None) or 0)
            self._refused = (error, now + max(wait, _REMEMBERED))
            self._endpoint = None  # it may have moved
            raise
        self._refused = None
        return token

    def _ask(self, now: datetime) -> Token:
        endpoint = self.endpoint()
        asked = self._scopes or in_words(self.needs, v2=endpoint.v2)
        form = {"grant_type": "client_credentials", "scope": " ".join(asked)}
        try:
            form |= self._proof.form(endpoint, now)
        except BadKeys as error:
            raise Forbidden(self.name, "sign in", str(error)) from None
        answer = self._wire.plain(
            "sign in", endpoint.token_url, form=form, headers=self._proof.headers()
        )
        document = answer.document or {}
        if answer.status != 200 or ("error" in document and "access_token" not in document):
            raise self._refusal(answer, asked)
        return self._taken(document, asked, now)

    def _taken(self, document: Mapping[str, Any], asked: tuple[str, ...], now: datetime) -> Token:
        value, kind = document.get("access_token"), str(document.get("token_type") or "bearer")
        if not isinstance(value, str) or not re.fullmatch(r"[\x21-\x7e]+", value):
            raise Forbidden(
                self.name, "sign in", "the answer holds no access token: check token_url"
            )
        if kind.lower() != "bearer":
            raise Forbidden(
                self.name,
                "sign in",
                "the token is of a kind that we cannot use (not bearer): have the client registered"
                " for bearer tokens",
            )
        lives = timedelta(seconds=_seconds(document.get("expires_in")))
        scope = document.get("scope")
        self.granted = tuple(scope.split()) if isinstance(scope, str) else asked  # RFC 6749 §5.1
        return Token(value, now + max(lives - _EARLY, lives * 0.9))

    def _refusal(self, answer: PlainAnswer, asked: tuple[str, ...]) -> FhirError:
        said = answer.document.get("error") if answer.document else None
        code = said if isinstance(said, str) and _CODE.fullmatch(said) else None
        if code in BUSY:
            later = "its sign-in cannot answer now: tried again later"
            return Unavailable(self.name, "sign in", later, status=answer.status)
        why = REFUSALS.get(code or "")
        if why is None:
            why = f"{urlsplit(self.endpoint().token_url).netloc} does not answer like a token"
            why += " endpoint (RFC 6749): check token_url"
        if code and code not in REFUSALS:
            why = "a refusal of this server's own: its documentation and its log say what it means"
        if code == "invalid_client":
            why += f", {self._proof.hint}"
        if code == "invalid_scope":
            why += f" (asked for: {' '.join(asked)})"
        codes = (code,) if code else ()
        why += self._skew() if code in ("invalid_client", "invalid_grant") else ""
        return Forbidden(self.name, "sign in", why, status=answer.status, codes=codes)

    def _skew(self) -> str:
        """Assertions live five minutes: clocks that differ make them expired or too long."""
        offset = self._wire.clock_offset
        if abs(offset) < _SKEW:
            return ""
        way = "behind" if offset > timedelta(0) else "ahead of"
        seconds = int(abs(offset).total_seconds())
        return (
            f"; our clock is {seconds} s {way} the server's: set it (NTP), assertions live minutes"
        )

    # --- the endpoint

    def _discovered(self) -> Endpoint:
        url = f"{self._base_url.rstrip('/')}/.well-known/smart-configuration"
        found: Mapping[str, Any] = {}
        try:
            answer = self._wire.plain("read the SMART configuration", url)
            if answer.status == 200:
                found = answer.document or {}
        except Unavailable:
            if self._token_url is None:
                raise
        token_url = self._token_url or found.get("token_endpoint")
        if not isinstance(token_url, str) or not _ADDRESS.fullmatch(token_url):
            what = "one that is no full address" if token_url else "none"
            raise Forbidden(
                self.name,
                "read the SMART configuration",
                "the server should name its token endpoint at .well-known/smart-configuration below"
                f" base_url, and there is {what}: check base_url, or set token_url",
            )
        if self._base_url.startswith("https:") and not token_url.startswith("https:"):
            raise Forbidden(
                self.name,
                "read the SMART configuration",
                "the token endpoint is not https while the server is: our proof is not sent there",
            )
        signs = _strings(found.get("token_endpoint_auth_signing_alg_values_supported"))
        cheapest_first = [alg for alg in reversed(ALGORITHMS) if alg in signs]
        algorithms = tuple(cheapest_first) if signs else ALGORITHMS
        v2 = speaks_v2(_strings(found.get("capabilities")), _strings(found.get("scopes_supported")))
        return Endpoint(token_url, algorithms, v2)


def _seconds(value: Any) -> float:
    """`expires_in`. Some servers send it as text; one that says nothing usable, or that the token
    is over already, did not say it: a 401 will."""
    try:
        said = float(value)
    except (TypeError, ValueError):
        return _UNSAID
    usable = said > 0 and value is not True
    return min(said, _LONGEST) if usable else _UNSAID


def _strings(value: Any) -> tuple[str, ...]:
    return tuple(each for each in value if isinstance(each, str)) if isinstance(value, list) else ()
