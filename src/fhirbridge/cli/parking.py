"""`fhirbridge parked`: work that was set aside, and what becomes of it."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .common import (
    ConfigOption,
    Format,
    FormatOption,
    Wrong,
    configured,
    listing,
    warn,
    when,
)

if TYPE_CHECKING:
    from fhirbridge.store import Store
    from fhirbridge.store.records import Dropped, Mark

_MOST_PARKED = 100_000


class Parked(StrEnum):
    LIST = "list"
    SHOW = "show"
    RETRY = "retry"
    DROP = "drop"
    DROPPED = "dropped"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge parked retry ehr:Patient/p-7")(parked)


def parked(
    what: Annotated[
        Parked,
        typer.Argument(help="list, show, retry or drop; dropped: what was dropped, and why."),
    ] = Parked.LIST,
    subjects: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SUBJECT]...", help="As `list` names them; retry: all if none."),
    ] = None,
    where: Annotated[
        str | None,
        typer.Option(
            "--where",
            metavar="TEXT",
            help="Those whose subject or error holds this text, e.g. “pharmacy:”.",
            show_default=False,
        ),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="retry, drop: all of them.")] = False,
    reason: Annotated[
        str | None,
        typer.Option(
            "--reason",
            metavar="TEXT",
            help="drop: why, without names of persons; it is kept for good.",
            show_default=False,
        ),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Work set aside after an error that retrying cannot cure.

    What is dropped is owed again when something changes for the patient.
    """
    from fhirbridge import logs, wiring
    from fhirbridge.store import Store

    logs.set_up("WARNING")
    if len([way for way in (subjects, where, every) if way]) > 1:
        raise Wrong(f"parked {what.value}: give subjects, --where or --all, one of them")
    if what is Parked.SHOW and not subjects and not where:
        raise Wrong("name what to show: fhirbridge parked show SUBJECT")
    store = Store(configured(config).store, ids=wiring.names)
    try:
        these = _those_with(store, where) if where else subjects
        now = wiring.now()
        if what is Parked.RETRY:
            _owed(store, subjects or ())
            warn(f"due again: {store.retry(these, now)}")
        if what is Parked.DROP:
            if every:
                these = _those_with(store, "")
            warn(f"dropped: {_drop(store, these, reason, now)}")
        if what is Parked.DROPPED:
            rows = [_dropped(each) for each in store.dropped()]
        elif what is Parked.SHOW:
            rows = [_mark(_known(store, each)) for each in these or ()]
        else:
            marks = store.parked(_MOST_PARKED if where else 1000)
            wanted = these if what is Parked.LIST and (subjects or where) else None
            rows = [_mark(each) for each in marks if wanted is None or each.subject in wanted]
    finally:
        store.close()
    done = "was dropped" if what is Parked.DROPPED else "is set aside"
    listing(rows, format, f"nothing {done}" + (f" with “{where}” in it" if where else ""))


def _those_with(store: Store, text: str) -> list[str]:
    """Of what is set aside, the subjects in whose name or error the text stands."""
    text = text.lower()
    return [
        mark.subject
        for mark in store.parked(_MOST_PARKED)
        if text in f"{mark.subject} {mark.last_error or ''}".lower()
    ]


def _drop(store: Store, these: list[str] | None, reason: str | None, now: datetime) -> int:
    """All of them or none: what is not owed is named before anything is dropped."""
    if these is None:
        raise Wrong("name what to drop: fhirbridge parked drop SUBJECT, --where TEXT or --all")
    if not reason:
        raise Wrong("say why it is dropped, for those who look later: --reason TEXT")
    _owed(store, these)
    return sum(store.drop(subject, reason, now) for subject in these)


def _owed(store: Store, subjects: Sequence[str]) -> None:
    for subject in subjects:
        if (mark := store.mark(subject)) is None or mark.due_at is None:
            raise Wrong(f"{subject}: nothing is owed for it; `fhirbridge parked` lists what is")


def _known(store: Store, subject: str) -> Mark:
    mark = store.mark(subject)
    if mark is None:
        raise Wrong(f"{subject}: nothing is known of it; `fhirbridge parked` lists them")
    return mark


def _dropped(each: Dropped) -> dict[str, object]:
    return {"subject": each.subject, "dropped": when(each.at), "reason": each.why}


def _mark(mark: Mark) -> dict[str, object]:
    return {
        "subject": mark.subject,
        "attempts": mark.attempts,
        "waits_since": when(mark.first_at),
        "parked": bool(mark.parked),
        "error": mark.last_error,
    }
