"""`audit` against bare `orjson.loads` over the same NDJSON lines, and its peak memory.

    python -m benchmarks.auditing 2000000       the same over so many resources (3 GB of disk)

As Python and, where `make compiled` has made it, with the compiled core, which the image has.
"""

from __future__ import annotations

import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple

import orjson

from benchmarks import population
from benchmarks.ledgers import COMPILED
from benchmarks.pss import watched
from benchmarks.report import Row, show
from fhirbridge import wiring
from fhirbridge.audit import Audit, exports
from fhirbridge.settings import Settings

AS_OF = datetime(2026, 11, 30, 15, tzinfo=UTC)
RESOURCES = 60_000
GOAL = 0.25
MOST_MB = 400


class Run(NamedTuple):
    """One audit: processor seconds of bare parsing just before and after it, and of its busiest
    process, seconds by the clock, findings, and the peak of all its processes together."""

    bare: float
    busiest: float
    clock: float
    found: int
    peak_mb: float


def run(resources: int = RESOURCES) -> list[Row]:
    """Rows of the report. `resources`: how many to make."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "export")
        population.write(folder, resources)
        size = sum(file.stat().st_size for file in folder.rglob("*.ndjson"))
        kinds = {"Python": None, "compiled": COMPILED if COMPILED.exists() else None}
        runs = {
            (kind, jobs): _measured(folder, jobs, place)
            for kind, place in kinds.items()
            if place or kind == "Python"
            for jobs in (1, 2)
        }
    found = {each.found for each in runs.values()}
    if len(found) > 1:
        raise SystemExit(f"the number of findings depends on how it is run: {sorted(found)}")
    rows = [
        Row("resources", f"{resources:,}", ""),
        Row("megabytes", f"{size / 1e6:,.0f}", ""),
        Row("findings", f"{found.pop():,}", ""),
    ]
    for kind in kinds:
        if (kind, 1) in runs:
            rows += _rows(kind, runs[kind, 1], runs[kind, 2], resources)
        else:
            rows.append(Row(kind, "not made", "make compiled"))
    return rows


def _rows(kind: str, one: Run, two: Run, resources: int) -> Iterator[Row]:
    ratio = one.bare / one.busiest
    yield Row(f"{kind}: orjson.loads, µs a resource", f"{one.bare / resources * 1e6:.1f}", "")
    yield Row(f"{kind}: audit, µs a resource", f"{one.busiest / resources * 1e6:.1f}", "")
    yield Row(f"{kind}: audit / orjson.loads, speed", f"{ratio:.3f}", f"{GOAL}", ratio / GOAL)
    yield Row(f"{kind}: one process, seconds by the clock", f"{one.clock:.1f}", "")
    yield Row(f"{kind}: two processes, seconds by the clock", f"{two.clock:.1f}", "")
    times = one.clock / two.clock
    yield Row(f"{kind}: two / one, speed by the clock", f"{times:.2f}", "> 1", times)
    times = one.busiest / two.busiest
    yield Row(f"{kind}: one / the busiest of two, processor time", f"{times:.2f}", "")
    for name, each in (("one process", one), ("two, with the first", two)):
        peak = each.peak_mb
        yield Row(f"{kind}: {name}, peak MB (Pss)", f"{peak:,.0f}", f"{MOST_MB}", MOST_MB / peak)


def _measured(folder: Path, jobs: int, place: Path | None) -> Run:
    """`place`: the folder of a package to take instead of the installed one."""
    path = os.pathsep.join(filter(None, (str(place or ""), os.environ.get("PYTHONPATH"))))
    command = [sys.executable, "-m", "benchmarks.auditing", str(folder), str(jobs)]
    ran = watched(command, {**os.environ, "PYTHONPATH": path})
    bare, busiest, clock, found = ran.output.split()
    return Run(float(bare), float(busiest), float(clock), int(found), ran.peak_mb)


def _parsed(folder: str) -> float:
    """Seconds that bare parsing takes."""
    began = time.process_time()
    for file in sorted(Path(folder).rglob("*.ndjson")):
        with file.open("rb") as stream:
            for line in stream:
                orjson.loads(line)
    return time.process_time() - began


def _audit(folder: str, jobs: int) -> None:
    """Audit a folder in this process and `jobs` others, or alone; print what `Run` begins with."""
    site = Settings()
    decider = wiring.decider(site, wiring.formulary(site), {}, today=AS_OF.date())
    audit = Audit(decider, wiring.words(site), jobs=jobs)
    bare = _parsed(folder)
    began, clock = time.process_time(), time.monotonic()
    with audit.over(exports([folder]), AS_OF) as result, open(os.devnull, "wb") as nowhere:
        nowhere.writelines(result.lines())
        found = result.summary.found
    seconds, elapsed = time.process_time() - began, time.monotonic() - clock
    bare = (bare + _parsed(folder)) / 2
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    print(bare, max(seconds, (others.ru_utime + others.ru_stime) / jobs), elapsed, found)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        show("Audit", run(int(sys.argv[1])))
    else:
        _audit(sys.argv[1], int(sys.argv[2]))
