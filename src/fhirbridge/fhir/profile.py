"""What a make of server can and cannot, as far as writing to it and subscribing are concerned.

    choose(profiles, statement)          the profile whose software the server says it is
    fitted(profile, statement) -> Fit    the profile, completed by what the server says of itself

A profile is data (`mappings/servers/*.yaml`); what it leaves open is taken from the server's
CapabilityStatement, and what that leaves open from R4: a server that says nothing of conditional
create is tried with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from .ours import items

_WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"
#: What we write where it is taken.
WRITTEN = ("Task", "Communication", "Provenance")


@dataclass(frozen=True, slots=True, kw_only=True)
class Subscribing:
    """How a make of server lives with Subscriptions.

    `renew`: it turns them off by itself, so that they are asked for anew so often. `websocket`:
    where its websocket stands, below the root of the server or as a whole address. `signed_by`:
    the extension in which it takes a secret and then signs what it sends. `authorization`: False
    where it refuses whoever signs in.
    """

    renew: timedelta | None = None
    websocket: str | None = None
    signed_by: str | None = None
    authorization: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One make of server, as its file says. None: as the server itself says.

    `software`: words of its CapabilityStatement by which it is known. `takes`: which of
    `WRITTEN` can be created. `intents`: the Task intents that it takes, the first in place of
    any other. `statuses`: a Task status of ours -> the one that stands for it here. `drops`: by
    type, elements that it refuses or loses, so that they are not sent. `own_ids`: whether a PUT
    may create a record under an id of ours.
    """

    name: str
    title: str = ""
    software: tuple[str, ...] = ()
    takes: frozenset[str] | None = None
    transactions: bool | None = None
    conditional_create: bool | None = None
    if_match: bool | None = None
    own_ids: bool | None = None
    intents: tuple[str, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)
    drops: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subscribing: Subscribing = Subscribing()
    shared: bool = False  # a server of everybody's, full of strangers' records


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """A profile without open questions: how to write to one server."""

    name: str = "generic"
    takes: frozenset[str] = frozenset(WRITTEN)
    transactions: bool = True
    conditional_create: bool = True
    if_match: bool = True
    own_ids: bool = True
    intents: tuple[str, ...] = ()
    statuses: Mapping[str, str] = field(default_factory=dict)
    drops: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    subscribing: Subscribing = Subscribing()


def choose(profiles: Iterable[Profile], statement: Mapping[str, Any]) -> Profile:
    """The profile one of whose words the server uses of itself; the longest word wins.

    Software, implementation and publisher are looked at, in that order.
    """
    software, site = statement.get("software"), statement.get("implementation")
    said = " ".join(
        str(each)
        for each in (
            software.get("name") if isinstance(software, Mapping) else "",
            site.get("description") if isinstance(site, Mapping) else "",
            statement.get("publisher") or "",
        )
    ).lower()
    known = [
        (len(word), profile)
        for profile in profiles
        for word in profile.software
        if word.lower() in said
    ]
    return max(known, key=lambda each: each[0])[1] if known else Profile(name="generic")


def fitted(profile: Profile, statement: Mapping[str, Any] | None = None) -> Fit:
    """What holds for one server. Without a statement, what the profile leaves open is R4's."""
    says = _Says(statement or {})
    return Fit(
        name=profile.name,
        takes=says.takes() if profile.takes is None else profile.takes,
        transactions=_first(profile.transactions, says.transactions(), True),
        conditional_create=_first(profile.conditional_create, says.conditional_create(), True),
        if_match=_first(profile.if_match, True),
        own_ids=_first(profile.own_ids, says.own_ids(), True),
        intents=profile.intents,
        statuses=profile.statuses,
        drops=profile.drops,
        subscribing=replace(
            profile.subscribing, websocket=profile.subscribing.websocket or says.websocket()
        ),
    )


def is_open(profile: Profile) -> bool:
    """Does the profile leave anything to the server's own account?"""
    return None in (profile.takes, profile.transactions, profile.conditional_create)


def _first(*answers: bool | None) -> bool:
    return next(each for each in answers if each is not None)


class _Says:
    """What a CapabilityStatement says of writing; None where it says nothing."""

    def __init__(self, statement: Mapping[str, Any]) -> None:
        rests = [each for each in items(statement, "rest") if each.get("mode") != "client"]
        self._rest: Mapping[str, Any] = rests[0] if rests else {}
        self._types = {each.get("type"): each for each in items(self._rest, "resource")}

    def takes(self) -> frozenset[str]:
        if not self._types:
            return frozenset(WRITTEN)
        return frozenset(type_ for type_ in WRITTEN if self._creates(type_))

    def transactions(self) -> bool | None:
        codes = {each.get("code") for each in items(self._rest, "interaction")}
        # Who lists types and no transaction takes none; one by one, each server takes all of it.
        return ("transaction" in codes) if codes or self._types else None

    def conditional_create(self) -> bool | None:
        said = [self._types[each].get("conditionalCreate") for each in WRITTEN if self._has(each)]
        answers = [each for each in said if isinstance(each, bool)]
        return all(answers) if answers else None

    def own_ids(self) -> bool | None:
        said = self._types.get("Provenance", {}).get("updateCreate")
        return said if isinstance(said, bool) else None

    def websocket(self) -> str | None:
        for each in items(self._rest, "extension"):
            if each.get("url") == _WEBSOCKET and isinstance(each.get("valueUri"), str):
                return str(each["valueUri"])
        return None

    def _has(self, type_: str) -> bool:
        return type_ in self._types

    def _creates(self, type_: str) -> bool:
        found = self._types.get(type_)
        codes = {each.get("code") for each in items(found, "interaction")}
        return found is not None and (not codes or "create" in codes)
