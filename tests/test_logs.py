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
from fhirbridge.logs import get_logger

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
                ) if level in {"debug", "info", "warning", "error"}:
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
            assert re.fullmatch(r'log = get_logger\("fhirbridge(\.[a-z]+)*"\)', made), path.name
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
    mine.handlers[:] = before[0]
    mine.setLevel(before[1])  # not by assignment: loggers remember what is enabled
    ours.setLevel(before[2])


def lines(form: logs.Form) -> list[str]:
    out = io.StringIO()
    logs.set_up(stream=out, form=form)
    get_logger("fhirbridge.test").warning(
        "work_failed", subject="ehr:Patient/p-7", error=ValueError('a "b"\nc\r'), n=3, none=None
    )
    logging.getLogger("alembic").warning("some %s", "words")
    try:
        raise ValueError("Amber Canary")
    except ValueError:
        logging.getLogger("alembic").exception("it broke", stack_info=True)
    return out.getvalue().split("\n")[:-1]


@pytest.mark.usefixtures("root")
def test_for_people() -> None:
    ours, other, broke = lines("text")
    assert re.fullmatch(
        r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z warning fhirbridge\.test: work_failed"
        r' subject=ehr:Patient/p-7 error="a \\"b\\"\\nc\\r" n=3',
        ours,
    )
    assert other.endswith(' alembic: library message="some words"')
    assert re.search(r' message="it broke" error="ValueError at test_logs\.py:\d+"$', broke)
    assert "Canary" not in broke


@pytest.mark.usefixtures("root")
def test_of_what_a_library_says_only_the_first_line_is_told() -> None:
    """asyncio quotes the exception that nobody took, in the second."""
    out = io.StringIO()
    logs.set_up(stream=out)
    error = ValueError("Amber Canary")
    logging.getLogger("asyncio").error("Task exception was never retrieved\nfuture: %r", error)
    assert "never retrieved" in out.getvalue()
    assert "Canary" not in out.getvalue()


@pytest.mark.usefixtures("root")
def test_for_machines() -> None:
    ours, other, broke = map(jsonio.loads, lines("json"))
    assert list(ours)[:4] == ["at", "level", "logger", "event"]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:]{8}\.\d{6}Z", ours.pop("at"))
    assert ours == {
        "level": "warning",
        "logger": "fhirbridge.test",
        "event": "work_failed",
        "subject": "ehr:Patient/p-7",
        "error": 'a "b"\nc\r',
        "n": 3,
    }
    assert (other["event"], other["message"]) == ("library", "some words")
    assert (broke["event"], broke["message"]) == ("library", "it broke")
    assert broke["error"].startswith("ValueError at test_logs.py:")
    assert "Canary" not in str(broke)


@pytest.mark.usefixtures("root")
def test_a_level_holds_for_loggers_that_were_made_before() -> None:
    out = io.StringIO()
    log = get_logger("fhirbridge.test")
    for level in ("INFO", "ERROR"):
        logs.set_up(level, out)
        log.info("worker_started", threads=level)
        log.warning("broker_lost", again_in_seconds=level)
    log.error("store_failed", error="last")
    said = [line.split(": ")[1] for line in out.getvalue().splitlines()]
    assert said == [
        "worker_started threads=INFO",
        "broker_lost again_in_seconds=INFO",
        "store_failed error=last",
    ]


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize(
    "name",
    ["httpx", "httpcore", "celery", "kombu", "sqlalchemy.engine", "asyncio", "urllib3.connection"],
)
def test_libraries_that_tell_urls_or_rows_are_silent(name: str) -> None:
    """Also where one was asked to tell more before: echo=True, a variable of the library."""
    library = logging.getLogger(name.partition(".")[0])
    before = library.level
    library.setLevel(logging.DEBUG)
    out = io.StringIO()
    try:
        logs.set_up("DEBUG", out)
        logging.getLogger(name).info("GET /Patient?identifier=Canary")
        logging.getLogger(name).debug("Canary")
    finally:
        library.setLevel(before)
    assert out.getvalue() == ""


@pytest.mark.usefixtures("root")
@pytest.mark.parametrize("level", [logging.INFO, logging.ERROR])
def test_nobody_logs_the_address_that_was_called(level: int) -> None:
    """It holds the key of a Subscription."""
    out = io.StringIO()
    logs.set_up("DEBUG", out)
    logging.getLogger("uvicorn.access").log(level, "PUT /notify/ehr/Canary")
    assert out.getvalue() == ""
