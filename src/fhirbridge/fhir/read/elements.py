"""Data types of FHIR R4, restated without ever failing.

The methods of `Elements` take a JSON object and a key, give the value in the words of `core`,
and note a `Problem` for whatever is not of the shape that the specification says; they never
raise, whatever stands there. Free text about people is never quoted in a Problem: only coded
values, quantities and dates are.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, time, tzinfo

from fhirbridge.core.facts import Code, Problem, Ref, Span
from fhirbridge.core.quantity import Amount

from .snapshot import Json
from .values import coded, day_in, first_day, last_day, moment_in, number

NOTHING: Json = {}


class Elements:
    """Reads elements of one resource and collects what is wrong with them."""

    __slots__ = ("problems", "ref", "zone")

    ref: Ref
    zone: tzinfo | None
    problems: list[Problem]

    def doubt(self, reason: str, at: str = "", said: object = "", *readings: str) -> None:
        """Note a Problem. `said`: a coded value, quantity or date; never words about people."""
        if isinstance(said, dict | list | bool):
            said = type(said).__name__
        text = str(said)
        if len(text) > 48:
            text = f"{text[:47]}…"
        self.problems.append(Problem(self.ref, reason, f"{self.ref.type}.{at}", text, readings))

    # -- shapes ----------------------------------------------------------------------------

    def rows(self, node: Json, key: str) -> Sequence[Json]:
        """The objects of a repeating element; one object alone is taken as a list of it."""
        value = node.get(key)
        if value is None:
            return ()
        if type(value) is list:
            for row in value:
                if type(row) is not dict:
                    self.doubt("wrong-shape", key)
                    return [row for row in value if isinstance(row, dict)]
            return value
        self.doubt("wrong-shape", key)
        return (value,) if isinstance(value, dict) else ()

    def one(self, node: Json, key: str) -> Json:
        """The object of an element that does not repeat; empty when there is none."""
        value = node.get(key)
        if type(value) is dict:
            return value
        if value is None:
            return NOTHING
        self.doubt("wrong-shape", key)
        if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
            return value[0]
        return NOTHING

    def word(self, node: Json, key: str) -> str:
        """A string or code; empty when there is none."""
        value = node.get(key)
        if type(value) is str:
            return value.strip()
        if value is not None:
            self.doubt("wrong-shape", key)
        return ""

    def count(self, node: Json, key: str, at: str = "") -> int | None:
        """A whole number that is not negative and below a thousand million."""
        value = node.get(key)
        if value is None or (type(value) is int and 0 <= value < 10**9):
            return value
        exact = number(value)
        if exact is not None and 0 <= exact < 10**9 and exact == exact.to_integral_value():
            return int(exact)
        self.doubt("not-a-number", at or key, value)
        return None

    def flag(self, node: Json, key: str) -> bool | None:
        """A boolean; None when it is absent or is none."""
        value = node.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.doubt("wrong-shape", key)
        return None

    # -- concepts --------------------------------------------------------------------------

    def codes(self, node: Json, key: str) -> tuple[Code, ...]:
        """All codings of a CodeableConcept that does not repeat."""
        return self.codes_of(self.one(node, key)) if key in node else ()

    def codes_of(self, concept: Json) -> tuple[Code, ...]:
        """All codings of a CodeableConcept in hand."""
        if "coding" not in concept:
            return ()
        codes = []
        for coding in self.rows(concept, "coding"):
            code, system = coding.get("code"), coding.get("system", "")
            display = coding.get("display", "")
            if type(code) is str and type(system) is str and type(display) is str:
                found = coded(system, code, display)
            else:
                found = self._code_of(coding)
            if found:
                codes.append(found)
        return tuple(codes)

    def _code_of(self, coding: Json) -> Code | None:
        """A Coding of which not all is text."""
        code = self.word(coding, "code")
        if not code:
            return None
        return coded(self.word(coding, "system"), code, self.word(coding, "display"))

    def concept(self, concept: Json) -> tuple[tuple[Code, ...], str]:
        """Codes and words of a CodeableConcept in hand."""
        codes = self.codes_of(concept)
        codings = concept.get("coding")
        if "text" not in concept and type(codings) is list and len(codings) == len(codes):
            return codes, ""  # every coding has a code
        return codes, self.words_of(concept)

    def words(self, node: Json, key: str) -> str:
        """The words of a CodeableConcept that does not repeat."""
        return self.words_of(self.one(node, key)) if key in node else ""

    def words_of(self, concept: Json) -> str:
        """The text of a CodeableConcept, else the display of a coding that has no code."""
        if "text" in concept:
            return self.word(concept, "text")
        for coding in self.rows(concept, "coding"):
            if not coding.get("code"):
                return self.word(coding, "display")
        return ""

    def code_in(self, node: Json, key: str) -> str:
        """The first code of a CodeableConcept, whatever its system."""
        return self.code_of(self.one(node, key)) if key in node else ""

    def code_of(self, concept: Json) -> str:
        """The first code of a CodeableConcept in hand."""
        for coding in self.rows(concept, "coding"):
            if code := self.word(coding, "code"):
                return code
        return ""

    # -- amounts ---------------------------------------------------------------------------

    def amount(self, node: Json, key: str, at: str = "") -> Amount | None:
        """A Quantity exactly as it was said; what is no exact number stays as text."""
        quantity = node.get(key)
        if quantity is None:
            return None
        if type(quantity) is not dict:
            self.doubt("not-a-quantity", at or key, quantity)
            return Amount(text=quantity[:48]) if isinstance(quantity, str) else None
        unit, code = quantity.get("unit", ""), quantity.get("code", "")
        system = quantity.get("system", "")
        if type(unit) is str and type(code) is str and type(system) is str:
            unit, code, system = unit.strip(), code.strip(), system.strip()
        else:
            unit, code = self.word(quantity, "unit"), self.word(quantity, "code")
            system = self.word(quantity, "system")
        raw = quantity.get("value")
        value = number(raw)
        if value is None:
            if raw is None and not (unit or code):
                return None
            self.doubt("not-a-number", f"{at or key}.value", "" if raw is None else raw)
            return Amount(None, unit, system, code, raw[:48] if isinstance(raw, str) else "")
        comparator = quantity.get("comparator")
        if comparator is not None:
            said = f"{comparator if isinstance(comparator, str) else '?'} {value} {unit or code}"
            self.doubt("not-exact", at or key, said)
            return Amount(None, unit, system, code, said.strip())
        return Amount(value, unit, system, code)

    # -- time ------------------------------------------------------------------------------

    def moment(self, node: Json, key: str, at: str = "") -> datetime | None:
        """An instant or dateTime as an aware moment; a date alone is its first moment."""
        text = node.get(key)
        if text is None:
            return None
        try:
            if type(text) is str and len(text) == 10:
                return datetime.combine(day_in(text), time(), self.zone or UTC)
            moment = moment_in(text)
        except ValueError:
            self.doubt("bad-date", at or key, text)
            return None
        if moment.tzinfo is None:
            # R4 requires an offset with a time of day; the site's own clock is what was meant.
            self.doubt("no-time-zone", at or key, text)
            return moment.replace(tzinfo=self.zone or UTC)
        return moment

    def day(self, node: Json, key: str, at: str = "") -> date | None:
        """A date, or the local day of a dateTime. A month or year alone is no day: a Problem."""
        text = node.get(key)
        if text is None:
            return None
        if type(text) is not str or len(text) > 10:
            return self.local(self.moment(node, key, at))
        try:
            if len(text) == 10:
                return day_in(text)
            first_day(text)
            self.doubt("partial-date", at or key, text)
            return None
        except ValueError:
            self.doubt("bad-date", at or key, text)
            return None

    def span(self, node: Json, key: str, at: str = "") -> Span | None:
        """A Period in local days, both ends included; a partial date reaches to its edge.

        None when the element is absent or says nothing. An end before the start is a Problem
        and neither end is believed.
        """
        if key not in node:
            return None
        period = self.one(node, key)
        start = self._edge(period, "start", at or key) if "start" in period else None
        end = self._edge(period, "end", at or key) if "end" in period else None
        if start and end and end < start:
            self.doubt("bad-period", at or key, f"{start} – {end}")
            return None
        return Span(start, end) if start or end else None

    def local(self, moment: datetime | None, zone: tzinfo | None = None) -> date | None:
        """The local day of a moment; in the moment's own offset when no zone is known."""
        if moment is None:
            return None
        zone = zone or self.zone
        return (moment.astimezone(zone) if zone else moment).date()

    def _edge(self, period: Json, key: str, at: str) -> date | None:
        text = period.get(key)
        if type(text) is str and len(text) <= 10:
            try:
                if len(text) == 10:
                    return day_in(text)
                if len(text) in (4, 7):
                    return last_day(text) if key == "end" else first_day(text)
            except ValueError:
                self.doubt("bad-date", f"{at}.{key}", text)
                return None
        return self.day(period, key, f"{at}.{key}")
