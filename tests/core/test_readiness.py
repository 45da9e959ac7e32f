"""The edges of readiness: the first day on which something is said, and which word is the last."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.facts import Evidence
from fhirbridge.core.findings import Finding
from fhirbridge.core.rules import judge
from tests.scenarios import scenario as s

RESULTS = """\
title: A first infusion without results
as_of: {as_of} 2026 10:00
also: [laboratory]
facts: |
  order      o1  ocrelizumab 300 mg × 2 visits, written 1 November 2026
  visit      v1  2 December 2026 09:00, infusion, booked, for o1
  {more}
expect: []
"""

PROGRAM = """\
title: An infusion under a safety program
as_of: {as_of} 2026 10:00
drug: natalizumab
also: [registry]
facts: |
  order      o1  natalizumab 300 mg, 1 visit, written 1 November 2026
  visit      v1  2 December 2026 09:00, infusion, booked, for o1
  {more}
expect: []
"""

COURSE = """\
title: A second course
as_of: {as_of} 2026 10:00
drug: alemtuzumab
also: [laboratory]
facts: |
  order      o0  alemtuzumab 12 mg, on 1 November 2025, written 1 October 2025
  given      g1  12 mg, 1 November 2025, for o0
  order      o1  alemtuzumab 12 mg, on 2 December 2026, written 1 November 2026
  {more}
expect: []
"""

SINCE = 'enrolled   e1  says "TOUCH program", yes, 10 November 2026'


def told(folder: Path, story: str, as_of: str, *more: str) -> s.Scenario:
    path = folder / "story.yaml"
    path.write_text(story.format(as_of=as_of, more="\n  ".join(more)), encoding="utf-8")
    return s.load(path)


def of(scenario: s.Scenario, code: str) -> list[Finding]:
    return [each for each in scenario.judged().findings if each.rule == code]


@pytest.mark.parametrize(
    ("as_of", "said"),
    [("17 November", False), ("18 November", True), ("1 December", True), ("3 December", False)],
)
def test_a_missing_result_is_said_from_the_fourteenth_day_before(
    tmp_path: Path, as_of: str, said: bool
) -> None:
    assert bool(of(told(tmp_path, RESULTS, as_of), "prereq-not-met")) is said


@pytest.mark.parametrize(
    ("as_of", "said"),
    [("10 November", False), ("11 November", True), ("1 December", True), ("3 December", False)],
)
def test_a_missing_enrollment_is_said_from_the_twenty_first_day_before(
    tmp_path: Path, as_of: str, said: bool
) -> None:
    assert bool(of(told(tmp_path, PROGRAM, as_of), "rems-not-ready")) is said


@pytest.mark.parametrize(("until", "said"), [("1 December", True), ("2 December", False)])
def test_an_enrollment_lasts_through_its_last_day(tmp_path: Path, until: str, said: bool) -> None:
    scenario = told(tmp_path, PROGRAM, "20 November", f"{SINCE}, until {until} 2026")
    assert bool(of(scenario, "rems-not-ready")) is said


@pytest.mark.parametrize(
    ("yes", "no", "said"),
    [
        ((10, 9), (10, 8), False),  # of one day the later word counts
        ((10, 8), (10, 9), True),
        ((9, 9), (10, 8), True),  # else the later day, whenever it was written down
        ((10, 8), (9, 9), False),
    ],
)
def test_the_last_word_about_an_enrollment_counts(
    tmp_path: Path, yes: tuple[int, int], no: tuple[int, int], said: bool
) -> None:
    lines = [
        f'enrolled   e{number}  says "TOUCH program", {word}, {day} November 2026'
        for number, (word, (day, _)) in enumerate((("yes", yes), ("no", no)), start=1)
    ]
    scenario = told(tmp_path, PROGRAM, "20 November", *lines)
    hours = {"e1": yes[1], "e2": no[1]}
    facts = [
        replace(each, updated=datetime(2026, 11, 10, hours[each.ref.id], tzinfo=UTC))
        if isinstance(each, Evidence)
        else each
        for each in scenario.facts
    ]
    judged = judge(book(facts, s.formulary(), scenario.calendar), scenario.context())
    found = [each for each in judged.findings if each.rule == "rems-not-ready"]
    assert bool(found) is said


@pytest.mark.parametrize(
    ("before", "said"),
    [
        # A day of the course before it, eight days at most, asks for the results of the course.
        ("given g2 12 mg, 24 November 2026, for o0", False),
        ("given g2 12 mg, 23 November 2026, for o0", True),
        ("order o2 alemtuzumab 12 mg, on 1 December 2026, written 1 November 2026", False),
        ("order o2 alemtuzumab 12 mg, on 1 December 2026, on hold, written 1 November 2026", True),
    ],
)
def test_the_results_are_asked_for_once_a_course(tmp_path: Path, before: str, said: bool) -> None:
    found = of(told(tmp_path, COURSE, "27 November", before), "prereq-not-met")
    assert ("o1" in {each.based_on and each.based_on.id for each in found}) is said


def test_a_result_of_any_age_will_do_before_the_first_course(tmp_path: Path) -> None:
    first = COURSE.replace("  given      g1  12 mg, 1 November 2025, for o0\n", "").replace(
        "  order      o0  alemtuzumab 12 mg, on 1 November 2025, written 1 October 2025\n", ""
    )
    assert "given" not in first
    lines = [f'result r{n} says "{words}", 1 June 2024' for n, words in enumerate(("CBC", "TSH"))]
    found = of(told(tmp_path, first, "27 November", *lines), "prereq-not-met")
    classes = str(found[0].say["classes"]) if found else ""
    assert "blood-count" not in classes


ANOTHER = "order o2 alemtuzumab 12 mg, on 1 March 2027, written 1 November 2026"


@pytest.mark.parametrize(
    ("enrollment", "others", "ready"),
    [
        ('says "TOUCH program", yes', [ANOTHER], True),
        ('says "natalizumab", yes', [ANOTHER], True),
        ("yes, for o1", [ANOTHER], True),
        # It names nothing: it is of the only drug that has such a program.
        ("yes", [], True),
        ("yes", [ANOTHER], False),
        ("yes, for o2", [ANOTHER], False),
        ('says "alemtuzumab", yes', [ANOTHER], False),
        ('says "Lemtrada REMS", yes', [], False),
    ],
)
def test_whose_program_an_enrollment_is_in(
    tmp_path: Path, enrollment: str, others: list[str], ready: bool
) -> None:
    scenario = told(tmp_path, PROGRAM, "20 November", f"enrolled e1 {enrollment}", *others)
    found = [each for each in of(scenario, "rems-not-ready") if each.therapy == "natalizumab"]
    assert (not found) is ready


def test_old_is_said_only_where_each_of_the_results_has_been_there(tmp_path: Path) -> None:
    scenario = told(
        tmp_path,
        COURSE,
        "25 November",
        'result     r1  says "CBC", 20 October 2025',
        'result     r2  says "TSH", 20 October 2025',
    )
    (found,) = of(scenario, "prereq-not-met")
    assert found.variant == ""
