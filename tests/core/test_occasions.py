"""Which dose a visit or an administration is booked to, where no story would show it."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from fhirbridge.core import facts as f
from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.occasions import events

from . import drugs
from .tellings import ORDER, VISIT, booked, ledger, told

HALF = "ocrelizumab 300 mg, 1 visit"
BOOKED = "visit v1 8 December 2026 09:00, infusion"


def places(*lines: str) -> dict[str, list[str]]:
    """Each dose by its key without the server, with the visits and administrations booked to it."""
    return {
        dose.key.partition("/")[2]: [fact.ref.id for fact in (*dose.visits, *dose.administrations)]
        for dose in ledger(*lines).occasions
    }


@pytest.mark.parametrize(("day", "pairs"), [("11", 1), ("12", 2)])
def test_a_visit_and_a_dose_within_three_days_are_one_event(day: str, pairs: int) -> None:
    visit, given = told(BOOKED, f"given g1 600 mg, {day} December 2026")
    assert isinstance(visit, f.Visit)
    assert isinstance(given, f.Administration)
    assert len(events([visit], [given], {visit.ref: (), given.ref: ()})) == pairs


def test_a_dose_is_of_the_nearest_visit() -> None:
    first, second, given = told(
        BOOKED, "visit v2 11 December 2026 09:00, infusion", "given g1 600 mg, 10 December 2026"
    )
    assert isinstance(first, f.Visit)
    assert isinstance(second, f.Visit)
    assert isinstance(given, f.Administration)
    made = events([first, second], [given], dict.fromkeys((first.ref, second.ref, given.ref), ()))
    assert [(each.day.day, len(each.given)) for each in made] == [(8, 0), (11, 1)]


@pytest.mark.parametrize(
    "order", ["ocrelizumab 600 mg, every 168 days", 'ocrelizumab, says "600 mg IV every 24 weeks"']
)
def test_an_order_that_goes_on_asks_for_the_next_dose(order: str) -> None:
    assert places(
        f"order o1 {order}, written 1 May 2026", "given g1 600 mg, 1 June 2026, for o1"
    ) == {"o1#1": ["g1"], "o1#2": []}


def test_an_older_order_that_nobody_ended_does_not_ask_for_the_doses_of_a_newer_one() -> None:
    assert places(
        "order o1 ocrelizumab 600 mg, every 168 days, written 1 May 2025",
        "given g1 600 mg, 1 June 2025, for o1",
        "order o2 ocrelizumab 600 mg, every 168 days, written 1 November 2025",
        "given g2 600 mg, 1 December 2025, for o2",
    ) == {"o1#1": ["g1"], "o2#1": ["g2"], "o2#2": []}


def test_the_second_half_of_a_course_that_began_is_due_with_it() -> None:
    """Two orders for a half each, which no link ties to what was given."""
    first, second = ledger(
        f"order o1 {HALF}, written 1 October 2026",
        f"order o2 {HALF}, written 1 October 2026",
        "given g1 300 mg, 10 October 2026",
    ).occasions
    assert [len(dose.administrations) for dose in (first, second)] == [1, 0]
    assert second.due == date(2026, 10, 10)


@pytest.mark.parametrize(("day", "place"), [("12 December 2026", "o1#1"), ("1 March 2027", "o1#2")])
def test_what_names_two_orders_that_are_booked_is_of_the_first(day: str, place: str) -> None:
    *records, third = told(
        ORDER,
        VISIT,
        "order o2 ocrelizumab 600 mg, 1 visit, written 2 October 2026",
        "visit v2 8 June 2027 09:00, infusion, booked, for o2",
        f"visit v3 {day} 09:00, infusion, booked",
    )
    links = tuple(f.Link(f"ehr:MedicationRequest/{name}", 0, "request") for name in ("o1", "o2"))
    assert isinstance(third, f.Visit)
    made = booked([*records, replace(third, links=links)])
    assert [o.key for o in made.occasions if "v3" in {v.ref.id for v in o.visits}] == [
        f"ehr:MedicationRequest/{place}"
    ]


@pytest.mark.parametrize("link", [", for o1", ""])
@pytest.mark.parametrize(("day", "joined"), [("29 December", True), ("30 December", False)])
def test_a_visit_too_many_within_a_course_is_of_the_dose_beside_it(
    link: str, day: str, joined: bool
) -> None:
    made = places(ORDER, VISIT, f"visit v2 {day} 2026 09:00, infusion, booked{link}")
    assert ["v1", "v2"] in made.values() if joined else ["v2"] in made.values()


@pytest.mark.parametrize(("day", "booked"), [("29", True), ("30", False)])
def test_without_a_spacing_a_visit_is_meant_within_three_weeks(day: str, booked: bool) -> None:
    order, visit = told(
        "order o1 kitumab, 1 visit, on 8 December 2026",
        f"visit v1 {day} December 2026 09:00, infusion, booked",
    )
    (dose, *_) = book([order, visit], drugs.formulary(), Calendar()).occasions
    assert bool(dose.visit) is booked


def test_what_was_given_stays_with_its_order_and_what_is_booked_is_of_the_one_in_force() -> None:
    made = ledger(
        "order o1 ocrelizumab 600 mg, 1 visit, stopped, written 1 May 2026",
        "given g1 600 mg, 1 June 2026, for o1",
        "order o2 ocrelizumab 600 mg, 1 visit, renews o1, written 1 October 2026",
        VISIT,
    )
    assert [
        (dose.key.partition("#")[2], dose.order and dose.order.ref.id) for dose in made.occasions
    ] == [
        ("1", "o1"),
        ("2", "o2"),
    ]


def test_a_visit_that_names_no_order_is_of_the_first_dose_in_force_that_it_fits() -> None:
    days = "8 December 2026 and 22 December 2026"
    visit = "visit v1 15 December 2026 09:00, infusion, booked"
    assert places(f"order o1 ocrelizumab 300 mg, 2 visits, on {days}", visit) == {
        "o1#1": ["v1"],
        "o1#2": [],
    }
    assert places("order o1 ocrelizumab 300 mg, 2 visits", visit) == {"o1#1": ["v1"], "o1#2": []}
    assert places(
        "order o1 ocrelizumab 600 mg, 1 visit, on 22 December 2026",
        "order o2 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        visit,
    ) == {"o1#1": [], "o2#1": ["v1"]}
    assert places(
        "order o1 ocrelizumab 600 mg, 1 visit, on hold, on 8 December 2026",
        "order o2 ocrelizumab 600 mg, 1 visit, on 22 December 2026",
        visit,
    ) == {"o1#1": [], "o2#1": ["v1"]}


@pytest.mark.parametrize(
    ("order", "booked"),
    [
        ("written 3 December 2026", True),
        ("written 18 December 2026", True),  # up to three days after, people write what was done
        ("written 19 December 2026", False),
        ("written 3 December 2026, stopped", False),
        ("written 3 December 2026, on 8 June 2027", False),  # it names its own day
    ],
)
def test_the_other_half_of_a_course_is_under_an_order_that_waits_for_it(
    order: str, booked: bool
) -> None:
    made = places(
        f"order o1 {HALF}, written 1 October 2026",
        "given g1 300 mg, 1 December 2026, for o1",
        f"order o3 {HALF}, {order}",
        "visit v1 15 December 2026 09:00, infusion, booked",
    )
    assert made["o3#1"] == (["v1"] if booked else [])


@pytest.mark.parametrize(
    ("order", "fits"),
    [
        ("on 17 November 2026", True),  # three weeks before
        ("on 16 November 2026", False),
        ("written 11 December 2026, on 8 December 2026", True),
        ("written 12 December 2026, on 8 December 2026", False),
    ],
)
def test_a_visit_that_names_no_order_fits_near_its_day_and_not_long_before_it_was_written(
    order: str, fits: bool
) -> None:
    made = places(f"order o1 ocrelizumab 600 mg, 1 visit, {order}", BOOKED)
    assert made == ({"o1#1": ["v1"]} if fits else {"o1#1": [], "v1": ["v1"]})


@pytest.mark.parametrize(("day", "rest"), [("23 February", True), ("24 February", False)])
def test_the_rest_of_a_dose_is_given_within_half_of_the_way_to_the_next(
    day: str, rest: bool
) -> None:
    made = places(
        ORDER,
        "given g1 300 mg, 1 December 2026, for o1",
        f"visit v1 {day} 2027 09:00, infusion, booked",
    )
    assert made["o1#1"] == (["v1", "g1"] if rest else ["g1"])


@pytest.mark.parametrize(
    ("order", "day", "again"),
    [
        ("written 1 October 2026", "1 May 2027", True),
        ("written 1 October 2026, until 1 May 2027", "1 May 2027", True),
        ("written 1 October 2026, until 30 April 2027", "1 May 2027", False),
        ("1 visit, written 1 October 2026", "1 May 2027", False),
        ("written 1 October 2026", "1 May 2026", False),
    ],
)
def test_an_order_that_says_no_number_of_visits_may_ask_for_one_more(
    order: str, day: str, again: bool
) -> None:
    made = ledger(
        f"order o1 ocrelizumab 600 mg, {order}",
        "given g1 600 mg, 8 December 2026, for o1",
        f"visit v1 {day} 09:00, infusion, booked",
    ).occasions
    assert len(made) == 2
    (dose,) = (each for each in made if each.visit)
    assert dose.key == f"ehr:{'MedicationRequest/o1#2' if again else 'Appointment/v1'}"
    assert dose.due == dose.day


def test_an_order_whose_dose_is_still_to_come_asks_for_no_other_one() -> None:
    assert places(
        "order o1 ocrelizumab 600 mg, written 1 October 2026",
        'visit v1 1 May 2027 09:00, says "Ocrevus infusion", booked',
    ) == {"o1#1": [], "v1": ["v1"]}
