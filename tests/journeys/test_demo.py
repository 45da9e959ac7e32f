"""`fhirbridge demo` as a person or a script starts it."""

from __future__ import annotations

import io
import resource
import shutil
import subprocess
import sys
from pathlib import Path

from fhirbridge.demo.run import run
from fhirbridge.fhir import jsonio
from fhirbridge.journeys.script import fixtures, journeys

COMMAND = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "demo"]


def test_the_demo_ends_well_within_30_seconds_wherever_it_is_started(tmp_path: Path) -> None:
    before = _used()
    done = subprocess.run(COMMAND, cwd=tmp_path, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert _used() - before < 30, "of one processor: others may be busy on this machine"
    assert "\x1b" not in done.stdout, "a pipe gets no colors"
    assert done.stderr == ""
    assert not list(tmp_path.iterdir())


def _used() -> float:
    """Seconds of processor time that child processes have used."""
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return children.ru_utime + children.ru_stime


def test_a_journey_that_ends_otherwise_is_shown_and_fails(tmp_path: Path) -> None:
    for name in ("common", "a-short-dispense"):
        shutil.copytree(fixtures() / name, tmp_path / name)
    script = tmp_path / "a-short-dispense" / "journey.yaml"
    script.write_text(script.read_text().replace("300 mg (1 vial) missing", "200 mg missing"))
    out = io.StringIO()
    assert not run(out, folder=tmp_path)
    assert "does not say “300 mg dispensed of 600 mg ordered" in " ".join(out.getvalue().split())


def test_for_machines_every_line_is_an_object(tmp_path: Path) -> None:
    shutil.copytree(fixtures() / "common", tmp_path / "common")
    shutil.copytree(fixtures() / "d-quiet-patient", tmp_path / "d-quiet-patient")
    out = io.StringIO()
    assert run(out, machine=True, folder=tmp_path)
    events = [jsonio.loads(line) for line in out.getvalue().splitlines()]
    assert [events[0]["event"], events[-1]["event"]] == ["began", "ended"]
    assert events[-1]["ok"]
    ledger = next(event for event in events if event["event"] == "ledger")
    assert ledger["ordered"] == ledger["authorized"] == ledger["dispensed"] == "600 mg"
    assert not {event["event"] for event in events} & {"written", "told", "differs"}


def test_no_patient_is_named_in_what_is_told(tmp_path: Path) -> None:
    shutil.copytree(fixtures() / "common", tmp_path / "common")
    shutil.copytree(fixtures() / "a-short-dispense", tmp_path / "a-short-dispense")
    out = io.StringIO()
    run(out, machine=True, folder=tmp_path)
    for _, record in journeys(tmp_path)[0].records():
        if record["resourceType"] == "Patient":
            said = [record["birthDate"], record["name"][0]["family"]]
            said += [identifier["value"] for identifier in record["identifier"]]
            assert not [word for word in said if word in out.getvalue()]
