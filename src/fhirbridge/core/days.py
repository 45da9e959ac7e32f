"""Days as people write them beside a dose: they say nothing of how much it is.

    without_days("600 mg once on 12/8/2026")             -> "600 mg once"
    without_days("300 mg on 8 Dec 2026 and 22 Dec 2026") -> "300 mg 2 visits"

A day has its year, and one or two days are understood; what stays of others ("until 12/8/2026",
three days, no year) the grammar refuses. An order's own days are read from its timing.
"""

from __future__ import annotations

import re

_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    r"|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)\.?"
)
_OF_12, _OF_31 = r"(?:0?[1-9]|1[0-2])", r"(?:0?[1-9]|[12]\d|3[01])"
_YEAR = r"20\d\d"
#: A calendar day with its year. Which number is the month makes no difference to a dose.
DATE = re.compile(
    r"(?<![\w./-])(?:"
    rf"{_YEAR}(?P<iso>[-/.]){_OF_12}(?P=iso){_OF_31}"
    rf"|(?:{_OF_12}(?P<us>[-/.]){_OF_31}|{_OF_31}(?P<eu>[-/.]){_OF_12})"
    rf"(?(us)(?P=us)|(?P=eu)){_YEAR}"
    rf"|(?:{_OF_12}/{_OF_31}|{_OF_31}/{_OF_12})/\d\d"
    rf"|{_OF_31}(?:st|nd|rd|th)?[ -](?:of )?{_MONTH}[ -]?,? ?{_YEAR}"
    rf"|{_MONTH} {_OF_31}(?:st|nd|rd|th)?,? {_YEAR}"
    r")(?![\w/]|[-.]\d)",
    re.IGNORECASE,
)
_WEEKDAY = r"(?:\b(?:mon|tues?|wed(?:nes)?|thu(?:rs)?|fri|sat(?:ur)?|sun)(?:day)?\.?,? )?"
#: The day of a dose ("@" is a DATE), with a time of day; the second of two.
_ON = (
    r"(?:(?:on|for|due|due on|scheduled|scheduled for|dated|date ?:|to be given on"
    r"|next (?:dose )?(?:due )?(?:on)?) ?)?"
    rf"{_WEEKDAY}@(?: at \d{{1,2}}:?\d\d ?(?:[ap]m)?)?"
)
_AND = r"(?:,? (?:and|&|then|followed by)|,)"
_SAME_ON_TWO_DAYS = re.compile(rf"(?P<dose>\d+(?:\.\d+)? ?[a-z]+) {_ON}{_AND} (?P=dose) {_ON}")
_TWO_DAYS = re.compile(rf"\(?{_ON}{_AND} {_ON}\)?")
_TWICE = re.compile(
    r"[x×] ?(?:2|two)\b|\b(?:2|two) (?:[x×]|doses|visits|infusions|times)|\btwice\b"
)
_ONE_DAY = re.compile(rf"\((?:{_ON})\)|(?:{_ON})|\b(?:starting|beginning|start|from)(?: on)? {_ON}")


def without_days(low: str) -> str:
    """The text without the one day on which the dose is given; with two days, two visits."""
    if "@" in low or not (found := DATE.sub("@", low)).count("@"):
        return low
    if found.count("@") == 1:
        return _ONE_DAY.sub(" ", found)
    if _TWICE.search(found):
        return _TWO_DAYS.sub(" ", found)
    once = _SAME_ON_TWO_DAYS.sub(r"\g<dose> 2 visits", found)
    return _TWO_DAYS.sub("2 visits", once)


def names_two_days(low: str) -> bool:
    """Whether a text names two days, one for each of two visits."""
    return sum(1 for _ in DATE.finditer(low)) == 2
