"""How often somebody may do something: so many at once, so many in the long run.

    limit = Limit(burst=20, a_second=0.5, clock=clock)
    limit.take("198.51.100.7")      # 0: go on; else seconds until the next one

The generic cell rate algorithm (ITU-T I.371): of each name only the moment is kept at which it
will have used up nothing. Names are bounded: the one that was quiet for longest is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from datetime import datetime, timedelta
from threading import Lock

_MOST_NAMES = 10_000


class Limit:
    """One limit for each name. Thread-safe."""

    def __init__(
        self,
        *,
        burst: int,
        a_second: float,
        clock: Callable[[], datetime],
        most_names: int = _MOST_NAMES,
    ) -> None:
        self._apart = timedelta(seconds=1 / a_second)
        self._most_ahead = self._apart * burst
        self._clock, self._most_names = clock, most_names
        self._rested: OrderedDict[str, datetime] = OrderedDict()
        self._guard = Lock()

    def take(self, name: str = "") -> float:
        """Counts one; 0 when it may be, else the seconds after which it may."""
        with self._guard:
            now = self._clock()
            # A clock that was set back must not shut anybody out for longer than a full burst.
            rested = min(self._rested.get(name, now), now + self._most_ahead)
            ahead = max(rested, now) + self._apart - now
            if ahead > self._most_ahead:
                return (ahead - self._most_ahead).total_seconds()
            self._rested[name] = now + ahead
            self._rested.move_to_end(name)
            if len(self._rested) > self._most_names:
                self._rested.popitem(last=False)
            return 0.0
