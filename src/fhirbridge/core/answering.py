"""Questions that only a person can decide, and what becomes of the answers.

    accepted(answers, findings) -> [(answer, finding)]     of the facts as they stand
    honored(facts, accepted) -> facts                      the records, read as the person said
    settled(findings, accepted) -> findings                without those that were answered

A finding with `choices` is a question, and `asked` the digest of the facts that it asks about. An
answer holds for these facts alone: another digest, and it is asked again. It is never stored: it
stands in the Task in which it was given, and is read again with everything else.

The answer changes how a record is *read*, as one more fact about it: the record itself is its
author's to change.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal

from .facts import Administration, Answer, Authorization, Fact, Order, Supply
from .findings import Finding
from .grammar import admits_both
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
    """Readings of an amount as choices: those that are a mass, by that mass ("600 mg")."""
    found = ((_MASS.fullmatch(reading), reading) for reading in readings)
    return {f"{match['mass']} mg": reading for match, reading in found if match}


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


def honored(facts: Iterable[Fact], answers: Accepted) -> tuple[Fact, ...]:
    """The facts as they are read with these answers."""
    by_record = {finding.focus: (answer.choice, finding) for answer, finding in answers}
    made = []
    for fact in facts:
        choice, finding = by_record.get(fact.ref, ("", None))
        read = _READ.get(finding.rule) if finding else None
        made.append(read(fact, choice, finding) if read and finding else fact)
    return tuple(made)


def _course(fact: Fact, choice: str, finding: Finding) -> Fact:
    """One infusion of the whole dose, or two of the half; words that left it open are answered."""
    if not isinstance(fact, Order):
        return fact
    words = (line for line in fact.text.splitlines() if not admits_both(line))
    fact = replace(fact, text="\n".join(words))
    visits = 1 if choice == SINGLE else 2
    total = finding.say.get("ordered_total")
    if not isinstance(total, Quantity):
        return replace(fact, visits=visits)
    return replace(fact, visits=visits, per_visit=_milligrams(total.value / visits))


def _amount(fact: Fact, choice: str, _: Finding) -> Fact:
    """An amount in milligrams, where a record has only one that could be meant."""
    amount = _milligrams(Decimal(choice.removesuffix(" mg")))
    if isinstance(fact, Supply | Administration):
        return replace(fact, amount=amount)
    if isinstance(fact, Order):
        return replace(fact, per_visit=amount)
    if isinstance(fact, Authorization):
        said = [name for name in ("per_visit", "total") if getattr(fact, name) is not None]
        if said == ["per_visit"]:
            return replace(fact, per_visit=amount)
        if said == ["total"]:
            return replace(fact, total=amount)
    return fact


def _milligrams(value: Decimal) -> Amount:
    return Amount(value=value, unit="mg", system="http://unitsofmeasure.org", code="mg")


#: How a record is read with the answer to a rule's question. Other answers only end the question.
_READ: Mapping[str, Callable[[Fact, str, Finding], Fact]] = {
    "single-vs-split-unclear": _course,
    "unit-ambiguous": _amount,
}
