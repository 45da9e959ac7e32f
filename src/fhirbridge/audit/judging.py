"""Pass 2: one person after the other, decided; what came of it as plain values.

judge.each(names) -> Judged, …      the persons of these patient records
judge.some(names)                   the same in a process that sees only some of them
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Any, NamedTuple

from fhirbridge.bridge.deciding import Case, Decider
from fhirbridge.core.findings import Finding
from fhirbridge.explain import finding_json
from fhirbridge.fhir import jsonio
from fhirbridge.texts import Texts

from .people import People, Person
from .shelf import Shelf
from .summary import Account

#: So many persons are read one after the other, and then decided: the processor does the same work
#: in a row faster than two kinds by turns.
_TOGETHER = 10


class Judged(NamedTuple):
    """`records`: the names of the person's patient records. `findings`: (rank, JSON). `account`
    is None where she has no therapy that we know."""

    records: tuple[str, ...]
    findings: tuple[tuple[str, bytes], ...] = ()
    account: Account | None = None


@dataclass(frozen=True)
class Judge:
    people: People
    shelf: Shelf
    decider: Decider
    texts: Texts
    as_of: datetime

    def each(self, names: Iterable[str]) -> Iterator[Judged]:
        """The persons of these patient records, each once."""
        for several in batches(names, _TOGETHER):
            persons: list[Person] = []
            done = self.shelf.done_of(several)
            for name in several:
                if name not in done:
                    person = self.people.person(name)
                    persons.append(person)
                    done.update(person.records)
            self.shelf.done(done)
            yield from map(self._judged, persons)

    def some(self, names: Sequence[str]) -> list[tuple[str, Judged | None]]:
        """The same for a process that does not know who was seen: None for a record whose
        person was probably met by an earlier one."""
        persons = {}
        for name in names:
            near = self.people.near(name)
            if not any(each < name and self.shelf.is_watched(each) for each in near):
                persons[name] = self.people.person(name, near)
        return [(n, self._judged(persons[n]) if n in persons else None) for n in names]

    def of(self, name: str) -> Judged:
        """The person of a patient record."""
        return self._judged(self.people.person(name))

    def _judged(self, person: Person) -> Judged:
        case = self.decider.case(person.gathered, self.as_of)
        if not case.ledger.therapies:
            return Judged(person.records)
        shown = [each for each in case.judgement.findings if each.folded_into is None]
        rows = [finding_json(each, case.person, self.texts) for each in shown]
        rows.sort(key=_urgency)
        ranked = [
            # A person's findings stand together, the person with the most urgent one first.
            ("\x1f".join((*_urgency(rows[0])[:2], row["patient"], f"{n:04}")), jsonio.dumps(row))
            for n, row in enumerate(rows)
        ]
        return Judged(person.records, tuple(ranked), _account(person, case, shown))


def _account(person: Person, case: Case, shown: Sequence[Finding]) -> Account:
    """What was understood of a person."""
    judgement, ledger = case.judgement, case.ledger
    return Account(
        joined=len(person.records) > 1,
        ambiguous=person.ambiguous,
        doubtful=tuple((p.source, f"{person.records[0]} {p.type}") for p in person.doubtful),
        facts=len(person.gathered.facts),
        occasions=len(judgement.standing),
        links=[tie.tier for each in ledger.occasions for tie in each.ties.values()],
        loose=[fact.ref.name for fact in ledger.loose],
        problems=[(p.ref.source, p.reason, p.ref.name) for p in person.gathered.problems],
        findings=[each.rule for each in shown],
        severities=[each.severity.value for each in shown],
        folded=len(judgement.findings) - len(shown),
        cannot_tell=[
            rule
            for here in judgement.answers.values()
            for rule, (outcome, _) in here.items()
            if outcome == "cannot tell"
        ],
    )


def _urgency(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["severity"], row["due"] or "9999", row["key"]


def batches(names: Iterable[str], size: int) -> Iterator[list[str]]:
    """The names, so many at a time."""
    ahead = iter(names)
    while batch := list(islice(ahead, size)):
        yield batch
