"""Carrying out a transaction Bundle on whatever make of server holds the worklist.

    Sender(home, own, doubled).send(bundle, patient) -> a receipt (or None) for each entry, in order

Where transactions and conditional create are taken, it is one transaction. Elsewhere each entry
is sent by itself, in the order of the plan (roots first, a message after its Task), and what was
written stays written when a later one fails: identity makes the next try write only the rest, and
the error carries the receipts (`FhirError.receipts`). Where nothing can be created on a condition,
each creation is looked for before and after (`fhir.doubles`).
What the server does not take stands on our own worklist (`worklist`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Any

from fhirbridge.fhir import doubles
from fhirbridge.fhir.adapting import adapted, placed, split
from fhirbridge.fhir.answers import Receipt
from fhirbridge.fhir.errors import Conflict, FhirError, Rejected
from fhirbridge.fhir.profile import Fit
from fhirbridge.fhir.told import etag_version

from .sources import Source
from .worklist import Worklist

Entry = Mapping[str, Any]


class Sender:
    """Writes to one worklist, wherever its parts stand. `doubled`: the words, for a title, for
    what is taken back because another writer was quicker."""

    def __init__(self, home: Source, own: Worklist, doubled: Callable[[str], str]) -> None:
        self._home, self._own, self._doubled = home, own, doubled

    def send(self, bundle: Mapping[str, Any], patient: str) -> list[Receipt | None]:
        """Write what a Bundle says about a patient record. None: an entry that is not written
        here (a Provenance). Raises what the server raises; `Conflict` also where somebody
        changed what we were about to change."""
        fit, server = self._home.fit, self._home.server
        there, here = split(bundle, fit)
        made = [adapted(each, fit, server.base_url, here) for each in there]
        rest: dict[int, Receipt] = {}

        def receipts() -> list[Receipt | None]:
            return [rest.get(id(each["resource"])) for each in bundle["entry"]]

        try:
            if made and fit.transactions and fit.conditional_create:
                got: Iterable[Receipt] = server.transact({**bundle, "entry": made})
            else:
                got = self._one_by_one(made, fit)
            for each, receipt in zip(there, got, strict=True):
                rest[id(each["resource"])] = receipt
            kept = self._own.write(here, fit, server.base_url, patient) if here else []
        except FhirError as error:
            error.receipts = receipts()
            raise
        rest |= {id(each["resource"]): got for each, got in zip(here, kept, strict=True)}
        return receipts()

    def _one_by_one(self, entries: Sequence[Entry], fit: Fit) -> Iterator[Receipt]:
        places: dict[str, str] = {}
        for entry in entries:
            ready = placed(dict(entry), places)
            if entry["request"]["method"] == "POST":
                receipt = self._create(ready, fit)
                places[entry["fullUrl"]] = f"{receipt.type}/{receipt.id}"
            else:
                receipt = self._change(ready, fit)
            yield receipt

    def _create(self, entry: Entry, fit: Fit) -> Receipt:
        resource, server = entry["resource"], self._home.server
        condition = entry["request"].get("ifNoneExist")
        if condition is None:
            return server.create(resource)
        if fit.conditional_create:
            return server.create(resource, if_none_exist=condition)
        type_, (name, _, value) = resource["resourceType"], condition.partition("=")
        for found in doubles.standing(server.search(type_, {name: value})):
            return _there(found)
        made = server.create(resource)
        if type_ not in doubles.TYPES:
            return made
        return self._alone(made, doubles.standing(server.search(type_, {name: value})), fit)

    def _alone(self, made: Receipt, found: Sequence[Entry], fit: Fit) -> Receipt:
        """What we have just created, unless somebody was quicker: then what he created."""
        mine = next((each for each in found if each["id"] == made.id), None)
        if mine is None or (stays := doubles.first(found, mine)) is mine:
            return made
        request = {"ifMatch": f'W/"{made.version}"'} if made.version else {}
        back = {"resource": doubles.withdrawn(mine, self._doubled), "request": request}
        with suppress(Rejected):  # of a make that lets nobody change a message: it stands twice
            made = self._change(back, fit)
        return replace(_there(stays), double=made)

    def _change(self, entry: Entry, fit: Fit) -> Receipt:
        resource, server = entry["resource"], self._home.server
        version = etag_version(entry["request"].get("ifMatch"))
        if fit.if_match or resource["resourceType"] == "Provenance":  # nobody else's to change
            return server.update(resource, if_match=version)
        # The best that such a server allows: a person may still come in between.
        type_, id_ = resource["resourceType"], resource["id"]
        now = server.get(type_, id_)
        if now is None or (version and now.get("meta", {}).get("versionId") != version):
            raise Conflict(server.name, f"update {type_}", "changed meanwhile: read again")
        return server.update(resource)


def _there(found: Entry) -> Receipt:
    """The receipt for what stood there already."""
    version = found.get("meta", {}).get("versionId")
    return Receipt(found["resourceType"], str(found["id"]), version, 200, created=False)
