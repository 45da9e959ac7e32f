"""A whole estate on real sockets: embedded servers (or a real EHR), the service, and waiting.

    with hospital(tmp_path) as estate:
        estate.servers["ehr"].put(order())
        estate.settle()                       # delivered, worked off, nothing in hand
        estate.tasks(status="requested")

`SERVER=hapi` puts a real HAPI in the place of the EHR: a mixed estate. Everything that is written
there carries a name of its own (`estate.u`), because the server outlives the test.

Nothing sleeps for a fixed time: `until` waits for a condition, with a deadline.
"""

from __future__ import annotations

import os
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import httpx

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.bridge.story import Story
from fhirbridge.bridge.sweeping import OVERLAP
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import types_of
from fhirbridge.fhir.subscription import own_query
from fhirbridge.sandbox import Sandbox
from fhirbridge.settings import Settings
from fhirbridge.web.service import Service
from fhirbridge.yamlfile import Node, validate
from tests.bridge.estate import HOLDS, MRN, START, Json, dispense, order, patient, visit
from tests.servers import hapi_server

_DEADLINE = 30.0
_SUBSCRIBED = ("Patient", *types_of(HOLDS["ehr"]))


class Hapi:
    """A real server with the controls of the embedded one, as far as tests need them."""

    def __init__(self, base_url: str, unique: str) -> None:
        self.base_url, self._u = base_url, unique
        self._http = httpx.Client(timeout=30)
        self._put: list[tuple[str, str, str]] = []

    def put(self, resource: Json) -> Json:
        url = f"{self.base_url}/{resource['resourceType']}/{resource['id']}"
        headers = {"Content-Type": "application/fhir+json"}
        answer = self._http.put(url, content=jsonio.dumps(resource), headers=headers)
        answer.raise_for_status()
        stored: Json = jsonio.loads(answer.content)
        self._put.append((stored["resourceType"], stored["id"], stored["meta"]["versionId"]))
        return stored

    def all(self, type_: str) -> list[Json]:
        """The resources of this test: Tasks of its patient, Subscriptions of its bridge."""
        by = {
            "Task": {"patient": f"p-{self._u}"},
            "Subscription": {"_tag": ",".join(self._tag(each) for each in _SUBSCRIBED)},
        }
        params = {**by[type_], "_count": "50"}
        headers = {"Cache-Control": "no-cache"}
        answer = self._http.get(f"{self.base_url}/{type_}", params=params, headers=headers)
        answer.raise_for_status()
        return [each["resource"] for each in jsonio.loads(answer.content).get("entry", [])]

    def _tag(self, type_: str) -> str:
        return own_query(self._u, "ehr", type_)["_tag"]

    def told(self, bridge: Bridge) -> bool:
        """Whether the bridge has heard of everything that was put here."""
        heard = {
            (event.type, event.id, event.version)
            for line in bridge.store.recent(500)
            for event in line.events
        }
        return heard >= set(self._put)

    def idle(self, _timeout: float) -> None:
        """HAPI does not say what it still has to deliver; see `told`."""

    def close(self) -> None:
        for each in self.all("Subscription"):
            self._http.delete(f"{self.base_url}/Subscription/{each['id']}")
        self._http.close()


@dataclass
class Hospital:
    """What runs. `story` is all that the bridge told, in order; `u` a name of this run."""

    settings: Settings
    servers: dict[str, Sandbox | Hapi]
    bridge: Bridge
    service: Service
    story: list[Story]
    u: str

    def put(self, server: str, *resources: Json) -> None:
        for resource in resources:
            self.servers[server].put(resource)

    def people(self) -> None:
        """One person whom all three servers know, each by another id."""
        for server, letter in (("ehr", "p"), ("payer", "m"), ("pharmacy", "x")):
            self.put(server, patient(f"{letter}-{self.u}", mrn=self.u))

    def order(self, name: str = "o", **more: Any) -> Json:
        return order(f"{name}-{self.u}", who=f"p-{self.u}", **more)

    def visit(self, name: str = "v", **more: Any) -> Json:
        return visit(f"{name}-{self.u}", who=f"p-{self.u}", **more)

    def dispense(self, name: str = "d", **more: Any) -> Json:
        return dispense(f"{name}-{self.u}", who=f"x-{self.u}", **more)

    def settle(self) -> None:
        """Wait until all deliveries have arrived and nothing is due or in hand."""
        for server in self.servers.values():
            server.idle(_DEADLINE)
            if isinstance(server, Hapi):
                until(partial(server.told, self.bridge), every=0.1)
        until(partial(at_rest, self.bridge))

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
    folder: Path,
    *,
    workers: int = 2,
    wake: Callable[[], None] | None = None,
    more: Callable[[str, Sandbox | Hapi], Json] = lambda _name, _server: {},
    **config: Any,
) -> Iterator[Hospital]:
    """Three servers and a bridge that holds active Subscriptions on all of them.

    With `workers=0` somebody else has to work; `wake` tells him. `more`: further settings of
    each server.
    """
    clock = shifted_clock()
    unique = f"t{uuid.uuid4().hex[:10]}"
    with ExitStack() as stack:
        servers: dict[str, Sandbox | Hapi] = {
            name: stack.enter_context(Sandbox(name, clock=clock, delay=0.01)) for name in HOLDS
        }
        if os.environ.get("SERVER") == "hapi":
            real = Hapi(stack.enter_context(hapi_server()), unique)
            stack.callback(real.close)
            servers["ehr"] = real
        data = {
            "instance": unique,
            "write": "on",
            "timezone": "America/New_York",
            "identity": [MRN],
            "servers": {
                name: {"base_url": each.base_url, "holds": HOLDS[name], **more(name, each)}
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
        stack.callback(wiring.unwire, bridge)
        if "hapi" in os.environ.get("SERVER", ""):
            # What earlier tests left there is not ours to judge, nor what the first sweep overlaps:
            # their troubles would reach the ceiling of an owner's day before ours are told.
            for type_ in _SUBSCRIBED:
                bridge.store.advance("ehr", type_, datetime.now(UTC) + OVERLAP)
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
            until(partial(at_rest, bridge))
        yield Hospital(settings, servers, bridge, service, story, unique)


def at_rest(bridge: Bridge) -> bool:
    """Is nothing due and nothing in hand? What waits for a later moment does not count."""
    counts = bridge.store.counts(bridge.clock())
    return not (counts.due or counts.leased)


def until(
    condition: Callable[[], object], timeout: float = _DEADLINE, *, every: float = 0.02
) -> None:
    """Wait until a condition holds; AssertionError after `timeout` seconds."""
    waiting = threading.Event()
    for _ in range(int(timeout / every)):
        if condition():
            return
        waiting.wait(every)
    raise AssertionError(f"not within {timeout} s: {condition}")
