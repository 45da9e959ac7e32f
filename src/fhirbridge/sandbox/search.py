"""Which resources a query means (FHIR R4 §3.1.1), as pure functions over dicts.

Not built: chained parameters, `_has`, `_filter`, composites. They are refused, because a
parameter that is silently passed over answers with strangers' records.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import parse_qsl

from fhirbridge.sandbox.parameters import PARAMETERS, Parameter
from fhirbridge.sandbox.resources import Key, Refused, Store, reference_key

Query = list[tuple[str, str]]
Test = Callable[[dict[str, Any]], bool]

CONTROLS = frozenset({"_sort", "_count", "_summary", "_total", "_format", "_pretty"})
INCLUDES = frozenset({"_include", "_revinclude"})
INCLUDE_LIMIT = 1000
"""HAPI adds at most so many resources for each include, and does not say that it cut."""

_DATE = re.compile(r"(eq|ne|ge|gt|le|lt|sa|eb)?(\d{4}.*)")
_PRECISIONS = {4: ("%Y", 366), 7: ("%Y-%m", 31), 10: ("%Y-%m-%d", 1)}
_ALWAYS = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))


def parse_query(text: str) -> tuple[str, Query]:
    """`Type?a=b&c=d` as type and query; `Refused` for a type that is not known."""
    type_, _, query = text.partition("?")
    if type_ not in PARAMETERS:
        raise Refused(404, "HAPI-0302", f"Unknown resource type '{type_}'")
    return type_, parse_qsl(query, keep_blank_values=True)


def parameter(type_: str, name: str) -> Parameter:
    """The search parameter of a type, or `Refused` as HAPI refuses an unknown one."""
    found = PARAMETERS[type_].get(name)
    if found is None:
        known = ", ".join(sorted(PARAMETERS[type_]))
        text = f'Unknown search parameter "{name}" for resource type "{type_}". Valid: [{known}]'
        raise Refused(400, "HAPI-0524", text)
    return found


def matcher(type_: str, query: Query) -> Test:
    """The test that a resource of the type must pass: all parameters, any of their values."""
    tests: list[Test] = []
    for name, value in query:
        if name in CONTROLS or name.split(":")[0] in INCLUDES or not value:
            continue
        plain, _, modifier = name.partition(":")
        found = parameter(type_, plain)
        if modifier and not (found.kind == "reference" and modifier in PARAMETERS):
            raise Refused(400, "HAPI-0524", f'Modifier ":{modifier}" is not known here')
        values = [f"{modifier}/{v}" if modifier and "/" not in v else v for v in value.split(",")]
        tests.append(_any_of(found, [_value_test(found, one) for one in values]))
    return lambda resource: all(test(resource) for test in tests)


def _any_of(found: Parameter, tests: list[Callable[[Any], bool]]) -> Test:
    return lambda resource: any(t(v) for v in found.values(resource) for t in tests)


def _value_test(found: Parameter, wanted: str) -> Callable[[Any], bool]:
    if found.kind == "token":
        return _token_test(wanted)
    if found.kind == "date":
        return _date_test(wanted)
    if found.kind == "reference":
        return _reference_test(found, wanted)
    if found.kind == "uri":
        return lambda value: bool(value == wanted)
    return lambda value: any(s.lower().startswith(wanted.lower()) for s in _strings(value))


def _strings(value: Any) -> Iterable[str]:
    if isinstance(value, dict):
        return (s for part in value.values() for s in _strings(part))
    if isinstance(value, list):
        return (s for part in value for s in _strings(part))
    return [value] if isinstance(value, str) else []


def _token_test(wanted: str) -> Callable[[Any], bool]:
    system, bar, code = wanted.rpartition("|")

    def test(value: Any) -> bool:
        if not isinstance(value, dict):  # code, string or boolean: its system is implied
            return code == (str(value).lower() if isinstance(value, bool) else value)
        codings = value.get("coding") or [value]
        return any(
            (not bar or (c.get("system") or "") == system)
            and (not code or code == (c.get("code") or c.get("value")))
            for c in codings
        )

    return test


def _reference_test(found: Parameter, wanted: str) -> Callable[[Any], bool]:
    type_, _, id_ = wanted.rpartition("/")
    type_ = type_.rpartition("/")[2]

    def test(value: Any) -> bool:
        key = reference_key(value)
        if key is None or key[1] != id_ or (type_ and key[0] != type_):
            return False
        return not found.targets or key[0] in found.targets

    return test


def _date_test(wanted: str) -> Callable[[Any], bool]:
    parts = _DATE.fullmatch(wanted)
    if parts is None:
        raise Refused(400, "HAPI-1882", f'Invalid date/time format: "{wanted}"')
    prefix, (low, high) = parts[1] or "eq", interval(parts[2])
    tests: dict[str, Callable[[datetime, datetime], bool]] = {
        "eq": lambda a, b: low <= a and b <= high,
        "ne": lambda a, b: not (low <= a and b <= high),
        "ge": lambda _, b: b > low,
        "gt": lambda _, b: b > high,
        "le": lambda a, _: a < high,
        "lt": lambda a, _: a < low,
        "sa": lambda a, _: a >= high,
        "eb": lambda _, b: b <= low,
    }
    return lambda value: tests[prefix](*_span(value))


def interval(text: str) -> tuple[datetime, datetime]:
    """From when (included) to when (excluded) a FHIR date or time lasts; no zone means UTC."""
    try:
        if len(text) in _PRECISIONS:
            form, days = _PRECISIONS[len(text)]
            low = datetime.strptime(text, form).replace(tzinfo=UTC)
            return low, datetime.strptime((low + timedelta(days)).strftime(form), form).replace(
                tzinfo=UTC
            )
        low = datetime.fromisoformat(text.replace(" ", "+"))  # an unescaped + of a form
    except (ValueError, OverflowError):
        raise Refused(400, "HAPI-1882", f'Invalid date/time format: "{text}"') from None
    low = low if low.tzinfo else low.replace(tzinfo=UTC)
    seconds = timedelta(milliseconds=1) if "." in text else timedelta(seconds=1)
    return low, low + (seconds if text.count(":") > 1 else timedelta(minutes=1))


def _span(value: Any) -> tuple[datetime, datetime]:
    try:
        if isinstance(value, dict):  # a Period: an end that is not said is open
            return (
                interval(value["start"])[0] if value.get("start") else _ALWAYS[0],
                interval(value["end"])[1] if value.get("end") else _ALWAYS[1],
            )
        return interval(str(value))
    except Refused:  # the record's own date is broken: it matches nothing
        return _ALWAYS[1], _ALWAYS[0]


def find(store: Store, type_: str, query: Query) -> list[Key]:
    """The keys of the resources that match, sorted by `_sort` (date and token parameters)."""
    test = matcher(type_, query)
    keys = [v.key for v in store.current(type_) if v.resource and test(v.resource)]
    for name in reversed(",".join(v for n, v in query if n == "_sort").split(",")):
        if name:
            by = parameter(type_, name.lstrip("-"))
            keys.sort(
                key=lambda k: min(map(str, by.values(store.read(*k))), default=""),
                reverse=name.startswith("-"),
            )
    return keys


def included(store: Store, matches: list[Key], query: Query) -> list[Key]:
    """What `_revinclude` and `_include` add to the matches; with `:iterate`, again and again."""
    found = dict.fromkeys(matches)
    fresh, first = list(matches), True
    asks = sorted(((n, v) for n, v in query if n.split(":")[0] in INCLUDES), reverse=True)
    while fresh:
        added: dict[Key, None] = {}
        for name, ask in asks:
            iterate = name.endswith((":iterate", ":recurse"))
            if first or iterate:
                around = fresh + list(added) if iterate else fresh
                step = (
                    _pointing(store, around, ask) if "_rev" in name else _ahead(store, around, ask)
                )
                new = [key for key in dict.fromkeys(step) if key not in found and key not in added]
                added |= dict.fromkeys(new[:INCLUDE_LIMIT])
        found |= added
        fresh, first = list(added), False
    return list(found)[len(matches) :]


def _asked(ask: str) -> tuple[str, list[Parameter], str]:
    type_, name, target = [*ask.split(":"), "", ""][:3]
    if type_ not in PARAMETERS:
        raise Refused(400, "HAPI-2015", f"Invalid include: {ask}")
    every = [p for p in PARAMETERS[type_].values() if p.kind == "reference"]
    found = every if name == "*" else [p for p in every if p.name == name]
    if not found:
        raise Refused(400, "HAPI-2015", f"Invalid include: {ask}")
    return type_, found, target


def _pointing(store: Store, keys: list[Key], ask: str) -> list[Key]:
    type_, parameters, target = _asked(ask)
    wanted = {key for key in keys if not target or key[0] == target}
    return [
        v.key
        for v in store.current(type_)
        if v.resource and any(wanted.intersection(links(p, v.resource)) for p in parameters)
    ]


def _ahead(store: Store, keys: list[Key], ask: str) -> list[Key]:
    type_, parameters, target = _asked(ask)
    sources = [store.read(*key) for key in keys if key[0] == type_]
    seen = (link for s in sources for p in parameters for link in links(p, s))
    return [link for link in seen if store.alive(link) and (not target or link[0] == target)]


def links(found: Parameter, resource: dict[str, Any]) -> list[Key]:
    """The local resources that a reference parameter points to."""
    keys = (reference_key(value) for value in found.values(resource))
    return [k for k in keys if k and (not found.targets or k[0] in found.targets)]
