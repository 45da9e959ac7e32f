"""The names that we put on what we write, and by which we know it again.

Identifiers carry the name of the installation (`instance`), so that a test installation never
takes production's Tasks for its own (docs/decisions.md, 14). Code systems are the same everywhere.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Json = Mapping[str, Any]

#: On everything that we write.
TAG = {"system": "urn:fhirbridge:tag", "code": "fhirbridge"}

ACTION = "urn:fhirbridge:action"  # Task.code: what shall be done
RULE = "urn:fhirbridge:rule"  # Task.reasonCode
ROLE = "urn:fhirbridge:role"  # Task.performerType
INPUT = "urn:fhirbridge:input"  # Task.input: figures and what we must remember
OUTPUT = "urn:fhirbridge:output"  # Task.output
CHOICES = "urn:fhirbridge:choice"  # what may be answered to a question
STATUS = "urn:fhirbridge:business-status"  # Task.businessStatus: what we did last
WRITE = "urn:fhirbridge:write"  # tag of a Provenance where a server gives us no ids

#: Business statuses that only we set, together with a terminal status.
CLOSED_BY_US = frozenset({"solved", "given", "withdrawn", "folded"})
#: … and of what we took back because it stood there already (`doubles`).
DOUBLE = "double"

#: Inputs that are no figures. `self` is the id of the Task that it stands in: in a copy, another's.
DIGEST, NOTED, AUDIENCE, EVIDENCE, SELF = "digest", "noted", "audience", "evidence", "self"
CHOICE, QUESTION, REMINDED = "choice", "question", "reminded"


#: Identifier systems that carry the instance between their two ends.
FINDING = ("urn:fhirbridge:", ":finding")  # Tasks and Communications
OCCASION = ("urn:fhirbridge:", ":occasion")  # Task.groupIdentifier: one dose occasion


def finding_system(instance: str) -> str:
    """The identifier system of Tasks and Communications."""
    return instance.join(FINDING)


def occasion_system(instance: str) -> str:
    """The identifier system of one dose occasion."""
    return instance.join(OCCASION)


def is_tagged(resource: Json, system: object, code: object) -> bool:
    """Does the resource carry this tag?"""
    meta = resource.get("meta")
    tags = items(meta, "tag") if isinstance(meta, Mapping) else ()
    return any((tag.get("system"), tag.get("code")) == (system, code) for tag in tags)


def is_ours(identifier: Json, instance: str | None, ends: tuple[str, str]) -> bool:
    """Did this installation (or any of us, for None) give this identifier?"""
    system = identifier.get("system")
    if not isinstance(system, str):
        return False
    if instance is not None:
        return system == instance.join(ends)
    return system.startswith(ends[0]) and system.endswith(ends[1])


def name_of(resource: Json, instance: str | None = None) -> str | None:
    """The identifier value that we gave a resource, wherever it stands among others."""
    for identifier in items(resource, "identifier"):
        value = identifier.get("value")
        if isinstance(value, str) and is_ours(identifier, instance, FINDING):
            return value
    return None


def record_system(instance: str) -> str:
    """The identifier system that pins a record and its version: `ehr:Type/id/_history/2`."""
    return f"urn:fhirbridge:{instance}:record"


def concept(system: str, code: str, text: str = "") -> dict[str, Any]:
    """A CodeableConcept with one coding."""
    made: dict[str, Any] = {"coding": [{"system": system, "code": code}]}
    return made | {"text": text} if text else made


def code_of(concept: object, system: str) -> str | None:
    """The code of a CodeableConcept in one system, if it has one."""
    for coding in items(concept, "coding"):
        code = coding.get("code")
        if coding.get("system") == system and isinstance(code, str):
            return code
    return None


def inputs(task: Json) -> Iterator[tuple[str, Json]]:
    """The inputs of a Task that are ours, each with its code."""
    for each in items(task, "input"):
        code = code_of(each.get("type"), INPUT)
        if code is not None:
            yield code, each


def to_change(resource: Json) -> dict[str, Any]:
    """A resource as read, without what the server writes itself."""
    after: dict[str, Any] = _copied(resource)
    meta = after.get("meta")
    if isinstance(meta, dict):
        for name in ("versionId", "lastUpdated", "source"):
            meta.pop(name, None)
    return after


def _copied(node: Any) -> Any:
    """A copy of what JSON holds, in a fifth of the time that `copy.deepcopy` takes."""
    if isinstance(node, dict):
        return {name: _copied(each) for name, each in node.items()}
    return [_copied(each) for each in node] if isinstance(node, list) else node


def items(holder: object, name: str) -> Iterator[Json]:
    """The objects of a list in a resource; nothing where there is no such list."""
    found = holder.get(name) if isinstance(holder, dict) else None
    for each in found if isinstance(found, list) else ():
        if isinstance(each, dict):
            yield each
