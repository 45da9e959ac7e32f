"""What an authorization still allows: which doses count against it, and when it is used up."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from fhirbridge.core.authorizing import speaks_of
from fhirbridge.core.facts import Decision
from fhirbridge.core.rules import judge
from tests.scenarios.scenario import formulary

from .test_ledger import approved
from .test_thresholds import ADMIN, DRUG, VISIT, said, story

BEFORE = "order o0 ocrelizumab 300 mg, on 1 June 2026 and 15 June 2026, written 1 May 2026"
GIVEN = ("given g1 300 mg, 1 June 2026, for o0", "given g2 300 mg, 15 June 2026, for o0")
AFTER = "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026"


@pytest.mark.parametrize(
    ("answer", "rule"),
    [
        # All of it was given: the next dose has none. A part is left: it ended too soon.
        ("J2350, 600 units", "auth-missing-drug"),
        ("J2350, 1200 units", "auth-expires-before-appt"),
        ("96413, 2 visits", "auth-missing-admin"),
        ("96413, 3 visits", "auth-expires-before-appt"),
    ],
)
def test_an_answer_that_ended_was_used_up_or_ended_too_soon(
    tmp_path: Path, answer: str, rule: str
) -> None:
    other = ADMIN if answer.startswith("J") else DRUG
    line = f"approved a9 {answer}, from 1 June 2026 until 1 October 2026"
    found = said(tmp_path, "30 November", BEFORE, *GIVEN, AFTER, VISIT, other, line)
    assert found & {"auth-missing-drug", "auth-missing-admin", "auth-expires-before-appt"} == {rule}


def test_of_several_answers_in_force_the_longest_counts(tmp_path: Path) -> None:
    short = "approved a9 J2350, 600 units, until 10 December 2026"
    assert "auth-expires-before-appt" in said(tmp_path, "30 November", AFTER, VISIT, ADMIN, short)
    both = said(tmp_path, "30 November", AFTER, VISIT, ADMIN, short, DRUG)
    assert "auth-expires-before-appt" not in both


@pytest.mark.parametrize(
    ("rule", "early", "late"),
    [
        ("auth-denied", "denied a8 J2350, issued 1 October", "denied a9 J2350, issued 2 October"),
        (
            "auth-expires-before-appt",
            "approved a8 J2350, 600 units, until 1 October",
            "approved a9 J2350, 600 units, until 2 October",
        ),
    ],
)
def test_the_latest_of_several_answers_is_named(
    tmp_path: Path, rule: str, early: str, late: str
) -> None:
    for lines in ((early, late), (early.replace("a8", "a9"), late.replace("a9", "a8"))):
        scenario = story(tmp_path, "30 November", AFTER, VISIT, *(f"{each} 2026" for each in lines))
        (found,) = (each for each in scenario.judged().findings if each.rule == rule)
        assert found.focus is not None
        assert found.focus.id == lines[1].split()[1]


@pytest.mark.parametrize("further", [1, 2, 3])
def test_the_hours_of_a_visit_are_no_further_visits(tmp_path: Path, further: int) -> None:
    """96413 is the first hour, 96415 each further one: whichever counts more visits holds."""
    found = said(
        tmp_path,
        "30 November",
        "order o1 ocrelizumab 300 mg × 2 visits, written 1 October 2026",
        VISIT,
        "visit v2 22 December 2026 09:00, infusion, booked, for o1",
        DRUG,
        "approved a2 96413, 2 visits, until 31 January 2027",
        f"approved a3 96415, {further} visits, until 31 January 2027",
    )
    assert "auth-visits-short" not in found


@pytest.mark.parametrize(("issued", "short"), [(1, True), (2, False)])
def test_a_dose_counts_from_the_day_on_which_the_answer_was_given(
    tmp_path: Path, issued: int, short: bool
) -> None:
    answer = f"approved a1 J2350, 600 units, issued {issued} June 2026, until 31 January 2027"
    dose = "given g0 600 mg, 1 June 2026"
    found = said(tmp_path, "30 November", dose, AFTER, VISIT, answer, ADMIN)
    assert ("auth-short-total" in found) is short


def test_the_dose_of_today_is_still_to_come(tmp_path: Path) -> None:
    story = (
        "order o1 ocrelizumab 300 mg × 2 visits, written 1 October 2026",
        VISIT,
        "visit v2 22 December 2026 09:00, infusion, booked, for o1",
        DRUG.replace("600 units,", "300 units, from 1 November 2026"),
        ADMIN.replace("1 visit", "2 visits"),
    )
    assert "auth-short-total" in said(tmp_path, "8 December", *story)


@pytest.mark.parametrize(
    ("before", "short"),
    [
        # Its day is over and nobody has booked it: it still is to be given …
        ("order o0 ocrelizumab 600 mg, on 8 November 2026, written 1 October 2026", True),
        # … unless its order cannot be carried out.
        ("order o0 ocrelizumab 600 mg, on 8 November 2026, on hold, written 1 October 2026", False),
        # Of two doses of one day none comes before the other.
        ("order o0 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026", False),
        ("order o0 ocrelizumab 600 mg, on 7 December 2026, written 1 October 2026", True),
    ],
)
def test_what_is_still_to_come_before_takes_its_part(
    tmp_path: Path, before: str, short: bool
) -> None:
    answer = DRUG.replace("600 units,", "600 units, from 1 November 2026")
    scenario = story(tmp_path, "20 November", before, AFTER, VISIT, answer, ADMIN)
    found = {(each.rule, each.based_on and each.based_on.id) for each in scenario.judged().findings}
    assert (("auth-short-total", "o1") in found) is short


def test_a_dose_that_was_not_given_uses_nothing_up(tmp_path: Path) -> None:
    answer = "approved a9 96413, 2 visits, from 1 June 2026 until 1 October 2026"
    found = said(tmp_path, "30 November", BEFORE, AFTER, VISIT, DRUG, answer)
    assert "auth-expires-before-appt" in found


@pytest.mark.parametrize(("as_of", "short"), [("8 December", True), ("9 December", False)])
def test_the_visit_of_today_still_takes_an_approved_one(
    tmp_path: Path, as_of: str, short: bool
) -> None:
    again = "visit v2 10 December 2026 09:00, infusion, booked, for o1"
    assert ("auth-visits-short" in said(tmp_path, as_of, AFTER, VISIT, again, DRUG, ADMIN)) is short


@pytest.mark.parametrize(
    ("decision", "days"), [(Decision.APPROVED, 365), (Decision.DENIED, 90), (Decision.PENDED, 90)]
)
def test_an_answer_without_a_period_speaks_of_the_time_about_its_day(
    decision: Decision, days: int
) -> None:
    answer = replace(approved("approved a1 J2350, issued 1 June 2026"), decision=decision)
    for sign in (1, -1):
        last = date(2026, 6, 1) + sign * timedelta(days=days)
        assert speaks_of(answer, last)
        assert not speaks_of(answer, last + sign * timedelta(days=1))


@pytest.mark.parametrize(("as_of", "short"), [("4 December", False), ("7 December", True)])
def test_what_is_there_and_what_is_promised_count_together(
    tmp_path: Path, as_of: str, short: bool
) -> None:
    part = "dispensed d1 300 mg, delivered, 1 December 2026, for o1"
    rest = "dispensed d2 300 mg, promised, for o1"
    assert ("dispense-short" in said(tmp_path, as_of, AFTER, VISIT, part, rest)) is short


@pytest.mark.parametrize(("first", "over"), [(0, True), (1, False)])
def test_a_supply_of_half_a_spacing_ago_was_for_another_dose(
    tmp_path: Path, first: int, over: bool
) -> None:
    spacing = formulary().therapies["ocrelizumab"].spacing_days
    assert spacing is not None
    day = date(2026, 12, 8) - timedelta(days=spacing // 2 + first)
    lines = [
        f"dispensed d{n} 600 mg, delivered, {each:%-d %B %Y}, for o1"
        for n, each in enumerate((day, date(2026, 12, 1)))
    ]
    assert ("dispense-over" in said(tmp_path, "4 December", AFTER, VISIT, *lines)) is over


@pytest.mark.parametrize(("days", "over"), [(14, True), (15, False)])
def test_of_a_drug_for_every_month_a_supply_of_two_weeks_ago_was_for_another_dose(
    tmp_path: Path, days: int, over: bool
) -> None:
    first = date(2026, 12, 8) - timedelta(days=days)
    found = said(
        tmp_path,
        "4 December",
        "order o1 natalizumab 300 mg, on 8 December 2026, written 1 October 2026",
        VISIT,
        f"dispensed d1 natalizumab 300 mg, delivered, {first:%-d %B %Y}, for o1",
        "dispensed d2 natalizumab 300 mg, delivered, 3 December 2026, for o1",
    )
    assert ("dispense-over" in found) is over


@pytest.mark.parametrize(
    ("mode", "owner"),
    [("white-bag", "pharmacy"), ("home", "pharmacy"), ("brown-bag", "infusion-center")],
)
def test_a_missing_supply_is_for_whoever_brings_it(tmp_path: Path, mode: str, owner: str) -> None:
    order = f"{AFTER}, dispenser Example Pharmacy"
    scenario = story(tmp_path, "4 December", order, VISIT, DRUG, ADMIN)
    context = replace(scenario.context(), supply={"ocrelizumab": mode})
    found = judge(scenario.ledger(), context).findings
    missing = [each for each in found if each.rule == "dispense-missing"]
    assert [each.owner.value for each in missing] == [owner]
    assert all(each.say["packages"] for each in missing)
