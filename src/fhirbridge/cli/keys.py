"""The command for our keys: new, show, rotate."""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum
from typing import Annotated

import typer

from .common import ConfigOption, Format, FormatOption, configured, document, table, warn


class What(StrEnum):
    NEW = "new"
    SHOW = "show"
    ROTATE = "rotate"


def register(app: typer.Typer) -> None:
    app.command(epilog="Example: fhirbridge keys new")(keys)


def keys(
    what: Annotated[
        What,
        typer.Argument(
            help="new makes the first keys, show prints the public JWK Set, rotate adds new keys"
            " and lets the old ones end."
        ),
    ] = What.SHOW,
    after: Annotated[
        int,
        typer.Option(
            "--after",
            min=0,
            metavar="HOURS",
            help="rotate: when the new keys begin to sign. Until then servers can fetch them.",
        ),
    ] = 24,
    config: ConfigOption = None,
    format: FormatOption = Format.JSON,
) -> None:
    """The keys with which we sign in at servers (SMART Backend Services)."""
    from fhirbridge import signing, wiring
    from fhirbridge.fhir.keys import Keyring

    found, now = configured(config), wiring.now()
    if what is What.NEW:
        ring = Keyring.made(now)
        path = signing.keep(ring, found, new=True)
        warn(
            f"{path} holds our keys: keep it secret and in the backup. Give the JWK Set below to"
            f" each server, or the address {found.public_url}/.well-known/jwks.json"
        )
    elif what is What.ROTATE:
        ring = signing.keyring(found).rotated(now, after=timedelta(hours=after))
        signing.keep(ring, found, new=False)
        warn(
            f"new keys sign from {ring.keys[-1].since:%Y-%m-%d %H:%M} UTC on. Servers that read"
            " our address find them; give the JWK Set below to the others before then"
        )
    else:
        ring = signing.keyring(found)
    if format is Format.JSON:
        document(ring.public(now))
    else:
        table(
            ("kid", "algorithm", "signs from", "ends"),
            [(key.kid, key.alg, key.since.isoformat(), _end(key.until)) for key in ring.keys],
        )


def _end(until: object) -> str:
    return str(until) if until else "never"
