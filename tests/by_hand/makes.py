"""Charts as makes of systems write them: Epic, Oracle Health, pharmacies' compounding, X12 278,
treatment plans of parents and children, orders for the drug as a procedure.
"""

from __future__ import annotations

from typing import Any

from .charts import chart
from .records import (
    NDC,
    ORDER,
    PAS,
    PATIENT,
    RXNORM,
    UCUM,
    X12_DECISION,
    Json,
    answer,
    claim,
    concept,
    coverage,
    dispense,
    order,
    period,
    plain_answer,
    premedication,
    quantity,
    response,
    two_halves,
    visit,
)


def ordered(*orders: Json) -> list[Json]:
    """A chart with these orders for the drug."""
    return [coverage(), *orders, *premedication(), visit()]


def dosed(**dosage: Any) -> Json:
    """An order with this dosage."""
    return order(dosageInstruction=[{"timing": {"event": ["2026-12-08"]}, **dosage}])


# Epic says a dose as mass and as volume; Oracle Health in an extension and in words
def twice(mass: float, volume: float, *more: Json) -> Json:
    rates = (("calculated", quantity(mass)), ("admin-amount", quantity(volume, "mL")))
    rows = [{"type": {"text": kind}, "doseQuantity": amount} for kind, amount in rates]
    return dosed(doseAndRate=[*rows, *more])


chart("Epic, calculated and admin-amount", ehr=ordered(twice(600, 20)))
chart("Epic, the volume of the bag", ehr=ordered(twice(600, 250)))
chart(
    "Epic, ordered too",
    ehr=ordered(twice(600, 20, {"type": {"text": "ordered"}, "doseQuantity": quantity(600)})),
)
chart(
    "Epic, half a dose",
    "dose-outside-label",
    ehr=ordered(twice(300, 10)),
    may="auth-per-visit-mismatch dispense-over",
)
chart(
    "Oracle Health, once in words",
    ehr=ordered(
        order(
            medicationCodeableConcept={
                "coding": [
                    {"system": RXNORM, "code": "1876366", "display": "ocrelizumab"},
                    {"system": "https://fhir.cerner.com/ec2458f2/synonym", "code": "2839"},
                ],
                "text": "ocrelizumab",
            },
            dosageInstruction=[
                {
                    "text": "600 mg = 20 mL, IV, Once",
                    "timing": {
                        "repeat": {"boundsPeriod": {"start": "2026-12-08T14:00:00Z"}},
                        "code": {"text": "Once"},
                    },
                    "route": {"text": "IV"},
                    "doseAndRate": [{"doseQuantity": quantity(600)}],
                }
            ],
            dispenseRequest={"validityPeriod": {"start": "2026-10-01T14:00:00Z"}},
        )
    ),
)
chart(
    "a year of doses in a duration",
    ehr=ordered(
        order(
            dosageInstruction=[
                {
                    "timing": {
                        "repeat": {
                            "boundsDuration": {"value": 1, "system": UCUM, "code": "a"},
                            "frequency": 1,
                            "period": 6,
                            "periodUnit": "mo",
                        }
                    },
                    "doseAndRate": [{"doseQuantity": quantity(600)}],
                }
            ]
        )
    ),
    payer=[
        claim(("J2350", 1200, "UN"), ("96413", 2, "UN"), ("96415", 6, "UN")),
        answer("A1", "A1", "A1", span=period("2026-10-01", "2027-09-30")),
    ],
)
chart(
    "a sig that says everything",
    ehr=[
        coverage(),
        order(
            dosageInstruction=[
                {
                    "text": "Infuse 600 mg IV over 3.5 hours every 6 months. Premedicate with "
                    "methylprednisolone 100 mg IV and diphenhydramine 50 mg PO 30 minutes prior."
                }
            ]
        ),
        visit(),
    ],
)
chart(
    "no dose, but what the pharmacy may fill",
    ehr=ordered(
        order(
            dosageInstruction=[
                {"text": "Infuse per protocol", "timing": {"event": ["2026-12-08"]}}
            ],
            dispenseRequest={"quantity": quantity(20, "mL"), "numberOfRepeatsAllowed": 0},
        )
    ),
)

# A plan of parents and children
HALVES = [
    order(f"k{n}", quantity(300), day, basedOn=[{"reference": ORDER}])
    for n, day in ((1, "2026-12-08"), (2, "2026-12-22"))
]
TWO_VISITS = visit(), visit("v2", "2026-12-22T09:00:00-05:00")
BOTH_APPROVED = [claim(("J2350", 600, "UN"), ("96413", 2, "")), answer()]
chart(
    "an order of two halves, and an instance for each",
    ehr=[
        coverage(),
        two_halves(),
        *({**half, "intent": "instance-order"} for half in HALVES),
        *premedication(),
        *TWO_VISITS,
    ],
    payer=BOTH_APPROVED,
    history=[],
)
chart(
    "a plan of two halves, and an order for each",
    ehr=[
        coverage(),
        {**two_halves(), "intent": "plan"},
        *HALVES,
        *premedication(),
        visit(supportingInformation=[{"reference": "MedicationRequest/k1"}]),
        visit(
            "v2",
            "2026-12-22T09:00:00-05:00",
            supportingInformation=[{"reference": "MedicationRequest/k2"}],
        ),
    ],
    payer=BOTH_APPROVED,
    pharmacy=[dispense(of="MedicationRequest/k1")],
    history=[],
)
DRUG_AS_PROCEDURE = {
    "resourceType": "ServiceRequest",
    "id": "sr",
    "status": "active",
    "intent": "order",
    "subject": PATIENT,
    "code": concept("J2350", display="Injection, ocrelizumab, 1 mg"),
    "quantityQuantity": quantity(600, "UN"),
    "occurrenceDateTime": "2026-12-08",
    "authoredOn": "2026-10-01",
}
OF_PROCEDURE = visit(supportingInformation=None, basedOn=[{"reference": "ServiceRequest/sr"}])
chart(
    "the drug is ordered as a procedure, by its billing code",
    ehr=[coverage(), DRUG_AS_PROCEDURE, *premedication(), OF_PROCEDURE],
    payer=[claim(of="ServiceRequest/sr"), answer()],
    pharmacy=[dispense(of="")],
)
chart(
    "half of it is ordered as a procedure",
    "dose-outside-label",
    ehr=[
        coverage(),
        {**DRUG_AS_PROCEDURE, "quantityQuantity": quantity(300, "UN")},
        *premedication(),
        OF_PROCEDURE,
    ],
    payer=[claim(of="ServiceRequest/sr"), answer()],
    pharmacy=[dispense(of="")],
    may="auth-per-visit-mismatch dispense-over",
)
chart(
    "the infusion is ordered, and not the drug",
    "appt-without-order",
    ehr=[
        coverage(),
        {**DRUG_AS_PROCEDURE, "code": concept("96413"), "quantityQuantity": None},
        *premedication(),
        OF_PROCEDURE,
    ],
    pharmacy=[],
)

# One review action for the request as a whole
REVIEW = f"{PAS}reviewAction"


def as_a_whole(code: str, number: str = "AUTH1") -> Json:
    parts: list[Json] = [
        {"url": f"{PAS}reviewActionCode", "valueCodeableConcept": concept(code, X12_DECISION)}
    ]
    if number:
        parts.append({"url": "number", "valueString": number})
    return answer(
        item=None,
        preAuthPeriod={"start": "2026-10-01", "end": "2027-03-31"},
        extension=[{"url": REVIEW, "extension": parts}],
    )


chart("certified as a whole", payer=[claim(), as_a_whole("A1")])
chart("not certified as a whole", "auth-denied", payer=[claim(), as_a_whole("A3", "")])
chart("pended as a whole", "auth-pended-near-appt", payer=[claim(), as_a_whole("A4")])
BY_NDC = (concept("50242015001", NDC), quantity(2, "EA")), (concept("96413"), quantity(1, "UN"))
chart("an answer by NDC and packages", payer=[plain_answer(*BY_NDC)])
chart(
    "half an answer by NDC in mL, the infusion by another",
    "auth-short-total",
    payer=[
        claim(("96413", 1, "")),
        answer("A1"),
        response(
            {
                "disposition": "Approved",
                "preAuthRef": "RX1",
                "preAuthPeriod": {"start": "2026-10-01", "end": "2027-03-31"},
                "addItem": [
                    {
                        "productOrService": concept("50242-0150-01", NDC),
                        "quantity": quantity(10, "ML"),
                    }
                ],
            },
            {"id": "r2"},
        ),
    ],
)
OID = "urn:oid:2.16.840.1.113883.6."
chart(
    "code systems by their OIDs",
    payer=[
        plain_answer(
            (concept("J2350", f"{OID}285"), quantity(600, "UN")),
            (concept("96413", f"{OID}12"), quantity(1, "visits")),
        )
    ],
)
chart(
    "approved for half, then amended by a claim that follows it",
    payer=[
        claim(("J2350", 300, "UN"), ("96413", 1, ""), id="c0", created="2026-09-20"),
        answer(of="Claim/c0", id="r0", created="2026-09-25"),
        claim(
            related=[{"claim": {"reference": "Claim/c0"}, "relationship": concept("prior", "x")}]
        ),
        answer(),
    ],
)


NCIT = "http://ncicb.nci.nih.gov/xml/owl/EVS/Thesaurus.owl"
for value, word, code in ((2, "Each", "C64933"), (20, "mL", "C28254"), (600, "mg", "C28253")):
    chart(
        f"NCPDP's {code}",
        pharmacy=[dispense({"value": value, "unit": word, "system": NCIT, "code": code})],
    )
