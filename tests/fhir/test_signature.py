"""Signatures of notifications, against a published test vector and what goes wrong with them."""

from __future__ import annotations

import pytest

from fhirbridge.fhir.signature import is_signed, signature_of

# RFC 4231, test case 2.
KEY, BODY = "Jefe", b"what do ya want for nothing?"
RIGHT = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"


@pytest.mark.parametrize(
    "headers",
    [
        {"x-signature": RIGHT},
        {"x-signature": f" {RIGHT.upper()} "},
        {"x-hub-signature": f"sha256={RIGHT}"},
        {"x-hub-signature-256": f"sha256={RIGHT}"},
    ],
)
def test_a_right_signature_in_every_form(headers: dict[str, str]) -> None:
    signature = signature_of(headers)
    assert signature
    assert is_signed(signature, BODY, [KEY])
    assert is_signed(signature, BODY, ["the new one", KEY])
    assert not is_signed(signature, BODY, ["another"])
    assert not is_signed(signature, BODY, [])
    assert not is_signed(signature, BODY + b" ", [KEY])


@pytest.mark.parametrize("wrong", ["", "sha1=abc", "é", RIGHT[:-1], "sha256="])
def test_a_wrong_one_is_wrong_and_not_absent(wrong: str) -> None:
    signature = signature_of({"x-signature": wrong})
    assert signature is not None
    assert not is_signed(signature, BODY, [KEY])


def test_none_is_none() -> None:
    assert signature_of({"content-type": "application/json"}) is None
