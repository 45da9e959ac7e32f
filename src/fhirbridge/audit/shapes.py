"""What of a record is parsed in pass 1: the few elements that say whose it is, and those that may
tell a drug as the bytes that were sent.

    shape_of(line) -> ("Appointment", Shape)

A document in which one of these elements has an unexpected type is parsed in full, and what is
of the expected type is taken.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from operator import attrgetter

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import KINDS
from fhirbridge.fhir.read.fields import TELLING

#: Types that are about one person.
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


class NotARecord(ValueError):
    """A document that is no FHIR resource. `str()` is a fixed word: html · xml · not-json ·
    not-a-resource · not-a-bundle."""


class Identifier(jsonio.Struct):
    system: str = ""
    value: str = ""
    use: str = ""


class Reference(jsonio.Struct):
    reference: str | None = None
    identifier: Identifier | None = None


class Participant(jsonio.Struct):
    actor: Reference | None = None


class Link(jsonio.Struct):
    other: Reference


class Shape(jsonio.Struct):
    """The few elements that a head needs, of all types together."""

    id: str | None = None
    subject: Reference | None = None
    patient: Reference | None = None
    beneficiary: Reference | None = None
    participant: list[Participant] | None = None
    medicationReference: jsonio.Raw = jsonio.Raw()


class Patient(Shape):
    """By what a Patient may be joined with others."""

    identifier: list[Identifier] | None = None
    birthDate: str = ""
    link: list[Link] | None = None


class _Other(Shape):
    """A record of a type that is not known, or with elements of unexpected types."""

    resourceType: str = ""


#: Type -> the elements of its shape that may tell a drug.
_TELLING: Mapping[str, Callable[[Shape], tuple[jsonio.Raw, ...]]] = {
    type_: attrgetter(*names) for type_, names in TELLING.items()
}
_known = jsonio.shaped_by(
    "resourceType",
    {"Patient": (Patient, ())}
    | {type_: (Shape, TELLING.get(type_, ())) for type_ in (OWNED | BESIDE) - {"Patient"}},
)
_other = jsonio.shaped(_Other)
_reference = jsonio.shaped(Reference)


def shape_of(data: bytes) -> tuple[str, Shape]:
    """The type of a record and its shape. Raises `NotARecord`."""
    try:
        shape = _known(data)
    except jsonio.MISSHAPEN:
        return _any(data)
    return type(shape).__name__, shape


def telling(shape: Shape) -> tuple[jsonio.Raw, ...] | None:
    """The elements of a record that may tell a drug; None where it may be any."""
    elements = _TELLING.get(type(shape).__name__)
    return elements(shape) if elements is not None else None


def reference_in(raw: jsonio.Raw) -> str | None:
    """The literal reference of a Reference in bytes, if it has one."""
    try:
        return _reference(bytes(raw)).reference
    except jsonio.MISSHAPEN:
        return None


def _any(data: bytes) -> tuple[str, Shape]:
    """The same of a type that is not known, or where some element has an unexpected type."""
    try:
        other = _other(data)
    except jsonio.MISSHAPEN:
        other = _from_body(data)
    if not other.resourceType:
        raise NotARecord("not-a-resource")
    return other.resourceType, other


def _from_body(data: bytes) -> _Other:
    try:
        body = jsonio.loads(data)
    except jsonio.NotJson:
        raise NotARecord(_markup(data) or "not-json") from None
    if not isinstance(body, dict) or not isinstance(body.get("resourceType"), str):
        raise NotARecord("not-a-resource")
    rows, drug = body.get("participant"), body.get("medicationReference")
    return _Other(
        resourceType=body["resourceType"],
        id=_text(body.get("id")),
        subject=_as_reference(body.get("subject")),
        patient=_as_reference(body.get("patient")),
        beneficiary=_as_reference(body.get("beneficiary")),
        participant=[
            Participant(_as_reference(row.get("actor")))
            for row in (rows if isinstance(rows, list) else ())
            if isinstance(row, dict)
        ],
        medicationReference=jsonio.Raw(jsonio.dumps(drug) if drug else b""),
    )


def _markup(data: bytes) -> str | None:
    begins = data.lstrip()[:200].lower()
    if not begins.startswith(b"<"):
        return None
    return "xml" if b"http://hl7.org/fhir" in begins or begins.startswith(b"<?xml") else "html"


def _as_reference(value: object) -> Reference | None:
    if not isinstance(value, dict):
        return None
    identifier = value.get("identifier")
    named = None
    if isinstance(identifier, dict):
        named = Identifier(
            _text(identifier.get("system")) or "", _text(identifier.get("value")) or ""
        )
    return Reference(_text(value.get("reference")), named)


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
