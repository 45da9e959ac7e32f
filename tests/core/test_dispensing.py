"""Which dose a supply is meant for, where no story would show it."""

from __future__ import annotations

from dataclasses import replace

from fhirbridge.core import facts as f
from fhirbridge.core.quantity import Quantity, mg

from .tellings import ORDER, booked, only, told

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
    no_day = replace(courses[2], day=None)  # type: ignore[call-arg]  # it is a Supply
    assert supplied(*for_both(*courses[:2], no_day)) == {"o1#1": mg(600), "o2#1": None}


def test_a_supply_for_an_order_that_is_done_keeps_no_other_from_its_dose() -> None:
    assert supplied(
        *told(
            "order o1 ocrelizumab 600 mg, 1 visit, done, written 1 May 2026",
            "dispensed d1 600 mg, 1 June 2026, for o1",
            "order o2 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
            "dispensed d2 600 mg, 3 December 2026, for o2",
        )
    ) == {"o2#1": mg(600)}
