"""Changes: does the payer's answer still answer the order as it stands?

The order was changed after the answer, and the two differ. Where another rule says what that
difference means for the dose (its amount, its product, its place), this one is folded into it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from fhirbridge.core.authorizing import speaks_of
from fhirbridge.core.facts import Order
from fhirbridge.core.findings import Finding, Severity
from fhirbridge.core.ledger import Item

from .base import Rule
from .rows import ADMINISTRATION, APPROVED, BOTH, DRUG, ORDERED, PRESCRIBER, differ, number_of
from .scene import Scene


def _changed(scene: Scene) -> Iterable[Finding]:
    order = scene.order
    if not scene.actionable or order is None:
        return
    for side, column, items in scene.sides:
        if column.decision not in APPROVED:
            continue
        valid = [i for i in items if i.fact.decision in APPROVED and speaks_of(i.fact, scene.day)]
        answered = [item.fact.issued for item in valid if item.fact.issued]
        what = _difference(scene, order, side, valid)
        if what and len(answered) == len(valid) and _changed_since(order, max(answered)):
            item = valid[0]
            yield scene.finding(
                focus=item.fact.ref,
                reason=item.fact.ref,
                part=side,
                side=side,
                variant=what,
                reference=number_of(item),
                issued=scene.context.calendar.day(max(answered)),
                ordered_place=order.site.kind if what == "place" else None,
                approved_place=item.fact.site.kind if what == "place" else None,
                product=item.therapy.title if what == "product" and item.therapy else None,
            )


def _changed_since(order: Order, answered: datetime) -> bool:
    """Whether an order was written or changed after an answer."""
    return any(moment > answered for moment in (order.updated, order.authored) if moment)


def _difference(scene: Scene, order: Order, side: str, valid: Sequence[Item]) -> str:
    """What no answer agrees with: product · dose · place, or nothing."""
    therapy, dose = scene.occasion.therapy, scene.occasion.ordered.per_visit
    if side == "drug":
        if all(item.therapy and item.therapy.name != therapy.name for item in valid):
            return "product"
        if dose and all(item.per_visit and not item.per_visit.same(dose) for item in valid):
            return "dose"
    return "place" if all(differ(item.fact.site, order.site) for item in valid) else ""


RULES = (
    Rule(
        code="order-changed-after-auth",
        title="Order changed after the authorization",
        why="The order was written or changed after the payer's answer, and the two differ in "
        "product, dose or place (E6).",
        source="14 ORDER_CHANGED_AFTER_AUTH",
        needs=frozenset({"orders", "authorizations"}),
        columns=(ORDERED, DRUG, ADMINISTRATION),
        severity=Severity.S3,
        owner=PRESCRIBER,
        audience=BOTH,
        action="change",
        deadline="authorization",
        check=_changed,
    ),
)
