"""How records are read with the answers of people; the stories are told by tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.core.answering import accepted, contradicted, honored, once, settled, unanswered
from fhirbridge.core.facts import (
    Administration,
    Answer,
    Authorization,
    Coverage,
    Decision,
    Fact,
    Order,
    Ref,
    Supply,
)
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.plan import Told
from fhirbridge.core.quantity import Amount, mg
from tests.core.test_plan import said

ORDER = Order(ref=Ref("ehr", "MedicationRequest", "o"), kind="medication", per_visit=Amount())
SUPPLY = Supply(ref=Ref("pharmacy", "MedicationDispense", "d"), amount=Amount(), stage="delivered")
GIVEN = Administration(
    ref=Ref("ehr", "MedicationAdministration", "g"), amount=Amount(), day=None, complete=True
)
APPROVED = Authorization(
    ref=Ref("payer", "ClaimResponse", "a"), decision=Decision.APPROVED, document="a"
)
COVERAGE = Coverage(ref=Ref("payer", "Coverage", "c"))
MG = Amount(Decimal(600), "mg", "http://unitsofmeasure.org", "mg")


def question(rule: str = "unit-ambiguous", **more: Any) -> Finding:
    plain = Finding(
        rule=rule,
        severity=Severity.S3,
        owner=Role.PRESCRIBER,
        audience=(),
        therapy="ocrelizumab",
        occasion="o",
        day=None,
        due=None,
        action="change",
        key="k",
        choices={"600 mg": "600 mg"},
        asked="d",
    )
    return replace(plain, **more)


def read(fact: Fact, rule: str, choice: str, **say: object) -> Fact:
    finding = question(rule, say=say, focus=fact.ref)
    answer = Answer(ref=Ref("ehr", "Task", "t"), key="k", choice=choice, digest="d")
    (made,) = honored([fact], [(answer, finding)])
    return made


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (ORDER, replace(ORDER, per_visit=MG, answered=True)),
        (SUPPLY, replace(SUPPLY, amount=MG)),
        (GIVEN, replace(GIVEN, amount=MG)),
        (
            replace(APPROVED, per_visit=Amount()),
            replace(APPROVED, per_visit=MG),
        ),
        (replace(APPROVED, total=Amount()), replace(APPROVED, total=MG)),
        # Both are said, and alike: that is one visit.
        (
            replace(APPROVED, total=Amount(), per_visit=Amount()),
            replace(APPROVED, total=MG, per_visit=MG),
        ),
        (COVERAGE, COVERAGE),
    ],
)
def test_an_amount_is_read_as_it_was_said(said: Fact, meant: Fact) -> None:
    assert read(said, "unit-ambiguous", "600 mg") == meant


TWO, FOUR = Amount(Decimal(2), "units"), Amount(Decimal(4), "units")
IN_MG = Amount(Decimal(1200), "mg", "http://unitsofmeasure.org", "mg")


@pytest.mark.parametrize(
    ("per_visit", "total", "visits", "fits"),
    [
        (TWO, FOUR, 2, True),
        (TWO, FOUR, None, True),
        (TWO, IN_MG, 2, True),
        (TWO, Amount(Decimal("1.2"), "g"), 2, True),
        (TWO, FOUR, 3, False),
        (TWO, IN_MG, 3, False),
        (TWO, replace(IN_MG, value=Decimal(1000)), None, False),
    ],
)
def test_per_visit_and_total_have_to_fit_each_other(
    per_visit: Amount, total: Amount, visits: int | None, fits: bool
) -> None:
    fact = replace(APPROVED, per_visit=per_visit, total=total, visits=visits)
    finding = question(say={"said": "2 units"}, focus=fact.ref)
    answer = Answer(ref=Ref("ehr", "Task", "t"), key="k", choice="600 mg", digest="d")
    (made,) = honored([fact], [(answer, finding)])
    assert contradicted([fact], [(answer, finding)]) == (frozenset() if fits else {"k"})
    assert made == (replace(fact, per_visit=MG, total=IN_MG) if fits else fact)


def test_only_the_amount_that_was_asked_about_is_read() -> None:
    other = Amount(Decimal(40), "mL", "http://unitsofmeasure.org", "mL")
    fact = replace(APPROVED, per_visit=TWO, total=other)
    assert read(fact, "unit-ambiguous", "600 mg", said="2 units") == replace(fact, per_visit=MG)
    # Another item of the same document is another fact with the same reference.
    assert read(fact, "unit-ambiguous", "600 mg", said="7 units") == fact


def test_words_beside_the_amount_say_nothing_about_it() -> None:
    fact = replace(APPROVED, per_visit=TWO, total=Amount(text="as needed"))
    assert read(fact, "unit-ambiguous", "600 mg", said="2 units") == replace(fact, per_visit=MG)


def test_a_question_about_one_record_is_asked_once() -> None:
    first, second = question(key="k1"), question(key="k2", occasion="o2")
    other, plain = question(key="k3", asked="e"), question(key="k4", choices={})
    made = once([first, second, other, plain])
    assert made == (first, replace(second, folded_into="unit-ambiguous"), other, plain)


def test_what_another_trouble_causes_is_not_the_first_time_that_it_is_asked() -> None:
    caused, second = question(key="k1", folded_into="order-not-active"), question(key="k2")
    assert once([caused, second]) == (caused, second)


def test_only_a_question_that_was_answered_is_settled() -> None:
    answered, open_ = question(key="k1"), question(key="k2", asked="e")
    answer = Answer(ref=Ref("ehr", "Task", "t"), key="k1", choice="600 mg", digest="d")
    assert settled([answered, open_], [(answer, answered)]) == (open_,)


def test_words_that_left_it_open_are_answered_and_the_others_stay() -> None:
    text = "for multiple sclerosis\n600 mg as one infusion or two of 300 mg\ninfuse slowly"
    made = read(replace(ORDER, text=text), "single-vs-split-unclear", "single")
    assert isinstance(made, Order)
    assert made.text == "for multiple sclerosis\ninfuse slowly"


def test_a_completed_answer_that_does_not_fit_is_the_coordinators() -> None:
    assert unanswered(said(Told.COMPLETED)).told is Told.REFUSED
    assert unanswered(said(Told.OPEN)).told is Told.OPEN


def test_one_infusion_or_two_is_a_matter_of_the_order() -> None:
    two = read(ORDER, "single-vs-split-unclear", "split", ordered_total=mg(600))
    half = Amount(Decimal(300), "mg", MG.system, "mg")
    assert two == replace(ORDER, visits=2, per_visit=half, answered=True)
    unknown = read(ORDER, "single-vs-split-unclear", "single")
    assert unknown == replace(ORDER, visits=1, answered=True)
    assert read(SUPPLY, "single-vs-split-unclear", "split") == SUPPLY


def test_other_answers_change_no_record() -> None:
    assert read(ORDER, "dose-outside-label", "as-ordered") == ORDER


@pytest.mark.parametrize(
    ("key", "choice", "digest"),
    [("other", "600 mg", "d"), ("k", "20 mg", "d"), ("k", "600 mg", "of other facts")],
)
def test_only_what_was_asked_is_answered(key: str, choice: str, digest: str) -> None:
    answer = Answer(ref=Ref("ehr", "Task", "t"), key=key, choice=choice, digest=digest)
    assert accepted([answer], [question()]) == []
