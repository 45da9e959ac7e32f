"""Units that are written and coded, and how the two are read together."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhirbridge.core.quantity import Amount
from fhirbridge.core.units import read


@pytest.mark.parametrize(
    ("unit", "code", "kind", "word"),
    [
        ("vial", "EA", "package", "vial"),  # EA names no package
        ("EA", "vial", "package", "vial"),
        ("kit", "C64933", "kit", "kit"),
        ("unit", "UN", "billing", "un"),
        ("UN", "units", "billing", "un"),
        ("mg", "mg", "mass", ""),
        ("mg", "1", "mass", ""),
        ("", "[iU]", "activity", ""),
    ],
)
def test_what_names_the_other_more_closely_counts(
    unit: str, code: str, kind: str, word: str
) -> None:
    found = read(Amount(Decimal(2), unit, code=code))
    assert found is not None
    assert (found.kind, found.word) == (kind, word)


@pytest.mark.parametrize(
    ("unit", "code"),
    [("mg", "mL"), ("vial", "pen"), ("mg", "EA"), ("vial", "units"), ("units", "EA"), ("tbl", "")],
)
def test_what_contradicts_or_is_not_known_is_not_believed(unit: str, code: str) -> None:
    assert read(Amount(Decimal(2), unit, code=code)) is None
