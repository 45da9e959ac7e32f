"""Questions that only a person can decide, and what becomes of the answers.

    accepted(answers, findings) -> [(answer, finding)]     of the facts as they stand
    honored(facts, accepted) -> facts                      the records, read as the person said
    contradicted(facts, accepted) -> keys                  answers that the record itself refuses
    settled(findings, accepted) -> findings                without those that were answered
    once(findings) -> findings                             a question about one record is one

A finding with `choices` is a question, and `asked` the digest of the facts that it asks about. An
answer holds for these facts alone: another digest, and it is asked again. It is never stored: it
stands in the Task in which it was given, and is read again with everything else.

The answer changes how a record is *read*, as one more fact about it: the record itself is its
author's to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from . import units
from .facts import Administration, Answer, Authorization, Fact, Order, Supply
from .findings import Finding
from .grammar import admits_both
from .plan import Said, Told
from .quantity import Amount, Quantity

#: The choices of "one infusion or two?".
SINGLE, SPLIT = "single", "split"
#: What was asked about is meant as it stands.
AS_ORDERED, AS_PLANNED = "as-ordered", "as-planned"
#: What was asked about will be put right: that is seen when it is, and no answer before.
WILL_CHANGE = frozenset({"change-order", "move-visit"})

_MASS = re.compile(r"(?:.* = )?(?P<mass>\d+(?:\.\d+)?) mg")

Accepted = Sequence[tuple[Answer, Finding]]


def masses(readings: Iterable[str]) -> dict[str, str]:
    """Readings of an amount as choices: those that are a mass, by that mass ("600 mg"). Of several
    that are one mass the first, which is the plainest, gives the words."""
    choices: dict[str, str] = {}
    for reading in readings:
        if match := _MASS.fullmatch(reading):
            choices.setdefault(f"{match['mass']} mg", reading)
    return choices


def accepted(answers: Iterable[Answer], findings: Iterable[Finding]) -> Accepted:
    """The answers to questions that are asked now, of the same facts. Two that contradict each
    other are none."""
    asked = {finding.key: finding for finding in findings if finding.choices}
    given: dict[str, dict[str, Answer]] = {}
    for answer in answers:
        finding = asked.get(answer.key)
        fits = finding is not None and answer.digest == finding.asked
        if finding and fits and answer.choice in finding.choices:
            given.setdefault(answer.key, {})[answer.choice] = answer
    return [
        (next(iter(found.values())), asked[key])
        for key, found in sorted(given.items())
        if len(found) == 1 and WILL_CHANGE.isdisjoint(found)
    ]


def settled(findings: Iterable[Finding], answers: Accepted) -> tuple[Finding, ...]:
    """The findings without the questions that were answered, for every dose that they concern."""
    done = {(finding.rule, finding.focus, finding.asked) for _, finding in answers}
    return tuple(
        each
        for each in findings
        if not (each.choices and (each.rule, each.focus, each.asked) in done)
    )


def once(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """A question that an order raises at each of its doses is asked at the first, and the others
    are folded into it: one answer settles them all."""
    asked: set[object] = set()
    made = []
    for each in findings:
        name = (each.rule, each.focus, each.asked)
        again = bool(each.choices) and name in asked
        made.append(replace(each, folded_into=each.rule) if again else each)
        if each.choices and not each.folded_into:
            asked.add(name)
    return tuple(made)


def unanswered(said: Said) -> Said:
    """A question whose answer does not fit the record counts as refused once it is completed:
    whoever completed it believes that it is decided."""
    return replace(said, told=Told.REFUSED) if said.told is Told.COMPLETED else said


def honored(facts: Iterable[Fact], answers: Accepted) -> tuple[Fact, ...]:
    """The facts as they are read with these answers."""
    return tuple(read or fact for fact, read, _ in _read(facts, answers))


def contradicted(facts: Iterable[Fact], answers: Accepted) -> frozenset[str]:
    """The keys of the questions whose answer does not fit what the record says besides."""
    return frozenset(key for _, read, key in _read(facts, answers) if read is None)


def _read(facts: Iterable[Fact], answers: Accepted) -> Iterator[tuple[Fact, Fact | None, str]]:
    """Each fact, as it is read (None: the answer does not fit it), and the key of the question."""
    by_record = {finding.focus: (answer.choice, finding) for answer, finding in answers}
    for fact in facts:
        choice, finding = by_record.get(fact.ref, ("", None))
        read = _READ.get(finding.rule) if finding else None
        if read and finding:
            yield fact, read(fact, choice, finding), finding.key
        else:
            yield fact, fact, ""


def _course(fact: Fact, choice: str, finding: Finding) -> Fact:
    """One infusion of the whole dose, or two of the half; words that left it open are answered."""
    if not isinstance(fact, Order):
        return fact
    words = (line for line in fact.text.splitlines() if not admits_both(line))
    fact = replace(fact, text="\n".join(words))
    visits = 1 if choice == SINGLE else 2
    total = finding.say.get("ordered_total")
    if not isinstance(total, Quantity):
        return replace(fact, visits=visits, answered=True)
    per_visit = _milligrams(total.value / visits)
    return replace(fact, visits=visits, per_visit=per_visit, answered=True)


def _amount(fact: Fact, choice: str, finding: Finding) -> Fact | None:
    """The amount that was asked about, in milligrams."""
    mass = Decimal(choice.removesuffix(" mg"))
    if isinstance(fact, Supply | Administration):
        return replace(fact, amount=_milligrams(mass))
    if isinstance(fact, Order):
        return replace(fact, per_visit=_milligrams(mass), answered=True)
    if isinstance(fact, Authorization):
        return _authorized(fact, mass, finding.say.get("said"))
    return fact


def _authorized(fact: Authorization, mass: Decimal, said: object) -> Authorization | None:
    """Per visit or in total: whichever says what was asked about. Where both are there, the other
    one has to fit, or the answer means something that the record does not say."""
    shown = {"per_visit": fact.per_visit, "total": fact.total}
    amounts = {name: amount for name, amount in shown.items() if amount is not None}
    meant = [
        name for name, amount in amounts.items() if said in (None, amount.as_said, amount.text)
    ]
    read = dict.fromkeys(meant, mass)
    if len(meant) == 1 and len(amounts) == 2:
        (other,) = amounts.keys() - read.keys()
        if known := _likewise(amounts[other], amounts[meant[0]], mass):
            read[other] = known
    if len(read) == 2 and not _fit(read["per_visit"], read["total"], fact.visits):
        return None
    mine = {name: _milligrams(value) for name, value in read.items()}
    return replace(
        fact,
        per_visit=mine.get("per_visit", fact.per_visit),
        total=mine.get("total", fact.total),
    )


def _likewise(other: Amount, asked: Amount, mass: Decimal) -> Decimal | None:
    """What another amount of the record is, if it is a mass or said in the same way."""
    if other.value is None:
        return None
    unit = units.read(other)
    if unit is not None and unit.kind == "mass":
        return other.value * unit.factor
    alike = (other.unit, other.code) == (asked.unit, asked.code)
    return other.value * mass / asked.value if alike and asked.value else None


def _fit(per_visit: Decimal, total: Decimal, visits: int | None) -> bool:
    """Is the total so many times what is given at a visit?"""
    if visits is not None:
        return per_visit * visits == total
    return bool(per_visit) and total % per_visit == 0


def _milligrams(value: Decimal) -> Amount:
    return Amount(value=value, unit="mg", system="http://unitsofmeasure.org", code="mg")


#: How a record is read with the answer to a rule's question. Other answers only end the question.
#: None: the answer does not fit the record.
_READ: Mapping[str, Callable[[Fact, str, Finding], Fact | None]] = {
    "single-vs-split-unclear": _course,
    "unit-ambiguous": _amount,
}
