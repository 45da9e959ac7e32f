"""Identity: which patient records of several servers are one person.

    join(records, systems) -> Joined(groups, ambiguous)

Two records of *different* sources are one person when they carry the same value of a shared
identifier system **and** the same full birth date: member ids are shared by families, and a
medical record number alone has been typed wrong before. An identifier of `use=old` joins
nothing. Two records of *one* source are one person only where a Patient.link says so
(replaced-by, replaces, refer, seealso).

Where a record could be either of two records of another source, it is joined to neither: the
candidates are returned as ambiguous for a person to decide (`link-ambiguous`), never merged.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from .facts import Ref


@dataclass(frozen=True, slots=True)
class PatientRecord:
    """What a Patient resource says that matters for joining it with others.

    `identifiers`: (system, value, use). `birth_date` as written, a full date or None. `links`:
    (name of the other record, type of the link).
    """

    ref: Ref
    identifiers: tuple[tuple[str, str, str], ...] = ()
    birth_date: str | None = None
    links: tuple[tuple[str, str], ...] = ()
    active: bool = True
    deceased: bool = False


@dataclass(frozen=True, slots=True)
class Ambiguity:
    """A record that may be any of several records of one other source."""

    record: Ref
    candidates: tuple[Ref, ...]


@dataclass(frozen=True, slots=True)
class Joined:
    """One group for each person, in order of their first record; no record is in two."""

    groups: tuple[tuple[PatientRecord, ...], ...]
    ambiguous: tuple[Ambiguity, ...] = ()

    def group_of(self, name: str) -> tuple[PatientRecord, ...]:
        """The records of the person of whom one record is named so; empty when unknown."""
        return next((g for g in self.groups if any(r.ref.name == name for r in g)), ())


def join(records: Iterable[PatientRecord], systems: frozenset[str] | None = None) -> Joined:
    """Group records by person.

    `systems` are the identifier systems declared as shared; None (the default of an audit,
    where nobody declared any) takes every identifier that has a system.
    """
    known = {record.ref: record for record in sorted(records, key=lambda record: record.ref)}
    same = _linked_within_a_source(known)  # record -> the record that stands for its cluster
    near = _near(known.values(), systems, same)
    doubtful: list[Ambiguity] = []
    for record, others in sorted(near.items()):
        doubtful += [Ambiguity(record, tuple(rivals)) for rivals in _rivals(others)]
    for case in doubtful:
        _cut(near, case.record)
    person = _components(near)
    for members in sorted({frozenset(group) for group in person.values()}, key=min):
        # Nobody had two candidates, yet by way of a third source two records of one source
        # would become one person: nothing across sources is believed then.
        for rivals in _rivals(members):
            outside = min(ref for ref in members if ref.source != rivals[0].source)
            doubtful.append(Ambiguity(outside, tuple(rivals)))
            for ref in members:
                person[ref] = [ref]
    groups: dict[Ref, list[PatientRecord]] = defaultdict(list)
    for entry in known.values():
        groups[min(person[same[entry.ref]])].append(entry)
    return Joined(tuple(tuple(groups[first]) for first in sorted(groups)), tuple(doubtful))


def _linked_within_a_source(known: Mapping[Ref, PatientRecord]) -> dict[Ref, Ref]:
    """For each record, the lowest record of its source that Patient.links tie it to."""
    near: dict[Ref, set[Ref]] = {ref: set() for ref in known}
    named = {ref.name: ref for ref in known}
    for ref, record in known.items():
        for name, _ in record.links:
            other = named.get(name)
            if other is not None and other.source == ref.source:
                near[ref].add(other)
                near[other].add(ref)
    return {ref: min(group) for ref, group in _components(near).items()}


def _near(
    records: Iterable[PatientRecord], systems: frozenset[str] | None, same: Mapping[Ref, Ref]
) -> dict[Ref, set[Ref]]:
    """Clusters that share an identifier and a birth date with clusters of other sources."""
    holders: dict[tuple[str, str, str], set[Ref]] = defaultdict(set)
    near: dict[Ref, set[Ref]] = {ref: set() for ref in same.values()}
    for record in records:
        if record.birth_date is None:
            continue
        for system, value, use in record.identifiers:
            shared = system in systems if systems is not None else bool(system)
            if shared and value and use != "old":
                holders[system, value, record.birth_date].add(same[record.ref])
    for group in holders.values():
        for ref in group:
            near[ref].update(other for other in group if other.source != ref.source)
    return near


def _rivals(refs: Iterable[Ref]) -> list[list[Ref]]:
    """Of each source that occurs more than once, its refs in order."""
    by_source: dict[str, list[Ref]] = defaultdict(list)
    for ref in sorted(refs):
        by_source[ref.source].append(ref)
    return [rivals for rivals in by_source.values() if len(rivals) > 1]


def _cut(near: dict[Ref, set[Ref]], ref: Ref) -> None:
    for other in near[ref]:
        near[other].discard(ref)
    near[ref] = set()


def _components(near: Mapping[Ref, set[Ref]]) -> dict[Ref, list[Ref]]:
    """For each ref, all refs that can be reached from it (itself too)."""
    found: dict[Ref, list[Ref]] = {}
    for start in near:
        if start in found:
            continue
        group, ahead = {start}, [start]
        while ahead:
            fresh = near[ahead.pop()] - group
            group |= fresh
            ahead += fresh
        members = sorted(group)
        found.update((ref, members) for ref in members)
    return found
