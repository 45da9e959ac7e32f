"""The two passes of an audit (see the package's first lines)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from fhirbridge.bridge.deciding import Decider, Decision
from fhirbridge.bridge.gathering import COMPLETE, CUT
from fhirbridge.explain import finding_json
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import KINDS, kind_of
from fhirbridge.texts import Texts

from .bundles import opened
from .heads import BESIDE, OWNED, Head, Heads, NotARecord
from .inputs import Document, Export, documents
from .people import People, Person
from .screen import Screen
from .shelf import Shelf
from .summary import Summary

#: Told how many bytes were read since it was told last.
Progress = Callable[[int], None]


def no_progress(_: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Audit:
    """`systems`: identifier systems that join patient records, None for any; `bases`: address of
    a server -> source; `zones`: time zone of a source, where it is known."""

    decider: Decider
    texts: Texts
    systems: frozenset[str] | None = None
    bases: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, tzinfo | None] = field(default_factory=dict)

    def over(
        self, exports: Sequence[Export], as_of: datetime, progress: Progress = no_progress
    ) -> Result:
        """Read and decide everything. The result is closed by its user."""
        shelf = Shelf()
        try:
            return self._over(shelf, exports, as_of, progress)
        except BaseException:
            shelf.close()
            raise

    def _over(
        self, shelf: Shelf, exports: Sequence[Export], as_of: datetime, progress: Progress
    ) -> Result:
        summary = Summary(as_of=as_of.isoformat())
        heads = Heads([export.name for export in exports], self.bases)
        cut: set[tuple[str, str]] = set()
        screen = Screen(self.decider.formulary)
        for export in exports:
            summary.files[export.name] = len(export.files)
            taking = Taking(export, heads, screen, shelf, summary)
            for file in export.files:
                taking.file(file, progress)
            cut |= taking.cut
        shelf.sort()
        _settle(shelf, heads, [export.name for export in exports], summary)
        summary.patients = shelf.owners()
        people = People(
            shelf,
            systems=self.systems,
            zones=self.zones,
            bases=heads.bases,
            sight=_sight(exports, summary, cut),
        )
        for name in shelf.watched():
            person = people.person(name)
            if person is not None:
                self._judge(person, as_of, shelf, summary)
        return Result(shelf, summary)

    def _judge(self, person: Person, as_of: datetime, shelf: Shelf, summary: Summary) -> None:
        decision = self.decider.decide(person.gathered, as_of)
        if not decision.ledger.therapies:
            return
        _account(person, decision, summary)
        rows = []
        for finding in decision.judgement.findings:
            if finding.folded_into is not None:
                summary.folded += 1
                continue
            summary.findings[finding.rule] += 1
            summary.severities[finding.severity.value] += 1
            rows.append(finding_json(finding, decision, self.texts))
        rows.sort(key=_urgency)
        for number, row in enumerate(rows):
            # A person's findings stand together, the person with the most urgent one first.
            rank = "\x1f".join((*_urgency(rows[0])[:2], row["patient"], f"{number:04}"))
            shelf.put("finding", rank, jsonio.dumps(row))


@dataclass(frozen=True)
class Result:
    """What an audit found; its index is on disk until it is closed."""

    shelf: Shelf
    summary: Summary

    def findings(self) -> Iterator[dict[str, Any]]:
        """Person by person, the most urgent first."""
        for body in self.shelf.findings():
            yield jsonio.loads(body)

    def lines(self) -> Iterator[bytes]:
        """The same as JSON, one finding on each line."""
        return self.shelf.findings()

    def close(self) -> None:
        self.shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class Taking:
    """Pass 1 over one source: every record to its place in the index."""

    def __init__(
        self, export: Export, heads: Heads, screen: Screen, shelf: Shelf, summary: Summary
    ) -> None:
        self.export, self.heads, self.screen = export, heads, screen
        self.shelf, self.summary = shelf, summary
        self.cut: set[tuple[str, str]] = set()  # (source, kind) that a file may have held more of
        held = export.holds if export.holds is not None else frozenset(KINDS)
        kinds = {kind for kind in held if kind in KINDS and kind != "worklist"}
        self.wanted = {type_ for kind in kinds for type_ in KINDS[kind]} | {"Patient"}

    def file(self, path: Path, progress: Progress) -> None:
        """Take in one file."""
        name, number = self.export.name, None
        before = dict(self.summary.read)

        def complain(line: int, reason: str) -> None:
            self._unread(reason, f"{path}:{line}" if line else str(path))
            if reason != "too-long":
                self._cut(before)

        for document in documents(path, complain, progress):
            place = f"{path}:{document.line}"
            try:
                head = self.heads.of(document.data, name)
                if head.type == "Bundle":
                    self._bundle(document.data, place)
                    continue
                if number is None and document.at is not None:
                    number = self.shelf.add_file(path)
                self._take(head, document, number, place)
            except NotARecord as error:
                self._unread(str(error), place)

    def _bundle(self, data: bytes, place: str) -> None:
        inside = opened(data)
        for base in sorted(inside.bases):
            self.heads.bases.setdefault(base, self.export.name)
        for record in inside.records:
            try:
                head = self.heads.of(record, self.export.name)
            except NotARecord as error:
                self._unread(str(error), place)
                continue
            self._take(head, Document(0, None, record), None, place)

    def _take(self, head: Head, document: Document, number: int | None, place: str) -> None:
        source, data = self.export.name, document.data
        if head.type not in self.wanted and head.type not in BESIDE:
            self.summary.note(self.summary.unused, source, head.type, place)
            return
        self.summary.read[source, head.type] += 1
        if head.id is None:
            data, number = _with_id(data), None
            head = self.heads.of(data, source)
        if head.type in OWNED and head.owner is None:
            self._unread("no-patient", place)
            return
        if number is None or document.at is None:
            where = self.shelf.copy(data)
        else:
            where = number, document.at, len(data)
        if head.type in BESIDE:
            name = f"{source}:{head.type}/{head.id}"
            self.shelf.put("beside", name, head.type, source, *where)
            if head.type == "Medication" and self.screen.lets_through(data):
                self.shelf.put("drug", name)
            return
        assert head.owner is not None
        self.shelf.put("piece", head.owner, head.type, source, *where)
        if head.type == "Patient":
            for tie in self.heads.ties(data, source):
                self.shelf.put("tie", tie, head.owner)
            return
        if self.screen.lets_through(data):
            self.shelf.put("hint", head.owner)
        elif head.medication is not None:
            self.shelf.put("asks", head.owner, f"{source}:{_relative(head.medication)}")

    def _unread(self, reason: str, place: str) -> None:
        self.summary.note(self.summary.unread, self.export.name, reason, place)

    def _cut(self, before: Mapping[tuple[str, str], int]) -> None:
        """A file broke off: what it held so far may be incomplete; if nothing, everything."""
        name = self.export.name
        types = {
            t for (s, t), n in self.summary.read.items() if s == name and n > before.get((s, t), 0)
        }
        kinds = {kind for each in types if (kind := kind_of(each))}
        self.cut |= {(name, kind) for kind in kinds or KINDS}


def _settle(shelf: Shelf, heads: Heads, sources: Sequence[str], summary: Summary) -> None:
    """Whose are the records whose patients were named by an address or an identifier alone?"""
    for base in sorted(heads.unknown):
        home = heads.bases.get(base) or shelf.lives(base, sources)
        if home is not None:
            heads.bases[base] = home
            shelf.move(base, home)
    shelf.watch()
    summary.addresses = dict(sorted(heads.bases.items()))
    for source, address, count in shelf.strangers():
        summary.note(summary.unread, source, "unknown-server", address, count)
    for source, type_, count in shelf.nobodys():
        summary.note(summary.unread, source, "nobody", type_, count)
    for name in shelf.unnamed():
        summary.unnamed.add(name)


def _with_id(data: bytes) -> bytes:
    """A record that has no id gets one that its content decides."""
    body = jsonio.loads(data)
    return jsonio.dumps({**body, "id": f"no-id-{hashlib.sha256(data).hexdigest()[:16]}"})


def _relative(reference: str) -> str:
    """`Medication/m-1` of any way to write the reference."""
    parts = reference.split("/_history/")[0].split("/")
    return "/".join(parts[-2:])


#: Vital signs stand in every chart: that there are Observations does not show that the results of
#: a laboratory are kept here, so that the lack of one would mean something. A report does.
_ANYWHERE = frozenset({"Observation"})


def _sight(
    exports: Sequence[Export], summary: Summary, cut: set[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """What each source is believed for: as it was said, else what is in it."""
    sight = {}
    for export in exports:
        present = {kind_of(t) for (s, t) in summary.read if s == export.name and t not in _ANYWHERE}
        held = export.holds if export.holds is not None else {kind for kind in present if kind}
        summary.holds[export.name] = sorted(held)
        for kind in held:
            sight[export.name, kind] = CUT if (export.name, kind) in cut else COMPLETE
    return sight


def _account(person: Person, decision: Decision, summary: Summary) -> None:
    """Count what was understood of a person."""
    summary.persons += 1
    summary.joined += len(person.records) > 1
    for name in person.ambiguous:
        summary.ambiguous.add(name)
    for piece in person.doubtful:
        summary.note(
            summary.unread, piece.source, "two-patients", f"{person.records[0]} {piece.type}"
        )
    summary.facts += len(person.gathered.facts)
    summary.occasions += len(decision.judgement.standing)
    for occasion in decision.ledger.occasions:
        summary.links.update(tie.tier for tie in occasion.ties.values())
    for fact in decision.ledger.loose:
        summary.loose.add(fact.ref.name)
    for problem in person.gathered.problems:
        summary.note(summary.problems, problem.ref.source, problem.reason, problem.ref.name)
    for verdict in decision.judgement.verdicts:
        if verdict.outcome == "cannot tell":
            summary.cannot_tell[verdict.rule] += 1


def _urgency(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["severity"], row["due"] or "9999", row["key"]
