"""`fhirbridge`: the application, what all commands share, and how errors end.

Exit codes: 0 all is well · 1 something was found to report · 2 called wrongly or cannot run.
An error ends in one sentence that says what to do; FHIRBRIDGE_DEBUG=1 shows where it came from.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from . import (
    audit,
    beginning,
    cases,
    config,
    delivering,
    demo,
    ending,
    keys,
    looking,
    parking,
    retracting,
    serving,
    shadowing,
    storing,
    working,
)

app = typer.Typer(
    name="fhirbridge",
    help="Reconciles what was ordered, authorized, scheduled, dispensed and given across FHIR"
    " servers, and writes Tasks where they disagree.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


for group in (
    demo,
    beginning,
    serving,
    working,
    parking,
    delivering,
    retracting,
    shadowing,
    cases,
    audit,
    looking,
    keys,
    config,
    storing,
):
    group.register(app)


def _version(wanted: bool) -> None:
    if wanted:
        from importlib.metadata import version

        print(f"fhirbridge {version('fhirbridge')}")
        raise typer.Exit()


@app.callback()
def _for_all(
    version: Annotated[
        bool,
        typer.Option("--version", callback=_version, is_eager=True, help="Show it and end."),
    ] = False,
) -> None: ...


def commands() -> list[str]:
    """The names of all commands."""
    return list(getattr(get_command(app), "commands", {}))


def main() -> None:
    """The entry point of the `fhirbridge` command."""
    try:
        sys.exit(app(prog_name="fhirbridge", standalone_mode=False) or 0)
    except SystemExit as ended:  # typer makes one of Ctrl-C
        if ended.code == ending.BY_A_PERSON:
            sys.stderr.write(f"\nfhirbridge: {ending.INTERRUPTED}\n")
        raise
    except typer.Abort:  # at a question
        sys.stderr.write("\nfhirbridge: not finished; nothing was written\n")
        sys.exit(ending.BY_A_PERSON)
    except TyperException as error:
        if len(sys.argv) == 1:
            sys.stderr.write(f"{error}\n")  # the help
        else:
            sys.stderr.write(f"{ending.wrongly(error, commands())}\n")
        sys.exit(2)
    except Exception as error:
        if _debugging():
            raise
        sys.stderr.write(f"fhirbridge: {ending.failed(error)}\n")
        sys.exit(2)


def _debugging() -> bool:
    from fhirbridge.settings import debugging

    return debugging()
