"""Pass 1: what stands in a portion of the files, as rows of the index and counts.

    take = Taking(formulary, names, bases)
    take(Portion(...)) -> Taken

A portion is read alone, by whichever process, and gives the same whoever reads it: what a portion
learns (the address of a server) is used only when all are read.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from fhirbridge.core.formulary import Formulary
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import KINDS

from .bundles import opened
from .documents import Part, documents
from .inputs import Export
from .owners import Owners
from .screen import Screen
from .shapes import BESIDE, NotARecord, Shape, reference_in, shape_of, telling
from .summary import PLACES

#: Of a table of the index.
Row = tuple[object, ...]


class Stretch(NamedTuple):
    """A part of a file. `number` is the file's in the index; `progress`: bytes on the bar."""

    number: int
    part: Part
    progress: int = 0


class Portion(NamedTuple):
    """What is read at once, of one source. Records of Bundles are copied to `copies`."""

    source: str
    wanted: frozenset[str]
    stretches: tuple[Stretch, ...]
    copies: Path
    copies_number: int


@dataclass
class Noted:
    """How often, and where first: (number of the file, line in the part)."""

    count: int = 0
    places: list[tuple[int, int]] = field(default_factory=list)


@dataclass
class Taken:
    """What a portion holds. `rows` by table of the index; keys of `notes`: (is unread, why).

    `lines`: how many each stretch has; `types`: what was read of each file; `broken`: files that
    could not be read to the end.
    """

    source: str
    rows: dict[str, list[Row]] = field(default_factory=dict)
    read: Counter[str] = field(default_factory=Counter)
    notes: dict[tuple[bool, str], Noted] = field(default_factory=dict)
    lines: list[tuple[int, int]] = field(default_factory=list)
    types: dict[int, set[str]] = field(default_factory=dict)
    broken: set[int] = field(default_factory=set)
    bases: dict[str, str] = field(default_factory=dict)
    unknown: set[str] = field(default_factory=set)
    progress: int = 0


def wanted(export: Export) -> frozenset[str]:
    """The types of an export that are read: of what it is believed for, and Patients."""
    held = export.holds if export.holds is not None else frozenset(KINDS)
    kinds = {kind for kind in held if kind in KINDS and kind != "worklist"}
    return frozenset({type_ for kind in kinds for type_ in KINDS[kind]} | {"Patient"})


class Taking:
    """`names` are those of all sources, `bases` the addresses that are configured."""

    def __init__(
        self, formulary: Formulary, names: Iterable[str], bases: Mapping[str, str]
    ) -> None:
        self._screen = Screen(formulary)
        self._names, self._bases = list(names), bases

    def __call__(self, portion: Portion) -> Taken:
        owners = Owners(portion.source, self._names, self._bases)
        return _Portion(portion, owners, self._screen).taken()


class _Portion:
    def __init__(self, portion: Portion, owners: Owners, screen: Screen) -> None:
        self._portion, self._owners, self._screen = portion, owners, screen
        self._source, self._wanted = portion.source, portion.wanted
        self._taken = Taken(portion.source)
        self._read = self._taken.read
        # (owner, type) -> file, at and size of each record, one after the other
        self._pieces: defaultdict[tuple[str, str], list[int]] = defaultdict(list)
        self._beside: list[Row] = []
        self._ties: list[Row] = []
        self._hints: set[str] = set()
        self._asks: set[tuple[str, str]] = set()
        self._drugs: list[Row] = []
        self._copied: list[bytes] = []
        self._size = 0

    def taken(self) -> Taken:
        taken, owners = self._taken, self._owners
        for stretch in self._portion.stretches:
            self._stretch(stretch)
            taken.progress += stretch.progress
        if self._copied:
            with self._portion.copies.open("wb") as out:
                out.writelines(self._copied)
        taken.rows = self._rows()
        taken.bases = owners.bases | owners.shown
        taken.unknown = owners.unknown
        return taken

    def _rows(self) -> dict[str, list[Row]]:
        """By table of the index."""
        source = self._source
        return {
            "piece": [
                (owner, type_, source, len(places) // 3, array("q", places).tobytes())
                for (owner, type_), places in self._pieces.items()
            ],
            "beside": self._beside,
            "tie": self._ties,
            "hint": [(owner,) for owner in sorted(self._hints)],
            "asks": [*sorted(self._asks)],
            "drug": self._drugs,
        }

    def _stretch(self, stretch: Stretch) -> None:
        number, part, _ = stretch
        types = self._taken.types.setdefault(number, set())
        lines = 0

        def complain(line: int, reason: str) -> None:
            nonlocal lines
            lines = line
            self._note(True, reason, number, line)

        try:
            for lines, at, data in documents(part, complain):
                try:
                    type_, shape = shape_of(data)
                    types.add(type_)
                    if type_ == "Bundle":
                        self._bundle(data, number, lines, types)
                    else:
                        self._take(type_, shape, data, (number, at, len(data)), number, lines)
                except NotARecord as error:
                    if data.isspace():
                        continue
                    reason = str(error)
                    if reason == "not-json" and _breaks_off(data):
                        reason = "cut-off"
                        self._taken.broken.add(number)
                    self._note(True, reason, number, lines)
        except OSError:
            self._taken.broken.add(number)
            self._note(True, "cannot-open", number, 0)
        self._taken.lines.append((number, lines))

    def _bundle(self, data: bytes, number: int, line: int, types: set[str]) -> None:
        inside = opened(data)
        for base in sorted(inside.bases):
            self._owners.shown.setdefault(base, self._source)
        for record in inside.records:
            try:
                type_, shape = shape_of(record)
            except NotARecord as error:
                self._note(True, str(error), number, line)
                continue
            types.add(type_)
            self._take(type_, shape, record, None, number, line)

    def _take(
        self,
        type_: str,
        shape: Shape,
        data: bytes,
        where: tuple[int, int, int] | None,
        number: int,
        line: int,
    ) -> None:
        """`where` the record lies: (file, at, size); None where it has to be copied."""
        if type_ not in self._wanted and type_ not in BESIDE:
            self._note(False, type_, number, line)
            return
        self._read[type_] += 1
        if shape.id is None:
            data, where = _with_id(data), None
            type_, shape = shape_of(data)
        owner = self._owners.of(type_, shape)
        if owner is not None:
            self._pieces[owner, type_] += where or self._copy(data)
            if type_ == "Patient":
                self._ties += [(tie, owner) for tie in sorted(self._owners.ties(shape, data))]
            elif owner not in self._hints:
                self._ask(owner, shape, data)
        elif type_ in BESIDE:
            name = f"{self._source}:{type_}/{shape.id}"
            self._beside.append((name, type_, *(where or self._copy(data))))
            if type_ == "Medication" and self._screen.lets_through(data):
                self._drugs.append((name,))
        else:
            self._note(True, "no-patient", number, line)

    def _ask(self, owner: str, shape: Shape, data: bytes) -> None:
        """May a record be about a therapy that we know, or is that a matter of the Medication?"""
        screen, elements = self._screen, telling(shape)
        if screen.lets_through(data) if elements is None else screen.tells(elements):
            self._hints.add(owner)
        elif shape.medicationReference:
            medication = reference_in(shape.medicationReference)
            if medication is not None:
                self._asks.add((owner, f"{self._source}:{_relative(medication)}"))

    def _copy(self, data: bytes) -> tuple[int, int, int]:
        at = self._size
        self._copied.append(data)
        self._size += len(data)
        return self._portion.copies_number, at, len(data)

    def _note(self, unread: bool, why: str, number: int, line: int) -> None:
        noted = self._taken.notes.setdefault((unread, why), Noted())
        noted.count += 1
        if len(noted.places) < PLACES:
            noted.places.append((number, line))


def _breaks_off(data: bytes) -> bool:
    """Whether what is no JSON is the begin of some: the last line of a file, or all of it."""
    return not data.endswith(b"\n") and data.lstrip()[:1] in (b"{", b"[")


def _with_id(data: bytes) -> bytes:
    """A record that has no id gets one that its content decides."""
    body = jsonio.loads(data)
    return jsonio.dumps({**body, "id": f"no-id-{hashlib.sha256(data).hexdigest()[:16]}"})


def _relative(reference: str) -> str:
    """`Medication/m-1` of any way to write the reference."""
    parts = reference.split("/_history/")[0].split("/")
    return "/".join(parts[-2:])
