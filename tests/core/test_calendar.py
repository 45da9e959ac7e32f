"""Business days, counted against counting them one by one."""

from __future__ import annotations

from datetime import UTC, date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.calendar import Calendar

DAYS = st.dates(date(2026, 11, 1), date(2027, 1, 31))


@settings(deadline=None)
@given(DAYS, DAYS, st.frozensets(DAYS, max_size=12))
def test_business_days_between(first: date, last: date, holidays: frozenset[date]) -> None:
    days = (first + timedelta(days=n) for n in range(1, (last - first).days + 1))
    one_by_one = sum(day.weekday() < 5 and day not in holidays for day in days)
    assert Calendar(UTC, holidays).business_days_between(first, last) == one_by_one


def test_around_thanksgiving() -> None:
    """26 November 2026 is a Thursday."""
    calendar = Calendar(UTC, frozenset({date(2026, 11, 26), date(2026, 11, 28)}))
    monday, saturday, sunday = date(2026, 11, 23), date(2026, 11, 28), date(2026, 11, 29)
    assert calendar.business_days_between(monday, monday) == 0
    assert calendar.business_days_between(monday, date(2026, 11, 26)) == 2
    assert calendar.business_days_between(monday, saturday) == 3
    assert calendar.business_days_between(saturday, sunday) == 0
    assert calendar.business_days_between(sunday, saturday) == 0
