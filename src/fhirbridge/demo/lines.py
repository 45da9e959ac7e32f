"""What happened, as lines: one for each thing, in words and as data.

    lines_of(event) -> Line(kind, where, text, data), …

Pure. `text` is for people, `data` for machines; both hold references and figures, no names of
patients.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from fhirbridge.bridge.story import Arrived, Decided, Failed, NotWatched, Read, Story, Wrote
from fhirbridge.core.ledger import Column, Occasion
from fhirbridge.core.roots import ROOT_RULE
from fhirbridge.core.rules import RULES
from fhirbridge.fhir import ours
from fhirbridge.journeys import compare
from fhirbridge.journeys.play import Compared, Stepped, Told

NOTHING = "–"

#: What we did last to a Task that a person works on, or refused: it got a note (`fhir.tasks`).
_NOTED = ("changed", "looks-solved", "no-longer-needed", "escalated")
_ENDED = ("completed", "cancelled", "rejected", "failed", "entered-in-error")

_OUTCOMES = {
    "journaled": "noted",
    "duplicate": "known already",
    "older": "older than what is known",
    "empty": "says nothing",
}


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened. `where`: the server, if it happened at one."""

    kind: str
    text: str
    where: str = ""
    data: Mapping[str, Any] = field(default_factory=dict)


def lines_of(event: Story | Told) -> Iterator[Line]:
    """The lines of one event of the bridge or of a journey."""
    match event:
        case Stepped():
            data = {"at": event.at.isoformat(), "says": event.says}
            yield Line("happens", event.says, data=data)
        case Arrived():
            yield arrived([event])
        case Read():
            if event.unread:
                yield _unread(event)
        case Decided():
            yield from _ledger(event)
            yield _decided(event)
        case Wrote():
            yield from _wrote(event)
        case NotWatched():
            text = "no therapy that we know: not watched from now on"
            yield Line("decided", text, data={"subject": event.subject})
        case Failed():
            text = f"{event.error}: {'set aside' if event.parked else 'tried again later'}"
            yield Line("waits", text, data={"subject": event.subject, "error": event.error})
        case Compared():
            yield from _compared(event)


def arrived(events: Sequence[Arrived]) -> Line:
    """Deliveries of one source with one outcome, as one line."""
    first = events[0]
    named = [name.partition(" ") for event in events for name in event.events]
    words = [place if verb == "changed" else f"{place} {verb}" for verb, _, place in named]
    said = _OUTCOMES.get(first.outcome, "")
    text = ", ".join(dict.fromkeys(words)) + (f" ({said})" if said else "")
    data = {
        "source": first.source,
        "dialect": first.dialect,
        "outcome": first.outcome,
        "events": [name for event in events for name in event.events],
        "due": sorted({subject for event in events for subject in event.due}),
    }
    return Line("arrived", text, first.source, data)


def _unread(event: Read) -> Line:
    silent = " and ".join(event.unread)
    text = "does not answer; what rests on it neither opens nor closes"
    return Line("waits", text, silent, {"subject": event.subject, "unread": list(event.unread)})


# --- the ledger


def _ledger(event: Decided) -> Iterator[Line]:
    decision = event.decision
    for occasion in decision.ledger.open(decision.as_of):
        columns = columns_of(occasion)
        text = " · ".join(f"{name} {value}" for name, value in columns.items())
        day = short(occasion.day) if occasion.day else "no day"
        data = {"subject": event.subject, "occasion": occasion.key, "day": day, **columns}
        yield Line("ledger", f"{day}: {text}", data=data)


def columns_of(occasion: Occasion) -> dict[str, str]:
    """One occasion's sides in words; `–` where nothing is recorded."""
    drug, admin = occasion.authorized_drug, occasion.authorized_admin
    visit = occasion.visit
    return {
        "ordered": _amount(occasion.ordered),
        "authorized": _amount(drug),
        "for the infusion": _visits(admin),
        "scheduled": short(visit.day) if visit and visit.day else NOTHING,
        "dispensed": _total(occasion.dispensed),
        "given": _total(occasion.administered),
    }


def _amount(column: Column) -> str:
    if not column.known:
        return "cannot be read"
    if column.per_visit is not None:
        visits = column.visits or 1
        return f"{column.per_visit}" if visits == 1 else f"{visits} × {column.per_visit}"
    if column.total is not None:
        return f"{column.total} in all"
    return column.decision or NOTHING


def _visits(column: Column) -> str:
    if column.visits is not None:
        return f"{column.visits} visit{'' if column.visits == 1 else 's'}"
    return column.decision or NOTHING


def _total(column: Column) -> str:
    if not column.known:
        return "cannot be read"
    return str(column.total) if column.total is not None else NOTHING


# --- decisions


def _decided(event: Decided) -> Line:
    decision = event.decision
    judgement = decision.judgement
    findings = [each for each in judgement.findings if not each.folded_into]
    rules = ", ".join(f"{each.rule} ({each.owner})" for each in findings)
    if event.bundle is not None:
        text = rules or "all agrees"
        doing = [f"{n.do} {_rule(n)}" for n in decision.plan.intents]
        text = f"{text} → {', '.join(doing)}"
    else:
        text = f"{rules}: said already" if findings else "nothing to write"
    asked = decision.gathered.requests
    # What no server holds is said once, at the start.
    blind = judgement.blind - unheld({kind for _, kind in decision.gathered.sight})
    if blind:
        text += f"; {len(blind)} rules cannot tell"
    text += f" [reads: {', '.join(f'{name} {count}' for name, count in asked.items())}]"
    data = {
        "subject": event.subject,
        "findings": [
            {"rule": each.rule, "owner": each.owner.value, "severity": each.severity.value}
            for each in findings
        ],
        "intents": [{"do": each.do.value, "rule": _rule(each)} for each in decision.plan.intents],
        "cannot_tell": sorted(judgement.blind),
        "requests": dict(asked),
    }
    return Line("decided", text, data=data)


def unheld(kinds: Collection[str]) -> frozenset[str]:
    """The rules that need a kind of records of which no server is a source."""
    return frozenset(rule.code for rule in RULES if not rule.needs <= set(kinds))


def _rule(intent: Any) -> str:
    if intent.finding is not None:
        return str(intent.finding.rule)
    return str(intent.said.rule) if intent.said is not None else ROOT_RULE


# --- what was written


def _wrote(event: Wrote) -> Iterator[Line]:
    messages: dict[str, list[str]] = {}
    tasks: list[str] = []
    for entry in ours.items(event.bundle, "entry"):
        resource = entry.get("resource") or {}
        if resource.get("resourceType") == "Task":
            yield _task(resource, opened=entry["request"]["method"] == "POST")
            tasks.append(compare.stands(resource).says)
        elif resource.get("resourceType") == "Communication":
            to = messages.setdefault(compare.payload(resource), [])
            to.append(compare.recipients(resource))
    for text, to in messages.items():
        yield Line("told", _beyond(text, tasks), _listed(to), {"to": to, "says": text})


def _beyond(text: str, tasks: Sequence[str]) -> str:
    """What a message says beyond the Task above it: `…` stands for the same words."""
    best = text
    for task in tasks:
        said = set(_sentences(task))
        kept = [part if part not in said else "…" for part in _sentences(text)]
        short = " ".join(part for n, part in enumerate(kept) if n == 0 or part != kept[n - 1])
        best = min(best, short, key=len)
    return "the same" if best == "…" else best


def _sentences(text: str) -> list[str]:
    return re.split(r"(?<=[.:]) (?=[A-Z0-9])", text)


def _listed(names: Sequence[str]) -> str:
    *head, last = names
    return f"{', '.join(head)} and {last}" if head else last


def _task(task: Mapping[str, Any], opened: bool) -> Line:
    stands = compare.stands(task)
    data = {
        "rule": stands.rule,
        "owner": stands.owner,
        "status": stands.status,
        "due": stands.due,
        "description": stands.says,
        "opened": opened,
    }
    if stands.status in ("completed", "cancelled"):
        results = [each.get("valueString") for each in ours.items(task, "output")]
        reason = (task.get("statusReason") or {}).get("text")
        text = next((str(each) for each in (reason, *results) if each), stands.status)
        return Line("closed", f"{stands.rule} ({stands.status}): {text}", data=data)
    noted = ours.code_of(task.get("businessStatus"), ours.STATUS) in _NOTED
    if noted and (notes := list(ours.items(task, "note"))):
        text = f"a note to the Task of {_owner(task)}: {notes[-1].get('text', '')}"
        return Line("written", text, data=data)
    due = f" by {short(date.fromisoformat(stands.due))}" if stands.due else ""
    head = f"{'Task' if opened else 'Task changed'} for {_owner(task)}{due}: "
    return Line("written", f"{head}{stands.says}", data=data)


def _owner(task: Mapping[str, Any]) -> str:
    owner = task.get("owner") or {}
    return str(owner.get("display") or owner.get("reference") or "nobody yet")


def _compared(event: Compared) -> Iterator[Line]:
    for difference in event.differences:
        yield Line("differs", difference, data={"difference": difference})
    if not event.differences:
        tasks, messages = event.found.tasks, event.found.messages
        open_ = sum(compare.stands(each).status not in _ENDED for each in tasks)
        text = f"{len(tasks)} Tasks, {open_} open; {len(messages)} messages"
        data = {"tasks": len(tasks), "open": open_, "messages": len(messages)}
        yield Line("as expected", text, data=data)


def short(day: date | datetime) -> str:
    """`Dec 8`."""
    return f"{day:%b} {day.day}"
