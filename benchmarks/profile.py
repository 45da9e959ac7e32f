"""Where the time of one decision goes, seen from inside: one thread, everybody once more."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from benchmarks.fleet import Fleet
from benchmarks.journey import Watch, covered
from benchmarks.report import Row
from fhirbridge import wiring


def profiled(made: Fleet) -> list[Row]:
    """Rows of the report: milliseconds of a decision, by what is waited for."""
    made.tell(made.change())
    spans: list[tuple[float, float, str]] = []
    base: list[tuple[float, float, str]] = []
    bridge = wiring.wire(made.settings, transports={name: Watch(spans) for name in made.servers})
    store: Any = bridge.store
    for name in ("read", "write"):
        setattr(store._db, name, _watched(getattr(store._db, name), base))
    try:
        began, worked = time.perf_counter(), time.process_time()
        done = 0
        while did := bridge.work("profile"):
            done += did
        took, own = time.perf_counter() - began, time.process_time() - worked
    finally:
        with suppress(Exception):
            wiring.unwire(bridge)
    each = 1e3 / done
    rows = [
        ("one thread, a decision from lease to rest, ms", took * each),
        ("… waiting for FHIR servers", covered(spans) * each),
        ("… waiting for PostgreSQL", covered(base) * each),
        ("… our own processor time", own * each),
    ]
    return [
        Row("— one decision —", "", ""),
        *(Row(what, f"{value:.1f}", "") for what, value in rows),
        Row("… FHIR requests", f"{len(spans) / done:.1f}", ""),
        Row("… transactions of the store", f"{len(base) / done:.1f}", ""),
        Row("bytes of the store for a change heard", f"{_bytes(made):,.0f}", ""),
    ]


def _watched(call: Callable[..., Any], spans: list[tuple[float, float, str]]) -> Callable[..., Any]:
    def timed(*given: Any) -> Any:
        began = time.perf_counter()
        try:
            return call(*given)
        finally:
            spans.append((began, time.perf_counter(), ""))

    return timed


def _bytes(made: Fleet) -> float:
    """What one delivery takes on PostgreSQL's disk, with its events, versions and indexes."""
    import psycopg

    with psycopg.connect(made.settings.store.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT pg_database_size(current_database())").fetchone()
        empty = connection.execute("SELECT pg_database_size('template1')").fetchone()
    assert row is not None
    assert empty is not None
    heard = sum(made.store.counts(datetime.now(UTC)).deliveries.values())
    return float(row[0] - empty[0]) / heard
