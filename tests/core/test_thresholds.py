"""The edges of the rules: the first day on which something is said, the last that still is well.

A scenario tells a story in the middle of such a time; these tell where it begins and where it ends.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.facts import Order, Visit
from fhirbridge.core.findings import Severity
from fhirbridge.core.quantity import mg
from fhirbridge.core.rules import judge
from tests.scenarios import scenario as s

STORY = """\
title: At the edge
as_of: {as_of} 2026 10:00
supply: {{ocrelizumab: white-bag}}
facts: |
  {facts}
expect: []
"""
ORDER = "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026"
VISIT = "visit v1 8 December 2026 09:00, infusion, booked, for o1"
DRUG = "approved a1 J2350, 600 units, until 31 January 2027, number AUTH1"
ADMIN = "approved a2 96413, 1 visit, until 31 January 2027, number AUTH2"


def story(folder: Path, as_of: str, *facts: str) -> s.Scenario:
    path = folder / "story.yaml"
    path.write_text(STORY.format(as_of=as_of, facts="\n  ".join(facts)), encoding="utf-8")
    return s.load(path)


def said(folder: Path, as_of: str, *facts: str) -> set[str]:
    """The rules that find something."""
    return {each.rule for each in story(folder, as_of, *facts).judged().findings}


@pytest.mark.parametrize(
    ("rule", "before", "first", "facts"),
    [
        ("auth-missing-drug", "16 November", "17 November", [ORDER, VISIT, ADMIN]),
        ("auth-missing-admin", "16 November", "17 November", [ORDER, VISIT, DRUG]),
        ("auth-pended-near-appt", "30 November", "1 December", [ORDER, VISIT, "pended a1 J2350"]),
        (
            "auth-pended-near-appt",
            "4 December",
            "5 December",
            [ORDER, VISIT, "pended a1 J2350, stat"],
        ),
        # Before a visit is booked the payer may still extend it, until three weeks before.
        (
            "auth-expires-before-appt",
            "16 November",
            "17 November",
            [
                "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026",
                "approved a1 J2350, 600 units, until 1 October 2026",
                ADMIN,
            ],
        ),
        # Five business days before a Tuesday.
        ("dispense-missing", "30 November", "1 December", [ORDER, VISIT, DRUG, ADMIN]),
        # A promise counts until two business days before, what is on its way until the day before.
        (
            "dispense-late",
            "4 December",
            "7 December",
            [ORDER, VISIT, "dispensed d1 600 mg, promised, for o1"],
        ),
        (
            "dispense-late",
            "6 December",
            "7 December",
            [ORDER, VISIT, "dispensed d1 600 mg, committed, for o1"],
        ),
        (
            "order-without-appt",
            "9 November",
            "10 November",
            ["order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026"],
        ),
        # Three business days after it was written.
        (
            "order-without-appt",
            "18 November",
            "19 November",
            ["order o1 ocrelizumab 600 mg, on 8 December 2026, written 16 November 2026"],
        ),
        (
            "appt-cancelled-unreplaced",
            "18 November",
            "19 November",
            [
                "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026",
                "visit v1 8 December 2026 09:00, infusion, cancelled, changed 16 November 2026",
            ],
        ),
        # Nothing says when it was called off: then from the day on which it should have been.
        (
            "appt-cancelled-unreplaced",
            "18 November",
            "19 November",
            [
                "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026",
                "visit v1 16 November 2026 09:00, infusion, cancelled, for o1",
            ],
        ),
        ("premed-order-missing", "30 November", "1 December", [ORDER, VISIT]),
        (
            "admin-not-recorded",
            "10 December",
            "11 December",
            [ORDER, VISIT.replace("booked", "fulfilled")],
        ),
        (
            "admin-short",
            "11 December",
            "12 December",
            [ORDER, "given g1 300 mg, 8 December 2026, for o1"],
        ),
        (
            "admin-short",
            "22 December",
            "23 December",
            [ORDER, "given g1 300 mg, stopped early, 8 December 2026, for o1"],
        ),
        (
            "interval-overdue",
            "15 December",
            "16 December",
            [ORDER, "given g1 600 mg, 1 June 2026"],
        ),
    ],
)
def test_the_first_day(
    tmp_path: Path, rule: str, before: str, first: str, facts: list[str]
) -> None:
    assert rule not in said(tmp_path, before, *facts)
    assert rule in said(tmp_path, first, *facts)


@pytest.mark.parametrize(
    ("rule", "lines"),
    [
        ("order-without-appt", []),
        ("appt-cancelled-unreplaced", [VISIT.replace("booked", "cancelled")]),
    ],
)
def test_what_is_written_in_the_evening_is_of_that_day_at_the_site(
    tmp_path: Path, rule: str, lines: list[str]
) -> None:
    """One o'clock in Greenwich is the evening before in New York."""
    evening = datetime(2026, 11, 17, 1, tzinfo=UTC)
    order = "order o1 ocrelizumab 600 mg, on 8 December 2026"
    for day, fires in (("18 November", False), ("19 November", True)):
        scenario = story(tmp_path, day, order, *lines)
        facts = [
            replace(each, authored=evening) if isinstance(each, Order) else each
            for each in scenario.facts
        ]
        facts = [replace(x, updated=evening) if isinstance(x, Visit) else x for x in facts]
        judged = judge(book(facts, s.formulary(), scenario.calendar), scenario.context())
        assert (rule in {each.rule for each in judged.findings}) is fires


@pytest.mark.parametrize(
    ("as_of", "off", "now"),
    [("2 December", "1 December", False), ("3 December", "2 December", True)],
)
def test_a_visit_that_is_called_off_shortly_before_is_told_at_once(
    tmp_path: Path, as_of: str, off: str, now: bool
) -> None:
    """Three business days before the dose nobody waits three for the office to book again."""
    order = "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026"
    visit = f"visit v1 8 December 2026 09:00, infusion, cancelled, changed {off} 2026"
    assert ("appt-cancelled-unreplaced" in said(tmp_path, as_of, order, visit)) is now


def test_whether_it_is_the_rest_of_a_course_cannot_be_told_of_a_dose_by_weight(
    tmp_path: Path,
) -> None:
    scenario = story(
        tmp_path,
        "25 November",
        "order o1 infliximab 400 mg, 1 visit, written 1 October 2026",
        "given g1 infliximab 400 mg, 24 November 2026",
        VISIT.replace("8 December", "30 November"),
    )
    verdicts = {each.rule: each.outcome for each in scenario.judged().verdicts}
    assert verdicts["interval-too-early"] == "cannot tell"


@pytest.mark.parametrize(
    ("rule", "well", "wrong", "fact"),
    [
        # Seven days of slack after the visit.
        (
            "auth-expires-before-appt",
            "16 December 2026",
            "15 December 2026",
            "approved a1 J2350, 600 units, until {}",
        ),
        (
            "auth-expires-before-appt",
            "8 December 2026",
            "7 December 2026",
            "approved a1 J2350, 600 units, until {}",
        ),
        (
            "auth-expires-before-appt",
            "8 December 2026",
            "9 December 2026",
            "approved a1 J2350, 600 units, until {}",
        ),
        # What ended half a year before is history.
        (
            "auth-expires-before-appt",
            "7 June 2026",
            "8 June 2026",
            "approved a1 J2350, 600 units, until {}",
        ),
        (
            "auth-missing-drug",
            "8 June 2026",
            "7 June 2026",
            "approved a1 J2350, 600 units, until {}",
        ),
        (
            "auth-not-yet-effective",
            "8 December 2026",
            "9 December 2026",
            "approved a1 J2350, 600 units, from {}",
        ),
        ("coverage-lapsed", "8 December 2026", "7 December 2026", "coverage c1 until {}, active"),
        # Two business days before the visit.
        (
            "dispense-late",
            "4 December 2026",
            "5 December 2026",
            "dispensed d1 600 mg, committed, expected {}, for o1",
        ),
    ],
)
def test_the_last_day(tmp_path: Path, rule: str, well: str, wrong: str, fact: str) -> None:
    assert rule not in said(tmp_path, "30 November", ORDER, VISIT, fact.format(well))
    assert rule in said(tmp_path, "30 November", ORDER, VISIT, fact.format(wrong))


@pytest.mark.parametrize(
    ("last", "visit", "variant"),
    [
        # The label's minimum is 140 days: below it the visit must move, whatever anybody says.
        ("22 July 2026", "8 December 2026", "minimum"),
        ("21 July 2026", "8 December 2026", ""),
        # From five months on nobody has to confirm it.
        ("9 July 2026", "8 December 2026", ""),
        ("8 July 2026", "8 December 2026", None),
        ("9 September 2026", "8 February 2027", ""),
        ("8 September 2026", "8 February 2027", None),
    ],
)
def test_how_early_a_dose_may_be(
    tmp_path: Path, last: str, visit: str, variant: str | None
) -> None:
    lines = (ORDER, VISIT.replace("8 December 2026", visit), f"given g1 600 mg, {last}")
    found = story(tmp_path, "30 November", *lines).judged().findings
    early = [each for each in found if each.rule == "interval-too-early"]
    assert [each.variant for each in early] == ([] if variant is None else [variant])
    if early:
        assert early[0].severity is (Severity.S1 if variant else Severity.S3)
        assert bool(early[0].choices) is (not variant)


@pytest.mark.parametrize(
    ("rule", "fires", "quiet", "facts"),
    [
        # Orders are for one dose where their days are no farther apart than those of a course.
        (
            "duplicate-order",
            "29 December 2026",
            "30 December 2026",
            [
                "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026",
                "order o2 ocrelizumab 600 mg, on {}, written 2 October 2026",
            ],
        ),
        (
            "order-not-active",
            "7 December 2026",
            "8 December 2026",
            [f"{ORDER}, until {{}}", VISIT],
        ),
        # What was sent for the days before is too little for a day this close to them.
        (
            "dispense-missing",
            "11 December 2026",
            "12 December 2026",
            [
                "order o1 ocrelizumab 300 mg, on 8 December 2026 and {}, written 1 October 2026",
                VISIT,
                "visit v2 {} 09:00, infusion, booked, for o1",
                "dispensed d1 300 mg, 20 November 2026, for o1",
            ],
        ),
        (
            "dispense-missing",
            "9 December 2026",
            "12 December 2026",
            [
                "order o1 ocrelizumab 300 mg, on 8 December 2026 and {}, written 1 October 2026",
                VISIT,
                "visit v2 {} 09:00, infusion, booked, for o1",
                "dispensed d1 300 mg, 20 November 2026, for o1",
            ],
        ),
        # A dose that is booked makes its course; one of another course does not.
        (
            "appt-count-mismatch",
            "29 December 2026",
            "30 December 2026",
            [
                "order o1 ocrelizumab 300 mg, on 8 December 2026 and {}, written 1 October 2026",
                VISIT,
            ],
        ),
        # Delivered means that it is there; with a day to come it is on its way.
        (
            "dispense-late",
            "7 December 2026",
            "4 December 2026",
            [ORDER, VISIT, "dispensed d1 600 mg, delivered, {}, for o1"],
        ),
    ],
)
def test_how_far_apart(tmp_path: Path, rule: str, fires: str, quiet: str, facts: list[str]) -> None:
    assert rule in said(tmp_path, "20 November", *(each.format(fires) for each in facts))
    assert rule not in said(tmp_path, "20 November", *(each.format(quiet) for each in facts))


@pytest.mark.parametrize(("as_of", "more"), [("8 December", True), ("9 December", False)])
def test_a_visit_of_today_is_still_one_too_many(tmp_path: Path, as_of: str, more: bool) -> None:
    again = "visit v2 15 December 2026 09:00, infusion, booked, for o1"
    found = story(tmp_path, as_of, ORDER, VISIT, again).judged().findings
    assert [e.variant for e in found if e.rule == "appt-count-mismatch"] == ["more"] * more


@pytest.mark.parametrize(("as_of", "fewer"), [("8 December", True), ("9 December", False)])
def test_a_half_that_is_booked_for_today_still_asks_for_the_other(
    tmp_path: Path, as_of: str, fewer: bool
) -> None:
    order = "order o1 ocrelizumab 300 mg, 2 visits, every 14 days, written 1 October 2026"
    found = story(tmp_path, as_of, order, VISIT).judged().findings
    assert [e.variant for e in found if e.rule == "appt-count-mismatch"] == ["fewer"] * fewer


@pytest.mark.parametrize(("as_of", "stale"), [("30 November", False), ("1 December", True)])
def test_a_silent_source_matters_from_a_week_before(
    tmp_path: Path, as_of: str, stale: bool
) -> None:
    scenario = story(tmp_path, as_of, ORDER, VISIT)
    silent = {"pharmacy": scenario.as_of - timedelta(days=9)}
    judged = judge(scenario.ledger(), replace(scenario.context(), silent=silent))
    assert ("stale-feed" in {each.rule for each in judged.findings}) is stale


@pytest.mark.parametrize(("as_of", "said_"), [("16 November", False), ("17 November", True)])
def test_a_nurse_at_home_is_looked_for_from_three_weeks_before(
    tmp_path: Path, as_of: str, said_: bool
) -> None:
    found = said(tmp_path, as_of, ORDER, f"{VISIT}, at home", DRUG, ADMIN)
    assert ("home-admin-auth-missing" in found) is said_


@pytest.mark.parametrize(("day", "severity"), [("29 December", "S3"), ("30 December", "S2")])
def test_very_late_is_graver(tmp_path: Path, day: str, severity: str) -> None:
    found = story(tmp_path, day, ORDER, "given g1 600 mg, 1 June 2026").judged().findings
    assert [each.severity.name for each in found if each.rule == "interval-overdue"] == [severity]


@pytest.mark.parametrize(("as_of", "severity"), [("30 November", "S3"), ("1 December", "S2")])
def test_a_doubt_blocks_the_dose_from_a_week_before(
    tmp_path: Path, as_of: str, severity: str
) -> None:
    order = "order o1 ocrelizumab, no amount, 1 visit, written 1 October 2026"
    found = story(tmp_path, as_of, order, VISIT).judged().findings
    assert [each.severity.name for each in found if each.rule == "unit-ambiguous"] == [severity]


@pytest.mark.parametrize(("before", "short"), [(1, True), (11, True), (12, False)])
def test_whoever_had_many_infusions_is_observed_no_more(
    tmp_path: Path, before: int, short: bool
) -> None:
    """An hour for natalizumab, and another of observation after each of the first twelve."""
    days = [date(2026, 11, 10) - timedelta(days=28 * n) for n in range(before)]
    given = [f"given g{n} natalizumab 300 mg, {day:%-d %B %Y}" for n, day in enumerate(days)]
    order = "order o1 natalizumab 300 mg, 1 visit, written 1 October 2026"
    found = said(tmp_path, "30 November", order, f"{VISIT}, 1 hour", *given)
    assert ("appt-too-short" in found) is short


@pytest.mark.parametrize(("less", "short"), [(0, False), (1, True)])
def test_an_appointment_of_just_the_time_it_takes(tmp_path: Path, less: int, short: bool) -> None:
    scenario = story(tmp_path, "30 November", ORDER, VISIT, "given g1 600 mg, 1 June 2026")
    therapy = s.formulary().therapies["ocrelizumab"]
    chairs = [therapy.chair_minutes(each, 2) for each in therapy.doses if each.fits(mg(600))]
    minutes = min(filter(None, chairs)) - less
    facts = [
        replace(each, end=each.start + timedelta(minutes=minutes))
        if isinstance(each, Visit) and each.start
        else each
        for each in scenario.facts
    ]
    judged = judge(book(facts, s.formulary(), scenario.calendar), scenario.context())
    assert ("appt-too-short" in {each.rule for each in judged.findings}) is short
