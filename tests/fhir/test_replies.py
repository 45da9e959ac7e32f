"""What people answered: coded, or in words by strict grammar; else no answer."""

from __future__ import annotations

from typing import Any

import pytest

from fhirbridge.fhir import ours
from fhirbridge.fhir.replies import refusal, reply

CHOICES = {"single": "one infusion", "split": "two infusions"}


def question(*outputs: dict[str, Any], **more: Any) -> dict[str, Any]:
    kind = ours.concept(ours.INPUT, ours.CHOICE)
    codings = [{"system": ours.CHOICES, "code": c, "display": d} for c, d in CHOICES.items()]
    inputs: list[dict[str, Any]] = [{"type": kind, "valueCoding": each} for each in codings]
    inputs.append({"type": ours.concept(ours.INPUT, ours.QUESTION), "valueString": "asked"})
    return {
        "resourceType": "Task",
        "id": "t-1",
        "status": "completed",
        "identifier": [{"system": ours.finding_system("test"), "value": "key.1"}],
        "input": inputs,
        "output": [{"type": {"text": "answer"}} | each for each in outputs],
        **more,
    }


SPLIT = {"system": ours.CHOICES, "code": "split"}


@pytest.mark.parametrize(
    "output",
    [
        {"valueCoding": SPLIT},
        {"valueCodeableConcept": {"coding": [SPLIT]}},
        {"valueCodeableConcept": {"text": "Two infusions"}},
        {"valueString": "split"},
        {"valueString": " Two  infusions. "},
        {"valueCode": "split"},
    ],
)
def test_an_answer_is_read(output: dict[str, Any]) -> None:
    found = reply(question(output), "ehr", "test")
    assert found is not None
    assert (found.key, found.choice, found.digest) == ("key", "split", "asked")


@pytest.mark.parametrize(
    "outputs",
    [
        [],
        [{"valueString": "two infusions, I think"}],
        [{"valueString": "2"}],  # the second choice, or two infusions?
        [{"valueCoding": {"system": "http://other.example", "code": "split"}}],
        [{"valueCoding": {"system": ours.CHOICES, "code": "neither"}}],
        [{"valueString": "one infusion"}, {"valueCoding": SPLIT}],
        [{"valueCoding": "split"}],
    ],
)
def test_what_is_no_clear_answer_is_none(outputs: list[dict[str, Any]]) -> None:
    assert reply(question(*outputs), "ehr", "test") is None


@pytest.mark.parametrize("status", ["rejected", "failed", "entered-in-error"])
def test_nobody_stands_by_a_task_that_was_refused(status: str) -> None:
    assert reply(question({"valueCoding": SPLIT}, status=status), "ehr", "test") is None


def test_another_installations_question_is_not_answered_here() -> None:
    assert reply(question({"valueCoding": SPLIT}), "ehr", "production") is None


@pytest.mark.parametrize(
    ("task", "how"),
    [
        (question(status="rejected"), "refused"),
        (question({"valueString": "see my note"}), "unread"),
        (question({"valueCoding": SPLIT}), "contradicted"),
    ],
)
def test_why_it_goes_to_the_coordinator(task: dict[str, Any], how: str) -> None:
    assert refusal(task) == how
