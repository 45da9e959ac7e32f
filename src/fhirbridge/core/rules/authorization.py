"""Authorization: did the payer answer for this dose, and does the answer hold on its day?

The drug and its administration are authorized apart. Absence is not denial: a missing
authorization is said only after a source that holds authorizations was read completely. What an
answer allows is compared with the dose in `amounts`, where it allows it in `places`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta

from fhirbridge.core.authorizing import IN_FORCE, speaks_of
from fhirbridge.core.facts import Decision
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.ledger import Item

from .amounts import used_up
from .base import CannotTell, Rule
from .rows import ADMINISTRATION, BOTH, DRUG, INFUSION_CENTER, ORDERED, PRESCRIBER, number_of
from .scene import Check, Scene

#: Without a known requirement, a missing authorization is said this close to the day.
WATCH_DAYS = 21
#: A pended answer is said this close to the day (docs/domain.md 3.2, 3); an expedited one closer.
PENDED_DAYS, EXPEDITED_DAYS = 7, 3
#: Days of slack after the visit below which an authorization is likely to be missed
#: (docs/domain.md 3.5, 9).
SLIP_DAYS = 7
#: An authorization that ended longer before the visit than this is history, not the reason.
RECENT = timedelta(days=183)


def _missing_drug(scene: Scene) -> Iterable[Finding]:
    yield from _missing(scene, "drug", scene.occasion.drug_items)


def _missing_admin(scene: Scene) -> Iterable[Finding]:
    if scene.occasion.therapy.infusion:
        yield from _missing(scene, "administration", scene.occasion.admin_items)


def _missing(scene: Scene, side: str, items: Sequence[Item]) -> Iterable[Finding]:
    """No answer of a payer speaks about this side of the dose."""
    occasion = scene.occasion
    if not scene.actionable or any(_explains(scene, item) for item in items):
        return
    needed = needed_for(scene, side)
    if needed == "no" or (needed == "unknown" and occasion.therapy.channel == "pharmacy"):
        return  # of the pharmacy benefit payers show nothing that could be read
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
    fact, day = item.fact, scene.day
    if fact.decision is Decision.CANCELED:
        return False
    if speaks_of(fact, day):
        return True
    return fact.decision in IN_FORCE and (_lapsed(scene, item) or _early(item, day))


def needed_for(scene: Scene, side: str) -> str:
    """yes · no · unknown: what eligibility answers and CRD say about this side.

    A requirement that names no service speaks about the drug.
    """
    said = {
        fact.needed
        for covers, fact in scene.occasion.requirements
        if covers == side and (scene.day is None or fact.span.covers(scene.day))
    }
    return next((word for word in ("yes", "no") if word in said), "unknown")


def _lapsed(scene: Scene, item: Item) -> bool:
    """It ended shortly before the dose, and was not used up by the doses given under it."""
    end, day = item.fact.span.end, scene.day
    if end is None or day is None or not day - RECENT <= end < day:
        return False
    return not used_up(scene, item)


def _early(item: Item, day: date | None) -> bool:
    start = item.fact.span.start
    return start is not None and day is not None and day < start


def _pended(scene: Scene) -> Iterable[Finding]:
    if not scene.actionable or scene.lead is None:
        return
    for side, column, items in scene.sides:
        if column.decision != Decision.PENDED:
            continue
        item = _latest(items, Decision.PENDED, scene.day)
        if scene.lead <= (EXPEDITED_DAYS if item.fact.priority == "stat" else PENDED_DAYS):
            yield _about(scene, side, item)


def _denied(scene: Scene) -> Iterable[Finding]:
    yield from _standing(scene, Decision.DENIED)


def _contact(scene: Scene) -> Iterable[Finding]:
    yield from _standing(scene, Decision.CONTACT)
    yield from _standing(scene, Decision.UNKNOWN)
    yield from _without_number(scene)


def _without_number(scene: Scene) -> Iterable[Finding]:
    """A review action approves, and nothing gives the number under which it can be billed."""
    if not scene.actionable:
        return
    for side, column, items in scene.sides:
        if column.decision != Decision.APPROVED:
            continue
        used = [item for item in items if item.fact.ref in column.refs]
        if all(item.fact.reviewed and not item.fact.numbers for item in used):
            yield _about(scene, side, used[0], variant="no-number")


def _standing(scene: Scene, decision: Decision) -> Iterable[Finding]:
    """The decision is what stands for a side of this dose: nothing is in force there."""
    if not scene.actionable:
        return
    for side, column, items in scene.sides:
        if column.decision != decision:
            continue
        item = _latest(items, decision, scene.day)
        yield _about(scene, side, item, answer=item.fact.reason or None)


def _expires(scene: Scene) -> Iterable[Finding]:
    """The authorization ends before the visit, or so shortly after that a delay would cost it."""
    if not scene.actionable or scene.day is None:
        return
    for side, column, items in scene.sides:
        granted = [i for i in items if i.fact.decision in IN_FORCE]
        if column.decision in IN_FORCE:
            last = _last_day(granted, scene.day)
            if last and scene.visit and 1 <= (_end(last) - scene.day).days <= SLIP_DAYS:
                yield _ending(scene, side, last, "slip", Severity.S3)
        elif (
            not column.decision
            and _coming(scene)
            and (lapsed := [i for i in granted if _lapsed(scene, i)])
        ):
            yield _ending(scene, side, max(lapsed, key=_end), "before")


def _coming(scene: Scene) -> bool:
    """A visit is booked, or the day is near: before that, the payer may still extend it."""
    return scene.visit is not None or (scene.lead is not None and scene.lead <= WATCH_DAYS)


def _last_day(granted: Sequence[Item], day: date) -> Item | None:
    """The answer that holds longest of those that hold on a day, or that go on from there."""
    last = None
    while inside := [item for item in granted if speaks_of(item.fact, day)]:
        last = max(inside, key=_end)
        if last.fact.span.end is None:
            break
        day = last.fact.span.end + timedelta(days=1)
    return last


def _ending(
    scene: Scene, side: str, item: Item, variant: str, severity: Severity | None = None
) -> Finding:
    until = item.fact.span.end
    return _about(scene, side, item, variant=variant, severity=severity, until=until)


def _not_yet(scene: Scene) -> Iterable[Finding]:
    if not scene.actionable or scene.visit is None:
        return
    for side, column, items in scene.sides:
        early = [i for i in items if i.fact.decision in IN_FORCE and _early(i, scene.day)]
        if early and not column.decision:
            item = min(early, key=lambda i: i.fact.span.start or date.max)
            yield _about(scene, side, item, begins=item.fact.span.start)


def _about(
    scene: Scene,
    side: str,
    item: Item,
    *,
    variant: str = "",
    severity: Severity | None = None,
    until: date | None = None,
    begins: date | None = None,
    answer: str | None = None,
) -> Finding:
    """A finding about one answer of a payer."""
    return scene.finding(
        focus=item.fact.ref,
        part=side,
        side=side,
        variant=variant,
        severity=severity,
        reference=number_of(item),
        until=until,
        begins=begins,
        answer=answer,
    )


def _latest(items: Sequence[Item], decision: Decision, day: date | None) -> Item:
    """The latest answer with the decision that the column shows: there is one (`_standing`)."""
    speaking = [i for i in items if i.fact.decision is decision and speaks_of(i.fact, day)]
    return max(
        speaking,
        key=lambda i: (i.fact.issued.timestamp() if i.fact.issued else 0.0, i.fact.ref),
    )


def _end(item: Item) -> date:
    return item.fact.span.end or date.max


def _rule(
    code: str,
    title: str,
    why: str,
    source: str,
    *,
    check: Check,
    columns: tuple[str, ...] = (ORDERED,),
    owner: Role = PRESCRIBER,
    severity: Severity = Severity.S2,
    action: str = "change",
) -> Rule:  # pragma: no mutate block, runs at import
    return Rule(
        code=code,
        title=title,
        why=why,
        source=source,
        needs=frozenset({"orders", "authorizations"}),
        columns=columns,
        severity=severity,
        owner=owner,
        audience=BOTH,
        action=action,
        deadline="authorization",
        check=check,
    )


RULES = (
    _rule(
        "auth-missing-drug",
        "No authorization for the drug",
        "The payer requires authorization of the drug, or nobody knows and the day is near, and "
        "no answer of the payer speaks about this dose.",
        "1 AUTH_MISSING_DRUG",
        columns=(ORDERED, DRUG),
        action="fulfill",
        check=_missing_drug,
    ),
    _rule(
        "auth-missing-admin",
        "No authorization for the infusion itself",
        "The same for the infusion visit, whatever the answer about the drug says.",
        "2 AUTH_MISSING_ADMIN",
        columns=(ORDERED, ADMINISTRATION),
        owner=INFUSION_CENTER,
        action="fulfill",
        check=_missing_admin,
    ),
    _rule(
        "auth-pended-near-appt",
        "Authorization undecided shortly before the visit",
        "The payer waits for something a week before the visit (three days when expedited).",
        "3 AUTH_PENDED_NEAR_APPT",
        columns=(DRUG, ADMINISTRATION),
        action="fulfill",
        check=_pended,
    ),
    _rule(
        "auth-denied",
        "Authorization denied",
        "The payer's answer as a whole denies the drug or its infusion.",
        "4 AUTH_DENIED",
        columns=(DRUG, ADMINISTRATION),
        action="replace",
        check=_denied,
    ),
    _rule(
        "auth-contact-payer",
        "The payer's answer is no decision",
        "The payer asks to be called, answers in a way that nobody can read as a decision, or "
        "approves without the number under which it can be billed.",
        "5 AUTH_CONTACT_PAYER",
        columns=(DRUG, ADMINISTRATION),
        severity=Severity.S3,
        check=_contact,
    ),
    _rule(
        "auth-expires-before-appt",
        "Authorization ends before the visit",
        "The last day of the authorization lies before the visit, or so soon after it that a "
        "visit that slips is no longer covered.",
        "9 AUTH_EXPIRES_BEFORE_APPT",
        check=_expires,
    ),
    _rule(
        "auth-not-yet-effective",
        "Authorization begins after the visit",
        "The first day of the authorization lies after the visit.",
        "10 AUTH_NOT_YET_EFFECTIVE",
        owner=INFUSION_CENTER,
        check=_not_yet,
    ),
)
