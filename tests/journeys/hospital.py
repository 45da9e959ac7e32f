"""A whole estate on real sockets: embedded servers (or a real EHR), the service, and waiting.

    with hospital(tmp_path) as estate:
        estate.servers["ehr"].put(order())
        estate.settle()                       # delivered, worked off, nothing in hand
        estate.tasks(status="requested")

Nothing sleeps for a fixed time: `until` waits for a condition, with a deadline.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.bridge.story import Story
from fhirbridge.sandbox import Sandbox
from fhirbridge.settings import Settings
from fhirbridge.web.service import Service
from fhirbridge.yamlfile import Node, validate
from tests.bridge.estate import HOLDS, MRN, START, Json

_DEADLINE = 20.0


@dataclass
class Hospital:
    """What runs. `story` is all that the bridge told, in order."""

    settings: Settings
    servers: dict[str, Sandbox]
    bridge: Bridge
    service: Service
    story: list[Story] = field(default_factory=list)

    def settle(self) -> None:
        """Wait until all deliveries have arrived and nothing is due or in hand."""
        for server in self.servers.values():
            server.idle(_DEADLINE)
        until(self.bridge.at_rest)

    def tasks(self, **status: str) -> list[Json]:
        """The Tasks on the worklist that have these values."""
        return [
            task
            for task in self.servers["ehr"].all("Task")
            if all(task.get(name) == value for name, value in status.items())
        ]

    def rules(self) -> set[str]:
        """The rules of the Tasks that are open."""
        return {
            coding["code"]
            for task in self.tasks(status="requested")
            for coding in task["reasonCode"]["coding"]
            if coding["system"] == "urn:fhirbridge:rule"
        }


def shifted_clock() -> Callable[[], datetime]:
    """A clock that began at `START` when it was made, and runs."""
    offset = START - datetime.now(UTC)
    return lambda: datetime.now(UTC) + offset


@contextmanager
def hospital(
    folder: Path, *, workers: int = 2, wake: Callable[[], None] | None = None, **config: Any
) -> Iterator[Hospital]:
    """Three embedded servers and a bridge that holds active Subscriptions on all of them.

    With `workers=0` somebody else has to work; `wake` tells him.
    """
    clock = shifted_clock()
    with ExitStack() as stack:
        servers = {
            name: stack.enter_context(Sandbox(name, clock=clock, delay=0.01)) for name in HOLDS
        }
        data = {
            "instance": "test",
            "write": "on",
            "timezone": "America/New_York",
            "identity": [MRN],
            "servers": {
                name: {"base_url": each.base_url, "holds": HOLDS[name]}
                for name, each in servers.items()
            },
            "store": f"sqlite:///{folder}/bridge.db",
            **config,
        }
        settings = validate(Node(Path("test"), data), Settings)
        story: list[Story] = []
        bridge = wiring.wire(
            settings,
            clock=clock,
            watcher=story.append,
            pace=Pace(retry=timedelta(seconds=0.2)),
            retries=0,
        )
        service = stack.enter_context(
            Service(
                bridge,
                workers=workers,
                wake=wake,
                tick=0.05,
                supervise=lambda url: wiring.supervise(settings, bridge, public_url=url),
            )
        )
        assert service.supervisor is not None
        until(service.supervisor.settled)
        if workers:
            until(bridge.at_rest)
        yield Hospital(settings, servers, bridge, service, story)


def until(condition: Callable[[], object], timeout: float = _DEADLINE) -> None:
    """Wait until a condition holds; AssertionError after `timeout` seconds."""
    waiting = threading.Event()
    for _ in range(int(timeout / 0.01)):
        if condition():
            return
        waiting.wait(0.01)
    raise AssertionError(f"not within {timeout} s: {condition}")
