"""The head of a record: whose it is, and what it points at, without reading the rest.

    heads = Heads(["ehr"], {"https://ehr.example/fhir": "ehr"})
    heads.of(line, "ehr") -> Head(type="Appointment", id="a-1", owner="ehr:Patient/p-7")

`owner` is the name of a patient record ("ehr:Patient/p-7"), `?system|value` where the record
names its patient by identifier alone, or None.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import KINDS

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


@dataclass(slots=True)
class _Identifier:
    system: str = ""
    value: str = ""


@dataclass(slots=True)
class _Reference:
    reference: str | None = None
    identifier: _Identifier | None = None


@dataclass(slots=True)
class _Participant:
    actor: _Reference | None = None


@dataclass(slots=True)
class _Shape:
    """The few elements that a head needs, of all types together."""

    resourceType: str = ""
    id: str | None = None
    subject: _Reference | None = None
    patient: _Reference | None = None
    beneficiary: _Reference | None = None
    participant: list[_Participant] | None = None
    medicationReference: _Reference | None = None


@dataclass(slots=True)
class _Bundle:
    entry: list[dict[str, jsonio.Raw]] | None = None


class Head(NamedTuple):
    """`medication`: the reference of the Medication that the record names, as it stands there."""

    type: str
    id: str | None
    owner: str | None
    medication: str | None


class NotARecord(ValueError):
    """A document that is no FHIR resource. `str()` is a fixed word: html · not-json ·
    not-a-resource."""


_shape = jsonio.shaped(_Shape)
_bundle = jsonio.shaped(_Bundle)


class Heads:
    """Reads heads. `bases`: address of a server -> name of its source.

    Where there is but one source, an address that nobody configured is taken for its own; where
    there are several, it could be any of them, and the record has no owner.
    """

    def __init__(self, sources: list[str], bases: Mapping[str, str]) -> None:
        self.bases = {base.rstrip("/"): source for base, source in bases.items()}
        self._only = sources[0] if len(sources) == 1 else None

    def of(self, data: bytes, source: str) -> Head:
        """The head of one record. Raises `NotARecord`."""
        try:
            shape = _shape(data)
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
        people = [shape.subject or shape.patient or shape.beneficiary]
        people += [each.actor for each in shape.participant or ()]
        found = {name for each in people if each and (name := self._name(each, source))}
        return found.pop() if len(found) == 1 else None

    def _name(self, reference: _Reference, source: str) -> str | None:
        if reference.reference is not None:
            match = _PATIENT.fullmatch(reference.reference)
            if match is None:
                return None
            base = match[1]
            if base is not None:
                source = self.bases.get(base) or self._learned(base) or ""
            return f"{source}:Patient/{match[2]}" if source else None
        identifier = reference.identifier
        if identifier and identifier.value:
            return f"?{identifier.system}|{identifier.value}"
        return None

    def _learned(self, base: str) -> str | None:
        if self._only is not None:
            self.bases[base] = self._only
        return self._only


def _from_any(data: bytes) -> _Shape:
    """The same out of a document in which some element has an unexpected type."""
    try:
        body = jsonio.loads(data)
    except jsonio.NotJson:
        raise NotARecord("html" if data.lstrip()[:1] == b"<" else "not-json") from None
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


class Opened(NamedTuple):
    """The records of a Bundle, and the addresses that its entries have of their own."""

    records: list[bytes]
    bases: frozenset[str]


def opened(data: bytes) -> Opened:
    """The records in a Bundle, each as it was sent.

    References by `urn:` are the matter of the Bundle alone: they are replaced by the records'
    names here, and a record that has only a `urn:uuid` gets that as its id.
    Raises `NotARecord`.
    """
    try:
        entries = _bundle(data).entry or []
    except jsonio.NotJson:
        raise NotARecord("not-a-bundle") from None
    records: list[bytes] = []
    urls: dict[str, str] = {}
    bases: set[str] = set()
    for entry in entries:
        if "resource" not in entry:
            continue
        record = bytes(entry["resource"])
        url = jsonio.loads(bytes(entry["fullUrl"])) if "fullUrl" in entry else None
        if isinstance(url, str):
            record, name, base = _named(record, url)
            if name:
                urls[url] = name
            if base:
                bases.add(base)
        records.append(record)
    if any(url.startswith("urn:") for url in urls):
        records = [_renamed(each, urls) if b'"urn:' in each else each for each in records]
    return Opened(records, frozenset(bases))


def _named(record: bytes, url: str) -> tuple[bytes, str | None, str | None]:
    """(record with an id, "Type/id", address of its server)."""
    try:
        shape = _shape(record)
    except jsonio.NotJson:
        return record, None, None
    if shape.id is None and url.startswith("urn:uuid:"):
        record = jsonio.dumps({**jsonio.loads(record), "id": url.removeprefix("urn:uuid:")})
        shape.id = url.removeprefix("urn:uuid:")
    name = f"{shape.resourceType}/{shape.id}" if shape.id else None
    base = url.removesuffix(f"/{name}") if name and url.endswith(f"/{name}") else None
    return record, name, base


def _renamed(record: bytes, urls: Mapping[str, str]) -> bytes:
    try:
        body = jsonio.loads(record)
    except jsonio.NotJson:
        return record
    for node in _objects(body):
        if (name := urls.get(str(node.get("reference")))) is not None:
            node["reference"] = name
    return jsonio.dumps(body)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    ahead = [node]
    while ahead:
        here = ahead.pop()
        if isinstance(here, dict):
            yield here
            ahead += here.values()
        elif isinstance(here, list):
            ahead += here
