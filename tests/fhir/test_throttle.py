"""The load on a server has a ceiling, and what it asks for holds for everybody."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from threading import Barrier, Lock

import httpx
import pytest

from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import Unavailable
from fhirbridge.fhir.throttle import Later, Throttle


class Time:
    """A clock that sleeping moves."""

    def __init__(self) -> None:
        self.now = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
        self.slept: list[float] = []

    def __call__(self) -> datetime:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += timedelta(seconds=seconds)


def test_so_many_a_second() -> None:
    time = Time()
    throttle = Throttle(a_second=4, clock=time, sleep=time.sleep)
    for _ in range(5):
        with throttle.turn():
            pass
    assert time.slept == [0.25] * 4


def test_so_many_at_once() -> None:
    time, guard, together = Time(), Lock(), Barrier(2)
    throttle = Throttle(at_once=2, clock=time, sleep=time.sleep)
    inside, most = 0, 0

    def one() -> None:
        nonlocal inside, most
        with throttle.turn():
            with guard:
                inside += 1
                most = max(most, inside)
            together.wait(10)
            with guard:
                inside -= 1

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(one) for _ in range(6)]:
            done.result()
    assert most == 2


def test_a_short_rest_is_waited_for_and_a_long_one_is_the_callers() -> None:
    time = Time()
    throttle = Throttle(clock=time, sleep=time.sleep)
    throttle.leave_alone(3)
    with throttle.turn():
        pass
    assert time.slept == [3]
    throttle.leave_alone(60)
    throttle.leave_alone(10)  # a longer rest stands
    with pytest.raises(Later) as later, throttle.turn():
        pass
    assert later.value.seconds == 60


def test_what_one_request_was_told_holds_for_the_others() -> None:
    time, asked = Time(), []

    def answer(request: httpx.Request) -> httpx.Response:
        asked.append(request.url.path)
        return httpx.Response(429, headers={"Retry-After": "120"})

    server = Server(
        "ehr", "http://ehr.example/fhir", clock=time, sleep=time.sleep,
        transport=httpx.MockTransport(answer),
    )  # fmt: skip
    for type_, id_ in (("Patient", "1"), ("Task", "2")):
        with pytest.raises(Unavailable) as refused:
            server.get(type_, id_)
        assert refused.value.retry_after == 120
    assert len(asked) == 1
    time.now += timedelta(seconds=121)
    with pytest.raises(Unavailable):
        server.get("Task", "2")
    assert len(asked) == 2
