"""The README, line by line: the audit of files, and from zero to a Task on a server.

SERVER=hapi: on a real HAPI, as the page says.
"""

from __future__ import annotations

import os
import time
from functools import partial
from pathlib import Path

import httpx

from fhirbridge.fhir import jsonio

from .shell import DEADLINE, ROOT, Shell, blocks, free_port, shows, until

PAGE = ROOT / "README.md"
#: Run by steps of `make check` of their own, or of no use here: the environment is there.
_ELSEWHERE = ("make demo", "make test", "export PATH")
#: What a line of the page brings about: the Tasks by rule and status.
_OPEN = {"occasion": "requested", "dispense-missing": "requested"}
_HALF = _OPEN | {"dispense-missing": "completed", "dispense-short": "requested"}
_DONE = dict.fromkeys(_HALF, "completed")
BRINGS = {"chart.json": _OPEN, "dispense.json": _HALF, "balance.json": _DONE}


def test_the_readme(tmp_path: Path, page_port: str) -> None:
    base = f"http://127.0.0.1:{page_port}/fhir"

    def tasks() -> dict[str, str]:
        """Status by rule."""
        found = httpx.get(f"{base}/Task?patient=first", headers={"Cache-Control": "no-cache"})
        return {
            each["resource"]["reasonCode"]["coding"][0]["code"]: each["resource"]["status"]
            for each in jsonio.loads(found.content).get("entry", [])
        }

    def stand(wanted: dict[str, str]) -> bool:
        return tasks() == wanted

    brought = []
    with Shell(tmp_path, {"8080": page_port, "8000": str(free_port())}) as at:
        for block in blocks(PAGE):
            said = ""
            for line in block.lines():
                if line.startswith(_ELSEWHERE):
                    continue
                if "doctor" in line and os.environ.get("SERVER") != "hapi":
                    at.run("fhirbridge sandbox --port 8080 &")
                    until("the server answers", lambda: answers(base))
                said += settled(at, line)
                name = line.partition("#")[0].split()[-1]
                if "send.py" in line:
                    until(f"the Tasks that {name} brings", partial(stand, BRINGS[name]))
                    brought.append(name)
            assert shows(said, at.here(block.shown)) == [], said
        at.run("fhirbridge subscriptions remove")
        log = at.jobs()
    assert brought == list(BRINGS)
    assert "Traceback" not in log


def settled(at: Shell, line: str) -> str:
    """What a line prints in the end: Subscriptions take some seconds."""
    done, end = at.run(line), time.monotonic() + DEADLINE
    while "subscriptions list" in line and not all_active(done.out):
        assert time.monotonic() < end, done
        time.sleep(0.3)
        done = at.run(line)
    findings = 1 if "fhirbridge audit" in line else 0  # as docs/how-to/audit-an-export.md says
    assert done.code == findings, (line, done.out)
    return done.out


def all_active(listed: str) -> bool:
    """“After some seconds all twelve are active.”"""
    return listed.count(" active ") == 12


def answers(base: str) -> bool:
    try:
        return httpx.get(f"{base}/metadata").is_success
    except httpx.HTTPError:
        return False
