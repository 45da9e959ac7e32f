"""The memory of a program with all its processes, while it runs (Linux).

What several processes share is counted once: the proportional set size (`Pss` of
/proc/PID/smaps_rollup) of each, added up. The peak is that of samples, four in a second.
"""

from __future__ import annotations

import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

_EVERY = 0.25  # seconds


class Ran(NamedTuple):
    """What a program printed, and the most megabytes that it and its processes had at once."""

    output: str
    peak_mb: float


def watched(command: Sequence[str], env: dict[str, str]) -> Ran:
    """Run a program to its end. Raises `SystemExit` where it fails."""
    peak = 0
    with subprocess.Popen(command, env=env, stdout=subprocess.PIPE, text=True) as program:
        while program.poll() is None:
            peak = max(peak, sum(_kilobytes(each) for each in _family(program.pid)))
            time.sleep(_EVERY)
        output = program.stdout.read() if program.stdout else ""
    if program.returncode:
        raise SystemExit(f"{' '.join(command)} ended with {program.returncode}")
    return Ran(output, peak * 1024 / 1e6)


def _family(process: int) -> Iterator[int]:
    """A process and all that it began."""
    yield process
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text()
    except OSError:  # it has ended
        return
    for child in children.split():
        yield from _family(int(child))


def _kilobytes(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0
    return next((int(line.split()[1]) for line in lines if line.startswith("Pss:")), 0)
