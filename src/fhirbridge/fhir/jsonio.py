"""JSON as FHIR means it: decimals keep every digit (R4 datatypes §2.24.0.1).

`30.00` says more than `30.0`. Binary floats and the object models of most libraries lose
that, so all JSON of the project passes through these two functions.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import msgspec

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_encoder = msgspec.json.Encoder(decimal_format="number")


class NotJson(ValueError):
    """The bytes are no JSON document. The message names the position, never the content."""


def loads(data: bytes | str) -> Any:
    """Parse one JSON document; non-integers become `Decimal` with the digits that were sent.

    Raises `NotJson` for anything else, also for documents nested too deep to be honest.
    """
    try:
        return _decoder.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise NotJson(str(error)) from None
    except ArithmeticError:  # an exponent beyond what Decimal holds
        raise NotJson("a number is out of range") from None


def dumps(document: Any) -> bytes:
    """Write a JSON document on one line; a `Decimal` is written as a number, digit by digit."""
    return _encoder.encode(document)
