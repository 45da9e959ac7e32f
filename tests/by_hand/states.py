"""Charts of states and ends: what a status promises, when a thing ends, what a chart recorder
writes while a drip runs.
"""

from __future__ import annotations

from typing import Any

from .charts import EHR, PAYER, chart
from .drugs import KESIMPTA
from .payers import MISSING
from .records import (
    OCRELIZUMAB,
    ORDER,
    POS,
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
    visit,
    written_on,
)

# Orders
for status, must in (
    ("on-hold", "order-not-active"),
    ("stopped", "order-not-active"),
    ("cancelled", "order-not-active"),
    ("completed", "appt-without-order"),
    ("draft", "appt-without-order"),
    ("entered-in-error", "appt-without-order"),
):
    chart(
        f"an order that is {status}",
        must,
        ehr=[coverage(), order(status=status), *EHR[2:]],
        may=MISSING,
    )
chart(
    "an order until midnight in UTC a week before",
    "order-not-active",
    ehr=[
        coverage(),
        order(dispenseRequest={"validityPeriod": {"end": "2026-12-01T04:59:59Z"}}),
        *EHR[2:],
    ],
)
for dose, must in (
    (1200, "dose-outside-label"),
    (450, "dose-outside-label"),
    (60, "unit-ambiguous"),
):
    chart(
        f"an order for {dose} mg",
        must,
        ehr=[coverage(), order(dose=quantity(dose)), *EHR[2:]],
        may="auth-short-total auth-per-visit-mismatch dispense-short dispense-over",
    )

# Supplies, three days before a visit that a pharmacy supplies
SOON = [
    coverage(),
    order(dispenseRequest={"performer": {"display": "Specialty Pharmacy"}}),
    *premedication(),
    visit(start="2026-12-04T09:00:00-05:00"),
]
for status, must in (
    ("in-progress", ""),
    ("on-hold", "dispense-missing"),
    ("declined", "dispense-missing"),
    ("stopped", "dispense-missing"),
):
    chart(
        f"a dispense that is {status}",
        must,
        ehr=SOON,
        pharmacy=[
            dispense(status=status, whenHandedOver=None, whenPrepared="2026-11-30T10:00:00-05:00")
        ],
    )
chart(
    "two vials of two lots on one day",
    pharmacy=[dispense(quantity(1, "vial", "{vial}"), f"d{n}") for n in (1, 2)],
)
chart(
    "one vial by RxNorm",
    "dispense-short",
    pharmacy=[dispense(quantity(10, "mL"), medicationCodeableConcept=OCRELIZUMAB)],
)
chart(
    "two pharmacies, each the whole dose",
    "dispense-over",
    pharmacy=[
        dispense(id="d1", whenHandedOver="2026-11-27T10:00:00-05:00"),
        dispense(id="d2", performer=[{"actor": {"display": "Another Pharmacy"}}]),
    ],
)


# What a chart recorder writes
def recorded(name: str, must: str, *rows: Json, may: str = "", as_of: str = "2026-12-09") -> None:
    day = [coverage(), order(), *premedication(), visit(status="fulfilled")]
    named = [
        {**row, "id": f"m{number}", "request": {"reference": ORDER}}
        for number, row in enumerate(rows)
    ]
    chart(name, must, ehr=[*day, *named], as_of=f"{as_of}T11:00:00-05:00", may=may)


def row(mass: float = 600, **more: Any) -> Json:
    return given("2026-12-08", quantity(mass), **more)


RATE = given("2026-12-08", dosage={"rateQuantity": quantity(60, "mL/h", "mL/h")})
recorded("a new bag, and changes of its rate", "", row(), RATE, RATE)
recorded("two bags of half", "", row(300), row(300))
recorded("two bags of the whole", "admin-over", row(), row())
recorded("900 mg given", "admin-over", row(900))
recorded("given in mL", "", given("2026-12-08", quantity(20, "mL")))
recorded("paused, and then completed", "", row(), row(300, status="on-hold"))
recorded("paused, stopped and resumed", "", row(250, status="stopped"), row(350))
recorded("it runs still", "", row(300, status="in-progress"), as_of="2026-12-08")
recorded(
    "stopped at half",
    "unplanned-split-balance",
    row(300, status="stopped"),
    may="auth-visits-short dispense-short",
)

# The rest of a dose that was given in part, whose visit names nothing
HALF = given("2026-12-08", quantity(300), request={"reference": ORDER}, status="stopped")


def rest(day: str) -> list[Json]:
    rest = visit("v2", f"{day}T09:00:00-05:00", supportingInformation=None)
    return [coverage(), order(), *premedication(), visit(status="fulfilled"), HALF, rest]


TWO_APPROVED = [claim(("J2350", 600, "UN"), ("96413", 2, "visits")), answer()]
LATER = "2026-12-10T10:00:00-05:00"
for day in ("2026-12-15", "2027-01-05", "2027-02-02"):
    chart(f"the rest on {day}", ehr=rest(day), payer=TWO_APPROVED, as_of=LATER)
chart(
    "the rest, and the payer counts one visit",
    "unplanned-split-balance",
    ehr=rest("2027-01-05"),
    as_of=LATER,
)
chart(
    "the rest, and the pharmacy sent half",
    "unplanned-split-balance",
    ehr=rest("2026-12-15"),
    payer=TWO_APPROVED,
    pharmacy=[dispense(quantity(10, "mL"))],
    as_of=LATER,
)

# Insurance
for start, end, must in (
    ("2026-01-01", "2026-12-08", ""),
    ("2026-01-01", "2026-12-07", "coverage-lapsed"),
    ("2026", "2026-12", ""),
    ("2027-01-01", None, "coverage-lapsed"),
):
    span = {"start": start} | ({"end": end} if end else {})
    chart(f"insured from {start} to {end}", must, ehr=[coverage(period=span), *EHR[1:]])
ENDED = coverage(period={"start": "2026-01-01", "end": "2026-11-30"})
for code, display in (("DENTAL", "dental program"), ("VISPOL", "vision care policy")):
    other = coverage(
        id="c2",
        type=concept(code, "http://terminology.hl7.org/CodeSystem/v3-ActCode", display=display),
        payor=[{"display": "Another Mutual"}],
    )
    chart(f"a {display} ended", ehr=[{**other, "period": ENDED["period"]}, *EHR])
    chart(f"only a {display} is left", "coverage-lapsed", ehr=[other, ENDED, *EHR[1:]])
chart(
    "the first insurance ended, the second has another insurer",
    "payer-changed",
    ehr=[
        {**ENDED, "order": 1},
        coverage(id="c2", order=2, payor=[{"display": "Second Mutual"}]),
        *EHR[1:],
    ],
)
chart(
    "the insurer writes its name anew",
    ehr=[ENDED, coverage(id="c2", payor=[{"display": "EXAMPLE Health Plans, Inc."}]), *EHR[1:]],
)

# Ends of an authorization
chart("from the day of the visit", payer=[claim(), answer(span=period("2026-12-08"))])
chart(
    "from the day after",
    "auth-not-yet-effective",
    payer=[claim(), answer(span=period("2026-12-09"))],
)
chart(
    "to the day before",
    "auth-expires-before-appt",
    payer=[claim(), answer(span=period("2026-06-08", "2026-12-07"))],
)
chart(
    "to the local day of a visit that is tomorrow in UTC",
    ehr=[*EHR[:-1], visit(start="2026-12-09T00:30:00+00:00")],
    payer=[claim(), answer(span=period("2026-10-01", "2026-12-08"))],
    may="auth-expires-before-appt",
)
chart(
    "the one of half a year ended, the next is pended",
    "auth-pended-near-appt",
    payer=[
        claim(id="c0"),
        answer(of="Claim/c0", id="r0", span=period("2026-05-01", "2026-11-30")),
        claim(),
        answer("A4", "A4", preAuthRef=None),
    ],
    may="auth-expires-before-appt",
)
ALLOWED = {
    "extension": [
        {"url": "code", "valueCodeableConcept": concept("allowed-period", "x")},
        {"url": "value", "valuePeriod": {"start": "2026-06-01", "end": "2026-11-30"}},
    ]
}
NUMBER: Json = {"valueString": "AUTH7"}
chart(
    "the allowed period that stands on the order ended",
    "auth-expires-before-appt",
    ehr=[
        coverage(),
        order(extension=written_on("satisfied", satisfied_pa_id=NUMBER, detail=ALLOWED)),
        *EHR[2:],
    ],
    payer=[plain_answer((concept("96413"), quantity(1, "visits")))],
)

# Spacing
for day, must in (("2026-07-21", ""), ("2026-07-22", "interval-too-early")):
    chart(
        f"the last dose on {day}",
        must,
        history=[given(day), given("2026-01-20")],
        may="" if must else "interval-too-early",
    )
NOT_DONE = given("2026-11-03", status="not-done")
chart("a dose that was not given", history=[given("2026-06-16"), NOT_DONE])
chart(
    "the halves of June and July",
    history=[given("2026-06-23", quantity(300)), given("2026-07-07", quantity(300))],
)

# A drug that is filled every month, and that nobody is seen to inject
MONTHLY = order(
    medicationCodeableConcept=KESIMPTA,
    dosageInstruction=[
        {
            "timing": {"repeat": {"frequency": 1, "period": 1, "periodUnit": "mo"}},
            "doseAndRate": [{"doseQuantity": quantity(0.4, "mL")}],
        }
    ],
    dispenseRequest={"quantity": quantity(1, "pen", "{pen}"), "numberOfRepeatsAllowed": 11},
)


def fill(day: str, id: str = "d", pens: int = 1) -> Json:
    return dispense(
        quantity(pens, "EA"),
        id,
        medicationCodeableConcept=KESIMPTA,
        whenHandedOver=f"{day}T10:00:00-05:00",
    )


def monthly(
    name: str,
    must: str = "",
    payer: tuple[Json, ...] = (),
    insured: Json | None = None,
    fills: tuple[Json, ...] = (fill("2026-11-20"),),
) -> None:
    chart(
        f"filled every month, {name}",
        must,
        ehr=[insured or coverage(), MONTHLY],
        payer=list(payer),
        pharmacy=list(fills),
        history=[],
    )


def year(**more: Any) -> tuple[Json, ...]:
    return (plain_answer((KESIMPTA, quantity(12, "EA")), **more),)


LAST_YEAR = {"start": "2025-12-01", "end": "2026-11-30"}
monthly("denied", "auth-denied", year(says="Denied", preAuthRef=None))
monthly("insured no longer", "coverage-lapsed", insured=ENDED)
monthly("approved for a year", "", year())
monthly("approved until it ended", "auth-expires-before-appt", year(preAuthPeriod=LAST_YEAR))
monthly("two months", fills=(fill("2026-10-21", "d0"), fill("2026-11-20")))
monthly("three pens at once", fills=(fill("2026-11-20", pens=3),))
monthly("no answer of a payer", payer=(plain_answer((concept("70553"), None)),))

# Places
SUITE: Json = {"resourceType": "Location", "id": "s", "type": [concept("11", POS)]}
AT_SUITE = [{"actor": {"reference": "Patient/p"}}, {"actor": {"reference": "Location/s"}}]
for code, must in (("11", "site-of-care-mismatch"), ("19", ""), ("22", "")):
    chart(
        f"approved for the hospital, booked at place {code}",
        must,
        ehr=[*EHR[:-1], visit(participant=AT_SUITE), {**SUITE, "type": [concept(code, POS)]}],
        payer=PAYER,
    )
