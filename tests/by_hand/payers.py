"""Charts of what a payer decided, and of what it decided about something else."""

from __future__ import annotations

from .charts import EHR, PAYER, chart
from .records import (
    NDC,
    RXNORM,
    Json,
    answer,
    claim,
    concept,
    coverage,
    detail,
    order,
    period,
    plain_answer,
    premedication,
    quantity,
    review,
    two_halves,
    visit,
)


def ended(end: str, start: str = "2026-05-01") -> list[Json]:
    return [claim(), answer(span=period(start, end))]


chart("all is well")
chart("all is well, in plain words", payer=[plain_answer()])

# What the payer decided
chart("nothing to authorize", payer=[claim(), answer("NA", "NA")])
chart("the infusion is canceled", "auth-missing-admin", payer=[claim(), answer("A1", "C")])
chart("denied", "auth-denied", payer=[claim(), answer("A3", "A1")])
chart("pended a week before", "auth-pended-near-appt", payer=[claim(), answer("A4", "A1")])
chart("call us", "auth-contact-payer", payer=[claim(), answer("CT", "A1")])
chart("a code that tells nothing", "auth-contact-payer", payer=[claim(), answer("A5", "A1")])
chart(
    "certified without a number",
    "auth-contact-payer",
    payer=[
        claim(),
        answer(
            preAuthRef=None,
            item=[
                {"itemSequence": n, "extension": [period()], "adjudication": [review("A1", "")]}
                for n in (1, 2)
            ],
        ),
    ],
)
chart(
    "half granted, said by the item (PAS 2.0.1)",
    "auth-short-total",
    payer=[
        claim(),
        answer(
            item=[
                {
                    "itemSequence": 1,
                    "extension": [period(), detail("J2350", quantity(300, "UN"))],
                    "adjudication": [review("A2")],
                },
                {"itemSequence": 2, "extension": [period()], "adjudication": [review("A1")]},
            ]
        ),
    ],
)
chart(
    "modified into two dates (PAS 2.2.1)",
    "auth-per-visit-mismatch",
    payer=[
        claim(),
        answer(
            "A6",
            "A1",
            addItem=[
                {
                    "itemSequence": [1],
                    "productOrService": concept("J2350"),
                    "servicedDate": day,
                    "quantity": quantity(300, "UN"),
                    "adjudication": [review("A1")],
                }
                for day in ("2026-12-08", "2026-12-22")
            ],
        ),
    ],
    may="single-vs-split-unclear auth-visits-short",
)
chart(
    "denied as asked, granted as added",
    payer=[
        claim(),
        answer(
            "A3",
            "A1",
            addItem=[
                {
                    "itemSequence": [1],
                    "productOrService": concept("J2350"),
                    "quantity": quantity(600, "UN"),
                    "adjudication": [review("A1")],
                }
            ],
        ),
    ],
)
for says, what in (
    ("Approved: ocrelizumab 300 mg x 2 visits", concept("J2350")),
    ("Approved", concept("J2350", text="ocrelizumab 300 mg x 2")),
):
    chart(
        f"300 mg two times, in words: {says}",
        "auth-per-visit-mismatch",
        payer=[plain_answer((what, None), (concept("96413"), quantity(2, "visits")), says=says)],
        may="single-vs-split-unclear",
    )
chart(
    "pended, and approved a week later",
    payer=[claim(), answer("A4", "A4", created="2026-10-06", id="r0"), answer()],
)
chart(
    "two requests, two answers",
    payer=[
        claim(("J2350", 600, "UN"), id="c1", of=""),
        answer("A1", of="Claim/c1", id="r1"),
        claim(("96413", 1, ""), ("96415", 3, ""), id="c2", of=""),
        answer("A1", "A1", of="Claim/c2", id="r2", preAuthRef="AUTH2"),
    ],
)
chart(
    "the request is taken back",
    "auth-missing-drug auth-missing-admin",
    payer=[claim(status="cancelled"), answer("C", "C")],
)
chart(
    "the guide's own quantity: 1 of nothing",
    payer=[claim(("J2350", 1, ""), ("96413", 1, "")), answer()],
    may="unit-ambiguous",
)
chart("ends the week before", "auth-expires-before-appt", payer=ended("2026-11-30"))
chart("ends on the day", payer=ended("2026-12-08"), may="auth-expires-before-appt")
chart("begins the week after", "auth-not-yet-effective", payer=ended("2027-06-30", "2026-12-15"))
chart(
    "the other product is approved",
    "auth-wrong-product",
    payer=[claim(("J2351", 920, "UN"), ("96413", 1, "")), answer()],
)
chart(
    "one infusion approved for two halves",
    "auth-visits-short",
    ehr=[
        coverage(),
        two_halves(),
        *premedication(),
        visit(),
        visit("v2", "2026-12-22T09:00:00-05:00"),
    ],
    history=[],
)
chart(
    "at home without a nurse, approved for the hospital",
    "site-of-care-mismatch home-admin-auth-missing",
    ehr=[
        *EHR[:-1],
        visit(
            participant=[
                {"actor": {"reference": place}, "status": "accepted"}
                for place in ("Patient/p", "Location/h")
            ]
        ),
        {
            "resourceType": "Location",
            "id": "h",
            "type": [concept("PTRES", "http://terminology.hl7.org/CodeSystem/v3-RoleCode")],
        },
    ],
)

# What is approved for something else says nothing about the dose.
MISSING = "auth-missing-drug auth-missing-admin"
for name, code in (
    ("another drug", concept("J9271")),
    ("another drug by NDC", concept("0006-3026-02", NDC)),
    ("an MRI", concept("70553")),
):
    chart(f"{name} is approved, ours is not", MISSING, payer=[plain_answer((code, None))])
for words in ("MRI brain", "omalizumab (Xolair) 150 mg", "Solu-Medrol 1 g", "Arzerra"):
    chart(
        f"{words} is approved in words alone",
        MISSING,
        payer=[plain_answer((concept(text=words), None))],
    )
chart(
    "an MRI is approved, says the answer as a whole",
    MISSING,
    payer=[plain_answer(({}, None), says="Approved: MRI of the brain")],
)
# What may be ours, or may be anything, is no other thing: nobody can tell.
for words in ("Specialty medication", "Infusion therapy", "Outpatient services", ""):
    chart(
        f"approved in words that may mean ours: {words}",
        payer=[plain_answer((concept(text=words), None))],
    )
chart(
    "approved without a word, and an MRI is asked for",
    payer=[plain_answer(({}, None), says="Approved. An MRI of the last year is needed.")],
)
OURS = concept("J2350"), quantity(600, "UN")
for words in ("MRI brain", "Zebrafen 10 tablets"):
    chart(
        f"our drug is approved, and {words} beside it",
        "auth-missing-admin",
        payer=[plain_answer(OURS, (concept(text=words), None))],
    )
for words in ("Chair time, 5 hours", ""):
    chart(
        f"our drug is approved, and perhaps its infusion: {words}",
        payer=[plain_answer(OURS, (concept(text=words), None))],
    )
for units, must in ((600, ""), (300, "auth-short-total")):
    chart(
        f"codes in words, {units} units",
        must,
        payer=[
            plain_answer(
                (concept(text="HCPCS J2350 Ocrevus"), quantity(units, "UN")),
                (concept(text="CPT 96413"), quantity(1, "visits")),
            )
        ],
    )
OTHER = order("x", quantity(200), medicationCodeableConcept=concept("1547545", RXNORM))
chart(
    "another drug is ordered and approved, ours is not",
    MISSING,
    ehr=[*EHR, OTHER],
    payer=[claim(("J9271", 200, "UN"), of="MedicationRequest/x"), answer("A1")],
)
chart(
    "another drug is ordered and denied",
    ehr=[*EHR, OTHER],
    payer=[
        *PAYER,
        claim(("J9271", 200, "UN"), id="cx", of="MedicationRequest/x"),
        answer("A3", of="Claim/cx", id="rx", preAuthRef="AUTHX"),
    ],
)
chart(
    "approved under a code for anything",
    payer=[claim(("J3590", 1, "UN"), ("96413", 1, "")), answer()],
    may="unit-ambiguous",
)

# The first hour and the further ones (CPT)
TWO_VISITS = [
    coverage(),
    two_halves(),
    *premedication(),
    visit(),
    visit("v2", "2026-12-22T09:00:00-05:00"),
]
for first, must in ((1, "auth-visits-short"), (2, "")):
    chart(
        f"96413 × {first} and 96415 for two halves",
        must,
        ehr=TWO_VISITS,
        payer=[
            claim(("J2350", 600, "UN"), ("96413", first, ""), ("96415", 6, "")),
            answer("A1", "A1", "A1"),
        ],
        history=[],
    )
chart(
    "only further hours are approved",
    "auth-missing-admin",
    payer=[claim(("J2350", 600, "UN"), ("96415", 3, "")), answer()],
)
chart(
    "one dose approved, two of the period are ordered",
    "auth-short-total",
    ehr=[
        coverage(),
        order(
            dosageInstruction=[
                {
                    "timing": {"event": ["2026-12-08", "2027-06-08"]},
                    "doseAndRate": [{"doseQuantity": quantity(600)}],
                }
            ]
        ),
        *premedication(),
        visit(),
    ],
    payer=[
        claim(("J2350", 600, "UN"), ("96413", 2, "")),
        answer(span=period("2026-10-01", "2027-09-30")),
    ],
)
for asks, must in (
    ((("96413", 1, ""),), "auth-missing-drug"),
    ((("J2350", 600, "UN"),), "auth-missing-admin"),
    ((("J2350", 600, "mg"), ("96413", 1, "")), ""),
    ((("J2350", 300, "MG"), ("96413", 1, "")), "auth-short-total"),
    ((("J2350", 600, "F2"), ("96413", 1, "")), "unit-ambiguous"),
):
    chart(
        "approved: " + ", ".join(f"{code} {amount} {unit}" for code, amount, unit in asks),
        must,
        payer=[claim(*asks), answer(*["A1"] * len(asks))],
    )
