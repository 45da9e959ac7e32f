"""HAPI's own opinion of what we write: `$validate`, many resources in one Bundle.

In a Bundle the references are not looked up, so nothing needs to stand on the server. An error is
an issue of severity error or fatal; warnings are about code systems that the server does not have.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from fhirbridge.fhir import jsonio, ours

Json = dict[str, Any]
_AT_ONCE = 100
_URN = re.compile(rb'"urn:uuid:[0-9a-f-]{36}"')
_PLACE = re.compile(r"Bundle\.entry\[(\d+)\]\S*")
#: Elements whose words FHIR itself defines; of others only the form matters.
_DEFINED = frozenset({"status", "intent", "priority", "resourceType", "type"})


def complaints(validate: Callable[[Json], Json], resources: Iterable[Json]) -> list[str]:
    """The errors of all resources, each named by its type, rule and status.

    `validate` sends a Bundle to `Bundle/$validate` and gives the OperationOutcome. Of resources
    that differ only in their words, the first is sent.
    """
    found, left = [], list({_form(each): each for each in resources}.values())
    while left:
        some, left = left[:_AT_ONCE], left[_AT_ONCE:]
        outcome = validate(_bundle(some))
        assert outcome["resourceType"] == "OperationOutcome", "nothing was validated"
        found += [
            f"{_name(issue, some)}: {issue['diagnostics']}"
            for issue in outcome["issue"]
            if issue["severity"] in ("error", "fatal")
        ]
    return found


def _bundle(resources: Sequence[Json]) -> Json:
    entries = [
        {"fullUrl": f"urn:uuid:00000000-0000-4000-8000-{number:012}", "resource": _stored(each)}
        for number, each in enumerate(resources)
    ]
    return {"resourceType": "Bundle", "type": "collection", "entry": entries}


def _stored(resource: Json) -> Json:
    """As the server would see it: it puts the places of a transaction's own entries in."""
    made: Json = jsonio.loads(_URN.sub(b'"Task/1"', jsonio.dumps(resource)))
    made.pop("id", None)
    return made


def _name(issue: Json, resources: Sequence[Json]) -> str:
    place = _PLACE.search(" ".join(issue.get("location", [])))
    if place is None:
        return "the Bundle"
    resource = resources[int(place[1])]
    rule = ours.code_of(resource.get("reasonCode"), ours.RULE)
    what = (resource["resourceType"], rule, resource.get("status"), place[0])
    return " ".join(filter(None, what))


def _form(node: object, name: str = "") -> object:
    """What a validator looks at: elements, kinds of values, FHIR's own codes; not our words."""
    match node:
        case Mapping():
            local = str(node.get("system", "")).startswith("urn:fhirbridge:")
            defined = "code" if "system" in node and not local else ""
            return frozenset((key, _form(each, key if key != defined else "status"))
                             for key, each in node.items())  # fmt: skip
        case list():
            return frozenset(_form(each, name) for each in node)
        case str() if name == "reference":
            return node.partition("/")[0]
        case str():
            return node if name in _DEFINED else (bool(node), node == node.strip())
        case _:
            return type(node)
