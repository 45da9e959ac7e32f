"""Dosages and timings: how much at each visit, how many visits, on which days.

R4 Dosage and Timing allow the same order to be written in many ways: one instruction with
`repeat.count` 2, two instructions with `sequence`, two `event`s, or a frequency within bounds.
Whatever says a number of visits in so many words is believed; what says two numbers is a
Problem, and the number stays unknown.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from decimal import Decimal
from itertools import pairwise
from math import ceil

from fhirbridge.core import units
from fhirbridge.core.facts import Span
from fhirbridge.core.quantity import Amount
from fhirbridge.core.value import value

from .page import Page
from .routes import routes_in
from .snapshot import Json
from .values import lines, number

#: Days of a unit of time (UCUM units of R4 Timing.repeat.periodUnit); months and years as UCUM
#: defines them (mo_j, a_j), so that 12 months hold two periods of 6.
UNIT_DAYS = {
    "s": Decimal(1) / 86400,
    "min": Decimal(1) / 1440,
    "h": Decimal(1) / 24,
    "d": Decimal(1),
    "wk": Decimal(7),
    "mo": Decimal("30.4375"),
    "a": Decimal("365.25"),
}

#: Rounding when a duration is divided by a period: an hour is no further visit.
SLACK = Decimal("0.05")


@value(frozen=True, slots=True)
class Times:
    """What one Timing says. `visits` None: not said."""

    visits: int | None = None
    days: tuple[date, ...] = ()
    spacing_days: int | None = None
    bounds: Span | None = None


#: A Timing that is absent.
UNTIMED = Times()


@value(frozen=True, slots=True)
class Doses:
    """What all dosage instructions of an order say together."""

    per_visit: Amount | None = None
    times: Times = UNTIMED
    text: str = ""


#: No dosage at all.
NOT_SAID = Doses()


def doses(page: Page, instructions: Sequence[Json]) -> Doses:
    """Several instructions are one order: `sequence` sets them one after the other (§2.41.3)."""
    if not instructions:
        return NOT_SAID
    texts: list[str] = []
    dosed: list[tuple[Amount | None, Times, int | None]] = []
    words: set[tuple[str, ...]] = set()
    for row in instructions:
        timing = page.one(row, "timing")
        said = _texts(page, row, timing)
        texts += said
        dose = _dose(page, row) if "doseAndRate" in row else None
        if dose is not None or timing:
            dosed.append((dose, times(page, timing), page.count(row, "sequence")))
            words.add(tuple(filter(None, said)))
    text = lines([*texts, *routes_in(page, instructions)])
    if not dosed:
        # Words alone, the same one after the other: so many visits.
        steps = {page.count(row, "sequence") for row in instructions} - {None}
        again = len(steps) == len(instructions) > 1 and len(set(texts)) == 1 and texts[0]
        return Doses(None, Times(len(steps) if again else None), text)
    if len(dosed) == 1:
        return Doses(dosed[0][0], dosed[0][1], text)
    return _together(page, dosed, text, alike=len(words) == 1 and () not in words)


def _texts(page: Page, row: Json, timing: Json) -> list[str]:
    texts = [page.word(row, "text")]
    if "patientInstruction" in row:
        texts.append(page.word(row, "patientInstruction"))
    if "additionalInstruction" in row:
        texts += [page.words_of(extra) for extra in page.rows(row, "additionalInstruction")]
    if row.get("asNeededBoolean") is True:
        texts.append("as needed")
    if "asNeededCodeableConcept" in row:
        texts.append(f"as needed for {page.words(row, 'asNeededCodeableConcept')}")
    if "code" in timing:
        texts.append(page.words(timing, "code"))
    return texts


def _together(
    page: Page,
    dosed: Sequence[tuple[Amount | None, Times, int | None]],
    text: str,
    *,
    alike: bool,
) -> Doses:
    """`alike`: all instructions have the same words (which may be all that says the dose)."""
    amounts = [dose for dose, _, _ in dosed if dose is not None]
    days = sorted({day for _, when, _ in dosed for day in when.days})
    steps = [sequence for _, _, sequence in dosed]
    apart = len(set(steps)) == len(steps) or len(days) >= len(dosed)
    bounds = next((when.bounds for _, when, _ in dosed if when.bounds), None)
    if not amounts:
        again = alike and apart and not any(w.spacing_days and not w.visits for _, w, _ in dosed)
        visits = sum(when.visits or 1 for _, when, _ in dosed) if again else None
        return Doses(None, Times(visits, tuple(days), _even(days), bounds), text)
    if len({_plain(amount) for amount in amounts}) > 1 or not apart:
        reason = "doses-differ" if apart else "doses-unclear"
        page.doubt(reason, "dosageInstruction", "", *map(str, amounts))
        return Doses(None, Times(None, tuple(days), None, bounds), text)
    counts = [when.visits or 1 for dose, when, _ in dosed if dose is not None]
    # An instruction with a rhythm and no end has no number of visits, nor has the whole then.
    endless = any(when.spacing_days and not when.visits for _, when, _ in dosed)
    spacing = _even(days) or next((w.spacing_days for _, w, _ in dosed if w.spacing_days), None)
    visits = None if endless else sum(counts)
    return Doses(amounts[0], Times(visits, tuple(days), spacing, bounds), text)


def _dose(page: Page, row: Json) -> Amount | None:
    """doseAndRate.dose[x]; an "ordered" dose goes before a "calculated" one."""
    found: list[tuple[bool, Amount]] = []
    for rate in page.rows(row, "doseAndRate"):
        amount = page.amount(rate, "doseQuantity", "dosageInstruction.doseAndRate.doseQuantity")
        if amount is None and "doseRange" in rate:
            limits = page.one(rate, "doseRange")
            low, high = page.amount(limits, "low"), page.amount(limits, "high")
            if low is not None and high is not None and _plain(low) == _plain(high):
                amount = low
            else:
                page.doubt(
                    "not-exact", "dosageInstruction.doseAndRate.doseRange", f"{low} – {high}"
                )
        if amount is not None:
            ordered = "type" in rate and page.code_in(rate, "type") == "ordered"
            found.append((ordered, amount))
    if len(found) == 1:
        return found[0][1]
    preferred = [amount for ordered, amount in found if ordered] or [amount for _, amount in found]
    preferred = _masses(preferred) or preferred
    if len({_plain(amount) for amount in preferred}) > 1:
        at = "dosageInstruction.doseAndRate"
        page.doubt("doses-differ", at, "", *map(str, preferred))
        return None
    return preferred[0] if preferred else None


def _masses(amounts: Sequence[Amount]) -> list[Amount]:
    """Of a dose that is said in several units, the one that is a mass: Epic writes 600 mg
    ("calculated") and beside it the 20 mL, or the 250 mL of a bag, that hold it ("admin-amount").
    """
    read = [(amount, units.read(amount)) for amount in amounts]
    return [amount for amount, unit in read if unit is not None and unit.kind == "mass"]


def times(page: Page, timing: Json) -> Times:
    """A Timing: its events, or its repeat; "count within bounds" is the count (§2.24.0.14)."""
    if not timing:
        return UNTIMED
    days = _events(page, timing) if "event" in timing else []
    repeat = page.one(timing, "repeat")
    bounds = page.span(repeat, "boundsPeriod", "timing.repeat.boundsPeriod")
    spacing = _spacing(page, repeat) if "period" in repeat else None
    visits = _count(page, repeat)
    if not days and bounds and bounds.start and bounds.start == bounds.end:
        days = [bounds.start]
    if visits is None:
        visits = len(days) or (_within(page, repeat, bounds) if "period" in repeat else None)
    elif days and len(days) != visits:
        said = f"count {visits}, {len(days)} events"
        page.doubt("visits-differ", "dosageInstruction.timing", said)
        visits = None
    return Times(visits or None, tuple(days), _even(days) or spacing, bounds)


def _events(page: Page, timing: Json) -> list[date]:
    events = timing.get("event")
    if not isinstance(events, list):
        return []
    found = {page.day({"event": event}, "event", "timing.event") for event in events}
    return sorted(day for day in found if day)


def _count(page: Page, repeat: Json) -> int | None:
    count = page.count(repeat, "count", "timing.repeat.count")
    most = page.count(repeat, "countMax", "timing.repeat.countMax")
    if count is not None and most is not None and most != count:
        page.doubt("visits-unclear", "timing.repeat.countMax", f"{count}–{most}")
        return None
    return count if count is not None else most


def _period_days(page: Page, repeat: Json) -> Decimal | None:
    """Days between two occurrences: period ÷ frequency."""
    period = number(repeat.get("period"))
    if period is None or period <= 0:
        return None
    unit = UNIT_DAYS.get(page.word(repeat, "periodUnit"))
    if unit is None or "periodMax" in repeat or "frequencyMax" in repeat:
        return None
    often = page.count(repeat, "frequency", "timing.repeat.frequency")
    return period * unit / (often or 1)


def _spacing(page: Page, repeat: Json) -> int | None:
    days = _period_days(page, repeat)
    return round(days) if days is not None and days >= 1 else None


def _within(page: Page, repeat: Json, bounds: Span | None) -> int | None:
    """Occurrences within the bounds, the first on their first day.

    None without bounds of both ends, without a period, or when bounds are a range.
    """
    apart = _period_days(page, repeat)
    if apart is None:
        return None
    if bounds and bounds.start and bounds.end:
        length = Decimal((bounds.end - bounds.start).days + 1)
    else:
        lasting = page.amount(repeat, "boundsDuration", "timing.repeat.boundsDuration")
        unit = UNIT_DAYS.get(lasting.code or lasting.unit) if lasting else None
        if lasting is None or lasting.value is None or unit is None:
            return None
        length = lasting.value * unit
    return min(ceil(length / apart - SLACK), 10**6)


def _even(days: Sequence[date]) -> int | None:
    """The distance between days that are equally far apart."""
    if len(days) < 2:
        return None
    gaps = {(later - sooner).days for sooner, later in pairwise(days)}
    return gaps.pop() if len(gaps) == 1 else None


def _plain(amount: Amount) -> tuple[Decimal | None, str, str]:
    """What two amounts have in common when they say the same (600 mg, 600.0 mg)."""
    return amount.value, (amount.code or amount.unit).strip().lower(), amount.text
