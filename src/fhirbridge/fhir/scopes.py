"""Which SMART scopes an installation needs, in the syntax that a server knows, and which it got.

HL7 SMART App Launch 2.2, "Scopes and launch context": v2 names create, read, update, delete and
search by their letters (`system/Task.crus`), v1 only read and write. Nothing wider than what
is done is asked for; who allows us less gets a sentence that names what is missing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from .chart import INCLUDES

_LETTERS = "cruds"
_V1 = {"read": "rs", "write": "cud", "*": _LETTERS}
#: The types of the records that a chart brings along (`chart.INCLUDES`).
_INCLUDED = {"location": "Location", "medication": "Medication", "payor": "Organization"}
#: What is written: a conditional create searches; Tasks are read and revised.
_WRITTEN = {"Task": "crus", "Communication": "cs"}
#: A Provenance gets an id of ours, so it is created by an update.
_ATTESTED = {"Provenance": "cu"}

Needs = Mapping[str, str]
"""Resource type → what is done with it, as letters of `cruds`."""


def needs(types: Iterable[str], *, push: bool, writes: bool, attests: bool = False) -> Needs:
    """What is done on one server. `types`: what is read there, beside Patient. `attests`: what
    is written gets a Provenance."""
    done = dict.fromkeys(("Patient", *types), "rs")
    for each in types:
        if each in INCLUDES:
            done[_INCLUDED[INCLUDES[each].partition(":")[2]]] = "rs"
    if push:
        done["Subscription"] = _LETTERS
    if writes:
        done |= _WRITTEN | (_ATTESTED if attests else {})
    return dict(sorted(done.items()))


def in_words(needs: Needs, *, v2: bool) -> tuple[str, ...]:
    """The scopes to ask for."""
    if v2:
        return tuple(f"system/{type_}.{letters}" for type_, letters in needs.items())
    return tuple(
        f"system/{type_}.{verb}"
        for type_, letters in needs.items()
        for verb in ("read", "write")
        if set(letters) & set(_V1[verb])
    )


def speaks_v2(capabilities: Iterable[str], supported: Iterable[str]) -> bool:
    """Does a server know v2 scopes, by its `.well-known/smart-configuration`?

    `permission-v2` and `permission-v1` say so. A server that says neither is judged by the
    scopes that it lists, and without any taken for an older one.
    """
    said = set(capabilities)
    if said & {"permission-v2", "permission-v1"}:
        return "permission-v2" in said
    return any(_is_v2(scope) for scope in supported)


def missing(granted: Iterable[str], needs: Needs) -> tuple[str, ...]:
    """What was not granted, as v2 scopes: `system/Task.cu`."""
    allowed: dict[str, set[str]] = {}
    for scope in granted:
        type_, letters = _parsed(scope)
        allowed.setdefault(type_, set()).update(letters)
    everything = allowed.get("*", set())
    lacks = {
        type_: "".join(one for one in letters if one not in allowed.get(type_, set()) | everything)
        for type_, letters in needs.items()
    }
    return tuple(f"system/{type_}.{letters}" for type_, letters in lacks.items() if letters)


def _parsed(scope: str) -> tuple[str, str]:
    """Type and letters; a scope with a filter (`?category=…`) counts as if it had none."""
    context, _, rest = scope.partition("/")
    type_, _, verb = rest.partition("?")[0].partition(".")
    return (type_, _V1.get(verb, verb)) if context == "system" else ("", "")


def _is_v2(scope: str) -> bool:
    verb = scope.partition("?")[0].rpartition(".")[2]
    return "/" in scope and bool(verb) and verb not in _V1 and set(verb) <= set(_LETTERS)
