"""Places: is the dose approved, ordered and sent where it will be given (E7)?

Sites are compared by kind (home · office · hospital); a site that no record names is no
mismatch. Providers are compared only by identifiers of one system.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhirbridge.core.authorizing import IN_FORCE, speaks_of
from fhirbridge.core.facts import Party
from fhirbridge.core.findings import Finding, Severity
from fhirbridge.core.ledger import Item

from .authorization import WATCH_DAYS, needed_for
from .base import Rule
from .rows import (
    BOTH,
    DISPENSED,
    INFUSION_CENTER,
    PAYER,
    PHARMACY,
    SCHEDULED,
    booked,
    differ,
    number_of,
)
from .scene import Scene


def _site_of_care(scene: Scene) -> Iterable[Finding]:
    visit = scene.visit
    if visit is None or not booked(scene.occasion) or not scene.actionable:
        return
    for side, column, items in scene.sides:
        valid = _valid(scene, items) if column.decision in IN_FORCE else []
        if valid and all(differ(item.fact.site, visit.site) for item in valid):
            yield scene.finding(
                focus=valid[0].fact.ref,
                reason=visit.ref,
                part=side,
                side=side,
                approved_place=valid[0].fact.site.kind,
                place=visit.site.kind,
                reference=number_of(valid[0]),
            )
        elif valid and all(_others(item.fact.provider, visit.performer) for item in valid):
            yield scene.finding(
                focus=valid[0].fact.ref,
                reason=visit.ref,
                part=side,
                side=side,
                variant="provider",
                reference=number_of(valid[0]),
            )


def _valid(scene: Scene, items: Iterable[Item]) -> list[Item]:
    return [i for i in items if i.fact.decision in IN_FORCE and speaks_of(i.fact, scene.day)]


def _others(one: Party | None, other: Party | None) -> bool:
    """Two parties that are named by identifiers of one system, and are not the same."""
    if not one or not other or not one.identifier or not other.identifier:
        return False
    same_system = one.identifier.partition("|")[0] == other.identifier.partition("|")[0]
    return same_system and one.identifier != other.identifier


def _home_admin(scene: Scene) -> Iterable[Finding]:
    """The visit is at home, and no nurse is authorized to come (S9329, 99601 …)."""
    visit, occasion = scene.visit, scene.occasion
    if visit is None or visit.site.kind != "home" or not scene.actionable:
        return
    if not occasion.therapy.infusion or scene.lead is None or scene.lead > WATCH_DAYS:
        return
    nursing = [
        item
        for item in _valid(scene, occasion.admin_items)
        if item.covers == "home-nursing" or item.fact.site.kind == "home"
    ]
    if not nursing and needed_for(scene, "administration") != "no":
        services = occasion.services
        yield scene.finding(focus=services[0].ref if services else None)


def _site_schedule(scene: Scene) -> Iterable[Finding]:
    """The order says one kind of place, the appointment another."""
    visit = scene.visit
    if visit is None or not scene.actionable or not booked(scene.occasion):
        return
    for order in filter(None, (scene.order, *scene.occasion.services)):
        if differ(order.site, visit.site):
            yield scene.finding(
                focus=visit.ref,
                reason=order.ref,
                ordered_place=order.site.kind,
                place=visit.site.kind,
            )
            return


def _destination(scene: Scene) -> Iterable[Finding]:
    """The pharmacy sends the drug somewhere else than where it will be given."""
    visit = scene.visit
    if visit is None or not booked(scene.occasion):
        return
    wrong = [s for s in scene.occasion.supplies if differ(s.destination, visit.site)]
    if wrong:
        yield scene.finding(
            focus=wrong[-1].ref,
            reason=visit.ref,
            sent_place=wrong[-1].destination.kind,
            place=visit.site.kind,
        )


RULES = (
    Rule(
        code="site-of-care-mismatch",
        title="Approved for another site of care",
        why="The payer approved the dose for another kind of place, or another provider, than "
        "the one where it is booked.",
        source="12 SITE_OF_CARE_MISMATCH",
        needs=frozenset({"orders", "schedule", "authorizations"}),
        columns=(SCHEDULED,),
        severity=Severity.S2,
        owner=INFUSION_CENTER,
        audience=(INFUSION_CENTER, PAYER, PHARMACY),
        action="change",
        deadline="authorization",
        check=_site_of_care,
    ),
    Rule(
        code="home-admin-auth-missing",
        title="Home infusion not authorized",
        why="The dose is given at home, and no home nursing is approved.",
        source="13 HOME_ADMIN_AUTH_MISSING",
        needs=frozenset({"orders", "schedule", "authorizations"}),
        columns=(SCHEDULED,),
        severity=Severity.S2,
        owner=INFUSION_CENTER,
        audience=BOTH,
        action="fulfill",
        deadline="authorization",
        check=_home_admin,
    ),
    Rule(
        code="site-schedule-mismatch",
        title="Ordered and booked places differ",
        why="The order names another kind of place than the appointment.",
        source="31 SITE_SCHEDULE_MISMATCH",
        needs=frozenset({"orders", "schedule"}),
        columns=(SCHEDULED,),
        severity=Severity.S3,
        owner=INFUSION_CENTER,
        audience=BOTH,
        action="change",
        deadline="authorization",
        check=_site_schedule,
    ),
    Rule(
        code="dispense-wrong-destination",
        title="Drug sent to the wrong place",
        why="The pharmacy sends the drug to another kind of place than the visit's.",
        source="37 DISPENSE_WRONG_DESTINATION",
        needs=frozenset({"orders", "schedule", "dispenses"}),
        columns=(DISPENSED, SCHEDULED),
        severity=Severity.S2,
        owner=PHARMACY,
        audience=(PHARMACY, INFUSION_CENTER),
        action="change",
        deadline="supply",
        check=_destination,
    ),
)
