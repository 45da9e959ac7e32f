"""Persons whose Tasks other people work on, over HTTP: what stands, and hands that are quicker.

    with ward() as ward:
        case = ward.case()                   # a person of its own, an order for 600 mg, its visit
        case.dispensed(300)
        case.look()                          # the bridge reads, decides and writes now
        case.look(hand=lambda: case.edit(status="in-progress"))

A `hand` acts after the bridge has read and before its transaction reaches the server. People act
through a client of their own, by plain HTTP. `SERVER=hapi` puts a real HAPI in the place of the
EHR, as in `hospital`; nobody subscribes to anything here: a look is asked for.
"""

from __future__ import annotations

import itertools
import os
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx

from fhirbridge import wiring
from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.bridge.reconciling import Outcome
from fhirbridge.bridge.story import Failed, Story
from fhirbridge.core.plan import Do
from fhirbridge.fhir import jsonio, ours
from fhirbridge.sandbox import Sandbox
from fhirbridge.settings import Settings
from fhirbridge.yamlfile import Node, validate
from tests.bridge.estate import HOLDS, MRN, START, Json, dispense, order, patient, visit
from tests.properties.hospital_life import MEMORY
from tests.servers import hapi_server

RULE = "dispense-short"
_SERVERS = ("ehr", "pharmacy")
#: HAPI now and then answers so to a DELETE that follows the DELETE of what referred to the record,
#: though nobody else writes.
_IN_THE_WAY = "HAPI-0826"
Hand = Callable[[], object]


class Between(httpx.HTTPTransport):
    """The bridge's way to the worklist's server. A `hand` acts once, before the next write."""

    def __init__(self) -> None:
        super().__init__()
        self.hand: Hand | None = None
        self.writes: list[Json] = []

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        if request.method == "POST" and not request.url.path.endswith("/_search"):
            self.writes.append(jsonio.loads(request.read()))
            hand, self.hand = self.hand, None
            if hand:
                hand()
        return super().handle_request(request)


class People:
    """A client of the worklist's server that is not ours."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        headers = {"Content-Type": "application/fhir+json", "Cache-Control": "no-cache"}
        self._http = httpx.Client(timeout=60, trust_env=False, headers=headers)

    def call(self, method: str, path: str, body: Json | None = None, **headers: str) -> Any:
        """What the server answers; an error of its own (see `_IN_THE_WAY`) is tried again."""
        content = None if body is None else jsonio.dumps(body)
        for _ in range(3):
            answer = self._http.request(
                method, f"{self.base_url}/{path}", content=content, headers=headers
            )
            if _IN_THE_WAY not in answer.text:
                break
        if answer.is_error:  # the server says why, httpx would not
            raise AssertionError(f"{method} {path}: {answer.status_code} {answer.text}")
        return jsonio.loads(answer.content) if answer.content else None

    def put(self, resource: Json) -> Json:
        stored: Json = self.call("PUT", f"{resource['resourceType']}/{resource['id']}", resource)
        return stored

    def about(self, type_: str, who: str) -> list[Json]:
        page = self.call("GET", f"{type_}?patient=Patient/{who}&_count=50")
        return [each["resource"] for each in page.get("entry", [])]

    def delete(self, place: str) -> None:
        """Delete a record, and before it what says where it came from."""
        page = self.call("GET", f"Provenance?target={place}")
        for each in page.get("entry", []):
            self.call("DELETE", f"Provenance/{each['resource']['id']}")
        self.call("DELETE", place)

    def close(self) -> None:
        self._http.close()


class Clock:
    """Time that passes when it is told to, and a little with each look."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        self.now += timedelta(milliseconds=1)
        return self.now


@dataclass
class Ward:
    """The servers, a bridge, and another worker on the same store."""

    bridge: Bridge
    other: Bridge
    between: Between
    people: People
    pharmacy: Sandbox
    clock: Clock
    instance: str
    worker: Callable[[str, Between], Bridge]
    story: list[Story] = field(default_factory=list)
    _numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @contextmanager
    def stranger(self, hand: Hand) -> Iterator[Bridge]:
        """A worker of the same installation that knows nothing of the others: its own store."""
        between = Between()
        between.hand = hand
        with tempfile.TemporaryDirectory(dir=MEMORY) as folder:
            made = self.worker(folder, between)
            yield made
            wiring.unwire(made)

    def case(self) -> Case:
        """A person whom both servers know, with an order for 600 mg and its visit."""
        made = Case(self, f"{self.instance}-{next(self._numbers)}")
        for record in (
            patient(f"p-{made.u}", mrn=made.u),
            order(f"o-{made.u}", who=f"p-{made.u}"),
            visit(f"v-{made.u}", who=f"p-{made.u}"),
        ):
            self.people.put(record)
        self.pharmacy.put(patient(f"x-{made.u}", mrn=made.u))
        return made


@dataclass
class Case:
    """One person, and one trouble of his: too little of the drug was dispensed."""

    ward: Ward
    u: str
    deleted: list[int] = field(default_factory=list)  # the episodes that a person deleted

    @property
    def person(self) -> str:
        return f"ehr:Patient/p-{self.u}"

    # --- what the pharmacy does

    def dispensed(self, mg: int, name: str = "d", **more: Any) -> None:
        self.ward.pharmacy.put(dispense(f"{name}-{self.u}", mg, who=f"x-{self.u}", **more))

    # --- what the bridge does

    def look(self, hand: Hand | None = None, *, may_fail: bool = False) -> Outcome:
        """Read, decide and write now; what fails is an error of the test, unless it may."""
        self.ward.between.hand = hand
        seen, sent = len(self.ward.story), len(self.ward.between.writes)
        outcome = self.ward.bridge.reconcile(self.person)
        failed = [each for each in self.ward.story[seen:] if isinstance(each, Failed)]
        assert may_fail or not failed, failed
        left, self.ward.between.hand = self.ward.between.hand, None
        assert left is None, "nothing was written: the hand did not act"
        assert len(self.ward.between.writes) - sent <= 1 + (hand is not None)
        return outcome

    def done(self, outcome: Outcome) -> Do:
        """What was decided about the trouble in the end."""
        assert outcome.decision is not None
        intents = [
            each
            for each in outcome.decision.plan.intents
            if RULE in (each.finding and each.finding.rule, each.said and each.said.rule)
        ]
        return intents[0].do if intents else Do.NOTHING

    def overtaken(self) -> None:
        """The worker hangs until its lease has run out; another one does all the work."""
        self.ward.clock.now += self.ward.bridge.pace.lease + timedelta(seconds=1)
        self.ward.other.reconcile(self.person)

    # --- what people do with the Task

    def tasks(self, rule: str = RULE) -> list[Json]:
        """The Tasks about the trouble, the oldest episode first; copies behind their original."""
        found = [
            task
            for task in self.ward.people.about("Task", f"p-{self.u}")
            if ours.code_of(task.get("reasonCode"), ours.RULE) == rule
        ]
        return sorted(found, key=lambda task: (episode(task), int(task["id"])))

    def messages(self) -> list[Json]:
        return self.ward.people.about("Communication", f"p-{self.u}")

    def task(self) -> Json:
        """The Task of the latest episode."""
        newest = self.tasks()[-1]
        return next(task for task in self.tasks() if episode(task) == episode(newest))

    def edit(self, **change: Any) -> None:
        """Change the Task by hand, as it stands."""
        self.ward.people.put({**self.task(), **change})

    def copy(self) -> None:
        """Make another Task of it, with its identifier and all."""
        task = {name: each for name, each in self.task().items() if name not in ("id", "meta")}
        self.ward.people.call("POST", "Task", {**task, "meta": {"tag": [ours.TAG]}})

    def delete(self) -> None:
        """Delete the Task; first what refers to it, or the server refuses."""
        task = self.task()
        place = f"Task/{task['id']}"
        self.deleted.append(episode(task))
        for message in self.messages():
            if {"reference": place} in message.get("partOf", []):
                self.ward.people.delete(f"Communication/{message['id']}")
        self.ward.people.delete(place)


def episode(task: Json) -> int:
    name = ours.name_of(task)
    assert name is not None
    return int(name.rpartition(".")[2])


@contextmanager
def ward(**config: Any) -> Iterator[Ward]:
    """An EHR (embedded, or HAPI), an embedded pharmacy, and two workers with one store."""
    instance = f"t{uuid.uuid4().hex[:10]}"
    clock = Clock()
    with ExitStack() as stack:
        # No power cut is tested here: the store need not wait for a disk.
        folder = stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY))
        boxes = {
            name: stack.enter_context(Sandbox(name, clock=clock, resthook=False))
            for name in _SERVERS
        }
        urls = {name: box.base_url for name, box in boxes.items()}
        if os.environ.get("SERVER") == "hapi":
            urls["ehr"] = stack.enter_context(hapi_server())
        between, story = Between(), list[Story]()

        def worker(folder: str, between: Between) -> Bridge:
            data = {
                "instance": instance,
                "write": "on",
                "settle_seconds": 0,
                "most_new_tasks": 1000,
                "timezone": "America/New_York",
                "identity": [MRN],
                "servers": {
                    name: {"base_url": url, "holds": HOLDS[name]} for name, url in urls.items()
                },
                "store": f"sqlite:///{folder}/bridge.db",
                **config,
            }
            return wiring.wire(
                validate(Node(Path("test"), data), Settings),
                clock=clock,
                watcher=story.append,
                pace=Pace(retry=timedelta(seconds=5)),
                retries=0,
                transports={"ehr": between},
            )

        bridge, other = worker(folder, between), worker(folder, Between())
        people = People(urls["ehr"])
        stack.callback(people.close)
        for each in (bridge, other):
            stack.callback(wiring.unwire, each)
        pharmacy = boxes["pharmacy"]
        yield Ward(bridge, other, between, people, pharmacy, clock, instance, worker, story)
