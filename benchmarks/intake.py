"""Durable intake: how many notifications a second one process acknowledges.

Four doors, each in a process of its own, get the same notifications over kept-alive
connections: ours with the store on disk, ours with a store that keeps nothing, the usual way
to do it, a FastAPI route that hands the payload to `task.delay()` on a real Redis, and ours with
a PostgreSQL that waits for its disk.
"""

from __future__ import annotations

import asyncio
import itertools
import statistics
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI, Request

from benchmarks.population import FIRST, OCREVUS, order
from benchmarks.report import Row
from benchmarks.sending import Served, request, sent, serving
from fhirbridge.fhir import jsonio
from tests.servers import postgres_server, redis_server

KEY, SECRET = "k" * 32, "s" * 32
SECONDS = 0.5
ROUNDS = 19  # many short ones, so that the machine is the same for all; the first one warms up
TO_NOTHING, TO_CELERY = 0.7, 3.0


def run() -> list[Row]:
    """Rows of the report: medians of rounds in which each door has its turn, so that what else
    the machine does meanwhile slows all of them alike."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(redis_server())
        postgres = stack.enter_context(postgres_server(durable=True))
        doors = [
            stack.enter_context(serving(our_door, (f"sqlite:///{folder}/kept.db", True))),
            stack.enter_context(serving(our_door, (f"sqlite:///{folder}/other.db", False))),
            stack.enter_context(serving(usual_door, (redis,))),
            stack.enter_context(serving(our_door, (postgres, True))),
        ]
        numbers = itertools.count()
        rounds = [[_turn(each, numbers) for each in doors] for _ in range(ROUNDS)][1:]
    speed = [[turn.a_second for turn in each] for each in rounds]
    work = [[turn.a_second_of_work for turn in each] for each in rounds]
    ours, forgetful, usual, other = (
        statistics.median(column) for column in zip(*speed, strict=True)
    )
    kept, fleeting, queued, elsewhere = (
        f"{statistics.median(turn.p99 for turn in column) * 1000:.1f} ms"
        for column in zip(*rounds, strict=True)
    )
    first, second = _ratio(speed, 1), _ratio(speed, 2)
    return [
        Row("acknowledged/s, on disk first", f"{ours:,.0f}", ""),
        Row("… p99", kept, ""),
        Row("acknowledged/s, nothing kept", f"{forgetful:,.0f}", ""),
        Row("… p99", fleeting, ""),
        Row("acknowledged/s, FastAPI and task.delay()", f"{usual:,.0f}", ""),
        Row("… p99", queued, ""),
        Row("acknowledged/s, PostgreSQL has it first", f"{other:,.0f}", ""),
        Row("… p99", elsewhere, ""),
        Row("on disk / nothing kept", f"{first:.2f}", str(TO_NOTHING), first / TO_NOTHING),
        Row("… by the processor time of the door", f"{_ratio(work, 1):.2f}", ""),
        Row("on disk / task.delay()", f"{second:.2f}", str(TO_CELERY), second / TO_CELERY),
        Row("… by the processor time of the door", f"{_ratio(work, 2):.2f}", ""),
        Row("PostgreSQL / SQLite", f"{1 / _ratio(speed, 3):.2f}", ""),
    ]


def _ratio(rounds: list[list[float]], other: int) -> float:
    """Ours against another door, in the middle of the rounds."""
    return statistics.median(each[0] / each[other] for each in rounds)


class Turn(NamedTuple):
    """Acknowledgements in a second, and in a second of the door's own processor time; the time
    (seconds) within which 99 of 100 came."""

    a_second: float
    a_second_of_work: float
    p99: float


def _turn(door: Served, numbers: Iterator[int]) -> Turn:
    began, worked = time.monotonic(), door.worked
    waits = asyncio.run(sent([door.port], requests_of(numbers), end=began + SECONDS))
    count, took = len(waits), time.monotonic() - began
    p99 = sorted(waits)[int(count * 0.99)]
    return Turn(count / took, count / max(door.worked - worked, 0.01), p99)


# --- the doors


def our_door(port: int, store: str, keep: bool) -> None:
    """Our web door, with the real handler."""
    from fhirbridge import wiring
    from fhirbridge.interpreter import undisturbed
    from fhirbridge.settings import Settings
    from fhirbridge.store.records import SubscriptionRow
    from fhirbridge.web.service import Service
    from fhirbridge.yamlfile import Node, validate

    ehr = {"base_url": "http://127.0.0.1:9/fhir", "holds": ["orders", "worklist"]}
    site = validate(Node(Path("benchmark"), {"servers": {"ehr": ehr}, "store": store}), Settings)
    bridge = wiring.wire(site)
    row = SubscriptionRow(
        "ehr", "MedicationRequest", KEY, SECRET, None, "1", "active", datetime.now(UTC)
    )
    bridge.store.save_subscription(row)
    if not keep:
        _forget(bridge)
    with undisturbed(), Service(bridge, port=port, workers=0) as service:  # as `serve` has it
        service.wait()


def _forget(bridge: Any) -> None:
    """The same handler, with a store that keeps nothing of what it hears."""
    from fhirbridge.bridge.intake import Intake
    from fhirbridge.store.records import Delivery, Heard

    class Nothing:
        subscriptions = bridge.store.subscriptions

        def hear(self, deliveries: Sequence[Delivery], now: datetime) -> list[Heard]:
            del now
            return [Heard(1, 0, 0, ()) for _ in deliveries]

    bridge.intake.close()
    concerns, told = bridge.intake._concerns, bridge.intake._told
    bridge.intake = Intake(bridge.sources, Nothing(), concerns, bridge.clock, told)


def usual_door(port: int, redis: str) -> None:
    """What a tutorial shows."""
    import uvicorn
    from celery import Celery

    queue = Celery("usual", broker=redis)
    app = FastAPI()

    @queue.task  # type: ignore[untyped-decorator]  # Celery brings no types
    def work(payload: dict[str, Any]) -> None: ...

    @app.put("/notify/{server}/{key}/{below:path}")
    async def hear(request: Request) -> dict[str, str]:
        work.delay(await request.json())
        return {"status": "accepted"}

    uvicorn.run(app, port=port, log_config=None, access_log=False)


# --- the sender


_BODY = jsonio.dumps(order(7_777_777, "order", OCREVUS, 600, FIRST))


def requests_of(numbers: Iterator[int]) -> Iterator[bytes]:
    """Another record each time."""
    for number in numbers:
        body = _BODY.replace(b"7777777", b"%08d" % number)
        yield request("ehr", KEY, SECRET, f"MedicationRequest/order-{number:08d}", body)
