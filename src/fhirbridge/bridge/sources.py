"""A source: one configured server with what it is believed for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo

from fhirbridge.core.facts import Party
from fhirbridge.core.findings import Role
from fhirbridge.fhir.kinds import types_of

from .ports import Server


@dataclass(frozen=True)
class Source:
    """One server, and how the site wants it used.

    `holds`: the kinds of `fhir.kinds` it is believed for. `owners`: roles that the records do
    not name. `supply`: how a therapy reaches the patient here. `push`: it shall notify us.
    """

    server: Server
    holds: frozenset[str]
    push: bool = True
    mode: str = "shadow"
    zone: tzinfo | None = None
    owners: Mapping[Role, Party] = field(default_factory=dict)
    supply: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        return self.server.name

    @property
    def types(self) -> tuple[str, ...]:
        """The resource types that are read here, without Patient."""
        return types_of(self.holds)
