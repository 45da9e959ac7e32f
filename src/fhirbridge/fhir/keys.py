"""The keys with which we prove who we are: made, rotated, shown, used. The only user of joserfc.

SMART Backend Services (HL7 SMART App Launch 2.2, "Client authentication: asymmetric") knows two
algorithms, RS384 and ES384; a server must take one of them, so we have a key for each. The file
is a JWK Set (RFC 7517) with two members of our own: `nbf`, from when a key signs, and `exp`,
until when it is published, both in seconds since 1970. A rotation lets servers see the new key
before it is used, and check what the old one signed a while longer.

    ring = Keyring.parse(content)         ring.public(now)     what /.well-known/jwks.json shows
    ring.signing(("ES384",), now)         ring.rotated(now, after=timedelta(days=1))
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import ECKey, KeyParameters, RSAKey

from . import jsonio

ALGORITHMS = ("RS384", "ES384")
_RSA_BITS = 3072  # as strong as P-384 is asked for: NIST SP 800-57, 128 bits
#: How long an old key is still published after the new one took over: longer than any assertion
#: lives and any server keeps our JWKS (a day at most, by SMART's advice).
_LINGERS = timedelta(days=1)


class BadKeys(ValueError):
    """The keys cannot be used. The message says what to do, and quotes nothing of them."""


@dataclass(frozen=True, slots=True)
class Key:
    """One private key. It signs from `since` on and is published until `until`."""

    alg: str
    kid: str
    since: datetime
    until: datetime | None
    _key: RSAKey | ECKey = field(repr=False)

    def sign(self, claims: Mapping[str, Any]) -> str:
        """The claims as a JWT (RFC 7519)."""
        header = {"alg": self.alg, "kid": self.kid, "typ": "JWT"}
        return jwt.encode(header, dict(claims), self._key, algorithms=[self.alg])

    def public(self) -> dict[str, Any]:
        """The public half as a JWK, without our own members."""
        return self._shown(private=False)

    def document(self) -> dict[str, Any]:
        """All of it, for the file."""
        shown = self._shown(private=True) | {"nbf": int(self.since.timestamp())}
        return shown if self.until is None else shown | {"exp": int(self.until.timestamp())}

    def is_over(self, now: datetime) -> bool:
        return self.until is not None and self.until <= now

    def _shown(self, *, private: bool) -> dict[str, Any]:
        known = {k: v for k, v in self._key.as_dict(private=private).items() if k not in _OURS}
        return known | {"kid": self.kid, "alg": self.alg, "use": "sig"}


_OURS = ("nbf", "exp")


@dataclass(frozen=True)
class Keyring:
    """The keys of one installation."""

    keys: tuple[Key, ...]

    @classmethod
    def made(cls, now: datetime, algorithms: Iterable[str] = ALGORITHMS) -> Keyring:
        """New keys, one for each algorithm, that sign from now on."""
        return cls(tuple(_made(alg, now) for alg in algorithms))

    @classmethod
    def parse(cls, content: bytes) -> Keyring:
        """The keys of a file. Raises `BadKeys`."""
        try:
            document = jsonio.loads(content)
            listed = document["keys"]
            found = tuple(_read(each) for each in listed)
        except (jsonio.NotJson, KeyError, TypeError, ValueError, JoseError):
            raise BadKeys(
                "not a JWK Set of private RS384 or ES384 keys: `fhirbridge keys new` makes one"
            ) from None
        return cls(found)

    def dumps(self) -> bytes:
        """The file."""
        return jsonio.pretty({"keys": [key.document() for key in self.keys]}) + b"\n"

    def public(self, now: datetime) -> dict[str, Any]:
        """The JWK Set that servers check our signatures with: those to come are in it too."""
        return {"keys": [key.public() for key in self.keys if not key.is_over(now)]}

    def signing(self, algorithms: Iterable[str], now: datetime) -> Key:
        """The newest key for the first of these algorithms that we have one for. `BadKeys` if
        there is none."""
        wanted = tuple(algorithms)
        for alg in wanted:
            ready = [key for key in self.keys if key.alg == alg and key.since <= now]
            current = [key for key in ready if not key.is_over(now)]
            if current:
                return sorted(current, key=lambda key: key.since)[-1]  # of equals, the later made
        if any(key.alg in wanted for key in self.keys):
            raise BadKeys(
                f"no key for {' or '.join(wanted)} is valid now: all are expired or not yet in use;"
                " `fhirbridge keys rotate --after 0` makes new ones"
            )
        raise BadKeys(
            f"the server takes {' or '.join(wanted) or 'no algorithm that we know'}, and we have"
            f" {', '.join(sorted({key.alg for key in self.keys})) or 'no key'}:"
            " `fhirbridge keys rotate` adds what is missing"
        )

    def rotated(self, now: datetime, *, after: timedelta) -> Keyring:
        """New keys that sign after `after`; the old ones are published a day longer than they
        sign, and then left out."""
        start = now + after
        kept = [
            key if key.until else replace(key, until=start + _LINGERS)
            for key in self.keys
            if not key.is_over(now)
        ]
        return Keyring((*kept, *(_made(alg, start) for alg in ALGORITHMS)))


def _made(alg: str, since: datetime) -> Key:
    since = since.replace(microsecond=0)
    named: KeyParameters = {"use": "sig", "alg": alg}
    made: RSAKey | ECKey
    if alg == "RS384":
        made = RSAKey.generate_key(_RSA_BITS, named, private=True, auto_kid=True)
    else:
        made = ECKey.generate_key("P-384", named, private=True, auto_kid=True)
    return Key(alg, str(made.kid), since, None, made)


def _read(jwk: dict[str, Any]) -> Key:
    alg = str(jwk["alg"])
    if alg not in ALGORITHMS:
        raise ValueError(alg)
    plain = {name: value for name, value in jwk.items() if isinstance(value, str | list)}
    key: RSAKey | ECKey = RSAKey.import_key(plain) if alg == "RS384" else ECKey.import_key(plain)
    if not key.is_private:
        raise ValueError("public")
    until = _moment(jwk["exp"]) if "exp" in jwk else None
    return Key(alg, str(jwk.get("kid") or key.thumbprint()), _moment(jwk.get("nbf", 0)), until, key)


def _moment(seconds: Any) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
