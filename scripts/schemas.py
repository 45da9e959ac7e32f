"""Write docs/schemas anew: `python scripts/schemas.py`, after a change of the mapping models."""

from __future__ import annotations

from pathlib import Path

from fhirbridge.fhir import jsonio
from fhirbridge.schemas import published

FOLDER = Path(__file__).parents[1] / "docs" / "schemas"


def main() -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, schema in published().items():
        (FOLDER / f"{name}.json").write_bytes(jsonio.pretty(schema) + b"\n")


if __name__ == "__main__":
    main()
