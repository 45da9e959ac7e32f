"""`/.well-known/jwks.json`: what servers check our signatures with, and keep for a while."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import signing
from fhirbridge.fhir.keys import Keyring
from fhirbridge.settings import Settings
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate
from tests.web.test_door import Caller

WHERE, STRANGER = "/.well-known/jwks.json", "198.51.100.7"
DAY = timedelta(days=1)


def settings(keys: Path, **auth: Any) -> Settings:
    server = {"base_url": "https://ehr.example/fhir", "holds": ["worklist"], "auth": auth}
    return Settings.model_validate({"keys": str(keys), "servers": {"ehr": server}})


SMART = {"smart_backend": {"client_id": "us"}}


def door(estate: Estate, found: Settings) -> Caller:
    meter, console = Metrics(estate.bridge.store, estate.clock), Console(estate.bridge)
    jwks = lambda: signing.published(found, estate.clock())  # noqa: E731 - as `serve` makes it
    return Caller(app(estate.bridge, meter, console, jwks))


def test_old_and_new_keys_are_shown_while_either_may_sign(estate: Estate, tmp_path: Path) -> None:
    found = settings(tmp_path / "keys.json", **SMART)
    ring = Keyring.made(estate.clock())
    signing.keep(ring, found, new=True)
    call = door(estate, found)

    def shown() -> set[str]:
        answer = call("GET", WHERE, caller=STRANGER)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "max-age=300"
        keys = answer.json()["keys"]
        assert not {"d", "p", "q", "dp", "dq", "qi", "nbf", "exp"} & set().union(*keys)
        return {each["kid"] for each in keys}

    old = shown()
    turned = ring.rotated(estate.clock(), after=DAY)
    signing.keep(turned, found, new=False)
    new = {each.kid for each in turned.keys} - old
    assert (len(old), len(new)) == (2, 2)
    assert shown() == old | new  # before the new ones sign
    estate.clock.now += DAY + timedelta(minutes=5)
    assert shown() == old | new  # what the old ones signed may still be checked
    estate.clock.now += DAY
    assert shown() == new


@pytest.mark.parametrize("content", [None, b"", b"{", b'{"keys": [{}]}'])
def test_keys_that_cannot_be_read_are_not_an_empty_set(
    estate: Estate, tmp_path: Path, content: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    """A server that keeps an empty set refuses us until it asks again."""
    keys = tmp_path / "keys.json"
    if content is not None:
        keys.write_bytes(content)
    answer = door(estate, settings(keys, **SMART))("GET", WHERE, caller=STRANGER)
    assert (answer.status_code, answer.headers["cache-control"]) == (503, "no-store")
    assert str(tmp_path) not in answer.text
    assert "keys_not_shown" in caplog.text


def test_without_keys_the_set_is_empty(estate: Estate, tmp_path: Path) -> None:
    answer = door(estate, settings(tmp_path / "keys.json"))("GET", WHERE, caller=STRANGER)
    assert answer.json() == {"keys": []}
