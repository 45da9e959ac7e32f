"""Authorization: what the payer approved, compared with the dose that will be given.

The drug and its administration are authorized apart. Absence is not denial: a missing
authorization is said only after a source that holds authorizations was read completely.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from fhirbridge.core.authorizing import IN_FORCE, speaks_of
from fhirbridge.core.facts import Decision
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.ledger import Column, Item, Occasion
from fhirbridge.core.quantity import Quantity

from .base import CannotTell, Check, Rule, Scene

#: Without a known requirement, a missing authorization is said this close to the day.
WATCH_DAYS = 21
#: A pended answer is said this close to the day (domain 3); an expedited one closer.
PENDED_DAYS, EXPEDITED_DAYS = 7, 3
#: Days of slack after the visit below which an authorization is likely to be missed (domain 9).
SLIP_DAYS = 7
#: An authorization that ended longer before the visit than this is history, not the reason.
RECENT = timedelta(days=183)

NEEDS = frozenset({"orders", "authorizations"})
BOTH = (Role.PRESCRIBER, Role.INFUSION_CENTER)
ALL = (Role.PAYER, Role.PRESCRIBER, Role.INFUSION_CENTER, Role.PHARMACY)


def _missing_drug(scene: Scene) -> Iterable[Finding]:
    yield from _missing(scene, "drug", scene.occasion.drug_items)


def _missing_admin(scene: Scene) -> Iterable[Finding]:
    if scene.occasion.therapy.infusion:
        yield from _missing(scene, "administration", scene.occasion.admin_items)


def _missing(scene: Scene, side: str, items: Sequence[Item]) -> Iterable[Finding]:
    """No answer of a payer speaks about this side of the dose."""
    occasion = scene.occasion
    if not occasion.actionable or any(_explains(scene, item) for item in items):
        return
    needed = _needed(scene, side)
    if needed == "no":
        return
    if occasion.unclear_items:
        raise CannotTell("an approval does not say whether it covers the drug or its infusion")
    near = scene.lead is not None and scene.lead <= WATCH_DAYS
    if needed == "yes" or near:
        variant = "required" if needed == "yes" else "unknown"
        services = occasion.services if side == "administration" else ()
        focus = services[0].ref if services else None
        yield scene.finding(focus=focus, variant=variant, side=side)


def _explains(scene: Scene, item: Item) -> bool:
    """Whether an answer speaks about this dose, or another rule says what is wrong with it."""
    fact, day = item.fact, scene.occasion.day
    if fact.decision is Decision.CANCELED:
        return False
    if speaks_of(fact, day):
        return True
    return fact.decision in IN_FORCE and (_lapsed(scene, item) or _early(item, day))


def _needed(scene: Scene, side: str) -> str:
    """yes · no · unknown: what eligibility answers and CRD say about this side.

    A requirement that names no service speaks about the drug.
    """
    said = {
        fact.needed
        for covers, fact in scene.occasion.requirements
        if covers == side and (scene.occasion.day is None or fact.span.covers(scene.occasion.day))
    }
    return next((word for word in ("yes", "no") if word in said), "unknown")


def _lapsed(scene: Scene, item: Item) -> bool:
    """It ended shortly before the dose, and was not used up by the doses given under it."""
    end, day = item.fact.span.end, scene.occasion.day
    if end is None or day is None or not day - RECENT <= end < day:
        return False
    return not _used_up(scene, item)


def _used_up(scene: Scene, item: Item) -> bool:
    given = [
        o for o in scene.ledger.occasions if o.given and o.day and item.fact.span.covers(o.day)
    ]
    if item.visits is not None:
        return len(given) >= item.visits
    mass = _sum(o.administered.total for o in given)
    return mass is not None and item.total is not None and not mass < item.total


def _early(item: Item, day: date | None) -> bool:
    start = item.fact.span.start
    return start is not None and day is not None and day < start


def _pended(scene: Scene) -> Iterable[Finding]:
    occasion = scene.occasion
    if not occasion.actionable or scene.lead is None:
        return
    for side, column, items in _sides(occasion):
        item = _latest(items, Decision.PENDED, occasion.day)
        if column.decision != Decision.PENDED or item is None:
            continue
        if scene.lead <= (EXPEDITED_DAYS if item.fact.priority == "stat" else PENDED_DAYS):
            yield scene.finding(
                focus=item.fact.ref,
                part=side,
                side=side,
                reference=_number(item),
                evidence=[item.fact.ref],
            )


def _denied(scene: Scene) -> Iterable[Finding]:
    occasion = scene.occasion
    if not occasion.actionable:
        return
    for side, column, items in _sides(occasion):
        item = _latest(items, Decision.DENIED, occasion.day)
        if column.decision == Decision.DENIED and item is not None:
            yield scene.finding(
                focus=item.fact.ref,
                part=side,
                side=side,
                reference=_number(item),
                answer=item.fact.reason or None,
                evidence=[item.fact.ref],
            )


def _expires(scene: Scene) -> Iterable[Finding]:
    """The authorization ends before the visit, or so shortly after that a delay would cost it."""
    occasion = scene.occasion
    if not occasion.actionable or occasion.day is None:
        return
    for side, column, items in _sides(occasion):
        ends = [i for i in items if i.fact.decision in IN_FORCE and i.fact.span.end]
        if column.decision in IN_FORCE:
            inside = [i for i in ends if speaks_of(i.fact, occasion.day)]
            last = max(inside, key=_end, default=None)
            slack = (_end(last) - occasion.day).days if last else 0
            open_end = any(
                i.fact.span.end is None and speaks_of(i.fact, occasion.day)
                for i in items
                if i.fact.decision in IN_FORCE
            )
            if last and not open_end and occasion.visit and 1 <= slack <= SLIP_DAYS:
                yield _ending(scene, side, last, "slip", Severity.S3)
        else:
            lapsed = [i for i in ends if _lapsed(scene, i)]
            if lapsed and not column.decision:
                yield _ending(scene, side, max(lapsed, key=_end), "before", Severity.S2)


def _ending(scene: Scene, side: str, item: Item, variant: str, severity: Severity) -> Finding:
    return scene.finding(
        focus=item.fact.ref,
        part=side,
        side=side,
        variant=variant,
        severity=severity,
        until=item.fact.span.end,
        reference=_number(item),
        evidence=[item.fact.ref],
    )


def _not_yet(scene: Scene) -> Iterable[Finding]:
    occasion = scene.occasion
    if not occasion.actionable or occasion.visit is None:
        return
    for side, column, items in _sides(occasion):
        early = [i for i in items if i.fact.decision in IN_FORCE and _early(i, occasion.day)]
        if early and not column.decision:
            item = min(early, key=lambda i: i.fact.span.start or date.max)
            yield scene.finding(
                focus=item.fact.ref,
                part=side,
                side=side,
                begins=item.fact.span.start,
                reference=_number(item),
                evidence=[item.fact.ref],
            )


def _per_visit(scene: Scene) -> Iterable[Finding]:
    """The total is enough, but no approved visit is the dose that was ordered (E6)."""
    column, dose = _approved(scene)
    if dose is None or (column.per_visit is None and not _differing(scene)):
        return
    if column.per_visit is not None and column.per_visit.same(dose):
        return
    if column.total is not None and column.total < dose:
        return
    each = sorted({str(i.per_visit) for i in _used(scene)})
    yield scene.finding(focus=column.refs[0], reason=column.refs[0], each=tuple(each))


def _short_total(scene: Scene) -> Iterable[Finding]:
    """What is approved and not yet used is less than this dose, after the doses before it."""
    column, dose = _approved(scene)
    if dose is None or column.total is None:
        return
    left = column.total
    for other in scene.ledger.occasions:
        if other.therapy is not scene.occasion.therapy or other.key == scene.occasion.key:
            continue
        inside = other.day and any(i.fact.span.covers(other.day) for i in _used(scene))
        spent = other.administered.total if other.given else None
        if not other.given and _before(other, scene) and other.authorized_drug.refs == column.refs:
            spent = other.ordered.per_visit
        if inside and spent is not None:
            left = left - spent
    if left < dose:
        left = max(left, left * 0, key=lambda q: q.value)
        yield scene.finding(
            focus=column.refs[0], reason=column.refs[0], available=left, short=dose - left
        )


def _before(other: Occasion, scene: Scene) -> bool:
    day = scene.occasion.day
    coming = other in scene.ledger.open(scene.context.as_of)
    return coming and other.day is not None and day is not None and other.day < day


def _approved(scene: Scene) -> tuple[Column, Quantity | None]:
    """The approved drug column and the dose, or no dose where there is nothing to compare."""
    occasion, column = scene.occasion, scene.occasion.authorized_drug
    approved = column.decision in (Decision.APPROVED, Decision.MODIFIED)
    if not approved or not occasion.actionable:
        return column, None
    if not column.known or not occasion.ordered.known:
        raise CannotTell("an amount has no milligrams")
    return column, occasion.ordered.per_visit


def _used(scene: Scene) -> list[Item]:
    refs = set(scene.occasion.authorized_drug.refs)
    return [
        i
        for i in scene.occasion.drug_items
        if i.fact.ref in refs
        and i.fact.decision in IN_FORCE
        and speaks_of(i.fact, scene.occasion.day)
    ]


def _differing(scene: Scene) -> bool:
    """Every answer in force says an amount per visit, and not all say the same."""
    used = _used(scene)
    return bool(used) and all(item.per_visit for item in used)


def _sides(occasion: Occasion) -> Iterable[tuple[str, Column, tuple[Item, ...]]]:
    yield "drug", occasion.authorized_drug, occasion.drug_items
    if occasion.therapy.infusion:
        yield "administration", occasion.authorized_admin, occasion.admin_items


def _latest(items: Sequence[Item], decision: Decision, day: date | None) -> Item | None:
    speaking = [i for i in items if i.fact.decision is decision and speaks_of(i.fact, day)]
    return max(
        speaking,
        key=lambda i: (i.fact.issued.timestamp() if i.fact.issued else 0.0, i.fact.ref),
        default=None,
    )


def _end(item: Item | None) -> date:
    return item.fact.span.end or date.max if item else date.max


def _number(item: Item) -> str | None:
    return min(item.fact.numbers, default=None)


def _sum(masses: Iterable[Quantity | None]) -> Quantity | None:
    total: Quantity | None = None
    for mass in masses:
        if mass is not None:
            total = mass if total is None else total + mass
    return total


def _rule(
    code: str,
    title: str,
    columns: tuple[str, ...],
    owner: Role,
    audience: tuple[Role, ...],
    action: str,
    check: Check,
) -> Rule:
    return Rule(
        code=code,
        title=title,
        needs=NEEDS,
        columns=columns,
        severity=Severity.S2,
        owner=owner,
        audience=audience,
        action=action,
        deadline="authorization",
        check=check,
    )


DRUG, ADMINISTRATION = "authorized drug", "authorized administration"
PRESCRIBER, INFUSION_CENTER, PAYER = Role.PRESCRIBER, Role.INFUSION_CENTER, Role.PAYER

RULES = (
    _rule(
        "auth-missing-drug",
        "No authorization for the drug",
        ("ordered", DRUG),
        PRESCRIBER,
        BOTH,
        "fulfill",
        _missing_drug,
    ),
    _rule(
        "auth-missing-admin",
        "No authorization for the infusion itself",
        ("ordered", ADMINISTRATION),
        INFUSION_CENTER,
        BOTH,
        "fulfill",
        _missing_admin,
    ),
    _rule(
        "auth-pended-near-appt",
        "Authorization undecided shortly before the visit",
        (DRUG, ADMINISTRATION),
        PRESCRIBER,
        BOTH,
        "fulfill",
        _pended,
    ),
    _rule(
        "auth-denied",
        "Authorization denied",
        (DRUG, ADMINISTRATION),
        PRESCRIBER,
        BOTH,
        "replace",
        _denied,
    ),
    _rule(
        "auth-short-total",
        "Less authorized than ordered",
        ("ordered", DRUG),
        PRESCRIBER,
        (*BOTH, PAYER),
        "change",
        _short_total,
    ),
    _rule(
        "auth-per-visit-mismatch",
        "Authorized visits are not the ordered visits",
        ("ordered", DRUG, "scheduled"),
        PAYER,
        ALL,
        "change",
        _per_visit,
    ),
    _rule(
        "auth-expires-before-appt",
        "Authorization ends before the visit",
        ("ordered",),
        PRESCRIBER,
        BOTH,
        "change",
        _expires,
    ),
    _rule(
        "auth-not-yet-effective",
        "Authorization begins after the visit",
        ("ordered",),
        INFUSION_CENTER,
        BOTH,
        "change",
        _not_yet,
    ),
)
