"""Every command called wrongly: one sentence, exit code 2, and what to do in it. And what is
interrupted loses nothing."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.audit import Audit, exports
from fhirbridge.audit.shelf import Shelf
from fhirbridge.cli import working
from fhirbridge.cli.main import commands
from fhirbridge.fhir import jsonio
from fhirbridge.journeys.script import fixtures
from fhirbridge.settings import Settings
from tests.bridge.estate import Estate, order, patient, people, visit
from tests.command import Call

CONFIGURED = "servers:\n  ehr: {base_url: 'http://127.0.0.1:9/fhir', holds: [orders, worklist]}\n"


@pytest.mark.parametrize("command", commands())
def test_an_option_that_is_not_there(command: str, fhirbridge: Call) -> None:
    code, out, err = fhirbridge(command, "--nothing-like-it")
    assert (code, out) == (2, "")
    assert err.startswith(f"fhirbridge {command}: no such option: --nothing-like-it; ")
    assert err.endswith(f"`fhirbridge {command} --help` shows an example\n")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("sweeep", "there is no command “sweeep”; did you mean “sweep”"),
        ("sweep --ful", "there is no option --ful; did you mean --full"),
        ("parked drp", "“drp” is none of them; did you mean “drop”"),
        ("keys shw", "“shw” is none of them; did you mean “show”"),
        ("doctor --format xml", "“xml” is none of them; valid: json, text"),
        ("serve --port 99999", "should be less than or equal to 65535"),
        ("reconcile", "missing argument 'PATIENT...'"),
        ("record p-7", "missing option '--output' / '-o'"),
        ("reconcile ehr:Observation/3", "name a patient record, like ehr:Patient/p-7"),
        ("reconcile her:Patient/3", "no server is called her; did you mean “ehr”"),
        ("reconcile p-7 --config no.yaml", "there is no such file; name the configuration with"),
        ("config check --config list.yaml", "list.yaml:1: not YAML"),
        ("config check --config supply.yaml", "ehr.supply: no therapy is called “ocreli”"),
        ("config check --config profile.yaml", "did you mean “hapi”"),
        ("config check --config mappings.yaml", "nowhere:1: no such folder of mappings"),
        ("subscriptions --config memory.yaml", "store: SQLite needs a file"),
        ("config check --config rule.yaml", "there is no rule “dispense-shrt”; did you mean"),
        ("audit nowhere", "nowhere: there is no such file or folder"),
        ("audit x --as-of yesterday", "write a day or a moment, as 2026-12-01"),
        ("mappings show ocreli", "did you mean “ocrelizumab”"),
        ("store backup", "fhirbridge store backup FILE"),
        ("store backup no/x.db", "there is no such folder; make it first"),
        ("store downgrade 9999", "is not known to this program; it knows 0001, "),
        ("keys show", "`fhirbridge keys new` makes our keys"),
        ("worker", "without one, `fhirbridge serve` does the work"),
        ("replay no.json", "`fhirbridge record` makes one"),
        ("--config fhirbridge.yaml doctor", "--config; options come after the command; "),
        ("deliveries show abc", "[NUMBER]...': should be a whole number; "),
        ("reconcile p-7?x=1", "name a patient record, like ehr:Patient/p-7"),
        ("parked retry ehr:Patient/p-7", "nothing is owed for it; `fhirbridge parked` lists"),
        ("retract --rule dispense-short --reason=", "say why it is taken back"),
        ("retract --reason x --since 2026-02-01 --until 2026-01-01", "is not before --until"),
        ("retract --reason x --patient p-7", "`fhirbridge written` lists whom"),
        ("store backup x.db", "a relative path begins where fhirbridge is started"),
        ("store check", "a relative path begins where fhirbridge is started"),
        ("store check backup", "what is “backup” for?"),
        ("audit x=", "x=: name a file or folder behind the “=”"),
        ("audit x --holds x", "say what it is believed for, like x=orders,schedule"),
        ("audit x", "no FHIR record was read: name files or folders of JSON"),
        ("subscriptions --config none.yaml", "`fhirbridge init` writes a fhirbridge.yaml"),
        ("sandbox --data nowhere", "--data nowhere: there is no such file or folder"),
    ],
)
def test_a_wrong_call_is_told_what_to_do(
    arguments: str, said: str, fhirbridge: Call, tmp_path: Path
) -> None:
    (tmp_path / "fhirbridge.yaml").write_text(CONFIGURED)
    (tmp_path / "list.yaml").write_text("servers: [")
    (tmp_path / "rule.yaml").write_text("write: {rules: {dispense-shrt: on}}")
    server = CONFIGURED.removesuffix("}\n")
    (tmp_path / "supply.yaml").write_text(server + ", supply: {ocreli: home}}\n")
    (tmp_path / "profile.yaml").write_text(server + ", profile: hapy}\n")
    (tmp_path / "mappings.yaml").write_text("mappings: [nowhere]\n")
    (tmp_path / "memory.yaml").write_text(CONFIGURED + "store: 'sqlite:///:memory:'\n")
    (tmp_path / "none.yaml").write_text("timezone: UTC")
    (tmp_path / "x").mkdir()
    (tmp_path / "x" / "x.json").write_text("{}")
    code, _, err = fhirbridge(*arguments.split())
    assert code == 2
    assert said in err
    assert "Traceback" not in err
    assert "defect" not in err


def test_a_doctor_without_a_configuration_says_who_writes_one(fhirbridge: Call) -> None:
    code, out, _ = fhirbridge("doctor")
    assert code == 0
    assert "`fhirbridge init` writes one" in out
    code, out, _ = fhirbridge("doctor", "--config", "no.yaml")
    assert code == 1
    assert "no.yaml: there is no such file; name the configuration with --config FILE" in out


def test_a_configuration_that_can_be_used_is_told_to_machines_too(fhirbridge: Call) -> None:
    code, out, _ = fhirbridge("config", "check", "--format", "json")
    assert (code, jsonio.loads(out)) == (0, {"usable": True})


def test_the_version(fhirbridge: Call) -> None:
    assert fhirbridge("--version") == (0, f"fhirbridge {version('fhirbridge')}\n", "")


def test_interrupted_while_it_is_loaded() -> None:
    """No traceback: Ctrl-C in the first second is Ctrl-C."""
    program = """
import sys
class Interrupted:
    def find_spec(self, name, *_):
        if name == "fhirbridge.cli.serving":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupted())
from fhirbridge.cli import main
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (130, "")


def test_without_a_command_the_help_is_shown(fhirbridge: Call) -> None:
    code, _, err = fhirbridge()
    assert code == 2
    assert "Commands:" in err


# --- interrupted


def test_an_interrupted_sweep_is_told_and_nothing_is_lost(
    fhirbridge: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C while the second of three persons is read: the next sweep does the rest."""
    estate = Estate(tmp_path)
    people(estate)
    for n in (1, 2, 3):
        estate.put("ehr", patient(f"q-{n}", mrn=f"9{n}"), tell=False)
        estate.put("ehr", order(f"o-{n}", who=f"q-{n}"), tell=False)
        estate.put("ehr", visit(f"v-{n}", who=f"q-{n}"), tell=False)
    ehr, reads = estate.servers["ehr"], []

    def around(request: httpx.Request, go: Any) -> httpx.Response:
        if "_revinclude" in (str(request.url) + request.read().decode()):
            reads.append(1)
            if len(reads) == 2:
                raise KeyboardInterrupt
        answer: httpx.Response = go(request)
        return answer

    ehr.around = around
    monkeypatch.setattr(working, "bridge", _once(estate))
    code, _, err = fhirbridge("sweep")
    assert code == 130
    assert "interrupted; nothing is lost" in err
    assert len(reads) == 2
    before = {task["for"]["reference"] for task in estate.tasks()}

    ehr.around = lambda request, go: go(request)
    estate.later(minutes=4)  # the lease of what was begun ends
    after = {task["for"]["reference"] for task in estate.tasks()}
    assert after == {f"Patient/q-{n}" for n in (1, 2, 3)}
    assert before < after
    estate.close()


def test_interrupted_reconciling_tells_what_was_done(
    fhirbridge: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    estate = Estate(tmp_path)
    people(estate)
    estate.put("ehr", order(), tell=False)
    ehr = estate.servers["ehr"]

    def around(request: httpx.Request, go: Any) -> httpx.Response:
        if "p-2" in (str(request.url) + request.read().decode()):
            raise KeyboardInterrupt
        answer: httpx.Response = go(request)
        return answer

    ehr.around = around
    monkeypatch.setattr(working, "bridge", _once(estate))
    code, out, err = fhirbridge("reconcile", "p-1", "p-2", "p-3", "--format", "json")
    assert code == 130
    assert "interrupted; nothing is lost" in err
    assert [each["patient"] for each in jsonio.loads(out)] == ["ehr:Patient/p-1"]
    assert estate.tasks()
    estate.close()


def _once(estate: Estate) -> Any:
    from contextlib import nullcontext

    return lambda _config: nullcontext((estate.settings, estate.bridge))


def test_an_interrupted_audit_leaves_nothing_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    """It writes only its own index, and takes it away."""
    closed: list[Shelf] = []
    close = Shelf.close

    def noted(shelf: Shelf) -> None:
        closed.append(shelf)
        close(shelf)

    monkeypatch.setattr(Shelf, "close", noted)
    site = Settings()
    now = wiring.now()
    decider = wiring.decider(site, wiring.formulary(site), {}, today=now.date())
    audit = Audit(decider, wiring.words(site))

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        audit.over(exports([str(fixtures() / "a-short-dispense")]), now, interrupt)
    assert len(closed) == 1
