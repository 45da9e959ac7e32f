"""When to look again: the next moment at which time alone could change a finding.

Every threshold of the rules lies at the beginning of a local day, counted from an occasion or
from the end of an authorization; a severity or priority may also step with the hours before a
visit. Between a look and the next look findings do not change (their advised deadline, which is
counted from now, apart).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, datetime, timedelta

from fhirbridge.core.ledger import FORGOTTEN, Ledger, Occasion

#: Days before an occasion at which a rule, a severity or a priority steps.
DAYS = (21, 14, 7, 3, 2, 1, 0, -1)
#: The farthest threshold that is counted in business days.
BUSINESS_DAYS = 5


def next_look(ledger: Ledger, as_of: datetime) -> datetime | None:
    """The next moment at which to look again; None when time alone changes nothing."""
    moments = (m for o in ledger.occasions if not o.given for m in _moments(o, ledger))
    return min((moment for moment in moments if moment > as_of), default=None)


def _moments(occasion: Occasion, ledger: Ledger) -> Iterator[datetime]:
    calendar = ledger.calendar
    for day in _days(occasion, ledger):
        yield calendar.begins(day)
    if occasion.visit is not None and occasion.visit.start is not None:
        start = occasion.visit.start
        yield from (start - timedelta(days=days) for days in (14, 7, 3, 1))
        yield start + timedelta(microseconds=1)


def _days(occasion: Occasion, ledger: Ledger) -> Iterator[date]:
    day = occasion.day
    if day is None:
        return
    yield from (day - timedelta(days=days) for days in DAYS)
    before = [ledger.calendar.business_days_before(day, n) for n in range(BUSINESS_DAYS + 2)]
    yield from before
    yield from (one + timedelta(days=1) for one in before)
    yield day + FORGOTTEN + timedelta(days=1)
