"""What a FHIR server puts on the wire, for tests of the client."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx

from fhirbridge.fhir import jsonio

BASE = "http://ehr.example/fhir"
NOW = datetime(2026, 12, 1, 12, 0, tzinfo=UTC)
SECRET = "Zoltan-Quux-19700102"  # stands for whatever names a patient


def fhir(document: Any, status: int = 200, **headers: str) -> httpx.Response:
    kind = {"content-type": "application/fhir+json;charset=UTF-8"}
    return httpx.Response(status, content=jsonio.dumps(document), headers=kind | headers)


def page(*resources: dict[str, Any], next_: str | None = None, self_: str | None = None) -> Any:
    links = [{"relation": r, "url": u} for r, u in (("next", next_), ("self", self_)) if u]
    return {
        "resourceType": "Bundle",
        "type": "searchset",
        "link": links,
        "entry": [{"resource": each} for each in resources],
    }


def record(type_: str, id_: str, **more: Any) -> dict[str, Any]:
    return {"resourceType": type_, "id": id_, **more}


def outcome(diagnostics: str, code: str = "processing") -> dict[str, Any]:
    issue = {"severity": "error", "code": code, "diagnostics": diagnostics}
    return {"resourceType": "OperationOutcome", "issue": [issue]}
