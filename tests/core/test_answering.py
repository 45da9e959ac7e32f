"""How records are read with the answers of people; the stories are told by tests/scenarios."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from fhirbridge.core.answering import accepted, honored
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
from fhirbridge.core.quantity import Amount, mg

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


def question(rule: str = "unit-ambiguous", **more: object) -> Finding:
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
    return replace(plain, **more)  # type: ignore[arg-type]


def read(fact: Fact, rule: str, choice: str, **say: object) -> Fact:
    finding = question(rule, say=say, focus=fact.ref)
    answer = Answer(ref=Ref("ehr", "Task", "t"), key="k", choice=choice, digest="d")
    (made,) = honored([fact], [(answer, finding)])
    return made


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        (ORDER, replace(ORDER, per_visit=MG)),
        (SUPPLY, replace(SUPPLY, amount=MG)),
        (GIVEN, replace(GIVEN, amount=MG)),
        (
            replace(APPROVED, per_visit=Amount()),
            replace(APPROVED, per_visit=MG),
        ),
        (replace(APPROVED, total=Amount()), replace(APPROVED, total=MG)),
        # Two amounts in one record: the answer does not say which of them it means.
        (replace(APPROVED, total=Amount(), per_visit=Amount()),) * 2,
        (COVERAGE, COVERAGE),
    ],
)
def test_an_amount_is_read_as_it_was_said(said: Fact, meant: Fact) -> None:
    assert read(said, "unit-ambiguous", "600 mg") == meant


def test_one_infusion_or_two_is_a_matter_of_the_order() -> None:
    two = read(ORDER, "single-vs-split-unclear", "split", ordered_total=mg(600))
    assert two == replace(ORDER, visits=2, per_visit=Amount(Decimal(300), "mg", MG.system, "mg"))
    unknown = read(ORDER, "single-vs-split-unclear", "single")
    assert unknown == replace(ORDER, visits=1)
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
