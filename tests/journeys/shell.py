"""One bash, as somebody sits before it who types a page, line by line.

    with Shell(folder, {"8080": "41234"}) as at:
        at.run("mkdir try-out && cd try-out")  # folder, variables and jobs stay from line to line
        at.run("fhirbridge serve &")
        assert at.run("fhirbridge doctor").code == 0

Ports of the page are replaced by free ones. `docs/first-task`, `fixtures`, `mappings` and `.venv`
lie in the folder as they lie in the repository.
"""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple, Self

ROOT = Path(__file__).parents[2]
DEADLINE = 120.0
_BLOCK = re.compile(r"```sh\n(.*?)```\n(?:```(?:yaml)?\n(.*?)```\n)?", re.S)
_MOMENT = re.compile(r"\d{4}-\d\d-\d\d(?:T[\d:]+)?")
#: Patterns are matched within what was printed: escaped as `re.escape` leaves them.
_ANYTHING = ".*"


class Done(NamedTuple):
    """What a line printed, to both streams, and how it ended."""

    code: int
    out: str


class Block(NamedTuple):
    """A block of shell on a page, and what the page shows as its output."""

    commands: str
    shown: str

    def lines(self) -> list[str]:
        return [each for each in self.commands.replace("\\\n", " ").splitlines() if each.strip()]


def blocks(page: Path) -> list[Block]:
    """The blocks of a page in their order."""
    return [Block(*found) for found in _BLOCK.findall(page.read_text("utf-8"))]


def shows(output: str, page: str) -> list[str]:
    """The lines of the page that are not in the output. “…” stands for anything, a moment for any
    other."""
    missing = []
    for line in filter(None, (each.strip() for each in page.splitlines())):
        parts = (_MOMENT.split(part) for part in line.split("…"))
        pattern = _ANYTHING.join("[-0-9T:]+".join(map(re.escape, part)) for part in parts)
        if not re.search(pattern, output):
            missing.append(line)
    return missing


class Shell:
    """Runs lines in a folder that looks like the repository, on ports of its own."""

    def __init__(self, folder: Path, ports: Mapping[str, str]) -> None:
        self.folder, self._ports, self._number = folder, ports, 0
        self._kept = folder / ".shell"
        self._kept.mkdir(parents=True)
        for name in ("fixtures", "mappings"):
            (folder / name).symlink_to(ROOT / name)
        for page in (ROOT / "docs" / "first-task").iterdir():  # a configuration names ports, too
            copy = folder / "docs" / "first-task" / page.name
            copy.parent.mkdir(parents=True, exist_ok=True)
            copy.write_text(self.here(page.read_text("utf-8")), "utf-8")
        environment = Path(sys.executable).parents[1]
        (folder / ".venv").symlink_to(environment)
        self._bash = subprocess.Popen(
            ["bash", "--norc"],
            cwd=folder,
            env={**os.environ, "PATH": f"{environment}/bin:{os.environ['PATH']}"},
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        """The shell ends, and its jobs before it."""
        self._type("kill -TERM $(jobs -p) 2>/dev/null; wait; exit 0")
        try:
            self._bash.wait(30)
        except subprocess.TimeoutExpired:
            os.killpg(self._bash.pid, signal.SIGKILL)
            self._bash.wait()
        assert self._bash.stdin
        self._bash.stdin.close()

    def run(self, line: str) -> Done:
        """Run a line, and wait for its end (not for that of a job in the background)."""
        self._number += 1
        out, code = (self._kept / f"{self._number}.{end}" for end in ("out", "code"))
        streams = f">{out} 2>&1 </dev/null"
        ends = f"echo $? >{code}.new; mv {code}.new {code}"
        self._type(f"{{ {self.here(line)}\n}} {streams}; {ends}")
        end = time.monotonic() + DEADLINE
        while not code.exists():
            assert self._bash.poll() is None, f"the shell has ended: {line}"
            assert time.monotonic() < end, f"not within {DEADLINE:g} s: {line}: {out.read_text()}"
            time.sleep(0.02)
        return Done(int(code.read_text()), out.read_text("utf-8"))

    def here(self, text: str) -> str:
        """A text of the page with the ports that are used here."""
        for port, own in self._ports.items():
            text = text.replace(f":{port}", f":{own}").replace(f"--port {port}", f"--port {own}")
        return text

    def jobs(self) -> str:
        """What the jobs in the background have printed so far."""
        return "".join(each.read_text("utf-8") for each in self._kept.glob("*.out"))

    def _type(self, text: str) -> None:
        assert self._bash.stdin
        self._bash.stdin.write(text + "\n")
        self._bash.stdin.flush()


def free_port() -> int:
    """A port that nobody listens at."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def until(what: str, is_so: Callable[[], bool]) -> None:
    """Wait for a condition; after `DEADLINE` seconds the test fails."""
    end = time.monotonic() + DEADLINE
    while not is_so():
        assert time.monotonic() < end, f"not within {DEADLINE:g} s: {what}"
        time.sleep(0.1)
