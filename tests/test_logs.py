"""Events of the log: fixed names, all of them documented, one line each for people and machines."""

from __future__ import annotations

import ast
import io
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge import logs
from fhirbridge.fhir import jsonio
from fhirbridge.logs import Log

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "reference" / "logs.md").read_text("utf-8")
#: The embedded server is not ours, and logs as any server does.
_MODULES = [
    path
    for path in sorted((ROOT / "src" / "fhirbridge").rglob("*.py"))
    if "sandbox" not in path.parts and path.name != "logs.py"
]


def calls() -> Iterator[tuple[str, str, ast.Call]]:
    """Every `log.…(…)`, with its place and its event; a name that is no literal is none."""
    for path in _MODULES:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            match node:
                case ast.Call(
                    func=ast.Attribute(value=ast.Name(id="log"), attr=level),
                    args=[ast.Constant(value=str(event))],
                ) if level in {"info", "warning", "error"}:
                    yield f"{path.name}:{node.lineno}", event, node
                case ast.Call(func=ast.Attribute(value=ast.Name(id="log"), attr=level)):
                    yield f"{path.name}:{node.lineno}", "", node


def test_names_are_literals_and_what_is_particular_stands_in_fields() -> None:
    for place, event, _ in calls():
        assert re.fullmatch(r"[a-z]+(_[a-z]+)+", event), place


def test_nobody_logs_past_it() -> None:
    for path in _MODULES:
        text = path.read_text("utf-8")
        for made in re.findall(r"^log = .*$", text, re.M):
            assert re.fullmatch(r'log = Log\("fhirbridge(\.[a-z]+)*"\)', made), path.name
        others = re.findall(r"logging\.getLogger\([^)]*\)\.(\w+)", text)
        assert set(others) <= {"setLevel"}, path.name


def test_every_event_is_documented_with_its_fields() -> None:
    rows = re.findall(r"^\| `(\w+)` \| ([^|]*) \| ([^|]*)\|", PAGE, re.M)
    documented = {event: set(re.findall(r"\w+", fields)) - {"or"} for event, _, fields in rows}
    told: dict[str, set[str]] = {}
    for _, event, call in calls():
        fields = {each.arg for each in call.keywords if each.arg}
        told.setdefault(event, set()).update(fields)
    assert told.keys() == documented.keys()
    for name, given in told.items():
        assert given <= documented[name], name
    assert [row[0] for row in rows] == sorted(documented)


@pytest.fixture
def root() -> Iterator[None]:
    """Logging as it was before."""
    mine, ours = logging.getLogger(), logging.getLogger("fhirbridge")
    before = mine.handlers[:], mine.level, ours.level
    yield
    mine.handlers[:], mine.level, ours.level = before


def lines(form: logs.Form) -> list[str]:
    out = io.StringIO()
    logs.set_up(stream=out, form=form)
    Log("fhirbridge.test").warning(
        "work_failed", subject="ehr:Patient/p-7", error='a "b"\nc', n=3, none=None
    )
    logging.getLogger("alembic").warning("some %s", "words")
    try:
        raise ValueError("Amber Canary")
    except ValueError:
        logging.getLogger("alembic").exception("it broke")
    return out.getvalue().splitlines()


@pytest.mark.usefixtures("root")
def test_for_people() -> None:
    ours, other, broke = lines("text")
    assert ours.endswith(
        r'fhirbridge.test: work_failed subject=ehr:Patient/p-7 error="a \"b\"\nc" n=3'
    )
    assert other.endswith("alembic: some words")
    assert "Canary" not in broke
    assert "[ValueError at test_logs.py:" in broke


@pytest.mark.usefixtures("root")
def test_for_machines() -> None:
    ours, other, broke = map(jsonio.loads, lines("json"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{3}\+00:00", ours.pop("at"))
    assert ours == {
        "level": "warning",
        "logger": "fhirbridge.test",
        "event": "work_failed",
        "subject": "ehr:Patient/p-7",
        "error": 'a "b"\nc',
        "n": 3,
    }
    assert (other["event"], other["message"]) == ("library", "some words")
    assert broke["error"].startswith("ValueError at test_logs.py:")
    assert "Canary" not in str(broke)
