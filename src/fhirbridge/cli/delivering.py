"""`fhirbridge deliveries`: what senders told us and we did not understand."""

from __future__ import annotations

import sys
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from .common import ConfigOption, Format, FormatOption, Wrong, bridge, document, table, warn

if TYPE_CHECKING:
    from fhirbridge.bridge.bridge import Bridge
    from fhirbridge.store.records import Troubled

_MOST = 10_000  # of them at once
_WITHIN = 60.0  # seconds that one may take to be on disk


class What(StrEnum):
    LIST = "list"
    SHOW = "show"
    AGAIN = "again"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge deliveries again --all")(deliveries)


def deliveries(
    what: Annotated[
        What,
        typer.Argument(
            help="list them; show the body of one as it was sent (it may name persons); hear some"
            " again, after an upgrade."
        ),
    ] = What.LIST,
    numbers: Annotated[
        list[int] | None, typer.Argument(metavar="[NUMBER]...", help="As `list` names them.")
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="again: all of them.")] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Notifications in which something was not understood.

    They were kept and acknowledged, and what changed was read from their server.
    """
    if what is What.SHOW and len(numbers or ()) != 1:
        raise Wrong("name the one to show: fhirbridge deliveries show NUMBER")
    if what is What.AGAIN and bool(numbers) == every:
        raise Wrong("name what to hear again: fhirbridge deliveries again NUMBER..., or --all")
    with bridge(config) as (_, made):
        these = made.store.troubled(_MOST, numbers or None)
        if missing := set(numbers or ()) - {each.id for each in these}:
            raise Wrong(f"{min(missing)}: no such delivery; `fhirbridge deliveries` lists them")
        if what is What.SHOW:
            sys.stdout.buffer.write(made.store.body(these[0]))
            return
        if what is What.AGAIN:
            these = [each for each in these if not _is_understood(made, each)]
    rows = [_row(each) for each in these]
    if format is Format.JSON:
        document(rows)
    elif rows:
        table(tuple(rows[0]), [tuple(row.values()) for row in rows])
    else:
        print("everything was understood")
    raise typer.Exit(1 if what is What.AGAIN and these else 0)


def _is_understood(made: Bridge, each: Troubled) -> bool:
    from fhirbridge.bridge.intake import NotUnderstood, Refused

    try:
        kept = made.intake.again(each, made.store.body(each))
    except (NotUnderstood, Refused) as error:
        warn(f"{each.id}: {error}")
        return False
    kept.on_disk.result(_WITHIN)
    made.store.understood(each)
    warn(f"{each.id}: understood as {kept.dialect}, {kept.events} events")
    return True


def _row(each: Troubled) -> dict[str, object]:
    return {
        "number": each.id,
        "server": each.source,
        "received": each.received_at.isoformat(timespec="seconds"),
        "dialect": each.dialect,
        "bytes": each.size,
        "problem": each.problem,
    }
