"""The first hour on embedded servers: init, doctor, a patient, a case recorded and replayed."""

from __future__ import annotations

import socket
import subprocess
import sys
from contextlib import ExitStack
from functools import partial
from pathlib import Path

import httpx

from fhirbridge.fhir import jsonio

from .test_first_task import COMMAND, PAGE, free_port, run, running, until


def answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def test_from_nothing_to_a_case_that_can_be_given_away(tmp_path: Path) -> None:
    ehr, pharmacy, gone = free_port(), free_port(), free_port()
    with ExitStack() as stack:
        for port in (ehr, pharmacy):
            (tmp_path / str(port)).mkdir()
            stack.enter_context(running(tmp_path / str(port), "sandbox", "--port", str(port)))
            until("the server answers", partial(answers, port))
        said = run(
            tmp_path,
            *("init", "--instance", "first-hour", "--timezone", "America/New_York"),
            *("--server", f"ehr=http://127.0.0.1:{ehr}/fhir"),
            *("--server", f"pharmacy=http://127.0.0.1:{pharmacy}/fhir"),
            *("--public-url", f"http://127.0.0.1:{gone}"),
        )
        assert "fhirbridge doctor" in said
        config = (tmp_path / "fhirbridge.yaml").read_text("utf-8")
        assert "holds: [dispenses]" in config
        assert "authorizations, coverage" in config  # nobody else has them
        assert "write: shadow" in config
        run(tmp_path, "config", "check")
        run(tmp_path, "doctor")

        subprocess.run(
            [sys.executable, str(PAGE / "send.py"), f"http://127.0.0.1:{ehr}/fhir", "chart.json"],
            check=True,
        )
        done = subprocess.run(
            [*COMMAND, "record", "first", "-o", "case.json"],
            cwd=tmp_path, capture_output=True, text=True, timeout=60,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        assert "Decided again, it comes out the same" in done.stderr
        assert not httpx.get(f"http://127.0.0.1:{ehr}/fhir/Task").json().get("entry")

    # The servers are gone: the file is enough.
    assert "the same as was recorded" in run(tmp_path, "replay", "case.json", "--explain")
    text = (tmp_path / "case.json").read_text("utf-8")
    assert "first-hour" not in text
    assert f":{ehr}" not in text
    kinds = {r["resourceType"] for r in jsonio.loads(text)["sources"]["ehr"]["resources"]}
    assert {"Patient", "MedicationRequest"} <= kinds


def test_a_server_that_is_not_there_does_not_keep_one_from_beginning(tmp_path: Path) -> None:
    done = subprocess.run(
        [*COMMAND, "init", "--server", f"ehr=http://127.0.0.1:{free_port()}/fhir"],
        cwd=tmp_path, capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "nobody listens there" in done.stderr or "refused" in done.stderr, done.stderr
    assert "# not seen yet: ehr:" in (tmp_path / "fhirbridge.yaml").read_text("utf-8")
    run(tmp_path, "config", "check")
