"""The JSON Schemas that editors read, one for each kind of file: the
configuration, and those under `mappings/`.

    published() -> {"therapy": {...}, "visits": {...}, "task": {...}, …}

They stand in docs/schemas, written by scripts/schemas.py; a test says when they are not current.
How to point an editor at one: docs/how-to/add-a-therapy.md.
"""

from __future__ import annotations

from typing import Any

from . import mappings, texts
from .mappings.schemas import of
from .settings import Settings


def published() -> dict[str, dict[str, Any]]:
    """Every schema by the name of its file, without `.json`."""
    return mappings.schema() | {
        "task": of(texts.Template),
        "words": of(texts.Words),
        "fhirbridge": of(Settings),
    }
