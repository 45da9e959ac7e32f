"""`fhirbridge doctor` as a process, and what it said."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from fhirbridge.fhir import jsonio

#: No capabilities are needed to begin with where users may have namespaces of their own.
NAMESPACES = ["--mount"] if os.geteuid() == 0 else ["--user", "--map-root-user", "--mount"]

_PROGRAM = "from fhirbridge.cli import main; main()"

#: A round trip that fails is said to fail after so many seconds.
IMPATIENT = """
from functools import partial
from fhirbridge.cli.doctor import round_trip
round_trip.round_trips.__kwdefaults__["wait"] = partial(round_trip.until, patience=15)
from fhirbridge.cli import main
main()
"""


class Doctor:
    """`fhirbridge doctor` in a folder of its own, as a process."""

    def __init__(self, folder: Path, within: Sequence[str] = (), program: str = _PROGRAM) -> None:
        self.folder, self._within, self._program = folder, within, program

    def __call__(
        self, base_url: str, *arguments: str, server: Any = None, env: Any = None, **more: Any
    ) -> list[dict[str, str]]:
        ehr = {"base_url": base_url, "holds": ["worklist"], "subscribe": "poll", **(server or {})}
        config = {"servers": {"ehr": ehr}, **more}
        path = self.folder / "fhirbridge.yaml"
        path.write_bytes(jsonio.dumps(config))
        command = [*self._within, sys.executable, "-c", self._program, "doctor"]
        done = subprocess.run(
            [*command, "--format", "json", *arguments],
            cwd=self.folder,
            env={"PATH": "/usr/bin:/bin", "HOME": str(self.folder), **(env or {})},
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.stdout, done.stderr
        signs: list[dict[str, str]] = jsonio.loads(done.stdout)
        failing = [sign for sign in signs if sign["state"] == "fails"]
        assert done.returncode == (1 if failing else 0), done.stderr
        assert all(sign["remedy"] for sign in failing)
        return signs


def failing(signs: list[dict[str, str]]) -> str:
    """All that fails, with its remedies, in one text."""
    return "\n".join(
        f"{sign['check']}: {sign['says']}; {sign['remedy']}"
        for sign in signs
        if sign["state"] == "fails"
    )


def noted(signs: list[dict[str, str]]) -> str:
    return "\n".join(f"{s['check']}: {s['says']}; {s['remedy']}" for s in signs)
