"""Keys are made, published before they sign, and published a while after."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import KeySet

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.keys import BadKeys, Keyring
from tests.fhir.wire import NOW

DAY = timedelta(days=1)
RING = Keyring.made(NOW)


def kids(ring: Keyring, when: datetime = NOW) -> set[str]:
    return {key["kid"] for key in ring.public(when)["keys"]}


@pytest.mark.parametrize("alg", ["RS384", "ES384"])
def test_what_we_sign_is_checked_with_what_we_publish(alg: str) -> None:
    key = RING.signing((alg,), NOW)
    published = KeySet.import_key_set(RING.public(NOW))  # type: ignore[arg-type]  # plain JSON, as servers read it
    token = jwt.decode(key.sign({"iss": "us"}), published, algorithms=[alg])
    assert (token.claims, token.header["kid"]) == ({"iss": "us"}, key.kid)


def test_nothing_private_is_published_or_shown() -> None:
    private = {"d", "p", "q", "dp", "dq", "qi", "nbf", "exp"}
    assert not private & {name for key in RING.public(NOW)["keys"] for name in key}
    secrets = [each["d"] for each in jsonio.loads(RING.dumps())["keys"]]
    assert not [secret for secret in secrets if secret in repr(RING)]


def test_the_file_gives_the_same_keys_back() -> None:
    again = Keyring.parse(RING.dumps())
    assert again.public(NOW) == RING.public(NOW)
    assert [key.since for key in again.keys] == [key.since for key in RING.keys]


def test_a_rotation_publishes_first_and_signs_later() -> None:
    turned = Keyring.parse(RING.rotated(NOW, after=DAY).dumps())
    assert len(kids(turned)) == 4
    old, new = RING.signing(("ES384",), NOW), turned.signing(("ES384",), NOW + DAY)
    assert turned.signing(("ES384",), NOW + DAY - timedelta(seconds=1)).kid == old.kid
    assert new.kid not in kids(RING)
    assert old.kid in kids(turned, NOW + DAY)
    assert kids(turned, NOW + 2 * DAY) == kids(turned) - kids(RING)
    assert len(turned.rotated(NOW + 3 * DAY, after=DAY).keys) == 4  # those that are over are gone


def test_expired_keys_and_unknown_algorithms_have_a_remedy() -> None:
    ended = RING.rotated(NOW, after=DAY)
    only_old = Keyring(ended.keys[:2])
    with pytest.raises(BadKeys, match="keys rotate --after 0"):
        only_old.signing(("ES384", "RS384"), NOW + 3 * DAY)
    with pytest.raises(BadKeys, match="the server takes RS256"):
        RING.signing(("RS256",), NOW)


@pytest.mark.parametrize(
    "content",
    [b"", b"[]", b'{"keys": 1}', b'{"keys": [{"kty": "oct", "alg": "HS256", "k": "eA"}]}'],
)
def test_a_file_that_is_none_is_refused(content: bytes) -> None:
    with pytest.raises(BadKeys, match="fhirbridge keys new"):
        Keyring.parse(content)


def test_a_public_key_cannot_sign() -> None:
    with pytest.raises(BadKeys):
        Keyring.parse(jsonio.dumps(RING.public(NOW)))
