"""`serve` and `sandbox` where somebody listens already, and where they are told to end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from fhirbridge.fhir import jsonio
from tests.journeys.shell import until
from tests.operate.fakes import silent

_PROGRAM = "from fhirbridge.cli import main; main()"


@pytest.mark.parametrize("command", ["serve", "sandbox"])
def test_a_port_that_is_taken(command: str, tmp_path: Path) -> None:
    server = {"base_url": "http://127.0.0.1:9/fhir", "holds": ["worklist"]}
    (tmp_path / "fhirbridge.yaml").write_bytes(jsonio.dumps({"servers": {"ehr": server}}))
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done = subprocess.run(
            [sys.executable, "-c", _PROGRAM, command, "--port", str(port)],
            cwd=tmp_path,
            capture_output=True,
            text=True,
        )
    assert done.returncode == 2
    assert done.stderr == (
        f"fhirbridge: cannot listen at 127.0.0.1:{port}: another program listens there: end it, or"
        " name another with --port\n"
    )


def test_a_service_that_waits_for_a_server_can_be_ended_at_once(tmp_path: Path) -> None:
    """It says that it sees through what is under way; told again, it does not."""
    with silent() as (url, asked):
        server = {"base_url": url, "holds": ["worklist"], "timeout_seconds": 600}
        (tmp_path / "fhirbridge.yaml").write_bytes(jsonio.dumps({"servers": {"ehr": server}}))
        log = tmp_path / "log"
        with (
            log.open("w") as stream,
            subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, "serve", "--port", "0"],
                cwd=tmp_path,
                stderr=stream,
            ) as process,
        ):
            try:
                until("it asks", lambda: bool(asked))
                process.send_signal(signal.SIGINT)
                until("it says so", lambda: "ending: what is under way" in log.read_text())
                process.send_signal(signal.SIGINT)
                assert process.wait(20) == 130
            finally:
                process.kill()
