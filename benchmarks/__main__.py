"""`python -m benchmarks [ledgers|audit|intake|journey …]`: all of them without a name.

Goals that are not reached are marked; nothing fails because of them, for a busy machine slows
the parts differently. Each figure is a ratio, or stands beside its counterpart of the same run.
"""

from __future__ import annotations

import sys

from benchmarks import auditing, catchup, intake, journey, ledgers
from benchmarks.report import show

ALL = {
    "ledgers": ("Ledgers, one core", ledgers.run),
    "audit": ("Audit, one core and two", auditing.run),
    "journey": ("From a notification to the Task, embedded servers", journey.run),
    "intake": ("Intake, one process", intake.run),
    "catchup": ("Catching up with one server, one process", catchup.run),
}


def main(names: list[str]) -> int:
    """Run the named benchmarks. 2 for a name that there is not."""
    if unknown := sorted(set(names) - ALL.keys()):
        print(f"no benchmark {', '.join(unknown)}; there are {', '.join(ALL)}", file=sys.stderr)
        return 2
    for name, (title, run) in ALL.items():
        if not names or name in names:
            show(title, run())
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
