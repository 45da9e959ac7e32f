"""Names exchanged for numbers, and dates moved: the same for all records of a case.

A name's number is its place among all names of its kind in the case. So joins and every order by
name stay as they were, and no key is needed that somebody could keep or guess: the number of a
name says nothing outside of the case.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

from fhirbridge.fhir.read.values import day_in, first_day, moment_in

#: What stands where a date could not be read; it cannot be read either.
NO_DATE = "no-date"


class Pseudonyms:
    """First told all names, then `settle`d, then asked."""

    def __init__(self, known: Container[str] = frozenset()) -> None:
        self._known = known  # words that no exchanged word may become
        self._names: dict[str, set[str]] = defaultdict(set)
        self._words: dict[str, str] = {}
        self._made: set[str] = set()
        self._numbers: dict[tuple[str, str], str] = {}

    def settle(self) -> None:
        """Number all names told so far."""
        for kind, names in self._names.items():
            for number, name in enumerate(sorted(names), 1):
                self._numbers[kind, name] = f"{kind}-{number:04}"

    def name(self, kind: str, name: str) -> str:
        """The number of a name; before `settle` it is noted."""
        found = self._numbers.get((kind, name))
        if found is None:
            self._names[kind].add(name)
            return f"{kind}-0000"
        return found

    def word(self, word: str) -> str:
        """Another word for a word, without a digit, which the case has for no other."""
        word = word.lower()
        if word not in self._words:
            number = len(self._words)
            while (made := f"x{_letters(number)}") in self._known or made in self._made:
                number += 1
            self._words[word] = made
            self._made.add(made)
        return self._words[word]


def _letters(number: int) -> str:
    text = ""
    number += 26  # two letters at least: "x" and "xl" are words of orders
    while number >= 0:
        text = chr(ord("a") + number % 26) + text
        number = number // 26 - 1
    return text


@dataclass(frozen=True)
class Shift:
    """`weeks`: whole weeks by which all dates are moved, so weekdays and intervals stay. `days`:
    by which birth dates are moved."""

    weeks: int
    days: int

    def time(self, text: str, zone: tzinfo | None) -> str:
        """A date, dateTime or instant moved. Its time of day in the zone of the source stays,
        across changes of clock too."""
        by = timedelta(weeks=self.weeks)
        try:
            if len(text) == 10:
                return (day_in(text) + by).isoformat()
            if len(text) in (4, 7):  # a part of a date has no week: from its middle
                middle = first_day(text) + timedelta(days=182 if len(text) == 4 else 14)
                return (middle + by).isoformat()[: len(text)]
            return self.moment(moment_in(text), zone).isoformat(timespec="milliseconds")
        except (ValueError, OverflowError):
            return NO_DATE

    def moment(self, moment: datetime, zone: tzinfo | None) -> datetime:
        """A moment moved; one without an offset stays without."""
        if zone is not None and moment.tzinfo is not None:
            local = moment.astimezone(zone).replace(tzinfo=None)
            return (local + timedelta(weeks=self.weeks)).replace(tzinfo=zone)
        return moment + timedelta(weeks=self.weeks)

    def day(self, day: date) -> date:
        return day + timedelta(weeks=self.weeks)

    def birth(self, text: str) -> str:
        """A birth date moved, so that different ones stay different. A part of one joins
        nobody, and nothing of it is kept."""
        try:
            return (day_in(text) + timedelta(days=self.days)).isoformat()
        except (ValueError, OverflowError):
            return NO_DATE
