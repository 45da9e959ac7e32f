"""Patients for whom nothing may be found (docs/domain.md, must not fire)."""

from __future__ import annotations

from .chart import HCPCS, NDC, coded
from .drugs import INFUSED, INJECTED, NATALIZUMAB, OCRELIZUMAB, SINGLE
from .story import story, well
from .verbs import Verbs

CLAIMED = ("pas22", "pas20", "added", "added-a2", "detail", "denied-added", "extra", "plain")


@story(drugs=INFUSED)
def all_is_well(c: Verbs) -> None:
    well(c)


@story(drugs=INFUSED)
def all_is_well_tomorrow(c: Verbs) -> None:
    well(c, on=1)


@story(drugs=tuple(drug for drug in INFUSED if drug.interval > 30))
def all_is_well_and_far_away(c: Verbs) -> None:
    well(c, "dispense", "premeds", on=24)


@story(drugs=INFUSED)
def done_yesterday(c: Verbs) -> None:
    first = -1 - (c.drug.visits - 1) * c.drug.spacing
    well(c, "visit", on=first)
    for record in list(c.made.values()):
        if record["resourceType"] == "MedicationDispense":
            record["whenHandedOver"] = c.moment(first - 2)
    for n in range(c.drug.visits):
        day = first + n * c.drug.spacing
        order = f"order{n}" if n and f"order{n}" in c.made else "order"
        c.visit(f"visit{n or ''}", on=day, order=order, status="fulfilled")
        c.give(f"given{n}", day, order=order)


@story(course=("count", "orders", "dosages", "events"))
def the_initial_pair(c: Verbs) -> None:
    c.cover()
    c.order(mg=300, visits=2)
    c.premedicate(visits=2)
    c.visit()
    c.visit("second", on=21, order="order1" if "order1" in c.made else "order")
    c.approve(mg=600, visits=2)
    c.dispense(mg=600)


@story(course=("count", "orders", "dosages", "events"))
def between_the_two_halves(c: Verbs) -> None:
    c.cover()
    c.order(mg=300, visits=2, on=-9)
    c.premedicate(on=5)
    c.visit(on=-9, status="fulfilled")
    c.give("first", -9, mg=300, order="order")
    c.visit("second", on=5, order="order1" if "order1" in c.made else "order")
    c.approve(mg=600, visits=2)
    c.dispense(mg=300, on=-12)
    c.dispense("rest", mg=300, on=-1, order="order1" if "order1" in c.made else "order")


@story(granted=CLAIMED)
def authorized_for_a_year_ordered_once(c: Verbs) -> None:
    well(c, "auth")
    c.approve(mg=1200, visits=2, days=(-20, 345))


@story(drugs=INFUSED, granted=("pas22", "pas20"))
def no_authorization_is_needed(c: Verbs) -> None:
    well(c, "auth")
    c.decide("na", "NA")


@story(drugs=INFUSED)
def not_required_by_the_payer(c: Verbs) -> None:
    well(c, "auth")
    c.require(required=False)
    c.require(c.drug.service, "needs-admin", required=False)


@story(drugs=INFUSED, granted=CLAIMED)
def the_authorization_ends_on_the_last_day(c: Verbs) -> None:
    """Slip risk is a note (S3), and no S2."""
    well(c, "auth")
    c.approve(days=(-100, 7 + (c.drug.visits - 1) * c.drug.spacing + 8))


@story(drugs=SINGLE, granted=CLAIMED)
def pended_then_approved(c: Verbs) -> None:
    well(c, "auth")
    c.decide("first", "A4", number="PEND", issued=-17)
    c.approve()


@story(drugs=SINGLE, granted=CLAIMED)
def denied_then_approved(c: Verbs) -> None:
    well(c, "auth")
    c.decide("first", "A3", issued=-17)
    c.approve()


@story(drugs=INFUSED)
def dispensed_in_two_parts(c: Verbs) -> None:
    well(c, "dispense")
    total = c.drug.mg * c.drug.visits
    half = c.drug.package_mg * max(1, total // c.drug.package_mg // 2)
    c.dispense(mg=half, on=-3)
    if total > half:
        c.dispense("rest", mg=total - half, on=-1)


@story(drugs=SINGLE)
def a_dispense_was_cancelled_and_made_again(c: Verbs) -> None:
    well(c, "dispense")
    c.dispense("first", status="cancelled", on=-3)
    c.dispense()


@story(drugs=SINGLE)
def the_therapy_was_stopped(c: Verbs) -> None:
    c.history()
    c.cover()
    c.order(status="stopped")


@story(drugs=SINGLE)
def the_person_died(c: Verbs) -> None:
    c.patient = {"deceasedDateTime": str(c.day(-3))}
    well(c, "auth", "premeds", "dispense")


@story(drugs=SINGLE)
def the_record_is_inactive(c: Verbs) -> None:
    c.patient = {"active": False}
    well(c, "auth", "premeds", "dispense")


@story(drugs=SINGLE)
def a_dentist_too(c: Verbs) -> None:
    well(c)
    for n, text in enumerate(("Dental cleaning", "MRI brain", "Neurology follow-up")):
        c.add("Appointment", f"other{n}", status="booked", start=c.moment(6 + n, 15),
              end=c.moment(6 + n, 16), serviceType=[{"text": text}])  # fmt: skip


@story(drugs=SINGLE)
def rebooked(c: Verbs) -> None:
    well(c, "visit")
    c.visit("old", on=5, status="cancelled")
    c.visit()


@story(drugs=SINGLE)
def revised_by_a_new_order(c: Verbs) -> None:
    well(c, "order", "visit", "dispense", "auth", "premeds")
    c.order("first", status="stopped", written=-40)
    prior = c.refer("first", c.source("MedicationRequest"))
    c.order(priorPrescription=prior) if prior else c.order()
    c.premedicate()
    c.visit()
    c.approve()
    c.dispense()


@story(drugs=SINGLE)
def entered_in_error(c: Verbs) -> None:
    well(c)
    c.order("wrong", mg=c.drug.mg * 3, status="entered-in-error", groupIdentifier=None)
    c.dispense("never", status="entered-in-error")
    c.give("nothing", -1, status="entered-in-error")


@story(drugs=SINGLE)
def a_plan_and_an_instance_beside_the_order(c: Verbs) -> None:
    well(c)
    c.order("plan", intent="plan", written=-60, valid=None)
    based = c.refers("order", c.source("MedicationRequest"))
    if based:
        c.order("instance", intent="instance-order", written=-1, basedOn=based)


@story(
    drugs=INJECTED,
    product=("rxnorm", "ndc10", "ndc11", "ndc11plain", "text"),
    dose=("mg", "g", "text"),
)
def injected_at_home(c: Verbs) -> None:
    c.cover()
    c.order(on=5, mg=c.drug.mg, written=-60, visits=1)
    packs = 2 if c.drug.name == "adalimumab" else 1
    if packs == 1:
        c.dispense(mg=c.drug.mg, on=-2)


@story(drugs=SINGLE)
def another_drug_of_the_pharmacy(c: Verbs) -> None:
    well(c)
    c.dispense("baclofen", product={"medicationCodeableConcept": {"text": "baclofen 10 mg tablet"}},
               how="EA", order="", mg=c.drug.package_mg)  # fmt: skip


@story(drugs=(OCRELIZUMAB,))
def switched_from_natalizumab(c: Verbs) -> None:
    well(c, "history")
    c.drug, drug = NATALIZUMAB, c.drug
    c.give("last", -40)
    c.drug = drug
    c.give("half0", 7 - 182, mg=300)
    c.give("half1", 7 - 168, mg=300)


@story(drugs=SINGLE, house=("us-core", "epic"))
def ordered_long_before(c: Verbs) -> None:
    well(c, order={"written": -150, "valid": (-150, 200)})


@story(drugs=SINGLE)
def paused_and_resumed_on_the_same_day(c: Verbs) -> None:
    well(c, "visit", "dispense", on=-1)
    c.dispense(on=-3)
    c.visit(on=-1, status="fulfilled")
    c.give("begun", -1, mg=c.drug.mg / 2, status="stopped", order="order")
    c.give("ended", -1, mg=c.drug.mg / 2, order="order")


@story(drugs=(OCRELIZUMAB,), granted=("pas22",))
def a_cosmetic_claim_with_another_code(c: Verbs) -> None:
    """A denied MRI says nothing of the infusion."""
    well(c)
    c.claim("mri", [{"sequence": 1, "productOrService": coded(HCPCS, "70553")}],
            [{"itemSequence": 1, "adjudication": [{"category": {"text": "denied"}}]}],
            disposition="Denied")  # fmt: skip


@story(drugs=(OCRELIZUMAB,))
def a_code_of_no_drug(c: Verbs) -> None:
    well(c)
    flush = {"medicationCodeableConcept": coded(NDC, "8290-3065-46", "saline flush")}
    c.dispense("flush", product=flush, how="EA", order="", mg=300)


def sent_to_the_pharmacy(c: Verbs, number: bool) -> None:
    """The orders as the pharmacy keeps them, under a number of its own or none."""
    for order in c.orders():
        copy = {**order, "id": f"rx-{order['id']}", "subject": c.person("pharmacy")}
        copy.pop("groupIdentifier", None)
        copy.pop("identifier", None)
        if number:
            copy["identifier"] = [{"system": "http://pharmacy.example/rx", "value": copy["id"]}]
        if not copy.get("contained") and copy.pop("medicationReference", None):
            copy |= c.product("text")
        c.sources["pharmacy"].append(copy)


@story(drugs=SINGLE, estate=("three", "mirrored"))
def the_pharmacy_shows_the_order_too(c: Verbs) -> None:
    well(c)
    sent_to_the_pharmacy(c, number=False)


@story(drugs=SINGLE, estate=("three", "mirrored"))
def the_pharmacy_shows_the_order_under_its_own_number(c: Verbs) -> None:
    well(c)
    sent_to_the_pharmacy(c, number=True)


@story("order-without-appt", drugs=SINGLE, estate=("three", "mirrored"))
def an_order_on_two_servers_that_nobody_booked(c: Verbs) -> None:
    well(c, "visit")
    sent_to_the_pharmacy(c, number=True)
