"""A FHIR server as a journey sees it: records come to stand there, it fails, it is looked at.

Everything goes through HTTP, as a hospital's own systems would write. Only what an embedded
server alone can do (fail, count, say that nothing is pending) goes through its `Box`.
"""

from __future__ import annotations

import http.client
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol
from urllib.parse import urlsplit

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.client import Server

Record = dict[str, Any]

#: What all journeys share keeps its name when a journey is played again.
_SHARED = ("Organization", "Practitioner", "Location", "HealthcareService")
_REFERENCE = re.compile(r"([A-Z][A-Za-z]+)/[A-Za-z0-9.-]+")
_OWN_SYSTEMS = re.compile(r"http://(hospital|plan)\.example/")


class Box(Protocol):
    """What an embedded server can do beside FHIR (`sandbox.Sandbox`)."""

    requests: list[tuple[str, str]]

    def put(self, resource: Record) -> Record: ...
    def fail(self, status: int = 503) -> None: ...
    def heal(self) -> None: ...
    def idle(self, timeout: float = 10) -> None: ...


class Written(NamedTuple):
    """What a step did to a record; no version: it was deleted."""

    type: str
    id: str
    version: str = ""


class Host:
    """One server of an estate. `types` are those that the bridge subscribes to there.

    `suffix` is put behind every id and identifier value, so that a journey can be played again
    on a server that keeps the records of the last time.
    """

    def __init__(
        self, server: Server, types: frozenset[str], box: Box | None = None, suffix: str = ""
    ) -> None:
        self.name, self.types, self.suffix = server.name, types, suffix
        self.base_url = server.base_url
        self.failing = False
        self._server, self._embedded = server, box

    def put(self, records: Sequence[Mapping[str, Any]]) -> list[Written]:
        """Write records all at once, so that nobody sees half of what a step brings."""
        own = [_renamed(record, self.suffix) for record in records]
        places = [(str(record["resourceType"]), str(record["id"])) for record in own]
        if self.failing:  # its own staff can still write; nobody can read it from outside
            versions = [self._box().put(record)["meta"]["versionId"] for record in own]
        else:
            versions = [each.version or "" for each in self._server.transact(_puts(own))]
        return [Written(*place, v) for place, v in zip(places, versions, strict=True)]

    def share(self, record: Mapping[str, Any]) -> None:
        """Write a record that all journeys share."""
        self._server.update(record)

    def change(self, record: Mapping[str, Any]) -> Written:
        """Write a record that was read here, if nobody else wrote meanwhile."""
        done = self._server.update(record, if_match=record["meta"]["versionId"])
        return Written(done.type, done.id, done.version or "")

    def delete(self, reference: str) -> Written:
        """Delete `Type/id` (as the journey names it)."""
        type_, id_ = self._place(reference)
        self._server.delete(type_, id_)
        return Written(type_, id_)

    def about(self, type_: str, patient: str) -> Iterator[Record]:
        """All records of a type about a patient (as the journey names him)."""
        yield from self._server.search(type_, {"patient": f"Patient/{patient}{self.suffix}"})

    def resend(self, version: str, subscription: str) -> Written:
        """Send the notification of a version (`Type/id/number`) again, as this server sends it.

        `subscription` is the id of the Subscription by which it was sent.
        """
        reference, _, number = version.rpartition("/")
        type_, id_ = self._place(reference)
        body = _exchange("GET", f"{self.base_url}/{type_}/{id_}/_history/{number}")
        asked = self._server.get("Subscription", subscription) or {}
        channel = asked["channel"]
        headers = dict(line.split(": ", 1) for line in channel["header"])
        headers["Content-Type"] = "application/fhir+json;charset=UTF-8"
        _exchange("PUT", f"{channel['endpoint']}/{type_}/{id_}", headers, body)
        return Written(type_, id_, number)

    def fail(self, status: int) -> None:
        """Answer everything with this status from now on, and notify nobody."""
        self._box().fail(status)
        self.failing = True

    def heal(self) -> None:
        """Answer again."""
        self._box().heal()
        self.failing = False

    def reads(self) -> int | None:
        """How often a patient was read here so far; None where the server does not count."""
        if self._embedded is None:
            return None
        asked = [target for _, target in list(self._embedded.requests)]
        return sum(target.startswith(("Patient?", "Patient/_search")) for target in asked)

    @property
    def embedded(self) -> bool:
        """It tells when it has delivered everything; a real server may still deliver later."""
        return self._embedded is not None

    def idle(self, timeout: float) -> None:
        """Wait until an embedded server has delivered everything. Raises TimeoutError."""
        if self._embedded is not None:
            self._embedded.idle(timeout)

    def close(self) -> None:
        self._server.close()

    def _box(self) -> Box:
        if self._embedded is None:
            raise LookupError(f"{self.name} is no embedded server: it cannot be made to fail")
        return self._embedded

    def _place(self, reference: str) -> tuple[str, str]:
        type_, _, id_ = reference.partition("/")
        return type_, f"{id_}{self.suffix}"


def _puts(records: Sequence[Record]) -> Record:
    entries = [
        {
            "resource": record,
            "request": {"method": "PUT", "url": f"{record['resourceType']}/{record['id']}"},
        }
        for record in records
    ]
    return {"resourceType": "Bundle", "type": "transaction", "entry": entries}


def _exchange(
    method: str, url: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
) -> bytes:
    parts = urlsplit(url)
    wire = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        wire.request(method, parts.path, body, dict(headers or {}))
        answer = wire.getresponse()
        found = answer.read()
    finally:
        wire.close()
    if answer.status >= 300:
        raise ConnectionError(f"{method} to {parts.netloc} was answered with {answer.status}")
    return found


def _renamed(record: Mapping[str, Any], suffix: str) -> Record:
    """A copy of a record under another id, its references and identifiers too."""
    copy: Record = jsonio.loads(jsonio.dumps(record))
    if suffix:
        copy["id"] += suffix
        _rename(copy, suffix)
    return copy


def _rename(node: Any, suffix: str) -> None:
    if isinstance(node, list):
        for each in node:
            _rename(each, suffix)
    elif isinstance(node, dict):
        target = _REFERENCE.fullmatch(str(node.get("reference", "")))
        if target and target[1] not in _SHARED:
            node["reference"] += suffix
        if _OWN_SYSTEMS.match(str(node.get("system", ""))) and "value" in node:
            node["value"] += suffix
        for each in node.values():
            _rename(each, suffix)
