"""What was read of one person from one server, and the look-ups inside it.

A `Snapshot` is the reader's whole input: it never fetches. References are resolved against it
alone, so a record that points outside keeps the name it pointed at (a link may still meet a
fact of another source) and a payload can never make us call an address.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from fhirbridge.core.facts import Party, Ref

#: How many values of one kind a process keeps: codings, days, URLs and references recur in every
#: record, and what recurs is looked up instead of being checked and made again.
KEPT = 1024

#: One JSON object as `fhir.jsonio` parses it.
Json = dict[str, Any]

_IDS = re.compile(r"[A-Za-z0-9\-._]{1,128}").fullmatch


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The resources that one source returned for one person (any order, copies allowed).

    `bases` says which source lives under which base URL (without the last slash), `full_urls`
    which "Type/id" an entry of a Bundle had as its fullUrl. How complete the snapshot is does
    not change what its records say; whoever asks what is missing keeps that.
    """

    source: str
    resources: Sequence[Any]
    bases: Mapping[str, str] = field(default_factory=dict)
    full_urls: Mapping[str, str] = field(default_factory=dict)


class Book:
    """The newest copy of each resource of a snapshot, by "Type/id"."""

    __slots__ = (
        "answers",
        "bases",
        "full_urls",
        "identified",
        "names",
        "parties",
        "persons",
        "places",
        "resources",
        "source",
        "unnamed",
    )

    def __init__(self, snapshot: Snapshot) -> None:
        self.source = snapshot.source
        self.bases = snapshot.bases
        self.full_urls = snapshot.full_urls
        self.resources: dict[str, Json] = {}
        self.unnamed: list[tuple[str, str]] = []  # (type, what is wrong) of the unusable
        self.identified: dict[str, set[str]] | None = None  # on demand
        self.persons: dict[str, Ref | None] = {}  # one Ref for the many records of a patient
        self.parties: dict[tuple[str, str], Party | None] = {}  # by (reference, display)
        self.places: dict[str, tuple[str, str] | None] = {}
        self.names: dict[str, str] = {}
        self.answers: dict[str, tuple[float, float]] | None = None  # of answers.py, on demand
        for body in snapshot.resources:
            kind = body.get("resourceType") if type(body) is dict else None
            if type(kind) is not str or not (kind.isascii() and kind.isalpha()):
                self.unnamed.append(("?", "not-a-resource"))
                continue
            number = body.get("id")
            if not is_id(number):
                self.unnamed.append((kind, "no-id" if number is None else "bad-id"))
                continue
            name = f"{kind}/{number}"
            known = self.resources.get(name)
            if known is None or _age(known) <= _age(body):
                self.resources[name] = body

    def locate(self, reference: str) -> tuple[str, str] | None:
        """(source, "Type/id") that a literal reference means, or None if it lies outside.

        R4 references §2.3.0: relative, `/_history/v`, absolute below a known base, `urn:`
        resolved by the fullUrl of a Bundle entry. `Patient/Patient/1` is what some servers
        make of an absolute reference.
        """
        if reference in self.resources:
            return self.source, reference
        if reference in self.places:
            return self.places[reference]
        place = self.places[reference] = self._locate(reference)
        return place

    def _locate(self, reference: str) -> tuple[str, str] | None:
        if _is_relative(reference):
            return self.source, reference
        if reference in self.full_urls:
            return self.source, self.full_urls[reference]
        source, parts = self.source, reference.split("/")
        if "://" in reference:
            for base, owner in self.bases.items():
                if reference.startswith(base) and reference[len(base) : len(base) + 1] == "/":
                    parts, source = reference[len(base) + 1 :].split("/"), owner
                    break
            else:
                return None
        if len(parts) == 4 and parts[2] == "_history":
            parts = parts[:2]
        if len(parts) == 3 and parts[0] == parts[1]:
            parts = parts[1:]
        name = "/".join(parts)
        return (source, name) if _is_relative(name) else None

    def name_of(self, reference: str) -> str:
        """The name of what a literal reference means; itself when it lies outside."""
        if reference in self.names:
            return self.names[reference]
        place = self.locate(reference)
        name = self.names[reference] = f"{place[0]}:{place[1]}" if place else reference
        return name

    def person(self, reference: str) -> Ref | None:
        """The patient that a literal reference means, without a version."""
        if reference in self.persons:
            return self.persons[reference]
        source, name = self.locate(reference) or ("", "")
        kind, _, number = name.partition("/")
        ref = Ref(source, kind, number) if kind == "Patient" else None
        self.persons[reference] = ref
        return ref

    def called(self, name: str, kind: str) -> tuple[str, str] | None:
        """Where the one resource of this snapshot is that goes by a business identifier.

        `name` is "system|value", `kind` its type or "" for any; None when there are several.
        """
        if self.identified is None:
            self.identified = {}
            for place, body in self.resources.items():
                rows = body.get("identifier")
                for row in rows if isinstance(rows, list) else (rows,):
                    if isinstance(row, dict) and (own := identifier_name(row)):
                        self.identified.setdefault(own, set()).add(place)
        found = [
            place
            for place in self.identified.get(name, ())
            if not kind or place.startswith(f"{kind}/")
        ]
        return (self.source, found[0]) if len(found) == 1 else None

    def get(self, place: tuple[str, str] | None) -> Json | None:
        """The resource at a place, when this snapshot holds it."""
        if place is None or place[0] != self.source:
            return None
        return self.resources.get(place[1])


@lru_cache(KEPT)
def _is_relative(reference: str) -> bool:
    """Whether it is "Type/id": those of practitioners and pharmacies recur in many records."""
    kind, _, number = reference.partition("/")
    return kind.isalpha() and is_id(number)


def identifier_name(identifier: Json) -> str | None:
    """ "system|value" of an Identifier, the form in which records of all servers are joined."""
    value = identifier.get("value")
    if not isinstance(value, str) or not (value := value.strip()):
        return None
    system = identifier.get("system")
    return f"{system if isinstance(system, str) else ''}|{value}"


def is_id(value: object) -> bool:
    """Whether a value may be a logical id. R4 allows 64 characters; some servers use more."""
    return type(value) is str and _IDS(value) is not None


def _age(body: Json) -> tuple[str, int]:
    """Orders copies of one resource: by lastUpdated (as text, one server writes one form)."""
    meta = body.get("meta")
    if not isinstance(meta, dict):
        return "", 0
    updated, version = meta.get("lastUpdated"), meta.get("versionId")
    number = int(version) if isinstance(version, str) and version.isdecimal() else 0
    return updated if isinstance(updated, str) else "", number
