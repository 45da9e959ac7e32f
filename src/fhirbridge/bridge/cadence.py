"""How often a source usually tells us something, and whether it is quiet for unusually long.

Silence proves nothing: perhaps nobody works. It is a reason to poll, and what a poll finds proves.
"""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta

_REMEMBERED = 200
_ENOUGH = 5
_UNUSUAL = 4  # times the longest pause that it is known for


class Cadence:
    """The pauses of one Subscription, as seen by looks at when it was last heard."""

    def __init__(self) -> None:
        self._pauses: deque[timedelta] = deque(maxlen=_REMEMBERED)
        self._last: datetime | None = None
        self._said = False

    def is_quiet(self, last_heard: datetime | None, now: datetime) -> bool:
        """Nothing came for much longer than usual? Says so once for each silence."""
        if last_heard is None:
            return False
        if self._last is not None and last_heard > self._last:
            self._pauses.append(last_heard - self._last)
            self._said = False
        self._last = last_heard
        known = len(self._pauses) >= _ENOUGH
        if not known or self._said or now - last_heard <= max(self._pauses) * _UNUSUAL:
            return False
        self._said = True
        return True
