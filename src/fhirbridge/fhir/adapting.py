"""One plan, several makes of servers: what is sent where, and in which form.

    split(bundle, fit) -> (entries for the server, entries for our own worklist)
    by_name(entry, others, places) -> the entry, where what it refers to has no place yet
    adapted(entry, fit, base_url) -> the entry as this server takes it
    at_home(entry, fit, base_url) -> the entry as our own worklist keeps it

What a server does not take stands on our own worklist, which serves it as FHIR. Seen from there
the server's records are elsewhere and have absolute addresses; seen from the server, ours do
not exist, and a reference to them stays as a name. A Provenance that it does not take stands
nowhere: our own audit says the same.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .ours import Json, items
from .profile import Fit
from .provenance import named
from .references import locate

Entry = dict[str, Any]


def split(bundle: Json, fit: Fit) -> tuple[list[Entry], list[Entry]]:
    """The entries of a Bundle by where they stand, each in the order of the Bundle."""
    entries: list[Entry] = [dict(each) for each in items(bundle, "entry")]
    there = [each for each in entries if type_of(each) in fit.takes]
    rest = _WRITTEN - fit.takes
    return there, [each for each in entries if type_of(each) in rest]


def type_of(entry: Json) -> str:
    """The type of the resource that an entry writes."""
    return str(entry["resource"]["resourceType"])


def by_name(entry: Entry, others: Sequence[Entry], places: Mapping[str, str]) -> Entry:
    """A reference to one of `others` that has no place on the server, not yet or never, becomes
    identifier and type. `places`: those that the server gave, by urn."""
    names = {each["fullUrl"]: each["resource"] for each in others if "fullUrl" in each}
    if not names:
        return entry

    def here(reference: Entry) -> Entry:
        url = reference["reference"]
        if url not in names or url in places:
            return reference
        other = names[url]
        return {"type": other["resourceType"], "identifier": other["identifier"][0]}

    return entry | {"resource": _each_reference(entry["resource"], here)}


def adapted(entry: Entry, fit: Fit, base_url: str) -> Entry:
    """As a server takes it: its statuses and intents, without what it refuses or loses."""
    resource: Entry = dict(entry["resource"])
    made = entry | {"resource": resource}
    for name in fit.drops.get(type_of(entry), ()):
        resource.pop(name, None)
    if type_of(entry) == "Task":
        status = resource.get("status")
        resource["status"] = fit.statuses.get(str(status), status)
        if fit.intents and resource.get("intent") not in fit.intents:
            resource["intent"] = fit.intents[0]
    if type_of(entry) == "Provenance" and not fit.own_ids:
        made["request"] = {"method": "POST", "url": "Provenance"} | named(resource)

    def here(reference: Entry) -> Entry:
        place = locate(reference["reference"], (base_url,))
        if place and place.type in _WRITTEN and place.type not in fit.takes:
            return {"type": place.type, "display": f"{place.type}/{place.id} on fhirbridge"}
        return reference | ({"reference": f"{place.type}/{place.id}"} if place else {})

    made["resource"] = _each_reference(resource, here)
    return made


def at_home(entry: Entry, fit: Fit, base_url: str, ids: Mapping[str, str]) -> Entry:
    """As our own worklist keeps it. `ids`: the places there of what a plan creates, by urn."""

    def here(reference: Entry) -> Entry:
        url = reference["reference"]
        place = locate(url)
        if url in ids:
            return reference | {"reference": ids[url]}
        if place and not (place.type in _WRITTEN and place.type not in fit.takes):
            return reference | {"reference": f"{base_url}/{url}"}
        return reference

    return entry | {"resource": _each_reference(entry["resource"], here)}


def placed(entry: Entry, places: Mapping[str, str]) -> Entry:
    """An entry whose urns are replaced by the places that a server gave to what they name."""

    def here(reference: Entry) -> Entry:
        return reference | {"reference": places.get(reference["reference"], reference["reference"])}

    return entry | {"resource": _each_reference(entry["resource"], here)}


def relative(resource: Json, base_url: str) -> Any:
    """A resource with the records of this server named as the server itself names them."""

    def here(reference: Entry) -> Entry:
        place = locate(reference["reference"], (base_url,))
        return reference | ({"reference": f"{place.type}/{place.id}"} if place else {})

    return _each_reference(resource, here)


_WRITTEN = frozenset({"Task", "Communication"})


def _each_reference(node: Any, rule: Callable[[Entry], Entry]) -> Any:
    """A copy in which every literal Reference went through `rule`."""
    if isinstance(node, list):
        return [_each_reference(each, rule) for each in node]
    if not isinstance(node, Mapping):
        return node
    made = {name: _each_reference(each, rule) for name, each in node.items()}
    return rule(made) if isinstance(made.get("reference"), str) else made
