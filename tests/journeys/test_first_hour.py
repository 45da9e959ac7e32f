"""The first hour: init, doctor, a patient, a case recorded and replayed.

SERVER=hapi: the EHR is a real HAPI, the pharmacy an embedded server.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

import httpx

from fhirbridge.fhir import jsonio

from .shell import Done, Shell, free_port, until
from .test_first_task import answers


def test_from_nothing_to_a_case_that_can_be_given_away(tmp_path: Path, page_port: str) -> None:
    pharmacy, gone = free_port(), free_port()
    base = f"http://127.0.0.1:{page_port}/fhir"
    with Shell(tmp_path, {}) as at:

        def well(line: str) -> Done:
            done = at.run(line)
            assert done.code == 0, (line, done.out)
            return done

        started = [pharmacy] if os.environ.get("SERVER") == "hapi" else [pharmacy, page_port]
        for port in started:
            at.run(f"fhirbridge sandbox --port {port} &")
        for port in (pharmacy, page_port):
            until("the server answers", partial(answers, f"http://127.0.0.1:{port}/fhir"))
        said = well(
            "fhirbridge init --instance first-hour --timezone America/New_York"
            f" --server ehr={base} --server pharmacy=http://127.0.0.1:{pharmacy}/fhir"
            f" --public-url http://127.0.0.1:{gone}"
        ).out
        assert "fhirbridge doctor" in said
        config = (tmp_path / "fhirbridge.yaml").read_text("utf-8")
        assert "holds: [dispenses]" in config
        assert "authorizations, coverage" in config  # nobody else has them
        assert "write: shadow" in config
        well("fhirbridge config check")
        well("fhirbridge doctor")

        well(f"python3 docs/first-task/send.py {base} chart.json")
        done = well("fhirbridge record first -o case.json")
        assert "Decided again, it comes out the same" in done.out
        assert not jsonio.loads(httpx.get(f"{base}/Task?patient=first").content).get("entry")

    with Shell(tmp_path / "case", {}) as elsewhere:  # the servers are gone: the file is enough
        done = elsewhere.run("fhirbridge replay ../case.json --explain")
    assert (done.code, "the same as was recorded" in done.out) == (0, True), done.out
    text = (tmp_path / "case.json").read_text("utf-8")
    assert "first-hour" not in text
    assert f":{page_port}" not in text
    kinds = {r["resourceType"] for r in jsonio.loads(text)["sources"]["ehr"]["resources"]}
    assert {"Patient", "MedicationRequest"} <= kinds


def test_a_server_that_is_not_there_does_not_keep_one_from_beginning(tmp_path: Path) -> None:
    with Shell(tmp_path, {}) as at:
        done = at.run(f"fhirbridge init --server ehr=http://127.0.0.1:{free_port()}/fhir")
        assert done.code == 0, done.out
        assert "nobody listens there" in done.out or "refused" in done.out, done.out
        assert "# not seen yet: read the Cap" in (tmp_path / "fhirbridge.yaml").read_text("utf-8")
        assert at.run("fhirbridge config check").code == 0
