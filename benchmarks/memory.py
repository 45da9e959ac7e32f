"""A million events, thirty days by the clock that is handed in: does the process grow, or its disk?

    python -m benchmarks memory        (`make bench-long`: minutes)

One process hears rest-hook notifications, one in 1,000 about people whom we watch, works on these
against an embedded server (in a process of its own), lets timers ring and forgets what is older
than it is to keep. Disk is looked at after the first tenth, when nothing had to be forgotten yet,
memory after the second, when forgetting has begun and what is kept for speed (statements for each
size of a group) is there, and both at the end.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.population import MRN, OCREVUS, RXNORM, order
from benchmarks.report import Row
from benchmarks.served import resident, served
from fhirbridge.fhir import jsonio

EVENTS = 1_000_000
DAYS = 30
KEEP = timedelta(days=3)
MOST_GROWTH_MB = 20
MOST_DISK = 1.5
_BEGIN = datetime(2026, 11, 20, 15, tzinfo=UTC)
_RECORDS = 50_000  # of people whom we do not watch
_WATCHED = 40  # people
_ONE_IN = 1_000
_GROUP = 250  # deliveries that are on their way at once
_KEY, _SECRET = "k" * 32, "s" * 32


def run(events: int = EVENTS) -> list[Row]:
    """Rows of the report."""
    command = [sys.executable, "-m", "benchmarks.memory", str(events)]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said = [float(each) for each in answer.stdout.split()]
    (early_disk, _), (_, early), (disk, memory), (kept, decided, took) = (
        said[:2], said[2:4], said[4:6], said[6:],
    )  # fmt: skip
    growth, more = memory - early, disk / early_disk
    return [
        Row("events heard", f"{events:,}", ""),
        Row("… a second, in the process", f"{events / took:,.0f}", ""),
        Row("looks at people that came of them", f"{decided:,.0f}", ""),
        Row(f"memory after {events // 5:,}, MB", f"{early:,.0f}", ""),
        Row(f"memory after {events:,}, MB", f"{memory:,.0f}", ""),
        Row(
            "… growth, MB",
            f"{growth:,.1f}",
            f"at most {MOST_GROWTH_MB}",
            MOST_GROWTH_MB / max(growth, 0.1),
        ),
        Row(f"store after {events // 10:,}, nothing forgotten, MB", f"{early_disk:,.0f}", ""),
        Row(f"store after {events:,}, {KEEP.days} days of {DAYS} kept, MB", f"{disk:,.0f}", ""),
        Row("… the second / the first", f"{more:.2f}", f"at most {MOST_DISK}", MOST_DISK / more),
        Row("deliveries that are kept", f"{kept:,.0f}", ""),
    ]


# --- the process that is looked at


def main(events: int) -> None:
    with ExitStack() as stack:
        url = stack.enter_context(served("ehr", _treated())).url
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        clock = _Clock(_BEGIN)
        bridge = _bridge(url, Path(folder), clock)
        began = datetime.now(UTC)
        looks: list[tuple[float, float]] = []  # megabytes of the store and of the process
        decided = 0
        for number, few in enumerate(_groups(events)):
            for kept in [_told(bridge, *each) for each in few]:
                kept.result(60)
            while did := bridge.work("benchmark"):
                decided += did
            heard = (number + 1) * _GROUP
            clock.at = _BEGIN + timedelta(days=DAYS) * (heard / events)
            if heard % (events // 100) == 0:
                bridge.tick()
                bridge.forget(lambda: False)
            if heard in (events // 10, events // 5, events):
                looks.append((_size(Path(folder)), resident(os.getpid())))
        took = (datetime.now(UTC) - began).total_seconds()
        kept_ = sum(bridge.store.counts(clock()).deliveries.values())
        print(*(each for look in looks for each in look), kept_, decided, took)


class _Clock:
    """The time that it was told."""

    def __init__(self, at: datetime) -> None:
        self.at = at

    def __call__(self) -> datetime:
        return self.at


def _treated() -> list[dict[str, Any]]:
    """People with an order that we know, and no visit: there is something to say of them."""
    practitioner = {"resourceType": "Practitioner", "id": "dr-1"}
    pharmacy = {"resourceType": "Organization", "id": "pharmacy"}
    day = (_BEGIN + timedelta(days=DAYS)).date()
    people = [
        {
            "resourceType": "Patient",
            "id": f"ehr-{n}",
            "identifier": [{"system": MRN, "value": str(n)}],
            "birthDate": "1980-04-05",
        }
        for n in range(_WATCHED)
    ]
    orders = [order(n, "order", OCREVUS, 600, day) for n in range(_WATCHED)]
    return [practitioner, pharmacy, *people, *orders]


def _bridge(url: str, folder: Path, clock: _Clock) -> Any:
    from fhirbridge import logs, wiring
    from fhirbridge.bridge.bridge import Pace
    from fhirbridge.settings import Settings
    from fhirbridge.store.records import SubscriptionRow
    from fhirbridge.yamlfile import Node, validate

    logs.set_up("ERROR")
    ehr = {"base_url": url, "holds": ["orders", "schedule", "worklist"]}
    said = {
        "servers": {"ehr": ehr},
        "identity": [MRN],
        "write": "on",
        "store": f"sqlite:///{folder}/bridge.db",
        "most_new_tasks": None,
    }
    site = validate(Node(Path("benchmark"), said), Settings)
    bridge = wiring.wire(site, clock=clock, pace=Pace(keep=KEEP))
    row = SubscriptionRow("ehr", "MedicationRequest", _KEY, _SECRET, None, "1", "active", _BEGIN)
    bridge.store.save_subscription(row)
    return bridge


_ASPIRIN = {
    "coding": [{"system": RXNORM, "code": "243670", "display": "aspirin 81 MG Oral Tablet"}]
}
_DAY = (_BEGIN + timedelta(days=DAYS)).date()
_OTHER = jsonio.dumps(order(7_777_777, "aspirin", _ASPIRIN, 81, _DAY))
_OURS = jsonio.dumps(order(7_777_777, "order", OCREVUS, 600, _DAY))


def _groups(events: int) -> Iterator[list[tuple[str, bytes]]]:
    """Path and body of each notification, in groups."""
    for first in range(0, events, _GROUP):
        yield [_notification(n) for n in range(first, first + _GROUP)]


def _notification(n: int) -> tuple[str, bytes]:
    """Another record each time, or its next version."""
    ours = n % _ONE_IN == 0
    among, name, body = (_WATCHED, "order", _OURS) if ours else (_RECORDS, "aspirin", _OTHER)
    turn, who = divmod(n // _ONE_IN if ours else n, among)
    body = body.replace(b"7777777", b"%d" % who)
    body = body.replace(b'"versionId":"3"', b'"versionId":"%d"' % (turn + 2))
    return f"MedicationRequest/{name}-{who}", body


def _told(bridge: Any, path: str, body: bytes) -> Future[Any]:
    from fhirbridge.fhir.subscription import SECRET_HEADER

    headers = {SECRET_HEADER.lower(): _SECRET, "content-type": "application/fhir+json"}
    kept: Future[Any] = bridge.intake.hear("ehr", _KEY, "PUT", path, headers, body).on_disk
    return kept


def _size(folder: Path) -> float:
    return sum(each.stat().st_size for each in folder.iterdir()) / 1e6


if __name__ == "__main__":
    main(int(sys.argv[1]))
