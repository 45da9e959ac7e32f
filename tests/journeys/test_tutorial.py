"""The tutorial, command by command: what the page shows is what comes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from .test_first_task import free_port, until

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"```sh\n(.*?)```\n(?:```\n(.*?)```\n)?", re.S)
#: What a test does otherwise: the environment is there, and programs are ended with the test.
MADE, ENDED = "make demo", "kill %1 %2\n"
DEADLINE = 180.0


def blocks() -> list[tuple[str, str]]:
    """(commands, output) in their order."""
    return _BLOCK.findall(PAGE.read_text("utf-8"))


@contextmanager
def shell(folder: Path, ports: dict[str, str]) -> Iterator[Shell]:
    made = Shell(folder, ports)
    try:
        yield made
    finally:
        made.close()


class Shell:
    """Runs blocks in a folder, on ports of its own."""

    def __init__(self, folder: Path, ports: dict[str, str]) -> None:
        self.folder, self.ports = folder, ports
        self.path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.kept: list[subprocess.Popen[bytes]] = []

    def text(self, command: str) -> str:
        for port, own in self.ports.items():
            command = command.replace(port, own)
        return command.replace("../docs/", f"{ROOT}/docs/")

    def stay(self, command: str) -> None:
        with (self.folder / "log").open("ab") as log:
            self.kept.append(
                subprocess.Popen(
                    ["bash", "-c", f"exec {self.text(command)}"],
                    cwd=self.folder,
                    env={**os.environ, "PATH": self.path},
                    stdout=log,
                    stderr=log,
                )
            )

    def run(self, command: str) -> str:
        done = subprocess.run(
            ["bash", "-ec", self.text(command)],
            cwd=self.folder,
            env={**os.environ, "PATH": self.path},
            capture_output=True,
            text=True,
            timeout=DEADLINE,
        )
        return done.stdout if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"

    def close(self) -> None:
        for process in reversed(self.kept):
            process.send_signal(signal.SIGTERM)
        for process in self.kept:
            process.wait(20)


def shows(output: str, page: str) -> list[str]:
    """The lines of the page that are not in the output; “…” stands for anything."""
    missing = []
    for line in filter(None, (each.strip() for each in page.splitlines())):
        pattern = ".*".join(map(re.escape, line.split("…")))
        if not re.search(pattern, output):
            missing.append(line)
    return missing


def test_the_tutorial(tmp_path: Path) -> None:
    played = 0
    with shell(tmp_path, {"8080": str(free_port()), "8000": str(free_port())}) as at:
        for commands, page in blocks():
            if commands.startswith(MADE):
                continue
            commands = commands.replace(ENDED, "")
            if commands.rstrip().endswith("&"):
                at.stay(commands.rstrip().removesuffix("&"))
                if "sandbox" in commands:
                    until("the server answers", lambda: "exit" not in at.run(READY))
                continue
            output = at.run(commands)
            end = time.monotonic() + DEADLINE
            # Notifications and Subscriptions take their time: what only looks is looked at again.
            while (shows(output, page) or output.startswith("exit")) and looks_only(commands):
                assert time.monotonic() < end, (commands, output, shows(output, page))
                time.sleep(0.3)
                output = at.run(commands)
            assert not output.startswith("exit"), (commands, output)
            assert shows(output, page) == [], (commands, output)
            played += 1
    assert played >= 10


READY = "curl -sf http://127.0.0.1:8080/fhir/metadata"


def looks_only(commands: str) -> bool:
    return commands.startswith(("fhirbridge subscriptions list", "fhirbridge doctor", "curl"))


@pytest.mark.parametrize(
    ("output", "page", "missing"),
    [("a b c", "a…c", []), ("a b c", "a…d\nb", ["a…d"]), ("", "x", ["x"])],
)
def test_what_is_shown_is_compared(output: str, page: str, missing: list[str]) -> None:
    assert shows(output, page) == missing
