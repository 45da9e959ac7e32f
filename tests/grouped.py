"""For `make mutants`: tests stay together by module, those of the changed module first.

mutmut asks for tests by how long they took, those of all modules by turns: then what a module
makes once is made again for nearly each of its tests.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    # "fhirbridge.core.rules.amounts.x__per_visit__mutmut_3"
    changed = os.environ.get("MUTANT_UNDER_TEST", "").split(".x")[0].rpartition(".")[2]
    place: dict[Path, int] = {}
    for item in items:
        place.setdefault(item.path, len(place) if item.path.stem != f"test_{changed}" else -1)
    items.sort(key=lambda item: place[item.path])
