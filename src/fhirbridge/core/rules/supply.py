"""Supply: is the drug there, all of it and the right one, before the visit?"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.quantity import Quantity

from .amounts import visits_left
from .base import CannotTell, Rule
from .rows import (
    COORDINATOR,
    DISPENSED,
    INFUSION_CENTER,
    ORDERED,
    PHARMACY,
    PRESCRIBER,
    SCHEDULED,
    booked,
)
from .scene import Check, Scene

#: Business days before the visit from which a missing dispense is said (docs/domain.md 3.2, 33).
WATCH_DAYS = 5
#: A promised fill counts until this many business days before the visit (docs/domain.md 3.5, 33).
PROMISE_DAYS = 2


def _missing(scene: Scene) -> Iterable[Finding]:
    """Nothing was dispensed, and this drug is known to come by dispense."""
    occasion = scene.occasion
    if not scene.actionable or occasion.visit is None or scene.lead is None:
        return
    left = scene.business_days_left
    if left is None or not _comes_by_dispense(scene):
        return
    if left > WATCH_DAYS and not _left_out(scene):
        return
    if _on_hand(scene) is not None:
        return
    _refuse_contested(scene)
    owner = None if scene.order and _pharmacy_supplies(scene) else INFUSION_CENTER
    yield scene.finding(owner=owner, missing=occasion.ordered.per_visit, packages=_packages(scene))


#: The days of a course that lie this close are supplied together.
TOGETHER = timedelta(days=3)


def _left_out(scene: Scene) -> bool:
    """What was sent for the days before, of one order, is too little for this one: nobody needs
    to wait for the week before."""
    day = scene.day
    return any(
        other.order is scene.order
        and day is not None
        and other.day is not None
        and timedelta(0) < day - other.day <= TOGETHER
        and other.dispensed.total is not None
        for other in scene.siblings
    )


def _short(scene: Scene) -> Iterable[Finding]:
    """Something was dispensed, but less than the dose (E5)."""
    occasion, dose = scene.occasion, scene.occasion.ordered.per_visit
    have = _on_hand(scene)
    if not scene.actionable or have is None:
        return
    if not occasion.ordered.known or dose is None:
        raise CannotTell("the ordered dose has no milligrams")
    if have < dose:
        _refuse_contested(scene)
        partial = next((s for s in occasion.supplies if s.partial), None)
        last = occasion.supplies[-1]
        yield scene.finding(
            variant="declared" if partial else "",
            reason=(partial or last).ref,
            dispensed=have,
            missing=dose - have,
            packages=scene.context.formulary.vials(occasion.therapy, dose - have),
        )


def _refuse_contested(scene: Scene) -> None:
    if scene.occasion.contested:
        raise CannotTell("a supply may be meant for this dose or for another order's")


def _over(scene: Scene) -> Iterable[Finding]:
    """More was handed out for this dose than it takes, opened vials apart."""
    occasion, dose = scene.occasion, scene.occasion.ordered.per_visit
    have = occasion.dispensed.total
    if not scene.actionable or scene.day is None or dose is None or have is None:
        return
    spacing = occasion.therapy.spacing_days
    reach = timedelta(days=max(14, (spacing or 28) // 2))
    days = [supply.day for supply in occasion.supplies if supply.day]
    if days and (max(days) - min(days) > reach or scene.day - min(days) > reach):
        return  # some of it was most likely for a dose of which no record speaks
    if have > dose and not occasion.therapy.is_waste(dose, have):
        yield scene.finding(
            focus=occasion.supplies[-1].ref,
            excess=have - dose,
            packages=scene.context.formulary.vials(occasion.therapy, have - dose),
        )


def _late(scene: Scene) -> Iterable[Finding]:
    """The drug is announced or on its way, and will hardly be there in time."""
    occasion, day = scene.occasion, scene.day
    if not scene.actionable or not booked(occasion) or day is None or scene.lead is None:
        return
    latest = scene.context.calendar.business_days_before(day, PROMISE_DAYS)
    left = scene.business_days_left or 0
    for supply in occasion.supplies:
        coming = supply.stage != "delivered" or (
            supply.day is not None and supply.day > scene.today
        )
        expected = supply.expected or supply.day
        late = expected is not None and expected > latest
        waiting = supply.stage == "promised" and left < PROMISE_DAYS
        moving = supply.stage == "committed" and scene.lead <= 1
        if coming and (late or waiting or moving):
            yield scene.finding(
                focus=supply.ref,
                reason=supply.ref,
                variant="" if late else "not-here",
                expected=expected if late else None,
            )
            return


def _wrong_product(scene: Scene) -> Iterable[Finding]:
    """Another product was handed out for this order."""
    foreign = scene.occasion.foreign
    if foreign and scene.order is not None:
        last = foreign[-1]
        product = scene.context.formulary.recognize(last.codes, last.text).therapy
        yield scene.finding(
            focus=last.ref,
            reason=last.ref,
            product=product.title if product else None,
            evidence=[supply.ref for supply in foreign],
        )


def _balance(scene: Scene) -> Iterable[Finding]:
    """A part of the dose was given; the rest needs a visit, the drug, and an approved visit."""
    occasion, dose = scene.occasion, scene.occasion.ordered.per_visit
    given = occasion.administered.total
    if not scene.actionable or not occasion.partly_given or dose is None or given is None:
        return
    lacks = []
    if scene.visit is None:
        lacks.append("visit")
    have = occasion.dispensed.total
    if have is not None and have < dose:
        lacks.append("supply")
    left = visits_left(scene)
    if left is not None and left < 1:
        lacks.append("authorization")
    if lacks:
        yield scene.finding(
            lacks=tuple(lacks),
            missing=dose - given,
            packages=scene.context.formulary.vials(occasion.therapy, dose - given),
            evidence=[fact.ref for fact in occasion.administrations],
        )


def _on_hand(scene: Scene) -> Quantity | None:
    """What counts as dispensed now: a mere promise no longer counts shortly before the visit."""
    column, promised = scene.occasion.dispensed, scene.occasion.promised
    if not column.known:
        raise CannotTell("a dispensed amount has no milligrams")
    if promised is None:
        return column.total
    left = scene.business_days_left
    if left is not None and left < PROMISE_DAYS:
        return column.total
    return promised if column.total is None else column.total + promised


def _comes_by_dispense(scene: Scene) -> bool:
    mode = scene.context.supply.get(scene.occasion.therapy.name)
    if mode is not None:
        return mode != "buy-and-bill"
    if scene.order is not None and scene.order.dispenser is not None:
        return True
    return any(o.supplies and o.key != scene.occasion.key for o in scene.siblings)


def _pharmacy_supplies(scene: Scene) -> bool:
    mode = scene.context.supply.get(scene.occasion.therapy.name, "white-bag")
    return mode in ("white-bag", "home")


def _packages(scene: Scene) -> str | None:
    dose = scene.occasion.ordered.per_visit
    return scene.context.formulary.vials(scene.occasion.therapy, dose) if dose else None


def _rule(
    code: str,
    title: str,
    why: str,
    source: str,
    *,
    check: Check,
    needs: tuple[str, ...] = ("orders", "dispenses"),
    columns: tuple[str, ...] = (ORDERED, DISPENSED),
    known: tuple[str, ...] = (),
    severity: Severity = Severity.S2,
    owner: Role = PHARMACY,
    audience: tuple[Role, ...] = (PHARMACY, PRESCRIBER, INFUSION_CENTER),
    action: str = "fulfill",
) -> Rule:  # pragma: no mutate block, runs at import
    return Rule(
        code=code,
        title=title,
        why=why,
        source=source,
        needs=frozenset(needs),
        columns=columns,
        known=known,
        severity=severity,
        owner=owner,
        audience=audience,
        action=action,
        deadline="supply",
        check=check,
    )


RULES = (
    _rule(
        "dispense-missing",
        "Drug not dispensed",
        "Five business days before the visit nothing was dispensed, and the drug is known to "
        "come by dispense (E3).",
        "33 DISPENSE_MISSING",
        needs=("orders", "schedule", "dispenses"),
        audience=(PHARMACY, INFUSION_CENTER),
        check=_missing,
    ),
    _rule(
        "dispense-short",
        "Less dispensed than ordered",
        "Something was dispensed, but less than the dose (E5).",
        "34 DISPENSE_SHORT",
        known=("steps",),
        check=_short,
    ),
    _rule(
        "dispense-over",
        "More dispensed than ordered",
        "More was handed out for one dose than it takes, the rest of an opened vial apart.",
        "35 DISPENSE_OVER",
        known=("steps",),
        needs=("orders", "dispenses", "administrations"),
        severity=Severity.S1,
        audience=(PHARMACY, INFUSION_CENTER),
        action="change",
        check=_over,
    ),
    _rule(
        "dispense-late",
        "Drug comes late",
        "The drug is expected later than two business days before the visit, or is still only "
        "announced or on its way shortly before it.",
        "36 DISPENSE_LATE",
        needs=("orders", "schedule", "dispenses"),
        columns=(DISPENSED, SCHEDULED),
        audience=(PHARMACY, INFUSION_CENTER),
        check=_late,
    ),
    _rule(
        "dispense-wrong-product",
        "Another product dispensed",
        "What was handed out for this order is another product: subcutaneous instead of "
        "intravenous, or a look-alike.",
        "38 DISPENSE_WRONG_PRODUCT",
        columns=(ORDERED,),
        severity=Severity.S1,
        action="replace",
        check=_wrong_product,
    ),
    _rule(
        "unplanned-split-balance",
        "Rest of the dose not arranged",
        "A part of the dose was given, and the rest lacks a visit, the drug, or an approved "
        "infusion visit (E5).",
        "39 UNPLANNED_SPLIT_BALANCE",
        needs=("orders", "schedule", "dispenses", "administrations", "authorizations"),
        columns=(ORDERED, "administered"),
        owner=COORDINATOR,
        audience=(COORDINATOR, PRESCRIBER, INFUSION_CENTER, PHARMACY),
        check=_balance,
    ),
)
