"""Amounts: is what the payer approved the dose, all of it, in as many visits?

Per visit, number of visits and total are compared apart. An amount that cannot be measured
satisfies nothing and violates nothing: the rules of this family then cannot tell.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from fhirbridge.core.authorizing import IN_FORCE
from fhirbridge.core.facts import Code, Fact, Supply
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.ledger import Column, Dose, Item, Occasion
from fhirbridge.core.quantity import Quantity

from .base import CannotTell, Rule
from .rows import (
    ADMINISTRATION,
    APPROVED,
    BOTH,
    DRUG,
    EVERYBODY,
    INFUSION_CENTER,
    ORDERED,
    PAYER,
    PRESCRIBER,
    SCHEDULED,
    number_of,
)
from .scene import Check, Scene


def _per_visit(scene: Scene) -> Iterable[Finding]:
    """The total is enough, but no approved visit is the dose that was ordered (E6)."""
    column, dose = approved_and_dose(scene)
    if dose is None or (column.per_visit is None and not _differing(scene)):
        return
    if column.per_visit is not None and column.per_visit.same(dose):
        return
    if column.total is not None and column.total < dose:
        return
    each = sorted({str(i.per_visit) for i in scene.in_force("drug")})
    yield scene.finding(focus=column.refs[0], reason=column.refs[0], each=tuple(each))


def _short_total(scene: Scene) -> Iterable[Finding]:
    """What is approved and not yet used is less than this dose, after the doses before it."""
    column, dose = approved_and_dose(scene)
    if dose is None or column.total is None:
        return
    left, used = column.total, scene.in_force("drug")
    for other in scene.siblings:
        if other.key == scene.occasion.key or not any(spends(item, other.day) for item in used):
            continue
        spent = other.administered.total
        if not other.given and _before(other, scene) and other.authorized_drug.refs == column.refs:
            spent = other.ordered.per_visit
        if spent is not None:
            left = left - spent
    for past in _given_without_order(scene):
        if past.mass is not None and any(_spent_by(item, past) for item in used):
            left = left - past.mass
    if left < dose:
        left = left.floored
        yield scene.finding(
            focus=column.refs[0], reason=column.refs[0], available=left, short=dose - left
        )


def _visits_short(scene: Scene) -> Iterable[Finding]:
    """Fewer infusion visits are approved, and not yet used, than this dose takes."""
    left = visits_left(scene)
    if not scene.actionable or left is None:
        return
    coming = [v for v in scene.occasion.visits if v.day is not None and v.day >= scene.today]
    need = max(1, len(coming))
    if left < need:
        item = _counting(scene)[0]
        yield scene.finding(
            focus=item.fact.ref,
            reason=item.fact.ref,
            left_visits=max(left, 0),
            need_visits=need,
            reference=number_of(item),
        )


def visits_left(scene: Scene) -> int | None:
    """Infusion visits that are approved and not used before; None where no answer counts them."""
    items = _counting(scene)
    allowed: dict[tuple[Code, ...], int] = {}
    for item in items:  # 96413 and 96415 are approved apart, for the same visits
        allowed[item.fact.codes] = allowed.get(item.fact.codes, 0) + (item.visits or 0)
    return max(allowed.values()) - _visits_spent(scene, items) if allowed else None


def _counting(scene: Scene) -> list[Item]:
    """The answers in force about the infusion that say a number of visits."""
    column = scene.occasion.authorized_admin
    if column.decision not in APPROVED:
        return []
    items = scene.in_force("administration")
    return [item for item in items if item.visits is not None]


def _visits_spent(scene: Scene, items: list[Item]) -> int:
    """The visits that were or will be made before under answers that this dose needs too."""
    here = scene.occasion
    spent = sum(
        max(1, len(other.administrations))
        for other in scene.siblings
        if other.key != here.key
        and (other.given or _before(other, scene))
        and any(spends(item, other.day) for item in items)
    )
    spent += sum(
        any(_spent_by(item, past) for item in items) for past in _given_without_order(scene)
    )
    return spent + len(here.administrations)


def _wrong_product(scene: Scene) -> Iterable[Finding]:
    """The payer approved another product of the same ingredient, and not this one.

    S1 once the drug is there: somebody may give what is not covered, or what is not meant.
    """
    column, therapy = scene.occasion.authorized_drug, scene.occasion.therapy
    if not scene.actionable or column.decision not in IN_FORCE:
        return
    used = scene.in_force("drug")
    others = [i.therapy for i in used if i.therapy is not None and i.therapy.name != therapy.name]
    if others and len(others) == len(used):
        yield scene.finding(
            focus=used[0].fact.ref,
            reason=used[0].fact.ref,
            severity=Severity.S1 if scene.occasion.supplies else None,
            product=others[0].title,
            reference=number_of(used[0]),
        )
    elif not others:
        yield from _wrong_brand(scene, used)


def _wrong_brand(scene: Scene, used: list[Item]) -> Iterable[Finding]:
    """Every answer in force names another brand than the drug that was handed out or ordered.

    What names no brand fits all of them.
    """
    wanted, supplied = _wanted_brand(scene)
    if wanted is None:
        return
    brands = [_brand(scene, item.fact) for item in used]
    if brands and None not in brands and wanted not in brands:
        yield scene.finding(
            focus=used[0].fact.ref,
            reason=used[0].fact.ref,
            severity=Severity.S1 if supplied else None,
            variant="brand",
            evidence=[supply.ref for supply in supplied],
            product=brands[0],
            brand=None if supplied else wanted,
            supplied_brand=wanted if supplied else None,
            reference=number_of(used[0]),
        )


def _wanted_brand(scene: Scene) -> tuple[str | None, tuple[Supply, ...]]:
    """The brand that will be given, and the supplies that say so: else the order does."""
    supplies = scene.occasion.supplies
    brands = {_brand(scene, supply) for supply in supplies}
    if supplies and None not in brands:
        return (brands.pop(), supplies) if len(brands) == 1 else (None, ())
    order = scene.order
    return (_brand(scene, order) if order and not order.any_brand else None), ()


def _brand(scene: Scene, fact: Fact) -> str | None:
    return scene.context.formulary.brand(scene.occasion.therapy, fact.codes, fact.text)


def _given_without_order(scene: Scene) -> list[Dose]:
    """Doses that were given and belong to no dose of the ledger: their orders are not on file."""
    if not scene.occasion.history:
        return []
    known = {fact.day for o in scene.siblings for fact in o.administrations}
    known |= {visit.day for o in scene.siblings for visit in o.visits}
    return [past for past in scene.occasion.history if past.day not in known]


def _spent_by(item: Item, past: Dose) -> bool:
    """A dose without an order counts only against an answer that was there when it was given."""
    issued = item.fact.issued
    return spends(item, past.day) and (issued is None or issued.date() <= past.day)


def spends(item: Item, day: date | None) -> bool:
    """Whether a dose of that day is counted against an answer.

    An answer without a first day covers nothing before it was given; where that is not known
    either, nobody can say which doses it covered, so none counts.
    """
    first = item.fact.span.start or (item.fact.issued.date() if item.fact.issued else None)
    return bool(day and first and first <= day and item.fact.span.covers(day))


def used_up(scene: Scene, item: Item) -> bool:
    """Whether the doses that were given under an answer are all that it allowed."""
    given = [o for o in scene.siblings if o.given and spends(item, o.day)]
    if item.visits is not None:
        return len(given) >= item.visits
    mass = _sum(o.administered.total for o in given)
    return mass is not None and item.total is not None and not mass < item.total


def approved_and_dose(scene: Scene) -> tuple[Column, Quantity | None]:
    """The approved drug column and the dose, or no dose where there is nothing to compare."""
    occasion, column = scene.occasion, scene.occasion.authorized_drug
    if column.decision not in APPROVED or not scene.actionable:
        return column, None
    if not column.known or not occasion.ordered.known:
        raise CannotTell("an amount has no milligrams")
    return column, occasion.ordered.per_visit


def _differing(scene: Scene) -> bool:
    """Every answer in force says an amount per visit, and not all say the same."""
    used = scene.in_force("drug")
    return bool(used) and all(item.per_visit for item in used)


def _before(other: Occasion, scene: Scene) -> bool:
    """Whether another dose is still to come before this one."""
    if other.day is None or scene.day is None or other.day >= scene.day:
        return False
    return other.actionable if other.visit is None else other.day >= scene.today


def _sum(masses: Iterable[Quantity | None]) -> Quantity | None:
    total: Quantity | None = None
    for mass in masses:
        if mass is not None:
            total = mass if total is None else total + mass
    return total


def _rule(
    code: str,
    title: str,
    why: str,
    source: str,
    *,
    columns: tuple[str, ...],
    known: tuple[str, ...] = (),
    owner: Role,
    audience: tuple[Role, ...],
    check: Check,
) -> Rule:  # pragma: no mutate block, runs at import
    return Rule(
        code=code,
        title=title,
        why=why,
        source=source,
        needs=frozenset({"orders", "authorizations"}),
        columns=columns,
        known=known,
        severity=Severity.S2,
        owner=owner,
        audience=audience,
        action="change",
        deadline="authorization",
        check=check,
    )


RULES = (
    _rule(
        "auth-short-total",
        "Less authorized than ordered",
        "What the payer approved, less the doses before this one, is less than this dose.",
        "6 AUTH_SHORT_TOTAL",
        columns=(ORDERED, DRUG),
        known=("steps", "numbers"),
        owner=PRESCRIBER,
        audience=(*BOTH, PAYER),
        check=_short_total,
    ),
    _rule(
        "auth-per-visit-mismatch",
        "Authorized visits are not the ordered visits",
        "The total is enough, but no approved visit is the dose that was ordered (E6).",
        "7 AUTH_PER_VISIT_MISMATCH",
        columns=(ORDERED, DRUG, SCHEDULED),
        known=("steps", "numbers"),
        owner=PAYER,
        audience=EVERYBODY,
        check=_per_visit,
    ),
    _rule(
        "auth-visits-short",
        "Fewer infusion visits authorized than needed",
        "Fewer infusion visits are approved, and not yet used, than this dose takes.",
        "8 AUTH_VISITS_SHORT",
        columns=(ADMINISTRATION, SCHEDULED),
        owner=INFUSION_CENTER,
        audience=(INFUSION_CENTER, PRESCRIBER),
        check=_visits_short,
    ),
    _rule(
        "auth-wrong-product",
        "Another product is authorized",
        "The payer approved another product of the same ingredient (subcutaneous instead of "
        "intravenous, a biosimilar instead of the brand), and not the one that is ordered.",
        "11 AUTH_WRONG_PRODUCT",
        columns=(ORDERED, DRUG),
        owner=PRESCRIBER,
        audience=(*BOTH, PAYER),
        check=_wrong_product,
    ),
)
