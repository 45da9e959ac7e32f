"""`fhirbridge demo`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from .common import Format, FormatOption


def register(app: typer.Typer) -> None:
    @app.command(epilog="Example: fhirbridge demo --keep-open")
    def demo(
        keep_open: Annotated[
            bool, typer.Option("--keep-open", help="Stay up afterwards, until Ctrl-C.")
        ] = False,
        format: FormatOption = Format.TEXT,
    ) -> None:
        """Play the whole story on three embedded FHIR servers.

        Needs no file, no variable and no network; exit code 1 when a journey ends otherwise than
        its fixture says.
        """
        from fhirbridge import logs
        from fhirbridge.demo.run import run

        logs.set_up("ERROR")
        good = run(sys.stdout, machine=format is Format.JSON, keep_open=keep_open)
        raise typer.Exit(0 if good else 1)
