"""Durable intake: how many notifications a second one process acknowledges.

Three doors, each in a process of its own, get the same notifications over kept-alive
connections: ours with the store on disk, ours with a store that keeps nothing, and the usual way
to do it, a FastAPI route that hands the payload to `task.delay()` on a real Redis.
"""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import os
import socket
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from fastapi import FastAPI, Request

from benchmarks.population import FIRST, OCREVUS, order
from benchmarks.report import Row
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.subscription import SECRET_HEADER
from tests.servers import redis_server

KEY, SECRET = "k" * 32, "s" * 32
CONNECTIONS = 32
SECONDS = 1.5
ROUNDS = 6  # the first one warms up
TO_NOTHING, TO_CELERY = 0.7, 3.0


def run() -> list[Row]:
    """Rows of the report: medians of rounds in which each door has its turn, so that what else
    the machine does meanwhile slows all of them alike."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        redis = stack.enter_context(redis_server())
        doors = [
            stack.enter_context(_serving(our_door, (f"sqlite:///{folder}/kept.db", True))),
            stack.enter_context(_serving(our_door, (f"sqlite:///{folder}/other.db", False))),
            stack.enter_context(_serving(usual_door, (redis,))),
        ]
        numbers = itertools.count()
        rounds = [[_turn(each, numbers) for each in doors] for _ in range(ROUNDS)][1:]
    speed = [[turn.a_second for turn in each] for each in rounds]
    work = [[turn.a_second_of_work for turn in each] for each in rounds]
    ours, forgetful, usual = (statistics.median(column) for column in zip(*speed, strict=True))
    kept, fleeting, queued = (
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
        Row("on disk / nothing kept", f"{first:.2f}", str(TO_NOTHING), first / TO_NOTHING),
        Row("… by the processor time of the door", f"{_ratio(work, 1):.2f}", ""),
        Row("on disk / task.delay()", f"{second:.2f}", str(TO_CELERY), second / TO_CELERY),
        Row("… by the processor time of the door", f"{_ratio(work, 2):.2f}", ""),
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


class Door(NamedTuple):
    port: int
    pid: int

    @property
    def worked(self) -> float:
        """Seconds of processor time so far; without /proc, those of the clock."""
        stat = Path(f"/proc/{self.pid}/stat")
        if not stat.exists():
            return time.monotonic()
        user, system = stat.read_text().rpartition(")")[2].split()[11:13]
        return (int(user) + int(system)) / os.sysconf("SC_CLK_TCK")


def _turn(door: Door, numbers: Iterator[int]) -> Turn:
    began, worked = time.monotonic(), door.worked
    waits = asyncio.run(_sent(door.port, SECONDS, numbers))
    count, took = len(waits), time.monotonic() - began
    p99 = sorted(waits)[int(count * 0.99)]
    return Turn(count / took, count / max(door.worked - worked, 0.01), p99)


# --- the doors


def our_door(port: int, store: str, keep: bool) -> None:
    """Our web door, with the real handler."""
    from fhirbridge import wiring
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
    with Service(bridge, port=port, workers=0) as service:
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

    @queue.task  # type: ignore[untyped-decorator]
    def work(payload: dict[str, Any]) -> None: ...

    @app.put("/notify/{server}/{key}/{below:path}")
    async def hear(request: Request) -> dict[str, str]:
        work.delay(await request.json())
        return {"status": "accepted"}

    uvicorn.run(app, port=port, log_config=None, access_log=False)


# --- the sender


@contextmanager
def _serving(serve: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[Door]:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, *arguments))
    process.start()
    try:
        _wait(port, process.is_alive)
        yield Door(port, process.pid or 0)
    finally:
        process.terminate()
        process.join(10)


def _wait(port: int, alive: Callable[[], bool]) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end and alive():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the door did not open")


async def _sent(port: int, seconds: float, numbers: Iterator[int]) -> list[float]:
    """Send on all connections for so long; answers how long each acknowledgement took."""
    end = time.monotonic() + seconds
    each = await asyncio.gather(*(_one(port, end, numbers) for _ in range(CONNECTIONS)))
    return list(itertools.chain.from_iterable(each))


async def _one(port: int, end: float, numbers: Iterator[int]) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    waits = []
    while (began := time.monotonic()) < end:
        writer.write(_request(next(numbers)))
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"the door answered {status.decode().strip()}")
        await _rest(reader)
        waits.append(time.monotonic() - began)
    writer.close()
    return waits


async def _rest(reader: asyncio.StreamReader) -> None:
    """Headers and body of an answer."""
    length = 0
    while (line := await reader.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)


_BODY = jsonio.dumps(order(7_777_777, "order", OCREVUS, 600, FIRST))


def _request(number: int) -> bytes:
    """A rest-hook notification as HAPI sends it: another record each time."""
    body = _BODY.replace(b"7777777", b"%08d" % number)
    return (
        b"PUT /notify/ehr/%s/MedicationRequest/order-%08d HTTP/1.1\r\nHost: x\r\n"
        b"Content-Type: application/fhir+json\r\n%s: %s\r\nContent-Length: %d\r\n\r\n"
        % (KEY.encode(), number, SECRET_HEADER.encode(), SECRET.encode(), len(body))
    ) + body
