"""The head of a record: whose it is, and what it points at, without reading the rest.

    heads = Heads(["ehr"], {"https://ehr.example/fhir": "ehr"})
    heads.of(line, "ehr") -> Head(type="Appointment", id="a-1", owner="ehr:Patient/p-7")

`owner` is the name of a patient record ("ehr:Patient/p-7"), `?system|value` where the record
names its patient by identifier alone, `@address|p-7` where the patient is on a server whose source
is not known yet, or None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import KINDS
from fhirbridge.fhir.read import Snapshot, read

#: Types that are about one person, and the element that names the person.
OWNED = frozenset(
    type_ for kind, types in KINDS.items() if kind != "worklist" for type_ in types
) | {"Patient"}
#: Types that records point at, and that help to understand them.
BESIDE = frozenset(
    {
        "HealthcareService",
        "Location",
        "Medication",
        "Organization",
        "Practitioner",
        "PractitionerRole",
    }
)
#: What a reference may end with, and what may stand before: nothing or the address of a server.
_PATIENT = re.compile(
    r"(?:(https?://\S*?)/)?(?:Patient/)+([A-Za-z0-9\-._]{1,128})(?:/_history/.*)?"
)

_PLAIN = re.compile(r"[A-Za-z0-9\-.]{1,64}").fullmatch


class _Identifier(jsonio.Struct):
    system: str = ""
    value: str = ""
    use: str = ""


class _Reference(jsonio.Struct):
    reference: str | None = None
    identifier: _Identifier | None = None


class _Participant(jsonio.Struct):
    actor: _Reference | None = None


class _Shape(jsonio.Struct):
    """The few elements that a head needs, of all types together."""

    resourceType: str = ""
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    beneficiary: _Reference | None = None
    participant: list[_Participant] | None = None
    medicationReference: _Reference | None = None


class _Link(jsonio.Struct):
    other: _Reference


class _Patient(jsonio.Struct):
    """By what a Patient may be joined with others."""

    identifier: list[_Identifier] | None = None
    birthDate: str = ""
    link: list[_Link] | None = None


class Head(NamedTuple):
    """`medication`: the reference of the Medication that the record names, as it stands there."""

    type: str
    id: str | None
    owner: str | None
    medication: str | None


class NotARecord(ValueError):
    """A document that is no FHIR resource. `str()` is a fixed word: html · xml · not-json ·
    not-a-resource · not-a-bundle."""


shape_of = jsonio.shaped(_Shape)
_patient = jsonio.shaped(_Patient)


class Heads:
    """Reads heads. `bases`: address of a server -> name of its source.

    Where there is but one source, an address that nobody configured is taken for its own. Where
    there are several, it is `unknown` until all is read.
    """

    def __init__(self, sources: list[str], bases: Mapping[str, str]) -> None:
        self.bases = {base.rstrip("/"): source for base, source in bases.items()}
        self.unknown: set[str] = set()
        self.shown: dict[str, str] = {}  # addresses that Bundles show; used when all is read
        self._only = sources[0] if len(sources) == 1 else None

    def of(self, data: bytes, source: str) -> Head:
        """The head of one record. Raises `NotARecord`."""
        try:
            shape = shape_of(data)
        except jsonio.NotJson:
            shape = _from_any(data)
        if not shape.resourceType:
            raise NotARecord("not-a-resource")
        owner = None
        if shape.resourceType == "Patient":
            owner = f"{source}:Patient/{shape.id}" if shape.id else None
        elif shape.resourceType in OWNED:
            owner = self._owner(shape, source)
        drug = shape.medicationReference
        return Head(shape.resourceType, shape.id, owner, drug.reference if drug else None)

    def _owner(self, shape: _Shape, source: str) -> str | None:
        person = shape.subject or shape.patient or shape.beneficiary
        if person is not None:
            return self.name(person, source)
        found = None
        for each in shape.participant or ():
            name = self.name(each.actor, source) if each.actor else None
            if name and found and name != found:
                return None
            found = name or found
        return found

    def name(self, reference: _Reference, source: str) -> str | None:
        """The name of the patient record that a reference means."""
        text = reference.reference
        if text is not None:
            if text.startswith("Patient/") and _PLAIN(text, 8):
                return f"{source}:{text}"  # as nearly all are; the longer pattern says the same
            match = _PATIENT.fullmatch(text)
            if match is None:
                return None
            base = match[1]
            if base is not None:
                known = self.bases.get(base) or self._learned(base)
                if known is None:
                    self.unknown.add(base)
                    return f"@{base}|{match[2]}"
                source = known
            return f"{source}:Patient/{match[2]}"
        identifier = reference.identifier
        if identifier and identifier.value:
            return f"?{identifier.system}|{identifier.value}"
        return None

    def ties(self, data: bytes, source: str) -> set[str]:
        """The names that a Patient shares, or may share, with other patient records.

        `#system|value` of each identifier in use, `system|value|birth date` where both are
        there (that joins it), `=name` of each record that it is linked with.
        """
        try:
            person = _patient(data)
        except jsonio.NotJson:
            return self._ties_of_any(data, source)
        ties = {f"={name}" for each in person.link or () if (name := self.name(each.other, source))}
        for one in person.identifier or ():
            if one.value and one.use != "old":
                ties.add(f"#{one.system}|{one.value}")
                if one.system and person.birthDate:
                    ties.add(f"{one.system}|{one.value}|{person.birthDate}")
        return ties

    def _ties_of_any(self, data: bytes, source: str) -> set[str]:
        """The same of a Patient in which some element has an unexpected type."""
        snapshot = Snapshot(source, (jsonio.loads(data),), bases=self.bases)
        ties = set()
        for person in read(snapshot, None).patients:
            ties |= {f"={name}" for name, _ in person.links}
            for system, value, use in person.identifiers:
                if value and use != "old":
                    ties.add(f"#{system}|{value}")
                    if system and person.birth_date:
                        ties.add(f"{system}|{value}|{person.birth_date}")
        return ties

    def _learned(self, base: str) -> str | None:
        if self._only is not None:
            self.bases[base] = self._only
        return self._only


def _from_any(data: bytes) -> _Shape:
    """The same out of a document in which some element has an unexpected type."""
    try:
        body = jsonio.loads(data)
    except jsonio.NotJson:
        raise NotARecord(_markup(data) or "not-json") from None
    if not isinstance(body, dict) or not isinstance(body.get("resourceType"), str):
        raise NotARecord("not-a-resource")
    rows = body.get("participant")
    return _Shape(
        resourceType=body["resourceType"],
        id=_text(body.get("id")),
        subject=_reference(body.get("subject")),
        patient=_reference(body.get("patient")),
        beneficiary=_reference(body.get("beneficiary")),
        participant=[
            _Participant(_reference(row.get("actor")))
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict)
        ],
        medicationReference=_reference(body.get("medicationReference")),
    )


def _markup(data: bytes) -> str | None:
    begins = data.lstrip()[:200].lower()
    if not begins.startswith(b"<"):
        return None
    return "xml" if b"http://hl7.org/fhir" in begins or begins.startswith(b"<?xml") else "html"


def _reference(value: object) -> _Reference | None:
    if not isinstance(value, dict):
        return None
    identifier = value.get("identifier")
    named = None
    if isinstance(identifier, dict):
        named = _Identifier(
            _text(identifier.get("system")) or "", _text(identifier.get("value")) or ""
        )
    return _Reference(_text(value.get("reference")), named)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
