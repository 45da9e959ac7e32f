"""Whose a record is, by its shape.

    owners = Owners("ehr", ["ehr"], {"https://ehr.example/fhir": "ehr"})
    owners.of("Appointment", shape) -> "ehr:Patient/p-7"

The owner is the name of a patient record ("ehr:Patient/p-7"), `?system|value` where the record
names its patient by identifier alone, `@address|p-7` where the patient is on a server whose source
is not known yet, or None.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.read import Snapshot, read

from .shapes import OWNED, Patient, Reference, Shape

#: What a reference may end with, and what may stand before: nothing or the address of a server.
_PATIENT = re.compile(
    r"(?:(https?://\S*?)/)?(?:Patient/)+([A-Za-z0-9\-._]{1,128})(?:/_history/.*)?"
)


class Owners:
    """Names the owners of one source's records. `names`: all sources; `bases`: address of a
    server -> name of its source.

    Where there is but one source, an address that nobody configured is taken for its own. Where
    there are several, it is `unknown` until all is read.
    """

    def __init__(self, source: str, names: Sequence[str], bases: Mapping[str, str]) -> None:
        self._source = source
        self.bases = without_slash(bases)
        self.unknown: set[str] = set()
        self.shown: dict[str, str] = {}  # addresses that Bundles show; used when all is read
        self._only = names[0] if len(names) == 1 else None
        self._known: dict[str, str] = {}  # relative reference -> name

    def of(self, type_: str, shape: Shape) -> str | None:
        """Whose a record is."""
        if type_ == "Patient":
            return f"{self._source}:Patient/{shape.id}" if shape.id else None
        if type_ not in OWNED:
            return None
        person = shape.subject or shape.patient or shape.beneficiary
        return self.name(person) if person is not None else self._participant(shape)

    def _participant(self, shape: Shape) -> str | None:
        found = None
        for each in shape.participant or ():
            name = self.name(each.actor) if each.actor else None
            if name and found and name != found:
                return None
            found = name or found
        return found

    def name(self, reference: Reference) -> str | None:
        """The name of the patient record that a reference means."""
        text = reference.reference
        if text is not None:
            if text in self._known:
                return self._known[text]
            match = _PATIENT.fullmatch(text)
            if match is None:
                return None
            base, source = match[1], self._source
            if base is not None:
                known = self.bases.get(base) or self._learned(base)
                if known is None:
                    self.unknown.add(base)
                    return f"@{base}|{match[2]}"
                source = known
            name = f"{source}:Patient/{match[2]}"
            if base is None:  # as nearly all are
                self._known[text] = name
            return name
        identifier = reference.identifier
        if identifier and identifier.value:
            return f"?{identifier.system}|{identifier.value}"
        return None

    def ties(self, shape: Shape, data: bytes) -> set[str]:
        """The names that a Patient shares, or may share, with other patient records.

        `#system|value` of each identifier in use, `system|value|birth date` where both are
        there (that joins it), `=name` of each record that it is linked with.
        """
        if not isinstance(shape, Patient):
            return self._ties_of_any(data)
        ties = {f"={name}" for each in shape.link or () if (name := self.name(each.other))}
        for one in shape.identifier or ():
            if one.value and one.use != "old":
                ties.add(f"#{one.system}|{one.value}")
                if one.system and shape.birthDate:
                    ties.add(f"{one.system}|{one.value}|{shape.birthDate}")
        return ties

    def _ties_of_any(self, data: bytes) -> set[str]:
        """The same of a Patient in which some element has an unexpected type."""
        snapshot = Snapshot(self._source, (jsonio.loads(data),), bases=self.bases)
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


def without_slash(bases: Mapping[str, str]) -> dict[str, str]:
    """The addresses as references begin with them."""
    return {base.rstrip("/"): source for base, source in bases.items()}
