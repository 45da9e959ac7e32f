"""Whatever somebody typed wherever a chart may hold words, nothing of it stands in the case."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest

from fhirbridge import mappings
from fhirbridge.cases.masking import Masker
from fhirbridge.cases.naming import Naming
from fhirbridge.cases.pseudonyms import Pseudonyms, Shift
from fhirbridge.cases.vocabulary import Vocabulary
from fhirbridge.fhir import jsonio
from tests.labeled.test_labeled import ALL, told

KNOWN = Vocabulary([mappings.shipped()])
TYPED: tuple[Any, ...] = (
    "Quackenbush",
    "QUACKENBUSH 600 mg",
    "MRN4471188",
    "4471188 dose 1",
    "mg 4471188",
    "4471188 mg x 2",
    "555-0142 x 2",
    "1951-02-03",
    "02/03/1951",
    "Patient/Quackenbush-4471188",
    "https://x.example/fhir/Patient/4471188?name=Quackenbush",
    {"x": "Quackenbush"},
    ["Quackenbush"],
)
CANARIES = ("quack", "4471188", "555-0142", "1951-02-03", "02/03/1951")
Path = tuple[str | int, ...]


def leaves(node: Any, path: Path = ()) -> Iterator[Path]:
    if isinstance(node, dict):
        for key, each in node.items():
            yield from leaves(each, (*path, key))
    elif isinstance(node, list):
        for place, each in enumerate(node):
            yield from leaves(each, (*path, place))
    else:
        yield path


def places() -> dict[tuple[str, ...], tuple[Path, dict[str, Any]]]:
    """Each element of the labeled charts once: its name, and where it stands in which record."""
    found: dict[tuple[str, ...], tuple[Path, dict[str, Any]]] = {}
    for journey in ALL[::7]:
        for records in told(journey).sources.values():
            for record in records:
                for path in leaves(record):
                    names = tuple(each for each in path if isinstance(each, str))
                    found.setdefault((record["resourceType"], *names), (path, record))
    return found


def with_(record: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    made: Any = deepcopy(record)
    node = made
    for step in path[:-1]:
        node = node[step]
    node[path[-1]] = value
    return made  # type: ignore[no-any-return]  # JSON is Any


@pytest.mark.lives
def test_nothing_that_was_typed_anywhere_is_kept() -> None:
    found = places()
    assert len(found) > 200
    for name, (path, record) in found.items():
        for typed in TYPED:
            masker = Masker(Naming(Pseudonyms(KNOWN.words), KNOWN, {}), Shift(-52, 365))
            shown = jsonio.dumps(masker.record(with_(record, path, typed), None)).decode().lower()
            assert not [each for each in CANARIES if each in shown], (name, typed)
