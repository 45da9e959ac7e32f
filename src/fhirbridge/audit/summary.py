"""What an audit read, linked and did not understand, and how many findings of each rule.

Counts and places only: a place is `file:line` or a reference, never what stands there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from fhirbridge.fhir.kinds import KINDS

#: How many places of each trouble are named.
PLACES = 5

#: Reason -> what it means and what to do, for records that could not be taken in.
REASONS: Mapping[str, str] = {
    "html": "HTML, not FHIR: the export saved an error or sign-in page",
    "xml": "XML: export it as JSON",
    "not-json": "no JSON: broken off or damaged",
    "not-a-resource": "JSON, but no FHIR resource (no resourceType)",
    "not-a-bundle": "a Bundle whose entries cannot be told apart",
    "no-patient": "names no patient, or several",
    "unknown-server": "the patient is on a server whose address is none of these sources'; "
    "give it as base_url in the configuration",
    "two-patients": "names its patient by an identifier that several persons carry",
    "nobody": "names its patient by an identifier that no Patient carries",
    "no-id": "has no id and no fullUrl",
    "cut-off": "the file ends in the middle: what it held is not believed complete",
    "cannot-open": "the file cannot be read: its records are not believed complete",
    "too-long": "a line of more than 256 MB",
}


@dataclass
class Tally:
    """How often, and where first."""

    count: int = 0
    places: list[str] = field(default_factory=list)

    def add(self, place: str, times: int = 1) -> None:
        self.count += times
        if len(self.places) < PLACES:
            self.places.append(place)

    @property
    def as_json(self) -> dict[str, Any]:
        return {"count": self.count, "places": self.places}


class Account(NamedTuple):
    """What was understood of one person: her part of the `Summary`, which explains the fields.

    `doubtful`: (source, place); `problems`: (source, reason, place).
    """

    joined: bool
    ambiguous: Sequence[str]
    doubtful: Sequence[tuple[str, str]]
    facts: int
    occasions: int
    links: Sequence[int]
    loose: Sequence[str]
    problems: Sequence[tuple[str, str, str]]
    findings: Sequence[str]
    severities: Sequence[str]
    folded: int
    cannot_tell: Sequence[str]


@dataclass
class Summary:
    """The account of one audit. Keys of two parts are (source, …)."""

    as_of: str = ""
    files: dict[str, int] = field(default_factory=dict)
    holds: dict[str, list[str]] = field(default_factory=dict)
    read: Counter[tuple[str, str]] = field(default_factory=Counter)  # (source, type)
    unused: dict[tuple[str, str], Tally] = field(default_factory=dict)  # (source, type)
    unread: dict[tuple[str, str], Tally] = field(default_factory=dict)  # (source, reason)
    problems: dict[tuple[str, str], Tally] = field(default_factory=dict)  # (source, reason)
    addresses: dict[str, str] = field(default_factory=dict)  # of a server -> source
    patients: int = 0  # patient records
    unnamed: Tally = field(default_factory=Tally)  # … that are pointed at, and not there
    persons: int = 0  # persons with a therapy that we know
    joined: int = 0  # … who have several patient records
    ambiguous: Tally = field(default_factory=Tally)  # records that may be several persons'
    occasions: int = 0  # that still have to happen
    facts: int = 0
    links: Counter[int] = field(default_factory=Counter)  # by tier
    loose: Tally = field(default_factory=Tally)  # of a known therapy, but of no dose
    findings: Counter[str] = field(default_factory=Counter)  # by rule
    severities: Counter[str] = field(default_factory=Counter)
    folded: int = 0  # consequences of another finding, not counted
    cannot_tell: Counter[str] = field(default_factory=Counter)  # by rule

    def note(
        self,
        where: dict[tuple[str, str], Tally],
        source: str,
        why: str,
        place: str,
        times: int = 1,
    ) -> None:
        """Count something, where it was seen."""
        where.setdefault((source, why), Tally()).add(place, times)

    def add(self, person: Account) -> None:
        """Count a person."""
        self.persons += 1
        self.joined += person.joined
        for name in person.ambiguous:
            self.ambiguous.add(name)
        for source, place in person.doubtful:
            self.note(self.unread, source, "two-patients", place)
        self.facts += person.facts
        self.occasions += person.occasions
        self.links.update(person.links)
        for name in person.loose:
            self.loose.add(name)
        for source, reason, place in person.problems:
            self.note(self.problems, source, reason, place)
        self.findings.update(person.findings)
        self.severities.update(person.severities)
        self.folded += person.folded
        self.cannot_tell.update(person.cannot_tell)

    @property
    def found(self) -> int:
        return sum(self.findings.values())

    @property
    def as_json(self) -> dict[str, Any]:
        """The summary for machines."""
        return {
            "as_of": self.as_of,
            "sources": {
                name: {
                    "files": self.files[name],
                    "holds": self.holds.get(name, []),
                    "read": {t: n for (s, t), n in sorted(self.read.items()) if s == name},
                    "unused": {t: each.count for t, each in _of(self.unused, name)},
                    "unread": {why: each.as_json for why, each in _of(self.unread, name)},
                    "problems": {why: each.as_json for why, each in _of(self.problems, name)},
                }
                for name in sorted(self.files)
            },
            "addresses": self.addresses,
            "persons": {
                "patient_records": self.patients,
                "with_known_therapy": self.persons,
                "of_several_records": self.joined,
                "ambiguous": self.ambiguous.as_json,
                "without_patient": self.unnamed.as_json,
            },
            "linked": {
                "facts": self.facts,
                "open_occasions": self.occasions,
                "by_tier": {str(tier): n for tier, n in sorted(self.links.items())},
                "to_no_dose": self.loose.as_json,
            },
            "findings": dict(sorted(self.findings.items())),
            "severities": dict(sorted(self.severities.items())),
            "folded": self.folded,
            "cannot_tell": dict(sorted(self.cannot_tell.items())),
        }

    @property
    def text(self) -> str:
        """The summary for people."""
        return "\n".join(
            [*self._read_lines(), *self._linked_lines(), *self._trouble_lines(), *self._result()]
        )

    def _read_lines(self) -> list[str]:
        lines = ["Read"]
        for name in sorted(self.files):
            types = {t: n for (source, t), n in self.read.items() if source == name}
            said = ", ".join(f"{n:,} {t}" for t, n in sorted(types.items())) or "nothing"
            lines.append(f"  {name}: {_count(self.files[name], 'file')}: {said}")
            holds = ", ".join(self.holds.get(name, [])) or "nothing"
            lines.append(f"    believed for: {holds}")
            unused = [f"{each.count:,} {t}" for t, each in _of(self.unused, name)]
            if unused:
                lines.append(f"    not needed: {', '.join(unused)}")
        missing = (
            KINDS.keys() - {"worklist"} - {kind for held in self.holds.values() for kind in held}
        )
        if missing:
            lines.append(f"  no source is believed for: {', '.join(sorted(missing))}")
        return lines

    def _linked_lines(self) -> list[str]:
        tiers = {0: "by reference", 1: "by identifier", 2: "by order of time"}
        ways = ", ".join(f"{n:,} {tiers.get(t, t)}" for t, n in sorted(self.links.items()))
        lines = ["Linked"]
        lines.append(
            f"  {_count(self.patients, 'patient record')}, "
            f"{_count(self.persons, 'person')} with a known therapy, "
            f"{self.joined:,} of them on several records"
        )
        lines.append(
            f"  {_count(self.facts, 'fact')} of these, "
            f"{_count(self.occasions, 'dose')} still to come; links: {ways or 'none'}"
        )
        lines += [f"  {base} is taken for {name}" for base, name in self.addresses.items()]
        if self.unnamed.count:
            lines.append(
                f"  {_count(self.unnamed.count, 'patient')} without a Patient resource: not joined"
                f" with other sources{_places(self.unnamed)}"
            )
        if self.loose.count:
            lines.append(f"  {self.loose.count:,} belong to no dose{_places(self.loose)}")
        if self.ambiguous.count:
            lines.append(
                f"  {self.ambiguous.count:,} may be one of several persons{_places(self.ambiguous)}"
            )
        return lines

    def _trouble_lines(self) -> list[str]:
        lines = []
        for title, where in (("Could not be read", self.unread), ("Doubtful", self.problems)):
            if where:
                lines.append(title)
            for (source, why), each in sorted(where.items()):
                means = f" ({REASONS[why]})" if why in REASONS else ""
                lines.append(f"  {source}: {each.count:,} × {why}{means}{_places(each)}")
        return lines

    def _result(self) -> list[str]:
        lines = [f"Findings as of {self.as_of}"]
        if self.found:
            levels = ", ".join(f"{n:,} {level}" for level, n in sorted(self.severities.items()))
            lines.append(f"  {self.found:,} altogether: {levels} (S1 is the most severe)")
            lines += _counts(self.findings)
        else:
            lines.append("  none")
        if self.folded:
            lines.append(f"  {self.folded:,} more are consequences of these and not shown")
        if self.cannot_tell:
            lines.append(
                "Doses that a rule could not judge, for want of a source or a clear record"
            )
            lines += _counts(self.cannot_tell)
        return lines


def _counts(rules: Mapping[str, int]) -> list[str]:
    """How many of each rule, the numbers below one another."""
    width = max(len(f"{n:,}") for n in rules.values())
    return [f"  {n:{width},}  {rule}" for rule, n in sorted(rules.items())]


def _of(where: Mapping[tuple[str, str], Tally], name: str) -> list[tuple[str, Tally]]:
    return [(why, each) for (source, why), each in sorted(where.items()) if source == name]


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def _places(tally: Tally) -> str:
    more = ", …" if tally.count > len(tally.places) else ""
    return f": {', '.join(tally.places)}{more}" if tally.places else ""
