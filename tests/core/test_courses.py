"""For which day the next dose of an order is due."""

from __future__ import annotations

from datetime import date, timedelta

import pytest

from .tellings import ledger

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
    one = f"ocrelizumab {dose}, 1 visit, written 1 October 2026"
    _, second = ledger(
        f"order o1 {one}", f"order o2 {one}", f"given g1 {dose}, 10 October 2026"
    ).occasions
    assert second.due == due
