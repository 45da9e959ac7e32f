"""Where a FHIR reference points, as seen from one server (R4 references §2.3.0.1).

Relative references, absolute ones under the server's own addresses, versions, and the doubled
`Patient/Patient/1` that some senders write become a `Place`. Everything else (another host, a
search, a contained resource, a urn) is not a place on this server: it is never fetched.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

TYPE = re.compile(r"[A-Z][A-Za-z]{1,63}")
ID = re.compile(r"(?!\.\.?\Z)[A-Za-z0-9\-.]{1,64}")  # "." and ".." would walk up in a URL
_USUAL = re.compile(f"({TYPE.pattern})/({ID.pattern})")  # nearly all of them: the way is short


class Place(NamedTuple):
    """One record of a server: type, id and, where it was named, the version."""

    type: str
    id: str
    version: str | None = None


def locate(reference: object, bases: Sequence[str] = ()) -> Place | None:
    """The place that `reference` names on the server with these base addresses, else None."""
    if not isinstance(reference, str):
        return None
    if usual := _USUAL.fullmatch(reference):
        return Place(usual[1], usual[2])
    path = reference.strip()
    if "://" in path:
        base = next((base for base in bases if _is_below(path, base)), None)
        if base is None:
            return None
        path = path[len(base.rstrip("/")) :]
    parts = [part for part in path.split("/") if part]
    while len(parts) > 2 and TYPE.fullmatch(parts[0]) and parts[0] == parts[1]:
        parts = parts[1:]
    if len(parts) < 2 or not (TYPE.fullmatch(parts[0]) and ID.fullmatch(parts[1])):
        return None
    if len(parts) == 2:
        return Place(parts[0], parts[1])
    if len(parts) == 4 and parts[2] == "_history" and ID.fullmatch(parts[3]):
        return Place(parts[0], parts[1], parts[3])
    return None


def is_elsewhere(url: object, bases: Sequence[str]) -> bool:
    """Is this the web address of something that is not on the server with these bases?"""
    return isinstance(url, str) and "://" in url and not any(_is_below(url, each) for each in bases)


def type_named(reference: object) -> str | None:
    """The resource type that a reference to anywhere ends with; None when it does not tell."""
    if not isinstance(reference, str) or ":" in reference.split("://")[0]:
        return None
    parts = [part for part in reference.split("?")[0].split("/") if part]
    if "_history" in parts:
        parts = parts[: parts.index("_history")]
    return parts[-2] if len(parts) > 1 and TYPE.fullmatch(parts[-2]) else None


def patient_of(resource: Mapping[str, Any], bases: Sequence[str] = ()) -> str | None:
    """The id of the one Patient whom a resource is about; None for none, several, or elsewhere."""
    own = resource.get("id")
    if resource.get("resourceType") == "Patient":
        return own if isinstance(own, str) and ID.fullmatch(own) else None
    candidates = [resource.get(field) for field in ("patient", "subject", "beneficiary", "for")]
    participants = resource.get("participant")
    if isinstance(participants, list):  # Appointment: the patient is one of those who come
        candidates += [each.get("actor") for each in participants if isinstance(each, Mapping)]
    found = {
        place.id
        for each in candidates
        if isinstance(each, Mapping)
        and (place := locate(each.get("reference"), bases)) is not None
        and place.type == "Patient"
    }
    return found.pop() if len(found) == 1 else None


def _is_below(url: str, base: str) -> bool:
    """Is `url` under `base`? Scheme and host know no case (RFC 3986 §6.2.2.1), paths do."""
    base = base.rstrip("/") + "/"
    head = base.find("/", base.find("://") + 3)
    return url[:head].lower() == base[:head].lower() and url[head : len(base)] == base[head:]
