"""Which dose a supply is meant for, where no story would show it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhirbridge.core import facts as f
from fhirbridge.core.quantity import Quantity, mg

from .tellings import ORDER, booked, ledger, only, told

HALF = "ocrelizumab 300 mg, 1 visit, written 1 October 2026"


def supplied(*facts: f.Fact) -> dict[str, Quantity | None]:
    """Each dose by its order and number, with what is there for it."""
    return {dose.key.partition("/")[2]: dose.dispensed.total for dose in booked([*facts]).occasions}


def for_both(first: f.Fact, second: f.Fact, supply: f.Fact) -> list[f.Fact]:
    """A supply that names two orders."""
    links = tuple(f.Link(order.ref.name, 0, "prescription") for order in (first, second))
    return [first, second, replace(supply, links=links)]


def test_what_was_sent_back_does_not_keep_later_supplies_from_their_dose() -> None:
    dose = only(
        ORDER + ", on 8 December 2026",
        "dispensed d1 600 mg, 1 December 2026, returned, for o1",
        "dispensed d2 600 mg, 3 December 2026, for o1",
    )
    assert (dose.dispensed.total, [each.ref.id for each in dose.supplies]) == (mg(600), ["d2"])


def test_a_supply_for_two_orders_serves_their_doses_in_order_of_time() -> None:
    halves = told(
        f"order o1 {HALF}, on 22 December 2026",
        f"order o2 {HALF}, on 8 December 2026",
        "dispensed d1 450 mg, 3 December 2026",
    )
    assert supplied(*for_both(*halves)) == {"o2#1": mg(300), "o1#1": mg(150)}
    courses = told(
        ORDER + ", on 8 December 2026",
        ORDER.replace("o1", "o2") + ", on 8 June 2027",
        "dispensed d1 600 mg, 3 December 2026",
    )
    assert supplied(*for_both(*courses)) == {"o1#1": mg(600), "o2#1": None}
    first, second, supply = courses
    assert isinstance(supply, f.Supply)
    assert supplied(*for_both(first, second, replace(supply, day=None))) == {
        "o1#1": mg(600),
        "o2#1": None,
    }


def test_a_supply_for_an_order_that_is_done_keeps_no_other_from_its_dose() -> None:
    assert supplied(
        *told(
            "order o1 ocrelizumab 600 mg, 1 visit, done, written 1 May 2026",
            "dispensed d1 600 mg, 1 June 2026, for o1",
            "order o2 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
            "dispensed d2 600 mg, 3 December 2026, for o2",
        )
    ) == {"o2#1": mg(600)}


def test_what_two_supplies_share_is_given_out_once() -> None:
    """The first is for one order, the second for that and another: both doses are there."""
    first, second, own, shared = told(
        f"order o1 {HALF}, on 8 December 2026",
        f"order o2 {HALF}, on 22 December 2026",
        "dispensed d1 300 mg, 1 December 2026, for o1",
        "dispensed d2 300 mg, 3 December 2026",
    )
    assert supplied(own, *for_both(first, second, shared)) == {"o1#1": mg(300), "o2#1": mg(300)}


def test_a_stopped_order_counts_only_where_no_order_in_force_could_be_meant() -> None:
    supply = "dispensed d1 600 mg, 3 December 2026"
    stopped = "order o3 ocrelizumab 600 mg, 1 visit, stopped, on 10 December 2026"
    halves = f"order o1 {HALF}, on 8 December 2026", f"order o2 {HALF}, on 22 December 2026"
    assert supplied(*told(stopped, supply)) == {"o3#1": mg(600)}
    assert supplied(*told(*halves, stopped, supply)) == {
        "o1#1": mg(300),
        "o2#1": mg(300),
        "o3#1": None,
    }


def test_a_supply_without_a_day_and_an_order_is_for_what_was_not_given() -> None:
    assert supplied(
        *told(
            ORDER,
            "given g1 600 mg, 1 November 2026, for o1",
            "order o2 ocrelizumab 600 mg, 1 visit, on 8 June 2027",
            "dispensed d1 600 mg",
        )
    ) == {"o1#1": None, "o2#1": mg(600)}


def test_a_supply_that_two_orders_could_mean_is_contested_by_their_doses_alone() -> None:
    made = ledger(
        "order o1 ocrelizumab 600 mg, 2 visits, on 1 December 2026 and 8 December 2026",
        "given g1 600 mg, 1 December 2026, for o1",
        "order o2 ocrelizumab 600 mg, 1 visit, on 20 December 2026",
        "order o3 ocrelizumab 600 mg, 1 visit, on 8 June 2027",
        "dispensed d1 600 mg, 4 December 2026",
    )
    assert {dose.key[-4:]: len(dose.contested) for dose in made.occasions} == {
        "o1#1": 0,
        "o1#2": 1,
        "o2#1": 1,
        "o3#1": 0,
    }


@pytest.mark.parametrize(
    ("day", "meant"),
    [
        ("23 October", False),
        ("24 October", True),  # 45 days before
        ("11 December", True),  # entered three days after
        ("12 December", False),
    ],
)
def test_a_supply_that_names_no_order_is_meant_for_a_dose_that_it_precedes(
    day: str, meant: bool
) -> None:
    dose = only(ORDER + ", on 8 December 2026", f"dispensed d1 600 mg, {day} 2026")
    assert dose.dispensed.total == (mg(600) if meant else None)


def test_no_supply_is_meant_for_a_dose_after_the_next_one() -> None:
    """Of a drug that is given every four weeks: half of the way to the next dose."""
    order = "order o1 natalizumab 300 mg, 1 visit, on 8 December 2026"
    for day, total in (("24 November", mg(300)), ("23 November", None)):
        dose = only(order, f"dispensed d1 natalizumab 300 mg, {day} 2026")
        assert dose.dispensed.total == total


@pytest.mark.parametrize(("day", "first"), [("11 December", True), ("12 December", False)])
def test_what_comes_after_a_dose_was_given_is_for_the_next(day: str, first: bool) -> None:
    """Up to three days after, a pharmacy enters what it handed out before."""
    order = "order o1 ocrelizumab 600 mg, 2 visits, on 8 December 2026 and 9 March 2027"
    given = "given g1 600 mg, 8 December 2026, for o1"
    made = supplied(*told(order, given, f"dispensed d1 600 mg, {day} 2026, for o1"))
    assert made == {"o1#1": mg(600) if first else None, "o1#2": None if first else mg(600)}
    made = supplied(*told(order, given, "dispensed d1 600 mg, for o1"))
    assert made == {"o1#1": None, "o1#2": mg(600)}


def test_where_all_doses_were_given_a_later_supply_is_the_lasts() -> None:
    made = supplied(
        *told(
            "order o1 ocrelizumab 300 mg, 2 visits, on 8 December 2026 and 22 December 2026",
            "given g1 300 mg, 8 December 2026, for o1",
            "given g2 300 mg, 22 December 2026, for o1",
            "dispensed d1 300 mg, 31 December 2026, for o1",
        )
    )
    assert made == {"o1#1": None, "o1#2": mg(300)}
    one = ORDER, "given g1 600 mg, 8 December 2026, for o1"
    made = supplied(*told(*one, "dispensed d1 600 mg, 31 December 2026, for o1"))
    assert made == {"o1#1": mg(600)}


@pytest.mark.parametrize(("day", "kept"), [("13 March", True), ("14 March", False)])
def test_what_is_more_than_a_dose_needs_is_kept_for_a_hundred_days(day: str, kept: bool) -> None:
    made = supplied(
        *told(
            f"order o1 ocrelizumab 600 mg, 2 visits, on 8 December 2026 and {day} 2027",
            "dispensed d1 1200 mg, 3 December 2026, for o1",
        )
    )
    assert made == {"o1#1": mg(600 if kept else 1200), "o1#2": mg(600) if kept else None}
