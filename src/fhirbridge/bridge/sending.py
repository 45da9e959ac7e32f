"""Carrying out a transaction Bundle on whatever make of server holds the worklist.

    Sender(home, own, doubled).send(bundle, patient) -> a receipt (or None) for each entry, in order

Where transactions and conditional create are taken, it is one transaction. Elsewhere each entry
is sent by itself, and what was written stays written when a later one fails: identity makes the
next try write only the rest, and `Sender.receipts` says what was written. Messages go
first and Tasks after them, roots before the others: a Task that stands is nothing left to write, so
a message that comes after it would never be sent again. Where nothing can be created on a
condition, each creation is looked for before and after (`fhir.doubles`).
What the server does not take stands on our own worklist (`worklist`).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import Any

from fhirbridge.fhir import doubles
from fhirbridge.fhir.adapting import adapted, by_name, placed, split, type_of
from fhirbridge.fhir.answers import Receipt
from fhirbridge.fhir.errors import Conflict, Gone, Rejected
from fhirbridge.fhir.profile import Fit
from fhirbridge.fhir.told import etag_version

from .sources import Source
from .worklist import Worklist

Entry = dict[str, Any]


class Sender:
    """Writes to one worklist, wherever its parts stand. `doubled`: the words, for a title, for
    what is taken back because another writer was quicker. `still` is asked before each request of
    several, and raises when the person is no longer ours to write about."""

    def __init__(
        self,
        home: Source,
        own: Worklist,
        doubled: Callable[[str], str],
        still: Callable[[], object] = lambda: None,
    ) -> None:
        self._home, self._own, self._doubled, self._still = home, own, doubled, still
        self._receipts: dict[int, Receipt] = {}

    def send(self, bundle: Mapping[str, Any], patient: str) -> list[Receipt | None]:
        """Write what a Bundle says about a patient record. None: an entry that is not written
        here (a Provenance). Raises what the server raises; `Conflict` also where somebody
        changed what we were about to change."""
        fit = self._home.fit
        there, here = split(bundle, fit)
        whole = fit.transactions and fit.conditional_create
        parts = in_parts(there, here, whole=whole)
        if not (whole and len(parts) == 1):
            self._check_versions(bundle["entry"], fit)
        places: dict[str, str] = {}
        for part in parts:
            others = [each for each in bundle["entry"] if each not in part]
            named = [by_name(each, others, places) for each in part]
            for entry, receipt in zip(part, self._part(named, fit, patient, places), strict=True):
                self._receipts[id(entry["resource"])] = receipt
        return self.receipts(bundle)

    def receipts(self, bundle: Mapping[str, Any]) -> list[Receipt | None]:
        """What was written of a Bundle so far, also where sending it failed."""
        return [self._receipts.get(id(each["resource"])) for each in bundle["entry"]]

    def _part(
        self, entries: Sequence[Entry], fit: Fit, patient: str, places: dict[str, str]
    ) -> Iterable[Receipt]:
        """Entries that stand in one place. `places`: by urn, what the server has created so far."""
        server = self._home.server
        if type_of(entries[0]) not in fit.takes:
            return self._own.write(entries, fit, server.base_url, patient)
        made = [adapted(each, fit, server.base_url) for each in entries]
        if fit.transactions and fit.conditional_create:
            with _quicker(changes=any(map(_is_change, made))):
                sent = {"resourceType": "Bundle", "type": "transaction", "entry": made}
                return server.transact(sent)
        return self._one_by_one(made, fit, places)

    def _check_versions(self, entries: Sequence[Entry], fit: Fit) -> None:
        """Nothing is said about a Task that somebody has changed meanwhile."""
        for entry in entries:
            if _is_change(entry):
                self._check_version(entry, fit)

    def _check_version(self, entry: Entry, fit: Fit) -> None:
        type_, id_ = entry["resource"]["resourceType"], entry["resource"]["id"]
        server, version = self._home.server, etag_version(entry["request"].get("ifMatch"))
        now = server.get(type_, id_) if type_ in fit.takes else self._own.get(type_, id_)
        if now is None or (version and now.get("meta", {}).get("versionId") != version):
            raise Conflict(server.name, f"update {type_}", "changed meanwhile: read again")

    def _one_by_one(
        self, entries: Sequence[Entry], fit: Fit, places: dict[str, str]
    ) -> Iterator[Receipt]:
        for entry in entries:
            self._still()
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

    def _alone(self, made: Receipt, found: Sequence[Mapping[str, Any]], fit: Fit) -> Receipt:
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
        with _quicker(changes=type_of(entry) != "Provenance"):  # which is nobody else's to change
            if fit.if_match or type_of(entry) == "Provenance":
                return server.update(resource, if_match=version)
            # The best that such a server allows: a person may still come in between.
            self._check_version(entry, fit)
            return server.update(resource)


@contextmanager
def _quicker(*, changes: bool) -> Iterator[None]:
    """Who has deleted what we were about to change was quicker, too."""
    try:
        yield
    except (Gone, Rejected) as error:
        if not changes or error.status not in (404, 410):
            raise
        why = "deleted meanwhile: read again"
        raise Conflict(error.server, error.operation, why, status=error.status) from error


def _is_change(entry: Entry) -> bool:
    """Is it a Task that stands already?"""
    return type_of(entry) == "Task" and entry["request"]["method"] == "PUT"


#: The order where it is not all one transaction. What refers to another that has no place yet
#: names it by its identifier.
_ORDER = ("Communication", "Task", "Provenance")


def in_parts(
    there: Sequence[Entry], here: Sequence[Entry], *, whole: bool
) -> list[Sequence[Entry]]:
    """The entries for the server and for our own worklist in the order in which they are sent:
    ours all at once, the server's so only where it is `whole`."""
    types = [] if whole else _ORDER
    apart: list[Sequence[Entry]]
    apart = [[each for each in there if type_of(each) == type_] for type_ in types] or [there]
    return sorted(filter(None, (*apart, here)), key=lambda part: min(map(_rank, part)))


def _rank(entry: Entry) -> int:
    return _ORDER.index(type_of(entry))


def _there(found: Mapping[str, Any]) -> Receipt:
    """The receipt for what stood there already."""
    version = found.get("meta", {}).get("versionId")
    return Receipt(found["resourceType"], str(found["id"]), version, 200, created=False)
