"""Primitive values of FHIR: numbers, dates, extension names.

Each function takes what stood in JSON and gives a value or says that it is none (None or
ValueError); noting the Problem is the matter of `elements`.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache

from fhirbridge.core.facts import Code

from .snapshot import KEPT, Json

#: Years outside are typing errors (0026, 20226), not history or plans.
FIRST_YEAR, LAST_YEAR = 1900, 2199

#: Exponents beyond these are no amount of anything (and would take forever to print).
MAGNITUDES = range(-12, 12)
LARGEST = 10**12


@lru_cache(KEPT)
def coded(system: str, code: str, display: str) -> Code | None:
    """A coding, if its code is more than blanks."""
    code = code.strip()
    return Code(system.strip(), code, display.strip()) if code else None


def number(raw: object) -> Decimal | None:
    """A JSON number as an exact Decimal; None for text, truth values and the unprintable."""
    if type(raw) is int:
        return Decimal(raw) if -LARGEST < raw < LARGEST else None
    value = Decimal(str(raw)) if type(raw) is float else raw
    if type(value) is Decimal and value.is_finite() and value.adjusted() in MAGNITUDES:
        return value
    return None


@lru_cache(KEPT)
def day_in(text: str) -> date:
    """A full date, `YYYY-MM-DD`. Raises ValueError for anything else."""
    if text[4:5] != "-" or text[7:8] != "-":
        raise ValueError(text)
    day = date.fromisoformat(text)
    if not FIRST_YEAR <= day.year <= LAST_YEAR:
        raise ValueError(text)
    return day


def moment_in(text: object) -> datetime:
    """A dateTime with a time of day, naive where it names no offset. Raises ValueError.

    A leap second is read as the second before it.
    """
    if type(text) is not str or text[10:11] != "T":
        raise ValueError(text)
    moment = datetime.fromisoformat(text.replace(":60", ":59", 1) if ":60" in text else text)
    if not FIRST_YEAR <= moment.year <= LAST_YEAR:
        raise ValueError(text)
    return moment


def first_day(text: str) -> date:
    """The first day of a year or a month (`2026`, `2026-11`)."""
    return day_in(f"{text}-01-01" if len(text) == 4 else f"{text}-01")


def last_day(text: str) -> date:
    """The last day of a year or a month."""
    if len(text) == 4:
        return day_in(f"{text}-12-31")
    return (first_day(text) + timedelta(days=31)).replace(day=1) - timedelta(days=1)


def tail(extension: Json) -> str:
    """The last part of an extension's URL, the same in all versions of a guide.

    Da Vinci PAS 2.0.1 nests `…/extension-reviewActionCode` where 2.2.1 has a plain `code`.
    """
    url = extension.get("url")
    return _last_part(url) if type(url) is str else ""


@lru_cache(KEPT)
def _last_part(url: str) -> str:
    return url.rsplit("/", 1)[-1].removeprefix("extension-")


def lines(texts: Iterable[str]) -> str:
    """Texts of a record, one on each line, each once."""
    said = list(filter(None, texts))
    return "\n".join(dict.fromkeys(said)) if len(said) > 1 else said[0] if said else ""
