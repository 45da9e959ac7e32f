"""An embedded FHIR server as a process: `python -m tests.chaos.server NAME PORT`.

SIGUSR1 puts it out of order (503 for everything, no notifications), SIGUSR2 heals it.
"""

from __future__ import annotations

import signal
import sys
import threading

from fhirbridge import logs
from fhirbridge.sandbox import Sandbox


def main(name: str, port: int) -> None:
    logs.set_up("ERROR")
    told = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: told.set())
    with Sandbox(name, port=port) as server:
        signal.signal(signal.SIGUSR1, lambda *_: server.fail(503))
        signal.signal(signal.SIGUSR2, lambda *_: server.heal())
        while not told.wait(0.2):
            server.reset_counts()


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
