"""Reading: the resources of one person on one server -> facts.

    read(Snapshot(source, resources), zone) -> Reading(facts, patients, ours, problems)

The reader knows FHIR and no drug. It restates what records *say* in the words of
`core.facts`, keeps every code, unit and number as it was sent, and returns trouble in the data
as `Problem`s with their place; it never raises for what stands in a resource and never fetches.

`READERS` is the table of resource types. To add one: a function `Page -> list[Fact]` and one
line here (docs/how-to/add-a-resource.md). Types that only others point at (Medication,
Location, Organization, Claim, …) are looked up in the snapshot and need no reader.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import tzinfo
from typing import Any

from fhirbridge.core.facts import Fact, Problem, Ref
from fhirbridge.core.identity import PatientRecord
from fhirbridge.core.value import value

from .authorizations import claim_response
from .eligibility import coverage_eligibility_response
from .fields import FIELDS
from .orders import medication_request, service_request
from .page import Page
from .patients import coverage, patient
from .rems import guidance_response
from .results import diagnostic_report, observation
from .schedule import appointment
from .snapshot import Book, Json, Snapshot
from .supply import medication_administration, medication_dispense

__all__ = ["OUR_TAG", "READERS", "Reading", "Snapshot", "read"]

READERS: Mapping[str, Callable[[Page], list[Fact]]] = {
    "MedicationRequest": medication_request,
    "ServiceRequest": service_request,
    "ClaimResponse": claim_response,
    "CoverageEligibilityResponse": coverage_eligibility_response,
    "Appointment": appointment,
    "MedicationDispense": medication_dispense,
    "MedicationAdministration": medication_administration,
    "Coverage": coverage,
    "Observation": observation,
    "DiagnosticReport": diagnostic_report,
    "GuidanceResponse": guidance_response,
}

#: meta.tag (system, code) on everything that we write.
OUR_TAG = ("urn:fhirbridge:tag", "fhirbridge")


@value(frozen=True, slots=True)
class Reading:
    """What a snapshot says.

    `problems` are all of them, also those that stand with their facts. `ours` are resources
    that we wrote ourselves, raw: they are not facts about the person.
    """

    facts: tuple[Fact, ...] = ()
    patients: tuple[PatientRecord, ...] = ()
    ours: tuple[Json, ...] = ()
    problems: tuple[Problem, ...] = ()


def read(snapshot: Snapshot, zone: tzinfo | None) -> Reading:
    """Restate a snapshot. `zone` is that of the sites: it decides which local day a moment is.

    Without a zone each moment counts in its own offset. Of several copies of one resource the
    newest is read. The result does not depend on the order of the resources.
    """
    book = Book(snapshot)
    facts: list[Fact] = []
    patients: list[PatientRecord] = []
    ours: list[Json] = []
    problems = [Problem(Ref(book.source, kind, "?"), why) for kind, why in sorted(book.unnamed)]
    for place in sorted(book.resources):
        body = book.resources[place]
        kind = body["resourceType"]
        meta = body.get("meta")
        if type(meta) is dict and "tag" in meta and _is_ours(meta["tag"]):
            ours.append(body)
        elif kind in READERS:
            page = Page(book, body, zone)
            if page.modified or not FIELDS[kind].issuperset(body):
                _look_over(page, FIELDS[kind])
            facts += READERS[kind](page)
            problems += page.problems
        elif kind == "Patient":
            page = Page(book, body, zone)
            patients.append(patient(page))
            problems += page.problems
    return Reading(tuple(facts), tuple(patients), tuple(ours), tuple(problems))


def _look_over(page: Page, known: frozenset[str]) -> None:
    """Elements that R4 does not know are said so; those that change the meaning stop belief."""
    for name in sorted(page.body.keys() - known):
        if not name.startswith("_"):
            page.doubt("unknown-field", name[:32] if name.isidentifier() else "?")
    if page.modified:
        page.doubt("unknown-modifier", "modifierExtension")


def _is_ours(tags: Any) -> bool:
    if not isinstance(tags, list):
        return False
    system, code = OUR_TAG
    return any(
        isinstance(tag, dict) and tag.get("system") == system and tag.get("code") == code
        for tag in tags
    )
