"""Taking back what we wrote: because some day a mapping will be wrong.

    Retractor.retract(which, reason) -> what became of each Task

A Task that nobody has begun is canceled with the reason; one that a person works on gets the reason
as a note, and stays; what is closed stays closed. Whoever was told is told. Nothing is deleted.

To the policy a retracted Task is one that a person closed: the same facts do not open it again,
changed ones do. So first mend the mapping, or set the rule to `off`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime

from fhirbridge.core.plan import Do, Intent, Plan, Said, Told, Why
from fhirbridge.core.roots import ROOT_RULE
from fhirbridge.fhir.errors import Conflict, FhirError, Gone
from fhirbridge.fhir.ours import Json
from fhirbridge.fhir.said import said
from fhirbridge.store.records import WrittenTask

from .deciding import Decider
from .ports import Store
from .sending import Sender
from .sources import Source
from .worklist import Worklist
from .writing import Writer

_TRIES = 3


@dataclass(frozen=True)
class Which:
    """What is taken back: everything that all of these say (None: any)."""

    rule: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    person: str | None = None

    def spans(self, moment: datetime | None) -> bool:
        """Is this a moment of the span? One that nobody knows is of none."""
        if self.since is None and self.until is None:
            return True
        if moment is None:
            return False
        since, until = self.since or moment, self.until
        return since <= moment and (until is None or moment < until)


@dataclass(frozen=True)
class Retracted:
    """What became of one Task: canceled · noted · closed already · gone · failed (and `why`)."""

    subject: str
    task: str
    rule: str
    outcome: str
    why: str = ""


class Retractor:
    """Takes back on the worklist of one installation."""

    def __init__(
        self,
        home: Source,
        own: Worklist,
        store: Store,
        writer: Writer,
        decider: Decider,
        clock: Callable[[], datetime],
    ) -> None:
        self._home, self._own, self._store = home, own, store
        self._writer, self._decider, self._clock = writer, decider, clock

    def retract(self, which: Which, reason: str, *, dry_run: bool = False) -> Iterator[Retracted]:
        """Take back Task by Task. With `dry_run`, only say what would be done.

        Raises what reading the server's CapabilityStatement raises.
        """
        self._home.learn()
        touched: dict[str, None] = {}
        for each in self._store.written_tasks(which.person, which.since, which.until):
            done = self._one(each, which, reason, dry_run=dry_run)
            if done is None:
                continue
            if done.outcome in _DID:
                touched[each.subject] = None
            yield done
        for subject in touched if not dry_run else ():
            # The root above may say what is no longer said.
            self._store.raise_(subject, self._clock(), why="retracted")

    def _one(
        self, each: WrittenTask, which: Which, reason: str, *, dry_run: bool
    ) -> Retracted | None:
        place = f"{each.type}/{each.id}"
        for attempt in range(1, _TRIES + 1):
            try:
                task = self._read(each.id)
                spoken = said(task, self._home.name, self._decider.instance) if task else None
                if task is None or spoken is None:
                    unknown = which.rule or each.found
                    return None if unknown else Retracted(each.subject, place, "", "gone")
                if which.rule not in (None, spoken.rule):
                    return None
                if each.found and not which.spans(spoken.written):
                    return None
                do = _DO.get(spoken.told)
                if do is None:
                    return Retracted(each.subject, place, spoken.rule, "closed already")
                if not dry_run:
                    self._write(each, spoken, task, do, reason)
                return Retracted(each.subject, place, spoken.rule, _OUTCOME[do])
            except Conflict as error:
                if attempt == _TRIES:
                    return Retracted(each.subject, place, which.rule or "", "failed", str(error))
            except FhirError as error:
                return Retracted(each.subject, place, which.rule or "", "failed", str(error))
        raise AssertionError("unreachable")

    def _read(self, id_: str) -> Json | None:
        if not self._home.has_tasks:
            return self._own.get("Task", id_)
        try:
            return self._home.server.get("Task", id_)
        except Gone:
            return None

    def _write(self, each: WrittenTask, spoken: Said, task: Json, do: Do, reason: str) -> None:
        now = self._clock()
        intent = Intent(
            do=do,
            key=spoken.key,
            episode=spoken.episode,
            said=spoken,
            why=Why.RETRACTED,
            words=reason,
        )
        desk = self._writer.desk(
            home=self._home.name,
            as_of=now,
            zone=self._decider.calendar.zone,
            owners=self._decider.owners,
            tasks=[task],
        )
        plan = Plan(intents=(intent,))
        bundle = self._writer.carry_out(plan, desk)
        assert bundle is not None  # an intent always writes something
        sender = Sender(self._home, self._own, self._writer.doubled)
        try:
            sender.send(bundle, each.subject)
        finally:
            if any(receipts := sender.receipts(bundle)):
                rows = self._writer.rows(self._home.name, plan, bundle, receipts)
                # The digest stays: it was said once, and not because the figures changed.
                kept = [replace(row, digest=spoken.noted or spoken.digest) for row in rows]
                self._store.add_writes(each.subject, kept, now)


_DO = {Told.OPEN: Do.CLOSE, Told.STARTED: Do.ANNOTATE}
_OUTCOME = {Do.CLOSE: "canceled", Do.ANNOTATE: "noted"}
_DID = frozenset(_OUTCOME.values())


def roots_last(found: Iterable[Retracted]) -> list[Retracted]:
    """For people to read: the Tasks of the owners first."""
    return sorted(found, key=lambda each: (each.rule == ROOT_RULE, each.subject, each.rule))
