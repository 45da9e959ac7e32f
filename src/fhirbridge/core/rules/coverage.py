"""Coverage: is the patient insured on the day, and by the payer that approved the dose?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from fhirbridge.core import units
from fhirbridge.core.authorizing import IN_FORCE, speaks_of
from fhirbridge.core.facts import Coverage, Party, Problem, Requirement, State
from fhirbridge.core.findings import Finding, Severity
from fhirbridge.core.quantity import Amount, Measured, Quantity

from .base import Rule
from .rows import DRUG, INFUSION_CENTER, PAYER, PRESCRIBER
from .scene import Scene


def _lapsed(scene: Scene) -> Iterable[Finding]:
    """Coverages are known, and none of them is active on the day of the dose."""
    day = scene.day
    if not scene.actionable or day is None:
        return
    known = scene.ledger.coverages
    answered = [
        fact
        for _, fact in scene.occasion.requirements
        if fact.in_force is not None and fact.span.covers(day)
    ]
    lapsed = bool(known) and not any(_covers(each, day) for each in known)
    if not lapsed and {fact.in_force for fact in answered} != {False}:
        return
    ends = [c.span.end for c in known if c.span.end and c.span.end < day]
    last = max(known, key=lambda c: (c.span.end or date.min, c.ref), default=None)
    yield scene.finding(
        focus=last.ref if last else None,
        until=max(ends, default=None) if lapsed else None,
        evidence=[each.ref for each in (*known, *answered)],
    )


def _covers(coverage: Coverage, day: date) -> bool:
    return coverage.state is State.ACTIVE and coverage.span.covers(day)


def _payer_changed(scene: Scene) -> Iterable[Finding]:
    """The authorization in force is of a payer that no longer covers the patient."""
    day = scene.day
    if not scene.actionable or day is None:
        return
    known = [c.payor for c in scene.ledger.coverages if c.payor]
    current = [c.payor for c in scene.ledger.coverages if c.payor and _covers(c, day)]
    valid = [
        (item.fact.ref, item.fact.insurer)
        for item in scene.occasion.drug_items
        if item.fact.decision in IN_FORCE and speaks_of(item.fact, day) and item.fact.insurer
    ]
    if valid and all(_gone(_as_known(insurer, known), current, known) for _, insurer in valid):
        answer, insurer = valid[0]
        yield scene.finding(
            focus=answer,
            former_payer=insurer.display,
            present_payer=current[0].display,
            evidence=[c.ref for c in scene.ledger.coverages],
        )


def _as_known(insurer: Party, known: list[Party]) -> Party:
    """The payor of an insurance that has the insurer's name: another server calls it otherwise,
    and the person's own insurances can be compared."""
    name = _name(insurer)
    return next((payor for payor in known if name and _name(payor) == name), insurer)


def _name(party: Party) -> str:
    return " ".join((party.display or "").lower().split())


def _gone(insurer: Party, current: list[Party], known: list[Party]) -> bool:
    """Whether none of the present payors is this insurer.

    A payor of another server cannot be compared, unless it has the name of one that can: then it
    is shown twice. The payor of an insurance of the person is compared by name with those of today.
    """
    by_name = insurer in known
    others = [
        payor
        for payor in current
        if _other(insurer, payor) or (by_name and _named_otherwise(insurer, payor))
    ]
    shown = {payor.display for payor in others if payor.display}
    return bool(others) and all(p in others or p.display in shown for p in current)


def _other(one: Party, other: Party) -> bool:
    """Whether two payers are surely not the same: named in the same way, and differently."""
    if _name(one) and _name(one) == _name(other):
        return False
    if one.identifier and other.identifier:
        same = one.identifier.partition("|")[0] == other.identifier.partition("|")[0]
        return same and one.identifier != other.identifier
    named = [party.reference or "" for party in (one, other) if party.source == one.source]
    return len({name for name in named if name.startswith("Organization/")}) == 2


#: Words that the names of many insurers have: two names that share only these share nothing.
_OF_ANY = frozenset(
    {"health", "healthcare", "care", "insurance", "mutual", "plan", "plans", "medical", "benefit"}
    | {"benefits", "group", "company", "co", "inc", "corporation", "of", "the", "and", "&", "life"}
)


def _named_otherwise(one: Party, other: Party) -> bool:
    """Whether one server names the payors of two insurances of a person, and the names have no
    word in common."""
    if one.source != other.source:
        return False
    words = [set(_name(party).split()) - _OF_ANY for party in (one, other)]
    return all(words) and words[0].isdisjoint(words[1])


def _limit(scene: Scene) -> Iterable[Finding]:
    """The benefit allows a number of visits, or an amount of the drug, and too little is left."""
    if not scene.actionable or scene.day is None:
        return
    dose = scene.occasion.ordered.per_visit
    for covers, fact in scene.occasion.requirements:
        if not fact.span.covers(scene.day):
            continue
        limit, used = visits_of(fact.limit), visits_of(fact.used)
        if limit is not None:
            if limit - (used or 0) < 1:
                yield scene.finding(focus=fact.ref, allowed_visits=limit, used_visits=used or 0)
                return
            continue
        left, steps = _left(scene, fact) if covers == "drug" else (None, ())
        if left is not None and dose is not None and left < dose:
            yield scene.finding(
                focus=fact.ref, variant="amount", available=left.floored, steps=steps
            )
            return


def visits_of(amount: Amount | None) -> int | None:
    """A number of visits; None for any other benefit: most limits have no unit at all."""
    if amount is None or amount.value is None:
        return None
    unit = units.read(amount)
    return int(amount.value) if unit is not None and unit.kind == "visit" else None


def measured_limit(scene: Scene, fact: Requirement, amount: Amount) -> Measured | Problem:
    """An amount of a benefit in milligrams, where its text says a unit."""
    return scene.context.formulary.measure(
        scene.occasion.therapy,
        fact.codes,
        amount,
        scene.day,
        context="limit",
        ref=fact.ref,
        at="insurance.item.benefit.allowed",
    )


def _left(scene: Scene, fact: Requirement) -> tuple[Quantity | None, tuple[str, ...]]:
    """What a benefit still allows of the drug, and how that is known; None where it says no mass,
    or what is used is unclear."""
    limit = measured_limit(scene, fact, fact.limit) if fact.limit else None
    if not isinstance(limit, Measured):
        return None, ()
    if fact.used is None:
        return limit.mass, (limit.how,)
    used = measured_limit(scene, fact, fact.used)
    if isinstance(used, Problem):
        return None, ()
    return limit.mass - used.mass, (limit.how, used.how)


RULES = (
    Rule(
        code="coverage-lapsed",
        title="Not insured on the day",
        why="The patient's coverages are known, and none of them is active on the day.",
        source="16 COVERAGE_LAPSED",
        needs=frozenset({"orders", "coverage"}),
        severity=Severity.S2,
        owner=INFUSION_CENTER,
        audience=(INFUSION_CENTER, PRESCRIBER),
        action="verify-coverage",
        deadline="authorization",
        check=_lapsed,
    ),
    Rule(
        code="payer-changed",
        title="Authorization of a former payer",
        why="The authorization in force was given by a payer that does not cover the patient on "
        "the day.",
        source="17 PAYER_CHANGED",
        needs=frozenset({"orders", "coverage", "authorizations"}),
        columns=(DRUG,),
        known=("numbers",),
        severity=Severity.S2,
        owner=PRESCRIBER,
        audience=(PRESCRIBER, INFUSION_CENTER, PAYER),
        action="replace",
        deadline="authorization",
        check=_payer_changed,
    ),
    Rule(
        code="auth-benefit-limit",
        title="Benefit limit reached",
        why="The benefit allows a number of visits, said as visits, and they are used up; or an "
        "amount of the drug, said with its unit, and less than a dose is left.",
        source="15 AUTH_BENEFIT_LIMIT",
        needs=frozenset({"orders", "authorizations"}),
        beside=("ordered",),
        severity=Severity.S3,
        owner=PRESCRIBER,
        audience=(PRESCRIBER, INFUSION_CENTER),
        action="change",
        deadline="authorization",
        check=_limit,
    ),
)
