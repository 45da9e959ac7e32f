"""What stands on the EHR against what a journey expects: each difference as a sentence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fhirbridge.fhir import ours

from .script import Expected, ExpectedMessage, ExpectedTask

Record = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Found:
    """What stands about the patients of a journey: our Tasks and Communications.

    `reads`: how often each server was read for the step; None where nobody counted.
    """

    tasks: tuple[Record, ...] = ()
    messages: tuple[Record, ...] = ()
    reads: Mapping[str, int | None] = field(default_factory=dict)

    def versions(self) -> frozenset[tuple[str, str]]:
        """Each record with its version: the same set, nothing was written."""
        records = (*self.tasks, *self.messages)
        return frozenset((each["id"], each["meta"]["versionId"]) for each in records)


@dataclass(frozen=True, slots=True)
class Stands:
    """A Task of ours as it stands. `due`: the day of restriction.period.end."""

    rule: str
    owner: str
    status: str
    episode: int
    says: str
    due: str
    patient: str
    notes: str
    evidence: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.rule} for {self.owner} ({self.status}, episode {self.episode})"


def differences(expected: Expected, found: Found, before: Found) -> list[str]:
    """What is not as it should be; empty when all is. `before`: what stood before the step."""
    standing = [stands(each) for each in found.tasks]
    return [
        *_tasks(expected.tasks, standing),
        *(wrong for each in expected.told for wrong in _message(each, found.messages)),
        *_count(expected.messages, found.messages),
        *_unchanged(expected, found, before),
        *(
            f"{server} was read {found.reads[server]} times, expected {wanted}"
            for server, wanted in expected.reads.items()
            if found.reads.get(server) is not None and found.reads[server] != wanted
        ),
    ]


def stands(task: Record) -> Stands:
    """A Task of ours in the words of a journey."""
    name = ours.name_of(task) or ""
    roles = [ours.code_of(each, ours.ROLE) for each in ours.items(task, "performerType")]
    restriction = task.get("restriction") or {}
    return Stands(
        rule=ours.code_of(task.get("reasonCode"), ours.RULE) or "",
        owner=next((role for role in roles if role), ""),
        status=str(task.get("status")),
        episode=int(name.rpartition(".")[2] or 0),
        says=str(task.get("description", "")),
        due=str((restriction.get("period") or {}).get("end", ""))[:10],
        patient=str((task.get("for") or {}).get("reference", "")).rpartition("/")[2],
        notes=" ".join(str(each.get("text", "")) for each in ours.items(task, "note")),
        evidence=tuple(_record(each) for each in ours.items(task, "output")),
    )


def _record(output: Record) -> str:
    """The record that an output names: `pharmacy:MedicationDispense/d-1/_history/1`."""
    reference = output.get("valueReference") or {}
    return str((reference.get("identifier") or {}).get("value", ""))


def _tasks(expected: Sequence[ExpectedTask] | None, found: Sequence[Stands]) -> Iterable[str]:
    if expected is None:
        return
    left = list(found)
    for wanted in expected:
        same = next((each for each in left if _same(wanted, each)), None)
        if same is None:
            yield f"no Task {wanted.rule} for {wanted.owner}, episode {wanted.episode}"
            continue
        left.remove(same)
        yield from _unlike(wanted, same)
    for each in left:
        yield f"a Task that should not be there: {each}"


def _same(wanted: ExpectedTask, found: Stands) -> bool:
    return (
        wanted.rule == found.rule
        and wanted.owner == found.owner
        and wanted.episode == found.episode
        and (wanted.patient is None or found.patient.startswith(wanted.patient))
    )


def _unlike(wanted: ExpectedTask, found: Stands) -> Iterable[str]:
    if found.status != wanted.status:
        yield f"Task {wanted.rule} is {found.status}, expected {wanted.status}"
    if wanted.says not in found.says:
        yield f"Task {wanted.rule} does not say “{wanted.says}” but “{found.says}”"
    if wanted.note not in found.notes:
        yield f"Task {wanted.rule} has no note “{wanted.note}” but “{found.notes}”"
    for record in wanted.evidence:
        if not any(each.startswith(record) for each in found.evidence):
            yield f"Task {wanted.rule} does not name {record} as evidence"
    if wanted.due and wanted.due.isoformat() != found.due:
        yield f"Task {wanted.rule} is due {found.due}, expected {wanted.due.isoformat()}"


def _message(wanted: ExpectedMessage, found: Sequence[Record]) -> Iterable[str]:
    to = [each for each in found if wanted.to in recipients(each)]
    if not any(wanted.says in payload(each) for each in to):
        said = "; ".join(f"“{payload(each)}”" for each in to) or "nothing"
        yield f"{wanted.to} was not told “{wanted.says}” but {said}"


def _count(expected: int | None, found: Sequence[Record]) -> Iterable[str]:
    if expected is not None and expected != len(found):
        to = ", ".join(sorted(recipients(each) for each in found)) or "nobody"
        yield f"{len(found)} messages instead of {expected}: to {to}"


def _unchanged(expected: Expected, found: Found, before: Found) -> Iterable[str]:
    if expected.unchanged and found.versions() != before.versions():
        changed = {id_ for id_, _ in found.versions() ^ before.versions()}
        yield f"{len(changed)} Tasks or messages were written, expected none"


def recipients(message: Record) -> str:
    """The names of those whom a Communication is for."""
    return ", ".join(
        str(each.get("display") or each.get("reference") or "somebody")
        for each in ours.items(message, "recipient")
    )


def payload(message: Record) -> str:
    """The words of a Communication."""
    return " ".join(str(each.get("contentString", "")) for each in ours.items(message, "payload"))
