"""One patient's records from one server: which search brings them all, and what came back.

`Patient?…&_revinclude=…&_include:iterate=…` reads a whole chart with one request (decision 9).
Servers add at most `INCLUDE_LIMIT` resources for each parameter and do not say that they cut
(docs/servers.md 1): a type that comes back full has to be searched by itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

INCLUDE_LIMIT = 1000
"""HAPI's default maximum of included resources for each parameter of one page."""

PATIENT_PARAMETER: Mapping[str, str] = {
    "Appointment": "patient",
    "Claim": "patient",
    "ClaimResponse": "patient",
    "Communication": "patient",
    "Coverage": "beneficiary",
    "CoverageEligibilityRequest": "patient",
    "CoverageEligibilityResponse": "patient",
    "DiagnosticReport": "patient",
    "GuidanceResponse": "patient",
    "MedicationAdministration": "patient",
    "MedicationDispense": "patient",
    "MedicationRequest": "patient",
    "Observation": "patient",
    "ServiceRequest": "patient",
    "Task": "patient",
}
"""Resource type → the R4 search parameter that leads to its Patient: what a chart can hold."""

INCLUDES: Mapping[str, str] = {
    "Appointment": "Appointment:location",
    "Coverage": "Coverage:payor",
    "MedicationAdministration": "MedicationAdministration:medication",
    "MedicationDispense": "MedicationDispense:medication",
    "MedicationRequest": "MedicationRequest:medication",
}
"""Records beside the patient's own that are needed to understand them."""

Query = list[tuple[str, str]]


@dataclass(frozen=True, slots=True)
class Chart:
    """What one server holds on the patients that a query found.

    `resources` are raw, each once. `cut`: types of which there may be more than was read.
    `complete`: everything asked for was read. `read_at`: our clock when the read began; what
    was changed later may be missing.
    """

    resources: tuple[Mapping[str, Any], ...]
    cut: frozenset[str]
    read_at: datetime

    @property
    def complete(self) -> bool:
        return not self.cut

    def of(self, type_: str) -> list[Mapping[str, Any]]:
        return [each for each in self.resources if each.get("resourceType") == type_]


def chart_query(query: Mapping[str, str], types: Iterable[str]) -> Query:
    """The search parameters that read the patients of `query` with these types of records.

    Patient itself always comes. A type without a way to its patient is a programming error.
    """
    wanted = sorted(set(types) - {"Patient"})
    unknown = [each for each in wanted if each not in PATIENT_PARAMETER]
    if unknown:
        raise ValueError(f"no search parameter from {', '.join(unknown)} to Patient is known")
    pairs = list(query.items())
    pairs += [("_revinclude", f"{each}:{PATIENT_PARAMETER[each]}") for each in wanted]
    pairs += [("_include:iterate", INCLUDES[each]) for each in wanted if each in INCLUDES]
    return pairs


def full_types(resources: Sequence[Mapping[str, Any]]) -> set[str]:
    """Types of which so many came back that the server may have left some out."""
    counted = Counter(str(each.get("resourceType")) for each in resources)
    return {type_ for type_, count in counted.items() if count >= INCLUDE_LIMIT}


def type_query(type_: str, patients: Iterable[str]) -> Query:
    """Search one type of record for these Patient ids, with what is needed to understand it."""
    named = ",".join(f"Patient/{each}" for each in sorted(patients))
    pairs = [(PATIENT_PARAMETER[type_], named)]
    if type_ in INCLUDES:
        pairs.append(("_include", INCLUDES[type_]))
    return pairs


def ignored_revincludes(self_link: str | None) -> bool:
    """Does the server's own account of the search leave out `_revinclude`?

    R4 search §3.1.1.1: the self link holds the parameters that were used. A server that says
    nothing about parameters there (HAPI after a POST) is believed.
    """
    return bool(self_link) and "?" in str(self_link) and "_revinclude" not in str(self_link)
