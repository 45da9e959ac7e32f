"""The envelope of a topic notification (Subscriptions R5 Backport 1.1.0; R4B; R5).

The same content in two shapes: `Parameters` (R4 backport) and `SubscriptionStatus` (R4B, R5,
and some R4 servers). Numbers come as strings, integers or not at all, `type` is sometimes
missing, requests and responses of the entries too (HAPI): nothing of that stops the reading.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from .references import TYPE, Place, locate, type_named

_KINDS = {
    "handshake": "handshake",
    "heartbeat": "heartbeat",
    "event-notification": "event",
    "query-status": "query",
    "query-event": "event",
}


@dataclass(frozen=True, slots=True)
class Notice:
    """What the envelope says. `events`: event number and focus reference of each."""

    kind: str
    status: str | None
    total: int | None
    subscription: str | None
    events: tuple[tuple[int | None, Mapping[str, Any] | None], ...]
    problems: tuple[str, ...] = ()


def is_notification(document: Mapping[str, Any]) -> bool:
    """Does a SubscriptionStatus stand in it, bare or as an early entry?"""
    return bool(_statuses(document))


def read(document: Mapping[str, Any]) -> Notice:
    """The envelope of a notification (or of an answer to $status, $events)."""
    notices = [_from_parameters(each) or _from_status(each) for each in _statuses(document)]
    first = notices[0]
    if len(notices) == 1:
        return first
    events = tuple(event for notice in notices for event in notice.events)
    return Notice(first.kind, first.status, first.total, first.subscription, events)


class Index:
    """Finds the entry of a Bundle that a focus means: by fullUrl, else by type and id."""

    def __init__(self, document: Mapping[str, Any], bases: Sequence[str]) -> None:
        self._bases = bases
        self._by_name: dict[object, Mapping[str, Any]] = {}
        self.loose: list[Mapping[str, Any]] = []
        for entry in _list(document.get("entry")):
            if not isinstance(entry, Mapping) or _is_status(entry.get("resource")):
                continue
            self.loose.append(entry)
            for name in self._names(entry):
                self._by_name.setdefault(name, entry)

    def entry(self, focus: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """The entry whose fullUrl is the focus, or which holds that record of this server."""
        reference = focus.get("reference")
        if not isinstance(reference, str):
            return None
        place = locate(reference, self._bases)
        return self._by_name.get(reference) or (self._by_name.get(place[:2]) if place else None)

    def _names(self, entry: Mapping[str, Any]) -> list[object]:
        full_url, resource = entry.get("fullUrl"), entry.get("resource")
        names: list[object] = []
        if isinstance(full_url, str):
            names.append(full_url)
            place = locate(full_url, self._bases)
        else:  # HAPI's deletes have a request and nothing else
            request = entry.get("request")
            place = (
                locate(request.get("url"), self._bases) if isinstance(request, Mapping) else None
            )
            if place is None and isinstance(resource, Mapping):
                place = locate(f"{resource.get('resourceType')}/{resource.get('id')}")
        if isinstance(place, Place):
            names.append(place[:2])
        return names


def focus_type(focus: Mapping[str, Any]) -> str | None:
    """The resource type of a focus that is not on this server or has only an identifier."""
    said = focus.get("type")
    if isinstance(said, str) and TYPE.fullmatch(said):
        return said
    return type_named(focus.get("reference"))


def _statuses(document: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    if _is_status(document):
        return [document]
    if document.get("resourceType") != "Bundle":
        return []
    found = []
    for entry in _list(document.get("entry")):
        resource = entry.get("resource") if isinstance(entry, Mapping) else None
        if isinstance(resource, Mapping) and _is_status(resource):
            found.append(resource)
    return found


def _is_status(resource: object) -> bool:
    kind = resource.get("resourceType") if isinstance(resource, Mapping) else None
    if not isinstance(resource, Mapping) or kind != "Parameters":
        return kind == "SubscriptionStatus"
    names = {
        each.get("name") if isinstance(each.get("name"), str) else None
        for each in _list(resource.get("parameter"))
        if isinstance(each, Mapping)
    }
    return "subscription" in names


def _from_parameters(resource: Mapping[str, Any]) -> Notice | None:
    if resource.get("resourceType") != "Parameters":
        return None
    values: dict[str, Any] = {}
    events = []
    for each in _list(resource.get("parameter")):
        if not isinstance(each, Mapping):
            continue
        if each.get("name") == "notification-event":
            parts = {
                str(part.get("name")): _value(part)
                for part in _list(each.get("part"))
                if isinstance(part, Mapping)
            }
            events.append((_number(parts.get("event-number")), _reference(parts.get("focus"))))
        else:
            values[str(each.get("name"))] = _value(each)
    return _notice(
        values.get("type"),
        values.get("status"),
        values.get("events-since-subscription-start"),
        values.get("subscription"),
        events,
    )


def _from_status(resource: Mapping[str, Any]) -> Notice:
    events = [
        (_number(each.get("eventNumber")), _reference(each.get("focus")))
        for each in _list(resource.get("notificationEvent"))
        if isinstance(each, Mapping)
    ]
    return _notice(
        resource.get("type"),
        resource.get("status"),
        resource.get("eventsSinceSubscriptionStart"),
        resource.get("subscription"),
        events,
    )


def _notice(
    type_: object,
    status: object,
    total: object,
    subscription: object,
    events: Sequence[tuple[int | None, Mapping[str, Any] | None]],
) -> Notice:
    kind = _KINDS.get(type_) if isinstance(type_, str) else None
    problems = () if kind else ("its notification type is missing or unknown: taken as an event",)
    reference = subscription.get("reference") if isinstance(subscription, Mapping) else subscription
    return Notice(
        kind or "event",
        status if status in ("requested", "active", "error", "off") else None,
        _number(total),
        reference if isinstance(reference, str) else None,
        tuple(events),
        problems,
    )


def _value(parameter: Mapping[str, Any]) -> Any:
    return next((value for name, value in parameter.items() if name.startswith("value")), None)


def _reference(value: object) -> Mapping[str, Any] | None:
    if isinstance(value, str):  # fhir-candle writes a string where a Reference is due
        return {"reference": value}
    return value if isinstance(value, Mapping) else None


def _number(value: object) -> int | None:
    """An event number, which is a string in R4 and R4B and an integer in R5."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 2**63 else None
    if isinstance(value, str) and value.isascii() and value.isdecimal() and len(value) < 19:
        return int(value)
    return None


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []
