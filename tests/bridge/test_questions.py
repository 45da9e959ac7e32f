"""A question is asked in a Task, answered there, and honored until the facts change."""

from __future__ import annotations

from typing import Any

import pytest

from tests.bridge.estate import Estate, Json, order, visit

pytestmark = pytest.mark.lives

ASKED = {"dosageInstruction": [{"text": "300 mg x 2"}]}
RULE = "single-vs-split-unclear"


def question(estate: Estate, status: str = "requested") -> Json:
    tasks = [each for each in estate.tasks(status=status) if rule(each) == RULE]
    return tasks[-1]


def rule(task: Json) -> str:
    code: str = task["reasonCode"]["coding"][0]["code"]
    return code


def asked(estate: Estate, **more: Any) -> Json:
    estate.put("ehr", order(**(ASKED | more)))
    estate.put("ehr", visit())
    estate.work()
    return question(estate)


def test_the_question_carries_its_choices_in_inputs_and_words(estate: Estate) -> None:
    task = asked(estate)
    choices = [each["valueCoding"]["code"] for each in task["input"] if "valueCoding" in each]
    assert choices == ["single", "split"]
    assert "Answer in this task: “one infusion” or “two infusions”." in task["description"]


def test_two_doses_of_one_order_are_one_question(estate: Estate) -> None:
    asked(estate)
    assert len([each for each in estate.tasks(status="requested") if rule(each) == RULE]) == 1


@pytest.mark.parametrize(
    ("answer", "booked_too_few"),
    [
        ({"valueCoding": {"system": "urn:fhirbridge:choice", "code": "split"}}, True),
        ({"valueString": "Two infusions."}, True),
        ({"valueString": "one infusion"}, False),
    ],
)
@pytest.mark.parametrize("status", ["completed", "requested", "in-progress"])
def test_an_answer_is_honored_by_the_ledger(
    estate: Estate, answer: Json, booked_too_few: bool, status: str
) -> None:
    task = asked(estate)
    output = [{"type": {"text": "answer"}, **answer}]
    estate.put("ehr", {**task, "status": status, "output": output})
    estate.work()
    assert RULE not in estate.rules()
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert len(outcome.decision.answers) == 1
    doses = outcome.decision.ledger.occasions
    assert len(doses) == (2 if booked_too_few else 1)
    assert {str(each.ordered.per_visit) for each in doses} == (
        {"300 mg"} if booked_too_few else {"600 mg"}
    )
    assert not outcome.decision.plan  # after writing, nothing is left to write


def test_an_answer_holds_until_the_facts_change(estate: Estate) -> None:
    task = asked(estate)
    output = [{"type": {"text": "answer"}, "valueString": "one infusion"}]
    estate.put("ehr", {**task, "status": "completed", "output": output})
    estate.work()
    assert RULE not in estate.rules()
    estate.put("ehr", order(dosageInstruction=[{"text": "300 mg x 2 "}], note=[{"text": "x"}]))
    estate.work()
    assert RULE not in estate.rules()  # the record changed, not what was asked about
    changed = [{"text": "460 mg x 2"}]
    estate.put("ehr", order(dosageInstruction=changed))
    estate.work()
    assert RULE in estate.rules()
    assert question(estate)["identifier"][0]["value"].endswith(".2")


def test_a_question_completed_without_an_answer_goes_to_the_coordinator(estate: Estate) -> None:
    task = asked(estate)
    output = [{"type": {"text": "answer"}, "valueString": "see my note"}]
    estate.put("ehr", {**task, "status": "completed", "output": output})
    estate.work()
    told = estate.servers["ehr"].shelf.current("Communication")
    texts = [each.resource["payload"][0]["contentString"] for each in told if each.resource]
    assert sum("find out what was meant" in text for text in texts) == 1


def test_an_answer_that_is_not_understood_changes_nothing(estate: Estate) -> None:
    task = asked(estate)
    output = [{"type": {"text": "answer"}, "valueString": "see my note"}]
    estate.put("ehr", {**task, "status": "in-progress", "output": output})
    estate.work()
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert not outcome.decision.answers
    assert RULE in {each.rule for each in outcome.decision.judgement.findings}


def test_facts_that_contradict_an_answer_are_a_trouble_of_their_own(estate: Estate) -> None:
    """The person said one infusion, and then two are booked: the answer stands, and whoever books
    is told what does not agree with it. When the visit is called off, it is solved."""
    task = asked(estate)
    output = [{"type": {"text": "answer"}, "valueString": "one infusion"}]
    estate.put("ehr", {**task, "status": "completed", "output": output})
    estate.work()
    assert "appt-count-mismatch" not in estate.rules()

    second = visit(id="v-2", start="2026-12-22T10:00:00-05:00", end="2026-12-22T15:00:00-05:00")
    estate.put("ehr", second)
    estate.work()
    (trouble,) = [
        each for each in estate.tasks(status="requested") if rule(each) == "appt-count-mismatch"
    ]
    assert trouble["description"].startswith("2 visits booked for one dose of 600 mg")
    assert RULE not in estate.rules()  # not asked again: the order that it is about is the same

    estate.put("ehr", second | {"status": "cancelled"})
    estate.work()
    assert "appt-count-mismatch" not in estate.rules()
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert [answer.choice for answer, _ in outcome.decision.answers] == ["single"]


def test_two_answers_that_contradict_each_other_are_none(estate: Estate) -> None:
    task = asked(estate)
    answers = [
        {"type": {"text": "answer"}, "valueString": said} for said in ("one infusion", "split")
    ]
    estate.put("ehr", {**task, "status": "completed", "output": answers})
    estate.work()
    told = estate.servers["ehr"].shelf.current("Communication")
    texts = [each.resource["payload"][0]["contentString"] for each in told if each.resource]
    assert sum("find out what was meant" in text for text in texts) == 1
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert not outcome.decision.answers


@pytest.mark.parametrize("meant", ["600 mg", "300 mg"])
def test_the_words_of_an_order_against_its_figures_are_settled_by_an_answer(
    estate: Estate, meant: str
) -> None:
    figures = {"value": 600, "unit": "mg", "system": "http://unitsofmeasure.org", "code": "mg"}
    dosage = {"text": "300 mg IV once", "doseAndRate": [{"doseQuantity": figures}]}
    estate.put("ehr", order(dosageInstruction=[dosage]))
    estate.put("ehr", visit())
    estate.work()
    (task,) = [t for t in estate.tasks(status="requested") if rule(t) == "unit-ambiguous"]
    assert "“600 mg” or “300 mg”" in task["description"]

    output = [{"type": {"text": "answer"}, "valueString": meant}]
    estate.put("ehr", {**task, "status": "completed", "output": output})
    estate.work()
    assert "unit-ambiguous" not in estate.rules()
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    (dose,) = outcome.decision.ledger.occasions
    assert str(dose.ordered.per_visit) == meant
    assert not outcome.decision.plan  # after writing, nothing is left to write
