"""Decisions a second against a real HAPI, as a share of what it answers to the bare requests.

One decision in ten has something to write (a dispense was changed, and a Task is revised); the
others only read. Then the same number of clients sends the very same requests, without thinking:
the reads as they were, the writes without the version that they rested on. The two take turns, and
a round of decisions is held against the bare ones before and after it: a server gets warm, and a
machine slows and speeds up.

In a hospital the server has a machine of its own: here it has half of the cores, and we the other
half ("apart"). Where both share all cores ("together"), as on a laptop, our own work takes away
from the server's, too; that share is printed as well. As Python and, where `make compiled` has made
it, with the compiled core, each with a HAPI of its own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import httpx

from benchmarks.ledgers import COMPILED
from benchmarks.population import MRN, person
from benchmarks.report import Row
from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.story import Failed, Story, Wrote
from fhirbridge.fhir import jsonio
from fhirbridge.interpreter import undisturbed
from fhirbridge.settings import Settings
from fhirbridge.yamlfile import Node, validate
from tests.servers import CannotStart, hapi_server

AS_OF = datetime(2026, 12, 1, 15, tzinfo=UTC)
PEOPLE = int(os.environ.get("FHIRBRIDGE_PEOPLE", "100"))
CLIENTS = 4
ROUNDS = 8
WRITES = 10  # one in so many
GOAL = 0.8
PARTIES = (
    {"resourceType": "Practitioner", "id": "dr-1"},
    {"resourceType": "Organization", "id": "pharmacy", "name": "Pharmacy"},
    {"resourceType": "Organization", "id": "plan", "name": "Plan"},
)
_HOLDS = [
    "orders", "schedule", "administrations", "authorizations", "coverage", "dispenses", "worklist",
]  # fmt: skip
Json = dict[str, Any]


class Recorder(httpx.HTTPTransport):
    """Passes requests on and, while `kept` is a list, keeps them."""

    def __init__(self) -> None:
        super().__init__()
        self.kept: list[httpx.Request] | None = None

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if self.kept is not None:
            request.read()
            self.kept.append(request)
        return super().handle_request(request)


class Site:
    """A HAPI with people on it, and a bridge that knows them all."""

    def __init__(self, base_url: str, folder: str) -> None:
        self.base_url = base_url
        self.recorder, self.story = Recorder(), list[Story]()
        self.people = [f"ehr:Patient/ehr-{number * 30}" for number in range(PEOPLE)]
        self.clients = [httpx.Client(timeout=60, trust_env=False) for _ in range(CLIENTS)]
        self.put(*PARTIES)
        for number in range(PEOPLE):
            self.put(*_records(number))
        data = {
            "instance": f"bench-{uuid.uuid4().hex[:8]}",
            "write": "on",
            "settle_seconds": 0,
            "identity": [MRN],
            "servers": {"ehr": {"base_url": base_url, "holds": _HOLDS}},
            "store": f"sqlite:///{folder}/bridge.db",
            "most_new_tasks": 10 * PEOPLE,
        }
        self.bridge: Bridge = wiring.wire(
            validate(Node(Path("benchmark"), data), Settings),
            clock=lambda: AS_OF,
            watcher=self.story.append,
            transports={"ehr": self.recorder},
        )

    def close(self) -> None:
        wiring.unwire(self.bridge)
        for client in self.clients:
            client.close()

    def put(self, *records: Json) -> None:
        entries = [
            {"resource": r, "request": {"method": "PUT", "url": f"{r['resourceType']}/{r['id']}"}}
            for r in records
        ]
        bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
        headers = {"Content-Type": "application/fhir+json"}
        answer = self.clients[0].post(self.base_url, content=jsonio.dumps(bundle), headers=headers)
        answer.raise_for_status()

    def change(self, milligrams: int) -> None:
        """The pharmacy corrects the dispense of one person in `WRITES`."""
        for number in range(0, PEOPLE, WRITES):
            self.put(*(_dispensed(r, milligrams) for r in _records(number) if _is_dispense(r)))

    def decide(self) -> float:
        """Everybody is due, and all are seen through. Seconds."""
        for each in self.people:
            self.bridge.store.raise_(each, AS_OF, why="benchmark")

        def worker(_: int) -> None:
            while self.bridge.work(f"w{threading.get_ident()}"):
                pass

        return _timed(worker)

    def bare(self, requests: list[httpx.Request], stamp: str) -> float:
        """The same requests by the same number of clients. Seconds."""
        waiting, lock = iter([_again(each, stamp) for each in requests]), threading.Lock()

        def client(number: int) -> None:
            while True:
                with lock:
                    request = next(waiting, None)
                if request is None:
                    return
                self.clients[number].send(request).raise_for_status()

        return _timed(client)


def run() -> list[Row]:
    """Rows of the report. The goal is the compiled core's, which the image has."""
    rows = [Row("people, clients", f"{PEOPLE}, {CLIENTS}", "")]
    is_made = (COMPILED / ".ready").exists()
    try:
        for where, cores in _places().items():
            rows += _rows(f"Python, {where}", _measured_with(None, cores))
            if is_made:
                rows += _rows(f"compiled, {where}", _measured_with(COMPILED, cores), goal=GOAL)
    except CannotStart as error:
        return [Row("not measured", str(error).splitlines()[0][:60], "")]
    return rows if is_made else [*rows, Row("compiled", "not made", "make compiled")]


def _places() -> dict[str, tuple[set[int], set[int]]]:
    """Where the server runs, and where we."""
    cores = sorted(os.sched_getaffinity(0))
    half = len(cores) // 2
    places = {"apart": (set(cores[:half]), set(cores[half:]))} if half else {}
    return places | {"together": (set(cores), set(cores))}


@contextmanager
def _on(cores: set[int]) -> Iterator[None]:
    """What is started in here runs on these cores."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def _rows(kind: str, figures: dict[str, list[float]], goal: float | None = None) -> list[Row]:
    decided, answered, shares = figures["decided"], figures["answered"], figures["shares"]
    requests, writes = figures["requests"]
    share = statistics.median(shares)
    return [
        Row(f"{kind}: requests, of which write", f"{requests:.0f}, {writes:.0f}", ""),
        Row(f"{kind}: decisions a second", f"{statistics.median(decided):.1f}", ""),
        Row(f"{kind}: the same by bare requests", f"{statistics.median(answered):.1f}", ""),
        Row(
            f"{kind}: share, median of the rounds",
            f"{share:.2f}",
            f"{goal}" if goal else "",
            share / goal if goal else None,
        ),
        Row(f"{kind}: share, least and most", f"{min(shares):.2f} to {max(shares):.2f}", ""),
    ]


def _measured_with(folder: Path | None, cores: tuple[set[int], set[int]]) -> dict[str, list[float]]:
    """The figures of a process that takes the package from a folder (None: as installed)."""
    place = {"PYTHONPATH": str(folder)} if folder else {}
    server, ours = cores
    with ExitStack() as stack:
        with _on(server):
            base_url = stack.enter_context(hapi_server())
        stack.enter_context(_on(ours))
        command = [sys.executable, "-m", "benchmarks.deciding", base_url]
        answer = subprocess.run(command, env=os.environ | place, stdout=subprocess.PIPE, check=True)
    figures: dict[str, list[float]] = json.loads(answer.stdout)
    return figures


def measured(base_url: str) -> dict[str, list[float]]:
    """What this process reaches, a figure for each round."""
    with ExitStack() as stack:
        site = Site(base_url, stack.enter_context(tempfile.TemporaryDirectory()))
        stack.callback(site.close)
        site.decide()  # who is who, and the first Tasks
        stack.enter_context(undisturbed())  # as `serve` and `worker` have it
        ours, bare, requests, writes = [], [], 0, 0
        for number in range(ROUNDS + 1):
            site.change(100 + 50 * number)
            site.story.clear()
            kept: list[httpx.Request] = []
            site.recorder.kept = kept
            ours.append(site.decide())
            site.recorder.kept = None
            _all_went_well(site.story)
            bare.append(site.bare(kept, f"2026-12-02T10:{number:02}:00Z"))
            requests, writes = len(kept), sum(map(_is_write, kept))
    around = [(before + after) / 2 for before, after in pairwise(bare)]
    return {
        "shares": [bare / ours for bare, ours in zip(around, ours[1:], strict=True)],
        "decided": [PEOPLE / each for each in ours[1:]],
        "answered": [PEOPLE / each for each in around],
        "requests": [requests, writes],
    }


def _all_went_well(story: list[Story]) -> None:
    failed = [each for each in story if isinstance(each, Failed)]
    wrote = sum(isinstance(each, Wrote) for each in story)
    if failed or wrote != len(range(0, PEOPLE, WRITES)):
        raise RuntimeError(f"{len(failed)} decisions failed and {wrote} wrote")


def _timed(work: Callable[[int], None]) -> float:
    began = time.perf_counter()
    with ThreadPoolExecutor(CLIENTS) as pool:
        for done in [pool.submit(work, number) for number in range(CLIENTS)]:
            done.result()
    return time.perf_counter() - began


def _again(request: httpx.Request, stamp: str) -> httpx.Request:
    """The request once more; a write that rests on no version, and that changes something."""
    content = request.read()
    if _is_write(request):
        bundle = jsonio.loads(content)
        for entry in bundle["entry"]:
            entry["request"].pop("ifMatch", None)
            entry["resource"]["lastModified"] = stamp
        content = jsonio.dumps(bundle)
    headers = {k: v for k, v in request.headers.items() if k.lower() != "content-length"}
    return httpx.Request(request.method, request.url, headers=headers, content=content or None)


def _is_write(request: httpx.Request) -> bool:
    return request.method == "POST" and not request.url.path.endswith("/_search")


def _records(number: int) -> Iterator[Json]:
    """All records of one person, about one patient record."""
    for source, records in person(number * 30, True).items():
        for record in records:
            if source == "ehr" or record["resourceType"] != "Patient":
                text = jsonio.dumps({**record, "meta": {}})
                for other in (b"payer", b"pharmacy"):
                    text = text.replace(b'"Patient/%s-' % other, b'"Patient/ehr-')
                yield jsonio.loads(text)


def _is_dispense(record: Json) -> bool:
    return bool(record["resourceType"] == "MedicationDispense")


def _dispensed(record: Json, milligrams: int) -> Json:
    unit = {"unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    return {**record, "quantity": {"value": milligrams, **unit}}


if __name__ == "__main__":
    print(json.dumps(measured(sys.argv[1])))
