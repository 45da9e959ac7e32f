"""How records become a ledger, where a scenario would not show it: columns, ties, keys, order."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from zoneinfo import ZoneInfo

import pytest

from fhirbridge.core import facts as f
from fhirbridge.core.authorizing import UNSAID, covers, side_answered
from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.granted import item_of, side_of
from fhirbridge.core.linking import Web
from fhirbridge.core.quantity import Amount, mg
from tests.scenarios.scenario import formulary

from .tellings import ORDER, VISIT, ZONE, ledger, only, told


def approved(line: str) -> f.Authorization:
    (fact,) = told(line)
    assert isinstance(fact, f.Authorization)
    return fact


def test_a_visit_that_its_order_names_keeps_its_key_beside_a_dose_that_nothing_names() -> None:
    """Whether the dose lies so near that it may be of the same order, or does not."""
    for day in ("21 November", "2 October"):
        occasions = ledger(ORDER, VISIT, f"given g1 {day} 2026, 600 mg").occasions
        assert [o.key for o in occasions if o.visit] == ["ehr:MedicationRequest/o1#1"]


def test_an_occasion_is_named_by_the_number_of_the_first_order_of_its_chain() -> None:
    first = "order o1 ocrelizumab 600 mg, 1 visit, number RX1, stopped, written 1 May 2026"
    second = "order o2 ocrelizumab 600 mg, 1 visit, renews o1, written 1 October 2026"
    assert only(first, second).key == "urn:number|RX1#1"


def test_a_renewal_of_an_order_that_was_not_read_goes_by_its_name() -> None:
    (order,) = told(ORDER)
    assert isinstance(order, f.Order)
    renewal = replace(order, chain="ehr:MedicationRequest/older")
    (occasion,) = book([renewal], formulary(), Calendar(ZONE)).occasions
    assert occasion.key == "ehr:MedicationRequest/older#1"


def test_a_visit_that_names_an_order_of_no_drug_may_have_one() -> None:
    order, visit, given = told(
        "order o1 ocrelizumab 600 mg, 1 visit", VISIT, "given g1 600 mg, 1 June 2026"
    )
    silent = replace(order, codes=(), text="")
    for state, named in ((f.State.ACTIVE, 1), (f.State.WITHDRAWN, 0)):
        facts = [replace(silent, state=state), visit, given]
        (dose,) = book(facts, formulary(), Calendar(ZONE)).occasions
        assert (dose.order, len(dose.unclear_orders)) == (None, named)


NEW = "order o2 ocrelizumab 600 mg, 1 visit, written 10 November 2026"


@pytest.mark.parametrize(
    ("old", "new", "chains"),
    [
        ("stopped, on 8 December 2026", f"{NEW}, on 8 December 2026", 1),
        ("stopped, on 8 December 2026", f"{NEW}, on 29 December 2026", 1),
        ("stopped, on 8 December 2026", f"{NEW}, on 30 December 2026", 2),
        ("stopped, written 10 November 2026", f"{NEW}, on 8 December 2026", 1),
        ("stopped, written 11 May 2026", NEW, 1),
        ("stopped, written 10 May 2026", NEW, 2),  # half a year: it was for another dose
        ("stopped, written 11 November 2026", NEW, 2),  # canceled after: nobody replaced it
        ("stopped", NEW, 2),
        ("stopped, written 10 November 2026", NEW.replace(", written 10 November 2026", ""), 2),
        ("stopped, written 1 October 2026", f"{NEW}, source pharmacy", 2),
        ("written 1 October 2026", NEW, 2),
        ("stopped, written 1 October 2026", f"{NEW}, stopped", 2),
    ],
)
def test_an_order_that_was_called_off_and_written_anew_is_one(
    old: str, new: str, chains: int
) -> None:
    made = ledger(f"order o1 ocrelizumab 600 mg, 1 visit, {old}", new, VISIT)
    assert len({o.chain for o in made.occasions}) == chains


def test_the_visit_of_a_replaced_order_is_of_the_one_in_force_and_keeps_its_key() -> None:
    old = "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026"
    before = only(old, VISIT)
    after = only(f"{old}, stopped", NEW, VISIT)
    assert before.key == after.key
    assert after.order is not None
    assert (after.order.ref.id, after.actionable) == ("o2", True)


def test_what_a_replaced_order_renewed_is_of_the_same_chain() -> None:
    first = "order o3 ocrelizumab 600 mg, 1 visit, stopped, written 1 May 2026"
    second = "order o1 ocrelizumab 600 mg, 1 visit, renews o3, stopped, written 1 October 2026"
    assert only(first, second, NEW, VISIT).key == "ehr:MedicationRequest/o3#1"


def test_orders_that_renew_one_another_are_one_chain() -> None:
    first, second = told(ORDER, "order o2 ocrelizumab 600 mg, 1 visit, renews o1")
    assert isinstance(first, f.Order)
    circle = replace(first, chain=second.ref.name)
    assert len(book([circle, second], formulary(), Calendar(ZONE)).occasions) == 1


@pytest.mark.parametrize(
    ("line", "per_visit", "visits", "total"),
    [
        ("approved a1 J2350, 300 mg × 2 visits", 300, 2, 600),
        ("approved a1 J2350, 600 units, 2 visits", 300, 2, 600),
        ("approved a1 J2350, 600 units, 300 mg at each visit", 300, 2, 600),
        ("approved a1 J2350, 600 units", None, None, 600),
        ("approved a1 J2350, 300 mg at each visit", 300, None, None),
        ("denied a1 J2350, 600 units", None, None, None),
        ('approved a1 J2350, says "ocrelizumab 300 mg x 2"', 300, 2, 600),
        ('approved a1 J2350, says "Approved: 300 mg, two times"', 300, 2, 600),
        ('approved a1 J2350, 600 units, says "300 mg x 2"', 300, 2, 600),
        ('approved a1 J2350, 600 units, says "300 mg x 4"', None, None, 600),
        ('approved a1 J2350, says "Ocrevus 300 mg vial"', None, None, None),
        ('approved a1 J2350, says "2 of this x 2"', None, None, None),
        ('approved a1 J2350, says "5 units x 2"', None, None, None),
    ],
)
def test_the_third_of_three_figures_follows_from_two(
    line: str, per_visit: int | None, visits: int | None, total: int | None
) -> None:
    item = item_of(approved(line), formulary())
    mass = {None: None} | {n: mg(Decimal(n)) for n in (300, 600)}
    assert (item.per_visit, item.visits, item.total) == (mass[per_visit], visits, mass[total])


@pytest.mark.parametrize(
    ("line", "side", "drug"),
    [
        ('approved a1 96413, says "Approved: ocrelizumab 600 mg"', "administration", None),
        ('approved a1 J2350, says "infusion"', "drug", "ocrelizumab"),
        ('approved a1 authorization, says "ocrelizumab"', "drug", "ocrelizumab"),
    ],
)
def test_the_code_of_a_procedure_counts_before_words(
    line: str, side: str, drug: str | None
) -> None:
    found, therapy = side_of(approved(line), formulary())
    assert (found, therapy.name if therapy else None) == (side, drug)


def test_what_stands_on_a_visit_is_about_that_visit() -> None:
    order, visit = told(ORDER, VISIT)
    said = replace(approved("approved a1 authorization"), ref=visit.ref, text="", names=frozenset())
    other = replace(said, ref=replace(visit.ref, id="dentist"))
    dentist = replace(visit, ref=other.ref, names=frozenset(), text="dentist", links=())
    made = book([order, visit, said, other, dentist], formulary(), Calendar(ZONE))
    (dose,) = made.occasions
    assert (dose.authorized_drug.decision, dose.authorized_admin.decision) == ("", "approved")
    assert [item.fact.ref for item in dose.admin_items] == [visit.ref]
    assert not dose.unclear_items


def test_an_answer_about_another_drugs_order_is_none_about_ours() -> None:
    (dose,) = ledger(
        ORDER, "order x1 pembrolizumab 200 mg", "approved a1 authorization, for x1"
    ).occasions
    assert [*dose.drug_items, *dose.admin_items, *dose.unclear_items] == []


def test_an_answer_without_a_code_covers_what_it_answers() -> None:
    order, service, answer, both = told(
        ORDER,
        "service s1 96413, for o1",
        "approved a1 authorization, for o1",
        "approved a2 authorization, for s1",
    )
    web = Web([order, service, answer, both])
    sides = [covers(item_of(fact, formulary()), web) for fact in (answer, both)]  # type: ignore[arg-type]  # both are answers of a payer
    assert sides == ["drug", "administration"]
    alone = item_of(approved("approved a3 authorization"), formulary())
    assert covers(alone, web) == "unknown"


@pytest.mark.parametrize(
    ("value", "visits"),
    [("0", 0), ("1", 1), ("100", 100), ("1.5", None), ("-1", None), ("1000000", None)],
)
def test_how_often_a_service_was_granted(value: str, visits: int | None) -> None:
    answer = replace(approved("approved a1 96413"), total=Amount(Decimal(value)))
    assert item_of(answer, formulary()).visits == visits


@pytest.mark.parametrize(
    ("words", "side"),
    [
        ("MRI brain", "other"),
        ("Approved: Keytruda 200 mg", "other"),
        ("Solu-Medrol 1 g", "other"),
        ("Approved. An MRI is needed", "unknown"),
        ("Approved\nMRI brain", "unknown"),
        ("specialty medication", "unknown"),
        ("CPT 96413, Ocrevus", "administration"),
        ("Ocrevus, J2350", "drug"),
        ("Ref 12345 Q9999", "unknown"),
        ("Authorized service; see letter; MRI", "unknown"),
        ("Approved: approved services. MRI", "unknown"),
    ],
)
def test_words_without_a_code_say_what_an_answer_is_about(words: str, side: str) -> None:
    answer = replace(approved("approved a1 authorization"), text=words)
    assert side_of(answer, formulary())[0] == side


def test_the_display_of_a_payers_own_code_says_what_an_answer_is_about() -> None:
    scan = f.Code("http://payer.example", "77", "MRI brain")
    answer = replace(approved("approved a1 authorization"), codes=(scan,), text="as requested")
    assert side_of(answer, formulary())[0] == "other"
    nothing = replace(answer, codes=(replace(scan, display=""),))
    assert side_of(nothing, formulary())[0] == "unknown"


@pytest.mark.parametrize(
    ("words", "known"),
    [("Zebrafen 10", True), ("chair time", False), ("as requested", False), ("2", False)],
)
def test_beside_our_drug_another_name_is_another_thing(words: str, known: bool) -> None:
    """A line without a word of giving is not about the infusion, unless it says nothing."""
    drug, line = approved("approved a1 J2350, 600 units"), approved("approved a2 authorization")
    line = replace(line, text=words, document=drug.document)
    (dose,) = book([*told(ORDER, VISIT), drug, line], formulary(), Calendar(ZONE)).occasions
    assert bool(dose.unclear_items) is not known
    (alone,) = book([*told(ORDER, VISIT), line], formulary(), Calendar(ZONE)).occasions
    assert alone.unclear_items


def test_orders_of_one_requisition_belong_together() -> None:
    occasion = only(
        ORDER + ", requisition R1",
        VISIT,
        "premed p1 methylprednisolone 100 mg, requisition R1",
        "service s1 96413, requisition R1",
    )
    assert [name for name, _ in occasion.premedications] == ["steroid"]
    assert [order.ref.id for order in occasion.services] == ["s1"]


def test_a_visit_is_tied_by_way_of_the_order_for_the_infusion() -> None:
    occasion = only(ORDER, "service s1 96413, for o1", "visit v1 8 December 2026 09:00, for s1")
    assert occasion.visit is not None
    tie = occasion.ties[occasion.visit.ref]
    assert (tie.tier, tie.why) == (0, "explicit reference, explicit reference")


def test_what_was_entered_in_error_was_never_written() -> None:
    facts = [replace(fact, state=f.State.WRONG) for fact in told(ORDER, VISIT)]
    assert book(facts, formulary(), Calendar(ZONE)).occasions == ()


def test_a_dispense_that_names_no_drug_belongs_to_the_order_that_it_names() -> None:
    order, supply = told(ORDER, "dispensed d1 20 mL, 3 December 2026, for o1")
    nameless = replace(supply, text="", codes=())
    (occasion,) = book([order, nameless], formulary(), Calendar(ZONE)).occasions
    assert occasion.dispensed.total == mg(Decimal(600))


@pytest.mark.parametrize("source", ["pharmacy", "center"])
def test_an_order_that_another_server_shows_under_its_own_number_asks_for_no_second_dose(
    source: str,
) -> None:
    """What is said of the copy is said of the order."""
    copy = f"order o2 ocrelizumab 600 mg, written 1 October 2026, number P7, source {source}"
    supply = f"dispensed d1 600 mg, 3 December 2026, for o2, source {source}"
    occasion = only(ORDER + ", on 8 December 2026", VISIT, copy, supply)
    assert occasion.key == "ehr:MedicationRequest/o1#1"
    assert occasion.visit is not None
    assert occasion.dispensed.total == mg(Decimal(600))


def test_the_halves_of_a_course_and_their_copies_are_two_doses() -> None:
    half = "ocrelizumab 300 mg, 1 visit, written 1 October 2026"
    occasions = ledger(
        f"order o1 {half}, on 8 December 2026",
        f"order o2 {half}, on 22 December 2026",
        f"order o3 {half}, on 8 December 2026, source pharmacy",
        f"order o4 {half}, on 22 December 2026, source pharmacy",
    ).occasions
    assert [str(o.order and o.order.ref) for o in occasions] == [
        "ehr:MedicationRequest/o1",
        "ehr:MedicationRequest/o2",
    ]


@pytest.mark.parametrize(
    "other",
    [
        "ocrelizumab 300 mg, 1 visit, written 1 October 2026",
        "ocrelizumab 600 mg, 1 visit, written 2 October 2026",
        "ocrelizumab 600 mg, 1 visit, stopped, written 1 October 2026",
        "ocrelizumab 600 mg, 2 visits, written 1 October 2026",
        "ocrelizumab 600 mg, 1 visit",
    ],
)
def test_an_order_on_another_server_that_says_something_else_is_no_copy(other: str) -> None:
    given = "given g2 600 mg, 1 May 2026, for o2, source pharmacy"
    chains = {
        o.chain for o in ledger(ORDER, VISIT, f"order o2 {other}, source pharmacy", given).occasions
    }
    assert len(chains) == 2


@pytest.mark.parametrize(
    ("day", "whose"), [("2 May 2026", "o1"), ("8 December 2026", "o1"), ("8 June 2027", "o2")]
)
def test_a_dose_that_names_two_orders_is_of_the_one_whose_day_fits_else_of_the_first(
    day: str, whose: str
) -> None:
    *orders, given = told(
        "order o1 ocrelizumab 300 mg, 1 visit, on 8 December 2026",
        "order o2 ocrelizumab 300 mg, 1 visit, on 8 June 2027",
        f"given g1 300 mg, {day}",
    )
    both = replace(given, links=tuple(f.Link(order.ref.name, 0, "request") for order in orders))
    occasions = book([*orders, both], formulary(), Calendar(ZONE)).occasions
    assert {o.key: o.given for o in occasions} == {
        f"ehr:MedicationRequest/{name}#1": name == whose for name in ("o1", "o2")
    }


@pytest.mark.parametrize(
    ("day", "given", "number"),
    [
        ("15 December 2026", "300 mg", 1),
        ("12 January 2027", "300 mg", 1),
        ("2 March 2027", "300 mg", 1),
        ("3 March 2027", "300 mg", 2),  # nearer to the next dose
        ("12 January 2027", "600 mg", 2),
    ],
)
def test_the_rest_of_a_dose_stays_its_rest_when_it_is_moved(
    day: str, given: str, number: int
) -> None:
    made = ledger(
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
        "visit v1 8 December 2026 09:00, infusion, fulfilled, for o1",
        f"given g1 {given}, 8 December 2026, for o1",
        f"visit v2 {day} 09:00, infusion, booked, for o1",
    )
    places = [o.ordinal for o in made.occasions if any(v.ref.id == "v2" for v in o.visits)]
    assert places == [number]


def test_of_a_dose_that_was_not_given_another_visit_is_no_rest() -> None:
    made = ledger(
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
        VISIT,
        "visit v2 12 January 2027 09:00, infusion, booked, for o1",
    )
    assert [len(o.visits) for o in made.occasions] == [1, 1]


def test_a_visit_close_to_the_first_half_is_for_the_second_that_was_ordered_later() -> None:
    """Its order names no day; by the regimen alone it would be due half a year later."""
    half = "ocrelizumab 300 mg, 1 visit"
    _, second = ledger(
        f"order o1 {half}, written 1 October 2026",
        "given g1 300 mg, 1 December 2026, for o1",
        "order o2 ocrelizumab 600 mg, 1 visit, written 2 December 2026, source pharmacy",
        f"order o3 {half}, written 3 December 2026",
        "visit v1 15 December 2026 09:00, infusion, booked",
    ).occasions[:2]
    assert second.visit is not None
    assert second.order is not None
    assert second.order.ref.id == "o3"


@pytest.mark.parametrize(
    ("words", "contradicted"),
    [
        ("300 mg IV", True),
        ("Ocrevus 300 mg once", True),
        ("Ocrevus 300 mg every 24 weeks", True),
        ("Ocrevus 300 mg", False),  # it may be the name of the package
    ],
)
def test_words_of_another_dose_contradict_the_figures(words: str, contradicted: bool) -> None:
    occasion = only(f'order o1 ocrelizumab 600 mg, 1 visit, says "{words}"')
    assert [p.reason for p in occasion.ordered.problems] == ["contradicted"] * contradicted


def test_a_contradiction_shows_both_doses_where_nothing_says_two_visits() -> None:
    (problem,) = only('order o1 ocrelizumab 300 mg, says "600 mg IV"').ordered.problems
    assert (problem.reason, problem.at) == ("contradicted", "dosageInstruction")
    assert problem.readings == ("300 mg", "600 mg")


def test_figures_that_somebody_confirmed_are_not_contradicted_by_words() -> None:
    (order,) = told('order o1 ocrelizumab 600 mg, 1 visit, says "300 mg IV once"')
    assert isinstance(order, f.Order)
    for answered, dose in ((False, None), (True, mg(600))):
        (occasion,) = book(
            [replace(order, answered=answered)], formulary(), Calendar(ZONE)
        ).occasions
        assert occasion.ordered.per_visit == dose
        assert occasion.ordered.known is answered


def test_words_that_cannot_be_measured_count_visits_and_contradict_no_figures() -> None:
    occasions = ledger('order o1 ocrelizumab 600 mg, written 1 October 2026, says "300 IU x 2"')
    assert [o.ordered.per_visit for o in occasions.occasions] == [mg(Decimal(600))] * 2


def test_each_of_two_supplies_serves_the_dose_that_it_names() -> None:
    occasions = ledger(
        ORDER + ", on 8 December 2026",
        "order o2 ocrelizumab 600 mg, 1 visit, on 8 June 2027, written 2 October 2026",
        "dispensed d1 600 mg, 3 December 2026, for o1",
        "dispensed d2 300 mg, 4 December 2026, for o2",
    ).occasions
    assert [o.dispensed.total for o in occasions] == [mg(Decimal(600)), mg(Decimal(300))]


def test_a_supply_that_names_no_order_is_not_meant_for_a_dose_without_a_day() -> None:
    book_ = ledger("order o1 ocrelizumab 600 mg, 1 visit", "dispensed d1 600 mg, 3 December 2026")
    assert [o.dispensed.total for o in book_.occasions] == [None]
    assert [fact.ref.id for fact in book_.loose] == ["d1"]


def test_the_copy_that_was_changed_last_stands_for_the_other() -> None:
    book_ = ledger(
        ORDER + ", number RX1, changed 1 October 2026",
        "order o2 ocrelizumab 300 mg, 1 visit, number RX1, source pharmacy, "
        "changed 2 October 2026, written 1 October 2026",
    )
    assert [o.ordered.per_visit for o in book_.occasions] == [mg(Decimal(300))]
    assert [(str(each.fact.ref), str(each.copy.ref)) for each in book_.copies] == [
        ("pharmacy:MedicationRequest/o2", "ehr:MedicationRequest/o1")
    ]


def test_two_versions_of_one_record_make_no_difference_by_their_order() -> None:
    (one,) = told(ORDER)
    (other,) = told("order o1 ocrelizumab 300 mg, 1 visit, written 1 October 2026")
    first = book([one, other], formulary(), Calendar(ZONE))
    assert first == book([other, one, other], formulary(), Calendar(ZONE))


def test_a_dose_that_cannot_be_measured_has_no_sum() -> None:
    occasion = only(
        ORDER,
        "given g1 300 mg, 8 December 2026, for o1, stopped early",
        "given g2 300 IU, 8 December 2026, for o1",
    )
    assert occasion.administered.total is None
    assert [p.reason for p in occasion.administered.problems] == ["unit-ambiguous"]


def test_an_order_for_one_fill_asks_for_what_it_lets_hand_out() -> None:
    occasion = only("order o1 ocrelizumab, 20 mL a fill, 1 visit, written 1 October 2026")
    assert occasion.ordered.per_visit == mg(Decimal(600))
    assert only("order o1 ocrelizumab 600 IU, 1 visit").ordered.problems


def test_canceled_visits_are_remembered_with_the_dose_that_they_were_nearest_to() -> None:
    book_ = ledger(
        "order o1 ocrelizumab 300 mg, on 8 December 2026 and 22 December 2026",
        "visit v1 21 December 2026 09:00, infusion, cancelled",
        "visit v2 1 March 2027 09:00, infusion, cancelled",
    )
    assert [[v.ref.id for v in o.called_off] for o in book_.occasions] == [[], ["v1"]]


@pytest.mark.parametrize(("day", "near"), [("29 December", True), ("30 December", False)])
def test_a_canceled_visit_is_of_a_dose_within_three_weeks(day: str, near: bool) -> None:
    occasion = only(
        "order o1 ocrelizumab 600 mg, on 8 December 2026",
        f"visit v1 {day} 2026 09:00, infusion, cancelled",
    )
    assert bool(occasion.called_off) is near


@pytest.mark.parametrize(
    ("day", "doses"),
    [("1 December", 1), ("2 December", 1), ("20 February", 1), ("1 May", 2)],
)
def test_what_is_given_soon_after_a_part_is_the_rest_of_it(day: str, doses: int) -> None:
    year = 2026 if "December" in day else 2027
    book_ = ledger(
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
        "given g1 300 mg, 1 December 2026, for o1",
        f"given g2 300 mg, {day} {year}, for o1",
    )
    assert len(book_.occasions) == doses


def test_two_infused_drugs_and_a_visit_that_names_neither() -> None:
    book_ = ledger(
        ORDER,
        "order o2 natalizumab 300 mg, 1 visit, written 1 October 2026",
        "visit v1 8 December 2026 09:00, infusion, booked",
    )
    assert all(occasion.visit is None for occasion in book_.occasions)


def test_days_are_those_at_the_site() -> None:
    late = datetime(2026, 12, 9, 3, 0, tzinfo=ZoneInfo("UTC"))
    assert ledger(ORDER).calendar.day(late) == date(2026, 12, 8)


def test_a_reference_with_its_version() -> None:
    assert str(f.Ref("ehr", "Task", "1", "2")) == "ehr:Task/1/_history/2"
    assert str(Amount()) == "no amount"


def test_milliliters_of_a_bag_are_measured_by_its_own_strength() -> None:
    bag = f.Strength((), "ocrelizumab", Amount(Decimal(600), "mg"), Amount(Decimal(270), "mL"))
    water = f.Strength((), "sodium chloride", Amount(Decimal(9), "mg"), Amount(Decimal(1), "mL"))
    facts = told(ORDER, VISIT, "given g1 270 mL, 8 December 2026, for o1")
    strong = [
        replace(each, strengths=(bag, water)) if isinstance(each, f.Administration) else each
        for each in facts
    ]
    (occasion,) = book(strong, formulary(), Calendar(ZONE)).occasions
    assert occasion.administered.total == mg(600)
    assert occasion.administered.steps == ("270 mL × 600 mg/270 mL",)
    nameless = replace(bag, text="")  # the only one, so it is that of the drug
    alone = [
        replace(each, strengths=(nameless,)) if isinstance(each, f.Administration) else each
        for each in facts
    ]
    (occasion,) = book(alone, formulary(), Calendar(ZONE)).occasions
    assert occasion.administered.total == mg(600)
    for unsaid in (
        replace(bag, of=Amount(Decimal(1), "bottle")),
        replace(bag, of=Amount(None, "mL")),
        replace(bag, mass=Amount(Decimal(600), "IU")),
        replace(bag, of=Amount(Decimal(1), "vial")),
        replace(bag, mass=Amount(None, "mg")),
    ):
        plain = [
            replace(each, strengths=(unsaid,)) if isinstance(each, f.Administration) else each
            for each in facts
        ]
        (occasion,) = book(plain, formulary(), Calendar(ZONE)).occasions
        assert occasion.administered.total != mg(600)


@pytest.mark.parametrize(
    ("given", "mass", "of"),
    [
        ((135, "mL"), (1200, "mg"), (270, "mL")),  # half of the bag
        (("0.27", "L"), (600, "mg"), (270, "mL")),
        ((270, "mL"), (600, "mg"), ("0.27", "L")),
        ((270, "mL"), ("0.6", "g"), (270, "mL")),
        ((2, "vials"), (300, "mg"), (1, "vial")),
        ((2, "vials"), (600, "mg"), (2, "vial")),
        ((2, "vials"), (300, "mg"), (1, "")),
    ],
)
def test_units_of_a_strength_are_converted(
    given: tuple[float | str, str], mass: tuple[float | str, str], of: tuple[float | str, str]
) -> None:
    amount, *strong = (Amount(Decimal(value), unit) for value, unit in (given, mass, of))
    strength = f.Strength((), "ocrelizumab", *strong)
    facts = [
        replace(each, amount=amount, strengths=(strength,))
        if isinstance(each, f.Administration)
        else each
        for each in told(ORDER, VISIT, "given g1 1 mL, 8 December 2026, for o1")
    ]
    (occasion,) = book(facts, formulary(), Calendar(ZONE)).occasions
    assert occasion.administered.total == mg(600)
    assert str(strength) in occasion.administered.steps[0]


@pytest.mark.parametrize("of", [(1, "pen"), (1, "mL"), (10, "mL")])
def test_the_strength_of_another_measure_says_nothing_of_vials(of: tuple[int, str]) -> None:
    """Two vials are 600 mg by the product, whatever a pen or a milliliter of it holds."""
    strength = f.Strength(
        (), "ocrelizumab", Amount(Decimal(100), "mg"), Amount(Decimal(of[0]), of[1])
    )
    facts = [
        replace(each, strengths=(strength,)) if isinstance(each, f.Administration) else each
        for each in told(ORDER, VISIT, "given g1 2 vials, 8 December 2026, for o1")
    ]
    (occasion,) = book(facts, formulary(), Calendar(ZONE)).occasions
    assert occasion.administered.total == mg(600)


@pytest.mark.parametrize(("start", "copies"), [("8 December", 1), ("9 December", 0)])
def test_orders_of_two_servers_for_different_days_are_no_copies(start: str, copies: int) -> None:
    first, second = told(ORDER, ORDER.replace("o1", "o2"))
    assert isinstance(first, f.Order)
    assert isinstance(second, f.Order)
    windows = (f.Span(date(2026, 12, 8)), f.Span(date(2026, 12, int(start.split()[0]))))
    orders = [
        replace(first, window=windows[0]),
        replace(second, ref=replace(second.ref, source="clinic"), window=windows[1]),
    ]
    assert len(book(orders, formulary(), Calendar(ZONE)).occasions) == 2 - copies


def test_an_answer_about_orders_of_another_drug_is_of_neither_side() -> None:
    (order,) = told(ORDER)
    assert isinstance(order, f.Order)
    assert side_answered([order], {order.ref}) in UNSAID
    assert side_answered([order], ()) == "drug"
    assert side_answered([], ()) == ""
