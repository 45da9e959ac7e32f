"""Bundles: their records, each as a document of its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from fhirbridge.fhir import jsonio

from .shapes import NotARecord, shape_of


class _Bundle(jsonio.Struct):
    entry: list[dict[str, jsonio.Raw]] | None = None


_bundle = jsonio.shaped(_Bundle)


class Opened(NamedTuple):
    """The records of a Bundle, and the addresses that its entries have of their own."""

    records: list[bytes]
    bases: frozenset[str]


def opened(data: bytes) -> Opened:
    """The records in a Bundle, each as it was sent.

    References by `urn:` are the matter of the Bundle alone: they are replaced by the records'
    names here, and a record that has only a `urn:uuid` gets that as its id.
    Raises `NotARecord`.
    """
    try:
        entries = _bundle(data).entry or []
    except jsonio.MISSHAPEN:
        raise NotARecord("not-a-bundle") from None
    records: list[bytes] = []
    urls: dict[str, str] = {}
    bases: set[str] = set()
    for entry in entries:
        if "resource" not in entry:
            continue
        record = bytes(entry["resource"])
        url = jsonio.loads(bytes(entry["fullUrl"])) if "fullUrl" in entry else None
        if isinstance(url, str):
            record, name, base = _named(record, url)
            if name:
                urls[url] = name
            if base:
                bases.add(base)
        records.append(record)
    if any(url.startswith("urn:") for url in urls):
        records = [_renamed(each, urls) if b'"urn:' in each else each for each in records]
    return Opened(records, frozenset(bases))


def _named(record: bytes, url: str) -> tuple[bytes, str | None, str | None]:
    """(record with an id, "Type/id", address of its server)."""
    try:
        type_, shape = shape_of(record)
    except NotARecord:
        return record, None, None
    if shape.id is None and url.startswith("urn:uuid:"):
        record = jsonio.dumps({**jsonio.loads(record), "id": url.removeprefix("urn:uuid:")})
        shape.id = url.removeprefix("urn:uuid:")
    name = f"{type_}/{shape.id}" if shape.id else None
    base = url.removesuffix(f"/{name}") if name and url.endswith(f"/{name}") else None
    return record, name, base


def _renamed(record: bytes, urls: Mapping[str, str]) -> bytes:
    try:
        body = jsonio.loads(record)
    except jsonio.NotJson:
        return record
    for node in _objects(body):
        if (name := urls.get(str(node.get("reference")))) is not None:
            node["reference"] = name
    return jsonio.dumps(body)


def _objects(node: Any) -> Iterator[dict[str, Any]]:
    """Every object in a JSON document."""
    ahead = [node]
    while ahead:
        here = ahead.pop()
        if isinstance(here, dict):
            yield here
            ahead += here.values()
        elif isinstance(here, list):
            ahead += here
