"""What holds for the rules as a whole; what each of them finds is told by tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from fhirbridge import mappings, texts
from fhirbridge.core.booking import book
from fhirbridge.core.facts import Fact, Order, Party, Ref, State, Supply, Visit
from fhirbridge.core.findings import Role, Severity, key_of, priority
from fhirbridge.core.plan import Said, Told
from fhirbridge.core.rules import ALL_RULES, FOLDS, LAST, is_near, judge, next_look
from fhirbridge.core.rules.base import Rule
from fhirbridge.core.rules.coverage import _other
from fhirbridge.core.rules.places import _others
from tests.scenarios import scenario as s

ENGLISH = texts.load([mappings.shipped() / "tasks" / "en"])
CODES = [rule.code for rule in ALL_RULES]

STORY = """\
title: A story
as_of: {as_of}
facts: |
  order      o1  ocrelizumab 600 mg, 1 visit, written 1 October 2026
  visit      v1  8 December 2026 09:00, infusion, booked, for o1
  approved   a1  J2350, 600 units, until 31 January 2027
  {more}
expect: []
"""


def story(folder: Path, as_of: str, more: str = "") -> s.Scenario:
    path = folder / "story.yaml"
    path.write_text(STORY.format(as_of=as_of, more=more), encoding="utf-8")
    return s.load(path)


def test_a_visit_that_names_an_order_of_no_drug_cannot_be_told(tmp_path: Path) -> None:
    told = story(tmp_path, "1 December 2026 10:00", "given      g1  600 mg, 1 June 2026")
    facts = [replace(x, codes=(), text="") if isinstance(x, Order) else x for x in told.facts]
    judged = judge(book(facts, s.formulary(), told.calendar), told.context())
    (answer,) = judged.answers.values()
    assert answer["appt-without-order"] == (
        "cannot tell",
        "the order that the visit names does not say which drug it is for",
    )
    alone = [fact for fact in facts if not isinstance(fact, Order)]
    judged = judge(book(alone, s.formulary(), told.calendar), told.context())
    assert "appt-without-order" in {finding.rule for finding in judged.findings}


def test_codes_are_unique() -> None:
    assert len(set(CODES)) == len(CODES)


def test_folds_name_rules_and_never_go_in_a_circle() -> None:
    assert set(FOLDS) | {cause for causes in FOLDS.values() for cause in causes} <= set(CODES)

    def above(code: str, seen: tuple[str, ...] = ()) -> None:
        assert code not in seen, seen
        for cause in FOLDS.get(code, ()):
            above(cause, (*seen, code))

    for code in FOLDS:
        above(code)


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda rule: rule.code)
def test_a_rule_can_be_told_to_everybody_whom_it_concerns(rule: Rule) -> None:
    assert rule.code in ENGLISH.templates
    assert rule.owner in rule.audience or rule.code == "unit-ambiguous"
    assert rule.why.endswith(".")
    assert rule.source.split()[0].isdigit()


@pytest.mark.parametrize(
    ("severity", "days", "word"),
    [
        (Severity.S1, 1, "stat"),
        (Severity.S1, 2, "asap"),
        (Severity.S2, 0.5, "stat"),
        (Severity.S2, 3, "asap"),
        (Severity.S2, 14, "urgent"),
        (Severity.S2, 15, "routine"),
        (Severity.S3, 7, "urgent"),
        (Severity.S3, 8, "routine"),
        (Severity.S4, 0, "routine"),
        (Severity.S1, None, "asap"),
        (Severity.S2, None, "routine"),
    ],
)
def test_priority_follows_severity_and_lead(
    severity: Severity, days: float | None, word: str
) -> None:
    assert priority(severity, None if days is None else timedelta(days=days)) == word


def test_every_rule_has_a_verdict_at_every_occasion(tmp_path: Path) -> None:
    told = story(tmp_path, "30 November 2026 10:00", "not read   pharmacy")
    verdicts = {each.rule: each.outcome for each in told.judged().verdicts}
    assert set(verdicts) == set(CODES) - {rule.code for rule, _ in LAST}
    assert verdicts["auth-missing-admin"] == "fires"
    assert verdicts["auth-missing-drug"] == "quiet"
    assert verdicts["dispense-short"] == "cannot tell"


def test_what_was_not_read_completely_is_blind(tmp_path: Path) -> None:
    judged = story(tmp_path, "30 November 2026 10:00", "not read   pharmacy").judged()
    (occasion,) = judged.standing
    assert judged.cannot_tell(occasion, "dispense-missing")
    assert judged.cannot_tell(occasion, "no-owner")
    assert not judged.cannot_tell(occasion, "auth-missing-admin")


def test_what_a_rule_could_not_tell_is_not_gone() -> None:
    """Nor what rests on the findings of others; all else is."""
    name = "auth-missing-drug/an-approval-that-says-nothing"
    told = next(each for each in s.every() if each.name == name)
    judged = told.judged()
    ((occasion, records),) = judged.standing.items()
    assert {ref.id for ref in records} >= {"o1", "v1"}
    for rule in ("auth-missing-drug", "auth-missing-admin", "no-owner", "owner-unresponsive"):
        assert judged.cannot_tell(occasion, rule), rule
        assert not judged.cannot_tell("another", rule)
    assert not judged.cannot_tell(occasion, "auth-denied")


def test_the_next_look_is_the_next_threshold(tmp_path: Path) -> None:
    told = story(tmp_path, "10 November 2026 10:00")
    look = next_look(told.ledger(), told.as_of)
    assert look is not None
    assert s.written(look) == "17 November 2026 00:00"


@pytest.mark.parametrize(
    ("as_of", "near"),
    [
        ("4 December 2026 10:00", False),  # a Friday; the visit is on Tuesday
        ("6 December 2026 23:00", False),
        ("7 December 2026 00:00", True),
        ("8 December 2026 23:59", True),
        ("9 December 2026 00:00", False),
    ],
)
def test_a_dose_is_near_from_the_business_day_before(
    tmp_path: Path, as_of: str, near: bool
) -> None:
    told = story(tmp_path, as_of)
    assert is_near(told.ledger(), told.as_of) is near


@pytest.mark.parametrize("scenario", s.every(), ids=lambda each: each.name)
def test_a_dose_comes_near_only_at_a_look(scenario: s.Scenario) -> None:
    """So that whose news is urgent is known without another look."""
    ledger, moment = scenario.ledger(), scenario.as_of
    near = is_near(ledger, moment)
    while (look := next_look(ledger, moment)) is not None and look - moment < timedelta(days=60):
        assert is_near(ledger, look - timedelta.resolution) in (near, False)
        near, moment = is_near(ledger, look), look


def test_a_dose_that_was_given_is_named_while_a_task_of_ours_speaks_of_it() -> None:
    """Its Task then closes with the records of the dose as evidence."""
    told = next(each for each in s.every() if each.name == "admin-over/nine-hundred")
    (dose,) = (each for each in told.ledger().occasions if each.given)
    key = key_of(told.context().person, dose.therapy.name, dose.key)
    assert key not in judge(told.ledger(), told.context()).given
    spoken = replace(told.context(), said=[_said(key)])
    judgement = judge(told.ledger(), spoken)
    assert {ref.id for ref in judgement.given[key]} >= {"o1", "g1"}
    assert judgement.recorded[key] == tuple(each.ref for each in dose.administrations)


def test_a_visit_that_took_place_is_no_record_of_the_dose() -> None:
    told = next(each for each in s.every() if each.name == "admin-not-recorded/the-next-day")
    (dose,) = told.ledger().occasions
    key = key_of(told.context().person, dose.therapy.name, dose.key)
    judgement = judge(told.ledger(), replace(told.context(), said=[_said(key)]))
    assert key in judgement.given
    assert key not in judgement.recorded


def _said(occasion: str) -> Said:
    return Said(
        key="k",
        episode=1,
        ref=Ref("ehr", "Task", "t1"),
        told=Told.OPEN,
        digest="d",
        rule="dispense-short",
        occasion=occasion,
    )


def test_a_task_is_looked_at_when_half_of_its_time_is_over_and_when_all_of_it_is(
    tmp_path: Path,
) -> None:
    told = story(tmp_path, "30 November 2026 10:00")
    (finding,) = told.judged().findings
    written, due = told.as_of, told.as_of + timedelta(hours=20)
    said = Said(
        key=finding.key,
        episode=1,
        ref=Ref("ehr", "Task", "t1"),
        told=Told.OPEN,
        digest=finding.digest,
        rule=finding.rule,
        occasion=finding.occasion,
        written=written,
        owner=finding.owner,
        due=due,
    )

    def late(at: datetime) -> list[str]:
        found = judge(told.ledger(), replace(told.context(at), said=[said])).findings
        return [
            f"{each.severity} {each.variant}" for each in found if each.rule == "owner-unresponsive"
        ]

    half = next_look(told.ledger(), written, [said])
    assert half == written + timedelta(hours=10)
    assert late(half - timedelta(microseconds=1)) == []
    assert late(half) == late(due) == ["S3 "]
    looks: list[datetime] = []
    while (look := next_look(told.ledger(), looks[-1] if looks else half, [said])) is not None:
        looks.append(look)
        if look > due:
            break
    assert looks[-1] == due + timedelta(microseconds=1)
    assert late(looks[-1]) == ["S2 overdue"]


@pytest.mark.parametrize("scenario", s.every(), ids=lambda each: each.name)
def test_the_next_look_lies_ahead(scenario: s.Scenario) -> None:
    look = next_look(scenario.ledger(), scenario.as_of)
    assert look is None or look > scenario.as_of


@pytest.mark.parametrize(
    ("as_of", "facts", "look"),
    [
        # A visit should have been booked three business days after the order was written …
        ("1 December", ["order o1 {drug}, on 1 March 2027, written 1 December 2026"], "4 December"),
        # … and another one three after the day of the visit that was canceled.
        (
            "22 December",
            [
                "order o1 {drug}, on 11 January 2027, written 1 October 2026",
                "visit v1 21 December 2026 09:00, infusion, cancelled, for o1",
            ],
            "24 December",
        ),
        # The next course was due on 1 December: it is late after 14 days, very late after 28.
        ("2 December", ["{history}"], "16 December"),
        # A part may be corrected for three days, completed within fourteen.
        ("9 December", ["order o1 {drug}, 1 visit", "{part}"], "12 December"),
        ("12 December", ["order o1 {drug}, 1 visit", "{part}"], "23 December"),
        # Of two visits for a dose the second is over, too.
        (
            "15 December",
            [
                "order o1 {drug}, on 8 December 2026",
                "visit v1 8 December 2026 09:00, infusion, booked, for o1",
                "visit v2 15 December 2026 09:00, infusion, booked, for o1",
            ],
            "16 December",
        ),
        ("1 November", ["order o1 {drug}, on 8 December 2026"], "10 November"),
        ("16 December", ["{history}"], "30 December"),
    ],
)
def test_what_is_waited_for_is_looked_at_on_its_day(
    tmp_path: Path, as_of: str, facts: list[str], look: str
) -> None:
    history = (
        "given g1 600 mg, 1 June 2026\n  "
        "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026\n  "
        "visit v1 1 March 2027 09:00, infusion, booked, for o1"
    )
    lines = "\n  ".join(facts).format(
        drug="ocrelizumab 600 mg", history=history, part="given g1 300 mg, 8 December 2026, for o1"
    )
    path = tmp_path / "story.yaml"
    path.write_text(
        f"title: A story\nas_of: {as_of} 2026 10:00\nfacts: |\n  {lines}\nexpect: []\n",
        encoding="utf-8",
    )
    told = s.load(path)
    found = next_look(told.ledger(), told.as_of)
    assert found is not None
    assert s.written(found) == f"{look} 2026 00:00"


def test_long_after_nothing_is_looked_at_again(tmp_path: Path) -> None:
    told = story(tmp_path, "10 November 2029 10:00")
    assert next_look(told.ledger(), told.as_of) is None


def test_a_deadline_is_never_after_the_visit_and_never_in_the_past(tmp_path: Path) -> None:
    told = story(tmp_path, "8 December 2026 07:00")
    dues = {s.written(each.due) for each in told.judged().findings}
    assert dues == {"8 December 2026 09:00"}


def test_the_records_name_an_owner_before_the_configuration_does(tmp_path: Path) -> None:
    told = story(tmp_path, "30 November 2026 10:00", "approved   a2  96413, payer Example Health")
    (finding,) = story(tmp_path, "30 November 2026 10:00").judged().findings
    assert finding.party == Party(
        "ehr", "Organization/infusion-center", display="the configured infusion-center"
    )
    assert told.judged().findings == ()


def test_providers_are_compared_by_identifiers_of_one_system() -> None:
    one = Party("payer", None, "npi|1")
    assert _others(one, Party("ehr", None, "npi|2"))
    assert not _others(one, Party("ehr", None, "npi|1"))
    assert not _others(one, Party("ehr", None, "tax|2"))
    assert not _others(one, Party("ehr", "Organization/2"))
    assert not _others(None, one)


def test_payers_are_compared_only_where_they_are_named_alike() -> None:
    one, other = Party("payer", "Organization/1", "naic|1"), Party("ehr", None, "naic|2")
    assert _other(one, other)
    assert not _other(one, Party("ehr", None, "tax|2"))
    assert not _other(one, Party("ehr", "Organization/2"))  # another server's name
    assert _other(one, Party("payer", "Organization/2"))
    assert not _other(one, Party("payer", "Patient/1"))  # pays for herself


#: What is said of an order that is on hold: that it is, what was done, and what cannot be read.
OF_ANY_ORDER = {
    *("order-not-active", "appt-without-order", "unit-ambiguous", "conflicting-copies"),
    *("dispense-wrong-product", "dispense-wrong-destination", "no-owner", "stale-feed"),
    *("admin-short", "admin-over", "admin-without-auth", "admin-not-recorded"),
}


def test_nothing_is_arranged_for_an_order_that_is_on_hold() -> None:
    for told in s.every():
        facts = [
            replace(each, state=State.HELD)
            if isinstance(each, Order) and each.state is State.ACTIVE
            else each
            for each in told.facts
        ]
        judged = judge(book(facts, s.formulary(), told.calendar), told.context())
        assert {each.rule for each in judged.findings} <= OF_ANY_ORDER, told.name


def test_records_that_say_no_day_are_judged_too() -> None:
    """What is counted from a day cannot be said of them; all else is, and nothing fails."""
    found: set[str] = set()
    for told in s.every():
        facts = [_timeless(each) for each in told.facts]
        judged = judge(book(facts, s.formulary(), told.calendar), told.context())
        found |= {each.rule for each in judged.findings if each.day is None}
    assert "dispense-short" in found
    assert found <= {
        *("auth-missing-drug", "auth-missing-admin", "auth-denied", "auth-contact-payer"),
        *("auth-short-total", "auth-per-visit-mismatch", "auth-wrong-product"),
        *("order-changed-after-auth", "dose-outside-label", "single-vs-split-unclear"),
        *("dispense-short", "dispense-wrong-product", "link-ambiguous"),
        *("unit-ambiguous", "conflicting-copies", "appt-cancelled-unreplaced"),
    }


def _timeless(fact: Fact) -> Fact:
    match fact:
        case Order():
            return replace(fact, days=(), authored=None, spacing_days=None)
        case Visit() if fact.state is not State.DONE:
            return replace(fact, start=None, end=None, day=None)
        case Supply():
            return replace(fact, day=None, expected=None)
    return fact


def test_nobody_is_asked_when_the_patient_is_no_longer_treated(tmp_path: Path) -> None:
    told = story(tmp_path, "30 November 2026 10:00")
    assert told.context().owners[Role.PAYER]
    treated = told.judged()
    assert treated.findings
