"""Reminders: whoever was asked and says nothing is asked once more before it is too late.

    Reminders(schedule, said, as_of)(task) -> the day of the reminder to be sent now, or None
    moments(said, schedule)                -> when reminders are to be sent

Level-triggered like everything here: each look asks what should have been said by now, and the
Task remembers the day of its last reminder (`Said.reminded`). Whatever was missed meanwhile is
one reminder, not several.

Few, because a reminder too many teaches people not to read: none to somebody who has accepted,
none within a whole business day of being asked, none when the time is over or while somebody is
calling already (`owner-unresponsive`, docs/domain.md 3.2, 48), and none to the coordinator, who
reads the worklist anyway.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, time

from .calendar import Calendar
from .facts import Ref
from .findings import Role
from .plan import Do, Plan, Said, Told, Why
from .roots import ROOT_RULE
from .rules.process import UNRESPONSIVE

#: The hour at the site at which reminders go out.
HOUR = time(8)
#: Business days that somebody has for answering before the first reminder.
PATIENCE = 2
_NOBODY = ("", Role.COORDINATOR, Role.PATIENT)


@dataclass(frozen=True, slots=True)
class Schedule:
    """`days`: business days before a Task is due, on which its owner is reminded."""

    calendar: Calendar
    days: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Reminders:
    """Which of our Tasks (`said`) are to be reminded of at a moment."""

    schedule: Schedule
    said: tuple[Said, ...]
    as_of: datetime

    def __call__(self, one: Said) -> date | None:
        """The day of the last reminder that should have been sent by now and was not."""
        if one.due is None or one.due <= self.as_of or self._is_called(one.occasion):
            return None
        past = [day for day, moment in _moments(one, self.schedule) if moment <= self.as_of]
        return max(past, default=None)

    def _is_called(self, occasion: str) -> bool:
        """Does a person look already why nobody answers there?"""
        return any(
            each.told is Told.STARTED
            and each.rule == UNRESPONSIVE.code
            and each.occasion == occasion
            for each in self.said
        )


def moments(said: Iterable[Said], schedule: Schedule) -> Iterator[datetime]:
    """The moments at which time alone makes a reminder due."""
    for each in said:
        for _, moment in _moments(each, schedule):
            yield moment


def afterwards(said: Iterable[Said], plan: Plan, as_of: datetime) -> list[Said]:
    """Our Tasks as they will stand when a plan is carried out, as far as time concerns them."""
    after = {(each.key, each.episode): each for each in said}
    for intent in plan.intents:
        finding, name = intent.finding, (intent.key, intent.episode)
        if intent.why == Why.DOUBLE:
            continue  # the other one stands
        if finding is None:
            after.pop(name, None)
        elif intent.do is Do.OPEN:
            after[name] = Said(
                key=intent.key,
                episode=intent.episode,
                ref=Ref("", "Task", ""),  # it has no place yet
                told=Told.OPEN,
                digest=finding.digest,
                rule=finding.rule,
                root=finding.rule == ROOT_RULE,
                occasion=finding.occasion,
                written=as_of,
                owner=finding.owner,
                due=finding.due,
            )
        elif intent.do is Do.REVISE:
            after[name] = replace(after[name], due=finding.due)
    return list(after.values())


def _moments(said: Said, schedule: Schedule) -> Iterator[tuple[date, datetime]]:
    """The day and the moment of each reminder of a Task that is still to come or was missed."""
    if said.told is not Told.OPEN or said.root or said.owner in _NOBODY:
        return
    if said.written is None or said.due is None:
        return
    calendar = schedule.calendar
    asked, last = calendar.day(said.written), calendar.day(said.due)
    for count in schedule.days:
        day = calendar.business_days_before(last, count)
        known = said.reminded is not None and day <= said.reminded
        if not known and calendar.business_days_between(asked, day) >= PATIENCE:
            yield day, datetime.combine(day, HOUR, calendar.zone)
