"""Synthetic FHIR resources for the tests of reading: short to write, complete enough to read."""

from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from fhirbridge.core.facts import Fact
from fhirbridge.core.quantity import Amount
from fhirbridge.fhir.read import Reading, Snapshot, read

NEW_YORK = ZoneInfo("America/New_York")
UCUM = "http://unitsofmeasure.org"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
CPT = "http://www.ama-assn.org/go/cpt"
POS = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-"
CRD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"

PATIENT = {"reference": "Patient/p-7"}

Json = dict[str, Any]


def concept(code: str, system: str = HCPCS, display: str = "") -> Json:
    coding = {"system": system, "code": code, "display": display}
    return {"coding": [{key: value for key, value in coding.items() if value}]}


OCREVUS = concept("1876380", RXNORM, "ocrelizumab 30 MG/ML")
J2350 = concept("J2350")
INFUSION = concept("96413", CPT)


def reading(*resources: Any, **more: Any) -> Reading:
    return read(Snapshot("ehr", resources, **more), NEW_YORK)


def facts(*resources: Any, **more: Any) -> tuple[Fact, ...]:
    return reading(*resources, **more).facts


def reasons(fact: Fact) -> list[str]:
    return [problem.reason for problem in fact.problems]


def quantity(value: int | str, unit: str = "") -> Json:
    return {"value": Decimal(value), **({"unit": unit} if unit else {})}


def mg(value: int | str) -> Json:
    return {"value": Decimal(value), "unit": "mg", "system": UCUM, "code": "mg"}


def in_mg(value: int | str) -> Amount:
    return Amount(Decimal(value), "mg", UCUM, "mg")


def dose(value: int | str, **timing: Any) -> Json:
    row: Json = {"doseAndRate": [{"doseQuantity": mg(value)}]}
    return {**row, "timing": {"repeat": timing}} if timing else row


def medication_request(**elements: Any) -> Json:
    return {
        "resourceType": "MedicationRequest",
        "id": "o-1",
        "status": "active",
        "intent": "order",
        "subject": PATIENT,
        "medicationCodeableConcept": OCREVUS,
        **elements,
    }


def service_request(**elements: Any) -> Json:
    return {
        "resourceType": "ServiceRequest",
        "id": "s-1",
        "status": "active",
        "intent": "order",
        "subject": PATIENT,
        **elements,
    }


def review(code: str, number: str = "", *, nested: bool = True, reason: str = "") -> list[Json]:
    """item.adjudication with a review action, in the form of 2.0.1 or (nested=False) 2.2.1."""
    url = f"{PAS}reviewActionCode" if nested else "code"
    parts: list[Json] = [
        {"url": url, "valueCodeableConcept": concept(code, "https://codesystem.x12.org/005010/306")}
    ]
    if number:
        parts.append({"url": "number", "valueString": number})
    if reason:
        parts.append({"url": "reasonCode", "valueCodeableConcept": {"text": reason}})
    extension = {"url": f"{PAS}reviewAction", "extension": parts}
    return [{"category": concept("submitted"), "extension": [extension]}]


def detail(product: Json | None, value: Json | None) -> Json:
    """The extension itemAuthorizedDetail."""
    parts: list[Json] = []
    if product:
        parts.append({"url": "productOrServiceCode", "valueCodeableConcept": product})
    if value:
        parts.append({"url": "quantity", "valueQuantity": value})
    return {"url": f"{PAS}itemAuthorizedDetail", "extension": parts}


def claim(*items: Json, **elements: Any) -> Json:
    return {
        "resourceType": "Claim",
        "id": "c-1",
        "status": "active",
        "use": "preauthorization",
        "type": concept("professional"),
        "patient": PATIENT,
        "item": list(items),
        **elements,
    }


def claim_item(
    sequence: int, product: Json, value: Json | None, order: str = "", **more: Any
) -> Json:
    item: Json = {"sequence": sequence, "productOrService": product, **more}
    if value:
        item["quantity"] = value
    if order:
        item.setdefault("extension", []).append(
            {"url": f"{PAS}requestedService", "valueReference": {"reference": order}}
        )
    return item


def claim_response(*items: Json, **elements: Any) -> Json:
    body: Json = {
        "resourceType": "ClaimResponse",
        "id": "r-1",
        "status": "active",
        "use": "preauthorization",
        "outcome": "complete",
        "created": "2026-11-02",
        "patient": PATIENT,
        "request": {"reference": "Claim/c-1"},
        **elements,
    }
    if items:
        body["item"] = list(items)
    return body


def appointment(**elements: Any) -> Json:
    return {
        "resourceType": "Appointment",
        "id": "a-1",
        "status": "booked",
        "start": "2026-12-08T09:00:00-05:00",
        "end": "2026-12-08T14:00:00-05:00",
        "participant": [{"actor": PATIENT}],
        **elements,
    }


def dispense(**elements: Any) -> Json:
    return {
        "resourceType": "MedicationDispense",
        "id": "d-1",
        "status": "completed",
        "subject": PATIENT,
        "medicationCodeableConcept": OCREVUS,
        "quantity": quantity(20, "mL"),
        "whenHandedOver": "2026-12-01T10:00:00-05:00",
        **elements,
    }


def administration(**elements: Any) -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "id": "m-1",
        "status": "completed",
        "subject": PATIENT,
        "medicationCodeableConcept": OCREVUS,
        "effectiveDateTime": "2026-12-08T10:00:00-05:00",
        "dosage": {"dose": mg(600)},
        **elements,
    }


def eligibility(*insurance: Json, **elements: Any) -> Json:
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": "e-1",
        "status": "active",
        "purpose": ["auth-requirements"],
        "patient": PATIENT,
        "outcome": "complete",
        "insurance": list(insurance),
        **elements,
    }


def coverage_information(**parts: Any) -> Json:
    """The CRD extension: `pa_needed="satisfied"`, `detail=[…]`; codes where R4 has codes."""
    kinds = {
        "satisfied-pa-id": "valueString",
        "coverage-assertion-id": "valueString",
        "date": "valueDate",
        "expiry-date": "valueDate",
        "coverage": "valueReference",
        "billingCode": "valueCoding",
    }
    rows: list[Json] = []
    for name, value in parts.items():
        url = "billingCode" if name == "billingCode" else name.replace("_", "-")
        if url == "detail":
            rows += [{"url": url, "extension": value}]
        else:
            rows.append({"url": url, kinds.get(url, "valueCode"): value})
    return {"url": CRD, "extension": rows}


def allowed(name: str, **value: Any) -> list[Json]:
    return [
        {"url": "category", "valueCode": "cat-limitation"},
        {"url": "code", "valueCodeableConcept": concept(name, "urn:crd")},
        {"url": "value", **value},
    ]
