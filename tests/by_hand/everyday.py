"""Charts of everyday trouble and everyday untidiness, written by hand as `charts` are: orders
that were written anew, answers that stand on one record only, packages, errors that were put right.
"""

from __future__ import annotations

from typing import Any

from .charts import EHR, HISTORY, PAYER, chart
from .drugs import KESIMPTA
from .records import (
    ORDER,
    PAS,
    Json,
    answer,
    claim,
    concept,
    coverage,
    dispense,
    given,
    order,
    period,
    plain_answer,
    premedication,
    quantity,
    review,
    two_halves,
    visit,
    written_on,
)

# An order that was written anew, which no record says
AGAIN = order("o2", authoredOn="2026-11-10")
chart(
    "stopped and ordered anew, and the visit names neither",
    ehr=[
        coverage(),
        order(status="stopped"),
        AGAIN,
        *premedication(),
        visit(supportingInformation=None),
    ],
    pharmacy=[dispense(of="")],
)
chart(
    "stopped and ordered anew, while visit and supply name the old order",
    ehr=[coverage(), order(status="stopped"), AGAIN, *premedication(), visit()],
)
chart(
    "stopped and ordered anew for half of it",
    "dose-outside-label",
    ehr=[
        coverage(),
        order(status="stopped"),
        order("o2", quantity(300), authoredOn="2026-11-10"),
        *premedication(),
        visit(),
    ],
    may="dispense-over auth-per-visit-mismatch order-changed-after-auth",
)
chart(
    "two halves canceled, one infusion ordered instead",
    ehr=[
        coverage(),
        {**two_halves(), "id": "o0", "status": "cancelled"},
        order(authoredOn="2026-11-10"),
        *premedication(),
        visit(),
    ],
)
chart(
    "stopped, and nothing ordered instead",
    "order-not-active",
    ehr=[coverage(), order(status="stopped"), *premedication(), visit()],
)
chart(
    "the order of last year was stopped, and the one of today has no visit",
    "order-without-appt",
    ehr=[
        coverage(),
        order("old", day="2025-12-16", authoredOn="2025-10-01", status="stopped"),
        order(),
        *premedication(),
        visit(supportingInformation=None, serviceType=None, description="Dentist"),
    ],
    pharmacy=[],
)


# What stands on the order of the infusion alone
def for_the_infusion(**more: Any) -> list[Json]:
    service: Json = {
        "resourceType": "ServiceRequest",
        "id": "s9",
        "status": "active",
        "intent": "order",
        "subject": {"reference": "Patient/p"},
        "code": concept("96413"),
        "basedOn": [{"reference": ORDER}],
        "extension": written_on(**more),
    }
    return [coverage(), order(), service, *premedication(), visit()]


DRUG_ONLY = [plain_answer((concept("J2350"), quantity(600, "UN")))]
NUMBER: Json = {"valueString": "AUTH7"}
for name, must, ehr in (
    ("not needed", "", for_the_infusion(needed="no-auth")),
    ("satisfied", "", for_the_infusion(needed="satisfied", satisfied_pa_id=NUMBER)),
    ("needed", "auth-missing-admin", for_the_infusion(needed="auth-needed")),
    ("not covered", "auth-denied", for_the_infusion(covered="not-covered")),
):
    chart(f"{name} says the order of the infusion", must, ehr=ehr, payer=DRUG_ONLY)
chart(
    "not needed says the order of the infusion, nothing of the drug",
    "auth-missing-drug",
    ehr=for_the_infusion(needed="no-auth"),
    payer=[plain_answer((concept("70553"), None))],
)

# A number that the answer has once
UNNUMBERED = [
    {"itemSequence": n, "extension": [period()], "adjudication": [review("A1", "")]} for n in (1, 2)
]
chart("the number is the answer's, none an item's", payer=[claim(), answer(item=UNNUMBERED)])
chart(
    "the number is an extension of the answer",
    payer=[
        claim(),
        answer(
            item=UNNUMBERED,
            preAuthRef=None,
            extension=[{"url": f"{PAS}authorizationNumber", "valueString": "AUTH9"}],
        ),
    ],
)

# A visit that is moved across the end of the authorization
ENDS_IN_DECEMBER = [claim(), answer(span=period("2026-10-01", "2026-12-31"))]
chart(
    "moved beyond the end: called off, and booked again",
    "auth-expires-before-appt",
    ehr=[*EHR[:-1], visit("v0", status="cancelled"), visit(start="2027-01-05T09:00:00-05:00")],
    payer=ENDS_IN_DECEMBER,
    may="interval-overdue",
)
chart(
    "moved back before the end",
    ehr=[*EHR[:-1], visit("v0", "2027-01-05T09:00:00-05:00", status="cancelled"), visit()],
    payer=ENDS_IN_DECEMBER,
)

# Each server calls an insurer by a number of its own
FORMER = coverage(period={"start": "2026-01-01", "end": "2026-11-30"})
PRESENT = coverage(
    id="cov2",
    payor=[{"reference": "Organization/new", "display": "New Health"}],
    period={"start": "2026-12-01"},
)
chart(
    "another insurer since the first of the month, approved by the one of before",
    "payer-changed",
    ehr=[FORMER, PRESENT, *EHR[1:]],
)
chart(
    "another insurer since the first of the month, which approved",
    ehr=[FORMER, PRESENT, *EHR[1:]],
    payer=[
        claim(insurer=PRESENT["payor"][0]),
        answer(insurer={"reference": "Organization/77", "display": "NEW HEALTH"}),
    ],
)
chart("insured with the same one again", ehr=[FORMER, {**coverage(), "id": "c2"}, *EHR[1:]])

# Packages
for unit, code in (("Package", "{Package}"), ("Each", "C64933"), ("EACH", "")):
    chart(f"2 {unit} dispensed", pharmacy=[dispense(quantity(2, unit, code))])
chart(
    "ofatumumab, a carton of one pen",
    ehr=[
        coverage(),
        order(
            medicationCodeableConcept=KESIMPTA,
            dosageInstruction=[
                {
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}},
                    "doseAndRate": [{"doseQuantity": quantity(1, "pen", "{pen}")}],
                }
            ],
        ),
    ],
    payer=[coverage()],
    pharmacy=[
        dispense(
            quantity(1, "carton", "{carton}"),
            medicationCodeableConcept=KESIMPTA,
            whenHandedOver="2026-11-20T10:00:00-05:00",
        )
    ],
    history=[],
)

# What was entered in error never was
chart(
    "a dose three weeks ago was entered in error",
    history=[*HISTORY, given("2026-11-17", status="entered-in-error")],
)
chart(
    "a dose ten times too large was entered in error, and put right",
    ehr=[
        *EHR[:-1],
        visit(status="fulfilled"),
        given("2026-12-08", quantity(6000), status="entered-in-error", id="g0"),
        given("2026-12-08", request={"reference": ORDER}),
    ],
    as_of="2026-12-09T10:00:00-05:00",
)
chart(
    "the approval was entered in error",
    "auth-missing-drug auth-missing-admin",
    payer=[claim(), answer(status="entered-in-error")],
)
chart(
    "the dispense was entered in error",
    "dispense-missing",
    ehr=[
        coverage(),
        order(dispenseRequest={"performer": {"display": "Specialty Pharmacy"}}),
        *premedication(),
        visit(start="2026-12-04T09:00:00-05:00"),
    ],
    pharmacy=[dispense(status="entered-in-error")],
)

# What payers write besides
for says in (
    "Approved. This authorization is not a guarantee of payment.",
    "Approved; subject to member eligibility and benefits on the date of service",
    "Auth not required",
    "No PA needed",
    "Prior auth is not required.",
):
    chart(f"the payer says: {says}", payer=[plain_answer(says=says)])
for says in ("Approved, subject to review", "Not a guarantee of payment"):
    chart(f"the payer says: {says}", "auth-contact-payer", payer=[plain_answer(says=says)])
chart(
    "denied, then approved on appeal",
    payer=[
        claim(id="c0", created="2026-09-01"),
        answer("A3", "A3", of="Claim/c0", id="r0", created="2026-09-10"),
        *PAYER,
    ],
)

# The Medication that an order refers to was not read: nobody can say that there is no order.
chart(
    "an order whose drug nobody can read",
    ehr=[
        coverage(),
        order(medicationCodeableConcept=None, medicationReference={"reference": "Medication/x"}),
        *premedication(),
        visit(),
    ],
)
