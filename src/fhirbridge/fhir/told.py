"""What a FHIR server told about one record: the `Event`, and the record itself if it was sent.

The same pair comes out of a notification (`notify`), a page of a poll and an entry of a history
(`client.Server.changes`), so that everything after it knows only one form.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple, TypeGuard

from fhirbridge.core.events import Event, Verb

from .references import ID, TYPE, Place, locate, patient_of

_LONGEST_VERSION = 256


class Told(NamedTuple):
    """An event and the resource that came with it (None: not sent, or deleted)."""

    event: Event
    resource: Mapping[str, Any] | None = None


def told_resource(
    source: str,
    resource: Mapping[str, Any],
    bases: Sequence[str] = (),
    *,
    place: Place | None = None,
    number: int | None = None,
) -> Told | None:
    """A resource that was sent to us as a change. `place`: where the sender says that it is.

    None when nobody says which record it is: no type, or neither id nor place.
    """
    type_, id_ = resource.get("resourceType"), resource.get("id")
    if not isinstance(type_, str) or not TYPE.fullmatch(type_):
        return None
    if place is not None and place.type == type_:
        id_ = place.id
    if not isinstance(id_, str) or not ID.fullmatch(id_):
        return None
    meta = resource.get("meta")
    meta = meta if isinstance(meta, Mapping) else {}
    version = meta.get("versionId")
    event = Event(
        source=source,
        verb=Verb.CHANGED,
        type=type_,
        id=id_,
        version=version if _is_version(version) else place and place.version,
        last_updated=instant(meta.get("lastUpdated")),
        patient=patient_of(resource, bases),
        number=number,
    )
    return Told(event, resource)


def told_entry(
    source: str, entry: Mapping[str, Any], bases: Sequence[str] = (), *, number: int | None = None
) -> Told | None:
    """A Bundle entry as a change: deleted where its request says so, else as its resource.

    Takes what histories, search results, transactions and notifications bring: the resource, or
    only fullUrl, request and response. None when the entry names no record of this server.
    """
    request, response = _mapping(entry, "request"), _mapping(entry, "response")
    resource = entry.get("resource")
    place = _place(entry, request, bases)
    if request.get("method") != "DELETE" and isinstance(resource, Mapping):
        return told_resource(source, resource, bases, place=place, number=number)
    if place is None:
        return None
    return Told(
        Event(
            source=source,
            verb=Verb.DELETED if request.get("method") == "DELETE" else Verb.CHANGED,
            type=place.type,
            id=place.id,
            version=place.version or etag_version(response.get("etag")),
            last_updated=instant(response.get("lastModified")),
            number=number,
        )
    )


def _is_version(said: object) -> TypeGuard[str]:
    """Opaque, and not always an id as FHIR wants it; but nothing that a database would refuse."""
    return isinstance(said, str) and 0 < len(said) <= _LONGEST_VERSION and said.isprintable()


def etag_version(etag: object) -> str | None:
    """The version in an ETag: `W/"3"` → `3` (R4 http §3.1.0.5)."""
    if not isinstance(etag, str):
        return None
    version = etag.strip().removeprefix("W/").strip('"')
    return version if ID.fullmatch(version) else None


def instant(value: object) -> datetime | None:
    """A FHIR instant in UTC; None when it is none, or says no time zone."""
    if not isinstance(value, str) or "T" not in value:
        return None
    try:
        moment = datetime.fromisoformat(value)
        return moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError):
        return None


def _place(
    entry: Mapping[str, Any], request: Mapping[str, Any], bases: Sequence[str]
) -> Place | None:
    url = request.get("url")
    on_record = request.get("method") in ("PUT", "PATCH", "DELETE", "GET")
    return locate(entry.get("fullUrl"), bases) or (locate(url, bases) if on_record else None)


def _mapping(holder: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = holder.get(key)
    return value if isinstance(value, Mapping) else {}
