"""Supply: is the drug there, all of it, before the visit?"""

from __future__ import annotations

from collections.abc import Iterable

from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.quantity import Quantity

from .base import CannotTell, Rule, Scene

#: Business days before the visit from which a missing dispense is said (domain 33).
WATCH_DAYS = 5
#: A promised fill counts until this many business days before the visit (domain §3.5).
PROMISE_DAYS = 2

NEEDS = frozenset({"orders", "schedule", "dispenses"})
ALL = (Role.PHARMACY, Role.PRESCRIBER, Role.INFUSION_CENTER)


def _missing(scene: Scene) -> Iterable[Finding]:
    """Nothing was dispensed, and this drug is known to come by dispense."""
    occasion, left = scene.occasion, scene.business_days_left
    if not occasion.actionable or occasion.visit is None or left is None or left > WATCH_DAYS:
        return
    if not _comes_by_dispense(scene) or _on_hand(scene) is not None:
        return
    owner = None if scene.order and _pharmacy_supplies(scene) else Role.INFUSION_CENTER
    yield scene.finding(owner=owner, missing=occasion.ordered.per_visit, packages=_packages(scene))


def _short(scene: Scene) -> Iterable[Finding]:
    """Something was dispensed, but less than the dose (E5)."""
    occasion, dose = scene.occasion, scene.occasion.ordered.per_visit
    have = _on_hand(scene)
    if not occasion.actionable or have is None:
        return
    if not occasion.ordered.known or dose is None:
        raise CannotTell("the ordered dose has no milligrams")
    given = occasion.administered.total
    need = dose - given if given is not None and given < dose else dose
    if given is not None and not have < need:
        return
    if have < dose:
        partial = next((s for s in occasion.supplies if s.partial), None)
        last = occasion.supplies[-1]
        yield scene.finding(
            variant="declared" if partial else "",
            reason=(partial or last).ref,
            dispensed=have,
            missing=dose - have,
            packages=scene.context.formulary.vials(occasion.therapy, dose - have),
        )


def _on_hand(scene: Scene) -> Quantity | None:
    """What counts as dispensed now: a mere promise no longer counts shortly before the visit."""
    column, promised = scene.occasion.dispensed, scene.occasion.promised
    if not column.known:
        raise CannotTell("a dispensed amount has no milligrams")
    left = scene.business_days_left
    if promised is None or (left is not None and left < PROMISE_DAYS):
        return column.total
    return promised if column.total is None else column.total + promised


def _comes_by_dispense(scene: Scene) -> bool:
    mode = scene.context.supply.get(scene.occasion.therapy.name)
    if mode is not None:
        return mode != "buy-and-bill"
    if scene.order is not None and scene.order.dispenser is not None:
        return True
    return any(
        o.supplies and o.therapy is scene.occasion.therapy and o.key != scene.occasion.key
        for o in scene.ledger.occasions
    )


def _pharmacy_supplies(scene: Scene) -> bool:
    mode = scene.context.supply.get(scene.occasion.therapy.name, "white-bag")
    return mode in ("white-bag", "home")


def _packages(scene: Scene) -> str | None:
    dose = scene.occasion.ordered.per_visit
    return scene.context.formulary.vials(scene.occasion.therapy, dose) if dose else None


RULES = (
    Rule(
        code="dispense-missing",
        title="Drug not dispensed",
        needs=NEEDS,
        columns=("ordered", "dispensed"),
        severity=Severity.S2,
        owner=Role.PHARMACY,
        audience=(Role.PHARMACY, Role.INFUSION_CENTER),
        action="fulfill",
        deadline="supply",
        check=_missing,
    ),
    Rule(
        code="dispense-short",
        title="Less dispensed than ordered",
        needs=frozenset({"orders", "dispenses"}),
        columns=("ordered", "dispensed"),
        severity=Severity.S2,
        owner=Role.PHARMACY,
        audience=ALL,
        action="fulfill",
        deadline="supply",
        check=_short,
    ),
)
