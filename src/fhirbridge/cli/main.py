"""`fhirbridge`: the application, what all commands share, and how errors end.

Exit codes: 0 all is well · 1 something was found to report · 2 called wrongly or cannot run.
An error ends in one sentence that says what to do; FHIRBRIDGE_DEBUG=1 shows where it came from.
"""

from __future__ import annotations

import sys

import typer

from . import audit, demo

app = typer.Typer(
    name="fhirbridge",
    help="Reconciles what was ordered, authorized, scheduled, dispensed and given across FHIR"
    " servers, and writes Tasks where they disagree.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def fhirbridge() -> None:
    pass


audit.register(app)
demo.register(app)


def main() -> None:
    """The entry point of the `fhirbridge` command."""
    app()
    sys.exit(0)
