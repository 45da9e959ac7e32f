"""Schedule: is the dose booked, once, long enough, and at the right distance from the last one?

Spacing is counted from the first infusion of the last course, and only from doses that a record
shows as given.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, timedelta
from decimal import Decimal

from fhirbridge.core.answering import AS_PLANNED
from fhirbridge.core.courses import course_of, course_start
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.ledger import Dose, Occasion
from fhirbridge.core.quantity import Quantity

from .base import CannotTell, Rule
from .rows import BOOKED, BOTH, COORDINATOR, INFUSION_CENTER, ORDERED, SCHEDULED, booked
from .scene import Check, Scene

#: A dose without a visit is said this close to its day (docs/domain.md 3.2, 19).
BOOK_DAYS = 28
#: An order that was just written, or a visit just called off, gets this many business days.
GRACE = 3
#: Days after the day a dose is due from which it is late, and from which that blocks
#: (docs/domain.md 3.5, 30).
LATE, VERY_LATE = timedelta(days=14), timedelta(days=28)


def _without_visit(scene: Scene) -> Iterable[Finding]:
    """A dose is due soon, and nobody has booked it."""
    order = scene.order
    if not scene.actionable or order is None or not scene.occasion.therapy.infusion:
        return
    if scene.visit is not None or scene.lead is None or scene.lead > BOOK_DAYS:
        return
    written = order.authored.astimezone(scene.context.calendar.zone) if order.authored else None
    if written is None or _business_days_since(scene, written.date()) >= GRACE:
        yield scene.finding()


def _business_days_since(scene: Scene, day: date) -> int:
    return scene.context.calendar.business_days_between(day, scene.today)


def _called_off(scene: Scene) -> Iterable[Finding]:
    """The visit was canceled, or the patient did not come, and there is no other."""
    off = scene.occasion.called_off
    if not off or not scene.actionable or scene.visit is not None:
        return
    last = max(off, key=lambda v: (v.day or date.min, v.ref))
    zone = scene.context.calendar.zone
    since = last.updated.astimezone(zone).date() if last.updated else last.day
    if since is None or _business_days_since(scene, since) >= GRACE or _soon(scene):
        yield scene.finding(
            reason=last.ref,
            variant=last.status if last.status == "noshow" else "",
            called_off=last.day,
            evidence=[visit.ref for visit in off],
        )


def _soon(scene: Scene) -> bool:
    """Whether the day is so close that nobody can wait for the office to book again."""
    left = scene.business_days_left
    return left is not None and left <= GRACE


def _count(scene: Scene) -> Iterable[Finding]:
    """More visits are booked for one dose than it takes, or fewer than its course takes."""
    occasion = scene.occasion
    if not scene.actionable or scene.order is None:
        return
    coming = [v for v in occasion.visits if v.status in BOOKED and v.day and v.day >= scene.today]
    if len(coming) > 1 and not occasion.partly_given:
        yield scene.finding(
            focus=coming[-1].ref,
            variant="more",
            booked_visits=len(coming),
            evidence=[visit.ref for visit in coming],
        )
    elif not coming and (beside := _booked_beside(scene)):
        wanted = [o for o in scene.siblings if o.order is scene.order]
        yield scene.finding(
            focus=beside.visit.ref if beside.visit else None,
            variant="fewer",
            booked_visits=sum(booked(o) for o in wanted),
            asked_visits=len(wanted),
        )


def _booked_beside(scene: Scene) -> Occasion | None:
    """A dose of the same course and order that is booked, where this one is not."""
    day = scene.day
    if day is None or scene.visit is not None:
        return None
    return next(
        (
            other
            for other in scene.siblings
            if other.order is scene.order
            and booked(other)
            and other.day is not None
            and scene.today <= other.day
            and abs(other.day - day) <= course_of(other.therapy)
        ),
        None,
    )


def _too_short(scene: Scene) -> Iterable[Finding]:
    """The appointment is shorter than premedication, infusion and observation take."""
    visit, dose = scene.visit, scene.occasion.ordered.per_visit
    if visit is None or not visit.start or not visit.end or not booked(scene.occasion):
        return
    if not scene.actionable or dose is None:
        return
    therapy = scene.occasion.therapy
    number = len(scene.occasion.history) + 1 if scene.occasion.history else None
    minutes = int((visit.end - visit.start).total_seconds() // 60)
    chairs = (therapy.chair_minutes(each, number) for each in therapy.doses if each.fits(dose))
    needed = [chair for chair in chairs if chair is not None]
    if needed and minutes < min(needed):
        yield scene.finding(focus=visit.ref, booked_minutes=minutes, needed_minutes=min(needed))


def _too_early(scene: Scene) -> Iterable[Finding]:
    """The visit lies closer to the last course than the label allows (a safety matter)."""
    visit, therapy = scene.visit, scene.occasion.therapy
    if visit is None or visit.day is None or not booked(scene.occasion) or not scene.actionable:
        return
    before = [dose for dose in scene.occasion.history if dose.day < visit.day]
    if not before or scene.occasion.partly_given:
        return
    start = course_start(therapy, [dose.day for dose in before])
    hard, usual = therapy.earliest_after(start), therapy.usual_after(start)
    too_early = hard is not None and visit.day < hard
    if not too_early and (usual is None or visit.day >= usual):
        return
    if visit.day - start <= course_of(therapy) and _same_course(scene, before, start):
        return
    yield scene.finding(
        focus=visit.ref,
        variant="minimum" if too_early else "",
        severity=Severity.S1 if too_early else Severity.S3,
        last_dose=start,
        earliest=hard if too_early else usual,
        days=(visit.day - start).days,
        # Below the label's minimum there is nothing to choose.
        choices={} if too_early else {AS_PLANNED: AS_PLANNED, "move-visit": "move-visit"},
    )


def _same_course(scene: Scene, before: list[Dose], start: date) -> bool:
    """Whether this dose is the rest of a course: with what was given it is no more than one."""
    dose, doses = scene.occasion.ordered.per_visit, scene.occasion.therapy.doses
    course = max((d.per_visit * d.visits for d in doses if d.per_visit), key=_value, default=None)
    given = [each.mass for each in before if each.day >= start]
    if dose is None or course is None or None in given:
        raise CannotTell("how much was given in this course is not known")
    total = dose
    for mass in filter(None, given):
        total = total + mass
    return not course < total


def _value(mass: Quantity) -> Decimal:
    return mass.value


def _overdue(scene: Scene) -> Iterable[Finding]:
    """The dose after the last course is late, and no visit is booked in time."""
    occasion, due = scene.occasion, due_after_history(scene.occasion)
    if due is None or not scene.actionable or not _is_next(scene):
        return
    day = scene.visit.day if scene.visit is not None and booked(occasion) else None
    day = max(day or scene.today, scene.today)
    if day > due + LATE:
        yield scene.finding(
            severity=Severity.S2 if day > due + VERY_LATE else Severity.S3,
            variant="booked" if day > scene.today else "",
            was_due=due,
            visit_day=day if day > scene.today else None,
        )


def due_after_history(occasion: Occasion) -> date | None:
    """When the next course was due, counted from doses given (docs/domain.md 3.5, 30)."""
    if not occasion.history:
        return None
    start = course_start(occasion.therapy, [dose.day for dose in occasion.history])
    due = occasion.therapy.due_after(start)
    spacing = occasion.order.spacing_days if occasion.order else None
    return max(due, start + timedelta(days=spacing)) if due and spacing else due


def _is_next(scene: Scene) -> bool:
    """Whether this dose, which can be given, is the first of those still to be given."""
    waiting = [o for o in scene.siblings if not o.given and o.actionable]
    return waiting[0].key == scene.occasion.key


def _rule(
    code: str,
    title: str,
    why: str,
    source: str,
    *,
    check: Check,
    needs: tuple[str, ...] = ("orders", "schedule"),
    columns: tuple[str, ...] = (ORDERED, SCHEDULED),
    severity: Severity = Severity.S3,
    owner: Role = INFUSION_CENTER,
    action: str = "fulfill",
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
        audience=(owner, *(role for role in BOTH if role is not owner)),
        action=action,
        deadline="clarification",
        check=check,
    )


GIVEN = ("orders", "schedule", "administrations")

RULES = (
    _rule(
        "order-without-appt",
        "Order without an appointment",
        "A dose is due within four weeks, and no visit is booked for it.",
        "19 ORDER_WITHOUT_APPT",
        check=_without_visit,
    ),
    _rule(
        "appt-cancelled-unreplaced",
        "Canceled visit without another",
        "The visit was canceled, or the patient did not come, and three business days later no "
        "other is booked.",
        "32 APPT_CANCELLED_UNREPLACED",
        check=_called_off,
    ),
    _rule(
        "appt-count-mismatch",
        "Number of visits booked differs",
        "More visits are booked for one dose than it takes, or fewer than its course takes.",
        "27 APPT_COUNT_MISMATCH",
        action="change",
        check=_count,
    ),
    _rule(
        "appt-too-short",
        "Appointment too short",
        "The appointment is shorter than premedication, infusion and observation take.",
        "28 APPT_TOO_SHORT",
        action="change",
        check=_too_short,
    ),
    _rule(
        "interval-too-early",
        "Dose too early",
        "The visit lies closer to the first infusion of the last course than the label's minimum "
        "(S1), or than usual (S3). The rest of the same course is exempt.",
        "29 INTERVAL_TOO_EARLY",
        needs=GIVEN,
        severity=Severity.S1,
        action="suspend",
        check=_too_early,
    ),
    _rule(
        "interval-overdue",
        "Dose overdue",
        "The next course is more than two weeks late (four: S2), or booked so late.",
        "30 INTERVAL_OVERDUE",
        needs=GIVEN,
        owner=COORDINATOR,
        check=_overdue,
    ),
)
