"""Labeled stories at the edges: the golden scenarios as records, boundary days, partial dates,
other forms of a payer's answer, and what looks like trouble and is none."""

from __future__ import annotations

from .chart import CPT, HCPCS, NDC, coded, quantity
from .drugs import (
    ALEMTUZUMAB,
    INFUSED,
    NATALIZUMAB,
    OCRELIZUMAB,
    RITUXIMAB,
    SINGLE,
    UBLITUXIMAB,
    ZUNOVO,
)
from .payer import CRD
from .story import story, well
from .verbs import Verbs

CLAIMED = ("pas22", "pas20", "added", "added-a2", "detail", "denied-added", "extra", "plain")
NAMED = ("pas22", "pas20", "added", "denied-added")
OCREVUS_ONLY = (OCRELIZUMAB,)

# --- golden


@story("auth-missing-admin", "order-without-appt interval-overdue", granted=("pas22", "pas20"))
def e1_the_drug_is_free_the_infusion_is_not_approved(c: Verbs) -> None:
    c.cover()
    c.order(on=-21, written=-60)
    c.premedicate(on=-21)
    c.decide("free", "NA", admin=False)
    c.require(c.drug.service)


@story("premed-order-missing")
def e2_leaving_for_the_appointment(c: Verbs) -> None:
    well(c, "premeds", on=1)


@story("dispense-missing", course=("count", "orders"))
def e3_the_second_half_was_not_ordered_in_time(c: Verbs) -> None:
    c.cover()
    c.order(mg=300, visits=2, on=-11)
    c.premedicate(on=3)
    c.visit(on=-11, status="fulfilled")
    c.give("first", -11, mg=300, order="order")
    c.visit("second", on=3, order="order1" if "order1" in c.made else "order")
    c.approve(mg=600, visits=2)
    first = ["order"]
    c.dispense(mg=300, on=-13, order=first[0] if "order1" not in c.made else "order")


@story("auth-missing-drug auth-missing-admin")
def e4_nothing_is_authorized(c: Verbs) -> None:
    well(c, "auth", "dispense")


@story(
    "auth-per-visit-mismatch",
    "single-vs-split-unclear",
    granted=CLAIMED,
)
def e6_approved_for_half_two_times(c: Verbs) -> None:
    well(c, "auth")
    c.approve(each=[(7, 300), (21, 300)], visits=1)


@story(granted=CLAIMED, billed=("UN", "units"))
def e6b_billing_units_and_two_visits(c: Verbs) -> None:
    well(c, "auth")
    c.approve(visits=2)


@story(
    "site-of-care-mismatch dispense-wrong-destination",
    "home-admin-auth-missing site-schedule-mismatch",
    granted=NAMED,
)
def e7_at_home_at_last(c: Verbs) -> None:
    well(c, "auth", "visit", "dispense")
    c.visit(site="home")
    c.approve(pos="22")
    c.dispense(destination=c.place("hospital", c.source("MedicationDispense")))


# --- payers


@story("auth-missing-drug auth-missing-admin", "", INFUSED, granted=CLAIMED)
def canceled_by_the_payer(c: Verbs) -> None:
    well(c, "auth")
    c.decide("gone", "C")


@story("auth-denied", "auth-missing-admin auth-missing-drug", SINGLE)
def not_covered_says_the_order(c: Verbs) -> None:
    rows = [
        {"url": "covered", "valueCode": "not-covered"},
        {"url": "coverage-assertion-id", "valueString": "A1"},
        {"url": "date", "valueDate": str(c.day(-10))},
    ]
    well(c, "auth", order={"extension": [{"url": CRD, "extension": rows}]})
    c.approve(drug=False, form="pas22")


@story("auth-missing-drug", "", SINGLE)
def needed_says_the_order(c: Verbs) -> None:
    rows = [
        {"url": "covered", "valueCode": "covered"},
        {"url": "pa-needed", "valueCode": "auth-needed"},
        {"url": "coverage-assertion-id", "valueString": "A1"},
        {"url": "date", "valueDate": str(c.day(-10))},
    ]
    well(c, "auth", order={"extension": [{"url": CRD, "extension": rows}]})
    c.approve(drug=False, form="pas22")


@story(drugs=SINGLE)
def not_needed_says_the_order(c: Verbs) -> None:
    rows = [
        {"url": "covered", "valueCode": "covered"},
        {"url": "pa-needed", "valueCode": "no-auth"},
        {"url": "coverage-assertion-id", "valueString": "A1"},
        {"url": "date", "valueDate": str(c.day(-10))},
    ]
    well(c, "auth", order={"extension": [{"url": CRD, "extension": rows}]})
    c.approve(drug=False, form="pas22")


@story("auth-pended-near-appt", granted=("pas22", "pas20"))
def pended_two_days_before_expedited(c: Verbs) -> None:
    well(c, "auth", on=2)
    c.decide("p", "A4", number="PEND1", priority="stat")


@story(granted=("pas22", "pas20"))
def pended_five_days_before_expedited(c: Verbs) -> None:
    well(c, "auth", on=5)
    c.decide("p", "A4", number="PEND1", priority="stat")


@story(drugs=INFUSED)
def pended_with_time_left(c: Verbs) -> None:
    well(c, "auth", "dispense", on=15)
    c.decide("p", "A4", number="PEND1")


@story("auth-short-total", granted=CLAIMED)
def half_of_it_used_up(c: Verbs) -> None:
    """900 mg for a year, 600 mg of them given half a year ago."""
    well(c, "auth")
    c.approve(mg=900, visits=2, days=(-190, 170), issued=-185)


@story(drugs=(OCRELIZUMAB, UBLITUXIMAB, NATALIZUMAB), granted=("pas22", "plain"))
def authorized_by_ndc(c: Verbs) -> None:
    """As pharmacies bill: NDC and milliliters, or each."""
    well(c, "auth")
    value = quantity(int(c.drug.ml(c.drug.mg)), "ML")
    asked = [
        {"sequence": 1, "productOrService": coded(NDC, c.drug.ndc[1]), "quantity": value},
        {"sequence": 2, "productOrService": coded(CPT, c.drug.service), "quantity": quantity(1)},
    ]
    span = (str(c.day(-20)), str(c.day(160)))
    c.claim("n", asked, [], number="N1", span=span, disposition="Approved")


@story("coverage-lapsed", "", SINGLE)
def not_in_force_says_the_payer(c: Verbs) -> None:
    well(c, "coverage")
    c.require(required=False)
    c.made["needs"]["insurance"][0]["inforce"] = False


@story(drugs=SINGLE)
def an_old_plan_ended_and_the_new_one_approved(c: Verbs) -> None:
    well(c, "coverage")
    c.cover("old", payor="Old Plan", status="cancelled", days=(-700, -300))
    c.cover()


@story(drugs=OCREVUS_ONLY, granted=CLAIMED)
def a_second_answer_replaces_the_first(c: Verbs) -> None:
    """Half was approved; the corrected answer to the same request approves all."""
    well(c, "auth")
    c.approve("first", mg=300, issued=-16)
    c.approve(issued=-10)


@story(granted=CLAIMED)
def months_are_enough(c: Verbs) -> None:
    """Periods that name only months cover all of their days."""
    well(c, "auth", "coverage")
    c.cover()
    c.made["cover"]["period"] = {"start": str(c.day(-300).year), "end": str(c.day(40))[:7]}
    c.approve()
    answer = c.made["answer-auth"]
    answer["preAuthPeriod"] = {"start": str(c.day(-40))[:7], "end": str(c.day(60))[:7]}
    for row in [*(answer.get("item") or []), *(answer.get("addItem") or [])]:
        row["extension"] = [
            each for each in row.get("extension", []) if "itemPreAuthPeriod" not in each["url"]
        ]


# --- boundary days


@story("auth-missing-drug auth-missing-admin")
def three_weeks_before(c: Verbs) -> None:
    well(c, "auth", "premeds", "dispense", on=21)


@story()
def three_weeks_and_a_day_before(c: Verbs) -> None:
    well(c, "auth", "premeds", "dispense", on=22)


@story(drugs=(OCRELIZUMAB, ZUNOVO, UBLITUXIMAB, RITUXIMAB))
def premedication_has_time(c: Verbs) -> None:
    well(c, "premeds", on=8)


@story(drugs=INFUSED)
def supply_has_time(c: Verbs) -> None:
    well(c, "dispense", on=11)


@story("interval-too-early", drugs=(OCRELIZUMAB, ZUNOVO))
def a_day_before_twenty_weeks(c: Verbs) -> None:
    well(c, "history")
    c.give("before", 7 - 139)


@story("", "interval-too-early no-owner", drugs=(OCRELIZUMAB, ZUNOVO))
def at_twenty_weeks(c: Verbs) -> None:
    """S3: a person confirms."""
    well(c, "history")
    c.give("before", 7 - 140)


@story("interval-too-early", drugs=(ALEMTUZUMAB,))
def a_year_is_not_over(c: Verbs) -> None:
    well(c, "history")
    for n in range(5):
        c.give(f"before{n}", 7 - 350 + n)


@story(granted=CLAIMED)
def the_half_year_counts_from_the_first_half(c: Verbs) -> None:
    well(c, "history")
    c.give("half0", 7 - 182, mg=300)
    c.give("half1", 7 - 168, mg=300)


# --- orders


@story("appt-without-order", "auth-missing-drug auth-missing-admin", SINGLE, visit=("reason",))
def only_a_proposal(c: Verbs) -> None:
    c.history()
    c.cover()
    c.order("thought", intent="proposal")
    c.visit(order=None)


@story("order-not-active", "", SINGLE)
def stopped_and_still_booked(c: Verbs) -> None:
    well(c, "dispense", order={"status": "stopped"})


@story(drugs=SINGLE)
def filled_by_the_pharmacy(c: Verbs) -> None:
    """The pharmacy's own order for the same dose."""
    well(c)
    pharmacy = c.source("MedicationDispense")
    based = c.refers("order", pharmacy)
    if based:
        c.order("filled", intent="filler-order", basedOn=based, source=pharmacy)


@story("dispense-missing", "dispense-late", SINGLE)
def only_promised_for_tomorrow(c: Verbs) -> None:
    """A mere promise no longer counts, so nothing is there."""
    well(c, "dispense", on=1)
    c.dispense(status="preparation", when=c.moment(-2))


@story("dispense-missing", "", SINGLE)
def declined_by_the_pharmacy(c: Verbs) -> None:
    well(c, "dispense", on=3)
    c.dispense(status="declined")


@story(drugs=OCREVUS_ONLY)
def at_home_with_a_nurse(c: Verbs) -> None:
    well(c, "auth", "visit")
    c.visit(site="home")
    c.approve("drug", admin=False, form="pas22")
    c.approve(drug=False, service="99601", pos="12", form="pas22")


@story(drugs=SINGLE)
def weekly_lessons_of_somebody_else(c: Verbs) -> None:
    """Visits of another kind, and an infusion long past."""
    well(c)
    for n in range(3):
        c.add(
            "Appointment", f"pt{n}", status="booked", start=c.moment(n, 15), end=c.moment(n, 16),
            serviceType=[{"text": "Physical therapy"}],
        )  # fmt: skip
    c.visit("old", on=-200, status="fulfilled", order=None)


@story(drugs=OCREVUS_ONLY)
def an_mri_was_denied(c: Verbs) -> None:
    well(c)
    asked = [{"sequence": 1, "productOrService": coded(CPT, "70553"), "quantity": quantity(1)}]
    c.claim("mri", asked, [], disposition="Denied")
    c.decide("other", "A3", drug=False, admin=False)


@story("auth-denied", drugs=OCREVUS_ONLY)
def denied_in_words(c: Verbs) -> None:
    """A plain answer, without a review action."""
    well(c, "auth")
    rows = [coded(HCPCS, c.drug.hcpcs), coded(CPT, c.drug.service)]
    asked = [{"sequence": n, "productOrService": row} for n, row in enumerate(rows, 1)]
    c.claim("no", asked, [], disposition="Denied: not medically necessary")
