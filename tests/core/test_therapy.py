"""What a therapy says of time, weight and chairs; the rows are those of docs/domain.md 2.2."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from functools import cache

import pytest

from fhirbridge.core.quantity import mg
from fhirbridge.core.therapy import (
    Dose,
    Observation,
    PerKg,
    Phase,
    Premedication,
    Product,
    Therapy,
)

HALF = Dose(mg(300), 2, 14, infusion_minutes=150)
WHOLE = Dose(mg(600), 1, infusion_minutes=120)
BY_WEIGHT = Dose(None, 1, per_kg=PerKg(Decimal(3), Decimal(10)))
START = date(2026, 1, 31)


@cache
def drugs() -> dict[str, Therapy]:
    """The therapies of these tests, made when one first asks for them (as those of `drugs.py`)."""
    made = (
        Therapy(
            "ocrelizumab",
            "Ocrelizumab",
            "ocrelizumab",
            "intravenous",
            phases=(Phase("initial", (HALF,)), Phase("maintenance", (WHOLE,), 24, 6)),
            premedications=(
                Premedication("steroid", True, minutes_before=30),
                Premedication("antihistamine", True, minutes_before=30),
                Premedication("antipyretic", False, minutes_before=60),
            ),
            minimum_days=140,
            minimum_months=5,
            observations=(Observation(60),),
        ),
        Therapy(
            "infliximab",
            "Infliximab",
            "infliximab",
            "intravenous",
            products=(Product("vial", (), Decimal(10), Decimal(100)), Product("not told", ())),
            phases=(
                Phase("initial", (Dose(None, 1, 14), Dose(None, 2, 28))),
                Phase("maintenance", (BY_WEIGHT,), every_weeks=6),
                Phase("maintenance", (BY_WEIGHT,), every_weeks=8),
            ),
            waste=True,
        ),
        Therapy("bare", "Bare", "bare", "intravenous", phases=(Phase("initial", (HALF,)),)),
        Therapy("nothing-told", "Nothing told", "x", "intravenous"),
    )
    return {each.name: each for each in made}


@pytest.mark.parametrize(
    ("therapy", "earliest", "usual", "due"),
    [
        # 140 days; five calendar months, to the last day of June; six months before 24 weeks
        ("ocrelizumab", date(2026, 6, 20), date(2026, 6, 30), date(2026, 7, 31)),
        # no minimum: four fifths of the shorter spacing; late only by the longer one
        ("infliximab", None, date(2026, 3, 5), date(2026, 3, 28)),
        ("bare", None, None, None),
    ],
)
def test_when_the_next_course_is_early_and_due(
    therapy: str, earliest: date | None, usual: date | None, due: date | None
) -> None:
    assert drugs()[therapy].earliest_after(START) == earliest
    assert drugs()[therapy].usual_after(START) == usual
    assert drugs()[therapy].due_after(START) == due


def test_months_end_on_the_last_day_there_is() -> None:
    phase = Phase("maintenance", (WHOLE,), every_months=13)
    assert phase.after(date(2027, 1, 31)) == date(2028, 2, 29)
    assert phase.after(date(2026, 12, 31)) == date(2028, 1, 31)


@pytest.mark.parametrize(
    ("mass", "weight", "fits"),
    [
        ("240", "80", True),  # 3 mg/kg
        ("216", "80", True),  # 10 % less, rounded to vials
        ("215", "80", False),
        ("880", "80", True),
        ("881", "80", False),
        ("400", None, None),
    ],
)
def test_a_dose_by_weight_is_compared_never_computed(
    mass: str, weight: str | None, fits: bool | None
) -> None:
    assert BY_WEIGHT.fits(mg(mass), Decimal(weight) if weight else None) is fits


def test_a_fixed_dose_fits_whatever_the_weight() -> None:
    assert WHOLE.fits(mg(600)) is True
    assert WHOLE.fits(mg(300), Decimal(80)) is False
    assert Dose(None, 1).fits(mg(300), Decimal(80)) is None


def test_the_doses_of_a_phase_are_those_of_all_its_alternatives() -> None:
    assert drugs()["ocrelizumab"].phase_doses("initial") == (HALF,)
    assert drugs()["infliximab"].phase_doses("maintenance") == (BY_WEIGHT, BY_WEIGHT)


@pytest.mark.parametrize(
    ("masses", "course"),
    [
        (["300", "300"], True),
        (["300"], True),
        (["300", "300", "300"], False),
        (["600"], True),
        (["600", "600"], False),
        (["300", "600"], False),  # of two phases
        (["450"], False),
    ],
)
def test_doses_that_are_one_course(masses: list[str], course: bool) -> None:
    assert drugs()["ocrelizumab"].is_course([mg(mass) for mass in masses]) is course


def test_the_doses_of_a_course_may_differ() -> None:
    phase = Phase("initial", (Dose(mg(150), 1, 14), Dose(mg(450), 1)))
    assert phase.holds([mg(450), mg(150)])
    assert not phase.holds([mg(450), mg(450)])
    assert drugs()["infliximab"].is_course([mg(400), mg(400), mg(400)])


@pytest.mark.parametrize(
    ("therapy", "days"),
    [
        ("ocrelizumab", 21),  # 14 days between the halves, a week of slack
        ("infliximab", 28),  # never more than half of the spacing
        ("bare", 21),
        ("nothing-told", 7),
    ],
)
def test_doses_this_close_are_one_course(therapy: str, days: int) -> None:
    assert drugs()[therapy].course_days == days


def test_how_long_a_visit_takes() -> None:
    assert drugs()["ocrelizumab"].chair_minutes(HALF) == 30 + 150 + 60
    assert drugs()["ocrelizumab"].chair_minutes(WHOLE, 3) == 30 + 120 + 60
    assert drugs()["infliximab"].chair_minutes(BY_WEIGHT) is None
    assert drugs()["bare"].chair_minutes(HALF) == 150


@pytest.mark.parametrize(("number", "minutes"), [(1, 60), (12, 60), (13, 15), (None, 15)])
def test_later_doses_may_be_observed_for_a_shorter_time(number: int | None, minutes: int) -> None:
    rows = (Observation(15), Observation(60, first=12))
    therapy = Therapy("x", "X", "x", "intravenous", observations=rows)
    assert therapy.chair_minutes(Dose(mg(300), 1, infusion_minutes=0), number) == minutes
    first_only = Therapy("x", "X", "x", "intravenous", observations=rows[1:])
    assert first_only.chair_minutes(WHOLE, 13) == 120


@pytest.mark.parametrize(
    ("supplied", "waste"), [("400", False), ("499", True), ("500", False), ("300", False)]
)
def test_the_rest_of_an_opened_vial_is_no_excess(supplied: str, waste: bool) -> None:
    assert drugs()["infliximab"].is_waste(mg(400), mg(supplied)) is waste
    assert drugs()["ocrelizumab"].is_waste(mg(400), mg(supplied)) is False
