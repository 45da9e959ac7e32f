"""Labeled stories: what has to be found, written from docs/domain.md and clinical sense.

The numbers are those of the rules. A week ahead of the visit unless said otherwise.
"""

from __future__ import annotations

from typing import Any

from .chart import CPT, HCPCS, NDC, coded
from .drugs import (
    ALEMTUZUMAB,
    INFLIXIMAB,
    INFUSED,
    IVIG,
    NATALIZUMAB,
    OCRELIZUMAB,
    SINGLE,
    UBLITUXIMAB,
    ZUNOVO,
)
from .story import story, well
from .verbs import Verbs

PREMEDICATED = tuple(each for each in INFUSED if each.premeds)
WITH_MINIMUM = (OCRELIZUMAB, ZUNOVO)
CLAIMED = ("pas22", "pas20", "added", "added-a2", "detail", "denied-added", "extra", "plain")
REVIEWED = CLAIMED[:-1]
MASSES = ("UN", "units", "mg", "annotated", "bare")
DATED = ("event", "bounds")

# --- A. authorization


@story("auth-missing-drug auth-missing-admin", "dispense-missing", INFUSED)
def nothing_authorized(c: Verbs) -> None:
    well(c, "auth")
    c.claim("other", [], [])  # the payer is read, and knows nothing of it
    for source in c.sources.values():
        source[:] = [r for r in source if r["resourceType"] not in ("Claim", "ClaimResponse")]


@story("auth-missing-drug", "", INFUSED, granted=CLAIMED)
def the_drug_is_required_and_missing(c: Verbs) -> None:
    well(c, "auth")
    c.approve(drug=False)
    c.require()


@story("auth-missing-admin", "admin-without-auth", INFUSED, granted=CLAIMED)
def the_infusion_is_missing(c: Verbs) -> None:
    well(c, "auth")
    c.approve(admin=False)
    c.require(c.drug.service)


@story("auth-pended-near-appt", "", INFUSED)
def pended_a_week_before(c: Verbs) -> None:
    well(c, "auth")
    c.decide("p", "A4", number="PEND1")


@story("auth-pended-near-appt", "", INFUSED)
def queued_a_week_before(c: Verbs) -> None:
    well(c, "auth")
    codes = (coded(HCPCS, c.drug.hcpcs), coded(CPT, c.drug.service))
    asked = [{"sequence": n, "productOrService": code} for n, code in enumerate(codes, 1)]
    c.claim("q", asked, [], outcome="queued")


@story("auth-denied", "", INFUSED)
def denied(c: Verbs) -> None:
    well(c, "auth")
    c.decide("d", "A3", processNote=[{"text": "Not medically necessary"}])


@story("auth-denied", "auth-missing-drug", INFUSED, granted=CLAIMED)
def the_drug_is_denied(c: Verbs) -> None:
    well(c, "auth")
    c.approve(drug=False)
    c.decide("d", "A3", admin=False)


@story("auth-short-total", "", SINGLE, granted=CLAIMED, billed=MASSES)
def half_authorized(c: Verbs) -> None:
    well(c, "auth")
    c.approve(mg=c.drug.mg / 2 if c.drug is not ZUNOVO else 460)


@story("auth-per-visit-mismatch", "single-vs-split-unclear", granted=CLAIMED)
def right_total_wrong_visits(c: Verbs) -> None:
    well(c, "auth")
    c.approve(each=[(7, 300), (21, 300)], visits=2)


@story("auth-visits-short", "", granted=(*CLAIMED, "crd"), course=("count", "orders"))
def one_infusion_of_two(c: Verbs) -> None:
    c.cover()
    c.order(mg=300, visits=2)
    c.premedicate(visits=2)
    c.visit()
    c.visit("second", on=21, order="order1" if "order1" in c.made else "order")
    c.approve(mg=600, visits=1)
    c.dispense(mg=600)


@story("auth-expires-before-appt", "", INFUSED)
def ends_the_day_before(c: Verbs) -> None:
    well(c, "auth")
    c.approve(days=(-100, 6))


@story("auth-not-yet-effective", "", INFUSED)
def begins_the_day_after(c: Verbs) -> None:
    last = 7 + (c.drug.visits - 1) * c.drug.spacing
    well(c, "auth")
    c.approve(days=(last + 1, 180))


@story("auth-wrong-product", "", (OCRELIZUMAB, ZUNOVO), granted=CLAIMED)
def the_other_product_is_authorized(c: Verbs) -> None:
    well(c, "auth")
    c.approve(code=c.drug.wrong[0])


@story("site-of-care-mismatch", "site-schedule-mismatch", SINGLE, granted=CLAIMED)
def authorized_at_the_hospital_booked_elsewhere(c: Verbs) -> None:
    well(c, "auth", "visit")
    c.visit(site="suite")
    c.approve(pos="22")


@story(
    "home-admin-auth-missing",
    "site-of-care-mismatch auth-missing-admin",
    (OCRELIZUMAB, INFLIXIMAB),
    granted=REVIEWED,
)
def at_home_without_a_nurse(c: Verbs) -> None:
    well(c, "auth", "visit")
    c.visit(site="home")
    c.approve()


@story("coverage-lapsed", "", INFUSED)
def coverage_ends_before(c: Verbs) -> None:
    well(c, "coverage")
    c.cover(days=(-300, 3))


@story("coverage-lapsed", "", INFUSED)
def coverage_is_cancelled(c: Verbs) -> None:
    well(c, "coverage")
    c.cover(status="cancelled")


@story("payer-changed", "", INFUSED, granted=CLAIMED)
def another_payer_now(c: Verbs) -> None:
    well(c, "coverage", "auth")
    c.cover("old", status="cancelled", days=(-700, -2))
    c.cover(payor="New Plan", days=(-1, None))
    c.approve(insurer="Old Plan")


# --- B. order


@story("appt-without-order", "", SINGLE, visit=("words", "reason", "description", "code"))
def booked_and_never_ordered_again(c: Verbs) -> None:
    c.history()
    c.cover()
    c.order(on=7 - c.drug.interval, status="completed", written=-40 - c.drug.interval,
            valid=(-40 - c.drug.interval, 10 - c.drug.interval))  # fmt: skip
    c.visit(order=None)
    c.approve(form="pas22")


@story("order-not-active", "", INFUSED)
def on_hold(c: Verbs) -> None:
    well(c, order={"status": "on-hold", "statusReason": {"coding": [{"code": "clarif"}]}})


@story("order-not-active", "", INFUSED, house=("us-core", "epic"))
def the_order_expires_before(c: Verbs) -> None:
    well(c, order={"valid": (-120, 3)})


@story(
    "duplicate-order",
    "link-ambiguous dispense-short dispense-missing auth-short-total appt-count-mismatch"
    " auth-visits-short single-vs-split-unclear order-without-appt",
    SINGLE,
    when=DATED,
    link=("explicit", "attributes"),
)
def ordered_twice(c: Verbs) -> None:
    well(c)
    c.order("again", written=-3, groupIdentifier=None)


@story("dose-outside-label", "", (OCRELIZUMAB, UBLITUXIMAB, NATALIZUMAB, ZUNOVO))
def twice_the_dose(c: Verbs) -> None:
    c.history()
    c.cover()
    c.order(mg=c.drug.mg * 2)
    c.premedicate()
    c.visit()
    c.approve(mg=c.drug.mg * 2)
    c.dispense(mg=c.drug.mg * 2)


@story("dose-outside-label", "single-vs-split-unclear")
def the_full_dose_at_the_very_first_visit(c: Verbs) -> None:
    """That nobody recorded an earlier dose proves nothing; the order says that it is the first."""
    well(c, "history", order={"note": [{"text": "New start, first infusion"}]})


@story(
    "single-vs-split-unclear",
    "auth-per-visit-mismatch dose-outside-label",
    dose=("mg", "g", "mL"),
    course=("count",),
)
def the_text_says_two_times(c: Verbs) -> None:
    well(c, order={"text": "300 mg x2 IV"})


@story("premed-order-missing", "", PREMEDICATED)
def nothing_to_take_before(c: Verbs) -> None:
    well(c, "premeds")


@story("premed-order-missing", "", tuple(d for d in PREMEDICATED if len(d.premeds) > 1))
def only_the_steroid(c: Verbs) -> None:
    well(c, "premeds")
    c.premedicate(c.drug.premeds[:1])


# --- C. schedule


@story("interval-too-early", "", WITH_MINIMUM)
def too_early(c: Verbs) -> None:
    well(c, "history")
    c.give("before", 7 - 130)


@story(
    "interval-overdue",
    "order-without-appt appt-without-order order-not-active auth-missing-drug"
    " auth-missing-admin dispense-late",
    SINGLE,
    house=("us-core",),
)
def nobody_gave_it(c: Verbs) -> None:
    """Due five weeks ago, not booked."""
    late: dict[str, Any] = {"written": -60, "valid": (-60, 60)}
    well(c, "visit", "history", "premeds", "dispense", on=-35, order=late)
    c.give("before", -35 - c.drug.interval)


# --- D. supply


@story("dispense-missing", "", INFUSED)
def nothing_dispensed_three_days_before(c: Verbs) -> None:
    well(c, "dispense", on=3)
    other = c.dispense("old", on=7 - c.drug.interval, order="")
    other["whenHandedOver"] = c.moment(-c.drug.interval - 2)


@story("dispense-short", "", tuple(d for d in SINGLE if d.mg > d.package_mg))
def half_dispensed(c: Verbs) -> None:
    well(c, "dispense")
    c.dispense(mg=c.drug.package_mg * (c.drug.mg // c.drug.package_mg // 2))


@story("dispense-short", "dispense-missing", (IVIG,))
def a_vial_less_than_a_course_takes(c: Verbs) -> None:
    well(c, "dispense", on=3)
    c.dispense(mg=70000)


@story("dispense-missing", "", (ALEMTUZUMAB, IVIG))
def the_first_day_of_a_course_only(c: Verbs) -> None:
    well(c, "dispense", on=2)
    c.dispense(mg=c.drug.mg)


@story("dispense-short", "")
def a_declared_part_fill(c: Verbs) -> None:
    well(c, "dispense")
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    c.dispense(mg=300, type=coded(system, "FFP"))


@story("dispense-over", "", INFUSED)
def too_much_dispensed(c: Verbs) -> None:
    well(c, "dispense")
    c.dispense()
    c.dispense("second", on=-2)


@story("dispense-late", "", INFUSED)
def still_in_progress_the_day_before(c: Verbs) -> None:
    well(c, "dispense", on=1)
    c.dispense(status="in-progress", when=c.moment(-2))


@story("dispense-wrong-destination", "", SINGLE)
def sent_elsewhere(c: Verbs) -> None:
    well(c, "dispense", "visit", "auth")
    c.visit(site="suite")
    c.approve(form="pas22")
    place = c.place("home", c.source("MedicationDispense"))
    c.dispense(destination=place)


@story(
    "dispense-wrong-product", "dispense-missing dispense-short", (OCRELIZUMAB, ZUNOVO, ALEMTUZUMAB)
)
def another_product_dispensed(c: Verbs) -> None:
    well(c, "dispense")
    wrong = {"medicationCodeableConcept": coded(NDC, c.drug.wrong[1])}
    c.dispense(product=wrong, how="EA")


@story(
    "unplanned-split-balance",
    "dispense-short auth-visits-short admin-short interval-overdue",
    course=("count",),
)
def half_given_because_half_was_there(c: Verbs) -> None:
    well(c, "history", "visit", "dispense", on=-2)
    c.give("before", -2 - 182)
    c.visit(on=-2, status="fulfilled")
    c.dispense(mg=300, on=-4)
    c.give("half", -2, mg=300, order="order")


@story("admin-over", "", tuple(d for d in SINGLE))
def given_twice_as_much(c: Verbs) -> None:
    well(c, "visit", "history", on=-2)
    c.give("before", -2 - c.drug.interval)
    c.visit(on=-2, status="fulfilled")
    c.give("given", -2, mg=c.drug.mg * 2, order="order")


# --- F. quality


@story("unit-ambiguous", "", SINGLE, granted=("pas20", "pas22"), billed=("bare",))
def the_guides_own_quantity(c: Verbs) -> None:
    """PAS's examples: value 1, no unit."""
    well(c, "auth")
    c.approve()
    for source in c.sources.values():
        for record in source:
            if record["resourceType"] in ("Claim", "ClaimResponse"):
                _ones(record)


def _ones(node: object) -> None:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("quantity", "valueQuantity") and isinstance(value, dict):
                node[key] = {"value": 1}
            else:
                _ones(value)
    elif isinstance(node, list):
        for each in node:
            _ones(each)
