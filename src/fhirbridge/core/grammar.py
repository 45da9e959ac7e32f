"""Doses that are written in words: a strict grammar, or nothing.

    spoken("300 mg x 2")                 -> 300 mg at each of 2 visits
    spoken("600 mg IV every 24 weeks")   -> 600 mg, every 168 days
    spoken("600 mg (2 vials)")           -> 600 mg, the same said again as 2 vials
    spoken("take as directed")           -> None

A text is understood wholly or not at all (docs/domain.md 2.3, 5): after names and words of
route, what is left must be one amount, perhaps said again in another unit, at most one count,
and at most one timing. Bare numbers, ranges, alternatives and "300 mg/10 mL" are not understood.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from . import units, wording
from .days import names_two_days
from .quantity import Amount

_NUMBER = r"\d{1,2}|" + "|".join(wording.NUMBERS)
_UNIT = (
    r"mgs?|milligrams?|g|gm|grams?|mcg|micrograms?|mls?|milliliters?"
    r"|i\.?u\.?|international units?"
    r"|vials?|pens?|syringes?|kits?|cartons?|units?"
)
_DAY = r"\d{1,3}"
#: A comma before three digits parts thousands, as ISMP asks US prescribers to write them.
_VALUE = r"(?:[1-9]\d{0,2}(?:,\d{3}){1,2}|\d{1,9})(?:\.\d{1,6})?"
_AMOUNT = rf"(?P<value>{_VALUE})\s*(?P<unit>{_UNIT})"
#: The same amount again in another unit: "(20 mL)" or "= 2 vials".
_ALSO = rf"\s*(?:(?P<open>\()|=)\s*(?P<also_value>{_VALUE})\s*(?P<also_unit>{_UNIT})(?(open)\))"
_TIMES = r"(?:times|doses?|visits?|infusions?)"
_SOME_AMOUNT = re.compile(rf"\d\s*(?:{_UNIT})\b")
_OFTEN = r"(?:daily|weekly|monthly)"
_COUNT = (
    rf"(?P<once>once(?! (?:every|a|per|{_OFTEN})\b)|one time"
    r"|(?:as )?(?:a |one |1 )?single(?: (?:dose|infusion|visit))?"
    r"|(?:as )?(?:a|one|1) (?:dose|infusion|visit))"
    r"|(?P<twice>twice(?! (?:a|per|yearly)\b))"
    rf"|[x×]\s*(?P<x>{_NUMBER})(?:\s*{_TIMES})?"
    rf"|(?:for |at |in )?(?:each of )?(?P<times>{_NUMBER}) {_TIMES}"
)
_PERIOD = r"(?P<period>days?|weeks?|wks?|months?|d|w|mos?|years?)"
_TIMING = (
    rf"(?:once )?(?:every|q|each)\s*(?P<every>{_NUMBER})\s*{_PERIOD}"
    rf"|(?:once )?(?:every (?P<other>other )?(?P<one>day|week|month)|(?P<often>{_OFTEN}))"
    rf"(?: (?:for |[x×]\s*)(?P<row>{_NUMBER})(?: consecutive)? days)?"
    r"|(?:once )?(?:a|per) (?P<a>day|week|month|year)|(?P<half>twice (?:a year|per year|yearly))"
    r"|(?:at |on |in )?weeks? (?P<weeks>\d{1,2}(?: (?:(?:and|&) )?(?:week )?\d{1,2}){1,5})"
    rf"|(?:on )?days? ?(?P<first>{_DAY})(?: ?(?:and|&))? (?:day ?)?(?P<second>{_DAY})"
)
_APART = rf"(?P<apart>{_NUMBER}) (?P<unit_apart>days?|weeks?|wks?) apart"
_HOW_MUCH = rf"(?:(?P<before>{_NUMBER})\s*[x×]\s*)?{_AMOUNT}(?:{_ALSO})?"
#: "300 mg x 2 every 2 weeks" and "300 mg every 2 weeks x 2".
#: "300 mg on day 1, then 300 mg on day 15", "300 mg, repeat in 2 weeks".
_AGAIN = re.compile(
    rf"{_AMOUNT}(?: (?:on )?day (?P<first>{_DAY}))? (?:then|followed by|and|repeat(?:ed)?)"
    rf"(?: (?P<again_value>{_VALUE})\s*(?P<again_unit>{_UNIT}))?"
    rf" (?:(?:on )?day (?P<second>{_DAY})"
    rf"|(?:in |after )?(?P<later>{_NUMBER}) (?P<later_unit>days?|weeks?)(?: (?:later|after))?)"
)
_SENTENCES = (
    re.compile(rf"{_HOW_MUCH}(?: ?(?:{_COUNT}))?(?: (?:{_APART}))?(?: (?:{_TIMING}))?"),
    re.compile(rf"{_HOW_MUCH} (?:{_TIMING}) ?(?:{_COUNT})"),
)
_DAYS = {"d": 1, "w": 7, "m": 30, "y": 365}  # by the first letter of a period

_BOTH = re.compile(
    rf"(?:(?:{_NUMBER}) ?- ?(?:{_NUMBER})|(?:one|1) (?:or|to) (?:two|2))"
    r" (?:visits?|infusions?|doses?)"
    r"|(?:single|one|full)\b.{0,30}\bor\b.{0,30}\b(?:split|two|divided)"
    r"|\b(?:may|can|could) be (?:split|divided|given in (?:two|2))"
    r"|(?:\bin|\bas) (?:one|1) or (?:two|2)\b"
)
#: "300 mg x 2" may mean two vials at one visit or two visits, unless something says which.
_COUNTED = re.compile(
    r"[x×]\s*(?:2|two)\b|\b(?:2|two)\s*[x×]"
    r"|(?:\b(?:2|two) (?:doses|times)|\btwice)\b(?! (?:a|per|each|every|yearly)\b)"
)
_DECIDED = re.compile(
    rf"\bdays?\b|\bapart\b|\bvisits?\b|\binfusions?\b|\bsplit\b|\bweeks?\b.{{0,12}}\bafter\b"
    rf"|\b(?:{_NUMBER}) weeks? later\b|\bweekly\b"
    r"|\b(?:every|q) ?(?:other|[1-3]|one|two|three)[ -]?(?:weeks?|wks?|w)\b"
)


@dataclass(frozen=True, slots=True)
class Spoken:
    """What a text says: an amount for each visit, how many visits, their days or spacing.

    `visits` is None where the text does not say. `days` are days of the course (1 and 15).
    `also` is the amount for each visit said a second time, in another unit. `named`: it stands
    beside the name of the drug, as the name of a package does.
    """

    per_visit: Amount
    visits: int | None = None
    days: tuple[int, ...] = ()
    spacing_days: int | None = None
    also: Amount | None = None
    named: bool = False


def spoken(text: str, names: Collection[str] = ()) -> Spoken | None:
    """What a text says wholly, or None. `names`: names of the drug, which say no amount."""
    if not any(map(str.isdigit, text)):
        return None
    rest = wording.dose_only(text, tuple(names))
    for sentence in _SENTENCES:
        if match := sentence.fullmatch(rest):
            return _read(match.groupdict())
    again = _AGAIN.fullmatch(rest)
    return _read_again(again.groupdict()) if again else None


def has_amount(text: str) -> bool:
    """Whether a text has a number with a unit of amount in it, understood or not."""
    return bool(_SOME_AMOUNT.search(text.lower()))


def admits_both(text: str) -> bool:
    """Whether a text admits one visit and two: "300 mg x 2", "single or split".

    It is a reason to ask (`single-vs-split-unclear`), not a reading.
    """
    low = wording.said_once(" ".join(text.lower().split()))
    if _COUNTED.search(low) and not (_DECIDED.search(low) or names_two_days(low)):
        return True
    return bool(_BOTH.search(low))


def _read(said: dict[str, str | None]) -> Spoken | None:
    days = _days(said)
    counts = [_number(said[name]) for name in ("before", "x", "times", "row") if said[name]]
    counts += [1] if said["once"] else [2] if said["twice"] else []
    counts += [len(days)] if days else []
    spacing = _spacing(said)
    if len(set(counts)) > 1 or 0 in counts or (said["row"] and spacing != 1):
        return None
    amount, also = _mass_first(
        _amount(said["value"], said["unit"]), _amount(said["also_value"], said["also_unit"])
    )
    return Spoken(
        per_visit=amount or Amount(),
        visits=counts[0] if counts else None,
        days=days,
        spacing_days=spacing,
        also=also,
    )


def _mass_first(amount: Amount | None, also: Amount | None) -> tuple[Amount | None, Amount | None]:
    """ "1 pen (40 mg)" is an order for 40 mg: a mass (or IU) needs no product to be understood."""
    first, second = (units.word(each.unit) if each else None for each in (amount, also))
    plain = [unit is not None and unit.kind in ("mass", "activity") for unit in (first, second)]
    return (also, amount) if plain == [False, True] else (amount, also)


def _read_again(said: dict[str, str | None]) -> Spoken | None:
    """Two visits, where the second amount is the first again or not said at all."""
    first = _amount(said["value"], said["unit"])
    second = _amount(said["again_value"], said["again_unit"])
    if first is None or second not in (None, first):
        return None
    days = _days(said | {"weeks": None})
    spacing = None
    if said["later"] and said["later_unit"]:
        spacing = _number(said["later"]) * _DAYS[said["later_unit"][0]]
    return Spoken(first, 2, days if len(days) == 2 else (), spacing)


def _amount(value: str | None, unit: str | None) -> Amount | None:
    return Amount(Decimal(value.replace(",", "")), unit or "") if value else None


def _days(said: dict[str, str | None]) -> tuple[int, ...]:
    """The days of the course: as said, or the first days of the weeks said (0, 2 and 6)."""
    weeks = re.findall(r"\d+", said["weeks"] or "")
    days = tuple(int(week) * 7 + 1 for week in weeks)
    return days or tuple(int(day) for day in (said["first"], said["second"]) if day)


def _spacing(said: dict[str, str | None]) -> int | None:
    apart, between = said.get("apart"), said.get("unit_apart")  # of the first sentence only
    every, period = said["every"] or apart, said["period"] or between
    if every and period:
        return _number(every) * _DAYS[period[0]]
    if said["half"]:
        return 182
    if often := said["one"] or said["often"] or said["a"]:
        return _DAYS[often[0]] * (2 if said["other"] else 1)
    return None


def _number(word: str | None) -> int:
    return wording.NUMBERS.get(word or "") or int(word or 0)
