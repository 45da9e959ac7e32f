"""A plan on the wire: one transaction Bundle, deterministic in identity.

    write(plan, desk) -> Bundle | None      None: nothing to write
    keys(bundle) -> the key that each entry is about, in the order of the receipts

New resources are created on the condition that none has their identifier (`ifNoneExist`), with
a `urn:uuid` made from the identifier, so that the same plan is the same Bundle and sending it
twice writes once. Ids of our own would be as idempotent, but `PUT Task/our-id` by a second
writer replaces a Task that a person may have begun to work on and revives one that he deleted;
and many servers give no client its ids. A conditional create changes nothing that is there.

Changes are made to the Task as it was read and are sent with the version that was read
(`ifMatch`): a person's edit in between wins, and the decision is made again.

Last comes the `provenance` of all of it, where the desk wants one.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from fhirbridge.core.findings import Finding
from fhirbridge.core.plan import Do, Intent, Plan, Why
from fhirbridge.core.roots import ROOT_RULE, root_key

from . import messages, ours, tasks
from .check import check
from .desk import Desk
from .ours import Json, items
from .provenance import provenance

Entry = dict[str, Any]


def write(plan: Plan, desk: Desk) -> dict[str, Any] | None:
    """The transaction that carries out a plan on the worklist's server.

    Every resource is checked before it leaves; one that is not FHIR raises `Rejected`, which
    parks the person instead of sending it.
    """
    entries = [
        entry for intent in plan.intents for entry in _WRITERS[intent.do](intent, plan, desk)
    ]
    entries += [_create(messages.too_many(over, desk)) for over in plan.over]
    if entries and desk.provenance:
        entries.append(provenance(entries, plan, desk))
    for entry in entries:
        check(entry["resource"], desk.home)
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries} if entries else None


def keys(bundle: Json) -> list[str]:
    """For each entry of a Bundle of ours, the key of the trouble that it is about; "" for the
    Provenance, which is about all of them."""
    return [
        (ours.name_of(entry["resource"]) or "").split(".")[0] for entry in items(bundle, "entry")
    ]


def _open(intent: Intent, plan: Plan, desk: Desk) -> Iterator[Entry]:
    finding = _finding(intent)
    task = _create(tasks.opened(intent, finding, desk, _root(intent, plan, desk)))
    yield task
    for message in messages.announced(intent, finding, desk, task["fullUrl"]):
        yield _create(message)


def _close(intent: Intent, _: Plan, desk: Desk) -> Iterator[Entry]:
    before, place = _before(intent, desk)
    yield _change(tasks.closed(before, intent, desk), before)
    if intent.why == Why.DOUBLE:
        return  # what was said stands
    for message in messages.all_clear(intent, before, desk, place):
        yield _create(message)


def _revise(intent: Intent, _: Plan, desk: Desk) -> Iterator[Entry]:
    before, place = _before(intent, desk)
    yield from _asked_again(intent, tasks.revised(before, _finding(intent), desk), place, desk)


def _remind(intent: Intent, _: Plan, desk: Desk) -> Iterator[Entry]:
    before, place = _before(intent, desk)
    yield from _asked_again(intent, before, place, desk)


def _asked_again(intent: Intent, task: Json, place: str, desk: Desk) -> Iterator[Entry]:
    """A Task that nobody has accepted, with a reminder if one is due."""
    before, _place = _before(intent, desk)
    if intent.remind is None:
        yield _change(dict(task), before)
        return
    yield _change(tasks.reminded(task, intent.remind, desk), before)
    yield _create(messages.reminder(intent, _finding(intent), before, desk, place))


def _annotate(intent: Intent, _: Plan, desk: Desk) -> Iterator[Entry]:
    before, place = _before(intent, desk)
    if intent.why == Why.RETRACTED:
        yield _change(tasks.retracted(before, intent, desk), before)
        for message in messages.all_clear(intent, before, desk, place):
            yield _create(message)
        return
    yield _change(tasks.annotated(before, intent, desk), before)


def _escalate(intent: Intent, _: Plan, desk: Desk) -> Iterator[Entry]:
    before, place = _before(intent, desk)
    finding = _finding(intent)
    yield _change(tasks.escalated(before, finding, desk), before)
    yield _create(messages.escalation(intent, finding, before, desk, place))


_WRITERS: Mapping[Do, Callable[[Intent, Plan, Desk], Iterator[Entry]]] = {
    Do.OPEN: _open,
    Do.CLOSE: _close,
    Do.REVISE: _revise,
    Do.ANNOTATE: _annotate,
    Do.ESCALATE: _escalate,
    Do.REMIND: _remind,
}


def _root(intent: Intent, plan: Plan, desk: Desk) -> str | None:
    """The reference of the root Task: the one that this plan opens, else the one that stands."""
    finding = _finding(intent)
    if finding.rule == ROOT_RULE:
        return None
    above = root_key(finding.occasion)
    for each in plan.intents:
        if each.key == above and each.do is Do.OPEN:
            return _urn(tasks.identifier(each, desk))
    return f"Task/{intent.parent.ref.id}" if intent.parent else None


def _create(resource: dict[str, Any]) -> Entry:
    identifier = resource["identifier"][0]
    condition = f"identifier={identifier['system']}|{identifier['value']}"
    return {
        "fullUrl": _urn(identifier),
        "resource": resource,
        "request": {"method": "POST", "url": resource["resourceType"], "ifNoneExist": condition},
    }


def _change(resource: dict[str, Any], before: Json) -> Entry:
    request = {"method": "PUT", "url": f"Task/{before['id']}"}
    if version := before.get("meta", {}).get("versionId"):
        request["ifMatch"] = f'W/"{version}"'
    return {"resource": resource, "request": request}


def _urn(identifier: Mapping[str, str]) -> str:
    name = f"{identifier['system']}|{identifier['value']}"
    return f"urn:uuid:{uuid.uuid5(uuid.NAMESPACE_URL, name)}"


def _finding(intent: Intent) -> Finding:
    assert intent.finding is not None, f"{intent.do} without a finding"
    return intent.finding


def _before(intent: Intent, desk: Desk) -> tuple[Json, str]:
    """The Task as it was read, and its reference."""
    said = intent.said
    assert said is not None, f"{intent.do} of a Task that was never written"
    return desk.tasks[said.ref.id], f"Task/{said.ref.id}"
