"""Pass 2: one person after the other, decided; what came of it as plain values.

judge.of(names) -> [Judged, …]      in whichever process
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from fhirbridge.bridge.deciding import Decider, Decision
from fhirbridge.explain import finding_json
from fhirbridge.fhir import jsonio
from fhirbridge.texts import Texts

from .people import People, Person
from .shelf import Shelf
from .summary import Account


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
        for name in names:
            if not self.shelf.is_done(name):
                yield self.of(name)

    def several(self, names: list[str]) -> list[tuple[str, Judged | None]]:
        """The same for a process that does not know who was seen: None for a record whose
        person was probably met by an earlier one."""
        return [(name, None if self._met(name) else self.of(name)) for name in names]

    def _met(self, name: str) -> bool:
        near = self.people.near(name)
        return any(each < name and self.shelf.is_watched(each) for each in near)

    def of(self, name: str) -> Judged:
        """The person of a patient record."""
        person = self.people.person(name)
        decision = self.decider.decide(person.gathered, self.as_of)
        if not decision.ledger.therapies:
            return Judged(person.records)
        findings = decision.judgement.findings
        rows = [
            finding_json(each, decision, self.texts)
            for each in findings
            if each.folded_into is None
        ]
        rows.sort(key=_urgency)
        ranked = [
            # A person's findings stand together, the person with the most urgent one first.
            ("\x1f".join((*_urgency(rows[0])[:2], row["patient"], f"{n:04}")), jsonio.dumps(row))
            for n, row in enumerate(rows)
        ]
        return Judged(person.records, tuple(ranked), _account(person, decision))


def _account(person: Person, decision: Decision) -> Account:
    """What was understood of a person."""
    judgement = decision.judgement
    shown = [each for each in judgement.findings if each.folded_into is None]
    return Account(
        joined=len(person.records) > 1,
        ambiguous=person.ambiguous,
        doubtful=tuple((p.source, f"{person.records[0]} {p.type}") for p in person.doubtful),
        facts=len(person.gathered.facts),
        occasions=len(judgement.standing),
        links=Counter(tie.tier for each in decision.ledger.occasions for tie in each.ties.values()),
        loose=tuple(fact.ref.name for fact in decision.ledger.loose),
        problems=tuple((p.ref.source, p.reason, p.ref.name) for p in person.gathered.problems),
        findings=Counter(each.rule for each in shown),
        severities=Counter(each.severity.value for each in shown),
        folded=len(judgement.findings) - len(shown),
        cannot_tell=Counter(
            each.rule for each in judgement.verdicts if each.outcome == "cannot tell"
        ),
    )


def _urgency(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return row["severity"], row["due"] or "9999", row["key"]
