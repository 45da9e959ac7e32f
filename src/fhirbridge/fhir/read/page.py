"""One resource while it is read: who it is about, what it is called, what it points at."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import tzinfo

from fhirbridge.core.facts import Code, Link, Party, Ref, State, Strength

from .elements import NOTHING, Elements
from .snapshot import Book, Json, identifier_name, is_id
from .values import tail

#: The name by which an authorization number is known, whoever wrote it (preAuthRef,
#: authorizationNumber, reviewAction.number, satisfied-pa-id: all one key to join on).
NUMBER = "number|"


class Page(Elements):
    """A resource of a snapshot. Readers fill `patient` and `links` and take `problems`.

    `modified`: it carries a modifier (R4 extensibility §2.4.0.1) that changes what it means;
    none is known here.
    """

    __slots__ = ("body", "book", "links", "modified", "name", "names", "patient", "updated")

    def __init__(self, book: Book, body: Json, zone: tzinfo | None) -> None:
        kind, number = body["resourceType"], body["id"]  # a Book holds none without
        meta = body.get("meta")
        if type(meta) is not dict:
            meta = NOTHING
        version = meta.get("versionId")
        self.ref = Ref(book.source, kind, number, version if is_id(version) else None)
        self.zone = zone
        self.problems = []
        self.book = book
        self.body = body
        self.name = f"{book.source}:{kind}/{number}"
        self.links: list[Link] = []
        self.patient: Ref | None = None
        self.modified = bool(body.get("modifierExtension") or body.get("implicitRules"))
        self.updated = self.moment(meta, "lastUpdated", "meta.lastUpdated")
        self.names = frozenset((self.name, *self.identifiers(body, "identifier")))

    # -- references ------------------------------------------------------------------------

    def identifiers(self, node: Json, key: str) -> list[str]:
        """Business identifiers as "system|value"; those of old use too, they still name."""
        value = node.get(key)
        if value is None:
            return []
        names = []
        for row in (value,) if type(value) is dict else self.rows(node, key):
            if name := identifier_name(row):
                names.append(name)
        return names

    def target(self, reference: Json) -> Json | None:
        """The resource that a Reference means: contained, elsewhere in the snapshot, or the one
        there that carries the identifier of a logical reference."""
        text = reference.get("reference")
        if not isinstance(text, str):
            return self.book.get(self._called(reference))
        if text[:1] != "#":
            return self.book.get(self.book.locate(text))
        inside = self.body.get("contained")
        for resource in inside if isinstance(inside, list) else ():
            if isinstance(resource, dict) and resource.get("id") in (text, text[1:]):
                return resource
        return None

    def _called(self, reference: Json) -> tuple[str, str] | None:
        identifier, kind = reference.get("identifier"), reference.get("type")
        name = identifier_name(identifier) if isinstance(identifier, dict) else None
        return self.book.called(name, kind if isinstance(kind, str) else "") if name else None

    def names_of(self, reference: Json) -> list[tuple[str, int]]:
        """The names by which a Reference means its target, each with the tier of the link."""
        names = []
        text = reference.get("reference")
        if type(text) is str and text:
            if text[0] == "#":  # a copy inside the record: its numbers lead to the original
                names.append((f"{self.name}{text}", 0))
                inside = self.target(reference) or NOTHING
                names += [(name, 1) for name in sorted(self.identifiers(inside, "identifier"))]
            else:
                names.append((self.book.name_of(text), 0))
        elif text is not None:
            self.doubt("wrong-shape", "reference")
        if "identifier" in reference:
            identifier = reference["identifier"]
            if type(identifier) is dict and (name := identifier_name(identifier)):
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

    def point_to(self, key: str, why: str) -> str | None:
        """Link to what an element of the record that does not repeat refers to."""
        return self.point((self.one(self.body, key),), why) if key in self.body else None

    def point_to_all(self, key: str, why: str) -> str | None:
        """Link to what a repeating element of the record refers to; the name of the first."""
        return self.point(self.rows(self.body, key), why) if key in self.body else None

    def person(self, key: str) -> None:
        """The Patient that an element of the record refers to is whom it is about."""
        self.person_of(self.one(self.body, key))

    def person_of(self, reference: Json) -> None:
        """The Patient that the record is about, as a Ref, or as a link by identifier."""
        text = reference.get("reference")
        self.patient = self.book.person(text) if type(text) is str else None
        if self.patient is None and self.point((reference,), "patient") is None:
            self.doubt("no-patient", "subject")

    def party(self, node: Json, key: str) -> Party | None:
        """Whom an element that does not repeat refers to."""
        return self.party_of(self.one(node, key)) if key in node else None

    def party_of(self, reference: Json) -> Party | None:
        """Who a Reference names: on this server by reference, elsewhere by identifier."""
        text, display = reference.get("reference"), reference.get("display", "")
        if type(text) is str and type(display) is str and "identifier" not in reference:
            name = text, display
            if text[:1] != "#":  # what is contained is another one in each record
                if name not in self.book.parties:
                    self.book.parties[name] = self._party_of(reference)
                return self.book.parties[name]
        return self._party_of(reference)

    def _party_of(self, reference: Json) -> Party | None:
        text = reference.get("reference")
        place = resource = None
        if type(text) is str:
            if text[:1] == "#":
                resource = self.target(reference)
            else:
                place = self.book.locate(text)
                resource = self.book.get(place)
        identifiers = self.identifiers(reference, "identifier")
        display = self.word(reference, "display")
        if resource is not None:
            identifiers = identifiers or self.identifiers(resource, "identifier")
            name = resource.get("name")
            display = display or (name if isinstance(name, str) else "")
        if not (place or identifiers or display):
            return None
        source, local = place or (self.ref.source, None)
        return Party(source, local, identifiers[0] if identifiers else None, display or None)

    def first_party(self, references: Iterable[Json]) -> Party | None:
        """The first of several references that names somebody."""
        for reference in references:
            if party := self.party_of(reference):
                return party
        return None

    def parts(self, node: Json) -> Mapping[str, Json]:
        """The extensions of an element by their names; of several of one name the last."""
        if "extension" not in node:
            return NOTHING
        return {tail(part): part for part in self.rows(node, "extension")}

    # -- the record ------------------------------------------------------------------------

    def state(self, table: Mapping[str, State]) -> State:
        """The state that the status of the record means."""
        status = self.word(self.body, "status")
        state = table.get(status)
        if state is None:
            self.doubt("unknown-code" if status else "missing", "status", status)
            return State.UNKNOWN
        # With a modifier that one does not know, what the record says must not be relied on;
        # that it is wrong may be.
        return State.UNKNOWN if self.modified and state is not State.WRONG else state

    def medication(self) -> tuple[tuple[Code, ...], str]:
        """Codes and words of medication[x]; a Medication adds those of its ingredients.

        The reader knows no drug: which of the codes decides is the formulary's matter.
        """
        concept = self.one(self.body, "medicationCodeableConcept")
        if concept:
            return self.concept(concept)
        reference = self.one(self.body, "medicationReference")
        if not reference:
            self.doubt("missing", "medication[x]")
            return (), ""
        resource = self.target(reference)
        display = self.word(reference, "display")
        if resource is None:
            self.doubt("not-read", "medicationReference")
            return (), display
        codes, words = self.concept(self.one(resource, "code"))
        for row in self.rows(resource, "ingredient"):
            codes += self.codes(row, "itemCodeableConcept")
        return codes, words or display

    def strengths(self) -> tuple[Strength, ...]:
        """How much of each ingredient is in the Medication that the record refers to."""
        if "medicationReference" not in self.body:
            return ()
        resource = self.target(self.one(self.body, "medicationReference")) or NOTHING
        found = []
        for row in self.rows(resource, "ingredient"):
            ratio = self.one(row, "strength")
            mass = self.amount(ratio, "numerator", "medication.ingredient.strength")
            of = self.amount(ratio, "denominator", "medication.ingredient.strength")
            if mass is not None and of is not None:
                codes, words = self.concept(self.one(row, "itemCodeableConcept"))
                found.append(Strength(codes, words, mass, of))
        return tuple(found)
