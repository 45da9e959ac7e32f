"""JSON as FHIR means it: decimals keep every digit (R4 datatypes §2.24.0.1).

`30.00` says more than `30.0`. Binary floats and the object models of most libraries lose
that, so all JSON of the project passes through these two functions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, TypeVar, Union

import msgspec

#: For `shaped`: the base of a shape, and a part of it that is kept as the bytes that were sent.
Struct = msgspec.Struct
Raw = msgspec.Raw

Shape = TypeVar("Shape")

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


def pretty(document: Any) -> bytes:
    """The same for people: one value a line, indented by two."""
    return msgspec.json.format(dumps(document), indent=2)


#: What a parser of `shaped` raises for what is no JSON and for elements of another type than the
#: shape says.
MISSHAPEN = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def shaped(shape: type[Shape]) -> Callable[[bytes], Shape]:
    """A parser of the elements that `shape` (a `Struct`) names; it passes over all others.

    Several times faster than `loads` where little of a large document is needed. Raises
    `MISSHAPEN`.
    """
    return msgspec.json.Decoder(shape, float_hook=Decimal).decode


def shaped_by(
    key: str, kinds: Mapping[str, tuple[type[Shape], Iterable[str]]]
) -> Callable[[bytes], Shape]:
    """The same for documents that name their kind under `key`: kind -> (shape, elements that it
    keeps as the bytes that were sent; none where it is absent).

    What is parsed is of a class that goes by the name of the kind. The parser raises `MISSHAPEN`
    for another kind, too.
    """
    shapes = [
        msgspec.defstruct(
            kind,
            [(name, Raw, Raw()) for name in names],
            bases=(shape,),
            tag_field=key,
            tag=kind,
        )
        for kind, (shape, names) in kinds.items()
    ]
    return shaped(Union[tuple(shapes)])  # type: ignore[arg-type]  # noqa: UP007 - made at run time
