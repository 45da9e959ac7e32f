"""Commands that look and change nothing: doctor, mappings."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from .common import ConfigOption, Format, FormatOption, Wrong, configured, document, table


class Mappings(StrEnum):
    CHECK = "check"
    SHOW = "show"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge doctor --round-trip")(doctor)
    app.command(epilog="Example: fhirbridge mappings show ocrelizumab")(mappings)


def doctor(
    round_trip: Annotated[
        bool,
        typer.Option(
            "--round-trip",
            help="Also make a Subscription and a record of our own on each server that pushes,"
            " see the notification arrive, and delete both.",
        ),
    ] = False,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Can this configuration work?

    Every failure comes with its remedy; exit code 1 when there is one.
    """
    from fhirbridge import logs

    from .doctor import State, examine

    logs.set_up("ERROR")
    signs = []
    for sign in examine(config, round_trip=round_trip):
        signs.append(sign)
        if format is Format.TEXT:
            print(f"{_MARKS[sign.state]:<8}{sign.check}: {sign}", flush=True)
    if format is Format.JSON:
        document([asdict(sign) for sign in signs])
    raise typer.Exit(1 if any(sign.state == State.FAILS for sign in signs) else 0)


_MARKS = {"ok": "ok", "note": "note", "fails": "FAILS"}


def mappings(
    what: Annotated[
        Mappings, typer.Argument(help="check the files and their examples, or show what is known.")
    ] = Mappings.CHECK,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[THERAPY]...", help="For show: all if none.")
    ] = None,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """Validate and show therapies, visits and texts."""
    from fhirbridge import mappings as known

    folders = [known.shipped(), *(Path(each) for each in configured(config).mappings)]
    if what is Mappings.SHOW:
        _show(folders, names or [], format)
        return
    complaints = _complaints(folders)
    if format is Format.JSON:
        document({"folders": list(map(str, folders)), "complaints": complaints})
    else:
        for complaint in complaints:
            print(complaint)
        count = len(known.load(folders).files) if not complaints else 0
        print(f"{len(complaints)} complaints" if complaints else f"{count} therapies, all well")
    raise typer.Exit(1 if complaints else 0)


def _complaints(folders: list[Path]) -> list[str]:
    from fhirbridge import mappings as known
    from fhirbridge import texts
    from fhirbridge.yamlfile import Invalid

    complaints = known.check(folders)
    try:
        texts.load([folder / "tasks" / "en" for folder in folders if folder.is_dir()])
    except Invalid as invalid:
        complaints += [f"{each.path}:{each.line}: {each.message}" for each in invalid.all]
    return complaints


def _show(folders: list[Path], names: list[str], format: Format) -> None:
    from fhirbridge import mappings as known
    from fhirbridge.yamlfile import nearest

    files = known.load(folders).files
    for name in names:
        if name not in files:
            raise Wrong(f"{name}: no therapy of this name{nearest(name, files)}")
    wanted = {name: files[name] for name in names or sorted(files)}
    if format is Format.JSON:
        document({name: file.model_dump(mode="json") for name, (_, file) in wanted.items()})
        return
    if names:
        for node, _ in wanted.values():
            print(node.path.read_text(encoding="utf-8"), end="")
        return
    rows = [
        (
            name,
            file.title,
            file.route,
            ", ".join(each.code for each in file.billing) or "none",
            ", ".join(each.name for each in file.premedications if each.required) or "none",
            node.path,
        )
        for name, (node, file) in wanted.items()
    ]
    table(("therapy", "title", "route", "billing codes", "required premedication", "file"), rows)
