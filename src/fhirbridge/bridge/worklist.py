"""Our own worklist: the Tasks and Communications that the worklist's server does not take.

They are kept in the store and served as FHIR by the web door (`web/worklist.py`). Their ids are
made from their identifiers, so that a bridge that writes them again makes the same ones.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import datetime
from hmac import compare_digest
from typing import Any

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.adapting import at_home, relative
from fhirbridge.fhir.answers import Receipt
from fhirbridge.fhir.errors import Conflict
from fhirbridge.fhir.matching import Query, matcher
from fhirbridge.fhir.profile import Fit
from fhirbridge.fhir.told import etag_version
from fhirbridge.store.records import OwnRecord, Stale

from .ports import Store

Json = dict[str, Any]
#: What can stand here.
TYPES = ("Task", "Communication")


class Worklist:
    """The records of one installation. Safe to use from threads. `token` opens it over HTTP."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], token: str | None = None
    ) -> None:
        self._store, self._clock, self._token = store, clock, token

    @property
    def is_served(self) -> bool:
        """May anybody read it over HTTP?"""
        return self._token is not None

    def opens(self, token: str) -> bool:
        """Is this the token that lets one read?"""
        return self._token is not None and compare_digest(token.encode(), self._token.encode())

    def write(
        self, entries: Sequence[Json], fit: Fit, base_url: str, patient: str
    ) -> list[Receipt]:
        """All of it or nothing. Raises `Conflict` for a version that is not the newest."""
        ids = {each["fullUrl"]: _place(each["resource"]) for each in entries if "fullUrl" in each}
        made = [at_home(each, fit, base_url, ids) for each in entries]
        records = [self._record(each, patient) for each in made]
        try:
            created = self._store.keep_own(records)
        except Stale:
            raise Conflict("fhirbridge", "write to our worklist", "changed meanwhile") from None
        return [
            Receipt(each.type, each.id, str(each.version), 201 if new else 200, created=new)
            for each, new in zip(records, created, strict=True)
        ]

    def tasks(self, patients: Collection[str]) -> tuple[Json, ...]:
        """Our Tasks about these patient records ("ehr:Patient/p-7")."""
        found = self._store.own_records("Task", patients)
        return tuple(jsonio.loads(each) for each in found)

    def get(self, type_: str, id_: str) -> Json | None:
        """One resource; None where there is none."""
        body = self._store.own_record(type_, id_)
        return jsonio.loads(body) if body else None

    def search(self, type_: str, query: Query, base_url: str) -> list[Json]:
        """What a search finds. The patient may be named as his own server names him.

        Raises `BadSearch` for a parameter that R4 does not have.
        """
        near = f"{base_url}/"
        test = matcher(type_, [(name, value.replace(near, "")) for name, value in query])
        found = [jsonio.loads(each) for each in self._store.own_records(type_, None)]
        return [each for each in found if test(relative(each, base_url))]

    def _record(self, entry: Mapping[str, Any], patient: str) -> OwnRecord:
        resource, request = dict(entry["resource"]), entry["request"]
        new = request["method"] == "POST"
        type_, id_ = resource["resourceType"], resource.get("id") or _id(resource)
        before = 0 if new else int(etag_version(request.get("ifMatch")) or 0)
        now = self._clock().isoformat(timespec="milliseconds")
        meta = {**resource.get("meta", {}), "versionId": str(before + 1), "lastUpdated": now}
        return OwnRecord(
            type=type_,
            id=str(id_),
            patient=patient,
            version=before + 1,
            body=jsonio.dumps(resource | {"id": id_, "meta": meta}),
        )


def _id(resource: Mapping[str, Any]) -> str:
    identifier = resource["identifier"][0]
    name = f"{resource['resourceType']}|{identifier['system']}|{identifier['value']}"
    return str(uuid.uuid5(uuid.NAMESPACE_URL, name))


def _place(resource: Mapping[str, Any]) -> str:
    return f"{resource['resourceType']}/{_id(resource)}"
