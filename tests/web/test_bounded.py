"""A caller who is slow or sends without end is cut off; one who sends as people do is not."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager

import pytest
from starlette.types import Receive, Scope, Send

from fhirbridge.limits import Limit
from fhirbridge.web import bounded, notify
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.door import Door, bound
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate

pytestmark = pytest.mark.sockets

HOOK = b"POST /notify/ehr/key-ehr-MedicationRequest HTTP/1.1\r\nHost: x\r\n"
SECRET = b"X-Fhirbridge-Secret: s3cret\r\n"
_HANGS = 60.0


@contextmanager
def opened(estate: Estate) -> Iterator[int]:
    made = app(estate.bridge, Metrics(estate.bridge.store, estate.clock), Console(estate.bridge))
    listening = bound("127.0.0.1", 0)
    port: int = listening.getsockname()[1]
    door = Door(made, listening)
    door.open()
    try:
        yield port
    finally:
        door.close()


def call(port: int) -> socket.socket:
    return socket.create_connection(("127.0.0.1", port), timeout=_HANGS)


def read(caller: socket.socket) -> bytes:
    """All that is answered until the connection is closed."""
    found = b""
    try:
        while part := caller.recv(65536):
            found += part
    except ConnectionResetError:
        pass
    return found


@pytest.mark.parametrize(
    "begun",
    [
        b"",
        b"\r\n",
        b"GET /healthz HTT",
        b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: a",
        HOOK + SECRET + b"Content-Length: 10\r\n\r\n{",
        HOOK + SECRET + b"Transfer-Encoding: chunked\r\n\r\n1\r\n{",
    ],
)
def test_who_does_not_end_what_he_began_is_cut_off(
    estate: Estate, begun: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ARRIVES", 0.3)
    monkeypatch.setattr(notify, "OF_ONE", 1)
    with opened(estate) as port, closing(call(port)) as slow:
        slow.sendall(begun)
        assert read(slow) == b""
        # Its place is given back, so the next one of this Subscription is heard.
        with closing(call(port)) as other:
            other.sendall(HOOK + SECRET + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
            assert read(other).startswith(b"HTTP/1.1 200")


def test_drops_that_never_end_a_request_do_not_keep_it_open(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bounded, "ARRIVES", 0.3)
    with opened(estate) as port, closing(call(port)) as slow:
        slow.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
        slow.settimeout(0.05)
        for _ in range(int(_HANGS / 0.05)):
            try:
                slow.sendall(b"\r\n")
                if not slow.recv(65536):
                    return
            except TimeoutError:
                continue
            except ConnectionError:
                return
        pytest.fail("still open")


@pytest.mark.parametrize("end", [b"", b"\r\n"])
def test_a_head_without_end_is_refused(estate: Estate, end: bytes) -> None:
    with opened(estate) as port, closing(call(port)) as caller:
        caller.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: y")
        sent = 0
        try:
            while sent < 50 * bounded.LARGEST_HEAD:
                caller.sendall(b"X: " + b"x" * 65_000 + end)
                sent += 65_000
        except ConnectionError:
            pass
        assert sent < 50 * bounded.LARGEST_HEAD or b" 431 " in read(caller)


def test_trailers_without_end_are_cut_off(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bounded, "LARGEST_REQUEST", 2**20)
    with opened(estate) as port, closing(call(port)) as caller:
        caller.sendall(b"POST /healthz HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
        caller.sendall(b"0\r\n")
        endless = b"X: " + b"x" * 65_000 + b"\r\n"
        with pytest.raises(ConnectionError):
            caller.sendall(endless * 1000)


def test_what_is_large_and_comes_in_time_is_heard(estate: Estate) -> None:
    body = b'{"x": "' + b"x" * (notify.LARGEST - 9) + b'"}'
    head = HOOK + SECRET + b"X: " + b"x" * (bounded.LARGEST_HEAD - 4096) + b"\r\n"
    with opened(estate) as port, closing(call(port)) as caller:
        for last in (b"keep-alive", b"close"):
            caller.sendall(
                head + b"Connection: %s\r\nContent-Length: %d\r\n\r\n" % (last, len(body)) + body
            )
        assert read(caller).count(b"HTTP/1.1 200") == 2


def test_one_byte_too_many_is_told_so(estate: Estate) -> None:
    body = b"x" * (notify.LARGEST + 1)
    with opened(estate) as port, closing(call(port)) as caller:
        caller.sendall(
            HOOK + SECRET + b"Connection: close\r\nContent-Length: %d\r\n\r\n" % len(body)
        )
        assert read(caller).startswith(b"HTTP/1.1 413")


def test_requests_on_one_connection_each_have_their_time(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The clock of a request ends with it: an idle connection is uvicorn's to close."""
    monkeypatch.setattr(bounded, "ARRIVES", 0.2)
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
    with opened(estate) as port, closing(call(port)) as caller:
        caller.sendall(asked + asked)
        answers = b""
        while answers.count(b"ok\n") < 2:
            answers += caller.recv(65536)
        caller.settimeout(0.5)  # longer than a request may take, shorter than uvicorn waits
        with pytest.raises(TimeoutError):
            caller.recv(1)
        caller.settimeout(_HANGS)
        caller.sendall(asked)
        assert caller.recv(65536).startswith(b"HTTP/1.1 200")


def test_one_subscription_that_runs_wild_leaves_room_for_the_others(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(notify, "OF_ONE", 1)
    end = b"Content-Length: 2\r\nConnection: close\r\n\r\n{}"
    with opened(estate) as port, closing(call(port)) as slow:
        slow.sendall(HOOK + SECRET + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n")
        assert slow.recv(100).startswith(b"HTTP/1.1 100")  # its body is waited for: it is in hand
        answers = []
        for hook in (HOOK, HOOK.replace(b"MedicationRequest", b"Patient")):
            with closing(call(port)) as other:
                other.sendall(hook + SECRET + end)
                answers.append(read(other)[:12])
        assert answers == [b"HTTP/1.1 429", b"HTTP/1.1 200"]
        slow.sendall(b"{}")
        assert slow.recv(100).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    ("trusted", "caller"), [((), "127.0.0.1"), (("127.0.0.1",), "198.51.100.7")]
)
def test_only_a_trusted_proxy_says_who_calls(trusted: tuple[str, ...], caller: str) -> None:
    """Who is believed could try secrets from as many addresses as there are."""

    async def who(scope: Scope, _: Receive, send: Send) -> None:
        if scope["type"] == "http":
            body = scope["client"][0].encode()
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": body})

    listening = bound("127.0.0.1", 0)
    port: int = listening.getsockname()[1]
    door = Door(who, listening, trusted)
    door.open()
    try:
        with closing(call(port)) as caller_:
            caller_.sendall(
                b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                b"X-Forwarded-For: 203.0.113.1, 198.51.100.7\r\n\r\n"
            )
            assert caller.encode() in read(caller_)
    finally:
        door.close()


def test_a_flood_of_connections_leaves_files_for_the_work(
    estate: Estate, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(bounded, "MOST", 3)
    monkeypatch.setattr(bounded, "_said", Limit(burst=1, a_second=1 / 60, clock=estate.clock))
    asked = b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    with opened(estate) as port, ExitStack() as stack:
        first = [stack.enter_context(closing(call(port))) for _ in range(3)]
        for _ in range(2):
            with closing(call(port)) as more:
                assert read(more) == b""
        assert caplog.text.count("connections_refused") == 1
        first[1].sendall(asked)
        assert read(first[1]).startswith(b"HTTP/1.1 200")
        with closing(call(port)) as again:
            again.sendall(asked)
            assert read(again).startswith(b"HTTP/1.1 200")
