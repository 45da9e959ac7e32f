"""Codes and words in the one form in which they are compared."""

from __future__ import annotations

import pytest

from fhirbridge.core.codes import Words, keys, plain_words
from fhirbridge.core.facts import Code

from .drugs import HCPCS, NDC

LOCAL = "http://clinic.example/drugs"


@pytest.mark.parametrize(
    ("written", "forms"),
    [
        ("50242-150-01", ["50242015001"]),
        ("50242 - 150 - 01", ["50242015001"]),
        ("50242-150", ["502420150"]),
        ("50242015001", ["50242015001"]),
        # Ten digits without hyphens: 4-4-2, 5-3-2 or 5-4-1.
        ("1234567890", ["01234567890", "12345067890", "12345678900"]),
        ("50242-15A-01", []),
        ("٥٠٢٤٢-150-01", []),
        ("123456-1-1", []),
        ("1-2-3-4", []),
        ("123456-12-1", []),  # eleven characters, ten digits of no known form
        ("1234567-123", []),
    ],
)
def test_the_forms_in_which_an_ndc_is_written(written: str, forms: list[str]) -> None:
    assert keys(Code(NDC, written)) == tuple(("ndc", form) for form in forms)


def test_the_same_code_in_another_system_is_another_code() -> None:
    assert keys(Code(LOCAL, "77")) == ((LOCAL, "77"),)
    assert keys(Code(f"{HCPCS}/", "J2350")) == keys(Code(HCPCS, "J2350"))


def test_words_are_found_whole_the_longest_first() -> None:
    words = Words(["Ocrevus", "Ocrevus Zunovo", "iv"])
    assert words.found("IV Ocrevus-Zunovo, then OCREVUS; not ocrevuse") == (
        "iv",
        "ocrevus zunovo",
        "ocrevus",
    )
    assert plain_words("Ocrelizumab-ocsq") == "ocrelizumab ocsq"
