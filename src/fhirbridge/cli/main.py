"""`fhirbridge`: the application, what all commands share, and how errors end.

Exit codes: 0 all is well · 1 something was found to report · 2 called wrongly or cannot run.
An error ends in one sentence that says what to do; FHIRBRIDGE_DEBUG=1 shows where it came from.
"""

from __future__ import annotations

import sys

import typer

from . import (
    audit,
    beginning,
    cases,
    config,
    demo,
    keys,
    looking,
    retracting,
    serving,
    storing,
    working,
)
from .common import Wrong

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
    retracting,
    cases,
    audit,
    looking,
    keys,
    config,
    storing,
):
    group.register(app)


def main() -> None:
    """The entry point of the `fhirbridge` command."""
    try:
        app()
    except Exception as error:
        if _debugging():
            raise
        sys.stderr.write(f"fhirbridge: {_sentence(error)}\n")
        sys.exit(2)


def _sentence(error: Exception) -> str:
    """What went wrong and what to do. Only our own errors' texts are shown: another one's may
    quote a record."""
    from fhirbridge.fhir.errors import FhirError
    from fhirbridge.fhir.jsonio import NotJson
    from fhirbridge.fhir.keys import BadKeys
    from fhirbridge.logs import named
    from fhirbridge.settings import Misconfigured
    from fhirbridge.store.records import StoreError
    from fhirbridge.yamlfile import Invalid

    if isinstance(error, Wrong | Misconfigured | BadKeys | FhirError | Invalid | NotJson):
        return str(error)
    if isinstance(error, StoreError):
        return f"{error}; check `store` in the configuration"
    if isinstance(error, OSError | TimeoutError):
        return str(error)
    return f"a defect, {named(error)}: please report it; FHIRBRIDGE_DEBUG=1 shows more"


def _debugging() -> bool:
    from fhirbridge.settings import debugging

    return debugging()
