"""Order: is there an order for the visit, can it be carried out, is everything ordered with it?"""

from __future__ import annotations

from collections.abc import Iterable

from fhirbridge.core.facts import State
from fhirbridge.core.findings import Finding, Role, Severity

from .base import Rule, Scene

#: Appointment statuses in which a chair is held for the patient.
BOOKED = frozenset({"booked", "arrived", "checked-in"})
#: Premedication orders are looked for from this many days before the visit (domain 24).
PREMEDICATION_DAYS = 7


def _without_order(scene: Scene) -> Iterable[Finding]:
    visit = scene.visit
    if scene.order is None and visit is not None and visit.status in BOOKED:
        yield scene.finding(focus=visit.ref)


def _not_active(scene: Scene) -> Iterable[Finding]:
    order, visit = scene.order, scene.visit
    if order is None or visit is None or visit.status not in BOOKED:
        return
    end = order.window.end
    if order.state in (State.HELD, State.WITHDRAWN):
        yield scene.finding(variant=order.state.value, until=None)
    elif order.state is State.ACTIVE and end and visit.day and end < visit.day:
        yield scene.finding(variant="expired", until=end)


def _premedication(scene: Scene) -> Iterable[Finding]:
    """Every class that the regimen requires has an active order for this visit (E2)."""
    occasion, visit = scene.occasion, scene.visit
    if not occasion.actionable or visit is None or visit.status not in BOOKED:
        return
    if scene.lead is None or scene.lead > PREMEDICATION_DAYS:
        return
    ordered = {name for name, _ in occasion.premedications}
    missing = [
        p.name for p in occasion.therapy.premedications if p.required and p.name not in ordered
    ]
    if missing:
        yield scene.finding(
            classes=tuple(missing), evidence=[order.ref for _, order in occasion.premedications]
        )


RULES = (
    Rule(
        code="appt-without-order",
        title="Infusion booked without an order",
        needs=frozenset({"orders", "schedule"}),
        columns=("scheduled",),
        severity=Severity.S2,
        owner=Role.PRESCRIBER,
        audience=(Role.PRESCRIBER, Role.INFUSION_CENTER),
        action="supply-order",
        deadline="authorization",
        check=_without_order,
    ),
    Rule(
        code="order-not-active",
        title="Order cannot be carried out",
        needs=frozenset({"orders", "schedule"}),
        columns=("ordered",),
        severity=Severity.S2,
        owner=Role.PRESCRIBER,
        audience=(Role.PRESCRIBER, Role.INFUSION_CENTER),
        action="change",
        deadline="supply",
        check=_not_active,
    ),
    Rule(
        code="premed-order-missing",
        title="Premedication not ordered",
        needs=frozenset({"orders", "schedule"}),
        columns=(),
        severity=Severity.S2,
        owner=Role.PRESCRIBER,
        audience=(Role.PRESCRIBER, Role.INFUSION_CENTER),
        action="fulfill",
        deadline="premedication",
        check=_premedication,
    ),
)
