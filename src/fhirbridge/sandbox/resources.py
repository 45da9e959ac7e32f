"""Versions of resources in memory, written in units: all or nothing.

Everything is checked where a unit ends, so that the entries of a transaction may point to one
another in any order; a refused unit leaves no trace, and listeners hear only of what stands.
The rules and codes (`HAPI-nnnn`) are those that HAPI 8.8.0 was seen to follow.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fhirbridge.fhir.jsonio import dumps
from fhirbridge.fhir.matching import Key, reference_key
from fhirbridge.fhir.parameters import PARAMETERS, REFERENCES, values

Resource = dict[str, Any]


class Refused(Exception):
    """A request that the server declines: HTTP status, HAPI's code (or ""), and the reason."""

    def __init__(self, status: int, code: str, text: str) -> None:
        super().__init__(f"{code}: {text}" if code else text)
        self.status = status


@dataclass(frozen=True, slots=True)
class Version:
    """One version of one resource; `resource` is None where it is a deletion."""

    key: Key
    number: int
    last_updated: datetime
    resource: Resource | None

    @property
    def place(self) -> str:
        """`Type/id/_history/n`."""
        return f"{self.key[0]}/{self.key[1]}/_history/{self.number}"


def stamp(moment: datetime) -> str:
    """An instant as HAPI writes it: milliseconds, UTC."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds")


def rewrite_references(node: Any, rule: Callable[[str], str]) -> None:
    """Apply a rule to every `reference` string below a node, in place."""
    if isinstance(node, dict):
        if isinstance(node.get("reference"), str):
            node["reference"] = rule(node["reference"])
        node = list(node.values())
    for child in node if isinstance(node, list) else []:
        rewrite_references(child, rule)


def _content(node: Any) -> Any:
    """A value to compare by: the order of keys is nothing, every digit of a decimal counts."""
    if isinstance(node, dict):
        return {k: _content(v) for k, v in node.items() if k not in ("versionId", "lastUpdated")}
    return [_content(v) for v in node] if isinstance(node, list) else dumps(node)


class Store:
    """All versions of all resources of one server. Hold `lock` to read several things at once."""

    def __init__(self, clock: Callable[[], datetime], ids: Callable[[], str]) -> None:
        self.lock = threading.RLock()
        self.log: list[Version] = []
        self.checks: list[Callable[[Version], None]] = [self._check_references]
        self.listeners: list[Callable[[Version], None]] = []
        self._clock, self._ids, self._depth = clock, ids, 0
        self._versions: dict[str, dict[str, list[Version]]] = {type_: {} for type_ in PARAMETERS}

    @contextmanager
    def unit(self, checked: bool = True) -> Iterator[None]:
        """What is written inside stands as a whole or not at all; units nest into the outermost."""
        with self.lock:
            mark, self._depth = len(self.log), self._depth + 1
            try:
                yield
                outermost = self._depth == 1
                for version in self.log[mark:] if checked and outermost else []:
                    for check in self.checks:
                        check(version)
            except BaseException:
                for version in self.log[mark:]:
                    self._versions[version.key[0]][version.key[1]].pop()
                del self.log[mark:]
                raise
            finally:
                self._depth -= 1
            for version in self.log[mark:] if outermost else []:
                for listener in self.listeners:
                    listener(version)

    def versions(self, type_: str, id_: str) -> list[Version]:
        """Oldest first; empty when nothing of that id was ever written."""
        if type_ not in self._versions:
            raise Refused(404, "HAPI-0302", f"Unknown resource type '{type_}'")
        return self._versions[type_].get(id_, [])

    def current(self, type_: str) -> list[Version]:
        """The newest version of each resource of a type, deletions too."""
        return [versions[-1] for versions in self._versions[type_].values() if versions]

    def alive(self, key: Key) -> bool:
        """Whether the resource exists and is not deleted."""
        versions = self.versions(*key) if key[0] in self._versions else []
        return bool(versions) and versions[-1].resource is not None

    def version(self, type_: str, id_: str, number: str = "") -> Version:
        """The newest or the named version; `Refused` 404 or 410."""
        every = self.versions(type_, id_)
        found = [v for v in every if str(v.number) == number] if number else every[-1:]
        if not found:
            raise Refused(404, "HAPI-2001", f"Resource {type_}/{id_} is not known")
        if found[0].resource is None:
            raise Refused(410, "", f"Resource was deleted at {stamp(found[0].last_updated)}")
        return found[0]

    def create(self, type_: str, resource: Resource) -> Version:
        """Store under an id of ours."""
        self.versions(type_, "")
        return self._write((type_, self._ids()), resource)

    def update(self, type_: str, id_: str, resource: Resource, if_match: str = "") -> Version:
        """Store under the client's id; what changes nothing makes no version."""
        every = self.versions(type_, id_)
        if if_match and every and f'W/"{every[-1].number}"' != if_match:
            text = f"Trying to update {type_}/{id_} but this is not the current version"
            raise Refused(409, "HAPI-0550: HAPI-0989", text)
        return self._write((type_, id_), resource)

    def delete(self, type_: str, id_: str) -> None:
        """Add a deletion, unless there is nothing to delete."""
        if self.versions(type_, id_) and self.alive((type_, id_)):
            self._write((type_, id_), None)

    def _write(self, key: Key, resource: Resource | None) -> Version:
        every = self._versions[key[0]].setdefault(key[1], [])
        number, now = len(every) + 1, self._clock()
        if resource is not None:
            self._normalize(resource, key, [v.resource for v in every if v.resource][-1:])
            if self.alive(key) and _content(every[-1].resource) == _content(resource):
                return every[-1]
            resource["meta"] |= {"versionId": str(number), "lastUpdated": stamp(now)}
        every.append(Version(key, number, now, resource))
        self.log.append(every[-1])
        return every[-1]

    @staticmethod
    def _normalize(resource: Resource, key: Key, before: list[Resource]) -> None:
        """As HAPI stores: no versions in references; tags are added by an update, never removed."""
        rewrite_references(resource, lambda text: text.split("/_history/")[0])
        meta = dict(resource.get("meta") or {})
        tags = before[0]["meta"].get("tag", []) if before else []
        tags = [*tags, *(tag for tag in meta.get("tag", []) if tag not in tags)]
        resource |= {"id": key[1], "meta": meta | ({"tag": tags} if tags else {})}

    def _check_references(self, version: Version) -> None:
        if version.resource is None and not self.alive(version.key) and self._used(version.key):
            raise Refused(409, "", f"Unable to delete {'/'.join(version.key)}: it is referred to")
        for path, targets in REFERENCES[version.key[0]].items():
            where = f"{version.key[0]}.{'.'.join(path)}"
            for value in values(version.resource or {}, path):
                if str(value.get("reference", "")).startswith("http"):
                    raise Refused(400, "HAPI-0507", f"external reference at path {where}")
                key = reference_key(value)
                if key and targets and key[0] not in targets:
                    raise Refused(422, "HAPI-0931", f"A {key[0]} is not valid at path '{where}'")
                if key and not self.alive(key):
                    raise Refused(400, "HAPI-1094", f"{'/'.join(key)} not found, path: {where}")

    def _used(self, key: Key) -> bool:
        """Whether a resource that stands points to this one."""
        return any(
            reference_key(value) == key
            for type_, paths in REFERENCES.items()
            for version in self.current(type_)
            for path in paths
            for value in values(version.resource or {}, path)
        )
