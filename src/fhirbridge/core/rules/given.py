"""Given: do the records of a dose that was given agree with its order and its approval?

Three of these rules look at doses that were given already (`past`), for half a year.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

from fhirbridge.core.findings import Finding, Role, Severity

from .authorization import needed_for
from .base import Rule
from .rows import ADMINISTRATION, BOTH, DRUG, INFUSION_CENTER, ORDERED, PRESCRIBER
from .scene import Check, Scene

#: A dose that was stopped may be completed within this time; another may be corrected (40).
SPLIT, CORRECTION = timedelta(days=14), timedelta(days=3)
#: A fulfilled visit without a record of the dose is said after this many days
#: (docs/domain.md 3.2, 43).
RECORDING = timedelta(days=2)


def _short(scene: Scene) -> Iterable[Finding]:
    """Less was given than ordered, and the time to give the rest is over."""
    occasion, dose = scene.occasion, scene.occasion.ordered.per_visit
    given = occasion.administered.total
    if not occasion.partly_given or dose is None or given is None or not given < dose:
        return
    days = [fact.day for fact in occasion.administrations if fact.day]
    stopped = any(fact.complete is not True for fact in occasion.administrations)
    if (
        days
        and scene.visit is None
        and scene.today > max(days) + (SPLIT if stopped else CORRECTION)
    ):
        yield scene.finding(missing=dose - given)


def _over(scene: Scene) -> Iterable[Finding]:
    """More was given than ordered."""
    given, dose = scene.occasion.administered.total, scene.occasion.ordered.per_visit
    if given is not None and dose is not None and given > dose:
        yield scene.finding(
            focus=scene.occasion.administrations[-1].ref,
            excess=given - dose,
        )


def _without_authorization(scene: Scene) -> Iterable[Finding]:
    """It was given on a day that no authorization covers, and the payer requires one."""
    if not scene.occasion.administrations:
        return
    for side, column, _items in scene.sides:
        if not column.decision and needed_for(scene, side) == "yes":
            focus = scene.occasion.administrations[-1].ref
            yield scene.finding(part=side, side=side, focus=focus)


def _not_recorded(scene: Scene) -> Iterable[Finding]:
    """The visit took place, and two days later nobody has recorded the dose."""
    visit, occasion = scene.visit, scene.occasion
    if visit is None or visit.day is None or visit.status != "fulfilled":
        return
    if not occasion.administrations and scene.today > visit.day + RECORDING:
        yield scene.finding(focus=visit.ref)


def _rule(
    code: str,
    title: str,
    why: str,
    source: str,
    *,
    check: Check,
    past: bool = True,
    needs: tuple[str, ...] = ("orders", "administrations"),
    columns: tuple[str, ...] = (ORDERED, "administered"),
    severity: Severity = Severity.S3,
    owner: Role = INFUSION_CENTER,
    audience: tuple[Role, ...] = BOTH,
    action: str = "change",
) -> Rule:  # pragma: no mutate block, runs at import
    return Rule(
        code=code,
        title=title,
        why=why,
        source=source,
        needs=frozenset(needs),
        columns=columns,
        severity=severity,
        owner=owner,
        audience=audience,
        action=action,
        deadline="clarification",
        check=check,
        past=past,
    )


RULES = (
    _rule(
        "admin-short",
        "Less given than ordered",
        "Less was given than ordered, and the time to give the rest is over: two weeks after an "
        "infusion that was stopped, else three days.",
        "40 ADMIN_SHORT",
        past=False,
        owner=PRESCRIBER,
        check=_short,
    ),
    _rule(
        "admin-over",
        "More given than ordered",
        "The doses recorded for one order add up to more than it asks for.",
        "41 ADMIN_OVER",
        severity=Severity.S1,
        check=_over,
    ),
    _rule(
        "admin-without-auth",
        "Given without an authorization",
        "The dose was given on a day that no authorization covers, and the payer requires one.",
        "42 ADMIN_WITHOUT_AUTH",
        needs=("orders", "administrations", "authorizations"),
        columns=(DRUG, ADMINISTRATION),
        audience=(INFUSION_CENTER,),
        action="fulfill",
        check=_without_authorization,
    ),
    _rule(
        "admin-not-recorded",
        "Dose not recorded",
        "The visit took place, and two days later no record says what was given.",
        "43 ADMIN_NOT_RECORDED",
        needs=("orders", "schedule", "administrations"),
        severity=Severity.S4,
        audience=(INFUSION_CENTER,),
        action="record",
        check=_not_recorded,
    ),
)
