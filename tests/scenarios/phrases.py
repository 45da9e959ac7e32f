"""The words in which a scenario tells a fact, and what each of them says.

    order o1  ocrelizumab 600 mg, 1 visit, by Dr Example, written 1 June 2026
    ^kind ^id ^phrases, each read by the first row of `PHRASES` that fits it wholly

A phrase that no row knows is an error: a scenario must never say less than it seems to.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from fhirbridge.core.quantity import Amount


class Unknown(ValueError):
    """A word of a scenario that nobody knows."""


@dataclass(slots=True)
class Told:
    """One fact as it is told: its kind, its name, and what its phrases say."""

    kind: str
    name: str
    says: dict[str, Any] = field(default_factory=dict)


_DATE = r"\d{1,2} [A-Z][a-z]+ \d{4}"
_UNIT = r"mg/kg|mcg|mg|mL|g|IU|vials?|pens?|units?|UN|EA"
_NUMBER = r"\d+(?:\.\d+)?"


def day(text: str) -> date:
    """A day as people write it: 8 December 2026."""
    try:
        return datetime.strptime(text, "%d %B %Y").date()  # noqa: DTZ007 - a day has no zone
    except ValueError:
        raise Unknown(f"“{text}” is no day; write 8 December 2026") from None


def amount(value: str, unit: str | None) -> Amount:
    return Amount(Decimal(value), unit or "")


def _visits(match: re.Match[str]) -> dict[str, Any]:
    return {"visits": int(match[1])}


def _each(match: re.Match[str]) -> dict[str, Any]:
    return {"per_visit": amount(match[1], match[2]), "visits": int(match[3])}


def _days(match: re.Match[str]) -> dict[str, Any]:
    return {"days": tuple(day(each) for each in re.findall(_DATE, match[0]))}


def _clock(match: re.Match[str]) -> dict[str, Any]:
    return {"days": (day(match[1]),), "clock": match[2]}


def _span(match: re.Match[str]) -> dict[str, Any]:
    first, last = match["first"], match["last"]
    return {"from": day(first) if first else None, "until": day(last) if last else None}


def _one(name: str, value: Callable[[str], object] = str) -> Callable[[re.Match[str]], Any]:
    return lambda match: {name: value(match[1])}


def _flag(name: str, value: object) -> Callable[[re.Match[str]], dict[str, Any]]:
    return lambda _match: {name: value}


PHRASES: tuple[tuple[str, Callable[[re.Match[str]], dict[str, Any]]], ...] = (
    (r"(\d+) visits?", _visits),
    (rf"({_NUMBER}) ({_UNIT}) × (\d+) visits", _each),
    (rf"({_NUMBER}) ({_UNIT}) at each visit", lambda m: {"per_visit": amount(m[1], m[2])}),
    (rf"({_NUMBER}) ({_UNIT}) a fill", lambda m: {"per_fill": amount(m[1], m[2])}),
    (rf"({_NUMBER})(?: ({_UNIT}))?", lambda m: {"amount": amount(m[1], m[2])}),
    (r"allows (\d+) visits", lambda m: {"amount": amount(m[1], "visits")}),
    (rf"used ({_NUMBER}) ({_UNIT}|visits)", lambda m: {"used": amount(m[1], m[2])}),
    (r"no amount", _flag("amount", None)),
    (rf"({_DATE}) (\d\d:\d\d)", _clock),
    (rf"(?:on )?{_DATE}(?:(?:,| and) {_DATE})*", _days),
    (rf"(?:from (?P<first>{_DATE}) ?)?(?:until (?P<last>{_DATE}))", _span),
    (rf"from (?P<first>{_DATE})(?P<last>)", _span),
    (rf"issued ({_DATE})", _one("issued", day)),
    (rf"written ({_DATE})", _one("written", day)),
    (rf"changed ({_DATE})", _one("changed", day)),
    (rf"expected ({_DATE})", _one("expected", day)),
    (r"every (\d+) days", _one("spacing", int)),
    (r"(\d+) hours?", _one("hours", int)),
    (r"says \"(.*)\"", _one("text")),
    (r"for ([a-z]\d+)", _one("for")),
    (r"renews ([a-z]\d+)", _one("renews")),
    (r"fills ([a-z]\d+)", _one("fills")),
    (r"requisition (\w+)", _one("requisition")),
    (r"number (\w+)", _one("number")),
    (r"document (\w+)", _one("document")),
    (r"by (.+)", _one("by")),
    (r"payer (.+)", _one("payer")),
    (r"dispenser (.+)", _one("dispenser")),
    (r"provider (.+)", _one("provider")),
    (r"reason (.+)", _one("reason")),
    (r"(?:at|to) (home|office|hospital)", _one("site")),
    (r"source (\w+)", _one("source")),
    (r"the (patient|prescriber|pharmacy|facility)", _one("who")),
    (r"reviewed", _flag("reviewed", True)),
    (r"any brand", _flag("any_brand", True)),
    (r"part fill", _flag("partial", True)),
    (r"stopped early", _flag("complete", False)),
    (r"stat", _flag("priority", "stat")),
    (r"infusion", _flag("text", "infusion")),
    (r"dentist", _flag("text", "dentist")),
    (
        r"(active|on hold|stopped|planned|done|booked|proposed|fulfilled|cancelled|noshow"
        r"|promised|committed|delivered|declined|returned|superseded|preliminary|yes|no|unknown"
        r"|in force|not in force)",
        _one("status"),
    ),
)
_ROWS = tuple((re.compile(pattern), read) for pattern, read in PHRASES)
#: The drug, or a code, before the rest: "ocrelizumab 600 mg", "J2350", "MRI".
_WHAT = re.compile(r"(?P<what>[A-Za-z0-9][\w./-]*(?: [A-Z][a-z]+)?)(?: (?P<rest>[\d.]+(?: .+)?))?")
_CODE = re.compile(r"9\d{4}\b|\d+-\d+-\d+\b")  # CPT and NDC begin like numbers
_COMMA = re.compile(r",\s*(?=(?:[^\"]*\"[^\"]*\")*[^\"]*$)")


def read(line: str) -> Told:
    """One line of a scenario. Raises `Unknown` with the phrase and what is known."""
    match = re.fullmatch(r"(\w+)\s+([a-z]\d+)\s+(.+)", line.strip())
    if match is None:
        raise Unknown(f"“{line.strip()}”: write a kind, a name such as o1, and what it says")
    told = Told(match[1], match[2])
    for number, phrase in enumerate(_COMMA.split(match[3])):
        phrase = phrase.strip()
        code = number == 0 and _CODE.match(phrase)
        said = None if code else _phrase(phrase)
        if said is None and number == 0:
            said = _what(phrase)
        if said is None:
            raise Unknown(f"“{phrase}” is no phrase of a scenario (see phrases.py)")
        told.says.update(said)
    return told


def _phrase(phrase: str) -> dict[str, Any] | None:
    for pattern, said in _ROWS:
        if match := pattern.fullmatch(phrase):
            return said(match)
    return None


def _what(phrase: str) -> dict[str, Any] | None:
    match = _WHAT.fullmatch(phrase)
    if match is None:
        return None
    rest = _phrase(match["rest"]) if match["rest"] else {}
    return None if rest is None else {"what": match["what"], **rest}
