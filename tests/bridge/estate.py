"""A small hospital in memory: three embedded servers behind the real client, one bridge, a clock.

    estate = Estate(tmp_path)
    estate.put("ehr", order(mg=600))        # written on the server, and told to the bridge
    estate.work()                           # until nothing is due
    estate.tasks()                          # what stands on the worklist

No sockets: the client's transport calls the embedded server's pure half.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.bridge.intake import Kept
from fhirbridge.bridge.story import Story
from fhirbridge.bridge.tracing import Tracer
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.subscription import SECRET_HEADER
from fhirbridge.sandbox.door import Door
from fhirbridge.sandbox.resources import Store as Shelf
from fhirbridge.settings import Settings
from fhirbridge.store.records import SubscriptionRow
from fhirbridge.yamlfile import Node, validate

START = datetime(2026, 12, 1, 14, 0, tzinfo=UTC)
MRN = "http://hospital.example/mrn"
Json = dict[str, Any]

HOLDS = {
    "ehr": ["orders", "schedule", "administrations", "worklist"],
    "payer": ["authorizations", "coverage"],
    "pharmacy": ["dispenses"],
}

_SUBSCRIBED: dict[bytes, bytes] = {}


class Clock:
    """Time that passes only when it is told to, and a little with each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


Answer = Callable[[httpx.Request], httpx.Response]


class Fake(httpx.BaseTransport):
    """The embedded server as a transport. `down`: the status that it answers instead.

    `around` may do something before or after an answer is made, or instead of it.
    """

    def __init__(self, name: str, clock: Callable[[], datetime]) -> None:
        ids = itertools.count(1)
        self.base_url = f"http://{name}.example/fhir"
        self.shelf = Shelf(clock, lambda: f"{name}-{next(ids)}")
        self.door = Door(self.shelf, self.base_url, clock)
        self.down: int | None = None
        self.headers: dict[str, str] = {}
        self.requests: list[tuple[str, str]] = []
        self.around: Callable[[httpx.Request, Answer], httpx.Response] = lambda ask, go: go(ask)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self.around(request, self._answer)

    def _answer(self, request: httpx.Request) -> httpx.Response:
        target = str(request.url).removeprefix(self.base_url).strip("/")
        self.requests.append((request.method, target))
        if self.down is not None:
            return httpx.Response(self.down, headers=self.headers)
        reply = self.door.answer(request.method, target, request.headers, request.read())
        content = jsonio.dumps(reply.body) if reply.body else b""
        headers = {"Content-Type": "application/fhir+json", **reply.headers}
        return httpx.Response(reply.status, headers=headers, content=content)


class Estate:
    """Servers, bridge and what it told. `config` is merged over the usual configuration."""

    def __init__(self, folder: Path, **config: Any) -> None:
        self.clock = Clock()
        self.servers = {name: Fake(name, self.clock) for name in HOLDS}
        data: Json = {
            "instance": "test",
            "write": "on",
            "settle_seconds": 0,
            "debounce_seconds": 0,
            "timezone": "America/New_York",
            "identity": [MRN],
            "servers": {
                name: {"base_url": fake.base_url, "holds": HOLDS[name]}
                for name, fake in self.servers.items()
            },
            "store": f"sqlite:///{folder}/bridge.db",
            **config,
        }
        self.settings = validate(Node(Path("test"), data), Settings)
        self.story: list[Story] = []
        self.traces: Tracer | None = None  # for bridges that are made from now on
        file = Path(self.settings.store.removeprefix("sqlite:///"))
        if not file.exists():
            file.write_bytes(self._subscribed())
        self.clock.now = START
        self.ids = (f"id-{n}" for n in itertools.count(1))
        self.bridge = self.another()

    def _subscribed(self) -> bytes:
        """The store of a site whose Subscriptions are all active; made once for each such site."""
        site = jsonio.dumps(self.settings.model_dump(mode="json")["servers"])
        if site not in _SUBSCRIBED:
            self.ids = (f"id-{n}" for n in itertools.count(1))
            with TemporaryDirectory() as folder:
                bridge = self.another(store=f"sqlite:///{folder}/bridge.db")
                for name in self.servers:
                    for type_ in ("Patient", *bridge.sources[name].types):
                        bridge.store.save_subscription(self._link(name, type_))
                wiring.unwire(bridge)
                _SUBSCRIBED[site] = Path(folder, "bridge.db").read_bytes()
        return _SUBSCRIBED[site]

    def another(self, **settings: Any) -> Bridge:
        """A second bridge beside (or after) the first, on the same servers; `settings` differ."""
        return wiring.wire(
            self.settings.model_copy(update=settings),
            clock=self.clock,
            ids=lambda: next(self.ids),
            watcher=self.story.append,
            pace=Pace(retry=timedelta(seconds=5)),
            retries=0,
            transports=self.servers,
            traces=self.traces,
        )

    def restart(self, **settings: Any) -> None:
        """The bridge ends and a new one begins, with the same store unless `settings` differ."""
        self.bridge.close()
        self.bridge = self.another(**settings)

    def _link(self, name: str, type_: str) -> SubscriptionRow:
        return SubscriptionRow(
            source=name,
            type=type_,
            key=f"key-{name}-{type_}",
            secret="s3cret",
            previous_secret=None,
            server_id="1",
            state="active",
            since=START,
        )

    # --- what happens on the servers

    def put(self, server: str, resource: Json, *, tell: bool = True) -> Json:
        """Write a resource on a server; `tell` notifies the bridge as a rest-hook would."""
        shelf = self.servers[server].shelf
        with shelf.unit(checked=False):
            shelf.update(
                resource["resourceType"], resource["id"], jsonio.loads(jsonio.dumps(resource))
            )
        stored = self.get(server, f"{resource['resourceType']}/{resource['id']}")
        if tell:
            self.tell(server, stored)
        return stored

    def get(self, server: str, reference: str) -> Json:
        shelf = self.servers[server].shelf
        found: Json = jsonio.loads(jsonio.dumps(shelf.version(*reference.split("/")).resource))
        return found

    def remove(self, server: str, reference: str, *, tell: bool = True) -> None:
        shelf = self.servers[server].shelf
        with shelf.unit(checked=False):
            shelf.delete(*reference.split("/"))
        if tell:
            self.notify(server, "DELETE", reference)

    def tell(self, server: str, resource: Json) -> None:
        reference = f"{resource['resourceType']}/{resource['id']}"
        self.notify(server, "PUT", reference, jsonio.dumps(resource))

    def notify(
        self, server: str, method: str, path: str, body: bytes = b"", *, secret: str = "s3cret"
    ) -> Kept:
        type_ = path.split("/")[0] or "Patient"
        headers = {SECRET_HEADER.lower(): secret, "content-type": "application/fhir+json"}
        kept = self.bridge.intake.hear(server, f"key-{server}-{type_}", method, path, headers, body)
        kept.on_disk.result(5)
        return kept

    # --- what the bridge does

    def work(self) -> int:
        """Until nothing is due; answers how many subjects were seen through."""
        done = 0
        while did := self.bridge.work("test"):
            done += did
            assert done < 100, "the bridge does not come to rest"
        return done

    def later(self, **by: float) -> int:
        """Let time pass, then work."""
        self.clock.now += timedelta(**by)
        self.bridge.tick()
        return self.work()

    def tasks(self, **status: str) -> list[Json]:
        found = [each.resource for each in self.servers["ehr"].shelf.current("Task")]
        return [
            task
            for task in found
            if task and all(task.get(key) == value for key, value in status.items())
        ]

    def rules(self) -> set[str]:
        """The rules of the Tasks that are open."""
        return {
            coding["code"]
            for task in self.tasks(status="requested")
            for reason in [task.get("reasonCode", {})]
            for coding in reason.get("coding", [])
            if coding["system"] == "urn:fhirbridge:rule"
        }

    def reads(self) -> int:
        """FHIR requests so far, over all servers."""
        return sum(len(fake.requests) for fake in self.servers.values())

    def told(self, kind: type[Story]) -> list[Any]:
        return [each for each in self.story if isinstance(each, kind)]

    def close(self) -> None:
        self.bridge.close()


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """A small hospital with one person known on all three servers, nothing told yet."""
    made = Estate(tmp_path)
    people(made)
    yield made
    made.close()


# --- records


def patient(id_: str = "p-1", mrn: str = "123", born: str = "1980-04-05", **more: Any) -> Json:
    return {
        "resourceType": "Patient",
        "id": id_,
        "identifier": [{"system": MRN, "value": mrn}],
        "birthDate": born,
        **more,
    }


OCRELIZUMAB = {
    "coding": [
        {
            "system": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
            "code": "J2350",
            "display": "Injection, ocrelizumab, 1 mg",
        }
    ],
    "text": "ocrelizumab",
}


def order(
    id_: str = "o-1",
    mg: int = 600,
    on: date = date(2026, 12, 8),
    *,
    who: str = "p-1",
    **more: Any,
) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "status": "active",
        "intent": "order",
        "medicationCodeableConcept": OCRELIZUMAB,
        "subject": {"reference": f"Patient/{who}"},
        "authoredOn": "2026-11-20T10:00:00-05:00",
        "dosageInstruction": [
            {
                "timing": {"event": [on.isoformat()], "repeat": {"count": 1}},
                "doseAndRate": [{"doseQuantity": milligrams(mg)}],
            }
        ],
        **more,
    }


def milligrams(mg: int) -> Json:
    return {"value": mg, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}


def visit(
    id_: str = "v-1",
    start: str = "2026-12-08T09:00:00-05:00",
    *,
    who: str = "p-1",
    **more: Any,
) -> Json:
    return {
        "resourceType": "Appointment",
        "id": id_,
        "status": "booked",
        "description": "Ocrelizumab infusion",
        "start": start,
        "end": start.replace("T09", "T14"),
        "participant": [
            {"actor": {"reference": f"Patient/{who}"}, "status": "accepted"},
        ],
        **more,
    }


def dispense(id_: str = "d-1", mg: int = 600, *, who: str = "x-1", **more: Any) -> Json:
    return {
        "resourceType": "MedicationDispense",
        "id": id_,
        "status": "completed",
        "medicationCodeableConcept": OCRELIZUMAB,
        "subject": {"reference": f"Patient/{who}"},
        "quantity": milligrams(mg),
        "whenHandedOver": "2026-11-30T10:00:00-05:00",
        **more,
    }


def people(estate: Estate, servers: Sequence[str] = ("ehr", "payer", "pharmacy")) -> None:
    """One person with another id on each server."""
    ids: Mapping[str, str] = {"ehr": "p-1", "payer": "m-1", "pharmacy": "x-1"}
    for server in servers:
        estate.put(server, patient(ids[server]))
