"""Charts of visits, of what is taken before the drug, and of the supply."""

from __future__ import annotations

from .charts import EHR, chart
from .records import (
    NDC,
    ORDER,
    answer,
    claim,
    concept,
    coverage,
    dispense,
    given,
    order,
    patient,
    premedication,
    quantity,
    two_halves,
    visit,
)

MISSING = "auth-missing-drug auth-missing-admin"
# Visits and premedication
chart(
    "booked for the order of the infusion",
    ehr=[
        *EHR[:-1],
        visit(supportingInformation=None, basedOn=[{"reference": "ServiceRequest/s"}]),
        {
            "resourceType": "ServiceRequest",
            "id": "s",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p"},
            "code": concept("96413"),
            "basedOn": [{"reference": ORDER}],
        },
    ],
)
chart("booked as an infusion, of nothing", ehr=[*EHR[:-1], visit(supportingInformation=None)])
chart(
    "booked in words",
    ehr=[
        *EHR[:-1],
        visit(supportingInformation=None, serviceType=None, description="Ocrevus, chair 4"),
    ],
)
chart(
    "booked without an order",
    "appt-without-order",
    ehr=[coverage(), *premedication(), visit(supportingInformation=None, description="Ocrevus")],
    payer=[coverage()],
    pharmacy=[],
    may=MISSING,
)
chart(
    "eighteen weeks after the last dose",
    "interval-too-early",
    history=[given("2026-08-04"), given("2026-02-03")],
)
chart(
    "the initial pair",
    ehr=[
        coverage(),
        two_halves(),
        *premedication(),
        visit(),
        visit("v2", "2026-12-22T09:00:00-05:00"),
    ],
    payer=[claim(("J2350", 600, "UN"), ("96413", 2, "")), answer()],
    history=[],
)
chart("nothing to take before", "premed-order-missing", ehr=[coverage(), order(), visit()])
chart(
    "no steroid",
    "premed-order-missing",
    ehr=[coverage(), order(), premedication()[1], visit()],
)
chart(
    "premedication was stopped",
    "premed-order-missing",
    ehr=[coverage(), order(), *premedication(status="stopped"), visit()],
)
chart(
    "premedication by billing codes",
    ehr=[
        coverage(),
        order(),
        order("s", quantity(100), "", medicationCodeableConcept=concept("J2930")),
        order("h", quantity(50), "", medicationCodeableConcept=concept("J1200")),
        visit(),
    ],
)
chart(
    "premedication as a protocol",
    ehr=[
        coverage(),
        order(),
        {
            "resourceType": "ServiceRequest",
            "id": "s",
            "status": "active",
            "intent": "order",
            "subject": {"reference": "Patient/p"},
            "code": {"text": "Before: methylprednisolone 100 mg IV and diphenhydramine 50 mg IV"},
            "basedOn": [{"reference": ORDER}],
        },
        visit(),
    ],
)

# Supply
for amount in (
    quantity(2, "EA"),
    quantity(20, "ML"),
    quantity(2, "vial", "{vial}"),
    quantity(600),
    quantity(0.6, "g"),
):
    chart(
        f"{amount['value']} {amount['unit']} dispensed",
        pharmacy=[dispense(amount)],
    )
chart("one vial dispensed", "dispense-short", pharmacy=[dispense(quantity(1, "vial", "{vial}"))])
chart(
    "a declared part fill",
    "dispense-short",
    pharmacy=[dispense(quantity(10, "mL"), type=concept("FFP", "x"))],
)
chart("20 of nothing", "unit-ambiguous", pharmacy=[dispense({"value": 20})])
chart(
    "a kit of nobody knows what",
    "unit-ambiguous",
    pharmacy=[dispense(quantity(1, "kit", "{kit}"))],
    may="dispense-short",
)
chart(
    "in two parts",
    pharmacy=[
        dispense(quantity(10, "mL")),
        dispense(quantity(10, "mL"), "d2", whenHandedOver="2026-12-01T09:00:00-05:00"),
    ],
)
chart("twice as much", "dispense-over", pharmacy=[dispense(quantity(40, "mL"))])
chart(
    "on hold, then done",
    pharmacy=[dispense(id="d0", status="on-hold", whenHandedOver=None), dispense()],
)
chart(
    "canceled, four days before",
    "dispense-missing",
    ehr=[
        coverage(),
        order(dispenseRequest={"performer": {"display": "Specialty Pharmacy"}}),
        *premedication(),
        visit(start="2026-12-04T09:00:00-05:00"),
    ],
    pharmacy=[dispense(status="cancelled")],
)
chart(
    "the other product dispensed",
    "dispense-wrong-product",
    pharmacy=[dispense(quantity(23, "mL"), medicationCodeableConcept=concept("50242-554-01", NDC))],
    may="dispense-missing",
)
chart(
    "half of it given today",
    "unplanned-split-balance",
    ehr=[
        coverage(),
        order(day="2026-12-01"),
        *premedication(),
        visit(start="2026-12-01T08:00:00-05:00", status="fulfilled"),
        given("2026-12-01", quantity(300), request={"reference": ORDER}),
    ],
    pharmacy=[dispense(quantity(10, "mL"))],
    as_of="2026-12-01T18:00:00-05:00",
    may="dispense-short admin-short auth-visits-short interval-overdue",
)
chart(
    "half of it given, the rest a month later",
    ehr=[
        coverage(),
        order(),
        *premedication(),
        visit(status="fulfilled"),
        given("2026-12-08", quantity(300), request={"reference": ORDER}, status="stopped"),
        visit("v2", "2027-01-05T09:00:00-05:00"),
    ],
    payer=[claim(("J2350", 600, "UN"), ("96413", 2, "visits")), answer()],
    as_of="2026-12-10T10:00:00-05:00",
)
chart(
    "a person who died",
    ehr=[coverage(), order(), visit()],
    payer=[claim(), answer("A3", "A3")],
    pharmacy=[],
    person=patient(deceasedBoolean=True),
)
