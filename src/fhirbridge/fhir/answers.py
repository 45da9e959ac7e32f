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
    `double`: what we had created ourselves before we saw that it stood there, and took back.
    """

    type: str
    id: str
    version: str | None
    status: int
    created: bool
    double: Receipt | None = None


def entries(bundle: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """The entries of a searchset or history, without what the server remarks on the search."""
    for entry in _mappings(bundle, "entry"):
        resource, search = entry.get("resource"), entry.get("search")
        remark = isinstance(search, Mapping) and search.get("mode") == "outcome"
        if remark or (isinstance(resource, Mapping) and _is_outcome(resource)):
            continue
        yield entry


def link(bundle: Mapping[str, Any], relation: str) -> str | None:
    """The address of `next` or `self` of a Bundle, as the server wrote it."""
    for each in _mappings(bundle, "link"):
        if each.get("relation") == relation:
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


def types_with_history(statement: Mapping[str, Any]) -> frozenset[str]:
    """The types whose whole history a server shows, by its CapabilityStatement."""
    return frozenset(
        str(resource.get("type"))
        for rest in _mappings(statement, "rest")
        for resource in _mappings(rest, "resource")
        for interaction in _mappings(resource, "interaction")
        if interaction.get("code") == "history-type"
    )


def receipt(
    status: int, location: object, etag: object, base: str, sent: Place | None
) -> Receipt | None:
    """The receipt for one write; None when neither server nor request says what was written."""
    place = locate(location, (base,)) or _tail(location) or sent
    if place is None:
        return None
    version = place.version or etag_version(etag)
    return Receipt(place.type, place.id, version, status, created=status == 201)


def shown(answer: Mapping[str, Any] | None, sent: Mapping[str, Any] | None) -> Place | None:
    """Where a server that names no Location (Inferno's) has put what was sent: it shows it."""
    if answer is None or sent is None or answer.get("resourceType") != sent["resourceType"]:
        return None
    return locate(f"{answer['resourceType']}/{answer.get('id')}")


def transaction_receipts(
    sent: Mapping[str, Any], answer: Mapping[str, Any], base: str
) -> list[Receipt] | None:
    """One receipt for each entry that was sent, in that order; None when the answer lacks one."""
    asked, answered = sent.get("entry") or [], list(_mappings(answer, "entry"))
    if len(asked) != len(answered):
        return None
    receipts = []
    for request, reply in zip(asked, answered, strict=True):
        response = reply.get("response")
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


def _tail(location: object) -> Place | None:
    """A Location under another name of the same server (a proxy): its last parts still tell.

    Only for receipts, which are never fetched.
    """
    parts = [part for part in str(location or "").split("/") if part]
    for width in (4, 2):
        if len(parts) >= width and (place := locate("/".join(parts[-width:]))) is not None:
            if width == 2 and place.type == "_history":
                return None
            return place
    return None


def _mappings(holder: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list; whatever else stands there is passed over."""
    found = holder.get(key)
    return (
        each for each in (found if isinstance(found, list) else []) if isinstance(each, Mapping)
    )


def _is_outcome(resource: Mapping[str, Any]) -> bool:
    return resource.get("resourceType") == "OperationOutcome"
