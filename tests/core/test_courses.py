"""For which day the next dose of an order is due."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar

from . import drugs
from .tellings import ledger, told

#: Between two courses of ocrelizumab.
HALF_A_YEAR = timedelta(weeks=24)


@pytest.mark.parametrize(
    ("second", "start"), [("22 January", date(2026, 1, 1)), ("23 January", date(2026, 1, 23))]
)
def test_the_next_course_is_due_after_the_first_dose_of_the_last_one(
    second: str, start: date
) -> None:
    """Doses within three weeks are one course."""
    made = ledger(
        "given g1 300 mg, 1 January 2026",
        f"given g2 300 mg, {second} 2026",
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 February 2026",
    )
    assert [dose.due for dose in made.occasions] == [start + HALF_A_YEAR]


@pytest.mark.parametrize(
    ("dose", "due"),
    [("300 mg", date(2026, 10, 10)), ("600 mg", date(2026, 10, 10) + HALF_A_YEAR)],
)
def test_only_orders_for_parts_of_a_course_are_due_together(dose: str, due: date) -> None:
    one = f"ocrelizumab {dose}, 1 visit, written 10 October 2026"
    _, second = ledger(
        f"order o1 {one}", f"order o2 {one}", f"given g1 {dose}, 10 October 2026"
    ).occasions
    assert second.due == due


@pytest.mark.parametrize(
    ("order", "due"),
    [
        ("1 visit", date(2026, 1, 1) + HALF_A_YEAR),
        ("1 visit, written 1 February 2026", date(2026, 1, 1) + HALF_A_YEAR),
        ("1 visit, written 1 October 2026", date(2026, 10, 1)),  # it was due before it was written
        # Its own spacing counts from its own doses, not from those of the order that it renews.
        ("every 182 days, renews o1, written 1 February 2026", date(2026, 1, 1) + HALF_A_YEAR),
    ],
)
def test_a_dose_is_due_half_a_year_after_the_last_and_not_before_its_order(
    order: str, due: date
) -> None:
    *_, last = ledger(
        "order o1 ocrelizumab 600 mg, 1 visit, stopped, written 1 December 2025",
        "given g1 600 mg, 1 January 2026, for o1",
        f"order o2 ocrelizumab 600 mg, {order}",
    ).occasions
    assert (last.order and last.order.ref.id, last.due) == ("o2", due)


def test_where_nothing_says_how_far_apart_the_second_dose_has_no_day() -> None:
    order = told("order o1 kitumab, 2 visits, written 1 October 2026")
    made = book(order, drugs.formulary(), Calendar()).occasions
    assert [dose.due for dose in made] == [date(2026, 10, 1), None]


@pytest.mark.parametrize(
    ("booked", "doses"),
    [
        ("22 December", [(date(2026, 12, 8), False), (date(2026, 12, 22), True)]),
        ("8 December", [(date(2026, 12, 8), True), (date(2026, 12, 22), False)]),
        ("10 December", [(date(2026, 12, 10), True), (date(2026, 12, 22), False)]),
    ],
)
def test_a_visit_takes_the_day_of_its_order_that_it_is_nearest_to(
    booked: str, doses: list[tuple[date, bool]]
) -> None:
    """The other day is still asked for, and the doses are numbered in order of time."""
    made = ledger(
        "order o1 ocrelizumab 300 mg, 2 visits, on 8 December 2026 and 22 December 2026",
        f"visit v1 {booked} 2026 09:00, infusion, booked, for o1",
    ).occasions
    assert [dose.key[-2:] for dose in made] == ["#1", "#2"]
    assert [(dose.due, bool(dose.visit)) for dose in made] == doses


@pytest.mark.parametrize(
    ("booked", "due"), [("29 December", date(2027, 1, 12)), ("30 December", date(2026, 12, 8))]
)
def test_a_visit_more_than_three_weeks_from_a_day_leaves_it_open(booked: str, due: date) -> None:
    made = ledger(
        "order o1 ocrelizumab 300 mg, 2 visits, on 8 December 2026",
        f"visit v1 {booked} 2026 09:00, infusion, booked, for o1",
    ).occasions
    assert [dose.due for dose in made if not dose.visit] == [due]
