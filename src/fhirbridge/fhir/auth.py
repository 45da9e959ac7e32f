"""How we sign in at a FHIR server: headers that go with each request.

`Auth` is what the client needs; the static ways stand here, those that fetch a token in `smart`.
No secret is shown by a repr.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol


class Auth(Protocol):
    """Gives the headers for the next request; called once for each request.

    `refused` is told which headers were answered with 401, and says whether another try may go
    better. Both may raise a `FhirError`.
    """

    def headers(self) -> Mapping[str, str]: ...
    def refused(self, headers: Mapping[str, str]) -> bool: ...
    def close(self) -> None: ...


class PlainAnswer(NamedTuple):
    """An answer that is no FHIR: its status and its JSON object, None if it is none."""

    status: int
    document: dict[str, Any] | None


@dataclass(frozen=True)
class Static:
    """The same headers always."""

    fixed: Mapping[str, str] = field(default_factory=dict, repr=False)

    def headers(self) -> Mapping[str, str]:
        return self.fixed

    def refused(self, headers: Mapping[str, str]) -> bool:  # noqa: ARG002 - others look at them
        return False

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Beside:
    """Headers of a gateway, beside those of another sign-in."""

    fixed: Static
    other: Auth

    def headers(self) -> Mapping[str, str]:
        return {**self.fixed.headers(), **self.other.headers()}

    def refused(self, headers: Mapping[str, str]) -> bool:
        return self.other.refused(headers)

    def close(self) -> None:
        self.other.close()


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
