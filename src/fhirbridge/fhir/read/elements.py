"""Data types of FHIR R4, restated without ever failing.

A `Page` is one resource while it is read. Its methods take a JSON object and a key, give the
value in the words of `core`, and note a `Problem` for whatever is not of the shape that the
specification says; they never raise, whatever stands there. Values of free text about people
are never quoted in a Problem: only coded values, quantities and dates are.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal

from fhirbridge.core.facts import Code, Link, Party, Problem, Ref, Span, State
from fhirbridge.core.quantity import Amount

from .snapshot import Book, Json, is_id, ref_at

NOTHING: Json = {}

#: Years outside are typing errors (0026, 20226), not history or plans.
YEARS = range(1900, 2200)

#: Exponents beyond these are no amount of anything (and would take forever to print).
MAGNITUDES = range(-12, 13)

#: The name by which an authorization number is known, whoever wrote it (preAuthRef,
#: authorizationNumber, reviewAction.number, satisfied-pa-id: all one key to join on).
NUMBER = "number|"


class Page:
    """One resource being read: where it stands, what it points at, what is wrong with it."""

    __slots__ = (
        "body",
        "book",
        "links",
        "name",
        "names",
        "patient",
        "problems",
        "ref",
        "updated",
        "zone",
    )

    def __init__(self, book: Book, body: Json, place: str, zone: tzinfo | None) -> None:
        kind, _, number = place.partition("/")
        meta = body.get("meta")
        if not isinstance(meta, dict):
            meta = NOTHING
        version = meta.get("versionId")
        self.book, self.body, self.zone = book, body, zone
        version = version if is_id(version) else None
        self.ref = Ref(book.source, kind, number, version)
        self.name = f"{book.source}:{place}"
        self.links: list[Link] = []
        self.problems: list[Problem] = []
        self.patient: Ref | None = None
        self.updated = self.moment(meta, "lastUpdated") if "lastUpdated" in meta else None
        self.names = frozenset((self.name, *self.identifiers(body)))

    # -- trouble ---------------------------------------------------------------------------

    def doubt(self, reason: str, at: str = "", said: object = "", *readings: str) -> None:
        """Note a Problem. `said`: a coded value, quantity or date; never words about people."""
        if isinstance(said, dict | list | bool):
            said = type(said).__name__
        text = f"{str(said)[:47]}…" if len(str(said)) > 48 else str(said)
        self.problems.append(Problem(self.ref, reason, f"{self.ref.type}.{at}", text, readings))

    # -- shapes ----------------------------------------------------------------------------

    def rows(self, node: Json, key: str) -> list[Json]:
        """The objects of a repeating element; one object alone is taken as a list of it."""
        value = node.get(key)
        if value is None:
            return []
        if isinstance(value, dict):
            self.doubt("wrong-shape", key)
            return [value]
        if not isinstance(value, list):
            self.doubt("wrong-shape", key)
            return []
        rows = [row for row in value if isinstance(row, dict)]
        if len(rows) != len(value):
            self.doubt("wrong-shape", key)
        return rows

    def one(self, node: Json, key: str) -> Json:
        """The object of an element that does not repeat; empty when there is none."""
        value = node.get(key)
        if isinstance(value, dict):
            return value
        if value is not None:
            self.doubt("wrong-shape", key)
            if isinstance(value, list) and len(value) == 1 and isinstance(value[0], dict):
                return value[0]
        return NOTHING

    def word(self, node: Json, key: str) -> str:
        """A string or code; empty when there is none."""
        value = node.get(key)
        if isinstance(value, str):
            return value.strip()
        if value is not None:
            self.doubt("wrong-shape", key)
        return ""

    def count(self, node: Json, key: str, at: str = "") -> int | None:
        """A whole number that is not negative."""
        value = node.get(key)
        if value is None:
            return None
        if isinstance(value, Decimal) and value.is_finite() and value == value.to_integral_value():
            value = int(value) if value.adjusted() < 9 else None
        if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10**9:
            return value
        self.doubt("not-a-number", at or key, node[key])
        return None

    def flag(self, node: Json, key: str) -> bool | None:
        value = node.get(key)
        if value is None or isinstance(value, bool):
            return value
        self.doubt("wrong-shape", key)
        return None

    # -- concepts --------------------------------------------------------------------------

    def codes(self, concept: Json) -> tuple[Code, ...]:
        """All codings of a CodeableConcept."""
        codings = concept.get("coding")
        if codings is None:
            return ()
        found = []
        for coding in self.rows(concept, "coding"):
            code = coding.get("code")
            if isinstance(code, str) and code:
                system, display = coding.get("system"), coding.get("display")
                found.append(
                    Code(
                        system if isinstance(system, str) else "",
                        code.strip(),
                        display if isinstance(display, str) else "",
                    )
                )
            elif code is not None:
                self.doubt("wrong-shape", "coding.code")
        return tuple(found)

    def words(self, concept: Json) -> str:
        """The text of a CodeableConcept, else the display of a coding that has no code."""
        if "text" in concept:
            return self.word(concept, "text")
        for coding in self.rows(concept, "coding"):
            if not coding.get("code") and isinstance(coding.get("display"), str):
                return self.word(coding, "display")
        return ""

    def code_in(self, concept: Json) -> str:
        """The first code of a CodeableConcept, whatever its system."""
        codes = self.codes(concept)
        return codes[0].code if codes else ""

    # -- amounts ---------------------------------------------------------------------------

    def amount(self, node: Json, key: str, at: str = "") -> Amount | None:
        """A Quantity exactly as it was said; what is no number stays as text."""
        quantity = node.get(key)
        if quantity is None:
            return None
        at = at or key
        if not isinstance(quantity, dict):
            self.doubt("not-a-quantity", at, quantity)
            return Amount(text=str(quantity)[:48]) if isinstance(quantity, str) else None
        unit, system = self.word(quantity, "unit"), self.word(quantity, "system")
        code = self.word(quantity, "code")
        raw = quantity.get("value")
        value = number(raw)
        if value is None:
            if raw is None and not (unit or code):
                return None
            self.doubt("not-a-number", f"{at}.value", "" if raw is None else raw)
            return Amount(None, unit, system, code, str(raw)[:48] if isinstance(raw, str) else "")
        comparator = quantity.get("comparator")
        if comparator is not None:
            said = f"{comparator if isinstance(comparator, str) else '?'}{value} {unit or code}"
            self.doubt("not-exact", at, said)
            return Amount(None, unit, system, code, said.strip())
        return Amount(value, unit, system, code)

    # -- time ------------------------------------------------------------------------------

    def moment(self, node: Json, key: str, at: str = "") -> datetime | None:
        """An instant or dateTime as an aware moment; a date alone is its first moment."""
        text = node.get(key)
        if text is None:
            return None
        try:
            if len(text) == 10:
                return self._midnight(day_in(text))
            return self._aware(text, at or key)
        except (ValueError, TypeError, AttributeError, OverflowError):
            self.doubt("bad-date", at or key, text)
            return None

    def day(self, node: Json, key: str, at: str = "") -> date | None:
        """A date, or the local day of a dateTime. A month or year alone is no day: a Problem."""
        text = node.get(key)
        if text is None:
            return None
        try:
            if len(text) == 10:
                return day_in(text)
            if len(text) in (4, 7):
                first_day(text)
                self.doubt("partial-date", at or key, text)
                return None
            return self._local(self._aware(text, at or key))
        except (ValueError, TypeError, AttributeError, OverflowError):
            self.doubt("bad-date", at or key, text)
            return None

    def span(self, node: Json, key: str, at: str = "") -> Span | None:
        """A Period in local days, both ends included; a partial date reaches to its edge.

        None when the element is absent or says nothing. An end before the start is a Problem
        and neither end is believed.
        """
        period = self.one(node, key)
        if not period:
            return None
        start = self._edge(period, "start", at or key, last=False)
        end = self._edge(period, "end", at or key, last=True)
        if start and end and end < start:
            self.doubt("bad-period", at or key, f"{start} – {end}")
            return None
        return Span(start, end) if start or end else None

    def _edge(self, period: Json, key: str, at: str, *, last: bool) -> date | None:
        text = period.get(key)
        if isinstance(text, str) and len(text) in (4, 7):
            try:
                return last_day(text) if last else first_day(text)
            except ValueError:
                self.doubt("bad-date", f"{at}.{key}", text)
                return None
        return self.day(period, key, f"{at}.{key}")

    def _aware(self, text: str, at: str) -> datetime:
        if text[10:11] != "T" or text[4:5] != "-":
            raise ValueError
        moment = datetime.fromisoformat(text.replace(":60", ":59", 1) if ":60" in text else text)
        if moment.year not in YEARS:
            raise ValueError
        if moment.tzinfo is None:
            # R4 requires an offset with a time of day; the site's own clock is what was meant.
            self.doubt("no-time-zone", at, text)
            return moment.replace(tzinfo=self.zone or UTC)
        return moment

    def _local(self, moment: datetime) -> date:
        return moment.astimezone(self.zone).date() if self.zone else moment.date()

    def local(self, moment: datetime | None) -> date | None:
        """The local day of a moment; in the moment's own offset when no zone is known."""
        return None if moment is None else self._local(moment)

    def _midnight(self, day: date) -> datetime:
        return datetime.combine(day, time(), self.zone or UTC)

    # -- references ------------------------------------------------------------------------

    def identifiers(self, node: Json, key: str = "identifier") -> list[str]:
        """Business identifiers as "system|value"; those of old use are kept, they still name."""
        value = node.get(key)
        if value is None:
            return []
        rows = [value] if isinstance(value, dict) else self.rows(node, key)
        return [name for row in rows if (name := identifier_name(row))]

    def target(self, reference: Json) -> Json | None:
        """The resource that a Reference means, contained or elsewhere in the snapshot."""
        text = reference.get("reference")
        if not isinstance(text, str):
            return None
        if text[:1] != "#":
            return self.book.get(self.book.locate(text))
        inside = self.body.get("contained")
        for resource in inside if isinstance(inside, list) else ():
            if isinstance(resource, dict) and resource.get("id") in (text, text[1:]):
                return resource
        return None

    def names_of(self, reference: Json) -> list[tuple[str, int]]:
        """The names by which a Reference means its target, each with the tier of the link."""
        names = []
        text = reference.get("reference")
        if isinstance(text, str) and text:
            if text[0] == "#":
                names.append((f"{self.name}{text}", 0))
            else:
                place = self.book.locate(text)
                names.append((f"{place[0]}:{place[1]}" if place else text, 0))
        elif text is not None:
            self.doubt("wrong-shape", "reference")
        identifier = reference.get("identifier")
        if isinstance(identifier, dict) and (name := identifier_name(identifier)):
            names.append((name, 1))
        return names

    def point(self, references: Iterable[Json], why: str) -> str | None:
        """Link to what the references mean; the name of the first."""
        first = None
        for reference in references:
            for name, tier in self.names_of(reference):
                self.links.append(Link(name, tier, why))
                first = first or name
        return first

    def person(self, reference: Json) -> None:
        """The Patient that the record is about, as a Ref, or as a link by identifier."""
        text = reference.get("reference")
        place = self.book.locate(text) if isinstance(text, str) else None
        if place and place[1].startswith("Patient/"):
            self.patient = ref_at(place)
            return
        if self.point([reference], "patient") is None:
            self.doubt("no-patient", "subject")

    def party(self, reference: Json) -> Party | None:
        """Who a Reference names: on this server by reference, elsewhere by identifier."""
        if not reference:
            return None
        text, place = reference.get("reference"), None
        if isinstance(text, str) and text[:1] != "#":
            place = self.book.locate(text)
        identifiers = self.identifiers(reference)
        resource = self.target(reference)
        if resource is not None and not identifiers:
            identifiers = self.identifiers(resource)
        display = self.word(reference, "display")
        if not display and resource is not None and isinstance(resource.get("name"), str):
            display = resource["name"]
        if not (place or identifiers or display):
            return None
        source, local = place or (self.ref.source, None)
        return Party(source, local, identifiers[0] if identifiers else None, display or None)

    def first_party(self, references: Iterable[Json]) -> Party | None:
        """The first of several references that names somebody."""
        return next((party for row in references if (party := self.party(row))), None)

    # -- the record ------------------------------------------------------------------------

    def state(self, table: dict[str, State]) -> State:
        """The state that the status of the record means."""
        status = self.word(self.body, "status")
        state = table.get(status)
        if state is None:
            self.doubt("unknown-code" if status else "missing", "status", status)
            return State.UNKNOWN
        modified = self.body.get("modifierExtension") or self.body.get("implicitRules")
        # R4 extensibility §2.4.0.1: with a modifier that one does not know, what the record
        # says must not be relied on; that it is wrong may be.
        return State.UNKNOWN if modified and state is not State.WRONG else state

    def medication(self) -> tuple[tuple[Code, ...], str]:
        """Codes and words of medication[x]; a Medication adds those of its ingredients.

        The reader knows no drug: which of the codes decides is the formulary's matter.
        """
        body = self.body
        concept = self.one(body, "medicationCodeableConcept")
        if concept:
            return self.codes(concept), self.words(concept)
        reference = self.one(body, "medicationReference")
        if not reference:
            self.doubt("missing", "medication[x]")
            return (), ""
        resource = self.target(reference)
        display = self.word(reference, "display")
        if resource is None:
            self.doubt("not-read", "medicationReference")
            return (), display
        concept = self.one(resource, "code")
        codes = list(self.codes(concept))
        for row in self.rows(resource, "ingredient"):
            codes.extend(self.codes(self.one(row, "itemCodeableConcept")))
        return tuple(codes), self.words(concept) or display


def number(raw: object) -> Decimal | None:
    """A JSON number as an exact Decimal; None for text, truth values and the unprintable."""
    if isinstance(raw, bool) or not isinstance(raw, int | Decimal | float):
        return None
    value = (
        raw if isinstance(raw, Decimal) else Decimal(str(raw)) if isinstance(raw, float) else None
    )
    if value is None:
        value = Decimal(raw) if isinstance(raw, int) and abs(raw) < 10**13 else Decimal("NaN")
    return value if value.is_finite() and value.adjusted() in MAGNITUDES else None


def identifier_name(identifier: Json) -> str | None:
    """ "system|value" of an Identifier, the form in which records of all servers are joined."""
    value = identifier.get("value")
    if not isinstance(value, str) or not (value := value.strip()):
        return None
    system = identifier.get("system")
    return f"{system if isinstance(system, str) else ''}|{value}"


def day_in(text: str) -> date:
    """A full date, `YYYY-MM-DD`. Raises ValueError for anything else."""
    if text[4] != "-" or text[7] != "-":
        raise ValueError(text)
    day = date.fromisoformat(text)
    if day.year not in YEARS:
        raise ValueError(text)
    return day


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
    return url.rsplit("/", 1)[-1].removeprefix("extension-") if isinstance(url, str) else ""


def lines(*texts: str) -> str:
    """Texts of a record, one on each line, each once."""
    return "\n".join(dict.fromkeys(text for text in texts if text))
