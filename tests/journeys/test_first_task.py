"""The README's page "from zero to a written Task", command by command, on an embedded server."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx

from fhirbridge.fhir import jsonio

PAGE = Path(__file__).parents[2] / "docs" / "first-task"
DEADLINE = 60.0
COMMAND = [sys.executable, "-c", "from fhirbridge.cli import main; main()"]


def free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(what: str, is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < end, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.1)


@contextmanager
def running(folder: Path, *arguments: str) -> Iterator[None]:
    """A command that stays, ended afterwards."""
    with (folder / f"{arguments[0]}.log").open("wb") as log:
        process = subprocess.Popen([*COMMAND, *arguments], cwd=folder, stdout=log, stderr=log)
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def run(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        [*COMMAND, *arguments], cwd=folder, capture_output=True, text=True, timeout=DEADLINE
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page(tmp_path: Path) -> None:
    fhir, door = free_port(), free_port()
    base = f"http://127.0.0.1:{fhir}/fhir"
    config = (PAGE / "fhirbridge.yaml").read_text("utf-8")
    config = config.replace(":8080", f":{fhir}").replace(":8000", f":{door}")
    (tmp_path / "fhirbridge.yaml").write_text(config, "utf-8")

    def answers() -> bool:
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", fhir)) == 0

    def active() -> bool:
        return run(tmp_path, "subscriptions", "list").count(" active ") == 12

    def tasks() -> dict[str, str]:
        """Status by rule."""
        found = httpx.get(f"{base}/Task?patient=first", headers={"Cache-Control": "no-cache"})
        entries = jsonio.loads(found.content).get("entry", [])
        return {
            each["resource"]["reasonCode"]["coding"][0]["code"]: each["resource"]["status"]
            for each in entries
        }

    def send(name: str) -> None:
        subprocess.run([sys.executable, str(PAGE / "send.py"), base, name], check=True)

    with ExitStack() as stack:
        stack.enter_context(running(tmp_path, "sandbox", "--port", str(fhir)))
        until("the server answers", answers)
        run(tmp_path, "doctor")
        stack.enter_context(running(tmp_path, "serve", "--port", str(door)))
        until("all Subscriptions are active", active)

        send("chart.json")
        wanted = {"occasion": "requested", "dispense-missing": "requested"}
        until("a Task about what is not dispensed", lambda: tasks() == wanted)
        assert "dispense-missing" in run(tmp_path, "reconcile", "first", "--dry-run", "--explain")

        send("dispense.json")
        wanted |= {"dispense-missing": "completed", "dispense-short": "requested"}
        until("a Task about half of it", lambda: tasks() == wanted)

        send("balance.json")
        until("nothing open", lambda: set(tasks().values()) == {"completed"})
    assert "Traceback" not in (tmp_path / "serve.log").read_text("utf-8")
