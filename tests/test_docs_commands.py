"""Every command in the documents is one that exists, with options that it takes.

Blocks of shell and spans that begin with `fhirbridge` or `make` are read by the programs' own
parsers. Nothing is passed over: a line whose program is not known here fails. The tutorial and the
README's pages are run besides (`tests/journeys`).
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.exceptions import TyperException
from typer.main import get_command

from fhirbridge.cli.main import app

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md"), *ROOT.glob("*/README.md")])
_BLOCK = re.compile(r"```sh\n(.*?)```", re.S)
_SPAN = re.compile(r"(?<!`)`((?:fhirbridge|make) [a-z][^`\n]*)`")
#: A command that is only spoken of: it has to be there.
_NAMED = re.compile(r"fhirbridge [a-z]+")
_ASSIGNED = re.compile(r"[A-Z_]+=\S*")
#: What a command raises that is called wrongly.
WRONG = TyperException
#: Programs of others, whose options are not looked at.
OTHERS = frozenset(
    {"cat", "cd", "cp", "curl", "docker", "export", "kill", "mkdir", "psql", "systemctl"}
)
MAKEFILE = (ROOT / "Makefile").read_text("utf-8")
TARGETS = frozenset(re.findall(r"^([a-z-]+):", MAKEFILE, re.M))
COMMANDS: dict[str, Any] = get_command(app).commands  # type: ignore[attr-defined]  # typer says Command


def lines(page: Path) -> Iterator[str]:
    text = page.read_text("utf-8")
    for block in _BLOCK.findall(text):
        yield from filter(None, block.replace("\\\n", " ").splitlines())
    if page.name != "CHANGELOG.md":  # it tells of what was, too
        for span in _SPAN.findall(text):
            # Of several choices the first; what may be left out is there.
            said = span.partition(r" \|")[0].replace("[", "").replace("]", "")
            yield f"{said} --help" if _NAMED.fullmatch(said) else said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_every_command_is_there(page: Path) -> None:
    wrong = [f"{line}: {why}" for line in lines(page) if (why := complaint(line))]
    assert not wrong, "\n".join(wrong)


def complaint(line: str) -> str | None:
    """What is wrong with a line of shell; None where nothing is."""
    words = shlex.split(line, comments=True)
    for command in _split(words):
        while command and _ASSIGNED.fullmatch(command[0]):
            command = command[1:]
        if command and (why := _wrong(command)):
            return why
    return None


def _split(words: list[str]) -> Iterator[list[str]]:
    """The commands of a line: between &&, | and &, without redirections."""
    command: list[str] = []
    for word in words:
        if word in ("&&", "||", "|", "&", ";"):
            yield command
            command = []
        else:
            command.append(word)
    yield command[: command.index(">")] if ">" in command else command


def _wrong(command: list[str]) -> str | None:
    program = command[0].rpartition("/")[2]
    if program == "fhirbridge":
        return _ours(command[1:])
    if program == "make":
        targets = [each for each in command[1:] if "=" not in each]
        return next((f"there is no target {each}" for each in targets if each not in TARGETS), None)
    if program in ("python", "python3", "pytest"):
        paths = [each for each in command[1:] if "/" in each and "://" not in each]
        gone = [each for each in paths if not (ROOT / each.removeprefix("../")).exists()]
        return f"there is no {gone[0]}" if gone else None
    return None if program in OTHERS else f"{program} is not known here: add it, or mend the page"


def _ours(arguments: list[str]) -> str | None:
    if not arguments or arguments[0] in ("--help", "--install-completion", "COMMAND"):
        return None
    name, *given = arguments
    if name not in COMMANDS:
        return f"there is no command {name}"
    if "--help" in given:
        return None
    try:
        COMMANDS[name].make_context(name, list(given))
    except WRONG as error:
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return None


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("fhirbridge parked dropp", "BadParameter"),
        ("fhirbridge sweep --fulll", "NoSuchOption"),
        ("fhirbridge record p-7", "MissingParameter"),
        ("fhirbridge nothing", "no command nothing"),
        ("make nothing", "no target nothing"),
        ("X=1 python scripts/nothing.py", "no scripts/nothing.py"),
        ("rm -rf /", "rm is not known here"),
        ("cat x | frobnicate", "frobnicate is not known here"),
    ],
)
def test_what_is_wrong_is_noticed(line: str, said: str) -> None:
    assert said in str(complaint(line))


def test_pages_are_read() -> None:
    assert sum(1 for page in PAGES for _ in lines(page)) > 80
