"""Quantities: their tolerance, and how they are written."""

from __future__ import annotations

from decimal import Decimal

import pytest

from fhirbridge.core.quantity import Amount, mg, plain


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("600", "600", True),
        ("600", "597", True),  # half a percent of the larger, exactly
        ("597", "600", True),
        ("600", "596.9", False),
        ("0", "0", True),
        ("0", "0.1", False),
    ],
)
def test_half_a_percent_is_the_same_dose(one: str, other: str, same: bool) -> None:
    first, second = mg(one), mg(other)
    assert first.same(second) is same
    assert (first < second or first > second) is not same


@pytest.mark.parametrize(
    ("value", "text"),
    [("6.00E+2", "600"), ("600", "600"), ("12.50", "12.5"), ("0.10", "0.1"), ("20.0", "20")],
)
def test_a_decimal_is_written_as_people_write_it(value: str, text: str) -> None:
    assert plain(Decimal(value)) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (Amount(Decimal(600), "mg", code="mg"), "600 mg"),
        (Amount(Decimal(20), code="mL"), "20 mL"),
        (Amount(Decimal(2)), "2"),
        (Amount(text="300 mg x 2"), "“300 mg x 2”"),
        (Amount(), "no amount"),
    ],
)
def test_an_amount_is_written_as_it_was_said(amount: Amount, text: str) -> None:
    assert str(amount) == text
