"""The published schemas are current, and say of the shipped files what the models say."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from fhirbridge import mappings, yamlfile
from fhirbridge.fhir import jsonio
from fhirbridge.schemas import published

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"
SCHEMAS = published()


@pytest.mark.parametrize("name", sorted(SCHEMAS))
def test_the_published_schema_is_current(name: str) -> None:
    written = (FOLDER / f"{name}.json").read_bytes()
    assert written == jsonio.pretty(SCHEMAS[name]) + b"\n", "run: python scripts/schemas.py"


def test_nothing_else_is_published() -> None:
    assert {path.stem for path in FOLDER.iterdir()} == set(SCHEMAS)


@pytest.mark.parametrize(
    ("name", "pattern"),
    [
        ("therapy", "therapies/*.yaml"),
        ("premedications", "premedications.yaml"),
        ("prerequisites", "prerequisites.yaml"),
        ("visits", "visits.yaml"),
        ("server", "servers/*.yaml"),
        ("task", "tasks/en/[!w]*.yaml"),
        ("words", "tasks/en/words.yaml"),
    ],
)
def test_every_key_of_the_shipped_files_is_in_its_schema(name: str, pattern: str) -> None:
    for path in mappings.shipped().glob(pattern):
        assert not unknown_keys(yamlfile.load(path).data, SCHEMAS[name], SCHEMAS[name]), path


def unknown_keys(data: Any, schema: dict[str, Any], root: dict[str, Any]) -> list[str]:
    """The keys in `data` that no schema allows: `$ref`, `anyOf` and `items` followed."""
    ways = [resolved(way, root) for way in schema.get("anyOf", [schema])]
    if isinstance(data, list):
        inner: dict[str, Any] = next((way["items"] for way in ways if "items" in way), {})
        return [key for item in data for key in unknown_keys(item, resolved(inner, root), root)]
    if not isinstance(data, dict):
        return []
    shape = next((way for way in ways if way.get("type") == "object"), {})
    named, free = shape.get("properties", {}), shape.get("additionalProperties", False)
    found = []
    for key, value in data.items():
        below = named.get(key, free)
        if below is False:
            found.append(key)
        else:
            found += unknown_keys(value, resolved(below, root), root)
    return found


def resolved(schema: dict[str, Any], root: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema:
        return schema
    found: dict[str, Any] = root["$defs"][schema["$ref"].rpartition("/")[2]]
    return found


def test_a_misspelled_key_is_no_part_of_the_schema() -> None:
    schema = SCHEMAS["therapy"]
    assert unknown_keys({"phases": [{"doses": [{"mgs": 5}]}]}, schema, schema) == ["mgs"]
    assert schema["$defs"]["Dose"]["properties"]["mg"]["anyOf"][0] == {
        "exclusiveMinimum": 0,
        "type": "number",
    }
