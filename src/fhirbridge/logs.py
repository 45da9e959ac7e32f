"""Logging (structlog), set up in one place, and kept free of people.

    log = get_logger("fhirbridge.bridge")
    log.warning("work_failed", subject="ehr:Patient/p-7", error=error, next="retried")

An event has a fixed name, for which a site searches and alerts (docs/reference/logs.md lists them;
`tests/test_logs.py` reads the literals); what is particular stands in fields: as `name=value` for
people, as a JSON object for machines. Fields hold references (`ehr:Patient/p-7`), counts and errors
of ours. What libraries say goes the same way. Those that print URLs, headers or rows are silenced:
httpx logs search URLs (identifiers), uvicorn's access log the secret addresses of our
Subscriptions, SQLAlchemy the parameters of statements.
"""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import Literal, TextIO, cast

import structlog
from structlog.contextvars import bound_contextvars as bound
from structlog.contextvars import merge_contextvars
from structlog.processors import JSONRenderer, LogfmtRenderer, TimeStamper
from structlog.stdlib import ProcessorFormatter, add_log_level, add_logger_name
from structlog.typing import EventDict, FilteringBoundLogger, Processor

__all__ = ["Form", "bound", "get_logger", "named", "set_up"]

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


def get_logger(name: str) -> FilteringBoundLogger:
    """Where a module tells its events. Made once: what `set_up` changes are handlers and levels."""
    logger = structlog.wrap_logger(
        logging.getLogger(name),
        processors=[
            structlog.stdlib.filter_by_level,
            merge_contextvars,
            ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )
    return cast(FilteringBoundLogger, logger.bind())


def set_up(level: str = "INFO", stream: TextIO = sys.stderr, form: Form = "text") -> None:
    """Send the program's log to `stream`, one line for each record, without tracebacks."""
    handler = logging.StreamHandler(stream)
    handler.setFormatter(
        ProcessorFormatter(processors=_RENDERED[form], foreign_pre_chain=[_foreign])
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger("fhirbridge").setLevel(level.upper())
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


def _foreign(_: object, __: str, said: EventDict) -> EventDict:
    """What a library says: its words have no fixed name. Of an exception only what `named` says;
    of several lines the first: asyncio quotes exceptions in the others."""
    error = (said.pop("exc_info", None) or (None, None))[1]
    said.pop("stack_info", None)
    return {
        **said,
        "event": "library",
        "message": str(said["event"]).partition("\n")[0],
        "error": named(error) if error else None,
    }


def _in_order(_: object, __: str, said: EventDict) -> EventDict:
    """What all have comes first; fields that hold nothing are left out."""
    common = {name: said.pop(name) for name in ("at", "level", "logger", "event")}
    return common | {name: value for name, value in said.items() if value is not None}


_fields = LogfmtRenderer()


def _for_people(logger: object, method: str, said: EventDict) -> str:
    """One line, whatever the fields hold."""
    head = "{at} {level:<7} {logger}: {event} ".format_map(said)
    rest = {name: said[name] for name in said if name not in {"at", "level", "logger", "event"}}
    line = (head + _fields(logger, method, rest)).rstrip()
    return "".join(each if each.isprintable() else ascii(each)[1:-1] for each in line)


def _rendered(renderer: Processor) -> list[Processor]:
    return [
        add_log_level,
        add_logger_name,
        TimeStamper(fmt="iso", key="at"),
        ProcessorFormatter.remove_processors_meta,
        _in_order,
        renderer,
    ]


_RENDERED: dict[Form, list[Processor]] = {
    "text": _rendered(_for_people),
    "json": _rendered(JSONRenderer(default=str, ensure_ascii=False)),
}
