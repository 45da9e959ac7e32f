"""From a notification to the written Task on embedded servers: our own share, and the requests.

Our own share is the time from the delivery's commit to the transaction that is sent, less the
time in which some answer of a server was waited for.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from benchmarks.ledgers import HOLDS
from benchmarks.population import MRN, person
from benchmarks.report import Row
from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.story import Arrived, Read, Story, Wrote
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.subscription import SECRET_HEADER
from fhirbridge.sandbox import Sandbox
from fhirbridge.settings import Settings
from fhirbridge.store.records import SubscriptionRow
from fhirbridge.yamlfile import Node, validate

AS_OF = datetime(2026, 12, 1, 15, tzinfo=UTC)
PEOPLE = 60
WARM = 10
GOAL_MS = 50
#: Whom the records name; an embedded server refuses references to nobody.
PARTIES = (
    {"resourceType": "Practitioner", "id": "dr-1"},
    {"resourceType": "Organization", "id": "pharmacy", "name": "Pharmacy"},
    {"resourceType": "Organization", "id": "plan", "name": "Plan"},
)
KEY, SECRET = "k" * 32, "s" * 32


class Watch(httpx.HTTPTransport):
    """A transport that notes when an answer is waited for."""

    def __init__(self, spans: list[tuple[float, float, str]]) -> None:
        super().__init__()
        self._spans = spans

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        began = time.perf_counter()
        answer = super().handle_request(request)
        answer.read()
        self._spans.append((began, time.perf_counter(), request.method))
        return answer


class Timer:
    """Collects one sample for each written decision."""

    def __init__(self) -> None:
        self.spans: list[tuple[float, float, str]] = []
        self.arrived = 0.0
        self.own: list[float] = []
        self.whole: list[float] = []
        self.reads: list[int] = []  # requests that each reading of a person took
        self.writes: list[int] = []  # … and each decision beside them

    def __call__(self, story: Story) -> None:
        match story:
            case Arrived():
                self.arrived = time.perf_counter()
                self.spans.clear()
            case Read(requests=requests):
                self.reads.append(sum(requests.values()))
            case Wrote():
                sent = next(began for began, _, _ in reversed(self.spans))
                waited = covered([s for s in self.spans if s[0] < sent])
                self.own.append(sent - self.arrived - waited)
                self.writes.append(len(self.spans) - self.reads[-1])
                self.whole.append(time.perf_counter() - self.arrived)


def run() -> list[Row]:
    """Rows of the report."""
    timer = Timer()
    with ExitStack() as stack:
        boxes = {name: stack.enter_context(Sandbox(name, resthook=False)) for name in HOLDS}
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        bridge = _bridge(boxes, Path(folder), timer)
        stack.callback(bridge.close)
        for each in PARTIES:
            for box in boxes.values():
                box.put(each)
        for number in range(PEOPLE):
            records = person(number * 30, True)  # each of these got half of the drug
            for name, resources in records.items():
                for each in resources:
                    boxes[name].put(_for_server(each))
            visit = next(r for r in records["ehr"] if r["resourceType"] == "Appointment")
            for version in ("3", "4"):  # the second time, who is who is known
                _told(bridge, {**visit, "meta": {"versionId": version}})
                while bridge.work("benchmark"):
                    pass
    own, whole = timer.own[WARM:], timer.whole[WARM:]
    if len(timer.own) != PEOPLE:
        raise RuntimeError(f"{len(timer.own)} of {PEOPLE} notifications led to a written Task")
    share = statistics.median(own) * 1e3
    return [
        Row("decisions with a written Task", f"{len(own)}", ""),
        Row(
            "requests to read a new person, 3 servers",
            f"{statistics.mean(timer.reads[::2]):.1f}",
            "",
        ),
        Row("requests to read a known person", f"{statistics.mean(timer.reads[1::2]):.1f}", ""),
        Row("requests to write a decision", f"{statistics.mean(timer.writes):.1f}", ""),
        Row("notification on disk to Task, median ms", f"{statistics.median(whole) * 1e3:.1f}", ""),
        Row("our own share of it, median ms", f"{share:.1f}", f"{GOAL_MS}", GOAL_MS / share),
        Row("our own share of it, 95th percentile ms", f"{_at(own, 0.95) * 1e3:.1f}", ""),
    ]


def _bridge(boxes: dict[str, Sandbox], folder: Path, timer: Timer) -> Bridge:
    servers: dict[str, dict[str, Any]] = {
        name: {"base_url": box.base_url, "holds": list(HOLDS[name])} for name, box in boxes.items()
    }
    servers["ehr"]["holds"].append("worklist")
    data = {
        "write": "on",
        "identity": [MRN],
        "servers": servers,
        "store": f"sqlite:///{folder}/bridge.db",
        "most_new_tasks": 10 * PEOPLE,  # all of them belong to one pharmacy
    }
    site = validate(Node(Path("benchmark"), data), Settings)
    bridge = wiring.wire(
        site,
        clock=lambda: AS_OF,
        watcher=timer,
        transports={name: Watch(timer.spans) for name in boxes},
    )
    row = SubscriptionRow("ehr", "Appointment", KEY, SECRET, None, "1", "active", AS_OF)
    bridge.store.save_subscription(row)
    return bridge


def _told(bridge: Bridge, record: dict[str, Any]) -> None:
    """The rest-hook notification of a record; on disk when it returns."""
    headers = {SECRET_HEADER.lower(): SECRET, "content-type": "application/fhir+json"}
    path = f"{record['resourceType']}/{record['id']}"
    kept = bridge.intake.hear("ehr", KEY, "PUT", path, headers, jsonio.dumps(record))
    kept.on_disk.result(10)


def _for_server(record: dict[str, Any]) -> dict[str, Any]:
    """A server gives versions and times itself."""
    return {key: value for key, value in record.items() if key != "meta"}


def covered(spans: list[tuple[float, float, str]]) -> float:
    """Seconds that lie in at least one of the spans."""
    total, until = 0.0, 0.0
    for began, ended, _ in sorted(spans):
        total += max(0.0, ended - max(began, until))
        until = max(until, ended)
    return total


def _at(samples: list[float], part: float) -> float:
    return sorted(samples)[int(part * (len(samples) - 1))]
