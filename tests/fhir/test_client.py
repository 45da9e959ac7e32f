"""The client against everything that a server and a wire can do wrong, and some that is right."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from fhirbridge.core.events import Verb
from fhirbridge.fhir import auth, jsonio
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import Conflict, FhirError, Forbidden, Gone, Rejected, Unavailable

BASE = "http://ehr.example/fhir"
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
SECRET = "Zoltan-Quux-19700102"  # stands for whatever names a patient


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def server(waits: list[float]) -> Iterator[Server]:
    server = Server("ehr", BASE, sleep=waits.append, clock=lambda: NOW, max_bytes=200_000)
    yield server
    server.close()


@pytest.fixture
def net() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router


def fhir(document: Any, status: int = 200, **headers: str) -> httpx.Response:
    kind = {"content-type": "application/fhir+json;charset=UTF-8"}
    return httpx.Response(status, content=jsonio.dumps(document), headers=kind | headers)


def page(*resources: dict[str, Any], next_: str | None = None, self_: str | None = None) -> Any:
    links = [{"relation": r, "url": u} for r, u in (("next", next_), ("self", self_)) if u]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": links,
        "entry": [{"resource": each} for each in resources],
    }


def record(type_: str, id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type_, "id": id_, **more}


def outcome(diagnostics: str, code: str = "processing") -> dict[str, Any]:
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


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


# --- reading


def test_reading_one_record(server: Server, net: respx.MockRouter) -> None:
    net.get("/Patient/known").mock(return_value=fhir(record("Patient", "known")))
    net.get("/Patient/unknown").mock(return_value=fhir(outcome("HAPI-2001"), 404))
    net.get("/Patient/deleted").mock(return_value=fhir(outcome("gone"), 410))
    assert server.get("Patient", "known") == record("Patient", "known")
    assert server.get("Patient", "unknown") is None
    with pytest.raises(Gone):
        server.get("Patient", "deleted")


@pytest.mark.parametrize("id_", ["../Binary/1", "..", ".", "", "a b", "x" * 65, "p?_x=1"])
def test_an_id_that_is_none_never_becomes_an_address(server: Server, id_: str) -> None:
    with pytest.raises(Rejected):
        server.get("Patient", id_)


def test_a_chart_is_one_request(server: Server, net: respx.MockRouter) -> None:
    order = record("MedicationRequest", "o-1")
    remark = {"resource": outcome("a remark"), "search": {"mode": "outcome"}}
    answer = page(record("Patient", "p-7"), order, order)
    answer["entry"].append(remark)
    route = net.get("/Patient").mock(return_value=fhir(answer))
    chart = server.chart({"_id": "p-7"}, ["MedicationRequest", "Task", "Patient"])
    assert [each["id"] for each in chart.resources] == ["p-7", "o-1"]
    assert (chart.complete, chart.cut, chart.read_at) == (True, frozenset(), NOW)
    assert server.requests == 1
    sent = route.calls.last.request
    assert sent.headers["cache-control"] == "no-cache"
    assert parse_qs(sent.url.query.decode()) == {
        "_id": ["p-7"],
        "_revinclude": ["MedicationRequest:patient", "Task:patient"],
        "_include:iterate": ["MedicationRequest:medication"],
    }


def test_an_identifier_stands_in_no_url(server: Server, net: respx.MockRouter) -> None:
    route = net.post("/Patient/_search").mock(return_value=fhir(page()))
    chart = server.chart({"identifier": f"urn:mrn|{SECRET}"}, ["Task"])
    assert chart.resources == ()
    sent = route.calls.last.request
    assert SECRET not in str(sent.url)
    assert parse_qs(sent.content.decode())["identifier"] == [f"urn:mrn|{SECRET}"]


def many(type_: str, count: int) -> Sequence[dict[str, Any]]:
    return [record(type_, f"{type_.lower()}-{each}") for each in range(count)]


def test_a_type_that_came_back_full_is_read_again(server: Server, net: respx.MockRouter) -> None:
    first = page(record("Patient", "p-7"), *many("Task", 1000), *many("Coverage", 3))
    net.get("/Patient").mock(return_value=fhir(first))
    tasks = many("Task", 1300)
    net.get("/Task", params={"patient": "Patient/p-7"}).mock(
        return_value=fhir(page(*tasks[:700], next_=f"{BASE}?_getpages=x&_o=700"))
    )
    net.get("", params={"_getpages": "x"}).mock(return_value=fhir(page(*tasks[700:])))
    chart = server.chart({"_id": "p-7"}, ["Task", "Coverage"])
    assert len(chart.of("Task")) == 1300
    assert chart.complete
    assert server.requests == 3


def test_what_stays_cut_is_said(server: Server, net: respx.MockRouter) -> None:
    first = page(record("Patient", "p-7"), *many("Task", 1000))
    net.get("/Patient").mock(return_value=fhir(first))
    net.get("/Task").mock(return_value=fhir(outcome("no"), 400))
    chart = server.chart({"_id": "p-7"}, ["Task", "Coverage"])
    assert chart.cut == {"Task"}
    assert not chart.complete


def test_a_server_that_ignores_revinclude_is_searched_by_type(
    server: Server, net: respx.MockRouter
) -> None:
    first = page(record("Patient", "p-7"), self_=f"{BASE}/Patient?_id=p-7")
    net.get("/Patient").mock(return_value=fhir(first))
    net.get("/Task").mock(return_value=fhir(page(record("Task", "t-1"))))
    net.get("/Coverage").mock(return_value=fhir(page(record("Coverage", "c-1"))))
    chart = server.chart({"_id": "p-7"}, ["Task", "Coverage"])
    assert chart.complete
    assert len(chart.resources) == 3


@pytest.mark.parametrize(
    "foreign",
    [
        "http://elsewhere.example/fhir?p=2",
        "https://ehr.example/fhir?p=2",
        "http://ehr.example@other/fhir",
        "http://ehr.example:99999/fhir",
        "//other/x",
        "ftp://x",
        "http://[",
    ],
)
def test_a_page_on_another_host_is_never_fetched(
    server: Server, net: respx.MockRouter, foreign: str
) -> None:
    net.get("/Task").mock(return_value=fhir(page(record("Task", "t-1"), next_=foreign)))
    with pytest.raises(Rejected, match="another host"):
        list(server.search("Task", {}))
    assert server.requests == 1


def test_pages_in_a_circle_end(server: Server, net: respx.MockRouter) -> None:
    there, back = f"{BASE}?_getpages=a", f"{BASE}?_getpages=b"
    net.get("/Task").mock(return_value=fhir(page(next_=there)))
    net.get("", params={"_getpages": "a"}).mock(return_value=fhir(page(next_=back)))
    net.get("", params={"_getpages": "b"}).mock(return_value=fhir(page(next_=there)))
    with pytest.raises(Rejected, match="circle"):
        list(server.search("Task", {}))
    assert server.requests == 3


@pytest.mark.parametrize("status", [404, 410])
def test_an_expired_page_starts_the_search_again_once(
    server: Server, net: respx.MockRouter, status: int
) -> None:
    tasks = many("Task", 3)
    first = fhir(page(*tasks[:2], next_=f"{BASE}?_getpages=a"))
    net.get("/Task").mock(return_value=first)
    second = [fhir(outcome("HAPI-0417"), status), fhir(page(*tasks[1:]))]
    route = net.get("", params={"_getpages": "a"}).mock(side_effect=second)
    assert [each["id"] for each in server.search("Task", {})] == ["task-0", "task-1", "task-2"]

    route.mock(return_value=fhir(outcome("HAPI-0417"), status))
    with pytest.raises(Unavailable, match="expired: search again"):
        list(server.search("Task", {}))


def test_an_expired_page_of_a_chart_is_no_deleted_patient(
    server: Server, net: respx.MockRouter
) -> None:
    first = page(record("Patient", "p-7"), next_=f"{BASE}?_getpages=a")
    net.get("/Patient").mock(return_value=fhir(first))
    net.get("", params={"_getpages": "a"}).mock(return_value=fhir(outcome("HAPI-0417"), 410))
    with pytest.raises(Unavailable):
        server.chart({"_id": "p-7"}, ["Task"])


# --- what changed


def capability(*types: str) -> dict[str, Any]:
    able = [{"type": each, "interaction": [{"code": "history-type"}]} for each in types]
    return {"resourceType": "CapabilityStatement", "rest": [{"mode": "server", "resource": able}]}


def versioned(id_: str, version: str, minute: int) -> dict[str, Any]:
    meta = {"versionId": version, "lastUpdated": f"2026-12-01T11:{minute:02}:00.123+00:00"}
    return record("Task", id_, meta=meta, **{"for": {"reference": "Patient/p-7"}})


def test_changes_by_last_updated(server: Server, net: respx.MockRouter) -> None:
    net.get("/metadata").mock(return_value=fhir(capability("Claim")))
    route = net.get("/Task").mock(return_value=fhir(page(versioned("t-1", "2", 5))))
    (told,) = server.changes("Task", NOW - timedelta(hours=1))
    assert told.event.verb is Verb.CHANGED
    assert (told.event.source, told.event.type, told.event.id) == ("ehr", "Task", "t-1")
    assert (told.event.version, told.event.patient) == ("2", "p-7")
    assert told.event.last_updated == datetime(2026, 12, 1, 11, 5, 0, 123000, tzinfo=UTC)
    asked = parse_qs(route.calls.last.request.url.query.decode())
    assert asked["_lastUpdated"] == ["ge2026-12-01T11:00:00.000Z"]
    assert asked["_sort"] == ["_lastUpdated"]


def test_changes_by_history_show_deletes_and_the_newest_version(
    server: Server, net: respx.MockRouter
) -> None:
    history = {
        "resourceType": "Bundle",
        "type": "history",
        "entry": [
            {
                "fullUrl": f"{BASE}/Task/t-2",
                "request": {"method": "DELETE", "url": f"{BASE}/Task/t-2/_history/3"},
                "response": {"lastModified": "2026-12-01T11:07:00Z", "etag": 'W/"3"'},
            },
            {"fullUrl": f"{BASE}/Task/t-1", "resource": versioned("t-1", "2", 6)},
            {"fullUrl": f"{BASE}/Task/t-2", "resource": versioned("t-2", "2", 5)},
            {"fullUrl": f"{BASE}/Task/t-1", "resource": versioned("t-1", "1", 4)},
        ],
    }
    net.get("/metadata").mock(return_value=fhir(capability("Task")))
    net.get("/Task/_history").mock(return_value=fhir(history))
    deleted, changed = server.changes("Task", NOW)
    assert (deleted.event.verb, deleted.event.id, deleted.event.version) == (
        Verb.DELETED,
        "t-2",
        "3",
    )
    assert (changed.event.id, changed.event.version) == ("t-1", "2")
    list(server.changes("Task", NOW))
    assert server.requests == 3  # the CapabilityStatement is asked for once


# --- writing


def test_receipts_of_a_transaction(server: Server, net: respx.MockRouter) -> None:
    sent = {
        "resourceType": "Bundle",
        "type": "transaction",
        "entry": [
            {"resource": record("Task", "x"), "request": {"method": "POST", "url": "Task"}},
            {"resource": record("Task", "y"), "request": {"method": "PUT", "url": "Task/y"}},
            {"request": {"method": "DELETE", "url": "Task/z"}},
        ],
    }
    replies = [
        {"status": "201 Created", "location": "Task/17/_history/1", "etag": "1"},
        {"status": "200 OK", "location": "http://inside.example/x/Task/y/_history/4"},
        {"status": "204 No Content"},
    ]
    answer = {"resourceType": "Bundle", "type": "transaction-response"}
    route = net.post("").mock(
        return_value=fhir({**answer, "entry": [{"response": each} for each in replies]})
    )
    receipts = server.transact(sent)
    assert [(r.type, r.id, r.version, r.created) for r in receipts] == [
        ("Task", "17", "1", True),
        ("Task", "y", "4", False),
        ("Task", "z", None, False),
    ]
    assert route.calls.last.request.headers["content-type"] == "application/fhir+json"
    net.post("").mock(return_value=fhir({**answer, "entry": []}))
    with pytest.raises(Rejected, match="what became of each entry"):
        server.transact(sent)


def test_create_update_delete(server: Server, net: respx.MockRouter) -> None:
    location = {"location": f"{BASE}/Subscription/9/_history/1"}
    create = net.post("/Subscription").mock(return_value=httpx.Response(201, headers=location))
    update = net.put("/Subscription/9").mock(
        return_value=fhir(record("Subscription", "9"), etag='W/"2"')
    )
    delete = net.delete("/Subscription/9").mock(return_value=httpx.Response(204))
    made = server.create(record("Subscription", "-"), if_none_exist="_tag=a|b")
    assert (made.id, made.version, made.created) == ("9", "1", True)
    assert create.calls.last.request.headers["if-none-exist"] == "_tag=a|b"
    again = server.update(record("Subscription", "9"), if_match="1")
    assert (again.version, again.created) == ("2", False)
    assert update.calls.last.request.headers["if-match"] == 'W/"1"'
    assert server.delete("Subscription", "9").version is None
    assert delete.called


def test_decimals_go_out_as_they_came(server: Server, net: respx.MockRouter) -> None:
    route = net.put("/Task/t").mock(return_value=fhir(record("Task", "t")))
    server.update(jsonio.loads(b'{"resourceType":"Task","id":"t","x":30.00}'))
    assert b'"x":30.00' in route.calls.last.request.content


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
