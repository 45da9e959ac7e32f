"""What a rule says with a finding: by when, to whom, and with which figures."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.facts import Order, Party, Site, Visit
from fhirbridge.core.findings import Finding, Role, key_of
from fhirbridge.core.rules import judge
from fhirbridge.core.rules.scene import Scene
from tests.scenarios import scenario as s

from .test_thresholds import ADMIN, DRUG, ORDER, VISIT, story


def scene(scenario: s.Scenario) -> Scene:
    ledger, context = scenario.ledger(), scenario.context()
    return Scene(ledger.occasions[0], ledger, context, ledger.calendar.day(context.as_of))


@pytest.mark.parametrize(
    ("as_of", "deadline", "due"),
    [
        # Business days before the visit on Tuesday, at the end of the working day.
        ("20 November", "authorization", "1 December 2026 17:00"),
        ("20 November", "supply", "4 December 2026 17:00"),
        ("20 November", "premedication", "4 December 2026 17:00"),
        # A question is for the next business day.
        ("20 November", "clarification", "23 November 2026 17:00"),
        # Nobody is asked to act in less than four hours.
        ("2 December", "authorization", "2 December 2026 14:00"),
        ("7 December", "supply", "7 December 2026 14:00"),
        # It never is after the visit, which may have begun.
        ("7 December", "clarification", "8 December 2026 09:00"),
        ("8 December", "clarification", "9 December 2026 17:00"),
    ],
)
def test_by_when(tmp_path: Path, as_of: str, deadline: str, due: str) -> None:
    assert s.written(scene(story(tmp_path, as_of, ORDER, VISIT)).due(deadline)) == due


def test_without_a_day_what_is_asked_is_for_the_next_business_day(tmp_path: Path) -> None:
    here = scene(story(tmp_path, "20 November", "order o1 ocrelizumab 600 mg, 1 visit"))
    assert (here.day, here.business_days_left, here.starts) == (None, None, None)
    assert s.written(here.due("authorization")) == "23 November 2026 17:00"


def test_a_visit_without_an_hour_starts_with_its_day(tmp_path: Path) -> None:
    due = "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026"
    here = scene(story(tmp_path, "20 November", due))
    assert s.written(here.starts) == "8 December 2026 00:00"
    assert here.business_days_left == 12  # Thanksgiving is no holiday of this calendar


@pytest.mark.parametrize(
    ("role", "lines", "name"),
    [
        (Role.PRESCRIBER, [f"{ORDER}, by Dr Example", VISIT], "Dr Example"),
        (
            Role.PHARMACY,
            [
                f"{ORDER}, dispenser First Pharmacy",
                "dispensed d1 600 mg, for o1, 1 December 2026, by Second Pharmacy",
            ],
            "First Pharmacy",
        ),
        (
            Role.PHARMACY,
            [ORDER, "dispensed d1 600 mg, for o1, 1 December 2026, by Second Pharmacy"],
            "Second Pharmacy",
        ),
        (Role.INFUSION_CENTER, [ORDER, f"{VISIT}, by Example Clinic"], "Example Clinic"),
        (
            Role.PAYER,
            [ORDER, VISIT, f"{DRUG}, payer First Health", "coverage c1 payer Second Health"],
            "First Health",
        ),
        (
            Role.PAYER,
            [ORDER, VISIT, f"{ADMIN}, payer Third Health", "coverage c1 payer Second Health"],
            "Third Health",
        ),
        (Role.PAYER, [ORDER, VISIT, "coverage c1 payer Second Health"], "Second Health"),
        # Else whom the configuration names.
        *((role, [ORDER, VISIT], f"the configured {role.value}") for role in Role),
    ],
)
def test_who_acts_for_a_role(tmp_path: Path, role: Role, lines: list[str], name: str) -> None:
    party = scene(story(tmp_path, "20 November", *lines)).party(role)
    assert party is not None
    assert party.display == name


def test_of_an_infusion_the_visit_says_first_who_gives_it(tmp_path: Path) -> None:
    clinic, ordered, place = (Party("ehr", f"Organization/{n}") for n in ("v", "o", "p"))
    scenario = story(tmp_path, "20 November", ORDER, VISIT)

    def named(performer: Party | None, order: Party | None, site: Party | None) -> Party | None:
        facts = [
            replace(each, performer=performer, site=Site("office", site))
            if isinstance(each, Visit)
            else replace(each, performer=order)
            if isinstance(each, Order)
            else each
            for each in scenario.facts
        ]
        ledger, context = book(facts, s.formulary(), scenario.calendar), scenario.context()
        here = Scene(ledger.occasions[0], ledger, context, ledger.calendar.day(context.as_of))
        return here.party(Role.INFUSION_CENTER)

    assert named(clinic, ordered, place) == clinic
    assert named(None, ordered, place) == ordered
    assert named(None, None, place) == place


def only(scenario: s.Scenario, rule: str) -> Finding:
    (found,) = (each for each in scenario.judged().findings if each.rule == rule)
    return found


def test_the_figures_of_a_finding(tmp_path: Path) -> None:
    scenario = story(
        tmp_path,
        "20 November",
        ORDER,
        VISIT,
        DRUG,
        ADMIN,
        "dispensed d1 10 mL, delivered, 19 November 2026, for o1",
        "dispensed d2 5 mL, promised, for o1",
    )
    found = only(scenario, "dispense-short")
    assert found.figures == {
        "ordered": {"per_visit": "600 mg", "visits": 1, "total": "600 mg"},
        "authorized": {
            "drug": {"total": "600 mg", "decision": "approved"},
            "administration": {"visits": 1, "decision": "approved"},
        },
        "scheduled": {"visits": 1, "start": "2026-12-08T09:00:00-05:00"},
        "dispensed": {"total": "300 mg", "promised": "150 mg"},
        "administered": None,
    }
    assert (found.day, found.lead) == (scene(scenario).day, timedelta(days=17, hours=23))
    assert found.patient is not None
    assert found.patient.id == "p1"


def test_the_words_of_a_finding_show_the_arithmetic_of_its_own_columns(tmp_path: Path) -> None:
    scenario = story(
        tmp_path,
        "20 November",
        ORDER,
        VISIT,
        DRUG,
        ADMIN,
        "dispensed d1 10 mL, delivered, 19 November 2026, for o1",
    )
    words = only(scenario, "dispense-short").say
    assert words["steps"] == ("10 mL × 30 mg/mL = 300 mg",)
    named = ("ordered", "ordered_visits", "authorized_total", "admin_visits", "dispensed")
    assert [str(words[each]) for each in named] == ["600 mg", "1", "600 mg", "1", "300 mg"]
    assert (words["given"], words["authorized"], words["decision"]) == (None, None, "approved")
    assert words["numbers"] == ("AUTH1",)


def test_only_an_amount_that_was_announced_is_no_supply(tmp_path: Path) -> None:
    promised = "dispensed d1 300 mg, promised, for o1"
    found = only(
        story(tmp_path, "20 November", ORDER, VISIT, DRUG, ADMIN, promised), "dispense-short"
    )
    assert found.figures["dispensed"] == {"promised": "300 mg"}


def test_where_nothing_is_booked_no_visit_is_among_the_figures(tmp_path: Path) -> None:
    order = "order o1 ocrelizumab 600 mg, on 8 December 2026, written 1 October 2026"
    found = only(story(tmp_path, "20 November", order, DRUG, ADMIN), "order-without-appt")
    assert found.figures["scheduled"] is None
    assert found.figures["dispensed"] is None


def test_what_cannot_be_measured_is_counted(tmp_path: Path) -> None:
    lines = (ORDER, VISIT, DRUG, ADMIN, "dispensed d1 10, 19 November 2026, for o1")
    found = only(story(tmp_path, "20 November", *lines), "unit-ambiguous")
    assert found.figures["dispensed"] == {"unmeasured": 1}


SHORT = "dispensed d1 {}, delivered, 19 November 2026, for o1"
NEXT_DAY = VISIT.replace("8 December", "9 December")


def short(folder: Path, visit: str = VISIT, amount: str = "10 mL", on: str = "20") -> Finding:
    scenario = story(folder, f"{on} November", ORDER, visit, DRUG, ADMIN, SHORT.format(amount))
    return only(scenario, "dispense-short")


def test_a_trouble_keeps_its_key_and_its_digest_names_the_figures(tmp_path: Path) -> None:
    first = short(tmp_path)
    assert (first.rule, first.therapy, first.action) == ("dispense-short", "ocrelizumab", "fulfill")
    assert short(tmp_path, on="21").digest == first.digest  # time alone is no news
    for other in (short(tmp_path, amount="9 mL"), short(tmp_path, visit=NEXT_DAY)):
        assert other.key == first.key
        assert other.digest != first.digest


def test_a_key_is_made_of_person_therapy_occasion_and_rule(tmp_path: Path) -> None:
    """Our Tasks bear it: another way to make it would write each of them once more."""
    scenario = story(tmp_path, "25 November", ORDER, VISIT, "denied a1 J2350", ADMIN)
    here = ("ehr:Patient/p1", "ocrelizumab", scenario.ledger().occasions[0].key)
    assert only(scenario, "auth-denied").key == key_of(*here, "auth-denied", "drug")
    found = short(tmp_path)
    assert found.key == key_of(*here, "dispense-short")
    assert found.occasion == key_of(*here)
    assert (found.variant, found.based_on and found.based_on.id) == ("", "o1")


def test_a_visit_without_order_and_patient_is_told_all_the_same(tmp_path: Path) -> None:
    lines = ("given g1 600 mg, 1 June 2026", VISIT.replace(", for o1", ""))
    scenario = story(tmp_path, "25 November", *lines)
    facts = [replace(each, patient=None) for each in scenario.facts]
    ledger, context = book(facts, s.formulary(), scenario.calendar), scenario.context()
    (found,) = (x for x in judge(ledger, context).findings if x.rule == "appt-without-order")
    assert (found.patient, found.based_on) == (None, None)
    here = Scene(ledger.occasions[0], ledger, context, ledger.calendar.day(context.as_of))
    assert here.party(Role.PHARMACY) == context.owners[Role.PHARMACY]


def test_each_trouble_of_a_person_has_a_key_of_its_own(tmp_path: Path) -> None:
    scenario = story(
        tmp_path,
        "25 November",
        ORDER,
        VISIT,
        "order o2 natalizumab 300 mg, on 9 December 2026, written 1 October 2026",
        "order o3 ocrelizumab 600 mg, on 8 June 2027, written 1 October 2026",
        "required r1 J2350, yes",
    )
    ledger, context = scenario.ledger(), scenario.context()
    keys = [each.key for each in judge(ledger, context).findings]
    assert len(set(keys)) == len(keys) > 3
    another = judge(ledger, replace(context, person="ehr:Patient/p2")).findings
    assert not {each.key for each in another} & set(keys)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        # The rule says nothing of the amount: the figures of its columns do.
        ([ORDER], [ORDER.replace("600", "300")]),
        # It rests on no column: what it says does.
        ([ORDER, DRUG, ADMIN], [ORDER, DRUG, ADMIN, "premed p1 methylprednisolone 100 mg"]),
    ],
)
def test_other_figures_or_other_words_are_news(
    tmp_path: Path, one: list[str], other: list[str]
) -> None:
    rule = "premed-order-missing" if len(one) > 1 else "auth-missing-drug"
    first, second = (
        only(story(tmp_path, "3 December", VISIT, *lines), rule) for lines in (one, other)
    )
    assert first.digest != second.digest


def test_other_figures_of_an_answer_are_news(tmp_path: Path) -> None:
    """Also where what is said of them is the same."""
    digests = {
        only(
            story(
                tmp_path,
                "20 November",
                ORDER,
                VISIT,
                f"approved a1 J2350, 300 units × {visits} visits, until 31 January 2027",
            ),
            "auth-per-visit-mismatch",
        ).digest
        for visits in (2, 3)
    }
    assert len(digests) == 2


def test_the_order_that_a_question_shows_is_compared_and_not_asked_about(tmp_path: Path) -> None:
    """Else “for 600 mg” would stand when it is for 300 mg. The answer holds all the same."""
    found = [
        only(
            story(tmp_path, "3 December", ORDER.replace("600 mg", dose), VISIT, "dispensed d1 100"),
            "unit-ambiguous",
        )
        for dose in ("600 mg", "300 mg")
    ]
    assert found[0].digest != found[1].digest
    assert found[0].asked == found[1].asked != ""


def test_a_question_is_the_same_for_another_day(tmp_path: Path) -> None:
    def asked(visit: str, dose: str = "450 mg") -> Finding:
        order = ORDER.replace("600 mg", dose)
        return only(story(tmp_path, "20 November", order, visit), "dose-outside-label")

    first, moved = asked(VISIT), asked(NEXT_DAY)
    assert first.asked == moved.asked != ""
    assert first.digest != moved.digest
    assert asked(VISIT, "460 mg").asked != first.asked
    assert short(tmp_path).asked == ""


def test_whoever_is_asked_is_told_first_where_the_rule_tells_others(tmp_path: Path) -> None:
    assert short(tmp_path).audience == (Role.PHARMACY, Role.PRESCRIBER, Role.INFUSION_CENTER)
    bare = story(tmp_path, "20 November", ORDER, VISIT, "approved a1 J2350 2")
    assert only(bare, "unit-ambiguous").audience == (Role.PAYER, Role.PRESCRIBER)
