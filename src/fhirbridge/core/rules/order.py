"""Order: is there an order for the visit, can it be carried out, is everything ordered with it?"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import pairwise

from fhirbridge.core.answering import AS_ORDERED, SINGLE, SPLIT
from fhirbridge.core.courses import course_of
from fhirbridge.core.facts import Order, State
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.grammar import admits_both
from fhirbridge.core.ledger import Occasion
from fhirbridge.core.quantity import Measured, Quantity

from .base import CannotTell, Rule
from .rows import APPROVED, BOTH, ORDERED, PHARMACY, PRESCRIBER, SCHEDULED, booked
from .scene import Check, Scene

#: Premedication orders are looked for from this many days before the visit
#: (docs/domain.md 3.2, 24).
PREMEDICATION_DAYS = 7
#: What a prescriber may answer where nobody can tell.
ONE_OR_TWO = {SINGLE: SINGLE, SPLIT: SPLIT}
#: A phrase of an order's text by which the dose is the first one ever.
_FIRST = re.compile(
    r"\s*(?:new (?:start|patient)|(?:treatment|therapy)[ -]?(?:start|na[iï]ve)"
    r"|start of (?:the )?therapy"
    r"|(?:very )?first(?:[ -]ever)? (?:dose|infusion))\s*",
    re.IGNORECASE,
)


def _without_order(scene: Scene) -> Iterable[Finding]:
    """No order asks for a booked visit; one that was completed asks for nothing more."""
    visit, order = scene.visit, scene.order
    done = order is not None and order.state is State.DONE and not scene.occasion.administrations
    if (order is None or done) and visit is not None and booked(scene.occasion):
        if scene.occasion.unclear_orders:
            raise CannotTell("the order that the visit names does not say which drug it is for")
        yield scene.finding(focus=visit.ref)


def _not_active(scene: Scene) -> Iterable[Finding]:
    order, visit = scene.order, scene.visit
    if order is None or visit is None or not booked(scene.occasion):
        return
    end = order.window.end
    if order.state in (State.HELD, State.WITHDRAWN):
        yield scene.finding(variant=order.state.value, until=None)
    elif order.state is State.ACTIVE and end and visit.day and end < visit.day:
        yield scene.finding(variant="expired", until=end)


def _duplicate(scene: Scene) -> Iterable[Finding]:
    """Another active order asks for a dose of the same drug at the same time, be it as another
    product of the same ingredient."""
    occasion = scene.occasion
    if not scene.actionable or scene.day is None:
        return
    older = [
        other
        for other in scene.ledger.occasions
        if other.therapy.ingredient == occasion.therapy.ingredient
        and other.order is not None
        and other.actionable
        and not other.given
        and other.chain != occasion.chain
        and _age(other) < _age(occasion)
        and _close(other, occasion)
    ]
    if older and not _one_course(scene, older):
        orders = [other.order.ref for other in older if other.order]
        yield scene.finding(
            reason=orders[0], other_order=older[0].ordered.per_visit, evidence=orders
        )


def _age(occasion: Occasion) -> tuple[float, str]:
    order = occasion.order
    written = order.authored.timestamp() if order and order.authored else 0.0
    return written, occasion.chain


def _one_course(scene: Scene, others: list[Occasion]) -> bool:
    """Orders for the days of one course, each with an order of its own, are no duplicates."""
    course = [*others, scene.occasion]
    doses = [mass for o in course if (mass := o.ordered.per_visit) is not None]
    days = sorted(o.day for o in course if o.day is not None)
    therapy = scene.occasion.therapy
    spacing = min((each.spacing_days for each in therapy.doses if each.spacing_days), default=1)
    apart = all(2 * (b - a).days >= spacing for a, b in pairwise(days))
    return len(doses) == len(days) == len(course) and apart and therapy.is_course(doses)


def _outside_label(scene: Scene) -> Iterable[Finding]:
    """The ordered dose is none that the regimen has, in this phase where it is known."""
    therapy, dose = scene.occasion.therapy, scene.occasion.ordered.per_visit
    if not scene.actionable or dose is None or not therapy.doses:
        return
    treated = bool(scene.occasion.history)
    phase = "maintenance" if treated else "initial" if _is_first(scene.order) else ""
    allowed = therapy.phase_doses(phase)
    allowed = allowed or therapy.doses
    if any(each.fits(dose) is not False for each in allowed) or _part_of_a_dose(scene, dose):
        return
    masses = sorted({each.per_visit.value for each in allowed if each.per_visit})
    yield scene.finding(
        variant="low" if dose.value < masses[0] else "high" if dose.value > masses[-1] else "",
        usual=tuple(str(Quantity(mass, dose.unit)) for mass in masses),
        choices={AS_ORDERED: AS_ORDERED, "change-order": "change-order"},
    )


def _is_first(order: Order | None) -> bool:
    """The order says in so many words that the drug was never given before.

    That nobody recorded an earlier dose says nothing: it may have been given elsewhere.
    """
    return order is not None and any(map(_FIRST.fullmatch, re.split(r"[\n.,;:]+", order.text)))


def _part_of_a_dose(scene: Scene, dose: Quantity) -> bool:
    """A part of a course or of a dose that is given in several visits, as it is written."""
    together = [o for o in scene.siblings if _close(o, scene.occasion) and o.order is not None]
    total: Quantity | None = None
    for other in together:
        part = other.administered.total or other.ordered.per_visit
        if part is not None:
            total = part if total is None else total + part
    if total is None or not dose < total:
        return False
    return any(
        each.per_visit is not None and total.same(each.per_visit * each.visits)
        for each in scene.occasion.therapy.doses
    )


def _close(one: Occasion, other: Occasion) -> bool:
    if one.day is None or other.day is None:
        return False
    return abs(one.day - other.day) <= course_of(one.therapy)


def _unclear(scene: Scene) -> Iterable[Finding]:
    """Nobody can tell from the order whether the dose is one infusion or two (E6)."""
    occasion, order = scene.occasion, scene.order
    if not scene.actionable or order is None:
        return
    said = order.visits is not None or bool(order.days)
    if (not said and admits_both(order.text)) or _contradicts_itself(scene, order):
        yield scene.finding(variant="text", choices=ONE_OR_TWO)
        return
    approved, dose = occasion.authorized_drug, occasion.ordered.per_visit
    if approved.decision not in APPROVED or approved.visits is None or dose is None:
        return
    if approved.per_visit is None or not occasion.history or approved.per_visit.same(dose):
        return
    total = approved.total
    if total is not None and total.same(dose) and approved.visits != (occasion.ordered.visits or 1):
        yield scene.finding(
            variant="parties",
            reason=approved.refs[0],
            evidence=approved.refs,
            choices=ONE_OR_TWO,
        )


def _contradicts_itself(scene: Scene, order: Order) -> bool:
    """The words split the dose that the figures of the same order give at once ("300 mg x 2"), or
    give at once what the figures split ("600 mg once")."""
    therapy, dose = scene.occasion.therapy, scene.occasion.ordered.per_visit
    words = scene.context.formulary.spoken(therapy, order.text)
    figures = order.visits or len(order.days) or 1
    if order.answered or dose is None or words is None or words.visits is None:
        return False
    formulary = scene.context.formulary
    each = formulary.measure(
        therapy, order.codes, words.per_visit, None, context="dose", ref=order.ref, at="text"
    )
    if not isinstance(each, Measured):
        return False
    total = each.mass * words.visits
    return not each.mass.same(dose) and (total.same(dose) or total.same(dose * figures))


def _premedication(scene: Scene) -> Iterable[Finding]:
    """Every class that the regimen requires has an active order for this visit (E2)."""
    occasion = scene.occasion
    if not scene.actionable or not booked(occasion):
        return
    if scene.lead is None or scene.lead > PREMEDICATION_DAYS:
        return
    ordered = {name for name, _ in occasion.premedications}
    required = dict.fromkeys(p.name for p in occasion.therapy.premedications if p.required)
    missing = tuple(name for name in required if name not in ordered)
    if missing:
        yield scene.finding(
            classes=missing, evidence=[order.ref for _, order in occasion.premedications]
        )


def _rule(
    code: str,
    title: str,
    why: str,
    source: str,
    *,
    check: Check,
    columns: tuple[str, ...] = (ORDERED,),
    beside: tuple[str, ...] = (),
    needs: tuple[str, ...] = ("orders",),
    severity: Severity = Severity.S2,
    audience: tuple[Role, ...] = BOTH,
    action: str,
    deadline: str = "clarification",
) -> Rule:  # pragma: no mutate block, runs at import
    return Rule(
        code=code,
        title=title,
        why=why,
        source=source,
        needs=frozenset(needs),
        columns=columns,
        beside=beside,
        severity=severity,
        owner=PRESCRIBER,
        audience=audience,
        action=action,
        deadline=deadline,
        check=check,
    )


RULES = (
    _rule(
        "appt-without-order",
        "Infusion booked without an order",
        "An infusion is booked, and no order that is in force asks for it.",
        "18 APPT_WITHOUT_ORDER",
        needs=("orders", "schedule"),
        columns=(SCHEDULED,),
        action="supply-order",
        deadline="authorization",
        check=_without_order,
    ),
    _rule(
        "order-not-active",
        "Order cannot be carried out",
        "A visit is booked, and its order is on hold, was stopped, or ends before that day.",
        "20 ORDER_NOT_ACTIVE",
        needs=("orders", "schedule"),
        action="change",
        deadline="supply",
        check=_not_active,
    ),
    _rule(
        "duplicate-order",
        "Two orders for one dose",
        "Two active orders ask for the same drug at the same time, and neither renews or fills "
        "the other.",
        "21 DUPLICATE_ORDER",
        severity=Severity.S1,
        audience=(PRESCRIBER, PHARMACY),
        action="abort",
        check=_duplicate,
    ),
    _rule(
        "dose-outside-label",
        "Dose is not one of the regimen",
        "The ordered dose is none that the regimen has; after a dose that was given, none of "
        "maintenance. Parts of a dose that are written as such are exempt.",
        "22 DOSE_OUTSIDE_LABEL",
        needs=("orders", "administrations"),
        severity=Severity.S1,
        audience=(PRESCRIBER,),
        action="change",
        check=_outside_label,
    ),
    _rule(
        "single-vs-split-unclear",
        "One infusion or two?",
        "The order's words admit one visit and two, or the payer approved the dose in another "
        "number of visits than ordered (E6).",
        "23 SINGLE_VS_SPLIT_UNCLEAR",
        beside=("authorized", "authorized_visits"),
        action="clarify-order",
        check=_unclear,
    ),
    _rule(
        "premed-order-missing",
        "Premedication not ordered",
        "A week before the visit, a class of premedication that the regimen requires has no "
        "active order (E2).",
        "24 PREMED_ORDER_MISSING",
        needs=("orders", "schedule"),
        columns=(),
        action="fulfill",
        deadline="premedication",
        check=_premedication,
    ),
)
