"""The command that shows the configuration as it holds, and its schema."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from .common import ConfigOption, Format, FormatOption, configured, document


class What(StrEnum):
    SHOW = "show"
    CHECK = "check"
    SCHEMA = "schema"


def register(app: typer.Typer) -> None:
    app.command(name="config", epilog="Example: fhirbridge config show")(config_)


def config_(
    what: Annotated[
        What,
        typer.Argument(
            help="show all values as they hold, secrets masked; check them; print the JSON Schema."
        ),
    ] = What.SHOW,
    config: ConfigOption = None,
    format: FormatOption = Format.TEXT,
) -> None:
    """The configuration: file and environment together."""
    from fhirbridge import settings, wiring, yamlfile

    if what is What.SCHEMA:
        from fhirbridge.schemas import published

        document(published()["fhirbridge"])
        return
    found = configured(config)
    if what is What.CHECK:
        wiring.check(found)
        if format is Format.JSON:
            document({"usable": True})
            return
        print("the configuration can be used; `fhirbridge doctor` tries whether it works")
    elif format is Format.JSON:
        document(settings.masked(found))
    else:
        print(yamlfile.dumps(settings.masked(found)), end="")
