"""Finding in the store: what matches a query, sorted, and what its includes add."""

from __future__ import annotations

from urllib.parse import parse_qsl

from fhirbridge.fhir.matching import BadSearch, Key, Query, links, matcher, parameter
from fhirbridge.fhir.parameters import PARAMETERS
from fhirbridge.sandbox.resources import Refused, Store

INCLUDE_LIMIT = 1000
"""HAPI adds at most so many resources for each include, and does not say that it cut."""


def parse(text: str) -> tuple[str, Query]:
    """`Type?a=b&c=d` as type and query; `Refused` for a type that is not known."""
    type_, _, query = text.partition("?")
    if type_ not in PARAMETERS:
        raise Refused(404, "HAPI-0302", f"Unknown resource type '{type_}'")
    return type_, parse_qsl(query, keep_blank_values=True)


def find(store: Store, type_: str, query: Query) -> list[Key]:
    """The keys of the resources that match, in the order of `_sort`."""
    test = matcher(type_, query)
    found = [v for v in store.current(type_) if v.resource and test(v.resource)]
    for name in reversed([n for k, v in query if k == "_sort" for n in v.split(",")]):
        by = parameter(type_, name.lstrip("-"))
        found.sort(
            key=lambda v: min(map(str, by.values(v.resource or {})), default=""),
            reverse=name.startswith("-"),
        )
    return [version.key for version in found]


def included(store: Store, matches: list[Key], query: Query) -> list[Key]:
    """What `_revinclude`, then `_include` add to the matches; `:iterate`, to what they added."""
    found, fresh = dict.fromkeys(matches), list(matches)
    asks = sorted((ask for ask in query if "include" in ask[0]), reverse=True)
    while asks:
        around, fresh = fresh, []
        for name, ask in asks:
            sources = around + fresh if name.endswith(":iterate") else around
            step = dict.fromkeys(_step(store, sources, name.startswith("_rev"), ask))
            fresh += [key for key in step if key not in found][:INCLUDE_LIMIT]
            found |= dict.fromkeys(fresh)
        asks = [ask for ask in asks if fresh and ask[0].endswith(":iterate")]
    return list(found)[len(matches) :]


def _step(store: Store, sources: list[Key], reverse: bool, ask: str) -> list[Key]:
    type_, code, target = [*ask.split(":"), "", ""][:3]
    every = PARAMETERS.get(type_, {}).values()
    found = [p for p in every if p.kind == "reference" and code in (p.name, "*")]
    if not found:
        raise BadSearch(f"HAPI-2015: Invalid include: {ask}")
    wanted = set(sources)
    here = [v for v in store.current(type_) if v.resource and (reverse or v.key in wanted)]
    pairs = [(v.key, link) for v in here for p in found for link in links(p, v.resource or {})]
    if reverse:
        return [key for key, link in pairs if link in wanted]
    return [link for _, link in pairs if store.alive(link) and target in ("", link[0])]
