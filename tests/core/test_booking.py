"""Whose a record is and which dose it counts for, beside what the scenarios tell."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal

import pytest

from fhirbridge.core import facts as f
from fhirbridge.core.ledger import Column, Dose
from fhirbridge.core.quantity import mg

from .tellings import ORDER, VISIT, booked, ledger, only, told

SUBCUTANEOUS = "50242-554-01 920 mg"


def nameless(fact: f.Fact, **says: object) -> f.Fact:
    """The record with no word and no code of a drug."""
    return replace(fact, codes=(), text="", **says)  # type: ignore[arg-type]  # fields of any type


def test_what_belongs_to_no_dose_is_told_for_every_drug() -> None:
    made = ledger(
        "order o1 ocrelizumab 600 mg, 1 visit, stopped, written 1 October 2026",
        "given g1 600 mg, 1 June 2024",
        "given g2 600 mg, 1 June 2025",
        "dispensed d1 600 mg, 3 December 2024",
        "given g3 natalizumab 300 mg, 1 July 2024",
    )
    assert [fact.ref.id for fact in made.loose] == ["g3", "g1", "g2", "d1"]
    assert [therapy.name for therapy in made.therapies] == ["natalizumab", "ocrelizumab"]


@pytest.mark.parametrize(
    "line", ["dispensed d1 600 mg, 3 December 2026", "given g1 600 mg, 8 December 2026"]
)
def test_a_record_that_names_no_drug_and_no_order_is_of_no_dose(line: str) -> None:
    order, visit, record = told(ORDER, VISIT, line)
    (dose,) = booked([order, visit, nameless(record)]).occasions
    assert (dose.dispensed.total, dose.administered.total) == (None, None)


@pytest.mark.parametrize(
    ("other", "ours"),
    [
        ("order o2 pembrolizumab 200 mg, written 1 October 2026", 0),
        (f"order o2 {SUBCUTANEOUS}, written 1 October 2026", 1),  # of the same ingredient
        ("order o2 600 mg, written 1 October 2026", 1),  # nobody can read of what
    ],
)
def test_an_answer_that_names_no_drug_is_about_that_of_the_order_it_answers(
    other: str, ours: int
) -> None:
    order, visit, second, answer = told(ORDER, VISIT, other, "approved a1 authorization, for o2")
    if "600 mg" in other:
        second = nameless(second)
    doses = booked([order, visit, second, answer]).occasions
    (dose,) = (each for each in doses if each.order is order)
    assert len(dose.drug_items) == ours


def test_a_visit_is_of_the_drug_that_it_names() -> None:
    made = ledger(
        ORDER,
        "order o2 natalizumab 300 mg, 1 visit, written 1 October 2026",
        'visit v1 8 December 2026 09:00, says "Tysabri infusion", booked',
    )
    assert [each.therapy.name for each in made.occasions if each.visit] == ["natalizumab"]


@pytest.mark.parametrize(("day", "ours"), [("11 December", False), ("12 December", True)])
def test_a_visit_within_three_days_of_a_dose_of_another_drug_is_for_that(
    day: str, ours: bool
) -> None:
    made = ledger(
        ORDER,
        f"visit v1 {day} 2026 09:00, infusion, booked",
        "given g1 natalizumab 300 mg, 8 December 2026",
    )
    (dose,) = (each for each in made.occasions if each.therapy.name == "ocrelizumab")
    assert bool(dose.visit) is ours


def test_doses_of_every_product_of_the_ingredient_are_history_in_order_of_time() -> None:
    made = ledger(
        ORDER,
        "given g1 600 mg, 1 December 2025",
        f"given g2 {SUBCUTANEOUS}, 1 June 2026",
        f"given g3 {SUBCUTANEOUS}, 1 June 2025",
    )
    (dose,) = (each for each in made.occasions if each.order)
    assert dose.history == (
        Dose(date(2025, 6, 1), mg(920)),
        Dose(date(2025, 12, 1), mg(600)),
        Dose(date(2026, 6, 1), mg(920)),
    )


@pytest.mark.parametrize(
    ("stage", "due"), [("delivered", date(2026, 12, 1)), ("committed", date(2026, 10, 1))]
)
def test_a_pen_that_was_delivered_stands_for_its_dose(stage: str, due: date) -> None:
    """Nobody sees it injected: the next one is due a month after, not when the order began."""
    (dose,) = ledger(
        "order o1 ofatumumab 20 mg, written 1 October 2026, every 30 days",
        f"dispensed d1 ofatumumab 20 mg, 1 November 2026, {stage}",
    ).occasions
    assert dose.due == due


@pytest.mark.parametrize("first", ["g1", "v1"])
def test_a_visit_after_a_whole_dose_is_of_a_dose_of_its_own(first: str) -> None:
    """The key stays with what was booked first: what its order names."""
    line = {
        "g1": (
            "given g1 600 mg, 1 December 2026, for o1",
            "visit v1 8 December 2026 09:00, infusion",
        ),
        "v1": ("given g1 600 mg, 1 December 2026", "visit v1 8 December 2026 09:00, for o1"),
    }
    made = ledger(ORDER, *line[first]).occasions
    places = {each.key.partition("#")[2]: bool(each.administrations) for each in made}
    assert places == {"1": first == "g1", "2": first != "g1"}
    assert [(each.order and each.order.ref.id, each.due) for each in made if each.visit] == [
        ("o1", date(2026, 12, 8))
    ]


def test_a_wrong_product_is_one_of_the_same_ingredient() -> None:
    (dose,) = ledger(ORDER, VISIT, "dispensed d1 Hycela 1400 mg, 3 December 2026").occasions
    assert dose.foreign == ()
    (dose,) = ledger(ORDER, VISIT, f"dispensed d1 {SUBCUTANEOUS}, 3 December 2026").occasions
    assert [supply.ref.id for supply in dose.foreign] == ["d1"]
    (dose, *_) = ledger(ORDER, VISIT, "dispensed d1 natalizumab 300 mg, 3 December 2026").occasions
    assert dose.foreign == ()


def test_the_visits_of_a_dose_are_counted_and_named() -> None:
    dose = only(ORDER, VISIT)
    assert dose.scheduled == Column(visits=1, refs=(f.Ref("ehr", "Appointment", "v1"),))
    assert only(ORDER).scheduled == Column(visits=0)


def test_a_visit_without_an_order_goes_by_its_own_name_and_day() -> None:
    dose = only('visit v1 8 December 2026 09:00, says "Ocrevus infusion", booked')
    assert (dose.key, dose.order, dose.due) == ("ehr:Appointment/v1", None, date(2026, 12, 8))


def test_answers_count_on_the_day_of_the_visit_not_on_the_day_that_was_due() -> None:
    order = "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026"
    moved = "visit v1 15 December 2026 09:00, infusion, booked"
    drug = "approved a1 J2350, 600 units, from 1 December 2026 until 14 December 2026"
    giving = "approved a2 96413, from 15 December 2026 until 31 December 2026"
    open_ = "approved a3 authorization, until 14 December 2026"
    dose = only(order, moved, drug, giving, open_)
    assert (dose.authorized_drug.decision, dose.authorized_admin.decision) == ("", "approved")
    assert dose.unclear_items == ()
    assert only(order, drug, giving, open_).authorized_drug.decision == "approved"


def test_the_answer_that_fits_the_dose_is_the_one_that_is_used() -> None:
    half = "approved a1 J2350, 300 mg × 2 visits"
    dose = only(ORDER, VISIT, half, "approved a2 J2350, 600 mg × 1 visits")
    assert dose.authorized_drug.per_visit == mg(Decimal(600))
    assert [ref.id for ref in dose.authorized_drug.refs] == ["a2"]


def test_a_standing_order_for_premedication_counts_on_the_day_of_the_visit() -> None:
    steroid = "premed p1 methylprednisolone 100 mg, from 15 December 2026 until 31 December 2026"
    order = "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026"
    moved = "visit v1 15 December 2026 09:00, infusion, booked"
    assert [name for name, _ in only(order, moved, steroid).premedications] == ["steroid"]
    assert only(order, steroid).premedications == ()


def test_what_is_required_for_another_drugs_order_is_on_neither_side() -> None:
    order, other, need = told(
        ORDER,
        "order o2 pembrolizumab 200 mg, written 1 October 2026",
        "required r1 authorization, for o2",
    )
    (dose,) = booked([order, other, need]).occasions
    assert [covers for covers, _ in dose.requirements] == ["other"]


def test_of_a_whole_dose_the_last_visit_counts_of_a_part_the_one_to_come() -> None:
    visits = (
        "visit v1 8 December 2026 09:00, infusion, fulfilled, for o1",
        "visit v2 10 December 2026 09:00, infusion, fulfilled, for o1",
    )
    whole = only(ORDER, *visits, "given g1 600 mg, 8 December 2026, for o1")
    assert whole.visit is not None
    assert whole.visit.ref.id == "v2"
    part = only(
        ORDER,
        VISIT,
        "given g1 300 mg, 8 December 2026, for o1, stopped early",
        "visit v2 15 December 2026 09:00, infusion, booked, for o1",
    )
    assert part.visit is not None
    assert part.visit.ref.id == "v2"


def test_a_second_visit_on_the_day_of_the_dose_is_of_that_dose() -> None:
    dose = only(
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
        VISIT,
        "given g1 600 mg, 8 December 2026, for o1",
        "visit v2 8 December 2026 13:00, infusion, booked, for o1",
    )
    assert [visit.ref.id for visit in dose.visits] == ["v1", "v2"]


def test_what_a_payer_grants_visit_by_visit_is_one_answer_about_the_course() -> None:
    dose, _ = ledger(
        "order o1 ocrelizumab 300 mg, 2 visits, on 8 December 2026 and 22 December 2026",
        "approved a1 96413, 1 visit, from 8 December 2026 until 8 December 2026, document D1",
        "approved a2 96413, 1 visit, from 22 December 2026 until 22 December 2026, document D1",
        "approved a3 96413, 1 visit, from 22 December 2026 until 22 December 2026, document D2",
    ).occasions
    assert (dose.authorized_admin.visits, dose.authorized_drug.decision) == (2, "")
