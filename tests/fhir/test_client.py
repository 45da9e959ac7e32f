"""The client reads whole charts and all changes, and gives receipts for what it wrote."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import respx

from fhirbridge.core.events import Verb
from fhirbridge.fhir import jsonio, pages
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import Gone, Rejected, Unavailable
from fhirbridge.fhir.recent import Recent
from tests.fhir.wire import BASE, NOW, SECRET, fhir, outcome, page, record

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


def numbered(pages: int, bring: Callable[[int], Sequence[dict[str, Any]]]) -> Callable[..., Any]:
    """A server whose answer has so many pages."""

    def answer(request: httpx.Request) -> httpx.Response:
        number = int(parse_qs(request.url.query.decode()).get("_getpages", ["0"])[0])
        following = f"{BASE}?_getpages={number + 1}" if number + 1 < pages else None
        return fhir(page(*bring(number), next_=following))

    return answer


def test_a_catch_up_has_as_many_pages_as_there_are(
    server: Server, net: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A hospital's first sweep is millions of records: no number of pages is too many."""
    monkeypatch.setattr(pages, "MAX_PAGES", 3)
    net.get(url__startswith=BASE).mock(
        side_effect=numbered(20, lambda n: [record("Task", f"t-{n}")])
    )
    assert len(list(server.search("Task", {}))) == 20


def test_pages_that_never_end_and_bring_nothing_do_end(
    server: Server, net: respx.MockRouter, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pages, "MAX_PAGES", 3)
    net.get(url__startswith=BASE).mock(
        side_effect=numbered(10**9, lambda _: [record("Task", "t-1")])
    )
    with pytest.raises(Rejected, match="circle"):
        list(server.search("Task", {}))
    assert server.requests == 4


def test_what_was_seen_is_remembered_for_a_while_and_no_longer() -> None:
    seen = Recent(2)
    assert [seen.is_new(each) for each in "aabcba"] == [True, False, True, True, False, True]


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
