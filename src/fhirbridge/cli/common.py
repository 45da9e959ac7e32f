"""What commands share: options, the configuration, and how documents are printed."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from fhirbridge.bridge.bridge import Bridge
    from fhirbridge.settings import Settings


class Format(StrEnum):
    """How a command prints: for people, or for machines."""

    TEXT = "text"
    JSON = "json"


FormatOption = Annotated[Format, typer.Option("--format", help="For people, or for machines.")]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="The configuration; else $FHIRBRIDGE_CONFIG, else ./fhirbridge.yaml.",
        show_default=False,
    ),
]

PatientsArgument = Annotated[
    list[str],
    typer.Argument(
        metavar="PATIENT...",
        help="A patient record: ehr:Patient/p-7, or p-7 on the server with the worklist.",
    ),
]


class Wrong(ValueError):
    """A command was called wrongly or cannot run; the message says what to do instead."""


def configured(config: Path | None) -> Settings:
    """The configuration, with or without servers. Raises `Misconfigured`."""
    from fhirbridge import settings

    path = settings.config_path(config)
    if path is not None and not path.exists():
        raise Wrong(f"{path}: there is no such file; name the configuration with --config FILE")
    return settings.read(path)


def with_servers(config: Path | None) -> Settings:
    """The configuration of an installation that has servers; else `Wrong`."""
    found = configured(config)
    if not found.servers:
        raise Wrong(
            "no servers are configured: `fhirbridge init` writes a fhirbridge.yaml; name one of"
            " yours with --config FILE, or try `fhirbridge demo`, which needs none"
        )
    return found


@contextmanager
def bridge(config: Path | None) -> Iterator[tuple[Settings, Bridge]]:
    """The bridge of a configuration, for one command."""
    from fhirbridge import logs, wiring

    logs.set_up("WARNING")
    found = with_servers(config)
    made = wiring.wire(found)
    try:
        yield found, made
    finally:
        wiring.unwire(made)


def subject_of(patient: str, found: Settings) -> str:
    """`p-7` and `Patient/p-7` are patients of the server that holds the worklist."""
    from fhirbridge import wiring
    from fhirbridge.yamlfile import nearest

    source, colon, place = patient.rpartition(":")
    if not colon:
        source = wiring.home_of(found) or ""
    if source not in found.servers:
        raise Wrong(f"{patient}: no server is called {source}{nearest(source, found.servers)}")
    kind, slash, id_ = place.rpartition("/")
    if (slash and kind != "Patient") or not re.fullmatch(r"[A-Za-z0-9.-]{1,64}", id_):
        raise Wrong(f"{patient}: name a patient record, like {source}:Patient/p-7")
    return f"{source}:Patient/{id_}"


def known_rule(rule: str) -> None:
    """Raise `Wrong`, with the nearest name, for a rule that does not exist."""
    from fhirbridge.core.roots import ROOT_RULE
    from fhirbridge.core.rules import ALL_RULES
    from fhirbridge.yamlfile import nearest

    codes = {each.code for each in ALL_RULES} | {ROOT_RULE}
    if rule not in codes:
        raise Wrong(f"--rule: there is no rule “{rule}”{nearest(rule, codes)}")


def moment(text: str | None, found: Settings) -> datetime | None:
    """A day or a moment; without a zone, that of the sites."""
    from zoneinfo import ZoneInfo

    if text is None:
        return None
    try:
        given = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(f"“{text}” is no time; write 2026-11-01 or 2026-11-01T08:00:00-05:00") from None
    zone = ZoneInfo(found.timezone) if found.timezone else UTC
    return given if given.tzinfo else given.replace(tzinfo=zone)


def document(data: Any) -> None:
    """One JSON document, readable, decimals exact."""
    from fhirbridge.fhir import jsonio

    sys.stdout.write(jsonio.pretty(data).decode() + "\n")


def table(head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Aligned columns below their names."""
    from fhirbridge.columns import aligned

    print("\n".join(aligned([head, *rows])))


def listing(rows: Sequence[Mapping[str, object]], format: Format, none: str) -> None:
    """Rows that have the same keys, as a document or a table; `none` is the text of no rows."""
    if format is Format.JSON:
        document(rows)
    elif rows:
        table(tuple(rows[0]), [tuple(each.values()) for each in rows])
    else:
        print(none)


def when(moment: datetime | None) -> str | None:
    """A moment as rows show it, to the second."""
    return moment.isoformat(timespec="seconds") if moment else None


def warn(text: str) -> None:
    """A sentence to the person, beside the output."""
    sys.stderr.write(text + "\n")


def _untold(_done: int, _of: int | None) -> None:
    """Nobody looks."""


@contextmanager
def progress(what: str) -> Iterator[Callable[[int, int | None], None]]:
    """Shows how far a long work is (so many, of so many) where a person looks; else nothing."""
    if not sys.stderr.isatty():
        yield _untold
        return
    from rich.console import Console

    with Console(stderr=True).status(what) as shown:
        yield lambda done, of: shown.update(f"{what}: {done}" + (f" of {of}" if of else ""))


def say_if_silent(found: Settings, say: Callable[[str], None] = warn) -> None:
    """Say loudly that nothing is written, and how to change it."""
    from fhirbridge import wiring

    home = wiring.home_of(found)
    mode = (found.servers[home].write if home else None) or found.write.default
    if mode != "on":
        say(
            f"write: {mode}. Everything is decided and shown, and NOTHING is written to {home}."
            " Set `write: on` in the configuration when you want the Tasks there."
        )
