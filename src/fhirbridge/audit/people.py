"""One person out of the index: the records of all sources that are hers, as `Gathered`.

Patient records are joined by `core.identity`, as the bridge joins them; only those that share an
identifier and a birth date, or a Patient.link, with one of a watched person are looked at. A
record that names its patient by identifier alone belongs to the one person who carries it;
where two do, it belongs to neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import tzinfo

from fhirbridge.bridge.gathering import Gathered
from fhirbridge.core.facts import Problem, Ref
from fhirbridge.core.identity import PatientRecord, join
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.read import Reading, Snapshot, read
from fhirbridge.fhir.references import locate

from .shapes import BESIDE
from .shelf import Piece, Shelf

#: More patient records than this under one identifier and birth date: a placeholder, nobody.
CROWD = 50
_REFERENCE = re.compile(rb'"reference"\s*:\s*"([^"]+)"')
#: So many references are remembered.
_KEPT = 65_536


@dataclass(frozen=True)
class Person:
    """`records` are the names of her patient records; `doubtful`: records that may be hers."""

    gathered: Gathered
    records: tuple[str, ...]
    ambiguous: tuple[str, ...]
    doubtful: tuple[Piece, ...]


class People:
    """`sight` is what each source can be believed for, by (source, kind)."""

    def __init__(
        self,
        shelf: Shelf,
        *,
        systems: frozenset[str] | None,
        zones: Mapping[str, tzinfo | None],
        bases: Mapping[str, str],
        sight: Mapping[tuple[str, str], str],
    ) -> None:
        self._shelf, self._systems, self._zones = shelf, systems, zones
        self._bases, self._sight = bases, sight
        self._names: dict[tuple[str, bytes], str | None] = {}  # by (source, reference)

    def person(self, name: str, near: Sequence[str] = ()) -> Person:
        """The person of a patient record; `near`, where that is known."""
        near = near or self.near(name)
        # Whoever is near nearly always is the same person: then all is read at once.
        readings = self._readings(self._shelf.pieces(near))
        joined = join(_patients(near, readings), self._systems)
        group = joined.group_of(name)
        names = tuple(record.ref.name for record in group)
        by_identifier, doubtful = self._by_identifier(group)
        if by_identifier or len(names) < len(near):
            readings = self._readings([*self._shelf.pieces(names), *by_identifier])
        return Person(
            gathered=self._gathered(group, readings),
            records=names,
            ambiguous=tuple(
                case.record.name for case in joined.ambiguous if case.record.name in names
            ),
            doubtful=tuple(doubtful),
        )

    def near(self, name: str) -> list[str]:
        """The patient records that may be the same person, by way of any shared name."""
        seen, ahead = {name}, {name}
        while ahead and len(seen) <= CROWD:
            found = set()
            for tie, records in self._shelf.sharing(ahead).items():
                if tie.startswith("="):
                    found |= {tie[1:], *records}
                elif len(records) <= CROWD:
                    found |= records
            ahead = found - seen
            seen |= ahead
        return sorted(seen)

    def _by_identifier(self, group: Sequence[PatientRecord]) -> tuple[list[Piece], list[Piece]]:
        """Records that name her by identifier alone: those surely hers, and the doubtful."""
        mine = {record.ref.name for record in group}
        sure: list[Piece] = []
        doubtful: list[Piece] = []
        if not self._shelf.by_identifier:
            return sure, doubtful
        carried = {each for record in group for each in record.identifiers}
        owners = [f"?{system}|{value}" for system, value, use in carried if value and use != "old"]
        for owner in self._shelf.owning(owners):
            carriers = self._shelf.tied([f"#{owner[1:]}"])
            alone = mine.issuperset(*carriers.values())
            (sure if alone else doubtful).extend(self._shelf.pieces([owner]))
        return sorted(sure), sorted(doubtful)

    def _readings(self, pieces: Iterable[Piece]) -> list[Reading]:
        """The records of each source restated, with the ones that they point at."""
        by_source: dict[str, list[bytes]] = {}
        for piece in pieces:
            by_source.setdefault(piece.source, []).append(self._shelf.read(piece))
        readings = []
        for source in sorted(by_source):
            own = by_source[source]
            beside = self._shelf.beside(self._pointed_at(source, own))
            resources, broken = [], []
            for data in (*own, *map(self._shelf.read, beside)):
                try:
                    resources.append(jsonio.loads(data))
                except jsonio.NotJson:
                    broken.append(Problem(Ref(source, "?", "?"), "not-json"))
            snapshot = Snapshot(source, resources, bases=self._bases)
            reading = read(snapshot, self._zones.get(source))
            if broken:
                reading = replace(reading, problems=(*reading.problems, *broken))
            readings.append(reading)
        return readings

    def _pointed_at(self, source: str, records: Iterable[bytes]) -> list[str]:
        """The names of Medications, Locations … that records of a source refer to."""
        if not self._shelf.has_beside:
            return []
        said = {reference for data in records for reference in _REFERENCE.findall(data)}
        return sorted({name for each in said if (name := self._name(source, each))})

    def _name(self, source: str, reference: bytes) -> str | None:
        """The name of what belongs to nobody; None where a reference means somebody's record."""
        key = source, reference
        if key not in self._names:
            if len(self._names) >= _KEPT:
                self._names.clear()
            own = [base for base, name in self._bases.items() if name == source]
            place = locate(reference.decode(errors="replace"), own)
            beside = place is not None and place.type in BESIDE
            self._names[key] = f"{source}:{place.type}/{place.id}" if place and beside else None
        return self._names[key]

    def _gathered(self, group: Sequence[PatientRecord], readings: Sequence[Reading]) -> Gathered:
        return Gathered(
            records=tuple(sorted(record.ref for record in group)),
            facts=tuple(fact for reading in readings for fact in reading.facts),
            problems=tuple(problem for reading in readings for problem in reading.problems),
            sight=self._sight,
            treated=any(each.active for each in group) and not any(each.deceased for each in group),
        )


def _patients(names: Sequence[str], readings: Iterable[Reading]) -> list[PatientRecord]:
    """Their Patient resources; a bare record for one that is only pointed at."""
    found = {record.ref.name: record for each in readings for record in each.patients}
    return [found.get(name) or PatientRecord(_ref(name)) for name in names]


def _ref(name: str) -> Ref:
    """`ehr:Patient/p-7` as a Ref."""
    source, _, place = name.partition(":")
    type_, _, number = place.partition("/")
    return Ref(source, type_, number)
