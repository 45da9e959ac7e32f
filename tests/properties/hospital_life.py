"""What may happen in a hospital: records on three servers, people at work on our Tasks, faults.

`Life` is the in-process estate of `tests.bridge` with two persons, at whose worklist server a
fault can be set for the next request. It records what people did with our Tasks, and sees to it
that we write nothing but our own.
"""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from hypothesis import strategies as st

from fhirbridge.bridge.bridge import Bridge, Pace
from fhirbridge.fhir import jsonio, ours
from fhirbridge.sandbox.resources import Refused
from fhirbridge.store.records import Unwritable
from tests.bridge.estate import START, Answer, Estate, dispense, order, patient, visit
from tests.fhir import records as r

Json = dict[str, Any]
LETTER = {"ehr": "p", "payer": "m", "pharmacy": "x"}
SERVERS = tuple(LETTER)
BORN = {"1": "1980-04-05", "2": "1975-06-07", "9": "1990-01-01"}
FINDING = "urn:fhirbridge:test:finding"


#: Where the store's files live: a disk that need not be waited for, if there is one.
MEMORY = "/dev/shm" if Path("/dev/shm").is_dir() else None


# --- records

who = st.sampled_from(("1", "1", "2"))
which = st.sampled_from(("a", "b"))
DAYS = tuple(START.date() + timedelta(days=n) for n in (2, 7, 8, 30))


def _at(day: date, hour: str) -> str:
    return f"{day.isoformat()}T{hour}:00:00-05:00"


orders = st.builds(
    lambda who, which, mg, on, status: (
        "ehr",
        order(f"o-{which}{who}", mg, on, who=f"p-{who}", status=status),
    ),
    who,
    which,
    st.sampled_from((600, 600, 300)),
    st.sampled_from(DAYS),
    st.sampled_from(("active", "active", "active", "on-hold", "cancelled", "entered-in-error")),
)
visits = st.builds(
    lambda who, which, on, status: (
        "ehr",
        visit(f"v-{which}{who}", _at(on, "09"), who=f"p-{who}", status=status),
    ),
    who,
    which,
    st.sampled_from(DAYS),
    st.sampled_from(("booked", "booked", "booked", "cancelled", "fulfilled")),
)
administrations = st.builds(
    lambda who, on, mg: (
        "ehr",
        r.administration(
            id=f"g-{who}",
            subject={"reference": f"Patient/p-{who}"},
            effectiveDateTime=_at(on, "10"),
            dosage={"dose": r.mg(mg)},
            medicationCodeableConcept=r.J2350,
        ),
    ),
    who,
    st.sampled_from(DAYS),
    st.sampled_from((300, 600)),
)
dispenses = st.builds(
    lambda who, which, quantity, status: (
        "pharmacy",
        dispense(f"d-{which}{who}", who=f"x-{who}", quantity=quantity, status=status),
    ),
    who,
    which,
    st.sampled_from((r.mg(600), r.mg(300), r.mg(300), r.quantity(2, "vial"), r.quantity(100))),
    st.sampled_from(("completed", "completed", "in-progress", "cancelled")),
)


def _answer(who: str, decision: str, units: int, end: date) -> Json:
    number = "N-1" if decision in ("A1", "A6") else ""
    drug, admin = ({"itemSequence": n, "adjudication": r.review(decision, number)} for n in (1, 2))
    drug["extension"] = [r.detail(r.J2350, r.quantity(units))]
    return r.claim_response(
        drug,
        admin,
        id=f"r-{who}",
        patient={"reference": f"Patient/m-{who}"},
        request={"reference": f"Claim/c-{who}"},
        preAuthRef="N-1",
        preAuthPeriod={"start": "2026-11-01", "end": end.isoformat()},
    )


answers = st.builds(
    lambda *given: ("payer", _answer(*given)),
    who,
    st.sampled_from(("A1", "A1", "A6", "A3", "A4")),
    st.sampled_from((600, 600, 300)),
    st.sampled_from((*DAYS, date(2027, 5, 31))),
)
# A patient record that turns out to be somebody else's.
identities = st.builds(
    lambda server, who, mrn: (server, patient(f"{LETTER[server]}-{who}", mrn, BORN[mrn])),
    st.sampled_from(SERVERS),
    who,
    st.sampled_from(("1", "1", "2", "9")),
)
Change = tuple[str, Json]


def treatment(who: str, mg: int) -> Iterator[Change]:
    """An order for 600 mg in a week, its visit, and what was dispensed."""
    yield "ehr", order(f"o-a{who}", 600, DAYS[1], who=f"p-{who}")
    yield "ehr", visit(f"v-a{who}", _at(DAYS[1], "09"), who=f"p-{who}")
    yield "pharmacy", dispense(f"d-a{who}", mg, who=f"x-{who}")


changes: st.SearchStrategy[Change] = st.one_of(
    orders, visits, dispenses, dispenses, answers, administrations, identities
)

#: What a person may do with a Task: the statuses of R4, and more than statuses.
STATUSES = (
    *("received", "accepted", "in-progress", "on-hold"),
    *("completed", "completed", "cancelled", "rejected", "failed", "entered-in-error"),
)
acts = st.sampled_from((*STATUSES, "note", "copy", "delete", "delete"))
pick = st.integers(0, 7)


# --- faults


class Killed(BaseException):
    """The worker's process is gone: nothing of it runs any more."""


FAULTS = (
    "killed while reading",
    "lease runs out while reading",
    "killed before the write",
    "write arrives late",
    "lease runs out before the write",
    "killed after the write",
    "answer to the write lost",
    "refused once",
    "a person is quicker",
    "disk full while reading",
    "disk full after the write",
)


class Inline(Executor):
    """Reads the sources one after the other, so that every run is the same."""

    def submit(self, fn: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
        future: Future[Any] = Future()
        try:
            future.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - as an executor does
            future.set_exception(error)
        return future


@dataclass
class Hands:
    """What people did with our Tasks, by the id of the Task."""

    words: dict[str, str] = field(default_factory=dict)  # the status that a person set
    notes: dict[str, list[str]] = field(default_factory=dict)
    copies: set[str] = field(default_factory=set)
    deleted: list[Json] = field(default_factory=list)
    remembered: list[Json] = field(default_factory=list)  # … of which the bridge had a receipt


class Life:
    """The estate, its people and its faults."""

    def __init__(self, folder: Path) -> None:
        self.estate = Estate(folder)
        self.hands = Hands()
        self.fault: str | None = None
        self.full = False  # the disk of the store, until this work ends
        self.quick: tuple[str, int] = ("note", 0)  # what the quicker person does
        self.late: list[httpx.Request] = []
        self.came_late = False  # has any of them arrived?
        self.post: list[tuple[str, str, str, bytes]] = []  # notifications on their way
        self.folder, self.notes = folder, 0
        self._made(self.estate.bridge)
        self.integrity(True)
        self.estate.servers["ehr"].around = self._at_the_worklist
        for other in ("payer", "pharmacy"):
            self.estate.servers[other].around = self._elsewhere
        for number in ("1", "2"):
            for server, letter in LETTER.items():
                self.estate.put(server, patient(f"{letter}-{number}", number, BORN[number]))
            claim = r.claim(
                r.claim_item(1, r.J2350, r.quantity(600)),
                r.claim_item(2, r.INFUSION, r.quantity(1)),
                id=f"c-{number}",
                patient={"reference": f"Patient/m-{number}"},
            )
            self.estate.put("payer", claim)

    def _made(self, bridge: Bridge) -> None:
        bridge._reconciler._gatherer._pool = Inline()
        database: Any = bridge.store._db  # type: ignore[attr-defined]  # the port has no such part
        write = database.write

        def kept(work: Any) -> Any:
            if self.full:
                raise Unwritable("store: SQLITE_FULL")
            return write(work)

        database.write = kept

    def integrity(self, kept: bool) -> None:
        """Whether servers check references, when something is written and when it is deleted."""
        for fake in self.estate.servers.values():
            fake.shelf.checks[:] = [fake.shelf._check_references] if kept else []

    def restart(self) -> None:
        self.estate.restart()
        self._made(self.estate.bridge)

    def fresh(self) -> Bridge:
        """A bridge without a past, on the same servers."""
        made = self.estate.another(store=f"sqlite:///{self.folder}/fresh.db")
        self._made(made)
        return made

    def close(self) -> None:
        self.estate.close()

    # --- what is told

    def put(self, server: str, resource: Json, telling: str) -> Json:
        stored = self.estate.put(server, resource, tell=False)
        self.tell(telling, server, f"{stored['resourceType']}/{stored['id']}", stored)
        return stored

    def remove(self, server: str, reference: str, telling: str) -> bool:
        """False: the server refused, because something refers to it."""
        shelf = self.estate.servers[server].shelf
        try:
            with shelf.unit():
                shelf.delete(*reference.split("/"))
        except Refused:
            return False
        self.tell(telling, server, reference, None)
        return True

    def tell(self, telling: str, server: str, reference: str, stored: Json | None) -> None:
        """told · twice · later · lost"""
        method, body = ("PUT", jsonio.dumps(stored)) if stored else ("DELETE", b"")
        if telling in ("told", "twice"):
            self.estate.notify(server, method, reference, body)
        if telling in ("twice", "later"):
            self.post.append((server, method, reference, body))

    # --- what people do

    def tasks(self) -> list[Json]:
        """Our Tasks, and copies of them, the oldest first."""
        found = [task for task in self.estate.tasks() if ours.name_of(task, "test")]
        return sorted(found, key=lambda task: int(task["id"].partition("-")[2]))

    def first_version(self, id_: str) -> Json:
        """A Task as it was when it was opened."""
        first = self.estate.servers["ehr"].shelf.versions("Task", id_)[0].resource
        assert first is not None
        return first

    def act(self, act: str, number: int, telling: str) -> None:
        """A person does something with one of our Tasks, if there is any."""
        tasks = [task for task in self.tasks() if act in ("note", "delete") or _alive(task)]
        if not tasks:
            return
        task: Json = jsonio.loads(jsonio.dumps(tasks[number % len(tasks)]))
        id_ = task["id"]
        if act == "delete":
            for message in self._messages_of(id_):
                self.remove("ehr", message, "lost")
            if self.remove("ehr", f"Task/{id_}", telling) and id_ not in self.hands.copies:
                self._deleted(task)
        elif act == "copy":
            shelf = self.estate.servers["ehr"].shelf
            with shelf.unit(checked=False):
                self.hands.copies.add(shelf.create("Task", task).key[1])
        elif act == "note":
            self.notes += 1
            text = f"note {self.notes}"
            self.hands.notes.setdefault(id_, []).append(text)
            task["note"] = [*task.get("note", []), {"text": text}]
            self.put("ehr", task, telling)
        else:
            self.hands.words[id_] = act
            self.put("ehr", {**task, "status": act}, telling)

    def _messages_of(self, id_: str) -> list[str]:
        return [
            "/".join(each.key)
            for each in self.estate.servers["ehr"].shelf.current("Communication")
            if each.resource and each.resource["partOf"][0]["reference"] == f"Task/{id_}"
        ]

    def _deleted(self, task: Json) -> None:
        self.hands.deleted.append(task)
        key, _, episode = str(ours.name_of(task, "test")).partition(".")
        known = self.estate.bridge.store.last_written("ehr", [key])
        if key in known and known[key].episode >= int(episode):
            self.hands.remembered.append(task)

    # --- work, and what goes wrong in it

    def work(self) -> None:
        """One worker works until nothing is due, or until it is killed or can keep nothing."""
        try:
            self.estate.work()
        except (Killed, Unwritable):
            pass
        finally:
            self.fault, self.full = None, False

    def another_works(self) -> None:
        """The lease of whoever hangs runs out; another worker does everything."""
        self.estate.clock.now += Pace().lease + timedelta(minutes=1)
        self.fault = None
        self.estate.work()

    def _at_the_worklist(self, request: httpx.Request, answer: Answer) -> httpx.Response:
        if not _is_write(request):
            if self._fault("killed while reading"):
                raise Killed
            if self._fault("lease runs out while reading"):
                found = answer(request)
                self.another_works()
                return found
            self.full |= self._fault("disk full while reading")
            return answer(request)
        self._only_ours(request)
        if self._fault("killed before the write"):
            raise Killed
        if self._fault("write arrives late"):
            self.late.append(request)
            raise Killed
        if self._fault("refused once"):
            return httpx.Response(503)
        if self._fault("a person is quicker"):
            self.act(*self.quick, "told")
        if self._fault("lease runs out before the write"):
            self.another_works()
        done = answer(request)
        if self._fault("killed after the write"):
            raise Killed
        if self._fault("answer to the write lost"):
            raise httpx.ReadTimeout("")
        self.full |= self._fault("disk full after the write")
        return done

    def _fault(self, name: str) -> bool:
        if self.fault != name:
            return False
        self.fault = None
        return True

    def arrive(self) -> None:
        """A write that hung somewhere reaches the server."""
        request, self.came_late = self.late.pop(0), True
        self.estate.servers["ehr"]._answer(request)

    def _elsewhere(self, request: httpx.Request, answer: Answer) -> httpx.Response:
        assert not _is_write(request), "only the worklist's server is written to"
        return answer(request)

    def _only_ours(self, request: httpx.Request) -> None:
        """Every entry is a Task or a Communication of ours; a change is one of a Task of ours.
        The Provenance of them has an id instead of an identifier, and is never changed."""
        assert str(request.url).rstrip("/") == self.estate.servers["ehr"].base_url
        for entry in jsonio.loads(request.read())["entry"]:
            resource, ask = entry["resource"], entry["request"]
            assert ours.TAG in resource["meta"]["tag"]
            if resource["resourceType"] == "Provenance":
                assert (ask["method"], ask["url"]) == ("PUT", f"Provenance/{resource['id']}")
                continue
            assert resource["resourceType"] in ("Task", "Communication")
            assert ours.name_of(resource, "test")
            if ask["method"] == "POST":
                assert ask["ifNoneExist"]
                continue
            assert ask["method"] == "PUT"
            assert ask["ifMatch"]
            try:
                before = self.estate.get("ehr", ask["url"])
            except Refused:
                continue  # deleted meanwhile: the server refuses it
            assert ours.name_of(before, "test") == ours.name_of(resource, "test")

    def others(self) -> Iterator[tuple[str, Json]]:
        """Everything on the servers that is not ours."""
        for name, fake in self.estate.servers.items():
            for version in fake.shelf.log:
                if fake.shelf.alive(version.key) and version == fake.shelf.version(*version.key):
                    resource = version.resource
                    if resource and ours.TAG not in resource["meta"].get("tag", []):
                        yield name, resource


def _is_write(request: httpx.Request) -> bool:
    path = request.url.path
    return request.method not in ("GET", "HEAD") and not path.endswith("/_search")


def _alive(task: Json) -> bool:
    return task["status"] in (
        *("draft", "requested", "received", "ready"),
        *("accepted", "in-progress", "on-hold"),
    )


def alive(task: Json) -> bool:
    """Somebody may still act on it."""
    return _alive(task)


def moment(life: Life) -> datetime:
    return life.estate.clock.now
