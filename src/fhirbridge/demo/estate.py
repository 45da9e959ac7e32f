"""An estate in this process: embedded FHIR servers and a bridge on free ports of 127.0.0.1.

    with embedded(folder, clock=Clock(…)) as running:
        play(journey, running.estate, tell)

With `ehr=` the EHR is a real server at that address instead, and only payer and pharmacy are
embedded. With `store=` and `broker=` the same bridge runs on PostgreSQL and Redis; `workers=0`
leaves the work to Celery workers in other processes.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.bridge.sources import Source
from fhirbridge.bridge.story import Watcher, nobody
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.kinds import types_of
from fhirbridge.journeys.estate import Clock, Estate
from fhirbridge.journeys.hosts import Host
from fhirbridge.sandbox import Sandbox
from fhirbridge.settings import Settings
from fhirbridge.web.service import Service
from fhirbridge.yamlfile import Node, validate

HOLDS = {
    "ehr": ["orders", "schedule", "administrations", "worklist"],
    "payer": ["authorizations", "coverage"],
    "pharmacy": ["dispenses"],
}
IDENTITY = ["http://hospital.example/mrn", "http://plan.example/member"]
OWNERS = {"coordinator": "Organization/coordination", "payer": "Organization/plan"}

#: Between journeys days pass within a second: nobody has missed anything in them.
PACE = Pace(sweep=timedelta(days=3650), poll=timedelta(minutes=1), retry=timedelta(seconds=30))


_TICK = 0.1  # seconds: Subscriptions are seen to be active soon


@dataclass(frozen=True)
class Running:
    """A bridge at work and the estate around it."""

    estate: Estate
    bridge: Bridge
    service: Service
    settings: Settings
    subscriptions: int


@contextmanager
def embedded(
    folder: Path,
    *,
    clock: Clock,
    watcher: Watcher = nobody,
    ehr: str | None = None,
    store: str | None = None,
    broker: str | None = None,
    workers: int = 2,
    wake: Callable[[], None] | None = None,
    suffix: str = "",
    patience: float = 10.0,
) -> Iterator[Running]:
    """Servers and bridge, ready: every Subscription is active. `folder` holds the database."""
    with ExitStack() as stack:
        boxes = {
            name: stack.enter_context(Sandbox(name, delay=0.01))
            for name in HOLDS
            if not (name == "ehr" and ehr)
        }
        urls = {name: boxes[name].base_url if name in boxes else str(ehr) for name in HOLDS}
        made = settings(f"demo{suffix}", urls, store or f"sqlite:///{folder}/bridge.db", broker)
        bridge = wiring.wire(made, clock=clock, watcher=watcher, pace=PACE, retries=0)
        stack.callback(wiring.unwire, bridge)
        if ehr:
            _begin_now(bridge.sources["ehr"], bridge)
        service = stack.enter_context(
            Service(
                bridge,
                workers=workers,
                wake=wake,
                supervise=lambda url: wiring.supervise(made, bridge, public_url=url),
                tick=_TICK,
            )
        )
        if ehr and service.supervisor:  # the server outlives us
            stack.callback(service.supervisor.remove)
        _subscribed(service, patience=max(patience, 30.0))
        hosts = {
            name: Host(
                Server(name, urls[name], retries=0),
                frozenset({"Patient", *types_of(HOLDS[name])}),
                boxes.get(name),
                suffix,
            )
            for name in HOLDS
        }
        for host in hosts.values():
            stack.callback(host.close)

        def notice() -> None:
            bridge.tick()
            bridge.wake()

        estate = Estate(hosts, bridge.store, clock, notice, home="ehr", patience=patience)
        if workers:
            estate.rest()
        count = len(bridge.store.subscriptions())
        yield Running(estate, bridge, service, made, count)


def settings(
    instance: str, urls: dict[str, str], store: str, broker: str | None = None
) -> Settings:
    """The configuration of the demo: it writes, unlike every other installation's default."""
    servers: dict[str, dict[str, Any]] = {
        name: {"base_url": url, "holds": HOLDS[name]} for name, url in urls.items()
    }
    servers["ehr"]["owners"] = OWNERS
    data: dict[str, Any] = {
        "instance": instance,
        "write": "on",
        "timezone": "America/New_York",
        "holidays": "US",
        "identity": IDENTITY,
        "servers": servers,
        "store": store,
    }
    if broker:
        data["broker"] = broker
    return validate(Node(Path("the demo"), data), Settings)


def _begin_now(source: Source, bridge: Bridge) -> None:
    """What stands on a real server already is none of ours: sweep from now on."""
    source.server.get("Patient", "none")  # its answer tells what time it is there
    for type_ in ("Patient", *source.types):
        bridge.store.advance(source.name, type_, source.server.now())


def _subscribed(service: Service, patience: float) -> None:
    """Wait until every Subscription is active. Raises TimeoutError."""
    end = time.monotonic() + patience
    while service.supervisor is not None and not service.supervisor.settled():
        if time.monotonic() >= end:
            raise TimeoutError(f"the Subscriptions are not active after {patience:g} s")
        time.sleep(0.02)
