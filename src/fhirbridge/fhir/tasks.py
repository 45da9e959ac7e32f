"""Tasks: what an intent makes of them.

`opened` builds a new Task. The others change a Task as it was read and touch only what is ours
in it: status, words, our own inputs. What a person added (an owner, a note, an input) stays.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import date
from decimal import Decimal
from typing import Any

from fhirbridge.core.findings import Finding, Role, priority
from fhirbridge.core.plan import Intent, Why
from fhirbridge.core.roots import GONE

from . import ours
from .desk import Desk
from .ours import Json
from .replies import refusal

Task = dict[str, Any]

#: A quantity as the figures write it, and the UCUM code of its unit.
_QUANTITY = re.compile(r"(\d+(?:\.\d+)?) (mg|IU)")
_UCUM = {"mg": "mg", "IU": "[iU]"}

#: HL7's task-code `fulfill` means "perform the actions of the focus request": it is added only
#: where the focus is a request (docs/domain.md 3.1).
_REQUESTS = frozenset({"MedicationRequest", "ServiceRequest"})
_TASK_CODE = "http://hl7.org/fhir/CodeSystem/task-code"

#: Rule and variant -> the alert of HL7's v3-ActCode that says the same. Other rules have none:
#: ActReason's OSTOCK or NOTCOVER would state a cause that nobody has stated.
_ALERTS = {
    ("duplicate-order", ""): "DUPTHPY",
    ("dose-outside-label", "high"): "DOSEH",
    ("dose-outside-label", "low"): "DOSEL",
    ("interval-too-early", ""): "DOSEIVL",
    ("interval-too-early", "minimum"): "DOSEIVL",
}
_ACT_CODE = "http://terminology.hl7.org/CodeSystem/v3-ActCode"

#: What a Task may name as its insurance (R4 Task.insurance).
_INSURANCE = frozenset({"Coverage", "ClaimResponse"})


def opened(intent: Intent, finding: Finding, desk: Desk, part_of: str | None) -> Task:
    """A new Task. `part_of` is the reference of its root."""
    outside = desk.is_outside(finding.party, finding.owner)
    task: Task = {
        "resourceType": "Task",
        "meta": {"tag": [ours.TAG]},
        "identifier": [identifier(intent, desk)],
        "groupIdentifier": {
            "system": ours.occasion_system(desk.instance),
            "value": finding.occasion,
        },
        "status": "requested",
        # An order binds one's own house; another organization can only be asked
        # (docs/domain.md 3.1).
        "intent": "proposal" if outside else "order",
        "authoredOn": desk.now,
        "requester": desk.us,
        "performerType": [ours.concept(ours.ROLE, finding.owner)],
    }
    if part_of:
        task["partOf"] = [{"reference": part_of}]
    if finding.based_on:
        task["basedOn"] = [desk.record(finding.based_on)]
    if person := desk.person(finding):
        task["for"] = person
    if owner := desk.party(finding.owner, finding.party):
        task["owner"] = owner
    _say(task, finding, desk, "open")
    return task


def revised(task: Json, finding: Finding, desk: Desk) -> Task:
    """New figures in a Task on which nobody works yet."""
    after = ours.to_change(task)
    _say(after, finding, desk, "revised")
    return after


def reminded(task: Json, day: date, desk: Desk) -> Task:
    """Nobody has accepted it, and the owner is reminded, as was due on a day."""
    after = ours.to_change(task)
    _remember(after, ours.REMINDED, day.isoformat())
    _status(after, "reminded", desk)
    return after


def annotated(task: Json, intent: Intent, desk: Desk) -> Task:
    """A note for the person who works on it; nothing else of the Task changes."""
    after, finding = ours.to_change(task), intent.finding
    note = desk.texts.changed_note(finding) if finding else desk.texts.gone_note(intent.why)
    _note(after, note, desk)
    _remember(after, ours.NOTED, finding.digest if finding else GONE)
    gone = "looks-solved" if intent.why == Why.SOLVED else "no-longer-needed"
    _status(after, "changed" if finding else gone, desk)
    return after


def escalated(task: Json, finding: Finding, desk: Desk) -> Task:
    """A refused Task stays refused; it says that the coordinator was told."""
    after = ours.to_change(task)
    _note(after, desk.texts.refused(finding, refusal(task)), desk)
    _remember(after, ours.NOTED, finding.digest)
    _status(after, "escalated", desk)
    return after


def closed(task: Json, intent: Intent, desk: Desk) -> Task:
    """Solved: completed, with its evidence (HRex tdr-3), and so is the Task about a whole dose that
    was given. Otherwise canceled, with the reason."""
    after = ours.to_change(task)
    why = because(intent, title(task), desk)
    if intent.why == Why.SOLVED or (intent.why == Why.GIVEN and intent.said and intent.said.root):
        after["status"] = "completed"
        kept = [each for each in ours.items(task, "output") if not _is_output(each)]
        after["output"] = [
            *kept,
            {"type": _output("result"), "valueString": why},
            *(
                {"type": _output(ours.EVIDENCE), "valueReference": desk.evidence(ref)}
                for ref in intent.evidence
            ),
        ]
    else:
        after["status"] = "cancelled"
        after["statusReason"] = {"text": why}
    _status(after, intent.why, desk)
    return after


def retracted(task: Json, intent: Intent, desk: Desk) -> Task:
    """Taken back while a person works on it: a note, and nothing else changes."""
    after = ours.to_change(task)
    _note(after, because(intent, title(task), desk), desk)
    if not intent.words:  # not this one itself: what is below it
        _remember(after, ours.NOTED, GONE)
    _status(after, intent.why, desk)
    return after


def because(intent: Intent, title: str, desk: Desk) -> str:
    """Why a Task is closed, in words."""
    said = desk.texts.solved(intent.why, title)
    return f"{said} {intent.words}" if intent.words else said


def identifier(intent: Intent, desk: Desk) -> dict[str, str]:
    """The identity of a Task: the key of its trouble and the episode."""
    system = ours.finding_system(desk.instance)
    return {"system": system, "value": f"{intent.key}.{intent.episode}"}


def title(task: Json) -> str:
    """The short name of a Task."""
    code = task.get("code")
    text = code.get("text") if isinstance(code, Mapping) else None
    return text if isinstance(text, str) else "Task"


def told(task: Json) -> list[tuple[Role, Any]]:
    """The audiences to which a Task was announced, each with its recipient."""
    found = {
        ours.code_of(each.get("type"), ours.ROLE): each.get("valueReference")
        for code, each in ours.inputs(task)
        if code == ours.AUDIENCE
    }
    return [(role, found[role.value]) for role in Role if role.value in found]


def _say(task: Task, finding: Finding, desk: Desk, status: str) -> None:
    """Everything in a Task that follows from the finding."""
    text = desk.texts.tell(finding, finding.owner)
    code = ours.concept(ours.ACTION, finding.action, text.title)
    if finding.action == "fulfill" and finding.focus and finding.focus.type in _REQUESTS:
        code["coding"].append({"system": _TASK_CODE, "code": "fulfill"})
    task["code"] = code
    choices = [desk.texts.name(words) for words in finding.choices.values()]
    task["description"] = desk.texts.asked(text.text, choices) if choices else text.text
    task["priority"] = priority(finding.severity, finding.lead)
    task["reasonCode"] = reason = ours.concept(ours.RULE, finding.rule)
    if alert := _ALERTS.get((finding.rule, finding.variant)):
        reason["coding"].append({"system": _ACT_CODE, "code": alert})
    task.pop("insurance", None)
    if insured := [desk.record(ref) for ref in finding.evidence if ref.type in _INSURANCE]:
        task["insurance"] = insured
    for name, ref in (("focus", finding.focus), ("reasonReference", finding.reason)):
        task.pop(name, None)
        if ref:
            task[name] = desk.record(ref)
    task.pop("restriction", None)
    if finding.due:
        task["restriction"] = {"period": {"end": finding.due.isoformat(timespec="seconds")}}
    kept = [each for each in ours.items(task, "input") if not _follows(each)]
    task["input"] = [*kept, *_inputs(finding, desk)]
    _status(task, status, desk)


def _inputs(finding: Finding, desk: Desk) -> Iterator[dict[str, Any]]:
    """The figures that were compared, the records they rest on, and what we must remember."""
    for name, value in _flat("", finding.compared):
        text = name.replace("-", " ")
        yield {"type": ours.concept(ours.INPUT, name, text[:1].upper() + text[1:])} | _value(value)
    for ref in finding.evidence:
        yield {
            "type": ours.concept(ours.INPUT, ours.EVIDENCE),
            "valueReference": desk.evidence(ref),
        }
    for role in finding.audience:
        said_to = ours.concept(ours.INPUT, ours.AUDIENCE)
        said_to["coding"].append({"system": ours.ROLE, "code": role.value})
        yield {"type": said_to, "valueReference": desk.recipient(role, finding.parties.get(role))}
    for choice, words in finding.choices.items():
        coding = {"system": ours.CHOICES, "code": choice, "display": desk.texts.name(words)}
        yield {"type": ours.concept(ours.INPUT, ours.CHOICE), "valueCoding": coding}
    if finding.choices:
        yield {"type": ours.concept(ours.INPUT, ours.QUESTION), "valueString": finding.asked}
    yield {"type": ours.concept(ours.INPUT, ours.DIGEST), "valueString": finding.digest}


def _flat(name: str, value: object) -> Iterator[tuple[str, object]]:
    """`{"ordered": {"per_visit": "600 mg"}}` as `ordered-per-visit`, without what is unknown."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{name}-{key}".strip("-").replace("_", "-"), inner)
    elif value is not None:
        yield name, value


def _value(value: object) -> dict[str, Any]:
    if isinstance(value, int):
        return {"valueInteger": value}
    if said := _QUANTITY.fullmatch(str(value)):
        ucum = {"system": "http://unitsofmeasure.org", "code": _UCUM[said[2]]}
        return {"valueQuantity": {"value": Decimal(said[1]), "unit": said[2], **ucum}}
    return {"valueString": str(value)}


def _remember(task: Task, code: str, value: str) -> None:
    """Set one of our inputs."""
    kept = [
        each
        for each in ours.items(task, "input")
        if ours.code_of(each.get("type"), ours.INPUT) != code
    ]
    task["input"] = [*kept, {"type": ours.concept(ours.INPUT, code), "valueString": value}]


def _note(task: Task, text: str, desk: Desk) -> None:
    note = {"authorString": "fhirbridge", "time": desk.now, "text": text}
    task["note"] = [*ours.items(task, "note"), note]


def _status(task: Task, code: str, desk: Desk) -> None:
    """What we did last. A Task that has an id keeps it, so that a copy gives itself away."""
    if "id" in task:
        _remember(task, ours.SELF, task["id"])
    text = code.replace("-", " ")
    task["businessStatus"] = ours.concept(ours.STATUS, code, text[:1].upper() + text[1:])
    task["lastModified"] = desk.now


def _output(code: str) -> dict[str, Any]:
    return ours.concept(ours.OUTPUT, code)


def _follows(each: Json) -> bool:
    """Is it an input of ours that follows from the finding?"""
    return ours.code_of(each.get("type"), ours.INPUT) not in (None, ours.REMINDED)


def _is_output(each: Json) -> bool:
    return ours.code_of(each.get("type"), ours.OUTPUT) is not None
