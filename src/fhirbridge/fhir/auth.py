"""How we sign in at a FHIR server: headers that go with each request.

`Auth` is what the client needs; the static ways stand here. A secret lives in `Static` only and
is not shown by its repr.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol


class Auth(Protocol):
    """Gives the headers for the next request; called once for each request."""

    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Static:
    """The same headers always."""

    fixed: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self) -> Mapping[str, str]:
        return self.fixed


NONE = Static()
"""No sign-in. Public test servers answer 403 to any Authorization header."""


def bearer(token: str) -> Static:
    """A token that somebody else renews (RFC 6750)."""
    return Static({"Authorization": f"Bearer {_one_line(token)}"})


def basic(user: str, password: str) -> Static:
    """User and password (RFC 7617, UTF-8)."""
    if ":" in user:
        raise ValueError("auth: a user name for basic sign-in cannot contain a colon (RFC 7617)")
    pair = f"{user}:{password}".encode()
    return Static({"Authorization": f"Basic {b64encode(pair).decode()}"})


def headers(fixed: Mapping[str, str]) -> Static:
    """Headers that a gateway asks for, such as an API key."""
    return Static({name: _one_line(value) for name, value in fixed.items()})


def _one_line(value: str) -> str:
    value = value.strip()  # a secret from a file ends with a line break
    if not value or any(ord(char) < 32 or ord(char) > 126 for char in value):
        raise ValueError("auth: a token or header is empty or holds characters that HTTP forbids")
    return value
