"""What runs: two FHIR servers, the network, PostgreSQL, Redis, two web doors and two workers."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Any

import httpx
import yaml

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Pace
from fhirbridge.settings import Settings
from fhirbridge.store import Store
from fhirbridge.yamlfile import Node, validate
from tests.bridge.estate import MRN
from tests.chaos import processes
from tests.chaos.hospital import Hospital
from tests.chaos.network import Network
from tests.chaos.processes import Disk, Program
from tests.servers import free_port

HOLDS = {
    "ehr": ["orders", "schedule", "administrations", "worklist"],
    "pharmacy": ["dispenses"],
}
#: Seconds: much shorter than in a hospital, so that a killed worker's work is seen to be done.
LEASE = 15
_AT_REST = 180.0  # seconds that everything may take to come to rest


@dataclass
class Estate:
    """What runs."""

    settings: Settings
    folder: Path
    disk: Disk
    servers: dict[str, Program]
    victims: dict[str, Program]
    network: Network
    hospital: Hospital

    def subscribed(self) -> None:
        """Until every server notifies us."""
        deadline = time.monotonic() + 60
        ready = f"{self.network.doors[0]}/readyz"
        while time.monotonic() < deadline:
            states = httpx.get(ready, timeout=10, trust_env=False).json().get("subscriptions", {})
            if states and set(states.values()) == {"active"}:
                return
            time.sleep(0.2)
        raise RuntimeError("the Subscriptions did not become active")

    def swept(self) -> None:
        """One sweep, by the command, and what comes of it, by the workers."""
        line = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "sweep"]
        done = subprocess.run(
            line, cwd=self.folder, capture_output=True, text=True, check=False, timeout=_AT_REST
        )
        if done.returncode:
            raise RuntimeError(f"the sweep failed: {done.stdout}{done.stderr}")
        self.at_rest()

    def at_rest(self) -> None:
        """Everything runs, what waits for a later try is tried now, and nothing is owed then."""
        for each in self.victims.values():
            each.start(wait=True)
        store = Store(self.settings.store, ids=wiring.names)
        deadline = time.monotonic() + _AT_REST
        try:
            # Who was decided while a source was down has a timer for that, and nothing else.
            store.ring(datetime.now(UTC) + Pace().retry)
            store.hurry(datetime.now(UTC))
            while time.monotonic() < deadline:
                counts = store.counts(datetime.now(UTC))
                if not (counts.due or counts.leased or counts.waiting):
                    return
                time.sleep(0.2)
            print(f"not at rest after {_AT_REST:.0f} s: {counts}")
        finally:
            store.close()

    def left_to_write(self) -> list[str]:
        """The people for whom a bridge that remembers nothing would still write something."""
        fresh = self.settings.model_copy(update={"store": f"sqlite:///{self.folder}/fresh.db"})
        bridge = wiring.wire(fresh)
        try:
            people = (f"ehr:Patient/p-{n}" for n in range(self.hospital.people))
            return [each for each in people if bridge.reconcile(each, dry_run=True).bundle]
        finally:
            bridge.close()

    def known_of(self, subject: str) -> str:
        """What our store has of somebody: to find out why nothing was written."""
        store = Store(self.settings.store, ids=wiring.names)
        try:
            who = store.who(subject)
            person = who.name if who else subject
            tasks = [each.id for each in store.written_tasks(person, None, None)]
            mark = store.mark(person)
            return f"{person}: watched {who and who.watched}, Tasks written {tasks}, {mark}"
        finally:
            store.close()


@contextmanager
def estate(folder: Path, people: int, rng: Random) -> Iterator[Estate]:
    """Everything runs, and Subscriptions are still to be made."""
    with ExitStack() as stack:
        disk = Disk()
        stack.callback(disk.close)
        postgres, store = processes.postgres(folder, disk)
        redis, broker = processes.redis(folder)
        ports = {name: free_port() for name in HOLDS}
        servers = {
            name: Program(
                name, [sys.executable, "-m", "tests.chaos.server", name, str(port)], Path.cwd()
            )
            for name, port in ports.items()
        }
        for name, server in servers.items():
            server.log = folder / f"{name}.log"
        doors = {"door-1": free_port(), "door-2": free_port()}
        urls = [f"http://127.0.0.1:{port}" for port in doors.values()]
        network = stack.enter_context(Network(urls, rng))
        said: dict[str, Any] = {
            "instance": "chaos",
            "write": "on",
            "timezone": "America/New_York",
            "identity": [MRN],
            "servers": {
                name: {
                    "base_url": f"http://127.0.0.1:{port}/fhir",
                    "holds": HOLDS[name],
                    "timeout_seconds": 5,
                }
                for name, port in ports.items()
            },
            "public_url": network.url,
            "store": store,
            "broker": broker,
            "lease_seconds": LEASE,
            "debounce_seconds": 1,
            "most_new_tasks": None,
        }
        (folder / "fhirbridge.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
        victims = {
            "postgres": postgres,
            "redis": redis,
            **{name: _door(name, folder, port) for name, port in doors.items()},
            "worker-1": processes.command("worker-1", folder, "worker"),
            "worker-2": processes.command("worker-2", folder, "worker"),
        }
        for each in (*servers.values(), *victims.values()):
            stack.callback(each.stop)
        for each in (*servers.values(), *victims.values()):
            each.start(wait=True)
        bases = {name: f"http://127.0.0.1:{port}/fhir" for name, port in ports.items()}
        hospital = Hospital(bases, people, rng)
        stack.callback(hospital.close)
        settings = validate(Node(Path("chaos"), said), Settings)
        yield Estate(settings, folder, disk, servers, victims, network, hospital)


def _door(name: str, folder: Path, port: int) -> Program:
    return processes.command(name, folder, "serve", "--no-worker", "--port", str(port), port=port)
