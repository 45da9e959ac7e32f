"""Charts that were written by hand, each with what a careful reader of it would find.

`must`: the rules that have to be found; `may`: that may be found besides. Any other is a false
alarm, but for `no-owner`, the consequence of a trouble whose owner nobody names.
"""

from __future__ import annotations

from typing import NamedTuple

from .records import (
    NDC,
    OCRELIZUMAB,
    OCREVUS_VIAL,
    ORDER,
    RXNORM,
    Json,
    answer,
    asked,
    claim,
    concept,
    coverage,
    detail,
    dispense,
    eligibility,
    given,
    order,
    patient,
    period,
    plain_answer,
    premedication,
    quantity,
    review,
    two_halves,
    visit,
    written_on,
)

NOW = "2026-12-01T10:00:00-05:00"


class Chart(NamedTuple):
    name: str
    must: frozenset[str]
    may: frozenset[str]
    sources: dict[str, list[Json]]
    as_of: str


CHARTS: list[Chart] = []

HISTORY = [given("2026-06-16"), given("2025-12-16")]
EHR = [coverage(), order(), *premedication(), visit()]
PAYER = [claim(), answer()]
PHARMACY = [dispense()]


def chart(
    name: str,
    must: str = "",
    ehr: list[Json] = EHR,
    payer: list[Json] = PAYER,
    pharmacy: list[Json] = PHARMACY,
    may: str = "",
    history: list[Json] = HISTORY,
    as_of: str = NOW,
    person: Json | None = None,
) -> None:
    """One chart on three servers, and the same on one."""
    rules = frozenset(must.split()), frozenset((*may.split(), "no-owner"))
    who = person or patient()
    three = {"ehr": [who, *history, *ehr], "payer": [who, *payer], "pharmacy": [who, *pharmacy]}
    one = {"ehr": [who, *history, *ehr, *payer, *pharmacy]}
    CHARTS.append(Chart(f"{name} (three servers)", *rules, three, as_of))
    CHARTS.append(Chart(f"{name} (one server)", *rules, one, as_of))


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

# Orders
chart(
    "on hold until something is clear",
    "order-not-active",
    ehr=[coverage(), order(status="on-hold"), *EHR[2:]],
)
chart(
    "to be filled until November",
    "order-not-active",
    ehr=[
        coverage(),
        order(dispenseRequest={"validityPeriod": {"end": "2026-11-30"}}),
        *EHR[2:],
    ],
)
chart(
    "ordered twice",
    "duplicate-order",
    ehr=[*EHR, order("o2", authoredOn="2026-10-20")],
    may="link-ambiguous",
)
chart(
    "renewed",
    ehr=[
        coverage(),
        order(status="completed"),
        order("o2", authoredOn="2026-10-20", priorPrescription={"reference": ORDER}),
        *premedication(),
        visit(supportingInformation=[{"reference": "MedicationRequest/o2"}]),
    ],
    pharmacy=[dispense(of="MedicationRequest/o2")],
    may="order-changed-after-auth",
)
chart("planned, then ordered", ehr=[*EHR, order("plan", intent="plan")])
chart(
    "filled by an order of the pharmacy",
    ehr=[*EHR, order("f", intent="filler-order", basedOn=[{"reference": ORDER}])],
)
chart(
    "half a dose in maintenance",
    "dose-outside-label",
    ehr=[coverage(), order(dose=quantity(300)), *EHR[2:]],
    payer=[claim(("J2350", 300, "UN"), ("96413", 1, "")), answer()],
    pharmacy=[dispense(quantity(10, "mL"))],
)
for words, must in (
    ("600 mg IV once every 24 weeks", ""),
    ("600 mg IV once on 12/8/2026", ""),
    ("Ocrevus 600 mg IV, 8 Dec 2026 at 9:00 am", ""),
    ("300 mg IV once on 12/8/2026", "dose-outside-label"),
    ("300 mg x 2", "single-vs-split-unclear"),
):
    chart(
        f"a dose in words: {words}",
        must,
        ehr=[coverage(), order(dosageInstruction=[{"text": words}]), *EHR[2:]],
        may="dose-outside-label appt-count-mismatch auth-per-visit-mismatch dispense-over"
        if must
        else "",
    )
for amount in (quantity(20, "mL"), quantity(2, "vial", "{vial}"), quantity(0.6, "g")):
    chart(
        f"a dose of {amount['value']} {amount['unit']}",
        ehr=[coverage(), order(dose=amount, medicationCodeableConcept=OCREVUS_VIAL), *EHR[2:]],
    )
STRONG = {
    "resourceType": "Medication",
    "id": "m",
    "code": {"text": "ocrelizumab"},
    "ingredient": [
        {
            "itemCodeableConcept": {"text": "ocrelizumab"},
            "strength": {"numerator": quantity(300), "denominator": quantity(10, "mL")},
        }
    ],
}
chart(
    "a medication inside the order, with its strength",
    ehr=[
        coverage(),
        order(
            dose=quantity(20, "mL"),
            medicationCodeableConcept=None,
            medicationReference={"reference": "#m"},
            contained=[STRONG],
        ),
        *EHR[2:],
    ],
)

# Epic and Cerner export an order by its ingredient alone: neither product nor route.
INGREDIENT = concept("1876366", RXNORM)
ZUNOVO = concept("50242-554-01", NDC)


def routed(dose: int, snomed: str) -> Json:
    """An order for the ingredient, with a coded route that nobody displays."""
    route = concept(snomed, "http://snomed.info/sct")
    return order(
        medicationCodeableConcept=INGREDIENT,
        dosageInstruction=[
            {
                "timing": {"event": ["2026-12-08"]},
                "route": route,
                "doseAndRate": [{"doseQuantity": quantity(dose)}],
            }
        ],
    )


for name, its_order, past in (
    ("by its ingredient", order(medicationCodeableConcept=INGREDIENT), OCRELIZUMAB),
    ("and given by its ingredient", order(medicationCodeableConcept=INGREDIENT), INGREDIENT),
    ("by its ingredient and route", routed(600, "47625008"), OCRELIZUMAB),
    (
        "by its ingredient, dosed in words",
        order(medicationCodeableConcept=INGREDIENT, dosageInstruction=[{"text": "600 mg once"}]),
        OCRELIZUMAB,
    ),
):
    chart(
        f"ordered {name}",
        ehr=[coverage(), its_order, *premedication(), visit()],
        history=[given("2026-06-16", drug=past), given("2025-12-16", drug=past)],
    )
chart(
    "half a dose ordered by its ingredient",
    "dose-outside-label",
    ehr=[
        coverage(),
        order(dose=quantity(300), medicationCodeableConcept=INGREDIENT),
        *premedication(),
        visit(),
    ],
    payer=[claim(("J2350", 300, "UN"), ("96413", 1, "")), answer()],
    pharmacy=[dispense(quantity(10, "mL"))],
)
for name, its_order in (
    ("the dose", order(dose=quantity(920), medicationCodeableConcept=INGREDIENT)),
    ("the route", routed(920, "34206005")),
    (
        "the other records",
        order(medicationCodeableConcept=INGREDIENT, dosageInstruction=[{"text": "as directed"}]),
    ),
):
    chart(
        f"the injection by its ingredient, told by {name}",
        "unit-ambiguous" if "records" in name else "",  # no dose at all
        ehr=[coverage(), its_order, *premedication(), visit()],
        payer=[claim(("J2351", 920, "UN"), ("96401", 1, "")), answer()],
        pharmacy=[dispense(quantity(23, "mL"), medicationCodeableConcept=ZUNOVO)],
        history=[given("2026-06-16", quantity(920), ZUNOVO)],
    )
chart(
    "the injection by its ingredient, the infusion authorized",
    "auth-wrong-product",
    ehr=[
        coverage(),
        order(dose=quantity(920), medicationCodeableConcept=INGREDIENT),
        *premedication(),
        visit(),
    ],
    pharmacy=[dispense(quantity(23, "mL"), medicationCodeableConcept=ZUNOVO)],
    history=[given("2026-06-16", quantity(920), ZUNOVO)],
    may="auth-missing-admin",
)

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

# Other drugs
TYSABRI = concept("64406-008-01", NDC, display="Tysabri 300 mg/15 mL")
MONTHLY = [given("2026-11-10", quantity(300), TYSABRI), given("2026-10-13", quantity(300), TYSABRI)]


def natalizumab(name: str, must: str = "", code: str = "J2323", units: int = 3900) -> None:
    chart(
        name,
        must,
        ehr=[coverage(), order(dose=quantity(300), medicationCodeableConcept=TYSABRI), visit()],
        payer=[claim((code, units, "UN"), ("96413", 13, "")), answer()],
        pharmacy=[dispense(quantity(15, "mL"), medicationCodeableConcept=TYSABRI)],
        history=MONTHLY,
        may="rems-not-ready",
    )


natalizumab("natalizumab, approved for a year")
natalizumab("natalizumab, two of two doses used", "auth-short-total", units=600)
natalizumab("Tysabri ordered, its biosimilar approved", "auth-wrong-product", "Q5134")


def rituximab(name: str, must: str = "", units: int = 100, product: Json | None = None) -> None:
    drug = concept("121191", RXNORM, text="rituximab")
    supplied = product or concept("50242-0053-06", NDC)
    chart(
        name,
        must,
        ehr=[
            coverage(),
            order(dose=quantity(1000), medicationCodeableConcept=drug),
            *premedication(),
            visit(),
        ],
        payer=[claim(("J9312", units, "UN"), ("96413", 1, "")), answer()],
        pharmacy=[dispense(quantity(100, "mL"), medicationCodeableConcept=supplied)],
        history=[
            given("2026-06-09", quantity(1000), drug),
            given("2025-12-09", quantity(1000), drug),
        ],
        may="dispense-missing" if product else "",
    )


rituximab("rituximab, 100 units are 1,000 mg")
rituximab("rituximab, 50 units", "auth-short-total", 50)
rituximab(
    "rituximab, the subcutaneous product dispensed",
    "dispense-wrong-product",
    product=concept("1927886", RXNORM, display="Rituxan Hycela"),
)
BRIUMVI = concept("73150-150-06", NDC, display="Briumvi 150 mg/6 mL")
chart(
    "ublituximab, two vials of three",
    "dispense-short",
    ehr=[
        coverage(),
        order(dose=quantity(450), medicationCodeableConcept=BRIUMVI),
        *premedication(),
        visit(),
    ],
    payer=[claim(("J2329", 450, "UN"), ("96413", 1, "")), answer()],
    pharmacy=[dispense(quantity(2, "vial", "{vial}"), medicationCodeableConcept=BRIUMVI)],
    history=[given(day, quantity(450), BRIUMVI) for day in ("2026-06-16", "2025-12-30")],
)
KESIMPTA = concept("0078-1007-68", NDC, display="Kesimpta 20 mg/0.4 mL")
chart(
    "ofatumumab, filled every month",
    ehr=[
        coverage(),
        order(
            medicationCodeableConcept=KESIMPTA,
            dosageInstruction=[
                {
                    "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}},
                    "doseAndRate": [{"doseQuantity": quantity(20)}],
                }
            ],
        ),
    ],
    payer=[coverage()],
    pharmacy=[
        dispense(
            quantity(0.4, "mL"),
            medicationCodeableConcept=KESIMPTA,
            whenHandedOver="2026-11-20T10:00:00-05:00",
        )
    ],
    history=[],
)
