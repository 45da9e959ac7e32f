"""SMART Backend Services against a token server that somebody else wrote (sekmet-fhir)."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from multiprocessing import Queue, get_context
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import signing, wiring
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import FhirError, Forbidden
from fhirbridge.fhir.keys import Keyring
from fhirbridge.fhir.smart import Backend
from fhirbridge.settings import Settings
from fhirbridge.store import Store
from tests.contract.sekmet import sekmet_server

NOW = datetime.now(UTC)
RING = Keyring.made(NOW - timedelta(days=1))
STRANGER = Keyring.made(NOW)
READS = "system/Patient.rs system/MedicationDispense.rs system/Medication.rs"


def registered(alg: str) -> dict[str, Any]:
    """Our keys of one algorithm: sekmet tries every key of a client, and ends with 500 where one
    is of another kind than the signature."""
    return {"keys": [key for key in RING.public(NOW)["keys"] if key["alg"] == alg]}


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    ours = registered("ES384")
    clients = [
        {"client_id": "reader", "jwks": ours, "scopes": READS},
        {"client_id": "reader-rs384", "jwks": registered("RS384"), "scopes": READS},
        {"client_id": "half", "jwks": ours, "scopes": "system/Patient.rs"},
        {"client_id": "none", "jwks": ours, "scopes": "system/Basic.r"},
        {"client_id": "secretive", "client_secret": "s3cret", "scopes": READS},
    ]
    with sekmet_server({"types": ["smart"], "smart_clients": clients}) as url:
        yield url


@pytest.fixture
def keys(tmp_path: Path) -> Path:
    path = tmp_path / "keys.json"
    path.write_bytes(RING.dumps())
    return path


def settings(base_url: str, keys: Path, **auth: Any) -> Settings:
    server = {"base_url": base_url, "holds": ["dispenses", "worklist"], "auth": auth}
    reads = {**server, "holds": ["dispenses"], "subscribe": "poll"}
    home = {"base_url": base_url, "holds": ["worklist"]}
    return Settings.model_validate({"keys": str(keys), "servers": {"x": reads, "home": home}})


def tried(found: Settings) -> None:
    """Read something, as the bridge does."""
    source = wiring.source("x", found, clock=wiring.now, retries=0)
    assert isinstance(source.server, Server)
    try:
        for _ in source.server.search("MedicationDispense", {"_summary": "count"}):
            break
    finally:
        source.server.close()


@pytest.mark.parametrize(("client", "alg"), [("reader-rs384", "RS384"), ("reader", "ES384")])
def test_both_algorithms_let_us_in(base_url: str, keys: Path, client: str, alg: str) -> None:
    tried(settings(base_url, keys, smart_backend={"client_id": client, "algorithm": alg}))


def test_the_scopes_that_the_configuration_needs_are_granted(base_url: str, keys: Path) -> None:
    found = settings(base_url, keys, smart_backend={"client_id": "reader"})
    with closing(signing.sign_in("x", found, clock=wiring.now, ids=wiring.names)) as auth:
        assert isinstance(auth, Backend)
        lacks = auth.lacking()
    assert lacks == ()
    assert set(auth.granted or ()) == set(READS.split())


def test_a_client_secret_lets_us_in(base_url: str, keys: Path) -> None:
    tried(settings(base_url, keys, client_secret={"client_id": "secretive", "secret": "s3cret"}))


def test_after_a_rotation_the_new_key_is_a_stranger_until_it_is_registered(
    base_url: str, keys: Path
) -> None:
    found = settings(base_url, keys, smart_backend={"client_id": "reader"})
    later = signing.keyring(found).rotated(NOW, after=timedelta(hours=1))
    signing.keep(later, found, new=False)
    tried(found)  # the old key still signs
    at_once = later.rotated(NOW, after=timedelta(0))
    signing.keep(at_once, found, new=False)
    with pytest.raises(Forbidden, match="has our public keys"):
        tried(found)


def refused(base_url: str, keys: Path, **auth: Any) -> str:
    with pytest.raises(FhirError) as caught:
        tried(settings(base_url, keys, **auth))
    return str(caught.value)


def test_each_mistake_has_its_remedy(base_url: str, keys: Path, tmp_path: Path) -> None:
    said = refused(base_url, keys, smart_backend={"client_id": "unknown"})
    assert "invalid_client" in said
    assert "check client_id" in said
    said = refused(base_url, keys, smart_backend={"client_id": "none"})
    assert "invalid_scope" in said
    assert "system/MedicationDispense.rs" in said
    audience = {"client_id": "reader", "audience": "https://elsewhere.example/token"}
    said = refused(base_url, keys, smart_backend=audience)
    assert "and audience" in said
    said = refused(base_url, keys, client_secret={"client_id": "secretive", "secret": "wrong"})
    assert "client_secret" in said
    said = refused(base_url, keys, bearer=uuid.uuid4().hex)
    assert "401" in said
    strangers = tmp_path / "strangers.json"
    strangers.write_bytes(STRANGER.dumps())
    said = refused(base_url, strangers, smart_backend={"client_id": "reader"})
    assert "has our public keys" in said
    said = refused(base_url, tmp_path / "none.json", smart_backend={"client_id": "reader"})
    assert "`fhirbridge keys new`" in said


def test_less_than_was_asked_for_is_seen(base_url: str, keys: Path) -> None:
    found = settings(base_url, keys, smart_backend={"client_id": "half"})
    with closing(signing.sign_in("x", found, clock=wiring.now, ids=wiring.names)) as auth:
        assert isinstance(auth, Backend)
        lacks = auth.lacking()
    assert lacks == ("system/Medication.rs", "system/MedicationDispense.rs")
    with pytest.raises(Forbidden, match="check the scopes granted"):
        tried(found)


def test_a_clock_that_is_behind_makes_proofs_that_have_ended(base_url: str, keys: Path) -> None:
    found = settings(base_url, keys, smart_backend={"client_id": "reader"})
    behind = signing.sign_in(
        "x", found, clock=lambda: wiring.now() - timedelta(minutes=10), ids=wiring.names
    )
    with closing(behind), pytest.raises(Forbidden, match=r"our clock is [56]\d\d s behind"):
        behind.headers()


def signed_in(found: Settings, store: str, start: Barrier, tokens: Queue[str]) -> None:
    """One process of an installation, which signs in as soon as all are there."""
    with closing(Store(store, ids=wiring.names)) as kept:
        auth = signing.sign_in(
            "x", found, clock=wiring.now, ids=wiring.names, tokens=signing.Kept(kept)
        )
        with closing(auth):
            start.wait(120)
            tokens.put(auth.headers()["Authorization"])


def test_processes_that_start_together_have_one_token(
    base_url: str, keys: Path, tmp_path: Path
) -> None:
    found = settings(base_url, keys, smart_backend={"client_id": "reader"})
    spawn, store = get_context("spawn"), f"sqlite:///{tmp_path}/x.db"
    Store(store, ids=wiring.names).close()
    start, tokens = spawn.Barrier(4), spawn.Queue()
    processes = [
        spawn.Process(target=signed_in, args=(found, store, start, tokens)) for _ in range(4)
    ]
    for each in processes:
        each.start()
    got = {tokens.get(timeout=120) for _ in processes}
    for each in processes:
        each.join(60)
    assert [each.exitcode for each in processes] == [0] * 4
    assert len(got) == 1
