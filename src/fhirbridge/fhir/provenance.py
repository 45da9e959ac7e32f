"""Provenance: who wrote what of a transaction, when, and on which records it rests.

One for each transaction, as its last entry. It is written under an id that is made of what it is
about, because Provenance has no identifier to search for: the same transaction sent twice leaves
one. A make of server that gives us no ids (`profile.Fit.own_ids`) makes its own: there the same
name stands in a tag, and the Provenance is created on the condition that none has it (`named`).
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from typing import Any

from fhirbridge.core.plan import Plan

from . import ours
from .desk import Desk

Entry = Mapping[str, Any]

#: R4 Provenance.activity (extensible: provenance-activity-type) and Provenance.agent.type.
_ACTIVITY = "http://terminology.hl7.org/CodeSystem/v3-DataOperation"
_PARTICIPANT = "http://terminology.hl7.org/CodeSystem/provenance-participant-type"


def provenance(entries: Sequence[Entry], plan: Plan, desk: Desk) -> dict[str, Any]:
    """The entry that says where the other `entries` of a plan come from."""
    id_ = str(uuid.uuid5(uuid.NAMESPACE_URL, "|".join([desk.instance, *map(_names, entries)])))
    changes = any(each["request"]["method"] == "PUT" for each in entries)
    resource: dict[str, Any] = {
        "resourceType": "Provenance",
        "id": id_,
        "meta": {"tag": [ours.TAG]},
        "target": [{"reference": _place(each)} for each in entries],
        "recorded": desk.now,
        "activity": ours.concept(_ACTIVITY, "UPDATE" if changes else "CREATE"),
        "agent": [{"type": ours.concept(_PARTICIPANT, "author"), "who": desk.us}],
    }
    if evidence := _evidence(plan):
        resource["entity"] = [{"role": "source", "what": desk.evidence(ref)} for ref in evidence]
    request = {"method": "PUT", "url": f"Provenance/{id_}"}
    return {"fullUrl": f"urn:uuid:{id_}", "resource": resource, "request": request}


def named(resource: dict[str, Any]) -> dict[str, str]:
    """Turn the id of a Provenance into a tag; the condition on which it is then created."""
    tag = {"system": ours.WRITE, "code": resource.pop("id")}
    resource["meta"] = {**resource["meta"], "tag": [*resource["meta"]["tag"], tag]}
    return {"ifNoneExist": f"_tag={tag['system']}|{tag['code']}"}


def _evidence(plan: Plan) -> tuple[Any, ...]:
    """The records that the whole plan rests on, each once, in the order of the plan."""
    found = (
        ref
        for intent in plan.intents
        for ref in (*(intent.finding.evidence if intent.finding else ()), *intent.evidence)
    )
    return tuple(dict.fromkeys(found))


def _place(entry: Entry) -> str:
    """What the entry writes, as the server will know it."""
    return str(entry.get("fullUrl") or entry["request"]["url"])


def _names(entry: Entry) -> str:
    """An entry's identity: a change is another for each version that it was made to."""
    return f"{_place(entry)} {entry['request'].get('ifMatch', '')}"
