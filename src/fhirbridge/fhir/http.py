"""One HTTP exchange with a FHIR server, bounded in time and size. The only user of httpx.

Everything that can go wrong on the wire becomes one of `errors`. Reads are tried again within
seconds when the server is busy or the connection broke; writes are sent once, because only the
bridge can decide again. No redirect is followed. Nothing of a URL, a header or a body reaches
a log or a message: search URLs hold identifiers of patients.
"""

from __future__ import annotations

import logging
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from functools import lru_cache
from threading import Lock
from typing import Any

import httpx

from . import jsonio
from .auth import Auth, PlainAnswer
from .errors import FhirError, Rejected, Unavailable, judge
from .throttle import LONGEST_WAIT, Later, Throttle

for _name in ("httpx", "httpcore"):  # their INFO and DEBUG lines hold URLs and headers
    logging.getLogger(_name).setLevel(logging.WARNING)

FHIR_JSON = "application/fhir+json"
_LONGEST_REST = 3600.0  # seconds; a server that asks for more is asked again after that
_CONNECT_TIMEOUT = 5.0
_BUSY = (429, 503)

Transport = httpx.BaseTransport


@dataclass(frozen=True, slots=True)
class Answer:
    """A 2xx answer. `document` is the FHIR resource in it, None for an empty body."""

    status: int
    location: str | None
    etag: str | None
    document: dict[str, Any] | None


class _Again(Exception):
    """A read worth another try within seconds; carries what to raise if tries run out."""

    def __init__(self, error: Unavailable) -> None:
        self.error = error


class Http:
    """Exchanges with one server. Thread-safe. For the parameters see `client.Server`."""

    def __init__(
        self,
        name: str,
        *,
        auth: Auth,
        timeout: float,
        retries: int,
        max_bytes: int,
        sleep: Callable[[float], None],
        clock: Callable[[], datetime],
        transport: httpx.BaseTransport | None,
        tls: ssl.SSLContext | None = None,
        throttle: Throttle | None = None,
    ) -> None:
        self.requests = 0
        self.clock_offset = timedelta(0)
        self.latest: datetime | None = None  # the server's time in its latest answer
        self._name, self._auth, self._retries = name, auth, retries
        self._longest = timedelta(seconds=10 * timeout)
        self._max_bytes, self._sleep, self._clock = max_bytes, sleep, clock
        self._counting = Lock()
        self._throttle = throttle or Throttle(clock=clock, sleep=sleep)
        # A proxy of the environment is for the outside, never for loopback.
        loopback = dict.fromkeys(("all://127.0.0.1", "all://localhost", "all://[::1]"))
        self._client = httpx.Client(
            timeout=httpx.Timeout(timeout, connect=min(timeout, _CONNECT_TIMEOUT)),
            transport=transport,
            verify=tls or True,
            mounts=None if transport else loopback,
            follow_redirects=False,
        )

    def close(self) -> None:
        self._client.close()
        self._auth.close()

    def read(
        self, operation: str, url: str, *, form: list[tuple[str, str]] | None = None
    ) -> dict[str, Any]:
        """GET, or a search by POST with `form`: the resource that is answered."""
        headers = {"Accept": FHIR_JSON, "Cache-Control": "no-cache"}
        for attempt in range(self._retries + 1):
            try:
                if form is None:
                    answer = self._once(operation, "GET", url, headers)
                else:
                    answer = self._once(operation, "POST", url, headers, data=dict(_grouped(form)))
                break
            except _Again as again:
                wait = again.error.retry_after
                if attempt == self._retries or (wait or 0) > LONGEST_WAIT:
                    raise again.error from None
                self._sleep(0.25 * 4**attempt if wait is None else wait)
        if answer.document is None:
            raise Rejected(self._name, operation, "the answer is empty", status=answer.status)
        return answer.document

    def write(
        self,
        operation: str,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send once."""
        sent = {"Accept": FHIR_JSON, "Prefer": "return=minimal", **(headers or {})}
        content = None
        if body is not None:
            sent["Content-Type"], content = FHIR_JSON, jsonio.dumps(body)
        try:
            return self._once(operation, method, url, sent, content=content)
        except _Again as again:
            raise again.error from None

    def plain(
        self,
        operation: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> PlainAnswer:
        """Ask a sign-in server, by POST if there is a form. Any status that is not "come again"
        is an answer."""
        sent = {"Accept": "application/json", "User-Agent": "fhirbridge", **(headers or {})}
        method, body = ("GET", {}) if form is None else ("POST", {"data": dict(form)})
        try:
            response, content = self._exchange(operation, method, url, sent, **body)
        except _Again as again:
            raise again.error from None
        if response.status_code in _BUSY or response.status_code >= 500:
            wait = self._retry_after(response.headers.get("retry-after"))
            raise judge(self._name, operation, response.status_code, None, retry_after=wait)
        try:
            document = jsonio.loads(content)
        except jsonio.NotJson:
            document = None
        return PlainAnswer(response.status_code, document if isinstance(document, dict) else None)

    def _once(
        self, operation: str, method: str, url: str, headers: Mapping[str, str], **body: Any
    ) -> Answer:
        """One exchange; a 401 (nothing was done) may be tried again with a new token."""
        for last in (False, True):
            signed = self._auth.headers()
            sent = {"User-Agent": "fhirbridge", **headers, **signed}
            response, content = self._exchange(operation, method, url, sent, **body)
            if last or response.status_code != 401 or not self._auth.refused(signed):
                break
        return self._answer(operation, response, content)

    def _exchange(
        self, operation: str, method: str, url: str, headers: Mapping[str, str], **body: Any
    ) -> tuple[httpx.Response, bytes]:
        try:
            with self._throttle.turn():
                started = self._clock()
                with self._counting:
                    self.requests += 1
                with self._client.stream(method, _parsed(url), headers=headers, **body) as response:
                    content = self._content(operation, response, started)
        except Later as later:
            error = Unavailable(self._name, operation, "the server asked to be left alone")
            error.retry_after = later.seconds
            raise error from None
        except httpx.TimeoutException as error:
            raise Unavailable(self._name, operation, _named(error)) from None
        except (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.InvalidURL) as error:
            why = f"{_named(error)}: check base_url and auth"
            raise Rejected(self._name, operation, why) from None
        except httpx.HTTPError as error:  # refused, reset, torn, name unknown, bad compression
            raise _Again(Unavailable(self._name, operation, _named(error))) from None
        self._learn_clock(response.headers.get("date"))
        wait = self._retry_after(response.headers.get("retry-after"))
        if response.status_code in _BUSY and wait:
            self._throttle.leave_alone(min(wait, _LONGEST_REST))
        return response, content

    def _content(self, operation: str, response: httpx.Response, started: datetime) -> bytes:
        parts, size = [], 0
        for part in response.iter_bytes():
            size += len(part)
            if size > self._max_bytes:
                why = f"the answer is larger than {self._max_bytes} bytes"
                raise Rejected(self._name, operation, why, status=response.status_code)
            if self._clock() - started > self._longest:
                raise Unavailable(self._name, operation, "the answer takes too long")
            parts.append(part)
        return b"".join(parts)

    def _answer(self, operation: str, response: httpx.Response, content: bytes) -> Answer:
        status, kind = response.status_code, response.headers.get("content-type", "")
        try:
            document = jsonio.loads(content) if content.strip() else None
        except jsonio.NotJson:
            document = content
        if not 200 <= status < 300:
            raise self._refusal(operation, response, document)
        if document is not None and not _is_fhir(document):
            if "json" in kind and isinstance(document, bytes):
                raise _Again(Unavailable(self._name, operation, "the answer is broken off"))
            raise Rejected(self._name, operation, _no_fhir(status, kind))
        location = response.headers.get("location") or response.headers.get("content-location")
        return Answer(status, location, response.headers.get("etag"), document)

    def _refusal(self, operation: str, response: httpx.Response, document: Any) -> FhirError:
        status, kind = response.status_code, response.headers.get("content-type", "")
        wait = self._retry_after(response.headers.get("retry-after"))
        error = judge(self._name, operation, status, document, retry_after=wait)
        if status == 404 and document is not None and not _is_fhir(document):
            # Not "no such record": nobody at this address speaks FHIR. Hence no status.
            return Rejected(self._name, operation, _no_fhir(status, kind))
        if isinstance(error, Unavailable) and status in _BUSY:
            raise _Again(error)
        return error

    def _retry_after(self, header: str | None) -> float | None:
        """Seconds to wait; the header holds seconds or a date (RFC 9110 §10.2.3)."""
        if header is None:
            return None
        if header.strip().isdecimal():
            return float(header)
        moment = _http_date(header)
        return max(0.0, (moment - self._clock()).total_seconds()) if moment else None

    def _learn_clock(self, header: str | None) -> None:
        if moment := _http_date(header):
            self.clock_offset, self.latest = moment - self._clock(), moment


#: A chart is searched at the same address for everybody; httpx takes an address apart in Python.
_parsed = lru_cache(128)(httpx.URL)


def _is_fhir(document: Any) -> bool:
    return isinstance(document, dict) and isinstance(document.get("resourceType"), str)


def _grouped(pairs: list[tuple[str, str]]) -> dict[str, list[str]]:
    grouped: dict[str, list[str]] = {}
    for name, value in pairs:
        grouped.setdefault(name, []).append(value)
    return grouped


def _http_date(header: str | None) -> datetime | None:
    try:
        moment = parsedate_to_datetime(header or "")
    except (ValueError, OverflowError):
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _no_fhir(status: int, content_type: str) -> str:
    kind = "HTML" if "html" in content_type else "something else"
    return f"the address answers {kind} ({status}), not FHIR JSON: check base_url"


def _named(error: Exception) -> str:
    """What happened, by the error's type: its text can hold parts of a URL."""
    if isinstance(error, httpx.ConnectError):
        return _unreached(error)
    words = type(error).__name__.removesuffix("Exception").removesuffix("Error")
    return {
        "ConnectTimeout": "no connection within the timeout: a firewall may drop it",
        "Proxy": "the proxy of $HTTPS_PROXY refused: check it, or name the server in $NO_PROXY",
        "ReadTimeout": "no answer within the timeout",
        "RemoteProtocol": "the connection broke off",
        "Read": "the connection broke off",
    }.get(words, words)


def _unreached(error: BaseException) -> str:
    """Why there is no connection, as its causes say."""
    cause: BaseException | None = error
    while cause is not None:
        match cause:
            case ssl.SSLCertVerificationError():
                return (
                    f"the server's certificate is not trusted ({cause.verify_message}): give the"
                    " authority that issued it in tls.ca, or mend the certificate"
                )
            case ssl.SSLError():
                return (
                    f"no TLS ({cause.reason}): check http or https in the address, and"
                    " tls.certificate if the server wants one of us"
                )
            case socket.gaierror():
                return "the name of the host is not known here: check the address, or the DNS"
            case ConnectionRefusedError():
                return "refused: nothing listens at that address and port"
        cause = cause.__cause__ or cause.__context__
    return "no connection"
