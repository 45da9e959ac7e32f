"""`fhirbridge init`: what is asked, what is written, and that it can be used."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhirbridge import beginning, settings
from fhirbridge.beginning import Seen, Wishes, configuration
from fhirbridge.cli import beginning as command
from fhirbridge.cli.common import Wrong
from fhirbridge.cli.main import app
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import Unavailable

HAPI = Seen(
    software="HAPI FHIR Server",
    profile="hapi",
    types=frozenset({"Patient", "MedicationRequest", "Appointment", "Task", "Subscription"}),
)
SILENT = Seen(problem="payer: read the CapabilityStatement: nobody listens there")
ONE = {"ehr": "http://127.0.0.1:8080/fhir"}
THREE = {
    "ehr": "https://ehr.example/fhir",
    "payer": "https://payer.example/fhir",
    "pharmacy": "https://pharmacy.example/fhir",
}


def read(folder: Path, text: str) -> settings.Settings:
    path = folder / "fhirbridge.yaml"
    path.write_text(text, "utf-8")
    return settings.read(path, environ={})


def wishes(servers: dict[str, str], **more: Any) -> Wishes:
    return Wishes("st-mary", servers, "America/New_York", "http://127.0.0.1:8000", **more)


def test_one_server_is_believed_for_what_it_has(tmp_path: Path) -> None:
    found = read(tmp_path, configuration(wishes(ONE, holidays="US-NY"), {"ehr": HAPI}))
    ehr = found.servers["ehr"]
    assert set(ehr.holds) == {"orders", "schedule", "worklist"}
    assert (ehr.profile, ehr.subscribe, found.holidays) == ("hapi", "push", "US-NY")
    assert found.write.default == "shadow"


def test_several_servers_share_by_their_names(tmp_path: Path) -> None:
    seen = {
        "ehr": Seen(software="x"),
        "payer": SILENT,
        "pharmacy": Seen(signs_in=True, problem="p"),
    }
    text = configuration(wishes(THREE), seen)
    found = read(tmp_path, text)
    held = {name: set(server.holds) for name, server in found.servers.items()}
    assert held == {
        "ehr": {"orders", "schedule", "administrations", "worklist"},
        "payer": {"authorizations", "coverage"},
        "pharmacy": {"dispenses"},
    }
    assert "# not seen yet: payer: read the CapabilityStatement" in text
    assert "does not reach that address" in text  # the servers are far, we are on loopback
    assert "# identity:" in text


def test_a_server_without_subscriptions_is_polled(tmp_path: Path) -> None:
    seen = {"ehr": Seen(software="x", types=frozenset({"MedicationRequest"}))}
    assert read(tmp_path, configuration(wishes(ONE), seen)).servers["ehr"].subscribe == "poll"


def test_the_worklist_goes_where_it_was_said(tmp_path: Path) -> None:
    said = {"payer": ["authorizations", "worklist"]}
    text = configuration(wishes(THREE, holds=said), dict.fromkeys(THREE, HAPI))
    assert "worklist" not in read(tmp_path, text).servers["ehr"].holds


def test_five_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def ask(question: str, usual: str) -> str:
        asked.append(question)
        return "pharmacy=https://p.example/fhir" if question.startswith("Others") else usual

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_ask", ask)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(beginning, "look", lambda *_: HAPI)
    command.init()
    assert len(asked) == 5
    found = settings.read(tmp_path / "fhirbridge.yaml", environ={})
    assert set(found.servers) == {"ehr", "pharmacy"}
    assert found.timezone == "America/New_York"


def test_an_answer_that_cannot_be_used_is_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answers = [
        *("St. Mary", "st-mary"),
        *("ehr.example/fhir", "https://ehr.example/fhir"),
        *("payer https://p.example", "payer=p.example", "ehr=https://x.example"),
        "clinic=https://c.example/fhir",
        *("shedule", "schedule"),
        *("New York", "America/New_York"),
        *("localhost:8000", "http://127.0.0.1:8000"),
    ]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(command, "_ask", lambda *_: answers.pop(0))
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    monkeypatch.setattr(beginning, "look", lambda *_: HAPI)
    command.init()
    assert not answers
    found = settings.read(tmp_path / "fhirbridge.yaml", environ={})
    assert found.servers["clinic"].holds == ("schedule",)
    said = capsys.readouterr().err.splitlines()
    for words in (
        "write a name of small letters",
        "begins with http://",
        "payer: write it like payer=https://payer.example/fhir",
        "payer=p.example: should be an address",
        "ehr is named twice",
        "did you mean “schedule”",
        "did you mean “America/New_York”",
    ):
        assert any(line.startswith("  ") and words in line for line in said), words


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a server: fhirbridge init --server ehr=http"),
        (["--server", "x"], "ehr=x: should be an address"),
        (["--server", "a=http://x", "--server", "http://y"], "write it like ehr=http"),
        (["--server", "a=http://x", "--server", "a=http://y"], "named twice"),
        (["--server", "a=http://x", "--server", "b=http://y"], "like --holds b=schedule"),
        (["--server", "a=http://x", "--holds", "b=orders"], "no --server is called b"),
        (["--server", "a=http://x", "--holds", "a=order"], "--holds a=order: “order” is nothing"),
        (
            ["--server", "a=http://x", "--timezone", "Nowhere"],
            "--timezone Nowhere: “Nowhere” is no",
        ),
        (["--server", "a=http://x", "--timezone", "chicago"], "did you mean “America/Chicago”?"),
        (["--server", "a=http://x", "--holidays", "USA"], "like US or US-NY"),
        (["--server", "a=http://x", "--instance", "St. Mary"], "--instance St. Mary: write a name"),
        (["--server", "a=x/fhir"], "a=x/fhir: should be an address"),
        (["--server", "a=http://x", "--public-url", "x:8000"], "--public-url x:8000: should be"),
    ],
)
def test_what_is_wrong_is_said_and_nothing_is_left(
    arguments: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beginning, "look", lambda *_: HAPI)
    done = CliRunner().invoke(app, ["init", *arguments])
    assert isinstance(done.exception, Wrong | settings.Misconfigured), done.output
    assert said in str(done.exception)
    assert not list(tmp_path.iterdir())


def test_an_address_alone_is_the_ehr_and_what_is_next_names_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A variable may name another file than the one that was written."""
    monkeypatch.chdir(tmp_path)

    def down(_: Server) -> Any:
        raise Unavailable("ehr", "read the CapabilityStatement", "refused")

    monkeypatch.setattr(Server, "capabilities", down)
    arguments = ["init", "--server", "http://x.example/fhir", "--force"]
    said = CliRunner().invoke(app, arguments).output
    assert "ehr: read the CapabilityStatement: refused\n" in said
    assert "ehr: ehr:" not in said
    assert "  fhirbridge doctor    #" in said
    monkeypatch.setattr(settings, "config_path", lambda *_: Path("/etc/fhirbridge.yaml"))
    said = CliRunner().invoke(app, arguments).output
    assert "  fhirbridge doctor --config fhirbridge.yaml    #" in said


def test_a_file_is_not_written_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(beginning, "look", lambda *_: HAPI)
    Path("fhirbridge.yaml").write_text("mine", "utf-8")
    done = CliRunner().invoke(app, ["init", "--server", "ehr=http://127.0.0.1:1/fhir"])
    assert "with --force" in str(done.exception)
    assert Path("fhirbridge.yaml").read_text("utf-8") == "mine"
    done = CliRunner().invoke(app, ["init", "--server", "ehr=http://x.example/fhir", "--force"])
    assert done.exit_code == 0
    again = ["init", "--server", "ehr=http://x.example/fhir", "--force", "--format", "json"]
    said = jsonio.loads(CliRunner().invoke(app, again).stdout)
    assert said["servers"]["ehr"]["software"] == "HAPI FHIR Server"
    assert "mine" not in Path("fhirbridge.yaml").read_text("utf-8")
