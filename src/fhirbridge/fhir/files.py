"""Resources out of files: JSON resources, Bundles and NDJSON, plain or gzip, alone or in folders.

A Bulk Data export, a Bundle somebody saved and a folder of single resources read the same.
"""

from __future__ import annotations

import gzip
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from fhirbridge.fhir.jsonio import NotJson, loads

SUFFIXES = (".json", ".ndjson", ".json.gz", ".ndjson.gz")


def resources(paths: Iterable[Path]) -> Iterator[dict[str, Any]]:
    """Every resource below the paths, file by file in the order of names; Bundles are opened.

    In folders, files with other endings than `SUFFIXES` are passed over. Raises `NotJson` with
    the file's name and line for what is no resource, and OSError for what cannot be opened.
    """
    for path in paths:
        files = sorted(path.rglob("*")) if path.is_dir() else [path]
        for file in files:
            if file == path or file.name.endswith(SUFFIXES):
                yield from _resources(file)


def _resources(file: Path) -> Iterator[dict[str, Any]]:
    with gzip.open(file, "rb") if file.suffix == ".gz" else file.open("rb") as stream:
        if ".ndjson" not in file.name:
            yield from _opened(stream.read(), str(file))
            return
        for number, line in enumerate(stream, 1):
            if line.strip():
                yield from _opened(line, f"{file}:{number}")


def _opened(data: bytes, where: str) -> Iterator[dict[str, Any]]:
    try:
        parsed = loads(data)
    except NotJson as error:
        raise NotJson(f"{where}: {error}") from None
    if not isinstance(parsed, dict) or "resourceType" not in parsed:
        raise NotJson(f"{where}: a JSON document, but no FHIR resource (no resourceType)")
    if parsed["resourceType"] != "Bundle":
        yield parsed
        return
    yield from (e["resource"] for e in parsed.get("entry", []) if "resource" in e)
