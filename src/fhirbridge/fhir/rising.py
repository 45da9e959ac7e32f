"""How far a reading has come that a server tells in order of time, the longest unchanged first."""

from __future__ import annotations

from datetime import datetime


class Rising:
    """A reading from `since` on; it may break off at any moment and go on from `reached`.

    Whether the server does sort is seen, not believed: the moment of a record counts when
    another one follows that is no older. Once an older one followed, nothing is known to be
    whole, and `reached` is `since` again. To the millisecond, as servers are asked.
    """

    def __init__(self, since: datetime) -> None:
        self.since = since
        self.in_order = True
        self._reached = self._last = _milliseconds(since)

    def saw(self, last_updated: datetime | None) -> None:
        """The next record was changed then; None: its server does not say."""
        moment = last_updated and _milliseconds(last_updated)
        if moment is None or moment < self._last:
            self.in_order = False
        else:
            self._reached, self._last = self._last, moment

    def goes_on(self) -> datetime:
        """It broke off, and the server is asked again from the moment that is answered."""
        self._last = self.reached
        return self._last

    @property
    def reached(self) -> datetime:
        """Whatever was last changed before this moment has been told."""
        return self._reached if self.in_order else self.since


def _milliseconds(moment: datetime) -> datetime:
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
