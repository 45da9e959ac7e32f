"""Days at the site: local calendar days, business days, and the moments where days begin."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo


@dataclass(frozen=True, slots=True)
class Calendar:
    """The zone of a site and the days on which nobody answers the telephone there."""

    zone: tzinfo = UTC
    holidays: frozenset[date] = frozenset()

    def day(self, moment: datetime) -> date:
        """The local calendar day of an aware moment."""
        return moment.astimezone(self.zone).date()

    def begins(self, day: date) -> datetime:
        """The moment at which a local day begins (right across changes of clock)."""
        return datetime.combine(day, time(), self.zone)

    def is_business_day(self, day: date) -> bool:
        return day.weekday() < 5 and day not in self.holidays

    def business_days_before(self, day: date, count: int) -> date:
        """The business day that lies `count` business days before `day`."""
        return self._step(day, count, timedelta(days=-1))

    def business_days_after(self, day: date, count: int) -> date:
        """The business day that lies `count` business days after `day`."""
        return self._step(day, count, timedelta(days=1))

    def business_days_between(self, first: date, last: date) -> int:
        """Business days after `first` up to and including `last`; 0 when `last` is not later."""
        if last <= first:
            return 0
        off = sum(first < day <= last and day.weekday() < 5 for day in self.holidays)
        return _weekdays_until(last) - _weekdays_until(first) - off

    def _step(self, day: date, count: int, step: timedelta) -> date:
        while count > 0:
            day += step
            count -= self.is_business_day(day)
        return day


def _weekdays_until(day: date) -> int:
    """Days from Monday to Friday since the Monday that began the calendar (day 1), `day` too."""
    weeks, rest = divmod(day.toordinal(), 7)
    return weeks * 5 + min(rest, 5)
