"""Reading what a FHIR server answered: Bundles page by page, and receipts for what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from .references import Place, locate
from .told import etag_version


@dataclass(frozen=True, slots=True)
class Receipt:
    """One resource as the server now holds it after a write. `created`: it was not there before.

    `version` is None where the server does not tell it (or has none left, after a delete).
    """

    type: str
    id: str
    version: str | None
    status: int
    created: bool


def entries(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries of a searchset or history, without what the server remarks on the search."""
    found = bundle.get("entry")
    for entry in found if isinstance(found, list) else []:
        if not isinstance(entry, Mapping):
            continue
        resource, search = entry.get("resource"), entry.get("search")
        remark = isinstance(search, Mapping) and search.get("mode") == "outcome"
        if remark or (isinstance(resource, Mapping) and _is_outcome(resource)):
            continue
        yield entry


def link(bundle: Mapping[str, Any], relation: str) -> str | None:
    """The address of `next` or `self` of a Bundle, as the server wrote it."""
    found = bundle.get("link")
    for each in found if isinstance(found, list) else []:
        if isinstance(each, Mapping) and each.get("relation") == relation:
            url = each.get("url")
            return url if isinstance(url, str) and url else None
    return None


def entry_key(entry: Mapping[str, Any]) -> tuple[object, ...] | None:
    """Which version of which record an entry shows; None when it does not say."""
    resource = entry.get("resource")
    if isinstance(resource, Mapping):
        meta = resource.get("meta")
        version = meta.get("versionId") if isinstance(meta, Mapping) else None
        return resource.get("resourceType"), resource.get("id"), version
    response, full_url = entry.get("response"), entry.get("fullUrl")
    stamp = response.get("lastModified") if isinstance(response, Mapping) else None
    return (full_url, stamp) if isinstance(full_url, str) else None


def collect(found: dict[tuple[str, str], Mapping[str, Any]], page: Mapping[str, Any]) -> None:
    """Add the resources of a page to those found before, each once."""
    for entry in entries(page):
        resource = entry.get("resource")
        if isinstance(resource, Mapping):
            found[str(resource.get("resourceType")), str(resource.get("id"))] = resource


def receipt(
    status: int, location: str | None, etag: str | None, base: str, sent: Place | None
) -> Receipt | None:
    """The receipt for one write; None when neither server nor request says what was written."""
    place = locate(location, (base,)) or _tail(location) or sent
    if place is None:
        return None
    version = place.version or etag_version(etag)
    return Receipt(place.type, place.id, version, status, created=status == 201)


def transaction_receipts(
    sent: Mapping[str, Any], answer: Mapping[str, Any], base: str
) -> list[Receipt] | None:
    """One receipt for each entry that was sent, in that order; None when the answer lacks one."""
    asked, answered = sent.get("entry") or [], answer.get("entry") or []
    if len(asked) != len(answered):
        return None
    receipts = []
    for request, reply in zip(asked, answered, strict=True):
        response = reply.get("response") if isinstance(reply, Mapping) else None
        if not isinstance(response, Mapping):
            return None
        url = str(request["request"]["url"])
        code = str(response.get("status", ""))[:3]
        found = receipt(
            int(code) if code.isdecimal() else 200,
            response.get("location"),
            response.get("etag"),
            base,
            locate(url),
        )
        if found is None:
            return None
        receipts.append(found)
    return receipts


def _tail(location: str | None) -> Place | None:
    """A Location under another name of the same server (a proxy): its last parts still tell.

    Only for receipts, which are never fetched.
    """
    parts = [part for part in (location or "").split("/") if part]
    for width in (4, 2):
        if len(parts) >= width and (place := locate("/".join(parts[-width:]))) is not None:
            if width == 2 and place.type == "_history":
                return None
            return place
    return None


def _is_outcome(resource: Mapping[str, Any]) -> bool:
    return resource.get("resourceType") == "OperationOutcome"
