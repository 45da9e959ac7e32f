"""What the answers of payers say about a dose: to the day, and which of several counts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhirbridge.core import facts as f
from fhirbridge.core.quantity import mg

from .tellings import ORDER, VISIT, booked, ledger, only, told


@pytest.mark.parametrize(
    ("answer", "decision"),
    [
        # An approval without a period is believed for a year, another decision for 90 days.
        ("approved a1 J2350, issued 8 December 2025", "approved"),
        ("approved a1 J2350, issued 7 December 2025", ""),
        ("denied a1 J2350, issued 9 September 2026", "denied"),
        ("denied a1 J2350, issued 8 September 2026", ""),
        ("denied a1 J2350", "denied"),
        # A period counts before the day of issue; its first and last day are covered.
        ("approved a1 J2350, issued 1 June 2024, until 8 December 2026", "approved"),
        ("approved a1 J2350, issued 1 June 2024, from 8 December 2026", "approved"),
        ("approved a1 J2350, issued 7 December 2026, until 7 December 2026", ""),
        ("approved a1 J2350, issued 7 December 2026, from 9 December 2026", ""),
    ],
)
def test_an_answer_speaks_of_doses_of_its_period_else_near_its_day(
    answer: str, decision: str
) -> None:
    assert only(ORDER, VISIT, answer).authorized_drug.decision == decision


def test_without_an_approval_the_state_that_a_person_would_name_first_stands() -> None:
    answers = ["undecided a4 J2350", "contact a3 J2350", "denied a2 J2350", "pended a1 J2350"]
    for decision in ("pended", "denied", "contact", "unknown"):
        standing = only(ORDER, VISIT, *answers).authorized_drug
        assert (standing.decision, standing.total) == (decision, None)
        assert {ref.id for ref in standing.refs} == {answer.split()[1] for answer in answers}
        answers.pop()


def test_several_answers_in_force_count_together_where_each_says_how_much() -> None:
    first = "approved a1 J2350, 300 units, 1 visit, until 31 January 2027"
    second = "approved a2 J2350, 300 units, 1 visit, until 31 March 2027"
    both = only(ORDER, VISIT, first, second).authorized_drug
    assert (both.per_visit, both.visits, both.total) == (mg(300), 2, mg(600))
    assert [ref.id for ref in both.refs] == ["a1", "a2"]
    assert both.steps == ("300 units of J2350 × 1 mg = 300 mg",)
    unsaid = only(ORDER, VISIT, first, "approved a2 J2350").authorized_drug
    assert (unsaid.per_visit, unsaid.visits, unsaid.total) == (None, None, None)


def test_where_no_authorization_is_needed_other_answers_do_not_count() -> None:
    waived = only(ORDER, VISIT, "approved a1 J2350, 300 units", "waived a2 J2350").authorized_drug
    assert (waived.decision, waived.total) == ("not-required", None)


@pytest.mark.parametrize(("day", "visits"), [("29 December", 2), ("30 December", 1)])
def test_items_of_one_answer_count_for_one_course(day: str, visits: int) -> None:
    dose = only(
        ORDER,
        VISIT,
        "approved a1 J2350, 300 units, 1 visit, "
        "from 8 December 2026 until 8 December 2026, document D1",
        f"approved a2 J2350, 300 units, 1 visit, from {day} 2026 until {day} 2026, document D1",
    )
    assert dose.authorized_drug.visits == visits


def test_further_hours_alone_let_no_infusion_begin() -> None:
    hours = only(ORDER, VISIT, "approved a1 96415, 3 units")
    assert (hours.authorized_admin.decision, hours.admin_items) == ("", ())
    assert only(ORDER, VISIT, "denied a1 96415").authorized_admin.decision == "denied"


def test_an_answer_that_was_replaced_says_nothing() -> None:
    dose = only(ORDER, VISIT, "approved a1 J2350, superseded", "approved a2 96413, superseded")
    assert [*dose.drug_items, *dose.admin_items] == []


def test_an_answer_without_a_code_is_about_the_order_that_names_its_number() -> None:
    order, answer = told(ORDER, "approved a1 authorization, number AUTH1")
    link = f.Link("AUTH1", 1, "authorization number")
    (dose,) = booked([replace(order, links=(link,)), answer]).occasions
    assert [item.fact.ref.id for item in dose.drug_items] == ["a1"]


def test_of_a_dose_without_a_day_every_answer_speaks() -> None:
    answer = "approved a1 J2350, 600 units, until 31 January 2027"
    dose = only("order o1 ocrelizumab 600 mg, 1 visit", answer)
    assert (dose.day, dose.authorized_drug.decision) == (None, "approved")


def test_each_drug_has_the_answers_about_it() -> None:
    made = ledger(
        ORDER,
        "order o2 natalizumab 300 mg, 1 visit, written 1 October 2026",
        "approved a1 J2350, 600 units",
        "approved a2 J2323, 300 units",
    )
    assert {
        dose.therapy.name: [item.fact.ref.id for item in dose.drug_items] for dose in made.occasions
    } == {"ocrelizumab": ["a1"], "natalizumab": ["a2"]}
