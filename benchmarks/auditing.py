"""`audit` against bare `orjson.loads` over the same NDJSON lines, and its peak memory."""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

import orjson

from benchmarks import population
from benchmarks.report import Row
from fhirbridge import wiring
from fhirbridge.audit import Audit, exports
from fhirbridge.settings import Settings

AS_OF = datetime(2026, 11, 30, 15, tzinfo=UTC)
RESOURCES = 60_000
GOAL = 0.25
MOST_MB = 400


def run(resources: int = RESOURCES) -> list[Row]:
    """Rows of the report. `resources`: how many to make; 2,000,000 for the goal of memory."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name, "export")
        population.write(folder, resources)
        size = sum(file.stat().st_size for file in folder.rglob("*.ndjson"))
        bare = _parsed(folder)
        seconds, alone, kilobytes, found = _measured(folder, 1)
        busiest, shared, together, same = _measured(folder, 2)
    if found != same:
        raise SystemExit(f"one process found {found:,.0f}, two found {same:,.0f}")
    return [
        Row("resources", f"{resources:,}", ""),
        Row("megabytes", f"{size / 1e6:,.0f}", ""),
        Row("findings", f"{found:,.0f}", ""),
        Row("audit, µs a resource", f"{seconds / resources * 1e6:.1f}", ""),
        Row("orjson.loads, µs a resource", f"{bare / resources * 1e6:.1f}", ""),
        Row(
            "audit / orjson.loads, speed", f"{bare / seconds:.2f}", f"{GOAL}", bare / seconds / GOAL
        ),
        Row(
            "peak memory, MB", f"{kilobytes / 1e3:,.0f}", f"{MOST_MB}", MOST_MB / (kilobytes / 1e3)
        ),
        Row(
            "two processes / one, speed by the clock",
            f"{alone / shared:.2f}",
            "> 1",
            alone / shared,
        ),
        Row("one / the busiest of them, processor time", f"{seconds / busiest:.2f}", ""),
        Row(
            "peak memory of all three, at most, MB",
            f"{together / 1e3:,.0f}",
            f"{MOST_MB}",
            MOST_MB / (together / 1e3),
        ),
    ]


def _measured(folder: Path, jobs: int) -> list[float]:
    """Processor seconds of the busiest process, seconds by the clock, kilobytes and findings."""
    command = [sys.executable, "-m", "benchmarks.auditing", str(folder), str(jobs)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    return [float(each) for each in answer.stdout.split()]


def _parsed(folder: Path) -> float:
    """Seconds that bare parsing takes."""
    began = time.process_time()
    for file in sorted(folder.rglob("*.ndjson")):
        with file.open("rb") as stream:
            for line in stream:
                orjson.loads(line)
    return time.process_time() - began


def _audit(folder: str, jobs: int) -> None:
    """Audit a folder in this process and `jobs` others, or alone; print what `_measured` says.

    Memory that is shared with the others is counted once for each of them.
    """
    site = Settings()
    decider = wiring.decider(site, wiring.formulary(site), {}, today=AS_OF.date())
    audit = Audit(decider, wiring.words(site), jobs=jobs)
    began, clock = time.process_time(), time.monotonic()
    with audit.over(exports([folder]), AS_OF) as result, open(os.devnull, "wb") as nowhere:
        nowhere.writelines(result.lines())
        found = result.summary.found
    seconds, elapsed = time.process_time() - began, time.monotonic() - clock
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    others = resource.getrusage(resource.RUSAGE_CHILDREN)
    busiest = max(seconds, (others.ru_utime + others.ru_stime) / jobs)
    print(busiest, elapsed, own + (jobs * others.ru_maxrss if jobs > 1 else 0), found)


if __name__ == "__main__":
    _audit(sys.argv[1], int(sys.argv[2]))
