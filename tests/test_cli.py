"""The command line: help, exit codes, and errors that say what to do."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.main import get_command

from fhirbridge.cli import serving
from fhirbridge.cli.main import app, main
from fhirbridge.fhir import jsonio
from fhirbridge.store import Store
from tests.command import Call, Done

COMMANDS = sorted(getattr(get_command(app), "commands", {}))
HEAVY = {
    "celery",
    "fastapi",
    "fhir",
    "httpx",
    "pydantic",
    "sqlalchemy",
    "structlog",
    "uvicorn",
    "yaml",
}


def in_a_process(*arguments: str, cwd: Path) -> Done:
    """The same where connections are tried, which this suite does not allow."""
    done = subprocess.run(
        [sys.executable, "-c", "from fhirbridge.cli import main; main()", *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def test_all_commands_are_there() -> None:
    promised = (
        "audit demo doctor mappings parked reconcile sandbox serve subscriptions sweep worker"
    )
    assert set(COMMANDS) >= set(promised.split())


@pytest.mark.parametrize("command", COMMANDS)
def test_the_help_of_a_command_shows_an_example(command: str) -> None:
    from typer.testing import CliRunner

    shown = CliRunner().invoke(app, [command, "--help"])
    assert shown.exit_code == 0
    assert f"Example: fhirbridge {command}" in " ".join(shown.output.split())


#: They stay, and their log has `log: json`.
_STAYING = {"serve", "worker", "sandbox"}


@pytest.mark.parametrize("command", sorted(set(COMMANDS) - _STAYING))
def test_a_command_prints_for_machines_too(command: str) -> None:
    from typer.testing import CliRunner

    assert "--format" in CliRunner().invoke(app, [command, "--help"]).output


def test_help_imports_nothing_that_is_slow() -> None:
    program = "import sys, fhirbridge.cli.main; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert not HEAVY & set(done.stdout.split())


def test_without_servers_a_command_says_what_to_do(fhirbridge: Call) -> None:
    done = fhirbridge("reconcile", "p-1")
    assert done.code == 2
    assert "no servers are configured" in done.err
    assert "fhirbridge demo" in done.err


def test_a_mistake_in_the_configuration_is_named_with_its_line(
    fhirbridge: Call, tmp_path: Path
) -> None:
    (tmp_path / "fhirbridge.yaml").write_text("instance: here\nwrit: on\n")
    done = fhirbridge("sweep")
    assert done.code == 2
    assert "fhirbridge.yaml:2: unknown key “writ”; did you mean “write”?" in done.err
    assert "Traceback" not in done.err


def test_a_configuration_that_is_not_there_is_named(fhirbridge: Call) -> None:
    done = fhirbridge("serve", "--config", "nowhere.yaml")
    assert done.code == 2
    assert "nowhere.yaml: there is no such file" in done.err


@pytest.mark.lives
def test_a_server_that_does_not_answer_is_named_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "fhirbridge.yaml").write_text(
        "servers:\n  ehr: {base_url: 'http://127.0.0.1:9/fhir', holds: [orders, worklist]}\n"
    )
    done = in_a_process("reconcile", "p-1", "--dry-run", cwd=tmp_path)
    assert done.code == 2
    assert done.err.startswith("fhirbridge: ehr: ")
    assert "Traceback" not in done.err


def test_debugging_lets_the_error_through(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("FHIRBRIDGE_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["fhirbridge", "reconcile", "p-1"])
    with pytest.raises(ValueError, match="no servers are configured"):
        main()


def test_doctor_and_mappings_are_well_without_a_configuration(
    fhirbridge: Call, tmp_path: Path
) -> None:
    for command in (("doctor",), ("mappings", "check")):
        done = fhirbridge(*command)
        assert done.code == 0, done.out + done.err
    assert not list(tmp_path.iterdir())


@pytest.mark.lives
def test_doctor_finds_what_cannot_work(tmp_path: Path) -> None:
    (tmp_path / "fhirbridge.yaml").write_text(
        "servers:\n"
        "  ehr: {base_url: 'http://127.0.0.1:9/fhir', holds: [orders, worklist]}\n"
        "  far: {base_url: 'http://far.invalid/fhir', holds: [dispenses]}\n"
        "store: sqlite:///no/such/folder/x.db\n"
    )
    done = in_a_process("doctor", "--format", "json", cwd=tmp_path)
    assert done.code == 1, done.err
    failing = {each["check"] for each in jsonio.loads(done.out) if each["state"] == "fails"}
    assert failing == {"store", "public_url", "ehr", "far"}


def test_a_broken_mapping_is_named_with_file_and_line(fhirbridge: Call, tmp_path: Path) -> None:
    folder = tmp_path / "ours" / "therapies"
    folder.mkdir(parents=True)
    (folder / "x.yaml").write_text("title: X\nroutes: oral\n")
    (tmp_path / "fhirbridge.yaml").write_text("mappings: [ours]\n")
    done = fhirbridge("mappings", "check")
    assert done.code == 1
    assert "ours/therapies/x.yaml:2: unknown key “routes”; did you mean “route”?" in done.out


def test_parked_names_what_is_not_known(fhirbridge: Call) -> None:
    assert fhirbridge("parked").out == "nothing is set aside\n"
    done = fhirbridge("parked", "show", "ehr:Patient/x")
    assert done.code == 2
    assert "nothing is known of it" in done.err


@pytest.mark.parametrize(
    ("public_url", "host", "port"),
    [
        ("http://127.0.0.1:18001", "127.0.0.1", 18001),
        ("http://localhost", "127.0.0.1", 8000),
        ("https://bridge.hospital.example", "0.0.0.0", 8000),  # behind a proxy
    ],
)
def test_it_listens_where_servers_are_told_to_reach_it(
    public_url: str, host: str, port: int
) -> None:
    assert serving.listens_at(public_url) == (host, port)


def test_with_tls_of_our_own_nobody_is_between() -> None:
    public = "https://fhirbridge.example:8443"
    assert serving.listens_at(public) == ("0.0.0.0", 8000)
    assert serving.listens_at(public, direct=True) == ("0.0.0.0", 8443)
    assert serving.listens_at("https://fhirbridge.example", direct=True) == ("0.0.0.0", 8000)


def test_parked_work_is_retried_by_what_is_wrong_with_it(fhirbridge: Call, tmp_path: Path) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    numbers = iter(range(100))
    store = Store(f"sqlite:///{tmp_path}/fhirbridge.db", ids=lambda: f"id-{next(numbers)}")
    for server, subject in (("ehr", "ehr:Patient/a"), ("payer", "ehr:Patient/b")):
        store.raise_(subject, now, why="a test")
        (lease,) = store.lease("w", now, timedelta(minutes=1))
        store.fail(lease, now, error=f"{server}: create Task: 400: refused", retry_at=None)
    store.close()
    assert "due again: 1" in fhirbridge("parked", "retry", "--where", "PAYER:").err
    assert "ehr:Patient/b" not in fhirbridge("parked").out
    assert "due again: 0" in fhirbridge("parked", "retry", "--where", "nothing like it").err
    wrong = fhirbridge("parked", "retry", "--all", "--where", "x")
    assert (wrong.code, "one of them" in wrong.err) == (2, True)
    assert "due again: 1" in fhirbridge("parked", "retry", "--all").err


def test_parked_work_is_listed_and_dropped_with_a_reason(fhirbridge: Call, tmp_path: Path) -> None:
    now = datetime(2026, 12, 1, tzinfo=UTC)
    numbers = iter(range(100))
    url = f"sqlite:///{tmp_path}/fhirbridge.db"
    store = Store(url, ids=lambda: f"id-{next(numbers)}")
    for server, subject in (("ehr", "ehr:Patient/a"), ("payer", "ehr:Patient/b")):
        store.raise_(subject, now, why="a test")
        (lease,) = store.lease("w", now, timedelta(minutes=1))
        store.fail(lease, now, error=f"{server}: create Task: 400: refused", retry_at=None)
    store.close()
    listed = fhirbridge("parked", "list", "--where", "payer:").out
    assert ("ehr:Patient/b" in listed, "ehr:Patient/a" in listed) == (True, False)
    assert fhirbridge("parked", "--where", "x:").out == "nothing is set aside with “x:” in it\n"
    assert "say why it is dropped" in fhirbridge("parked", "drop", "ehr:Patient/a").err
    for wrong in (("drop",), ("drop", "--reason", "x"), ("show",)):
        done = fhirbridge("parked", *wrong)
        assert (done.code, "name what to" in done.err) == (2, True)
    both = fhirbridge("parked", "drop", "ehr:Patient/a", "ehr:Patient/none", "--reason", "test")
    assert "ehr:Patient/none: nothing is owed for it" in both.err
    assert "ehr:Patient/a" in fhirbridge("parked").out  # all of them or none
    done = fhirbridge("parked", "drop", "--where", "payer:", "--reason", "the payer has left")
    assert "dropped: 1" in done.err
    shown = fhirbridge("parked", "dropped").out
    assert "ehr:Patient/b" in shown
    assert "the payer has left" in shown
    assert "dropped: 1" in fhirbridge("parked", "drop", "--all", "--reason", "all").err
    assert fhirbridge("parked").out == "nothing is set aside\n"
