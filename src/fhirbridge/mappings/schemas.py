"""JSON Schemas of the files, for editors: completion and complaints while one writes.

They are published under docs/schemas. YAML is read more strictly than a schema can say
(`yamlfile`): what an editor accepts, `fhirbridge mappings check` may still refuse.
"""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel

from .files import TherapyFile
from .lists import PremedicationsFile, PrerequisitesFile, VisitsFile
from .servers import ServerFile

_MODELS: dict[str, type[BaseModel]] = {
    "therapy": TherapyFile,
    "premedications": PremedicationsFile,
    "prerequisites": PrerequisitesFile,
    "visits": VisitsFile,
    "server": ServerFile,
}


def schema() -> dict[str, dict[str, Any]]:
    """The schema of each kind of mapping file, by its name."""
    return {name: of(model) for name, model in _MODELS.items()}


def of(model: type[BaseModel]) -> dict[str, Any]:
    """The schema of one kind of file, in the draft that pydantic writes and editors read."""
    draft = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return draft | model.model_json_schema(by_alias=True, mode="validation")
