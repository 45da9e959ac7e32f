"""The embedded server without its socket: what only it can show (its clock, its bad input)."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from fhirbridge.fhir.jsonio import dumps
from fhirbridge.fhir.parameters import PARAMETERS
from fhirbridge.sandbox.door import Door, Reply
from fhirbridge.sandbox.resources import Refused, Store, Version

BASE = "http://server.example/fhir"


class Clock:
    now = datetime(2026, 12, 1, 9, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(clock: Clock) -> Store:
    counter = itertools.count(1)
    return Store(clock, lambda: str(next(counter)))


@pytest.fixture
def door(store: Store, clock: Clock) -> Door:
    return Door(store, BASE, clock)


def send(door: Door, method: str, target: str, body: Any = None, **headers: str) -> Reply:
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return door.answer(method, target, names, b"" if body is None else dumps(body))


def task(id_: str = "t", **fields: Any) -> dict[str, Any]:
    return {"resourceType": "Task", "id": id_, "status": "requested", "intent": "order"} | fields


def body(reply: Reply) -> dict[str, Any]:
    assert reply.body is not None
    return reply.body


def test_page_links_live_an_hour(door: Door, clock: Clock) -> None:
    for number in range(3):
        send(door, "PUT", f"Task/t{number}", task(f"t{number}"))
    link = body(send(door, "GET", "Task?_count=2"))["link"][-1]
    assert link["relation"] == "next"
    following = link["url"].removeprefix(BASE)
    clock.now += timedelta(minutes=59)
    assert len(body(send(door, "GET", following))["entry"]) == 1
    clock.now += timedelta(minutes=1)
    assert send(door, "GET", following).status == 410


def test_what_was_deleted_meanwhile_is_left_out_of_a_later_page(door: Door) -> None:
    for number in range(4):
        send(door, "PUT", f"Task/t{number}", task(f"t{number}"))
    link = body(send(door, "GET", "Task?_count=2"))["link"][-1]["url"]
    send(door, "DELETE", "Task/t3")
    ids = [e["resource"]["id"] for e in body(send(door, "GET", link.removeprefix(BASE)))["entry"]]
    assert ids == ["t2"]


def test_a_refused_transaction_is_heard_by_nobody(door: Door, store: Store) -> None:
    heard: list[Version] = []
    store.listeners.append(heard.append)
    put = {"resource": task(), "request": {"method": "PUT", "url": "Task/t"}}
    bad = {"request": {"method": "GET", "url": "Task/none"}}
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": [put, bad]}
    assert send(door, "POST", "", bundle).status == 404
    assert (heard, store.log) == ([], [])
    bundle["entry"] = [put]
    assert send(door, "POST", "", bundle).status == 200
    assert [version.place for version in heard] == ["Task/t/_history/1"]


def test_a_failing_check_leaves_no_trace(store: Store) -> None:
    with pytest.raises(Refused, match="HAPI-1094"), store.unit():
        store.update("Task", "t", task() | {"for": {"reference": "Patient/none"}})
    assert store.versions("Task", "t") == []
    assert not store.alive(("Task", "t"))


@pytest.mark.parametrize(
    ("method", "target", "content"),
    [
        ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": [{}]}),
        ("POST", "", {"resourceType": "Bundle", "type": "transaction", "entry": "x"}),
        ("POST", "", {"resourceType": "Bundle"}),
        ("PUT", "Task/t", {"resourceType": "Task", "id": "t", "meta": "x"}),
        ("PUT", "Task/t", {"resourceType": "Task", "id": "t", "for": "Patient/p"}),
        ("PUT", "Task", {"resourceType": "Task", "id": "t"}),
        ("PATCH", "Task/t", {"resourceType": "Task"}),
        ("GET", "Task?_lastUpdated=yesterday", None),
        ("GET", "Task?_lastUpdated=ge2026-13", None),
        ("GET", "Task?_include=Nonsense", None),
        ("GET", "Task?_sort=nonsense", None),
        ("GET", "Task?status:not=draft", None),
        ("GET", "Task?patient.identifier=x", None),
        ("GET", "Task/_history?_since=x", None),
    ],
)
def test_what_is_malformed_is_refused_with_an_outcome(
    door: Door, store: Store, method: str, target: str, content: Any
) -> None:
    reply = send(door, method, target, content)
    assert reply.status == 400
    assert body(reply)["resourceType"] == "OperationOutcome"
    assert store.log == []


def test_every_type_that_is_declared_can_be_written_and_searched(door: Door) -> None:
    for type_ in PARAMETERS:
        plain: dict[str, Any] = {"resourceType": type_, "id": "x"}
        assert send(door, "PUT", f"{type_}/x", plain).status == 201
        for name in PARAMETERS[type_]:
            value = "2026" if PARAMETERS[type_][name].kind == "date" else "x"
            assert send(door, "GET", f"{type_}?{name}={value}").status == 200


def test_no_text_of_a_record_stands_in_a_refusal(door: Door) -> None:
    secret = "CANARY-1974"
    identifier = [{"system": "urn:mrn", "value": secret}]
    for id_ in ("a", "b"):
        send(
            door,
            "PUT",
            f"Patient/{id_}",
            {"resourceType": "Patient", "id": id_} | {"identifier": identifier},
        )
    again = {"resourceType": "Patient", "identifier": identifier}
    reply = send(door, "POST", "Patient", again, if_none_exist=f"identifier=urn:mrn|{secret}")
    assert reply.status == 412
    assert secret not in str(reply.body)
