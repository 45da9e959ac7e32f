"""A hospital that scales out: PostgreSQL, Redis, web doors and workers, each a process.

The FHIR servers are embedded ones in processes of their own. The people are those of
`population`: ten facts on three servers, half of the drug at the pharmacy. `change` gives each a
dispense that nobody had before, so that every look at a person revises her Task.
"""

from __future__ import annotations

import asyncio
import itertools
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg
import redis
import yaml

from benchmarks.journey import PARTIES
from benchmarks.ledgers import HOLDS
from benchmarks.population import MRN, person
from benchmarks.sending import Served as Door
from benchmarks.sending import request, sent, serving
from benchmarks.served import Served, parent, served, worked
from fhirbridge import wiring
from fhirbridge.fhir import jsonio
from fhirbridge.settings import Settings
from fhirbridge.store import Store
from fhirbridge.store.records import Counts, SubscriptionRow
from fhirbridge.yamlfile import Node, validate
from tests.chaos.processes import Program, command
from tests.servers import postgres_server, redis_server

KEY, SECRET = "k" * 32, "s" * 32
_PATIENCE = 300.0  # seconds until everything must be at rest
_LOOK = 0.05  # seconds between looks at what is still due


@dataclass
class Fleet:
    """Everything but the workers, which come and go."""

    folder: Path
    settings: Settings
    store: Store
    servers: dict[str, Served]
    doors: list[Door]
    pids: dict[str, list[int]]  # by what they are
    people: int
    _count: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def counts(self) -> Counts:
        return self.store.counts(datetime.now(UTC))

    def owed(self) -> int:
        """How many people (and sweeps) are due or in hand."""
        counts = self.counts()
        return counts.due + counts.leased + counts.waiting

    def rest(self) -> None:
        """Until nothing is owed."""
        self.until(lambda owed: owed == 0)

    def until(self, done: Callable[[int], bool]) -> float:
        """Until so much is owed; answers when that was."""
        deadline = time.monotonic() + _PATIENCE
        while not done(self.owed()):
            if time.monotonic() > deadline:
                raise RuntimeError(f"not at rest: {self.counts()}")
            time.sleep(_LOOK)
        return time.monotonic()

    def change(self) -> list[bytes]:
        """Everybody's dispense changes; answers the notifications of it."""
        more = next(self._count) * 0.001
        changed = [_dispense(n, 300 + more) for n in range(self.people)]
        stored = self.servers["pharmacy"].put(changed)
        return [
            request("pharmacy", KEY, SECRET, f"MedicationDispense/{each['id']}", jsonio.dumps(each))
            for each in stored
        ]

    def tell(self, notifications: Sequence[bytes], doors: int = 1) -> float:
        """Send them to so many doors; answers the seconds until all were acknowledged."""
        began = time.monotonic()
        asyncio.run(sent([door.port for door in self.doors[:doors]], iter(notifications)))
        return time.monotonic() - began

    @contextmanager
    def workers(self, count: int) -> Iterator[None]:
        """So many worker processes, with two threads each."""
        names = [f"worker-{n}" for n in range(count)]
        every = [command(name, self.folder, "worker") for name in names]
        try:
            for each in every:
                each.start()
            self.pids["workers"] = [each.pid for each in every]
            yield
        finally:
            self.pids["workers"] = []
            _stopped(every)

    def work(self) -> dict[str, float]:
        """Seconds of processor time so far, by what they are."""
        return {what: sum(map(worked, pids)) for what, pids in self.pids.items()}


@contextmanager
def fleet(people: int, doors: int) -> Iterator[Fleet]:
    """A fleet that has seen everybody once, so that their Tasks stand."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        store_url = stack.enter_context(postgres_server(durable=True))
        broker = stack.enter_context(redis_server())
        servers = {
            name: stack.enter_context(served(name, _records(name, people))) for name in HOLDS
        }
        site = _configured(folder, servers, store_url, broker)
        store = Store(store_url, ids=wiring.names)
        stack.callback(store.close)
        since = datetime.now(UTC)
        row = SubscriptionRow(
            "pharmacy", "MedicationDispense", KEY, SECRET, None, "1", "active", since
        )
        store.save_subscription(row)
        opened = [
            stack.enter_context(serving(open_door, (str(folder / "fhirbridge.yaml"),)))
            for _ in range(doors)
        ]
        pids = {
            "workers": list[int](),
            "FHIR servers": [each.pid for each in servers.values()],
            "PostgreSQL": [_postmaster(store_url)],
            "Redis": [int(redis.from_url(broker).info()["process_id"])],
            "doors": [each.pid for each in opened],
        }
        made = Fleet(folder, site, store, servers, opened, pids, people)
        with made.workers(2):
            made.until(lambda owed: owed > 0)
            made.rest()
        yield made


def open_door(port: int, config: str) -> None:
    """A web door that only hears. No supervisor: the senders here are no FHIR servers."""
    from fhirbridge import logs, settings, worker
    from fhirbridge.web.service import Service

    logs.set_up("ERROR")
    site = settings.read(Path(config), {})
    bridge = wiring.wire(site)
    with Service(bridge, port=port, workers=0, wake=worker.waker(site)) as service:
        service.wait()


def _configured(folder: Path, servers: dict[str, Served], store: str, broker: str) -> Settings:
    holds = {name: [*HOLDS[name], *(["worklist"] if name == "ehr" else [])] for name in servers}
    said: dict[str, Any] = {
        "instance": "fleet",
        "write": "on",
        "identity": [MRN],
        "servers": {
            name: {"base_url": each.url, "holds": holds[name], "subscribe": "poll"}
            for name, each in servers.items()
        },
        "store": store,
        "broker": broker,
        "poll_seconds": 86_400,  # the senders tell everything
        "most_new_tasks": None,
    }
    (folder / "fhirbridge.yaml").write_text(yaml.safe_dump(said), encoding="utf-8")
    return validate(Node(Path("fleet"), said), Settings)


def _records(name: str, people: int) -> Iterator[dict[str, Any]]:
    yield from PARTIES
    for number in range(people):
        yield from person(number * 30, True)[name]  # each of these got half of the drug


def _dispense(number: int, mg: float) -> dict[str, Any]:
    records = person(number * 30, True)["pharmacy"]
    found = next(each for each in records if each["resourceType"] == "MedicationDispense")
    return {**found, "quantity": {**found["quantity"], "value": round(mg, 3)}}


def _postmaster(store: str) -> int:
    with psycopg.connect(store.replace("+psycopg", "")) as connection:
        row = connection.execute("SELECT pg_backend_pid()").fetchone()
        assert row is not None
        return parent(int(row[0]))


def _stopped(every: Sequence[Program]) -> None:
    for each in every:
        each.stop()
        if "Traceback" in each.log.read_text(errors="replace"):
            print(f"{each.name} said: {each.log.read_text(errors='replace')}", file=sys.stderr)
