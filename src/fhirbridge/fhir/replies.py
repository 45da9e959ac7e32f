"""What people answered to a question Task of ours: `Task.output` as the core's `Answer`.

The Task carries its choices as inputs (`urn:fhirbridge:input|choice`, a Coding each) and the
digest of what was asked (`…|question`). The answer is an output: a Coding or CodeableConcept with
one of the choices, or a text that is wholly the code or the words of one, in any letter case. A
text that is anything else, or outputs that contradict each other, are no answer: nothing is
guessed (docs/writing.md).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from fhirbridge.core.facts import Answer, Ref

from . import ours
from .ours import Json, items

#: Statuses of a Task whose outputs nobody stands by.
_VOID = frozenset({"entered-in-error", "rejected", "failed"})


def reply(task: Json, source: str, instance: str | None = None) -> Answer | None:
    """The answer that a Task of ours holds; None where it asks nothing or has none."""
    if "output" not in task or task.get("status") in _VOID:
        return None
    name, id_ = ours.name_of(task, instance), task.get("id")
    if name is None or not isinstance(id_, str):
        return None
    choices = dict(_choices(task))
    asked = [each.get("valueString") for code, each in ours.inputs(task) if code == ours.QUESTION]
    said = {choice for each in items(task, "output") for choice in _chosen(each, choices)}
    if len(said) != 1 or not asked or not isinstance(asked[0], str):
        return None
    return Answer(
        ref=Ref(source, "Task", id_),
        key=name.rpartition(".")[0],
        choice=said.pop(),
        digest=asked[0],
    )


def is_unread(task: Json) -> bool:
    """Did somebody complete a question with an output that is no answer? Else he would wait for
    ever for somebody who believes that he has answered."""
    if task.get("status") != "completed":
        return False
    said = any(not ours.code_of(each.get("type"), ours.OUTPUT) for each in items(task, "output"))
    asks = said and any(code == ours.CHOICE for code, _ in ours.inputs(task))
    return asks and reply(task, "") is None


def refusal(task: Json) -> str:
    """Why a Task goes to the coordinator, as the name of the phrase that says so: its owner
    `refused` it, answered what cannot be read (`unread`), or what does not fit (`contradicted`)."""
    if is_unread(task):
        return "unread"
    return "contradicted" if task.get("status") == "completed" else "refused"


def _choices(task: Json) -> Iterator[tuple[str, str]]:
    """The choices that a Task offers: code, words."""
    for code, each in ours.inputs(task):
        coding = each.get("valueCoding")
        if code == ours.CHOICE and isinstance(coding, Mapping):
            yield str(coding.get("code")), str(coding.get("display") or "")


def _chosen(output: Json, choices: Mapping[str, str]) -> Iterator[str]:
    coding, concept = output.get("valueCoding"), output.get("valueCodeableConcept")
    codings = [coding, *items(concept, "coding")]
    for each in codings:
        coded = each if isinstance(each, Mapping) else {}
        if coded.get("system") == ours.CHOICES and str(coded.get("code")) in choices:
            yield str(coded["code"])
    words = [output.get("valueString"), output.get("valueCode")]
    words += [concept.get("text")] if isinstance(concept, Mapping) else []
    for said in words:
        if isinstance(said, str):
            yield from (
                code for code, shown in choices.items() if _plain(said) in _ways(code, shown)
            )


def _ways(code: str, shown: str) -> set[str]:
    return {_plain(code), _plain(shown)}


def _plain(text: str) -> str:
    return " ".join(text.lower().replace("-", " ").split()).rstrip(".")
