"""Logging, set up in one place, and kept free of people.

Our own lines name references (`ehr:Patient/p-7`), counts and classes of errors. Libraries that
print URLs, headers or rows are silenced: httpx logs search URLs (identifiers), uvicorn's access
log the secret addresses of our Subscriptions, SQLAlchemy the parameters of statements.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TextIO

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


def set_up(level: str = "INFO", stream: TextIO = sys.stderr) -> None:
    """Send the program's log to `stream`, one line for each record, without tracebacks."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(_OneLine("%(asctime)s %(levelname)-7s %(name)s: %(message)s"))
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
