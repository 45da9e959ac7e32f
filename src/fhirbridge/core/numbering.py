"""Event numbers of one topic Subscription: which are missing, and did its server begin anew?

A server counts the events of a Subscription (Subscriptions R5 Backport 1.1.0, notifications), so
that who listens sees what was lost. Nothing else rests on the numbers. Real ones are not what the
specification lets one expect: HAPI counts from 1 again after each restart, athenahealth within
each Bundle, and any notification may come late, twice or not at all. Where a number could mean
two things, the one is taken that costs a read, never the one that would hide a loss.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

Range = tuple[int, int]
"""First and last number, both included."""

LATE = 20
"""A number that lies no further back is a notification that came late or again."""

RELATIVE = 3
"""After so many beginnings without a number that went on, the numbers count within a Bundle."""

MOST_RANGES = 50
"""More holes are not remembered one by one: what changed is read instead."""


@dataclass(frozen=True, slots=True)
class Numbering:
    """The numbers so far. `unread`: something may be lost that no number names."""

    highest: int
    missing: tuple[Range, ...] = ()
    unread: bool = False
    beginnings: int = 0  # in a row, without a number that went on

    @property
    def is_whole(self) -> bool:
        return not (self.missing or self.unread)


def heard(before: Numbering | None, numbers: Sequence[int], total: int | None) -> Numbering:
    """What is known after a notification with these event numbers.

    `total`: how many events there were since the Subscription began, where it says so; a
    heartbeat has only that. The first one is the start: what came before it is read anyway.
    """
    told = sorted({*numbers, *(() if total is None or numbers else (total,))})
    if not told:
        return before or Numbering(0)
    top = max(told[-1], total or 0)
    if before is None:
        return Numbering(top, _between(told[0] - 1, top, told))
    if _is_anew(before, told[0]):
        again = before.beginnings + 1
        if again >= RELATIVE:
            return replace(before, highest=top, beginnings=again)
        return Numbering(top, _between(told[0] - 1, top, told), unread=True, beginnings=again)
    goes_on = told[0] == before.highest + 1
    if before.beginnings >= RELATIVE and not goes_on:
        return replace(before, highest=top)
    missing = (*before.missing, *_between(before.highest, top, numbers))
    return _bounded(
        Numbering(
            highest=max(before.highest, top),
            missing=without(missing, ((each, each) for each in numbers)),
            unread=before.unread,
            beginnings=0 if goes_on else before.beginnings,
        )
    )


def without(ranges: Iterable[Range], gone: Iterable[Range]) -> tuple[Range, ...]:
    """The ranges less what `gone` holds."""
    left = list(ranges)
    for first, last in gone:
        left = [
            part
            for low, high in left
            for part in ((low, min(high, first - 1)), (max(low, last + 1), high))
            if part[0] <= part[1]
        ]
    return tuple(dict.fromkeys(left))


def _is_anew(before: Numbering, number: int) -> bool:
    if number >= before.highest or any(low <= number <= high for low, high in before.missing):
        return False
    return number <= 1 or number < before.highest - LATE


def _between(low: int, high: int, told: Sequence[int]) -> tuple[Range, ...]:
    """What is missing above `low` up to `high`."""
    return without([(low + 1, high)] if low < high else [], ((each, each) for each in told))


def _bounded(numbering: Numbering) -> Numbering:
    if len(numbering.missing) <= MOST_RANGES:
        return numbering
    return replace(numbering, missing=(), unread=True)
