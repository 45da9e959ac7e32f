"""Which resources a query means (FHIR R4 §3.1.1), as functions over dicts.

Chained parameters, modifiers, `_has` and `_filter` are not built and are refused: a parameter
that is silently passed over would answer with strangers' records.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from fhirbridge.fhir.parameters import PARAMETERS, Parameter
from fhirbridge.sandbox.resources import Key, Refused, Store, reference_key

Query = list[tuple[str, str]]
Span = tuple[datetime, datetime]

INCLUDE_LIMIT = 1000
"""HAPI adds at most so many resources for each include, and does not say that it cut."""
_NO_FILTER = re.compile("_(sort|count|summary|total|format|pretty|include|revinclude)(:.*)?")
_DATE = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}.*)")
_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_COMPARE: dict[str, Callable[[Span, Span], bool]] = {  # of a record's span and the one asked for
    "eq": lambda has, asked: asked[0] <= has[0] and has[1] <= asked[1],
    "ge": lambda has, asked: has[1] > asked[0],
    "gt": lambda has, asked: has[1] > asked[1],
    "le": lambda has, asked: has[0] < asked[1],
    "lt": lambda has, asked: has[0] < asked[0],
}


def parse(text: str) -> tuple[str, Query]:
    """`Type?a=b&c=d` as type and query; `Refused` for a type that is not known."""
    type_, _, query = text.partition("?")
    if type_ not in PARAMETERS:
        raise Refused(404, "HAPI-0302", f"Unknown resource type '{type_}'")
    return type_, parse_qsl(query, keep_blank_values=True)


def matcher(type_: str, query: Query) -> Callable[[dict[str, Any]], bool]:
    """The test that a resource of the type must pass: every parameter, any of its values."""
    tests: list[tuple[Parameter, list[Callable[[Any], bool]]]] = []
    for name, value in query:
        if not _NO_FILTER.fullmatch(name):
            found = _parameter(type_, name)
            tests.append((found, [_value_test(found, one) for one in value.split(",")]))
    return lambda resource: all(
        any(test(value) for value in found.values(resource) for test in either)
        for found, either in tests
    )


def _parameter(type_: str, name: str) -> Parameter:
    if name not in PARAMETERS[type_]:
        text = f'Unknown search parameter "{name}" for resource type "{type_}"'
        raise Refused(400, "HAPI-0524", f"{text}. Valid: [{', '.join(sorted(PARAMETERS[type_]))}]")
    return PARAMETERS[type_][name]


def _value_test(found: Parameter, wanted: str) -> Callable[[Any], bool]:
    if found.kind == "token":
        return _token_test(wanted)
    if found.kind == "date":
        return _date_test(wanted)
    if found.kind == "reference":
        type_, _, id_ = wanted.rpartition("/")
        types = frozenset({type_}) if type_ else found.targets
        return lambda value: (
            (key := reference_key(value)) is not None
            and (key[1] == id_ and key[0] in (types or {key[0]}))
        )
    if found.kind == "string":
        return lambda value: wanted.lower() in str(value).lower()
    return lambda value: bool(value == wanted)


def _token_test(wanted: str) -> Callable[[Any], bool]:
    system, bar, code = wanted.rpartition("|")

    def test(value: Any) -> bool:
        if not isinstance(value, dict):  # code, string or boolean: its system is implied
            return code == (str(value).lower() if isinstance(value, bool) else value)
        return any(
            (not bar or coding.get("system", "") == system)
            and (not code or code == coding.get("code", coding.get("value")))
            for coding in value.get("coding", [value])
        )

    return test


def _date_test(wanted: str) -> Callable[[Any], bool]:
    parts = _DATE.fullmatch(wanted)
    if parts is None:
        raise Refused(400, "HAPI-1882", f'Invalid date/time format: "{wanted}"')
    compare, asked = _COMPARE[parts[1] or "eq"], interval(parts[2])

    def test(value: Any) -> bool:
        period = value if isinstance(value, dict) else {"start": value, "end": value}
        try:
            start = interval(period["start"])[0] if "start" in period else _EVER[0]
            end = interval(period["end"])[1] if "end" in period else _EVER[1]
        except Refused:  # the record's own date is broken: it matches nothing
            return False
        return compare((start, end), asked)

    return test


def interval(text: str) -> Span:
    """From when (included) to when (excluded) a FHIR date or time lasts; no zone means UTC."""
    try:
        padded = f"{text}-01-01"[:10] if len(text) < 10 else text.replace(" ", "+")
        low = datetime.fromisoformat(padded)
        low = low if low.tzinfo else low.replace(tzinfo=UTC)
        if len(text) < 10:
            return low, (low + timedelta(366 if len(text) == 4 else 31)).replace(day=1)
        if len(text) == 10:
            return low, low + timedelta(1)
        return low, low + timedelta(milliseconds=1 if "." in text else 1000)
    except (ValueError, TypeError, OverflowError):
        raise Refused(400, "HAPI-1882", f'Invalid date/time format: "{text}"') from None


def find(store: Store, type_: str, query: Query) -> list[Key]:
    """The keys of the resources that match, in the order of `_sort`."""
    test = matcher(type_, query)
    found = [v for v in store.current(type_) if v.resource and test(v.resource)]
    for name in reversed([n for k, v in query if k == "_sort" for n in v.split(",")]):
        by = _parameter(type_, name.lstrip("-"))
        found.sort(
            key=lambda v: min(map(str, by.values(v.resource or {})), default=""),
            reverse=name.startswith("-"),
        )
    return [version.key for version in found]


def included(store: Store, matches: list[Key], query: Query) -> list[Key]:
    """What `_revinclude`, then `_include` add to the matches; `:iterate`, to what they added."""
    found, fresh = dict.fromkeys(matches), list(matches)
    asks = sorted((ask for ask in query if "include" in ask[0]), reverse=True)
    while fresh and asks:
        around, fresh = fresh, []
        for name, ask in asks:
            sources = around + fresh if name.endswith(":iterate") else around
            step = dict.fromkeys(_step(store, sources, name.startswith("_rev"), ask))
            fresh += [key for key in step if key not in found][:INCLUDE_LIMIT]
            found |= dict.fromkeys(fresh)
        asks = [ask for ask in asks if ask[0].endswith(":iterate")]
    return list(found)[len(matches) :]


def _step(store: Store, sources: list[Key], reverse: bool, ask: str) -> list[Key]:
    type_, code, target = [*ask.split(":"), "", ""][:3]
    every = PARAMETERS.get(type_, {}).values()
    found = [p for p in every if p.kind == "reference" and code in (p.name, "*")]
    if not found:
        raise Refused(400, "HAPI-2015", f"Invalid include: {ask}")
    wanted = set(sources)
    here = [v for v in store.current(type_) if v.resource and (reverse or v.key in wanted)]
    links = [(v.key, link) for v in here for p in found for link in _links(p, v.resource)]
    if reverse:
        return [key for key, link in links if link in wanted]
    return [link for _, link in links if store.alive(link) and target in ("", link[0])]


def _links(found: Parameter, resource: Any) -> list[Key]:
    keys = [reference_key(value) for value in found.values(resource)]
    return [k for k in keys if k and (not found.targets or k[0] in found.targets)]
