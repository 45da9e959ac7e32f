"""The doctor at the bedside: everything that an afternoon with a firewall can bring."""

from __future__ import annotations

import shlex
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.cli.doctor import Sign, State, examine, site
from fhirbridge.fhir.keys import Keyring
from fhirbridge.sandbox import Sandbox
from fhirbridge.settings import Settings
from tests.contract.sekmet import sekmet_server
from tests.operate.doctoring import NAMESPACES, Doctor, failing, noted
from tests.operate.fakes import STATEMENT, certificate, fake, silent
from tests.servers import free_port, hapi_server, postgres_server, redis_server

NOW = datetime.now(UTC)
COUNT = {"resourceType": "Bundle", "type": "searchset", "total": 0}
ANSWERS: dict[str, tuple[int, Any]] = {
    "/fhir/metadata": (200, STATEMENT),
    "/fhir/Patient": (200, COUNT),
    "/fhir/Task": (200, COUNT),
}


@pytest.fixture
def doctor(tmp_path: Path) -> Doctor:
    return Doctor(tmp_path)


def vars_of(sign: Sign) -> dict[str, str]:
    return {name: str(getattr(sign, name)) for name in ("check", "says", "remedy", "state")}


# --- addresses and certificates


def test_a_wrong_address_names_the_right_one_near_it(doctor: Doctor) -> None:
    with fake(ANSWERS) as url:
        assert not failing(doctor(f"{url}/fhir"))
        assert f"did you mean base_url {url}/fhir?" in failing(doctor(url))
        assert f"did you mean base_url {url}/fhir?" in failing(doctor(f"{url}/fihr"))
    assert "nothing listens at that address" in failing(doctor(f"{url}/fhir"))
    assert "name of the host is not known" in failing(doctor("http://nowhere.invalid/fhir"))


def test_an_address_of_the_other_protocol(doctor: Doctor, tmp_path: Path) -> None:
    with fake(ANSWERS) as url:
        said = failing(doctor(f"{url.replace('http', 'https')}/fhir"))
        assert f"did you mean base_url {url}/fhir?" in said
    good = certificate(tmp_path)
    with fake(ANSWERS, certificate=good) as url:
        plain = url.replace("https", "http")
        said = failing(doctor(f"{plain}/fhir", server={"tls": {"ca": str(good)}}))
        assert f"did you mean base_url {url}/fhir?" in said


def test_a_server_that_never_answers_is_asked_once_and_last(doctor: Doctor, tmp_path: Path) -> None:
    """Not at twelve other addresses, too; and what is known before is shown before."""
    with silent() as (url, asked):
        said = failing(doctor(url, server={"timeout_seconds": 1}))
        assert "no answer within the timeout; check base_url" in said
        assert len(asked) == 1
        signs = examine(tmp_path / "fhirbridge.yaml")
        assert next(sign for sign in signs if sign.check == "store").state is State.OK
        assert len(asked) == 1


def test_a_server_that_wants_to_know_who_we_are(doctor: Doctor) -> None:
    with fake({"*": (401, None)}) as url:
        said = failing(doctor(f"{url}/fhir"))
        assert "give ehr an `auth`: docs/how-to/sign-in.md has the ways" in said
        said = failing(doctor(f"{url}/fhir", server={"auth": {"bearer": "x"}}))
        assert "expired; check auth of ehr" in said


def test_certificates_that_are_not_trusted_or_end(doctor: Doctor, tmp_path: Path) -> None:
    good = certificate(tmp_path)
    with fake(ANSWERS, certificate=good) as url:
        said = failing(doctor(f"{url}/fhir"))
        assert "certificate is not trusted" in said
        assert "tls.ca" in said
        signs = doctor(f"{url}/fhir", server={"tls": {"ca": str(good)}})
        assert not failing(signs)
        assert "certificate until" in noted(signs)
    with fake(ANSWERS) as url:
        secure = url.replace("http", "https")
        assert "check http or https" in failing(doctor(f"{secure}/fhir"))
    for bad, words in (
        (certificate(tmp_path, days=-1), "has expired"),
        (certificate(tmp_path, name="10.0.0.1"), "mismatch"),
    ):
        with fake(ANSWERS, certificate=bad) as url:
            assert words in failing(doctor(f"{url}/fhir", server={"tls": {"ca": str(bad)}}))
    soon = certificate(tmp_path, days=10)
    with fake(ANSWERS, certificate=soon) as url:
        signs = doctor(f"{url}/fhir", server={"tls": {"ca": str(soon)}})
        assert "have it renewed" in noted(signs)
    said = failing(doctor("https://127.0.0.1:9/fhir", server={"tls": {"ca": "none.pem"}}))
    assert "servers.ehr.tls.ca: none.pem is no certificate in PEM" in said


def test_an_address_beside_the_right_one_has_no_sign_in_either(doctor: Doctor) -> None:
    auth = {"smart_backend": {"client_id": "us"}}
    with fake(ANSWERS) as url:
        said = failing(doctor(f"{url}/fihr", server={"auth": auth}))
        assert f"did you mean base_url {url}/fhir?" in said
        said = failing(doctor(f"{url}/fhir", server={"auth": auth}))
        assert "check base_url, or set token_url" in said


def test_our_own_certificate_ends(doctor: Doctor, tmp_path: Path) -> None:
    good = certificate(tmp_path)
    with fake(ANSWERS, certificate=good) as url:
        for days, words in (
            (300, "our certificate until"),
            (10, "our certificate ends on"),
            (-2, "our certificate ended on"),
        ):
            ours = str(certificate(tmp_path, days=days))
            tls = {"ca": str(good), "certificate": ours, "key": ours}
            signs = doctor(f"{url}/fhir", server={"tls": tls})
            assert words in noted(signs)
            assert bool(failing(signs)) is (days < 0)


def test_a_proxy_that_does_not_let_us_through(doctor: Doctor) -> None:
    for status, words in ((407, "NO_PROXY"), (403, "proxy")):
        with fake({"*": (status, None)}) as proxy:
            env = {"HTTP_PROXY": proxy, "HTTPS_PROXY": proxy}
            assert words in failing(doctor("https://ehr.example.org/fhir", env=env))


def test_a_proxy_that_leads_elsewhere(doctor: Doctor) -> None:
    with fake({**ANSWERS, "*": (200, {"welcome": "page"})}) as url:
        said = failing(doctor(f"{url}/fhir", server={"subscribe": "push"}, public_url=url))
        assert "somebody else answers" in said
        assert "let the proxy pass /notify/" in said


def test_who_sees_the_console_and_the_metrics(
    doctor: Doctor, monkeypatch: pytest.MonkeyPatch
) -> None:
    token, public = "0123456789abcdef", "http://fhirbridge.invalid"
    url = "http://127.0.0.1:9/fhir"
    assert "set management_token to see them" in noted(doctor(url, public_url=public))
    said = noted(doctor(url, public_url=public, management="open"))
    assert f"whoever reaches {public} sees the console" in said
    said = noted(doctor(url, public_url=public, management_token=token))
    assert "management: console and metrics want the management_token" in said
    assert token not in said
    for status in (401, 403):  # what runs there has another token, or none
        with fake({"*": (status, None)}) as service:
            said = failing(doctor(url, public_url=service, management_token=token))
            assert "does not take our management_token; start `fhirbridge serve` again" in said
    monkeypatch.setattr(site, "answered", lambda *_: (200, "fhirbridge_due 0.0"))
    (sign,) = site.management_signs(Settings(public_url=public))
    assert sign.state is State.FAILS
    assert "answers without a token" in sign.says


def test_traces_that_go_nowhere(doctor: Doctor) -> None:
    url = "http://127.0.0.1:9/fhir"
    said = noted(doctor(url, traces={"endpoint": "http://127.0.0.1:9/v1/traces"}))
    assert "traces: nothing answers at http://127.0.0.1:9/v1/traces" in said
    with fake({"/v1/traces": (405, None)}) as collector:
        endpoint = f"{collector}/v1/traces"
        assert f"traces: go to {endpoint}" in noted(doctor(url, traces={"endpoint": endpoint}))


def test_localhost_does_not_lead_here_from_elsewhere(doctor: Doctor) -> None:
    push = {"subscribe": "push"}
    said = failing(doctor("http://nowhere.invalid/fhir", server=push))
    assert "is the own address of whoever asks" in said
    said = failing(doctor("http://127.0.0.1:9/fhir", server=push, public_url="http://0.0.0.0:8000"))
    assert "not one to be reached at" in said


@pytest.mark.parametrize("mark", site._CONTAINER)
def test_in_a_container_localhost_is_the_container(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mark: Path
) -> None:
    here = tmp_path / mark.name
    monkeypatch.setattr(site, "_CONTAINER", (here,))
    ehr = {"base_url": "http://localhost:8080/fhir", "holds": ["worklist"]}
    far = {"base_url": "http://pharmacy:8080/fhir", "holds": ["dispenses"]}
    found = Settings.model_validate({"servers": {"ehr": ehr, "pharmacy": far}})
    assert not list(site._traps(found))  # outside
    here.touch()
    said = noted([vars_of(sign) for sign in site._traps(found)])
    assert "we run in a container, where the address of ehr is the container itself" in said
    assert "name its service (http://hapi:8080/fhir)" in said
    assert "name our service (http://web:8000) in public_url" in said


def test_our_own_address_has_a_certificate_that_is_not_trusted(
    doctor: Doctor, tmp_path: Path
) -> None:
    health = {"/healthz": (200, b"ok")}
    with fake(health, certificate=certificate(tmp_path)) as public, fake(ANSWERS) as url:
        said = noted(doctor(f"{url}/fhir", server={"subscribe": "push"}, public_url=public))
    assert f"the certificate of {public} is not trusted here: self" in said
    assert "each server has to trust it" in said


def test_a_clock_that_differs(doctor: Doctor) -> None:
    with fake(ANSWERS, skew=timedelta(minutes=10)) as url:
        assert "s behind the server's" in noted(doctor(f"{url}/fhir"))
    with fake(ANSWERS, skew=timedelta(minutes=-10)) as url:
        assert "s ahead of the server's" in noted(doctor(f"{url}/fhir"))


# --- abilities


def test_what_a_server_cannot_do(doctor: Doctor) -> None:
    def stated(rest: Any) -> dict[str, tuple[int, Any]]:
        return {**ANSWERS, "/fhir/metadata": (200, {**STATEMENT, "rest": [rest]})}

    task = {"type": "Task", "searchParam": [{"name": "code"}], "interaction": [{"code": "create"}]}
    rest = {"resource": [{"type": "Patient"}, task], "interaction": [{"code": "batch"}]}
    with fake(stated(rest)) as url:
        signs = doctor(f"{url}/fhir", server={"subscribe": "push"})
    for words in (
        "it can search Task?patient",
        "does not let Tasks be changed: no update",
        "has no Subscriptions; set `subscribe: poll`",
    ):
        assert words in failing(signs)
    assert "takes no Communication: they stand on our own worklist" in noted(signs)
    assert "written one entry after the other" in noted(signs)
    with fake({**ANSWERS, "/fhir/metadata": (200, {**STATEMENT, "fhirVersion": "5.0.0"})}) as url:
        assert "speaks FHIR 5.0.0; name the address" in failing(doctor(f"{url}/fhir"))


# --- sign-in


def test_keys_and_scopes(doctor: Doctor, tmp_path: Path) -> None:
    ring = Keyring.made(NOW - timedelta(days=3), ["ES384"])
    (tmp_path / "fhirbridge-keys.json").write_bytes(ring.dumps())
    clients = [
        {"client_id": "some", "jwks": ring.public(NOW), "scopes": "system/Patient.rs"},
        {"client_id": "all", "jwks": ring.public(NOW), "scopes": "system/*.rs"},
    ]
    with sekmet_server({"types": ["smart"], "smart_clients": clients}) as url:
        signs = doctor(url, server={"auth": {"smart_backend": {"client_id": "all"}}})
        assert not failing(signs)
        assert "signed in; scopes: system/Patient.rs system/Task.rs" in noted(signs)
        said = failing(doctor(url, server={"auth": {"smart_backend": {"client_id": "some"}}}))
        assert "was not granted system/Task.rs; have these scopes given" in said
        said = failing(doctor(url, server={"auth": {"smart_backend": {"client_id": "who"}}}))
        assert "check client_id" in said
        ended = ring.rotated(NOW - timedelta(days=2), after=timedelta(0)).keys[:1]
        (tmp_path / "fhirbridge-keys.json").write_bytes(Keyring(ended).dumps())
        said = failing(doctor(url, server={"auth": {"smart_backend": {"client_id": "all"}}}))
        assert "keys: " in said
        assert "`fhirbridge keys rotate --after 0`" in said
        assert "401" in failing(doctor(url, server={"auth": {"bearer": "wrong"}}))


def test_a_transaction_wants_more_than_its_entries(doctor: Doctor, tmp_path: Path) -> None:
    """A strict server asks for a scope for all types where a Bundle is sent to its address."""
    ring = Keyring.made(NOW - timedelta(days=3), ["ES384"])
    (tmp_path / "fhirbridge-keys.json").write_bytes(ring.dumps())
    exact = "system/Patient.rs system/Task.crus system/Communication.cs"
    jwks = ring.public(NOW)
    clients = [
        {"client_id": "exact", "jwks": jwks, "scopes": exact},
        {"client_id": "wide", "jwks": jwks, "scopes": f"{exact} system/*.c"},
    ]
    (tmp_path / "own" / "servers").mkdir(parents=True)
    profile = "title: Strict\nsource: a test\nverified: false\nwrite: {transactions: false}\n"
    (tmp_path / "own" / "servers" / "strict.yaml").write_text(profile)

    def server(client: str, **more: Any) -> dict[str, Any]:
        return {"auth": {"smart_backend": {"client_id": client, **more}}}

    with sekmet_server({"types": ["smart"], "smart_clients": clients}) as url:
        said = failing(doctor(url, server=server("exact"), write="on"))
        assert "does not let us send a transaction" in said
        assert "have system/*.c (in v1 words system/*.write) granted" in said
        assert not failing(doctor(url, server=server("exact")))  # shadow: nothing is written
        wide = server("wide", scopes=[*exact.split(), "system/*.c"])
        assert not failing(doctor(url, server=wide, write="on"))
        strict = {**server("exact"), "profile": "strict"}
        signs = doctor(url, server=strict, write="on", mappings=[str(tmp_path / "own")])
        assert not failing(signs)
        assert "written one entry after the other" in noted(signs)


# --- store and broker


def test_a_database_that_cannot_be_written(doctor: Doctor) -> None:
    with postgres_server() as store, fake(ANSWERS) as url:
        assert not failing(doctor(f"{url}/fhir", store=store))
        standby = f"{store}?options=-c%20default_transaction_read_only%3Don"
        assert "the database is read-only" in failing(doctor(f"{url}/fhir", store=standby))
        nowhere = store.replace("/postgres", "/nowhere")
        assert failing(doctor(f"{url}/fhir", store=nowhere))
    assert "store: " in failing(doctor(f"{url}/fhir", store="sqlite:////proc/none/x.db"))


def test_a_file_that_cannot_be_written(doctor: Doctor, tmp_path: Path) -> None:
    """Root may write any file: the folder is mounted read-only for the doctor alone."""
    folder = tmp_path / "store"
    folder.mkdir()
    store = f"sqlite:///{folder}/x.db"
    with fake(ANSWERS) as url:
        assert not failing(doctor(f"{url}/fhir", store=store))
        there = shlex.quote(str(folder))
        script = f'mount --bind {there} {there} && mount -o remount,bind,ro {there} && exec "$@"'
        confined = Doctor(tmp_path, within=["unshare", *NAMESPACES, "sh", "-c", script, "sh"])
        said = failing(confined(f"{url}/fhir", store=store))
    assert "give it to the account that runs fhirbridge" in said


def test_a_broker_without_persistence_is_enough(doctor: Doctor) -> None:
    with redis_server() as broker, fake(ANSWERS) as url:
        signs = doctor(f"{url}/fhir", broker=broker)
        assert not failing(signs)
        assert "keeps nothing on disk, and need not" in noted(signs)
    assert "start Redis" in failing(doctor(f"{url}/fhir", broker=broker))


# --- the round trip


def test_a_change_arrives(doctor: Doctor) -> None:
    with Sandbox("doctor", delay=0.005) as server:
        public = f"http://127.0.0.1:{free_port()}"
        signs = doctor(
            server.base_url, "--round-trip", server={"subscribe": "push"}, public_url=public
        )
        assert not failing(signs)
        assert "arrived after" in noted(signs)
        assert not [*server.all("Subscription"), *server.all("Task")]


def test_hapi_with_rest_hooks_off(doctor: Doctor) -> None:
    with hapi_server(resthook=False) as url:
        public = f"http://127.0.0.1:{free_port()}"
        signs = doctor(url, "--round-trip", server={"subscribe": "push"}, public_url=public)
    assert "stays “requested”" in failing(signs)
    assert "resthook_enabled" in failing(signs)
    assert "could not be deleted" not in noted(signs)
