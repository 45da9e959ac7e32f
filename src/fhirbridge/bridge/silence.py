"""Which sources have been silent for longer than they usually are.

A server that answers may still be out of date: what feeds it may have stopped. Only the site knows
how long a pause is usual (`silent_after_hours`); where it does not say, nobody is called silent.
News is a version of somebody else's record that we had not seen, however it reached us.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime, timedelta

from .ports import Store
from .sources import Source

#: The answer serves so long: it is the same for every person.
LASTS = timedelta(minutes=1)


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
