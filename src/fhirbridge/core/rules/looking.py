"""When to look again: the next moment at which time alone could change a finding.

Every threshold of the rules lies at the beginning of a local day, counted from an occasion, from
the records of its order, visits and doses, or from the end of an authorization; a severity or
priority may also step with the hours before a visit. Between a look and the next look findings
do not change (their advised deadline, which is counted from now, apart).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import lru_cache

from fhirbridge.core.calendar import Calendar
from fhirbridge.core.ledger import FORGOTTEN, LOOK_BACK, Ledger, Occasion
from fhirbridge.core.plan import Said

from .given import CORRECTION, RECORDING, SPLIT
from .process import moments as late_moments
from .schedule import GRACE, LATE, VERY_LATE, due_after_history

#: Days before an occasion at which a rule, a severity or a priority steps.
DAYS = tuple(timedelta(days=days) for days in (28, 21, 14, 7, 3, 2, 1, 0, -1))
#: … and before the hour of a visit; the last one is the first moment after it.
HOURS = (*(timedelta(days=days) for days in (14, 7, 3, 1)), -timedelta.resolution)
#: The farthest threshold that is counted in business days, and one more.
BUSINESS_DAYS = 6
DAY = timedelta(days=1)


def next_look(ledger: Ledger, as_of: datetime, said: Iterable[Said] = ()) -> datetime | None:
    """The next moment at which to look again; None when time alone changes nothing.

    `said`: our Tasks, which become late.
    """
    calendar = ledger.calendar
    today = calendar.day(as_of)
    coming = [moment for moment in late_moments(said) if moment > as_of]
    days: list[date] = []
    for occasion in ledger.occasions:
        days += _days(occasion, calendar, today)
        if not occasion.given:
            coming += _hour(occasion, as_of)
    if later := [day for day in days if day > today]:
        coming.append(calendar.begins(min(later)))
    return min(coming, default=None)


def is_near(ledger: Ledger, as_of: datetime) -> bool:
    """Is a dose to be given today, or until the next business day?

    It may come to be so only at a look: each day before a dose is one of `DAYS`, or a weekend.
    """
    today = ledger.calendar.day(as_of)
    until = ledger.calendar.business_days_after(today, 1)
    return any(
        not each.given and each.day is not None and today <= each.day <= until
        for each in ledger.occasions
    )


def _hour(occasion: Occasion, as_of: datetime) -> list[datetime]:
    """The next moment that is counted from the hour of the visit: priorities step there."""
    if occasion.visit is not None and occasion.visit.start is not None:
        for ahead in HOURS:
            moment = occasion.visit.start - ahead
            if moment > as_of:
                return [moment]
    return []


def _days(occasion: Occasion, calendar: Calendar, today: date) -> Iterable[date]:
    """The days that are counted from an occasion; of those before it, only the next one."""
    day = occasion.day
    if day is None:
        return ()
    if occasion.given:  # its own day: of a record that runs ahead of the clock
        return day, day + RECORDING + DAY, day + LOOK_BACK + DAY
    marks = _marks(day, calendar)
    return (*marks[bisect_right(marks, today) :][:1], *_waiting(occasion, calendar))


@lru_cache(maxsize=4096)
def _marks(day: date, calendar: Calendar) -> tuple[date, ...]:
    """The days, in order, that are counted from the day of a dose alone: kept, for many persons
    have theirs on one day."""
    marks = {day - days for days in DAYS} | {day + FORGOTTEN + DAY}
    before = day
    for _ in range(BUSINESS_DAYS + 1):
        marks |= {before, before + DAY}
        before = calendar.business_days_before(before, 1)
    return tuple(sorted(marks))


def _waiting(occasion: Occasion, calendar: Calendar) -> Iterator[date]:
    """The days on which something that was waited for should have happened."""
    order = occasion.order
    written = [order.authored] if order and order.authored else []
    for moment in (*written, *(v.updated for v in occasion.called_off if v.updated)):
        yield calendar.business_days_after(calendar.day(moment), GRACE)
    for day in (visit.day for visit in occasion.called_off if visit.day):
        yield calendar.business_days_after(day, GRACE)
    for day in (fact.day for fact in occasion.administrations if fact.day):
        yield from (day + days + DAY for days in (CORRECTION, SPLIT))
    if due := due_after_history(occasion):
        yield from (due + days + DAY for days in (LATE, VERY_LATE))
    yield from (supply.day for supply in occasion.supplies if supply.day)
    yield from (visit.day + DAY for visit in occasion.visits if visit.day)
