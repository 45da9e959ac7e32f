"""The R4 search parameters of the types that fhirbridge reads and writes, and what may stand there.

Source: the R4 (4.0.1) search parameter registry and the reference types of the R4 resources. A
line reads `Type kind name=path|path>Target,Target …`; the path may be left out where it is the
name, the targets where any type may stand. Where parameters share a path, a reference there may
point to the targets of any of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

_WHO = "Practitioner,PractitionerRole,Organization"
_ANYONE = f"{_WHO},Patient,RelatedPerson,Device"
_TEAM = f"{_ANYONE},CareTeam,HealthcareService"
_TABLE = f"""
* token _id=id _tag=meta.tag _security=meta.security
* date _lastUpdated=meta.lastUpdated
* uri _profile=meta.profile
Patient token identifier active gender telecom phone=telecom email=telecom
Patient date birthdate=birthDate
Patient string name family=name.family given=name.given
Patient reference organization=managingOrganization>Organization link=link.other
Patient reference general-practitioner=generalPractitioner>{_WHO}
MedicationRequest token identifier status intent category priority code=medicationCodeableConcept
MedicationRequest date authoredon=authoredOn date=dosageInstruction.timing.event
MedicationRequest reference patient=subject>Patient subject>Patient,Group encounter>Encounter
MedicationRequest reference requester>{_ANYONE} medication=medicationReference>Medication
MedicationRequest reference intended-dispenser=dispenseRequest.performer>Organization
MedicationRequest reference intended-performer=performer>{_ANYONE},CareTeam
MedicationDispense token identifier status type code=medicationCodeableConcept
MedicationDispense date whenhandedover=whenHandedOver whenprepared=whenPrepared
MedicationDispense reference patient=subject>Patient subject>Patient,Group destination>Location
MedicationDispense reference medication=medicationReference>Medication performer=performer.actor
MedicationDispense reference prescription=authorizingPrescription>MedicationRequest receiver
MedicationAdministration token identifier status code=medicationCodeableConcept
MedicationAdministration token reason-not-given=statusReason reason-given=reasonCode
MedicationAdministration date effective-time=effectiveDateTime|effectivePeriod
MedicationAdministration reference patient=subject>Patient subject>Patient,Group device>Device
MedicationAdministration reference medication=medicationReference>Medication context
MedicationAdministration reference request>MedicationRequest performer=performer.actor
Medication token identifier code status form lot-number=batch.lotNumber
Medication token ingredient-code=ingredient.itemCodeableConcept
Medication reference manufacturer>Organization ingredient=ingredient.itemReference
CoverageEligibilityRequest token identifier status
CoverageEligibilityRequest date created
CoverageEligibilityRequest reference patient>Patient provider>{_WHO} enterer facility>Location
CoverageEligibilityResponse token identifier status outcome
CoverageEligibilityResponse date created
CoverageEligibilityResponse string disposition
CoverageEligibilityResponse reference patient>Patient request>CoverageEligibilityRequest
CoverageEligibilityResponse reference requestor>{_WHO} insurer>Organization
Claim token identifier status use priority
Claim date created
Claim reference patient>Patient provider>{_WHO} insurer>Organization facility>Location enterer
Claim reference care-team=careTeam.provider payee=payee.party encounter=item.encounter>Encounter
ClaimResponse token identifier status use outcome
ClaimResponse date created payment-date=payment.date
ClaimResponse string disposition
ClaimResponse reference patient>Patient request>Claim requestor>{_WHO} insurer>Organization
Coverage token identifier status type class-type=class.type
Coverage string dependent class-value=class.value
Coverage reference beneficiary>Patient patient=beneficiary>Patient subscriber>Patient,RelatedPerson
Coverage reference payor>Organization,Patient,RelatedPerson policy-holder=policyHolder
ServiceRequest token identifier status intent category code priority requisition
ServiceRequest token body-site=bodySite performer-type=performerType
ServiceRequest date authored=authoredOn occurrence=occurrenceDateTime|occurrencePeriod
ServiceRequest reference patient=subject>Patient subject>Patient,Group,Location,Device
ServiceRequest reference based-on=basedOn>CarePlan,ServiceRequest,MedicationRequest
ServiceRequest reference requester>{_ANYONE} performer>{_TEAM} replaces>ServiceRequest encounter
Appointment token identifier status part-status=participant.status service-type=serviceType
Appointment token appointment-type=appointmentType specialty service-category=serviceCategory
Appointment token reason-code=reasonCode
Appointment date date=start
Appointment reference patient=participant.actor>Patient location=participant.actor>Location
Appointment reference actor=participant.actor>{_TEAM},Location based-on=basedOn>ServiceRequest
Appointment reference practitioner=participant.actor>Practitioner reason-reference=reasonReference
Appointment reference supporting-info=supportingInformation slot
Task token identifier status intent code priority business-status=businessStatus
Task token group-identifier=groupIdentifier performer=performerType
Task date authored-on=authoredOn modified=lastModified period=executionPeriod
Task reference patient=for>Patient subject=for focus owner>{_TEAM} requester>{_ANYONE}
Task reference based-on=basedOn part-of=partOf>Task encounter>Encounter
Communication token identifier status category medium
Communication date sent received
Communication reference patient=subject>Patient subject>Patient,Group recipient>{_TEAM},Group
Communication reference sender>{_TEAM} based-on=basedOn part-of=partOf encounter>Encounter
Provenance token agent-role=agent.role agent-type=agent.type
Provenance date recorded when=occurredDateTime
Provenance reference target patient=target>Patient agent=agent.who>{_ANYONE} entity=entity.what
Observation token identifier status category code
Observation date date=effectiveDateTime|effectivePeriod
Observation reference patient=subject>Patient subject>Patient,Group,Device,Location encounter
DiagnosticReport token identifier status category code
DiagnosticReport date date=effectiveDateTime|effectivePeriod issued
DiagnosticReport reference patient=subject>Patient subject>Patient,Group,Device,Location
DiagnosticReport reference result>Observation encounter>Encounter
GuidanceResponse token identifier request=requestIdentifier
GuidanceResponse reference patient=subject>Patient subject>Patient,Group
Condition token identifier code category clinical-status=clinicalStatus
Condition reference patient=subject>Patient subject>Patient,Group
Subscription token status type=channel.type payload=channel.payload
Subscription string criteria
Subscription uri url=channel.endpoint
Organization token identifier active type
Organization string name
Organization reference partof=partOf>Organization
Practitioner token identifier active
Practitioner string name family=name.family given=name.given
PractitionerRole token identifier active role=code specialty
PractitionerRole reference practitioner>Practitioner organization>Organization location>Location
Location token identifier status type
Location string name
Location reference organization=managingOrganization>Organization partof=partOf>Location
RelatedPerson token identifier active
RelatedPerson reference patient>Patient
"""
_UNSEARCHED = """AllergyIntolerance Basic Binary Bundle CarePlan CareTeam Device DocumentReference
Encounter ExplanationOfBenefit Group HealthcareService Questionnaire QuestionnaireResponse Slot"""


Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Parameter:
    """One search parameter: `paths` lead from the resource; no `targets` means any type."""

    name: str
    kind: str
    paths: tuple[Path, ...]
    targets: frozenset[str]

    def values(self, resource: dict[str, Any]) -> list[Any]:
        """Everything that stands at the paths."""
        return [value for path in self.paths for value in values(resource, path)]


def values(resource: dict[str, Any], path: Path) -> list[Any]:
    """Everything that stands at a path, lists opened."""
    nodes: list[Any] = [resource]
    for step in path:
        children = [node.get(step) for node in nodes if isinstance(node, dict)]
        nodes = [
            one for child in children for one in (child if isinstance(child, list) else [child])
        ]
    return [node for node in nodes if node is not None]


def _parse(table: str) -> dict[str, dict[str, Parameter]]:
    parsed: dict[str, dict[str, Parameter]] = {name: {} for name in _UNSEARCHED.split()}
    for line in table.strip().splitlines():
        type_, kind, *entries = line.split()
        for entry in entries:
            left, _, targets = entry.partition(">")
            name, _, paths = left.partition("=")
            steps = tuple(tuple(path.split(".")) for path in (paths or name).split("|"))
            allowed = frozenset(targets.split(",")) if targets else frozenset()
            parsed.setdefault(type_, {})[name] = Parameter(name, kind, steps, allowed)
    common = parsed.pop("*")
    return {type_: common | own for type_, own in sorted(parsed.items())}


def _targets(parameters: Iterable[Parameter]) -> dict[Path, frozenset[str]]:
    links = [p for p in parameters if p.kind == "reference"]
    sharing = {
        path: [p.targets for p in links if path in p.paths] for p in links for path in p.paths
    }
    return {
        path: frozenset().union(*targets) if all(targets) else frozenset()
        for path, targets in sharing.items()
    }


PARAMETERS = _parse(_TABLE)
"""Resource type -> parameter name -> parameter; also the list of the types that are known."""

REFERENCES = {type_: _targets(found.values()) for type_, found in PARAMETERS.items()}
"""Resource type -> path of references -> the types that may stand there; empty for any."""
