"""From where we write: the worklist's server, what is known of it, and how things are named there.

What lives on the worklist's own server is referred to literally; what lives elsewhere by type,
identifier and display, never by an absolute URL (HAPI refuses those, `HAPI-0507`; and nobody at
the worklist could open it).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from typing import Any, Protocol

from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Finding, Role

from . import ours
from .ours import Json

#: Who may own a Task and receive a Communication (R4 Task.owner; Communication.recipient also
#: takes Group). A Location may not, and the actors of an Appointment are often Locations.
ACTORS = frozenset(
    {"CareTeam", "Device", "HealthcareService", "Organization"}
    | {"Patient", "Practitioner", "PractitionerRole", "RelatedPerson"}
)
#: RFC 3986 §3.1: what begins with a scheme.
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


class Told(Protocol):
    """What is said to one audience."""

    @property
    def title(self) -> str: ...
    @property
    def text(self) -> str: ...


class Texts(Protocol):
    """The sentences of one language (`fhirbridge.texts`)."""

    def tell(self, finding: Finding, audience: Role) -> Told: ...
    def solved(self, why: str, title: str) -> str: ...
    def changed_note(self, finding: Finding) -> str: ...
    def gone_note(self, why: str) -> str: ...
    def refused(self, finding: Finding, how: str = ...) -> str: ...
    def reminder(self, finding: Finding) -> str: ...
    def too_many(self, owner: Role, most: int) -> tuple[str, str]: ...
    def asked(self, text: str, choices: Sequence[str]) -> str: ...
    def name(self, word: str) -> str: ...


@dataclass(frozen=True, kw_only=True)
class Desk:
    """Where and when one person's plan is written.

    `home` is the source that holds the worklist, `patient` the person's record there (None: it
    has none), `owners` who acts for a role where no finding says so, `tasks` our Tasks as they
    were read, by id: a change keeps whatever people have added to them. `zone`: of the sites.
    `provenance`: whether one is written with everything else.
    """

    instance: str
    home: str
    as_of: datetime
    texts: Texts
    patient: Ref | None = None
    zone: tzinfo = UTC
    owners: Mapping[Role, Party] = field(default_factory=dict)
    tasks: Mapping[str, Json] = field(default_factory=dict)
    provenance: bool = False

    @property
    def now(self) -> str:
        """The FHIR dateTime of everything that is written now."""
        return self.as_of.isoformat(timespec="seconds")

    @property
    def us(self) -> dict[str, Any]:
        """Who writes: this installation, as a logical reference to a Device."""
        identifier = {"system": "urn:fhirbridge:instance", "value": self.instance}
        return {"type": "Device", "identifier": identifier, "display": "fhirbridge"}

    def record(self, ref: Ref) -> dict[str, Any]:
        """A reference to a record, wherever it is."""
        if ref.source == self.home:
            return {"reference": f"{ref.type}/{ref.id}"}
        return {
            "type": ref.type,
            "identifier": self.pin(ref),
            "display": f"{ref.type}/{ref.id} on {ref.source}",
        }

    def evidence(self, ref: Ref) -> dict[str, Any]:
        """A reference that also says which version was read: HAPI strips `/_history/…`."""
        return self.record(ref) | {"identifier": self.pin(ref)}

    def pin(self, ref: Ref) -> dict[str, str]:
        """The record and its version as an identifier."""
        return {"system": ours.record_system(self.instance), "value": str(ref)}

    def person(self, finding: Finding | None) -> dict[str, Any] | None:
        """The patient: the worklist's own record, else a logical reference to another one."""
        ref = self.patient or (finding.patient if finding else None)
        return self.record(ref) if ref else None

    def party(self, role: Role, found: Party | None = None) -> dict[str, Any] | None:
        """Who acts for a role: `found` in the records, else configured. None: nobody known."""
        party = found or self.owners.get(role)
        return self._party(party, role) if party else None

    def is_outside(self, found: Party | None, role: Role) -> bool:
        """Does the one who is asked belong to another organization's server?"""
        party = found or self.owners.get(role)
        return party is not None and party.source != self.home

    def recipient(self, role: Role, found: Party | None = None) -> dict[str, Any]:
        """Nobody known: the role by name alone, so that whoever sorts the messages can see it."""
        return self.party(role, found) or {"display": self.texts.name(role)}

    def _party(self, party: Party, role: Role) -> dict[str, Any]:
        type_ = (party.reference or "").partition("/")[0]
        may_act = type_ in ACTORS
        if party.source == self.home and may_act:
            made: dict[str, Any] = {"reference": party.reference}
        else:
            made = {"type": type_} if may_act else {}
            system, _, value = (party.identifier or "").rpartition("|")
            if value:
                # A record may say "npi"; R4 wants an absolute URI, and a validator refuses others.
                absolute = _ABSOLUTE.match(system) is not None
                made["identifier"] = {"system": system} if absolute else {}
                made["identifier"]["value"] = value
        return made | {"display": party.display or self.texts.name(role)}
