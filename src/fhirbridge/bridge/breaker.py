"""The breaker on writes for one person: who is rewritten unusually often is left alone for a while.

The settle window and the policy keep us quiet; they cannot know that another program answers
each of our writes with a change of its own, or that a server refuses what we write for this one
person. Then nobody is helped by the next write. The person is set aside, visibly
(`fhirbridge parked`), and looked at again by itself when the window is over, or at once when
somebody who looked into it says `fhirbridge parked retry`.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from .ports import Store

#: The window in which transactions are counted, and after which the server is tried again.
WINDOW = timedelta(hours=1)
#: Failures in a row at the writing itself, after which a person is set aside.
FAILURES = 8


class HeldBack(Exception):
    """Too many writes for one person. `until`: when she is looked at again by itself."""

    def __init__(self, text: str, until: datetime) -> None:
        super().__init__(text)
        self.until = until


@dataclass(frozen=True)
class Breaker:
    """At most `most` transactions for one person in `WINDOW` (None: any number)."""

    store: Store
    most: int | None

    def check(self, subject: str, now: datetime) -> None:
        """Call before a transaction for a person is sent. Raises `HeldBack`."""
        if self.most is None:
            return
        written = self.store.written_at(subject, now - WINDOW, self.most)
        if len(written) >= self.most:
            minutes = int(WINDOW.total_seconds() // 60)
            raise HeldBack(
                f"held back: {len(written)} transactions for this person within {minutes} minutes;"
                " does another program change our Tasks?",
                min(written) + WINDOW,
            )
