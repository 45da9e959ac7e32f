"""Logging, set up in one place, and kept free of people.

    log = Log("fhirbridge.bridge")
    log.warning("work_failed", subject="ehr:Patient/p-7", error=error, next="retried")

An event has a fixed name, for which a site searches and alerts (docs/reference/logs.md lists them);
what is particular stands in fields: as `name=value` for people, as a JSON object for machines.
Fields hold references (`ehr:Patient/p-7`), counts and errors of ours. Libraries that print URLs,
headers or rows are silenced: httpx logs search URLs (identifiers), uvicorn's access log the secret
addresses of our Subscriptions, SQLAlchemy the parameters of statements.
"""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal, TextIO

from fhirbridge.fhir import jsonio

Form = Literal["text", "json"]

_QUIET = (
    "httpx",
    "httpcore",
    "celery",
    "kombu",
    "uvicorn.access",
    "sqlalchemy",
    "asyncio",
    "urllib3",
)
_FOR_PEOPLE = "%(asctime)s %(levelname)-7s %(name)s: %(message)s"


@dataclass(frozen=True, slots=True)
class Said:
    """One event: its name, and what is particular."""

    event: str
    fields: Mapping[str, object]

    def __str__(self) -> str:
        said = (f"{name}={_quoted(value)}" for name, value in self.fields.items())
        return " ".join([self.event, *said])


def _quoted(value: object) -> str:
    """In quotes where it could be taken for several."""
    text = str(value)
    return text if re.fullmatch(r"[^\s\"=]+", text) else jsonio.dumps(text).decode()


def _said(event: str, fields: Mapping[str, object]) -> Said:
    """Without the fields that hold nothing."""
    return Said(event, {name: value for name, value in fields.items() if value is not None})


class Log:
    """Where a module tells its events. Names are literals: `tests/test_logs.py` reads them."""

    def __init__(self, name: str) -> None:
        self._to = logging.getLogger(name)

    def info(self, event: str, **fields: object) -> None:
        self._to.info(_said(event, fields))

    def warning(self, event: str, **fields: object) -> None:
        self._to.warning(_said(event, fields))

    def error(self, event: str, **fields: object) -> None:
        self._to.error(_said(event, fields))


def set_up(level: str = "INFO", stream: TextIO = sys.stderr, form: Form = "text") -> None:
    """Send the program's log to `stream`, one line for each record, without tracebacks."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_Json() if form == "json" else _OneLine(_FOR_PEOPLE))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("fhirbridge").setLevel(level)
    for name in _QUIET:
        logging.getLogger(name).setLevel(logging.WARNING)
        logging.getLogger(name).propagate = name != "uvicorn.access"


def named(error: BaseException) -> str:
    """An error by its class and place. Its text is left out: it may quote what it met."""
    place, trace = "", error.__traceback__
    while trace is not None:
        place = f"{Path(trace.tb_frame.f_code.co_filename).name}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}" if place else type(error).__name__


class _OneLine(logging.Formatter):
    """Exceptions as `named` says them, without tracebacks."""

    def format(self, record: logging.LogRecord) -> str:
        info = record.exc_info
        record.exc_info, record.exc_text, record.stack_info = None, None, None
        line = super().format(record)
        return f"{line} [{named(info[1])}]" if info and info[1] else line


class _Json(logging.Formatter):
    """One object for each record. What a library says has the event `library` and its words."""

    def format(self, record: logging.LogRecord) -> str:
        said: Any = record.msg
        if not isinstance(said, Said):
            said = Said("library", {"message": record.getMessage()})
        if record.exc_info and record.exc_info[1]:
            said = Said(said.event, {**said.fields, "error": named(record.exc_info[1])})
        line = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "event": said.event,
            **{name: _plain(value) for name, value in said.fields.items()},
        }
        return jsonio.dumps(line).decode()


def _plain(value: object) -> object:
    return value if isinstance(value, int | float) else str(value)
