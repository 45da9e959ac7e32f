"""Charts taken down while they are read, and given out again without a server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from fhirbridge.bridge.ports import Server
from fhirbridge.fhir.chart import PATIENT_PARAMETER, Chart
from fhirbridge.fhir.errors import FhirError, Unavailable
from fhirbridge.fhir.references import patient_of

from .document import Source

Json = Mapping[str, Any]


class Tape:
    """A server whose charts are kept as they are read; everything else is the server's own."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.kept: dict[tuple[str, str], Json] = {}
        self.odd: list[Json] = []  # without type or id
        self.cut: set[str] = set()
        self.failed = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._server, name)

    def chart(self, query: Mapping[str, str], types: Sequence[str]) -> Chart:
        try:
            chart = self._server.chart(query, types)
        except FhirError:
            self.failed = True
            raise
        for each in chart.resources:
            self.keep(each)
        self.cut |= chart.cut
        return chart

    def keep(self, resource: Json) -> None:
        kind, id_ = resource.get("resourceType"), resource.get("id")
        if isinstance(kind, str) and isinstance(id_, str):
            self.kept[kind, id_] = resource
        elif resource not in self.odd:
            self.odd.append(resource)

    @property
    def resources(self) -> list[Json]:
        return [*(self.kept[place] for place in sorted(self.kept)), *self.odd]


class Shelved:
    """A server that gives out the records of one source of a case, and can nothing else."""

    def __init__(self, name: str, base_url: str, source: Source, now: datetime) -> None:
        self.name, self.base_url = name, base_url
        self._source, self._now = source, now

    def chart(self, query: Mapping[str, str], types: Sequence[str]) -> Chart:
        """The patients with an id or an identifier of the query, and the records about them."""
        if self._source.failed:
            raise Unavailable(self.name, "read", "it did not answer when the case was recorded")
        resources = self._source.resources
        mine = {
            each.get("id")
            for each in resources
            if each.get("resourceType") == "Patient" and _is_asked_for(each, query)
        }
        found = tuple(each for each in resources if self._belongs(each, mine, types))
        return Chart(found, frozenset(self._source.cut), self._now)

    def _belongs(self, resource: Json, patients: set[Any], types: Sequence[str]) -> bool:
        kind = resource.get("resourceType")
        if kind == "Patient":
            return resource.get("id") in patients
        if kind in PATIENT_PARAMETER and kind not in types:
            return False
        person = patient_of(resource, [self.base_url])
        return bool(patients) and (person is None or person in patients)


def _is_asked_for(patient: Json, query: Mapping[str, str]) -> bool:
    if "_id" in query:
        return patient.get("id") in query["_id"].split(",")
    asked = {each.replace("\\", "") for each in query.get("identifier", "").split(",")}
    rows = patient.get("identifier")
    return any(
        f"{row.get('system', '')}|{row.get('value', '')}" in asked
        for row in (rows if isinstance(rows, list) else ())
        if isinstance(row, dict)
    )
