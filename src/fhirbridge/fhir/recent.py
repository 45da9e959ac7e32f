"""What was seen lately, in bounded memory: a server may have more records than we have."""

from __future__ import annotations

from collections.abc import Hashable


class Recent:
    """Remembers the last `most` things; what was seen longer ago counts as new again."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._seen: dict[Hashable, None] = {}  # in the order in which they came

    def is_new(self, thing: Hashable) -> bool:
        """Is it not among what was seen lately? From now on it is."""
        if thing in self._seen:
            return False
        self._seen[thing] = None
        if len(self._seen) > self._most:
            del self._seen[next(iter(self._seen))]
        return True
