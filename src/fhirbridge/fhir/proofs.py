"""How we prove to a token endpoint who we are, and what its refusals mean.

`Assertion` is SMART Backend Services (RFC 7523 §2.2, §3), `Secret` a password of the client (RFC
6749 §2.3.1). `smart.Backend` uses either. The refusals are those of RFC 6749 §5.2; RFC 7523 §3.1
and §3.2 add no others, but say that an assertion in doubt is `invalid_grant` or `invalid_client`.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol
from urllib.parse import quote

from .keys import Keyring

_ASSERTION_TYPE = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_ASSERTION_LIVES = timedelta(minutes=4)  # five are allowed; one is left for clocks that differ

REFUSALS: Mapping[str, str] = {
    "invalid_request": "the server does not take the form of our request: check token_url, and that"
    " it offers SMART Backend Services (client_credentials with private_key_jwt)",
    "invalid_client": "the server does not know us, or cannot check our proof: check client_id",
    "invalid_grant": "the server does not accept our assertion as a grant: check that the client is"
    " registered for client_credentials, and audience (it must be what the server calls its token"
    " endpoint)",
    "unauthorized_client": "the client may not use client_credentials: have it registered as a"
    " backend service (Keycloak says so of a wrong client_id, key or secret, too)",
    "unsupported_grant_type": "the server gives no tokens for client_credentials: sign in another"
    " way (bearer, basic), or ask for SMART Backend Services",
    "invalid_scope": "the server does not give one of the scopes asked for: have them granted to"
    " this client, or name in `scopes` those that it has",
}
"""What each error code of a token endpoint means for the person who configures."""

#: Codes of RFC 6749 §4.1.2.1 that token endpoints send as well: nothing is wrong with us.
BUSY = frozenset({"temporarily_unavailable", "server_error", "slow_down"})


@dataclass(frozen=True, slots=True)
class Endpoint:
    """What is known of a server's sign-in."""

    token_url: str
    algorithms: tuple[str, ...]
    v2: bool


class Proof(Protocol):
    """How we prove who we are to a token endpoint."""

    @property
    def hint(self) -> str: ...  # what to check when it is not believed
    def form(self, endpoint: Endpoint, now: datetime) -> Mapping[str, str]: ...
    def headers(self) -> Mapping[str, str]: ...


@dataclass(frozen=True)
class Assertion:
    """A JWT that is signed with our key (RFC 7523 §2.2). `alg`: only this one, if given."""

    client_id: str
    keys: Callable[[], Keyring] = field(repr=False)
    ids: Callable[[], str] = field(repr=False)
    audience: str | None = None
    alg: str | None = None
    hint: str = (
        "that the server has our public keys (`fhirbridge keys show`, or public_url with"
        " /.well-known/jwks.json, which it must be able to reach), and audience"
    )

    def form(self, endpoint: Endpoint, now: datetime) -> Mapping[str, str]:
        algorithms = (self.alg,) if self.alg else endpoint.algorithms
        key = self.keys().signing(algorithms, now)
        claims = {
            "iss": self.client_id,
            "sub": self.client_id,
            "aud": self.audience or endpoint.token_url,
            "iat": int(now.timestamp()),
            "exp": int((now + _ASSERTION_LIVES).timestamp()),
            "jti": self.ids(),
        }
        return {"client_assertion_type": _ASSERTION_TYPE, "client_assertion": key.sign(claims)}

    def headers(self) -> Mapping[str, str]:
        return {}


@dataclass(frozen=True)
class Secret:
    """A secret that the server gave us (RFC 6749 §2.3.1, by Basic)."""

    client_id: str
    secret: str = field(repr=False)
    hint: str = "client_secret"

    def form(self, endpoint: Endpoint, now: datetime) -> Mapping[str, str]:  # noqa: ARG002 - a signed proof needs them
        return {}

    def headers(self) -> Mapping[str, str]:
        pair = f"{quote(self.client_id, safe='')}:{quote(self.secret, safe='')}"
        return {"Authorization": f"Basic {b64encode(pair.encode()).decode()}"}
