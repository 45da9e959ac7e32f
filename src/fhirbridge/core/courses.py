"""Courses: the day for which an order's next dose is due.

Infusions that lie close are one course (docs/domain.md 2.2). What an order still asks for is
due by the days that it names, else by its own spacing, else by the regimen's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, timedelta

from .chains import Chain, Slot
from .facts import Order, State
from .quantity import Quantity
from .therapy import Therapy

#: How far from an ordered day an appointment may lie and still be meant (upper bound).
NEAR = timedelta(days=21)


def course_of(therapy: Therapy) -> timedelta:
    """Infusions this close are one course; spacing counts from its first (docs/domain.md 2.2)."""
    return timedelta(days=therapy.course_days)


def course_start(therapy: Therapy, history: Sequence[date]) -> date:
    """The first day of the last course."""
    days = sorted(history)
    start = days[-1]
    for day in reversed(days):
        if start - day > course_of(therapy):
            break
        start = day
    return start


def course_in_parts(
    therapy: Therapy, alive: Sequence[Chain], dose: Callable[[Order], Quantity | None]
) -> int:
    """How many visits the orders in force ask for, where they are one course and name no day."""
    masses = [
        mass
        for chain in alive
        if not chain.current.days and (mass := dose(chain.current)) is not None
        for _ in range(chain.wants(chain.current))
    ]
    return len(masses) if len(masses) > 1 and therapy.is_course(masses) else 1


def open_slots(
    therapy: Therapy, chain: Chain, history: Sequence[date], *, newest: bool, course: int
) -> None:
    """Add the slots that the current order still asks for, each with the day it is due."""
    order = chain.current
    booked = [slot for slot in chain.slots if slot.order is order]
    missing = chain.wants(order) - len(booked)
    again = newest and chain.goes_on and chain.asked[order.ref].spacing_days
    if again and all(event.done for slot in booked for event in slot.events):
        missing = max(missing, 1)
    if missing <= 0 or order.state is State.DONE:
        return
    fixed = _days_left(order, booked)[:missing]
    chain.slots += [Slot(order, day, fixed=True) for day in fixed]
    for _ in range(missing - len(fixed)):
        wants = max(course, chain.wants(order))
        chain.slots.append(Slot(order, _next_due(therapy, chain, order, history, wants)))
    chain.slots.sort(key=lambda slot: slot.due or date.max)


def _days_left(order: Order, booked: Sequence[Slot]) -> list[date]:
    """The days that an order names, without the one that each booked dose is nearest to."""
    left = list(order.days)
    for due in (slot.due for slot in booked if slot.due):
        close = [day for day in left if near(due, day, NEAR)]
        if close:
            left.remove(min(close, key=lambda day: abs(day - due)))
    return left


def _next_due(
    therapy: Therapy, chain: Chain, order: Order, history: Sequence[date], wants: int
) -> date | None:
    """The day for which the next dose of an order is due.

    After a dose of the same order: its own spacing. Else the regimen's spacing from the first
    infusion of the last course. A person never treated is due when the order begins.
    """
    mine = [slot.due for slot in chain.slots if slot.order is order and slot.due]
    begins = order.window.start or (order.authored.date() if order.authored else None)
    if mine:
        course = _dose_spacing(therapy, chain.wants(order))
        step = chain.asked[order.ref].spacing_days or course or therapy.spacing_days
        return max(mine) + timedelta(days=step) if step else None
    begun = [day for day in history if order.authored and day >= order.authored.date()]
    if begun and len(begun) < wants:
        return min(begun)  # a course that no link ties to its order, and that is not done yet
    if not (chain.goes_on and chain.asked[order.ref].spacing_days):
        # An order for one dose is due after those that were given before it was written.
        history = [day for day in history if day not in begun] or history
    if history and therapy.spacing_days:
        regular = course_start(therapy, history) + timedelta(days=therapy.spacing_days)
        return max(regular, begins) if begins else regular
    return begins


def _dose_spacing(therapy: Therapy, visits: int) -> int | None:
    """Days between the visits of a course, where the regimen has one with as many visits."""
    return next((dose.spacing_days for dose in therapy.doses if dose.visits == visits), None)


def near(first: date | None, second: date, within: timedelta) -> bool:
    return first is not None and abs(first - second) <= within
