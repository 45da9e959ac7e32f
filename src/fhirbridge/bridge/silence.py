"""Silence, measured by news: changes by others, however they reached us, deletions too.

Silence proves nothing by itself: perhaps nobody works. Of one Subscription (`Cadence`) an unusual
pause is a reason to poll, and what the poll finds proves. Of a whole source (`Silence`) only the
site knows how long a pause is usual (`silent_after_hours`: what feeds a server may have stopped,
though it answers); where it does not say, nobody is called silent. Both go by `Store.last_news`.
Where a server sends heartbeats (`Pulse`), silence does prove.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from fhirbridge.store.records import SubscriptionRow

from .ports import Store
from .sources import Source

#: The answer serves so long: it is the same for every person.
LASTS = timedelta(minutes=1)

_LATE = timedelta(seconds=30)  # a heartbeat may come so much later
_REMEMBERED = 200
_ENOUGH = 5
_UNUSUAL = 4  # times the longest pause that it is known for


class Silence:
    """Asks the store when each source last had news. Safe to use from several threads."""

    def __init__(self, sources: Iterable[Source], store: Store) -> None:
        self._usual = {each.name: each.silent_after for each in sources if each.silent_after}
        self._store = store
        self._known: tuple[datetime, Mapping[str, datetime]] | None = None

    def __call__(self, now: datetime) -> Mapping[str, datetime]:
        """The silent sources, each since when. One of which we never heard has just begun."""
        if not self._usual:
            return {}
        known = self._known
        if known is None or not known[0] <= now < known[0] + LASTS:
            known = self._known = now, self._look(now)
        return known[1]

    def _look(self, now: datetime) -> Mapping[str, datetime]:
        heard = {name: self._store.last_news(name) for name in self._usual}
        return {
            name: since
            for name, since in heard.items()
            if since is not None and now - since > self._usual[name]
        }


class Cadence:
    """The pauses between the news of one type, as seen by looks at when the last came."""

    def __init__(self) -> None:
        self._pauses: deque[timedelta] = deque(maxlen=_REMEMBERED)
        self._last: datetime | None = None
        self._said = False

    def is_quiet(self, last_news: datetime | None, now: datetime) -> bool:
        """Nothing came for much longer than usual? Says so once for each silence."""
        if last_news is None:
            return False
        if self._last is not None and last_news > self._last:
            self._pauses.append(last_news - self._last)
            self._said = False
        self._last = last_news
        known = len(self._pauses) >= _ENOUGH
        if not known or self._said or now - last_news <= max(self._pauses) * _UNUSUAL:
            return False
        self._said = True
        return True


class Pulse:
    """Whether the heart of a topic Subscription has stopped.

    That its server sends heartbeats is seen, not believed: HAPI takes the period that it is asked
    for, and sends none. `began`: before it we may have been deaf ourselves.
    """

    def __init__(self, store: Store, began: datetime) -> None:
        self._store, self._began = store, began

    def has_stopped(self, row: SubscriptionRow, period: timedelta, now: datetime) -> bool:
        """Did heartbeats come, and no word at all for two periods and what one may be late?"""
        last = max(filter(None, (row.last_heard, row.since, self._began)))
        return now - last > 2 * period + _LATE and self._store.beats(row.key, row.since)
