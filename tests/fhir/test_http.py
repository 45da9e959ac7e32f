"""Everything that a server and a wire can do wrong has a name, and names nobody."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
import respx

from fhirbridge.fhir import auth
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import Conflict, FhirError, Forbidden, Gone, Rejected, Unavailable
from tests.fhir.wire import BASE, NOW, SECRET, fhir, outcome, page, record

# --- errors are named by what to do next


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, outcome(f"HAPI-0507: {SECRET}"), Rejected),
        (401, outcome(SECRET), Forbidden),
        (403, outcome(SECRET), Forbidden),
        (404, outcome(SECRET), Rejected),
        (405, outcome(SECRET), Rejected),
        (409, outcome(f"HAPI-0550: HAPI-0989: {SECRET}"), Conflict),
        (410, outcome(SECRET), Gone),
        (412, outcome(f"HAPI-0958: {SECRET}"), Conflict),
        (412, outcome(f"HAPI-2672: {SECRET}"), Rejected),
        (422, outcome(f"HAPI-1094: {SECRET}"), Rejected),
        (429, outcome(SECRET), Unavailable),
        (500, outcome(f"HAPI-0550: {SECRET}"), Conflict),
        (500, outcome(SECRET), Unavailable),
        (501, outcome(SECRET), Rejected),
        (502, SECRET, Unavailable),
        (503, outcome(SECRET), Unavailable),
        (504, [SECRET], Unavailable),
        (302, outcome(SECRET), Rejected),
    ],
)
def test_a_refused_write_says_what_to_do_next_and_names_nobody(
    server: Server, net: respx.MockRouter, status: int, body: Any, kind: type[FhirError]
) -> None:
    net.put("/Task/t-1").mock(return_value=fhir(body, status))
    with pytest.raises(kind) as caught:
        server.update(record("Task", "t-1", description=SECRET), if_match="3")
    assert type(caught.value) is kind
    assert str(caught.value).startswith(f"ehr: update Task/t-1: {status}")
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert server.requests == 1  # a write is never sent twice


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_no_redirect_is_followed(server: Server, net: respx.MockRouter, status: int) -> None:
    """Neither with what we ask for nor with how we sign in."""
    elsewhere = {"location": "http://elsewhere.example/fhir/Task/t-1"}
    net.get("/Task/t-1").mock(return_value=httpx.Response(status, headers=elsewhere))
    net.put("/Task/t-1").mock(return_value=httpx.Response(status, headers=elsewhere))
    with pytest.raises(Rejected, match="put the final address into base_url"):
        server.get("Task", "t-1")
    with pytest.raises(Rejected, match="put the final address into base_url"):
        server.update(record("Task", "t-1"))
    assert server.requests == 2


def test_codes_of_the_server_are_in_the_message(server: Server, net: respx.MockRouter) -> None:
    net.post("").mock(return_value=fhir(outcome("HAPI-0550: HAPI-0989: stale", "conflict"), 409))
    with pytest.raises(Conflict, match=r"409, HAPI-0550, HAPI-0989, conflict: changed by"):
        server.transact({"resourceType": "Bundle", "type": "transaction", "entry": []})


@pytest.mark.parametrize(
    ("problem", "kind"),
    [
        (httpx.ConnectError(SECRET), Unavailable),
        (httpx.ConnectTimeout(SECRET), Unavailable),
        (httpx.ReadTimeout(SECRET), Unavailable),
        (httpx.RemoteProtocolError(SECRET), Unavailable),
        (httpx.ReadError(SECRET), Unavailable),
        (httpx.UnsupportedProtocol(SECRET), Rejected),
    ],
)
def test_trouble_on_the_wire(
    server: Server, net: respx.MockRouter, problem: Exception, kind: type[FhirError]
) -> None:
    net.post("/Task").mock(side_effect=problem)
    with pytest.raises(kind) as caught:
        server.create(record("Task", "t-1"))
    assert SECRET not in str(caught.value)
    assert server.requests == 1


def test_another_program_at_this_address_is_no_missing_record(
    server: Server, net: respx.MockRouter
) -> None:
    net.get("/Patient/p-7").mock(return_value=fhir({"error": "Not Found"}, 404))
    with pytest.raises(Rejected, match="not FHIR JSON: check base_url"):
        server.get("Patient", "p-7")


@pytest.mark.parametrize("status", [200, 404])
def test_a_login_page_is_not_a_server(server: Server, net: respx.MockRouter, status: int) -> None:
    html = httpx.Response(status, html=f"<html>{SECRET}</html>")
    net.get("/Patient/p-7").mock(return_value=html)
    with pytest.raises(Rejected, match=r"answers HTML .*check base_url"):
        server.get("Patient", "p-7")


def test_html_with_503_is_a_busy_proxy(server: Server, net: respx.MockRouter) -> None:
    net.post("").mock(return_value=httpx.Response(503, html="<html>"))
    with pytest.raises(Unavailable):
        server.transact({"entry": []})


@pytest.mark.parametrize("body", [b'"text"', b"[]", b'{"ok": true}', b"<Bundle/>"])
def test_json_that_is_no_resource(server: Server, net: respx.MockRouter, body: bytes) -> None:
    kind = {"content-type": "text/plain"}
    net.get("/metadata").mock(return_value=httpx.Response(200, content=body, headers=kind))
    with pytest.raises(Rejected, match="not FHIR JSON"):
        server.capabilities()


def test_a_torn_body_is_read_again(
    server: Server, net: respx.MockRouter, waits: list[float]
) -> None:
    whole = fhir(record("Patient", "p-7"))
    torn = httpx.Response(200, content=whole.content[:-5], headers=whole.headers)
    torn.headers.pop("content-length")
    net.get("/Patient/p-7").mock(side_effect=[torn, whole])
    assert server.get("Patient", "p-7") == record("Patient", "p-7")
    assert waits == [0.25]


def test_an_answer_too_large_is_refused(server: Server, net: respx.MockRouter) -> None:
    net.get("/metadata").mock(return_value=fhir(record("Binary", "b", data="x" * 300_000)))
    with pytest.raises(Rejected, match="larger than 200000 bytes"):
        server.capabilities()


def test_an_answer_that_drips_is_given_up(net: respx.MockRouter) -> None:
    moments = iter(NOW + timedelta(seconds=each) for each in range(0, 10_000, 100))
    server = Server("ehr", BASE, timeout=30, clock=lambda: next(moments))

    def drip() -> Iterator[bytes]:
        for _ in range(50):
            yield b" "

    net.get("/metadata").mock(return_value=httpx.Response(200, content=drip()))
    with pytest.raises(Unavailable, match="takes too long"):
        server.capabilities()


# --- trying again


def test_a_read_waits_as_long_as_a_busy_server_says(
    server: Server, net: respx.MockRouter, waits: list[float]
) -> None:
    found = fhir(record("Patient", "p-7"))
    busy = [fhir(outcome("busy"), 429, **{"retry-after": "2"}), fhir(outcome("busy"), 503)]
    net.get("/Patient/p-7").mock(side_effect=[*busy, found])
    assert server.get("Patient", "p-7") is not None
    assert waits == [2.0, 1.0]
    assert server.requests == 3


def test_a_long_wait_is_left_to_the_bridge(
    server: Server, net: respx.MockRouter, waits: list[float]
) -> None:
    net.get("/Patient/p-7").mock(return_value=fhir({}, 429, **{"retry-after": "120"}))
    with pytest.raises(Unavailable) as caught:
        server.get("Patient", "p-7")
    assert caught.value.retry_after == 120.0
    assert (waits, server.requests) == ([], 1)


def test_retry_after_can_be_a_date(server: Server, net: respx.MockRouter) -> None:
    date = "Tue, 01 Dec 2026 12:01:30 GMT"
    net.post("").mock(return_value=fhir({}, 503, **{"retry-after": date}))
    with pytest.raises(Unavailable) as caught:
        server.transact({"entry": []})
    assert caught.value.retry_after == 90.0


def test_a_dead_server_is_tried_a_few_times(
    server: Server, net: respx.MockRouter, waits: list[float]
) -> None:
    net.get("/metadata").mock(side_effect=httpx.ConnectError("refused"))
    with pytest.raises(Unavailable, match="no connection"):
        server.capabilities()
    assert waits == [0.25, 1.0]


def test_the_clock_of_the_server_is_learned(server: Server, net: respx.MockRouter) -> None:
    late = fhir(record("CapabilityStatement", "c"), date="Tue, 01 Dec 2026 12:00:07 GMT")
    net.get("/metadata").mock(return_value=late)
    server.capabilities()
    assert server.now() == NOW + timedelta(seconds=7)


# --- signing in, and silence


def test_sign_in_headers_go_with_each_request_and_show_nowhere(net: respx.MockRouter) -> None:
    token = auth.bearer(f"{SECRET}\n")
    route = net.get("/metadata").mock(return_value=fhir({}, 401))
    server = Server("payer", BASE, auth=token)
    with pytest.raises(Forbidden, match=r"payer: .*check auth") as caught:
        server.capabilities()
    assert route.calls.last.request.headers["authorization"] == f"Bearer {SECRET}"
    assert SECRET not in repr(token) + str(caught.value)
    assert auth.basic("u", "p").headers() == {"Authorization": "Basic dTpw"}
    assert auth.NONE.headers() == {}
    with pytest.raises(ValueError, match="empty or holds"):
        auth.headers({"X-Key": "a\r\nb"})


def test_no_url_in_the_log(
    server: Server, net: respx.MockRouter, caplog: pytest.LogCaptureFixture
) -> None:
    net.get("/Patient").mock(return_value=fhir(page()))
    with caplog.at_level(logging.DEBUG):
        list(server.search("Patient", {"name": SECRET}))
    assert SECRET not in caplog.text
