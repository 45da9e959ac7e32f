"""Records that leave out what others say, and what is made of them."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.facts import Answer, Order, Ref, Requirement, State
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.plan import Said, Told
from fhirbridge.core.quantity import Quantity, UnitMismatch, mg
from fhirbridge.core.rules import judge, next_look
from fhirbridge.core.rules.process import moments
from fhirbridge.core.sorting import sort
from fhirbridge.core.therapy import Prerequisite
from tests.scenarios import scenario as s

STORY = """\
title: A story
as_of: {as_of}
drug: {drug}
facts: |
{facts}
expect: []
"""


def told(folder: Path, as_of: str, *facts: str, drug: str = "ocrelizumab") -> s.Scenario:
    path = folder / "story.yaml"
    lines = "\n".join(f"  {fact}" for fact in facts)
    path.write_text(STORY.format(as_of=as_of, facts=lines, drug=drug), encoding="utf-8")
    return s.load(path)


def found(scenario: s.Scenario) -> dict[str, str]:
    return {each.rule: each.variant for each in scenario.judged().findings}


def test_a_dose_without_any_day_has_no_moment_to_look_at(tmp_path: Path) -> None:
    """Neither its timing nor its date of writing is known: only what is amiss now is said."""
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit",
        "dispensed d1 10 mL, promised, for o1",
        "approved a1 J2350, 600 units, until 31 January 2027",
    )
    (occasion,) = story.ledger().occasions
    assert occasion.day is None
    assert next_look(story.ledger(), story.as_of) is None
    assert found(story) == {"dispense-short": ""}


def test_a_canceled_visit_without_a_day_belongs_to_the_order_that_it_names(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "visit v1 infusion, cancelled, for o1",
    )
    (occasion,) = story.ledger().occasions
    assert [visit.ref.id for visit in occasion.called_off] == ["v1"]


def test_a_canceled_visit_without_a_day_and_an_order_belongs_to_no_dose(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "visit v1 infusion, cancelled",
    )
    (occasion,) = story.ledger().occasions
    assert occasion.called_off == ()


def test_an_order_without_any_day_takes_the_visit_that_is_booked(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit",
        "visit v1 8 December 2026 09:00, infusion, booked",
    )
    (occasion,) = story.ledger().occasions
    assert occasion.visit is not None


def test_one_order_without_a_day_is_no_duplicate_of_another(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit",
        "order o2 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
    )
    assert "duplicate-order" not in found(story)


def test_an_order_that_another_server_shows_too_is_no_duplicate(tmp_path: Path) -> None:
    said = "ocrelizumab 600 mg, 1 visit, on 8 December 2026, written 1 October 2026"
    story = told(
        tmp_path, "20 November 2026 10:00", f"order o1 {said}", f"order o2 {said}, source pharmacy"
    )
    assert "duplicate-order" not in found(story)


def test_what_a_code_of_no_service_requires_is_about_the_order_that_it_names(
    tmp_path: Path,
) -> None:
    story = told(
        tmp_path,
        "1 October 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "required r1 99213, yes, for o1",
    )
    assert found(story) == {"auth-missing-drug": "required"}


def test_what_is_required_on_a_visit_is_about_the_infusion(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "1 October 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "visit v1 8 December 2026 09:00, infusion, booked, for o1",
    )
    for visit, rules in (("v1", {"auth-missing-admin"}), ("v2", set())):
        need = Requirement(ref=Ref("ehr", "Appointment", visit), needed="yes")
        ledger = book([*story.facts, need], s.formulary(), story.calendar)
        assert {each.rule for each in judge(ledger, story.context()).findings} == rules, visit


def test_what_is_required_of_another_drug_or_no_longer_is_not_required(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "1 October 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "order o2 natalizumab 300 mg, on hold",
        "required r1 natalizumab, yes",
        "required r2 ocrelizumab, yes",
    )
    withdrawn = [
        replace(fact, state=State.WITHDRAWN) if fact.ref.id == "r2" else fact
        for fact in story.facts
    ]
    ledger = book(withdrawn, s.formulary(), story.calendar)
    assert judge(ledger, story.context()).findings == ()


def test_an_insurance_that_the_payer_says_is_not_in_force_says_no_last_day(tmp_path: Path) -> None:
    """That another one ended before has nothing to do with it."""
    scenario = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "coverage c1 active, until 31 October 2026",
        "coverage c2 active, from 1 November 2026",
        "required r1 not in force",
    )
    (lapsed,) = (x for x in scenario.judged().findings if x.rule == "coverage-lapsed")
    assert lapsed.say["until"] is None
    assert {ref.id for ref in lapsed.evidence} == {"o1", "c1", "c2", "r1"}


def test_an_aspirin_is_nobodys_dose(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
        "given g1 aspirin 100 mg, 8 December 2026",
        "dispensed d1 no amount, 29 November 2026, for o1",
        "dispensed d2 20 IU, 29 November 2026, for o1, source ehr",
    )
    (occasion,) = story.ledger().occasions
    assert (occasion.administrations, occasion.dispensed.total) == ((), None)


def test_doses_without_amounts_never_use_up_an_authorization(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026, written 1 November 2026",
        "visit v1 8 December 2026 09:00, infusion, booked, for o1",
        "order o2 ocrelizumab 600 mg, 1 visit, on 9 June 2026, done",
        "given g1 no amount, 9 June 2026, for o2",
        "approved a1 J2350, 600 units, from 1 June 2026 until 30 November 2026",
    )
    assert found(story)["auth-expires-before-appt"] == "before"


def test_a_result_may_be_no_older_than_its_window(tmp_path: Path) -> None:
    therapy = replace(
        s.formulary().therapies["ocrelizumab"],
        prerequisites=(
            Prerequisite("kidney", aliases=("creatinine",), within_days=30, first_only=False),
        ),
    )
    formulary = Formulary([therapy])
    for day, rules in (("8 November 2026", set()), ("7 November 2026", {"prereq-not-met"})):
        story = told(
            tmp_path,
            "30 November 2026 10:00",
            "order o1 ocrelizumab 600 mg, 1 visit, on 8 December 2026",
            f'result r1 says "creatinine", {day}',
            'result r2 says "cholesterol", 20 November 2026',
        )
        context = replace(
            story.context(),
            formulary=formulary,
            sight={("lab", kind): "complete" for kind in ("orders", "administrations", "results")},
        )
        ledger = book(story.facts, formulary, story.calendar)
        fired = {each.rule for each in judge(ledger, context).findings}
        assert fired & {"prereq-not-met"} == rules, day


def test_what_was_handed_out_for_one_dose_is_not_kept_for_one_half_a_year_later(
    tmp_path: Path,
) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 2 visits, on 8 December 2026 and 8 June 2027",
        "dispensed d1 40 mL, 25 November 2026, for o1",
    )
    first, second = story.ledger().occasions
    assert (first.dispensed.total, second.dispensed.total) == (mg(1200), None)


def test_a_visit_too_many_for_an_order_is_a_dose_of_its_own_when_it_is_far(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
        "visit v1 8 December 2026 09:00, infusion, booked, for o1",
        "visit v2 8 June 2027 09:00, infusion, booked, for o1",
    )
    assert [o.day and o.day.year for o in story.ledger().occasions] == [2026, 2027]


def test_what_happened_before_an_order_was_written_is_not_its_dose(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026, on 20 October 2026",
        "given g1 600 mg, 10 September 2026",
    )
    (occasion,) = story.ledger().occasions
    assert not occasion.given


def test_a_dose_without_an_amount_spends_nothing_that_could_be_counted(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 300 mg, 2 visits, on 20 November 2026 and 4 December 2026",
        "given g1 no amount, 20 November 2026, for o1",
        "visit v2 4 December 2026 09:00, infusion, booked, for o1",
        "approved a1 J2350, 600 units, from 1 November 2026 until 31 January 2027",
        "approved a2 96413, 2 visits, from 1 November 2026 until 31 January 2027",
    )
    assert "auth-short-total" not in found(story)


def test_two_parts_of_which_one_says_no_amount(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 450 mg, 1 visit, on 8 December 2026, written 1 November 2026",
        "order o2 ocrelizumab, no amount, 1 visit, on 22 December 2026, written 1 November 2026",
    )
    assert found(story)["dose-outside-label"] == ""


@pytest.mark.parametrize(
    ("amount", "day", "outside"),
    [
        ("300 mg", "22 December 2026", False),
        ("200 mg", "22 December 2026", True),  # together they are no dose of the regimen
        ("300 mg", "8 June 2027", True),  # the other half comes half a year later
    ],
)
def test_a_half_is_within_the_label_where_the_other_half_is_near(
    tmp_path: Path, amount: str, day: str, outside: bool
) -> None:
    story = told(
        tmp_path,
        "20 November 2026 10:00",
        "order o1 ocrelizumab 300 mg, on 8 December 2026, written 1 October 2026",
        f"order o2 ocrelizumab {amount}, on {day}, written 1 October 2026",
        "given g1 600 mg, 9 June 2026",
    )
    assert ("dose-outside-label" in found(story)) is outside


@pytest.mark.parametrize(("after", "changed"), [(0, False), (1, True)])
def test_an_order_that_was_changed_with_the_answer_was_not_changed_after_it(
    tmp_path: Path, after: int, changed: bool
) -> None:
    story = told(
        tmp_path,
        "10 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 September 2026, at home",
        "approved a1 J2350, 600 units, until 31 January 2027, issued 1 October 2026, at hospital",
        "visit v1 8 December 2026 09:00, infusion, booked, for o1",
    )
    answered = datetime(2026, 10, 1, 9, tzinfo=story.zone)
    facts = [
        replace(each, updated=answered + timedelta(seconds=after))
        if isinstance(each, Order)
        else each
        for each in story.facts
    ]
    judged = judge(book(facts, s.formulary(), story.calendar), story.context())
    assert ("order-changed-after-auth" in {each.rule for each in judged.findings}) is changed


@pytest.mark.parametrize(
    ("when", "ordered"),
    [
        ("on 8 December 2026", True),
        ("on 9 December 2026", False),
        ("on 9 December 2026, from 1 December 2026", False),  # its days count before its window
        ("from 8 December 2026", True),
        ("from 9 December 2026", False),
        ("until 8 December 2026", True),
        ("until 7 December 2026", False),
    ],
)
def test_a_standing_order_for_premedication_is_in_force_on_its_days(
    tmp_path: Path, when: str, ordered: bool
) -> None:
    story = told(
        tmp_path,
        "3 December 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
        "visit v1 8 December 2026 09:00, infusion, booked, for o1",
        "premed p1 methylprednisolone 100 mg",
        f"premed p2 diphenhydramine 50 mg, {when}",
    )
    assert ("premed-order-missing" not in found(story)) is ordered


def test_a_look_alike_is_no_dose_of_this_drug(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 58468-0357-03, 30 mg, 1 visit",
        drug="alemtuzumab",
    )
    assert story.ledger().occasions == ()


def test_a_source_that_shows_only_our_tasks_may_be_silent(tmp_path: Path) -> None:
    story = told(
        tmp_path,
        "30 November 2026 10:00",
        "order o1 ocrelizumab 600 mg, 1 visit",
        "visit v1 3 December 2026 09:00, infusion, booked, for o1",
    )
    context = story.context()
    tasks = {("worklist", "worklist"): "complete"}
    deaf = replace(context, sight={**context.sight, **tasks}, silent={"worklist": story.as_of})
    rules = {each.rule for each in judge(story.ledger(), deaf).findings}
    assert "stale-feed" not in rules


def test_a_task_without_a_deadline_is_never_late() -> None:
    said = Said(
        key="k",
        episode=1,
        ref=Ref("ehr", "Task", "t"),
        told=Told.OPEN,
        digest="d",
        rule="dispense-short",
        owner="pharmacy",
    )
    assert list(moments([said])) == []


def test_an_answer_is_no_record_of_a_drug() -> None:
    answer = Answer(ref=Ref("ehr", "Task", "t"), key="k", choice="single", digest="d")
    assert sort([answer], s.formulary()).therapies == ()


def test_different_units_are_never_compared() -> None:
    with pytest.raises(UnitMismatch, match="mg and IU"):
        mg(600) < Quantity(mg(600).value, "IU")  # noqa: B015 - it raises


def test_words_that_cannot_be_measured_contradict_no_figures(tmp_path: Path) -> None:
    said = {
        unit: found(
            told(
                tmp_path,
                "30 November 2026 10:00",
                "order o1 ocrelizumab 600 mg, written 1 October 2026, on 8 December 2026, "
                f'says "300 {unit} x 2"',
            )
        )
        for unit in ("mg", "IU")
    }
    assert "single-vs-split-unclear" in said["mg"]
    assert "single-vs-split-unclear" not in said["IU"]


def test_a_supply_for_an_order_that_asks_for_no_dose_any_more_makes_no_trouble(
    tmp_path: Path,
) -> None:
    """Nor where its amount cannot be read."""
    for amount in ("600 mg", "600"):
        scenario = told(
            tmp_path,
            "30 November 2026 10:00",
            "order o1 ocrelizumab 600 mg, done, written 1 October 2026",
            f"dispensed d1 {amount}, 20 November 2026, for o1",
        )
        assert found(scenario) == {}
