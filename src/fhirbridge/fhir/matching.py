"""Which resources a search means (FHIR R4 §3.1.1), as pure functions over dicts.

Chained parameters, modifiers, `_has` and `_filter` are refused: a parameter that is silently
passed over would answer with strangers' records.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from fhirbridge.fhir.parameters import PARAMETERS, Parameter

Query = list[tuple[str, str]]
Span = tuple[datetime, datetime]
Key = tuple[str, str]

_NO_FILTER = re.compile("_(sort|count|summary|total|format|pretty|include|revinclude)(:.*)?")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/([A-Za-z0-9\-.]{1,64})")
_DATE = re.compile(r"(eq|ge|gt|le|lt)?(\d{4}.*)")
_EVER = (datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
_COMPARE: dict[str, Callable[[Span, Span], bool]] = {  # of a record's span and the one asked for
    "eq": lambda has, asked: asked[0] <= has[0] and has[1] <= asked[1],
    "ge": lambda has, asked: has[1] > asked[0],
    "gt": lambda has, asked: has[1] > asked[1],
    "le": lambda has, asked: has[0] < asked[1],
    "lt": lambda has, asked: has[0] < asked[0],
}


class BadSearch(ValueError):
    """A search that cannot be answered; the message starts with HAPI's code for it."""


def matcher(type_: str, query: Query) -> Callable[[dict[str, Any]], bool]:
    """The test that a resource of the type must pass: every parameter, any of its values.

    Sorting, paging and includes in the query are passed over. Raises `BadSearch`.
    """
    tests: list[tuple[Parameter, list[Callable[[Any], bool]]]] = []
    for name, value in query:
        if not _NO_FILTER.fullmatch(name):
            found = parameter(type_, name)
            tests.append((found, [_value_test(found, one) for one in value.split(",")]))
    return lambda resource: all(
        any(test(value) for value in found.values(resource) for test in either)
        for found, either in tests
    )


def parameter(type_: str, name: str) -> Parameter:
    """The search parameter of that name; `BadSearch` when there is none."""
    if name not in PARAMETERS[type_]:
        text = f'HAPI-0524: Unknown search parameter "{name}" for resource type "{type_}"'
        raise BadSearch(f"{text}. Valid: [{', '.join(sorted(PARAMETERS[type_]))}]")
    return PARAMETERS[type_][name]


def reference_key(value: Any) -> Key | None:
    """(type, id) of a relative reference; None for logical, contained, urn and absolute ones."""
    text = value.get("reference") if isinstance(value, dict) else None
    parts = _REFERENCE.fullmatch(text) if isinstance(text, str) else None
    return (parts[1], parts[2]) if parts else None


def links(found: Parameter, resource: dict[str, Any]) -> list[Key]:
    """The (type, id) that a reference parameter finds in a resource."""
    keys = [reference_key(value) for value in found.values(resource)]
    return [k for k in keys if k and (not found.targets or k[0] in found.targets)]


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
        raise BadSearch(f'HAPI-1882: Invalid date/time format: "{text}"') from None


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
        raise BadSearch(f'HAPI-1882: Invalid date/time format: "{wanted}"')
    compare, asked = _COMPARE[parts[1] or "eq"], interval(parts[2])

    def test(value: Any) -> bool:
        period = value if isinstance(value, dict) else {"start": value, "end": value}
        try:
            start = interval(period["start"])[0] if "start" in period else _EVER[0]
            end = interval(period["end"])[1] if "end" in period else _EVER[1]
        except BadSearch:  # the record's own date is broken: it matches nothing
            return False
        return compare((start, end), asked)

    return test
