"""From the bytes of a delivery to one JSON object: compression, character set, limits."""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from email.message import Message
from functools import lru_cache
from typing import Any

from . import jsonio

MAX_BYTES = 20 * 2**20
"""Bytes of one delivery once it is unpacked; a small gzip can hold gigabytes."""


_MOST_ENCODINGS = 2  # each costs an unpacking of up to MAX_BYTES


class Unreadable(ValueError):
    """The body is no JSON object. Says which step failed, never what the body holds."""


def document_of(headers: Mapping[str, str], body: bytes) -> dict[str, Any] | None:
    """The JSON object in a body; None when there is no body. `headers` by lower-case name.

    Raises `Unreadable`.
    """
    data = _unpacked(headers.get("content-encoding", ""), body)
    if not data.strip():
        return None
    text = _decoded(headers.get("content-type", ""), data)
    if text.lstrip()[:1] == "<":
        raise Unreadable("the body is XML: ask for the payload application/fhir+json")
    try:
        document = jsonio.loads(text)
    except jsonio.NotJson as error:
        raise Unreadable(f"the body is no JSON ({error})") from None
    if not isinstance(document, dict):
        raise Unreadable("the body is JSON, but no object")
    return document


def _unpacked(encodings: str, body: bytes) -> bytes:
    named = [each.strip().lower() for each in encodings.split(",")]
    if len(named) > _MOST_ENCODINGS:
        raise Unreadable(f"the body is compressed more than {_MOST_ENCODINGS} times")
    for encoding in reversed(named):
        if encoding in ("gzip", "x-gzip", "deflate"):
            body = _inflated(body)
        elif encoding not in ("", "identity"):
            raise Unreadable("the body is compressed in a way other than gzip and deflate")
    if len(body) > MAX_BYTES:
        raise Unreadable(f"the body is larger than {MAX_BYTES} bytes")
    return body


def _inflated(body: bytes) -> bytes:
    unpacker = zlib.decompressobj(zlib.MAX_WBITS | 32)  # gzip or zlib, by its own header
    try:
        data = unpacker.decompress(body, MAX_BYTES + 1)
    except zlib.error:
        raise Unreadable("the body is no gzip, though it says so") from None
    if not unpacker.eof and len(data) <= MAX_BYTES:
        raise Unreadable("the compressed body is broken off")
    return data


def _decoded(content_type: str, data: bytes) -> str:
    try:
        return data.decode(_charset(content_type))
    except (ValueError, LookupError):
        raise Unreadable("the body is not in the character set that it declares") from None


@lru_cache(maxsize=64)
def _charset(content_type: str) -> str:
    message = Message()
    message["content-type"] = content_type
    charset = message.get_content_charset() or "utf-8"
    return "utf-8-sig" if charset in ("utf-8", "utf8") else charset
