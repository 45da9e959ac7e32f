"""People whose records change on two servers, and what must stand at the end.

Each person has one order on `ehr` and one dispense on `pharmacy`. Every change gives the record
an amount that it never had before, so that every version changes the figures of the person's
`dispense-short` Task, and the Task names the versions that it rests on. At the end some people
get exactly what was ordered: their Task must close. So everything can be counted on the servers.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

import httpx

from fhirbridge.fhir import jsonio, ours
from fhirbridge.fhir.told import instant
from tests.bridge.estate import dispense, order, patient

Json = dict[str, Any]
Change = tuple[str, str, int]  # server, "Type/id", version
RULE = "dispense-short"
_STEP = 0.001  # mg by which each version's amount differs; far from 600 mg


@dataclass
class Hospital:
    """The records, by what the servers answered to those who wrote them."""

    servers: Mapping[str, str]
    people: int
    rng: Random
    changed: dict[Change, datetime] = field(default_factory=dict)
    complete: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._http = httpx.Client(timeout=10, trust_env=False)
        self._on = datetime.now(UTC).date() + timedelta(days=10)
        self._count = 0
        self._stop = threading.Event()

    def close(self) -> None:
        self._http.close()

    # --- what happens

    def admit(self) -> None:
        """Everybody is entered on both servers, and short of his dose."""
        for n in range(self.people):
            self._put("ehr", patient(f"p-{n}", mrn=f"{n}"))
            self._put("pharmacy", patient(f"x-{n}", mrn=f"{n}"))
            self._change(self._order(n))
            self._change(self._dispense(n))

    def live(self, seconds: float, rate: float) -> None:
        """Records change, `rate` a second, for so long. A server that is down takes nothing."""
        began = time.monotonic()
        for n in range(int(seconds * rate)):
            self._stop.wait(max(0.0, began + n / rate - time.monotonic()))
            if time.monotonic() - began > seconds:
                return
            who = self.rng.randrange(self.people)
            record = self._order(who) if self.rng.random() < 0.5 else self._dispense(who)
            self._change(record)

    def discharge(self) -> None:
        """One in four is given the whole dose."""
        for n in self.rng.sample(range(self.people), self.people // 4):
            self._change(("ehr", order(f"o-{n}", 600, self._on, who=f"p-{n}")))
            today = datetime.now(UTC).date().isoformat()
            full = dispense(f"d-{n}", 600, who=f"x-{n}", whenHandedOver=today)
            self._change(("pharmacy", full))
            self.complete.add(n)

    def _order(self, n: int) -> tuple[str, Json]:
        amount: Any = self._amount(600)
        return "ehr", order(f"o-{n}", amount, self._on, who=f"p-{n}")

    def _dispense(self, n: int) -> tuple[str, Json]:
        today = datetime.now(UTC).date().isoformat()
        amount: Any = self._amount(300)
        return "pharmacy", dispense(f"d-{n}", amount, who=f"x-{n}", whenHandedOver=today)

    def _amount(self, about: int) -> float:
        self._count += 1
        return round(about + self._count * _STEP, 3)

    def _change(self, record: tuple[str, Json]) -> None:
        server, resource = record
        version = self._put(server, resource)
        if version is not None:
            place = f"{resource['resourceType']}/{resource['id']}"
            self.changed[server, place, version] = datetime.now(UTC)

    def _put(self, server: str, resource: Json) -> int | None:
        """The version that the server made of it; None when it did not take it."""
        url = f"{self.servers[server]}/{resource['resourceType']}/{resource['id']}"
        headers = {"Content-Type": "application/fhir+json"}
        try:
            answer = self._http.put(url, content=jsonio.dumps(resource), headers=headers)
        except httpx.HTTPError:
            return None
        if not answer.is_success:
            return None
        return int(jsonio.loads(answer.content)["meta"]["versionId"])

    # --- what must stand

    def verdict(
        self, acknowledged: Iterable[tuple[str, str, str, int]], at_rest: datetime
    ) -> Verdict:
        """Read the Tasks of the worklist, with all their versions, and compare."""
        tasks = self._tasks()
        newest = {each["id"]: each for each in tasks}  # the history is read oldest first
        standing = [t for t in newest.values() if t["status"] == "requested"]
        names = [ours.name_of(each) or "" for each in standing]
        told = {
            (server, f"{type_}/{id_}", version)
            for server, type_, id_, version in acknowledged
            if (server, f"{type_}/{id_}", version) in self.changed
        }
        repaired = self._repaired(tasks, at_rest)
        short = [each for each in standing if _rule(each) == RULE]
        final = self._final()
        wrong = [each for each in short if not _rests_on(each, final)]
        expected = {f"Patient/p-{n}" for n in range(self.people) if n not in self.complete}
        return Verdict(
            changes=len(self.changed),
            acknowledged=len(told),
            processed=len([each for each in told if each in repaired]),
            expected=len(expected),
            found=len(short),
            missing=len(expected - {each["for"]["reference"] for each in short}),
            doubled=len(names) - len(set(names)),
            outdated=len(wrong),
            unseen=len(self.changed) - len(repaired),
            longest=max((repaired[each] - at for each, at in self.changed.items()
                         if each in repaired), default=timedelta(0)),
        )  # fmt: skip

    def _repaired(self, tasks: Iterable[Json], at_rest: datetime) -> dict[Change, datetime]:
        """When each change could first be seen in a Task: that version of the record, a later
        one, or, for those who were given the whole dose, the closing of the Task (at the latest
        at rest, where no Task had been opened before)."""
        seen: dict[str, list[tuple[int, datetime]]] = {}
        opened: set[str] = set()
        closed: dict[str, datetime] = {}
        for task in tasks:
            if _rule(task) != RULE:
                continue
            at = instant(task["meta"]["lastUpdated"])
            assert at is not None
            number = task["for"]["reference"].rpartition("-")[2]
            if task["status"] != "requested":
                closed[number] = at
                opened.discard(number)
                continue
            opened.add(number)
            for place, version in _evidence(task):
                seen.setdefault(place, []).append((version, at))
        found: dict[Change, datetime] = {}
        for server, place, version in self.changed:
            number = place.rpartition("-")[2]
            moments = [at for of, at in seen.get(f"{server}:{place}", ()) if of >= version]
            if int(number) in self.complete and number not in opened:
                moments.append(closed.get(number, at_rest))
            if moments:
                found[server, place, version] = min(moments)
        return found

    def _final(self) -> dict[str, int]:
        newest: dict[str, int] = {}
        for server, place, version in self.changed:
            name = f"{server}:{place}"
            newest[name] = max(newest.get(name, 0), version)
        return newest

    def _tasks(self) -> list[Json]:
        """Every version of every Task, the oldest first."""
        found: list[Json] = []
        following: str | None = f"{self.servers['ehr']}/Task/_history?_count=50"
        while following:
            page = jsonio.loads(self._http.get(following).raise_for_status().content)
            found += [e["resource"] for e in page.get("entry", []) if "resource" in e]
            links = {link["relation"]: link["url"] for link in page.get("link", [])}
            following = links.get("next")
        return found[::-1]


@dataclass(frozen=True)
class Verdict:
    """Counts. All is well when nothing is lost, and the Tasks are those expected, each once."""

    changes: int
    acknowledged: int
    processed: int
    expected: int
    found: int
    missing: int
    doubled: int
    outdated: int
    unseen: int
    longest: timedelta

    @property
    def lost(self) -> int:
        return self.acknowledged - self.processed

    @property
    def well(self) -> bool:
        wrong = (self.lost, self.missing, self.doubled, self.outdated, self.unseen)
        return not any(wrong) and self.expected == self.found and self.acknowledged > 0


def _rule(task: Json) -> str | None:
    return ours.code_of(task.get("reasonCode"), ours.RULE)


def _evidence(task: Json) -> Iterator[tuple[str, int]]:
    """The records that a Task rests on: `pharmacy:MedicationDispense/d-1` and its version."""
    for each in ours.items(task, "input"):
        name = ((each.get("valueReference") or {}).get("identifier") or {}).get("value", "")
        place, _, version = str(name).partition("/_history/")
        if version:
            yield place, int(version)


def _rests_on(task: Json, final: Mapping[str, int]) -> bool:
    """Does it rest on the newest versions, an order and a dispense?"""
    evidence = dict(_evidence(task))
    return len(evidence) == 2 and all(final.get(name) == v for name, v in evidence.items())
