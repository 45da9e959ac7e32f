"""Catching up after an outage: 100,000 changes that no notification told, read from one server.

Beside it stands a bare paged read of the same history by httpx, which parses the pages and keeps
nothing. The embedded server answers both, in a process of its own; each reader has a process of
its own too, so that its memory is its own.
"""

from __future__ import annotations

import itertools
import os
import resource
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from benchmarks.population import ONE_IN, person
from benchmarks.report import Row
from benchmarks.served import resident, served
from fhirbridge.fhir import jsonio

CHANGES = 100_000
MOST_MB = 400
_HOLDS = ["orders", "schedule", "worklist"]


class Reading(NamedTuple):
    """What a reader's process said of itself."""

    changes: int
    seconds: float
    requests: int
    at_once: int  # requests, at most
    before: float  # megabytes of memory when it began …
    peak: float  # … and at most
    disk: float  # megabytes of the store
    due: int  # people whom the changes concern


def run(changes: int = CHANGES) -> list[Row]:
    """Rows of the report. The bare reader reads before and after: other work may come between."""
    with ExitStack() as stack:
        url = stack.enter_context(served("ehr", _records(changes), ago=timedelta(hours=1))).url
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        first = _read("bare", url, folder)
        ours = _read("sweep", url, folder)
        last = _read("bare", url, folder)
        again = _read("sweep", url, folder)  # the watermark stands: nothing is read twice
    if ours.changes != first.changes or again.changes:
        raise RuntimeError(f"{first.changes} changes, {ours.changes} heard, {again.changes} again")
    bare = (first.seconds + last.seconds) / 2
    return [
        Row("changes caught up", f"{ours.changes:,}", ""),
        Row("changes/s", f"{ours.changes / ours.seconds:,.0f}", ""),
        Row("bare paged read, changes/s", f"{first.changes / bare:,.0f}", ""),
        Row("catch-up / bare paged read, speed", f"{bare / ours.seconds:.2f}", ""),
        Row("requests", f"{ours.requests:,}", ""),
        Row("requests / those of the bare read", f"{ours.requests / first.requests:.2f}", ""),
        Row("requests at once, at most", f"{ours.at_once}", "1", 1 / ours.at_once),
        Row("people made due", f"{ours.due:,}", ""),
        Row("requests of the next catch-up, nothing new", f"{again.requests}", ""),
        Row("peak memory, MB", f"{ours.peak:,.0f}", f"{MOST_MB}", MOST_MB / ours.peak),
        Row("… of it for the catch-up", f"{ours.peak - ours.before:,.0f}", ""),
        Row("store on disk, bytes a change", f"{ours.disk * 1e6 / ours.changes:,.0f}", ""),
    ]


def _read(how: str, url: str, folder: str) -> Reading:
    command = [sys.executable, "-m", "benchmarks.catchup", how, url, folder]
    answer = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    said: list[Any] = [float(each) if "." in each else int(each) for each in answer.stdout.split()]
    return Reading(*said)


def _records(count: int) -> Iterator[dict[str, Any]]:
    every = (each for n in itertools.count() for each in person(n, n % ONE_IN == 0)["ehr"])
    return itertools.islice(every, count)


# --- the readers


def _bare(url: str) -> tuple[int, int]:
    """Page by page, parsed, counted and forgotten; answers changes and requests."""
    from fhirbridge.fhir.kinds import types_of

    changes = requests = 0
    with httpx.Client(timeout=60, trust_env=False) as http:
        for type_ in ("Patient", *types_of(frozenset(_HOLDS))):
            following: str | None = f"{url}/{type_}/_history?_since=1970-01-01T00:00:00Z&_count=200"
            while following:
                answer = http.get(following)
                requests += 1
                if answer.status_code == 404:  # the server does not know this type
                    break
                page = jsonio.loads(answer.raise_for_status().content)
                changes += len(page.get("entry", ()))
                links = {each["relation"]: each["url"] for each in page["link"]}
                following = links.get("next")
    return changes, requests


class _Load(httpx.HTTPTransport):
    """Counts the requests, and how many are under way at once."""

    def __init__(self) -> None:
        super().__init__()
        self._guard = threading.Lock()
        self.requests = self.under_way = self.at_once = 0

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        with self._guard:
            self.requests += 1
            self.under_way += 1
            self.at_once = max(self.at_once, self.under_way)
        try:
            answer = super().handle_request(request)
            answer.read()
            return answer
        finally:
            with self._guard:
                self.under_way -= 1


def _sweep(url: str, folder: str) -> None:
    """A real sweep by a real bridge, into a store on disk; prints a `Reading`."""
    from fhirbridge import logs, wiring
    from fhirbridge.settings import Settings
    from fhirbridge.store.records import SubscriptionRow
    from fhirbridge.yamlfile import Node, validate

    logs.set_up("ERROR")
    store = Path(folder, "bridge.db")
    site = validate(
        Node(
            Path("benchmark"),
            {
                "servers": {"ehr": {"base_url": url, "holds": _HOLDS}},
                "store": f"sqlite:///{store}",
            },
        ),
        Settings,
    )
    load = _Load()
    bridge = wiring.wire(site, transports={"ehr": load})
    since = datetime.now(UTC) - timedelta(days=1)  # there is a Subscription, and it did not tell
    for type_ in ("Patient", *bridge.sources["ehr"].types):
        row = SubscriptionRow("ehr", type_, f"key-{type_}", "s", None, "1", "active", since)
        bridge.store.save_subscription(row)
        bridge.store.advance("ehr", type_, since)  # a first reading would take what stands
    before, began = resident(os.getpid()), time.monotonic()
    swept = bridge.sweep()
    took = time.monotonic() - began
    if swept.failed:
        raise RuntimeError(f"the sweep failed: {swept.failed}")
    due = bridge.store.counts(datetime.now(UTC)).due
    disk = sum(each.stat().st_size for each in Path(folder).iterdir()) / 1e6
    _said(Reading(swept.news, took, load.requests, load.at_once, before, _peak(), disk, due))
    wiring.unwire(bridge)


def _peak() -> float:
    """Megabytes that this process held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e3


def _said(reading: Reading) -> None:
    print(*(f"{each:.6f}" if isinstance(each, float) else each for each in reading))


def main(how: str, url: str, folder: str) -> None:
    if how == "sweep":
        _sweep(url, folder)
        return
    before, began = resident(os.getpid()), time.monotonic()
    changes, requests = _bare(url)
    took = time.monotonic() - began
    _said(Reading(changes, took, requests, 1, before, _peak(), 0.0, 0))


if __name__ == "__main__":
    main(*sys.argv[1:])
