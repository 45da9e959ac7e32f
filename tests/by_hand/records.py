"""FHIR records of one person, each as short as a sender would dare to write it.

They share nothing with the builders of `tests/labeled` and `tests/fhir`: a mistake about FHIR that
is made there is not made here again. Every record is of Patient/p.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

Json = dict[str, Any]

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
RXNORM = "http://www.nlm.nih.gov/research/umls/rxnorm"
NDC = "http://hl7.org/fhir/sid/ndc"
UCUM = "http://unitsofmeasure.org"
POS = "https://www.cms.gov/Medicare/Coding/place-of-service-codes/Place_of_Service_Code_Set"
X12_DECISION = "https://codesystem.x12.org/005010/306"
PAS = "http://hl7.org/fhir/us/davinci-pas/StructureDefinition/extension-"
CRD = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"
PATIENT = {"reference": "Patient/p"}
PAYER = {"reference": "Organization/payer", "display": "Example Health"}
ORDER = "MedicationRequest/o"


def only(body: Json, more: Json) -> Json:
    """A record with elements replaced; None takes one away."""
    return {key: value for key, value in {**body, **more}.items() if value is not None}


def concept(code: str = "", system: str = HCPCS, text: str = "", display: str = "") -> Json:
    coding = {"system": system, "code": code} | ({"display": display} if display else {})
    return ({"coding": [coding]} if code else {}) | ({"text": text} if text else {})


def quantity(value: float, unit: str = "mg", code: str = "") -> Json:
    """mg, mL and g are coded; of any other unit the code is given, or there is none."""
    code = code or (unit if unit in ("mg", "mL", "g") else "")
    coded = {"system": UCUM, "code": code} if code else {}
    return {"value": value} | ({"unit": unit} if unit else {}) | coded


def patient(**more: Any) -> Json:
    identifier = [{"system": "http://hospital.example/mrn", "value": "M1"}]
    body = {"resourceType": "Patient", "id": "p", "birthDate": "1980-05-04"}
    return only(body | {"identifier": identifier}, more)


def coverage(**more: Any) -> Json:
    return only(
        {
            "resourceType": "Coverage",
            "id": "cov",
            "status": "active",
            "beneficiary": PATIENT,
            "payor": [PAYER],
            "period": {"start": "2026-01-01", "end": "2027-12-31"},
        },
        more,
    )


OCRELIZUMAB = concept("1876380", RXNORM, display="ocrelizumab 30 MG/ML")


def order(id: str = "o", dose: Json | None = None, day: str = "2026-12-08", **more: Any) -> Json:
    """An order for one dose (600 mg) on a day; `day` "" for none."""
    dosage: Json = {"doseAndRate": [{"doseQuantity": dose or quantity(600)}]}
    if day:
        dosage["timing"] = {"event": [day]}
    return only(
        {
            "resourceType": "MedicationRequest",
            "id": id,
            "status": "active",
            "intent": "order",
            "subject": PATIENT,
            "authoredOn": "2026-10-01",
            "medicationCodeableConcept": OCRELIZUMAB,
            "dosageInstruction": [dosage],
        },
        more,
    )


def two_halves() -> Json:
    """The initial course: 300 mg, and again after two weeks."""
    repeat = {"count": 2, "frequency": 1, "period": 14, "periodUnit": "d"}
    bounds = {"boundsPeriod": {"start": "2026-12-08"}}
    dose = [{"doseQuantity": quantity(300)}]
    return order(dosageInstruction=[{"timing": {"repeat": repeat | bounds}, "doseAndRate": dose}])


def premedication(**more: Any) -> list[Json]:
    return [
        only(
            order(name, quantity(mass), "", medicationCodeableConcept={"text": f"{drug} IV"}), more
        )
        for name, drug, mass in (("s", "methylprednisolone", 100), ("h", "diphenhydramine", 50))
    ]


def visit(
    id: str = "v", start: str = "2026-12-08T09:00:00-05:00", hours: int = 5, **more: Any
) -> Json:
    """A booked infusion, of the order."""
    end = (datetime.fromisoformat(start) + timedelta(hours=hours)).isoformat()
    return only(
        {
            "resourceType": "Appointment",
            "id": id,
            "status": "booked",
            "start": start,
            "end": end,
            "participant": [{"actor": PATIENT, "status": "accepted"}],
            "supportingInformation": [{"reference": ORDER}],
            "serviceType": [{"text": "Infusion"}],
        },
        more,
    )


def review(code: str, number: str = "AUTH1") -> Json:
    parts: list[Json] = [
        {"url": f"{PAS}reviewActionCode", "valueCodeableConcept": concept(code, X12_DECISION)}
    ]
    if number:
        parts.append({"url": "number", "valueString": number})
    extension = {"url": f"{PAS}reviewAction", "extension": parts}
    return {"category": concept("submitted", "x"), "extension": [extension]}


def claim(*items: tuple[str, float, str], id: str = "c", of: str = ORDER, **more: Any) -> Json:
    """What was asked: (code, value, unit) an item; `of` the order."""
    rows = []
    asked = items or (("J2350", 600, "UN"), ("96413", 1, ""))
    for number, (code, value, unit) in enumerate(asked, 1):
        row: Json = {
            "sequence": number,
            "productOrService": concept(code),
            "quantity": quantity(value, unit),
            "locationCodeableConcept": concept("22", POS),
        }
        if of:
            asks = {"url": f"{PAS}requestedService", "valueReference": {"reference": of}}
            row["extension"] = [asks]
        rows.append(row)
    return only(
        {
            "resourceType": "Claim",
            "id": id,
            "status": "active",
            "use": "preauthorization",
            "patient": PATIENT,
            "created": "2026-10-05",
            "insurer": PAYER,
            "item": rows,
        },
        more,
    )


def period(start: str = "2026-10-01", end: str = "2027-03-31") -> Json:
    return {"url": f"{PAS}itemPreAuthPeriod", "valuePeriod": {"start": start, "end": end}}


def detail(code: str, amount: Json) -> Json:
    parts = [
        {"url": "productOrServiceCode", "valueCodeableConcept": concept(code)},
        {"url": "quantity", "valueQuantity": amount},
    ]
    return {"url": f"{PAS}itemAuthorizedDetail", "extension": parts}


def answer(*decisions: str, of: str = "Claim/c", span: Json | None = None, **more: Any) -> Json:
    """A PAS response: a review action an item. `span`: the period of every item."""
    items = [
        {"itemSequence": n, "extension": [span or period()], "adjudication": [review(code)]}
        for n, code in enumerate(decisions or ("A1", "A1"), 1)
    ]
    return response(
        {
            "insurer": PAYER,
            "preAuthRef": "AUTH1",
            "request": {"reference": of},
            "item": items,
        },
        more,
    )


def response(says: Json, more: Json) -> Json:
    """A payer's answer to a request for authorization, whatever it says."""
    return only(
        {
            "resourceType": "ClaimResponse",
            "id": "r",
            "status": "active",
            "use": "preauthorization",
            "patient": PATIENT,
            "created": "2026-10-10",
            "outcome": "complete",
            **says,
        },
        more,
    )


def plain_answer(*granted: tuple[Json, Json | None], says: str = "Approved", **more: Any) -> Json:
    """A payer without review actions: (what, how much) a granted item, and words."""
    rows = granted or (
        (concept("J2350"), quantity(600, "UN")),
        (concept("96413"), quantity(1, "visits")),
    )
    return response(
        {
            "disposition": says,
            "insurer": PAYER,
            "preAuthRef": "AUTH1",
            "preAuthPeriod": {"start": "2026-10-01", "end": "2027-03-31"},
            "addItem": [
                only({"productOrService": what}, {"quantity": amount}) for what, amount in rows
            ],
        },
        more,
    )


def eligibility(*items: Json, in_force: bool = True) -> Json:
    return {
        "resourceType": "CoverageEligibilityResponse",
        "id": "e",
        "status": "active",
        "purpose": ["auth-requirements", "benefits"],
        "patient": PATIENT,
        "created": "2026-11-01",
        "outcome": "complete",
        "insurer": PAYER,
        "insurance": [
            {"coverage": {"reference": "Coverage/cov"}, "inforce": in_force, "item": list(items)}
        ],
    }


def asked(code: str, required: bool | None = None, kind: str = "benefit", **benefit: Any) -> Json:
    """An item of an eligibility answer; `benefit`: allowedUnsignedInt=2 …"""
    body: Json = {"productOrService": concept(code)}
    if required is not None:
        body["authorizationRequired"] = required
    if benefit:
        body["benefit"] = [{"type": concept(kind, "x"), **benefit}]
    return body


def written_on(needed: str = "", covered: str = "covered", **parts: Json) -> list[Json]:
    """The coverage-information extension of CRD."""
    rows: list[Json] = [{"url": "covered", "valueCode": covered}]
    if needed:
        rows.append({"url": "pa-needed", "valueCode": needed})
    rows += [{"url": name.replace("_", "-"), **value} for name, value in parts.items()]
    return [{"url": CRD, "extension": rows}]


OCREVUS_VIAL = concept("50242-150-01", NDC, display="Ocrevus 300 mg/10 mL")


def dispense(amount: Json | None = None, id: str = "d", of: str = ORDER, **more: Any) -> Json:
    """20 mL of Ocrevus, handed out a week before."""
    return only(
        {
            "resourceType": "MedicationDispense",
            "id": id,
            "status": "completed",
            "subject": PATIENT,
            "medicationCodeableConcept": OCREVUS_VIAL,
            "quantity": amount or quantity(20, "mL"),
            "whenHandedOver": "2026-11-30T10:00:00-05:00",
            "authorizingPrescription": [{"reference": of}] if of else None,
        },
        more,
    )


def given(day: str, dose: Json | None = None, drug: Json = OCRELIZUMAB, **more: Any) -> Json:
    return only(
        {
            "resourceType": "MedicationAdministration",
            "id": f"g-{day}",
            "status": "completed",
            "subject": PATIENT,
            "effectiveDateTime": f"{day}T10:00:00-05:00",
            "medicationCodeableConcept": drug,
            "dosage": {"dose": dose or quantity(600)},
        },
        more,
    )
