"""The web door: acknowledged when durable, refused without a trace, bounded, and without people."""

from __future__ import annotations

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
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

HERE = "http://127.0.0.1:8000"
HOOK = "/notify/ehr/key-ehr-MedicationRequest"
SECRET = {"X-Fhirbridge-Secret": "s3cret"}


class Caller:
    """Calls the application without a socket, one request at a time."""

    def __init__(self, made: ASGIApp) -> None:
        self.app = made

    def __call__(
        self, method: str, path: str, *, caller: str = "127.0.0.1", **more: Any
    ) -> httpx.Response:
        async def call() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, client=(caller, 4711))
            async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
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


def test_who_guesses_is_slowed_down_and_a_right_sender_is_heard_meanwhile(
    estate: Estate, door: Caller
) -> None:
    wrong = {"X-Fhirbridge-Secret": "wrong"}
    answers = [door("POST", HOOK, headers=wrong) for _ in range(60)]
    assert [answer.status_code for answer in answers[:30]] == [401] * 30
    assert answers[-1].status_code == 429
    assert int(answers[-1].headers["Retry-After"]) >= 1
    # From the same address, and from elsewhere: the secret is right, so it is taken.
    assert door("POST", HOOK, headers=SECRET).status_code == 200
    assert door("POST", HOOK, headers=SECRET, caller="198.51.100.7").status_code == 200
    # A distributed guesser does not get more tries at one Subscription.
    assert door("POST", HOOK, headers=wrong, caller="198.51.100.8").status_code == 429
    estate.clock.now += timedelta(minutes=2)
    assert door("POST", HOOK, headers=wrong).status_code == 401
    assert 'fhirbridge_refusals_total{status="429"}' in door("GET", "/metrics").text


def test_a_quite_new_subscription_is_not_called_a_stranger(estate: Estate, door: Caller) -> None:
    """Another process made it while strangers keep us from looking into the store: come again."""
    for n in range(60):  # each from its own address, so that no address is slowed down
        door("POST", f"/notify/ehr/guess-{n}", caller=f"198.51.100.{n}")
    row = estate.bridge.store.subscription("ehr", "Task")
    assert row
    estate.bridge.store.save_subscription(replace(row, key="quite-new"))
    answer = door("POST", "/notify/ehr/quite-new", headers=SECRET)
    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "1")
    estate.clock.now += timedelta(seconds=1)
    assert door("POST", "/notify/ehr/quite-new", headers=SECRET).status_code == 200


def test_a_stranger_is_refused_before_the_body_is_read(door: Caller) -> None:
    async def never() -> AsyncIterator[bytes]:
        raise AssertionError("the body was asked for")
        yield b""

    assert door("POST", "/notify/ehr/unknown", content=never()).status_code == 401
    wrong = {"X-Fhirbridge-Secret": "wrong"}
    assert door("POST", HOOK, content=never(), headers=wrong).status_code == 401


def test_a_sender_that_runs_wild_leaves_room_for_the_others(
    door: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhirbridge.web.notify.OF_ONE", 2)
    monkeypatch.setattr("fhirbridge.web.notify.AT_ONCE", 3)

    async def together() -> list[int]:
        done = asyncio.Event()

        async def slow() -> AsyncIterator[bytes]:
            await done.wait()
            yield b"{}"

        transport = httpx.ASGITransport(door.app)
        async with httpx.AsyncClient(transport=transport, base_url=HERE) as client:
            other = HOOK.replace("MedicationRequest", "Task")
            slow_ones = [
                asyncio.create_task(client.post(path, content=slow(), headers=SECRET))
                for path in (HOOK, HOOK, other)
            ]
            await asyncio.sleep(0)
            while len([1 for task in slow_ones if not task.done()]) < 3:
                await asyncio.sleep(0)
            quick = [await client.post(path, headers=SECRET) for path in (HOOK, other)]
            done.set()
            ended = await asyncio.gather(*slow_ones)
            again = await client.post(HOOK, headers=SECRET)
            return [each.status_code for each in (*quick, *ended, again)]

    assert asyncio.run(together()) == [429, 429, 200, 200, 200, 200]


def test_too_much_is_refused(door: Caller, caplog: pytest.LogCaptureFixture) -> None:
    large = b" " * (LARGEST + 1)
    with caplog.at_level(logging.WARNING, "fhirbridge"):
        assert door("POST", HOOK, content=large, headers=SECRET).status_code == 413
    assert "delivery_too_large" in caplog.text

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
