"""Settings: file and environment become frozen objects; mistakes are named with their place."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirbridge import wiring
from fhirbridge.settings import Misconfigured, Settings, config_path, masked, read

FILE = """\
instance: st-mary
write: shadow
timezone: America/New_York
holidays: US
identity: ["http://hospital.example/mrn"]
servers:
  ehr:
    base_url: http://127.0.0.1:8080/fhir/
    holds: [orders, schedule, administrations, worklist]
    owners: {coordinator: Organization/care-coordination}
    infusion_visits: {service_type: ["http://x.example|inf"], locations: [Location/infusion]}
    supply: {ocrelizumab: white-bag}
  payer: {base_url: "http://127.0.0.1:8081/fhir", holds: [authorizations, coverage]}
store: sqlite:///x.db
"""


def written(folder: Path, text: str) -> Path:
    path = folder / "fhirbridge.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def mistakes(folder: Path, text: str, environ: dict[str, str] | None = None) -> str:
    with pytest.raises(Misconfigured) as caught:
        read(written(folder, text), environ or {})
    return str(caught.value)


def test_a_file_becomes_settings(tmp_path: Path) -> None:
    settings = read(written(tmp_path, FILE), {})
    assert settings.instance == "st-mary"
    assert settings.write.default == "shadow"
    assert settings.servers["ehr"].base_url == "http://127.0.0.1:8080/fhir"
    assert settings.servers["ehr"].owners == {"coordinator": "Organization/care-coordination"}
    assert settings.servers["payer"].holds == ("authorizations", "coverage")
    assert settings.servers["payer"].subscribe == "push"


def test_a_management_token_is_long_and_an_empty_variable_gives_none(tmp_path: Path) -> None:
    name = "FHIRBRIDGE_MANAGEMENT_TOKEN"
    assert read(None, {name: ""}).management_token is None
    secret = tmp_path / "management"
    secret.write_text("0123456789abcdef\n")
    token = read(None, {f"{name}_FILE": str(secret)}).management_token
    assert token
    assert token.get_secret_value() == "0123456789abcdef"
    with pytest.raises(Misconfigured, match="16 characters or more"):
        read(None, {name: "short"})


def test_nothing_at_all_is_a_configuration_without_servers() -> None:
    settings = read(None, {})
    assert settings == Settings()
    assert not settings.servers


def test_a_variable_wins_over_the_file_and_adds_to_it(tmp_path: Path) -> None:
    environ = {
        "FHIRBRIDGE_SERVERS__EHR__BASE_URL": "https://ehr.example/fhir",
        "FHIRBRIDGE_SERVERS__PHARMACY__BASE_URL": "http://127.0.0.1:1/fhir",
        "FHIRBRIDGE_SERVERS__PHARMACY__HOLDS": '["dispenses"]',
        "FHIRBRIDGE_WRITE": "on",
        "FHIRBRIDGE_POLL_SECONDS": "5",
        "FHIRBRIDGE_CONFIG": "elsewhere.yaml",
        "FHIRBRIDGE_TEST_HAPI": "http://x",
    }
    settings = read(written(tmp_path, FILE), environ)
    assert settings.servers["ehr"].base_url == "https://ehr.example/fhir"
    assert settings.servers["pharmacy"].holds == ("dispenses",)
    assert settings.write.default == "on"
    assert settings.poll_seconds == 5


def test_a_secret_may_lie_in_a_file_and_is_not_shown(tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text("s3cret\n", encoding="utf-8")
    environ = {"FHIRBRIDGE_SERVERS__EHR__AUTH__BEARER_FILE": str(secret)}
    settings = read(written(tmp_path, FILE), environ)
    bearer = settings.servers["ehr"].auth.bearer
    assert bearer is not None
    assert bearer.get_secret_value() == "s3cret"
    assert "s3cret" not in repr(settings)


def test_a_secret_of_the_file_may_lie_in_another(tmp_path: Path) -> None:
    (tmp_path / "token").write_text("s3cret\n", encoding="utf-8")
    holds = "holds: [orders, schedule, administrations, worklist]"
    auth = f"auth: {{bearer: {{file: {tmp_path}/token}}}}"
    settings = read(written(tmp_path, FILE.replace(holds, f"{holds}\n    {auth}")), {})
    bearer = settings.servers["ehr"].auth.bearer
    assert bearer is not None
    assert bearer.get_secret_value() == "s3cret"
    said = mistakes(tmp_path, FILE.replace(holds, f"{holds}\n    {auth.replace('token', 'no')}"))
    assert "fhirbridge.yaml:10: “servers.ehr.auth.bearer”: the file of this secret" in said


def test_one_way_to_sign_in(tmp_path: Path) -> None:
    environ = {
        "FHIRBRIDGE_SERVERS__EHR__AUTH__BEARER": "x",
        "FHIRBRIDGE_SERVERS__EHR__AUTH__SMART_BACKEND__CLIENT_ID": "us",
    }
    assert "give one of bearer" in mistakes(tmp_path, FILE, environ)


def test_what_is_shown_has_no_secret(tmp_path: Path) -> None:
    environ = {
        "FHIRBRIDGE_SERVERS__EHR__AUTH__CLIENT_SECRET__CLIENT_ID": "us",
        "FHIRBRIDGE_SERVERS__EHR__AUTH__CLIENT_SECRET__SECRET": "s3cret",
        "FHIRBRIDGE_SERVERS__EHR__AUTH__HEADERS": '{"X-Key": "s3cret"}',
        "FHIRBRIDGE_STORE": "postgresql+psycopg://me:s3cret@db/x?sslmode=require&password=s3cret",
        "FHIRBRIDGE_BROKER": "redis://:s3cret@redis:6379/0",
    }
    shown = masked(read(written(tmp_path, FILE), environ))
    assert "s3cret" not in repr(shown)
    assert shown["store"].startswith("postgresql+psycopg://me:**********@db/x?sslmode=require")
    assert shown["servers"]["ehr"]["auth"]["client_secret"]["client_id"] == "us"


def test_a_missing_secret_file_is_named_by_its_variable(tmp_path: Path) -> None:
    """And by its variable alone: the path may be a secret that was given in its place."""
    said = mistakes(tmp_path, FILE, {"FHIRBRIDGE_STORE_FILE": str(tmp_path / "none")})
    assert said == "$FHIRBRIDGE_STORE_FILE: the file cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("change", "place", "words"),
    [
        (("timezone:", "timezonne:"), "3", "did you mean “timezone”"),
        (("America/New_York", "New York"), "3", "no time zone"),
        (("write: shadow", "write: loud"), "2", "valid: off, on, shadow"),
        (("administrations, worklist", "worklist, administration"), "9", "“administrations”"),
        (("http://127.0.0.1:8081/fhir", "127.0.0.1:8081"), "13", "begins with http"),
        (("white-bag", "whitebag"), "12", "did you mean “white-bag”"),
        (("holidays: US", "holidays: usa"), "4", "holidays"),
        (("write: shadow", "write: true"), "2", "“true” is not valid; valid: off, on, shadow"),
        (('["http://hospital.example/mrn"]', "mrn"), "5", "should be a list, like ["),
        (("worklist]", "worklist]\n    auth: smart"), "10", "should hold keys with values"),
        (("worklist]", 'worklist]\n    auth: {bearer: ""}'), "10", "auth.bearer”: is empty; "),
        (("127.0.0.1:8080", "me:geheim@127.0.0.1:8080"), "8", "belong into `auth`, as basic"),
        (("127.0.0.1:8080", "127.0.0.1:80800"), "8", "a port (1 to 65535)"),
        (("127.0.0.1:8080", "[::1:8080"), "8", "should have a host"),
        (
            ("sqlite:///x.db", "/var/lib/x.db"),
            "14",
            "write sqlite:///file.db or postgresql",
        ),
        (("sqlite:///x.db", "postgres://db/x"), "14", "write sqlite:///file.db or postgresql"),
        (("store: ", "broker: localhost:6379\nstore: "), "14", "like redis://host:6379/0"),
        (("store: ", "trusted_proxies: [10.0.0]\nstore: "), "14", "“10.0.0” is no address"),
        ((", worklist", ""), "6", "one server should hold “worklist”"),
    ],
)
def test_mistakes_are_named_with_line_and_remedy(
    tmp_path: Path, change: tuple[str, str], place: str, words: str
) -> None:
    said = mistakes(tmp_path, FILE.replace(*change))
    assert f"fhirbridge.yaml:{place}: " in said
    assert words in said
    assert "geheim" not in said


def test_a_mistake_in_a_variable_names_the_variable(tmp_path: Path) -> None:
    said = mistakes(tmp_path, FILE, {"FHIRBRIDGE_SERVERS__EHR__HOLDS": '["ordres"]'})
    assert said.startswith("$FHIRBRIDGE_SERVERS__EHR__HOLDS: ")
    assert "did you mean “orders”" in said
    said = mistakes(tmp_path, FILE, {"FHIRBRIDGE_INSTANSE": "x"})
    assert said.startswith("$FHIRBRIDGE_INSTANSE: unknown key")


def test_one_server_holds_the_worklist(tmp_path: Path) -> None:
    said = mistakes(tmp_path, FILE.replace(", worklist", ""))
    assert "one server should hold “worklist”" in said


def test_where_the_file_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert config_path(None, {}) is None
    usual = written(tmp_path, FILE)
    assert config_path(None, {}) == Path(usual.name)
    assert config_path(None, {"FHIRBRIDGE_CONFIG": "a.yaml"}) == Path("a.yaml")
    assert config_path(Path("b.yaml"), {"FHIRBRIDGE_CONFIG": "a.yaml"}) == Path("b.yaml")


def test_a_profile_that_is_not_there_is_named_with_the_nearest(tmp_path: Path) -> None:
    text = FILE.replace("    owners:", "    profile: openemmr\n    owners:")
    text = text.replace("x.db", f"{tmp_path}/x.db")
    with pytest.raises(Misconfigured, match="openemr"):
        wiring.wire(read(written(tmp_path, text), {}))


def test_the_supply_of_a_therapy_that_nobody_knows(tmp_path: Path) -> None:
    """Else it would be left out without a word, and with it what the site said of it."""
    settings = read(written(tmp_path, FILE.replace("{ocrelizumab:", "{ocrelizumb:")), {})
    with pytest.raises(Misconfigured, match=r"ehr\.supply: .*did you mean “ocrelizumab”"):
        wiring.check(settings)


def test_tls_wants_an_address_that_says_so(tmp_path: Path) -> None:
    path = tmp_path / "fhirbridge.yaml"
    tls = "tls: {certificate: c.pem, key: k.pem}\n"
    path.write_text(f"public_url: http://x.example\n{tls}")
    with pytest.raises(Misconfigured, match="public_url: should begin with https://"):
        read(path, {})
    path.write_text(f"public_url: https://x.example\n{tls}")
    assert read(path, {}).tls is not None
