"""`python -m benchmarks [NAME …]`: without a name all that take no more than a minute or two.

Goals that are not reached are marked; nothing fails because of them, for a busy machine slows
the parts differently. Each figure is a ratio, or stands beside its counterpart of the same run.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from benchmarks import auditing, catchup, deciding, intake, journey, ledgers, memory, scaling
from benchmarks.report import Row, show

ALL: dict[str, tuple[str, Callable[[], Iterable[Row]]]] = {
    "ledgers": ("Ledgers, one core", ledgers.run),
    "audit": ("Audit, one core and two", auditing.run),
    "journey": ("From a notification to the Task, embedded servers", journey.run),
    "hapi": ("Decisions on a real HAPI", deciding.run),
    "intake": ("Intake, one process", intake.run),
    "catchup": ("Catching up with one server, one process", catchup.run),
}
#: What takes longer, by name only: `make bench-long`, `make scale`.
LONG: dict[str, tuple[str, Callable[[], Iterable[Row]]]] = {
    "memory": ("Memory and disk after a million events", memory.run),
    "scale": ("Workers and web doors on PostgreSQL and Redis", scaling.run),
}


def main(names: list[str]) -> int:
    """Run the named benchmarks. 2 for a name that there is not."""
    every = ALL | LONG
    if unknown := sorted(set(names) - every.keys()):
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(every)}", file=sys.stderr)
        return 2
    for name, (title, run) in every.items():
        if name in (names or ALL):
            show(title, run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
