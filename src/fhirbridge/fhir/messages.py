"""Communications: each audience of a Task is told once, in words that need no other screen.

A Communication is the record that something was said. Standing on the worklist's server, where
its recipient reads, is its delivery: it is written as `completed`, together with the Task, and
the transaction's receipt is the evidence of delivery. Where a recipient reads elsewhere, that
is another message, by whoever delivers it.

Its identifier is that of the Task and the audience, so that writing it again writes nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from fhirbridge.core.findings import Finding, Role, Severity, figures_of, key_of, priority
from fhirbridge.core.plan import Intent, Over

from . import ours, tasks
from .desk import Desk
from .ours import Json
from .replies import refusal

Message = dict[str, Any]
_CATEGORY = "http://terminology.hl7.org/CodeSystem/communication-category"


def announced(intent: Intent, finding: Finding, desk: Desk, task: str) -> Iterator[Message]:
    """To each audience of a new Task; `task` is its reference."""
    for role in finding.audience:
        text = desk.texts.tell(finding, role)
        alert = finding.severity in (Severity.S1, Severity.S2) and role is not Role.PATIENT
        yield _about(finding, desk) | _message(
            desk,
            name=f"{_name(intent)}.{role.value}",
            category="alert" if alert else "notification",
            recipient=desk.recipient(role, finding.parties.get(role)),
            task=task,
            title=text.title,
            text=text.text,
            answers=_first_about(finding, desk),
        )


def reminder(intent: Intent, finding: Finding, before: Json, desk: Desk, task: str) -> Message:
    """To the owner, who has neither accepted nor refused: once for each day of the schedule."""
    role, day = finding.owner, intent.remind
    assert day is not None  # else there is nothing to say
    recipient = dict(tasks.told(before)).get(role)
    return _about(finding, desk) | _message(
        desk,
        name=f"{_name(intent)}.{role.value}.reminder.{day.isoformat()}",
        category="reminder",
        recipient=_owner(before, role) or recipient or desk.recipient(role, finding.party),
        task=task,
        title=desk.texts.tell(finding, role).title,
        text=desk.texts.reminder(finding),
        answers=_first(before, role, desk),
    )


def escalation(intent: Intent, finding: Finding, before: Json, desk: Desk, task: str) -> Message:
    """To the coordinator: the owner refused. Once for each digest."""
    return _about(finding, desk) | _message(
        desk,
        name=f"{_name(intent)}.{Role.COORDINATOR.value}.{figures_of(finding.digest)}",
        category="alert",
        recipient=desk.recipient(Role.COORDINATOR),
        task=task,
        title=desk.texts.tell(finding, Role.COORDINATOR).title,
        text=desk.texts.refused(finding, refusal(before)),
        answers=_first(before, Role.COORDINATOR, desk),
    )


def all_clear(intent: Intent, before: Json, desk: Desk, task: str) -> Iterator[Message]:
    """To everybody to whom the Task was announced, in answer to what they were told then."""
    title = tasks.title(before)
    for role, recipient in tasks.told(before):
        message = _message(
            desk,
            name=f"{_name(intent)}.{role.value}.closed",
            category="notification",
            recipient=_owner(before, role) or recipient,
            task=task,
            title=title,
            text=tasks.because(intent, title, desk),
            answers=_answers(desk, f"{_name(intent)}.{role.value}"),
        )
        message["subject"] = before.get("for")
        message["about"] = [desk.evidence(ref) for ref in intent.evidence]
        message["priority"] = "routine"
        yield {name: value for name, value in message.items() if value}


def too_many(over: Over, desk: Desk) -> Message:
    """To the coordinator: further Tasks of an owner wait for tomorrow. Once a day, of no person."""
    title, text = desk.texts.too_many(over.role, over.most)
    day = desk.as_of.astimezone(desk.zone).date()
    return _message(
        desk,
        name=f"{key_of('over', over.owner)}.{day.isoformat()}",
        category="alert",
        recipient=desk.recipient(Role.COORDINATOR),
        task=None,
        title=title,
        text=text,
    )


def _message(
    desk: Desk,
    *,
    name: str,
    category: str,
    recipient: dict[str, Any],
    task: str | None,
    title: str,
    text: str,
    answers: list[dict[str, Any]] | None = None,
) -> Message:
    """`task`: the reference of the Task that it is part of; `answers`: what it answers to."""
    above: Message = {"inResponseTo": answers} if answers else {}
    if task:
        above["partOf"] = [{"reference": task}]
    return {
        "resourceType": "Communication",
        "meta": {"tag": [ours.TAG]},
        "identifier": [_identifier(desk, name)],
        **above,
        "status": "completed",
        "category": [{"coding": [{"system": _CATEGORY, "code": category}]}],
        "topic": {"text": title},
        "sent": desk.now,
        "sender": desk.us,
        "recipient": [recipient],
        "payload": [{"contentString": text}],
    }


def _about(finding: Finding, desk: Desk) -> Message:
    found = {
        "subject": desk.person(finding),
        "priority": priority(finding.severity, finding.lead),
        "basedOn": [desk.record(finding.based_on)] if finding.based_on else None,
        "about": [desk.evidence(ref) for ref in finding.evidence],
    }
    return {name: value for name, value in found.items() if value}


def _owner(task: Json, role: Role) -> dict[str, Any] | None:
    """The Task's own owner where it was asked of this role (a person may have handed it on)."""
    owner = task.get("owner")
    asked = {ours.code_of(each, ours.ROLE) for each in ours.items(task, "performerType")}
    return dict(owner) if isinstance(owner, dict) and role.value in asked else None


def _first_about(finding: Finding, desk: Desk) -> list[dict[str, Any]] | None:
    """For a trouble with a Task of ours: the first message of that Task's thread."""
    focus = finding.focus
    task = desk.tasks.get(focus.id) if focus and focus.type == "Task" else None
    return _first(task, finding.owner, desk) if task else None


def _first(task: Json, role: Role, desk: Desk) -> list[dict[str, Any]] | None:
    """The message with which a Task began, to this role, else to the first who was told."""
    heard = [each for each, _ in tasks.told(task)]
    name = ours.name_of(task)
    if not heard or name is None:
        return None
    return _answers(desk, f"{name}.{(role if role in heard else heard[0]).value}")


def _answers(desk: Desk, name: str) -> list[dict[str, Any]]:
    """Logical: a literal one needs its id, and one that is searched for fails with all the rest
    of the transaction when somebody has deleted the first message."""
    return [{"type": "Communication", "identifier": _identifier(desk, name)}]


def _name(intent: Intent) -> str:
    return f"{intent.key}.{intent.episode}"


def _identifier(desk: Desk, name: str) -> dict[str, str]:
    return {"system": ours.finding_system(desk.instance), "value": name}
