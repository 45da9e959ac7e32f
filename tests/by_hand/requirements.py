"""Charts of what an insurer requires, allows and covers, and of who the insurer is."""

from __future__ import annotations

from .charts import EHR, PAYER, chart
from .records import (
    asked,
    concept,
    coverage,
    eligibility,
    order,
    plain_answer,
    premedication,
    quantity,
    visit,
    written_on,
)

MISSING = "auth-missing-drug auth-missing-admin"
# What is required, and what the benefit allows
chart(
    "required says the payer, six weeks before",
    "auth-missing-drug auth-missing-admin interval-overdue",
    ehr=[*EHR[:-1], visit(start="2027-01-12T09:00:00-05:00")],
    payer=[eligibility(asked("J2350", True), asked("96413", True))],
    pharmacy=[],
)
chart(
    "not required says the payer", payer=[eligibility(asked("J2350", False), asked("96413", False))]
)
chart(
    "nothing required, and 2 allowed",
    "unit-ambiguous",
    payer=[eligibility(asked("J2350", False, allowedUnsignedInt=2), asked("96413", False))],
)
chart(
    "2 allowed, but approved since",
    payer=[*PAYER, eligibility(asked("J2350", True, allowedUnsignedInt=2))],
)
chart(
    "300 mg allowed",
    "auth-benefit-limit",
    payer=[*PAYER, eligibility(asked("J2350", allowedString="300 mg"))],
)
for used, must in ((2, "auth-benefit-limit"), (1, "")):
    chart(
        f"{used} of 2 visits are used",
        must,
        payer=[
            *PAYER,
            eligibility(asked("96413", True, "visit", allowedUnsignedInt=2, usedUnsignedInt=used)),
        ],
    )
chart("not in force", "coverage-lapsed", payer=[*PAYER, eligibility(in_force=False)])
chart(
    "the insurance ended",
    "coverage-lapsed",
    ehr=[coverage(period={"start": "2026-01-01", "end": "2026-11-30"}), *EHR[1:]],
)
INFUSION_ONLY = [plain_answer((concept("96413"), quantity(1, "visits")))]
NUMBER = {"valueString": "AUTH7"}
chart(
    "satisfied says the order",
    ehr=[coverage(), order(extension=written_on("satisfied", satisfied_pa_id=NUMBER)), *EHR[2:]],
    payer=INFUSION_ONLY,
)
chart(
    "not covered says the order",
    "auth-denied",
    ehr=[coverage(), order(extension=written_on(covered="not-covered")), *EHR[2:]],
    payer=INFUSION_ONLY,
)
ALLOWED = {
    "extension": [
        {"url": "code", "valueCodeableConcept": concept("allowed-quantity", "x")},
        {"url": "value", "valueQuantity": quantity(300)},
    ]
}
chart(
    "half allowed says the order",
    "auth-short-total",
    ehr=[
        coverage(),
        order(extension=written_on("satisfied", detail=ALLOWED, satisfied_pa_id=NUMBER)),
        *EHR[2:],
    ],
    payer=INFUSION_ONLY,
)
chart(
    "needed says the visit, not needed says the order",
    "auth-missing-admin",
    ehr=[
        coverage(),
        order(extension=written_on("no-auth")),
        *premedication(),
        visit(extension=written_on("auth-needed")),
    ],
    payer=[plain_answer((concept("70553"), None))],
)
chart(
    "not needed says a premedication",
    MISSING,
    ehr=[coverage(), order(), *premedication(extension=written_on("no-auth")), visit()],
    payer=[plain_answer((concept("70553"), None))],
)
chart(
    "not covered says a premedication",
    ehr=[
        coverage(),
        order(),
        *premedication(extension=written_on(covered="not-covered")),
        visit(),
    ],
)
NEW = coverage(payor=[{"reference": "Organization/new", "display": "New Health"}])
chart(
    "approved by the insurer of before",
    "payer-changed",
    ehr=[NEW, *EHR[1:]],
    payer=[NEW, *PAYER],
)
