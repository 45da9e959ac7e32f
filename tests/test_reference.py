"""The reference is what the program says of itself, and completion works in each shell."""

from __future__ import annotations

import importlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

reference: Any = importlib.import_module("scripts.reference")
COMMAND = [str(Path(sys.executable).parent / "fhirbridge")]


@pytest.mark.parametrize("name", ["commands.md", "configuration.md", "metrics.md"])
def test_the_reference_is_current(name: str) -> None:
    written = (reference.FOLDER / name).read_text("utf-8")
    assert written == reference.pages()[name], "run: python scripts/reference.py"


def test_every_key_is_explained() -> None:
    rows = [row for row in reference.configuration().splitlines() if row.startswith("| `")]
    assert len(rows) > 40
    assert not [row for row in rows if row.endswith("|  |")], "say it in scripts/reference.py"


def answer(cwd: Path, **environment: str) -> str:
    """What the program answers to a shell that completes."""
    return subprocess.run(
        COMMAND,
        cwd=cwd,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=60,
    ).stdout


@pytest.mark.parametrize(
    ("shell", "asked"),
    [
        ("bash", {"COMP_WORDS": "fhirbridge sub", "COMP_CWORD": "1"}),
        ("zsh", {"_TYPER_COMPLETE_ARGS": "fhirbridge sub"}),
        (
            "fish",
            {"_TYPER_COMPLETE_ARGS": "fhirbridge sub", "_TYPER_COMPLETE_FISH_ACTION": "get-args"},
        ),
    ],
)
def test_a_shell_completes(shell: str, asked: dict[str, str], tmp_path: Path) -> None:
    script = answer(tmp_path, _FHIRBRIDGE_COMPLETE=f"source_{shell}")
    assert "fhirbridge" in script
    assert "subscriptions" in answer(tmp_path, _FHIRBRIDGE_COMPLETE=f"complete_{shell}", **asked)
