"""The tutorial, line by line: what the page shows is what comes. SERVER=hapi: on a real HAPI."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest

from .shell import DEADLINE, ROOT, Block, Shell, blocks, free_port, shows, until

PAGE = ROOT / "docs" / "tutorial.md"
#: What a test does otherwise: the environment is there already.
_MADE = ("make ", "export PATH")
_SERVER = "fhirbridge sandbox"
_READY = "curl -sf http://127.0.0.1:8080/fhir/metadata"


def test_the_tutorial(tmp_path: Path, page_port: str) -> None:
    played = 0
    with Shell(tmp_path, {"8080": page_port, "8000": str(free_port())}) as at:
        for block in blocks(PAGE):
            output = play(at, block)
            end = time.monotonic() + DEADLINE
            # Notifications and Subscriptions take their time: what only looks is looked at again.
            while shows(output, block.shown) and looks_only(block):
                assert time.monotonic() < end, (block, output)
                time.sleep(0.3)
                output = play(at, block)
            assert shows(output, block.shown) == [], (block, output)
            played += 1
        log = at.jobs()
    assert played >= 12
    assert "Traceback" not in log


def play(at: Shell, block: Block) -> str:
    """Everything that a block prints. Each of its lines has to end well."""
    said = []
    for line in block.lines():
        if line.startswith(_MADE):
            continue
        if line.startswith(_SERVER):
            if os.environ.get("SERVER") != "hapi":
                at.run(line)
            until("the server answers", lambda: at.run(_READY).code == 0)
            continue
        done = at.run(line)
        assert done.code == 0, (line, done.out)
        said.append(done.out)
    return "".join(said)


def looks_only(block: Block) -> bool:
    return block.commands.startswith(
        (
            "fhirbridge subscriptions list",
            "fhirbridge doctor",
            "curl",
            "fhirbridge reconcile first --dry",
        )
    )


@pytest.mark.parametrize(
    ("output", "page", "missing"),
    [
        ("a b c", "a…c", []),
        ("a b c", "a…d\nb", ["a…d"]),
        ("", "x", ["x"]),
        ("at 2026-11-26T18:00:00+00:00", "at 2026-11-23T08:16:13+00:00", []),
        ("at noon", "at 2026-11-23", ["at 2026-11-23"]),
    ],
)
def test_what_is_shown_is_compared(output: str, page: str, missing: list[str]) -> None:
    assert shows(output, page) == missing
