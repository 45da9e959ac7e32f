"""The command that looks after the store: check, upgrade, downgrade, backup."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .common import ConfigOption, Format, FormatOption, Wrong, configured, document


class What(StrEnum):
    CHECK = "check"
    UPGRADE = "upgrade"
    DOWNGRADE = "downgrade"
    BACKUP = "backup"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge store backup /backup/fhirbridge-2026-11-26.db")(store)


def store(
    what: Annotated[
        What,
        typer.Argument(
            help="check the revision of the tables, bring them up to this program's or back to an"
            " earlier one, or copy a SQLite file while it is in use."
        ),
    ] = What.CHECK,
    target: Annotated[
        str | None,
        typer.Argument(
            metavar="[TARGET]",
            help="upgrade, downgrade: the revision (by default the newest, or the one before);"
            " backup: the new file.",
        ),
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """The tables of the store, and their copies.

    Upgrades happen by themselves when a new program starts; programs of the release before go on.
    """
    from fhirbridge import logs
    from fhirbridge.store import upkeep

    logs.set_up("WARNING")
    url = configured(config).store
    if what is What.CHECK and target is not None:
        raise Wrong(f"store check: it takes no more than that; what is “{target}” for?")
    if what is What.BACKUP:
        if target is None:
            raise Wrong("name the new file: fhirbridge store backup FILE")
        if not Path(target).resolve().parent.is_dir():
            raise Wrong(f"{target}: there is no such folder; make it first")
        if Path(target).exists():
            raise Wrong(f"{target} is there already: give the copy another name")
        upkeep.backup(url, Path(target))
        print(f"{target} is a whole copy; to go back to it, stop fhirbridge and put it in place")
        return
    if what is What.CHECK:
        now = upkeep.standing(url)
    else:
        now = upkeep.move(url, target or ("head" if what is What.UPGRADE else "-1"))
    if format is Format.JSON:
        document({"found": now.found, "wanted": now.wanted, "current": now.is_current})
    else:
        print(f"the tables are of revision {now.found or 'none'}; this program's: {now.wanted}")
    raise typer.Exit(0 if now.is_current or what is What.DOWNGRADE else 1)
