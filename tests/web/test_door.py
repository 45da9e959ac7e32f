"""The web door: acknowledged when durable, refused without a trace, bounded, and without people."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any

import httpx
import pytest
from starlette.types import ASGIApp, Message

from fhirbridge.bridge.story import Story
from fhirbridge.fhir import jsonio
from fhirbridge.store.records import Delivery, Heard, Unwritable
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from fhirbridge.web.notify import LARGEST
from tests.bridge.estate import Estate, dispense, order

HOOK = "/notify/ehr/key-ehr-MedicationRequest"
SECRET = {"X-Fhirbridge-Secret": "s3cret"}


class Caller:
    """Calls the application without a socket, one request at a time."""

    def __init__(self, made: ASGIApp) -> None:
        self.app = made
        self._transport = httpx.ASGITransport(made)

    def __call__(self, method: str, path: str, **more: Any) -> httpx.Response:
        async def call() -> httpx.Response:
            async with httpx.AsyncClient(transport=self._transport, base_url="http://x") as client:
                return await client.request(method, path, **more)

        return asyncio.run(call())


@pytest.fixture
def door(estate: Estate) -> Caller:
    meter, console = Metrics(estate.bridge.store, estate.clock), Console(estate.bridge)
    tell = estate.bridge.watcher

    def watch(story: Story) -> None:
        for each in (tell, meter, console):
            each(story)

    estate.bridge.watcher = watch
    return Caller(app(estate.bridge, meter, console))


def test_a_rest_hook_is_kept_and_makes_its_patient_due(estate: Estate, door: Caller) -> None:
    body = jsonio.dumps(estate.put("ehr", order(), tell=False))
    answer = door("PUT", f"{HOOK}/MedicationRequest/o-1", content=body, headers=SECRET)
    assert answer.status_code == 200
    assert answer.content == b""
    assert estate.bridge.store.mark("ehr:Patient/p-1")


def test_gzip_is_unpacked(estate: Estate, door: Caller) -> None:
    body = gzip.compress(jsonio.dumps(estate.put("ehr", order(), tell=False)))
    headers = {**SECRET, "Content-Encoding": "gzip"}
    assert door("POST", HOOK, content=body, headers=headers).status_code == 200
    assert estate.bridge.store.mark("ehr:Patient/p-1")
    # Torn or no gzip at all: kept, and answered well, or it would be sent again and again.
    assert door("POST", HOOK, content=body[:-9], headers=headers).status_code == 200
    assert estate.bridge.store.recent(1)[0].problem


def test_delete_and_empty_post_are_heard(door: Caller) -> None:
    assert door("DELETE", f"{HOOK}/MedicationRequest/o-1", headers=SECRET).status_code == 200
    assert door("POST", HOOK, headers=SECRET).status_code == 200


@pytest.mark.parametrize("path", ["/notify/ehr/unknown", "/notify/payer/key-ehr-Task", HOOK])
def test_a_stranger_gets_401(estate: Estate, door: Caller, path: str) -> None:
    before = estate.bridge.store.recent(1)
    assert door("POST", path, headers={"X-Fhirbridge-Secret": "wrong"}).status_code == 401
    assert door("POST", path).status_code == 401
    assert estate.bridge.store.recent(1) == before


def test_too_much_is_refused(door: Caller) -> None:
    large = b" " * (LARGEST + 1)
    assert door("POST", HOOK, content=large, headers=SECRET).status_code == 413

    async def chunks() -> AsyncIterator[bytes]:
        yield large[: LARGEST // 2]
        yield large[LARGEST // 2 :]

    assert door("POST", HOOK, content=chunks(), headers=SECRET).status_code == 413


def test_other_methods_and_half_addresses_are_refused(door: Caller) -> None:
    answer = door("GET", HOOK, headers=SECRET)
    assert answer.status_code == 405
    assert answer.headers["Allow"] == "PUT, POST, DELETE"
    assert door("POST", "/notify/ehr", headers=SECRET).status_code == 404
    assert door("POST", "/notify//key-ehr-Task", headers=SECRET).status_code == 404


def test_a_body_that_broke_off_is_not_kept(estate: Estate, door: Caller) -> None:
    before = estate.bridge.store.recent(1)
    came: list[Message] = [
        {"type": "http.request", "body": b"{", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent: list[Message] = []

    async def receive() -> Message:
        return came.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(name.lower().encode(), value.encode()) for name, value in SECRET.items()]
    scope = {"type": "http", "method": "POST", "path": HOOK, "headers": headers}

    async def call() -> None:
        await door.app(scope, receive, send)

    asyncio.run(call())
    assert sent[0]["status"] == 400
    assert estate.bridge.store.recent(1) == before


def test_what_cannot_be_kept_is_not_acknowledged(
    estate: Estate, door: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_deliveries: Sequence[Delivery], _now: datetime) -> list[Heard]:
        raise Unwritable("store: SQLITE_FULL")

    monkeypatch.setattr(estate.bridge.store, "hear", full)
    answer = door("POST", HOOK, headers=SECRET)
    assert answer.status_code == 503
    assert answer.headers["Retry-After"]


def test_alive_ready_and_measured(estate: Estate, door: Caller) -> None:
    estate.put("ehr", order())
    estate.work()
    assert door("GET", "/healthz").text == "ok\n"
    assert door("GET", "/readyz").json()["store"] == "writable"
    text = door("GET", "/metrics").text
    assert 'fhirbridge_written_total{action="open",type="Task"}' in text
    assert "fhirbridge_requests_per_read_sum 4.0" in text
    assert "fhirbridge_due 0.0" in text


def test_not_ready_without_a_store(
    estate: Estate, door: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> None:
        raise Unwritable("store: SQLITE_FULL")

    monkeypatch.setattr(estate.bridge.store, "ping", broken)
    assert door("GET", "/readyz").status_code == 503


def test_the_console_shows_references_and_no_person(estate: Estate, door: Caller) -> None:
    estate.put("ehr", order())
    estate.put("pharmacy", dispense(mg=300))
    estate.servers["payer"].down = 400
    estate.work()
    page = door("GET", "/").text
    assert "dispense-short" in page
    assert "ehr:Patient/p-1" in page
    assert "1980-04-05" not in page
    assert "s3cret" not in page
    assert "key-ehr" not in page
