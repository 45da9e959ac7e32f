"""`fhirbridge audit`."""

from __future__ import annotations

import signal
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import ConfigOption, Wrong, configured

if TYPE_CHECKING:
    from fhirbridge.audit import Audit, Export
    from fhirbridge.settings import Settings


#: Bytes on disk from which the work is shared between processes.
LARGE = 32 * 2**20


class AuditFormat(StrEnum):
    TEXT = "text"
    JSON = "json"
    NDJSON = "ndjson"
    CSV = "csv"


def register(app: typer.Typer) -> None:
    @app.command(
        epilog="Example: fhirbridge audit ehr=export/ehr payer=export/payer.ndjson.gz"
        " --holds payer=authorizations,coverage --as-of 2026-12-01"
    )
    def audit(
        paths: Annotated[
            list[str],
            typer.Argument(
                metavar="[NAME=]PATH...",
                help="Files or folders of NDJSON, Bundles or single resources, gzip too;"
                " NAME says which source they come from.",
            ),
        ],
        as_of: Annotated[
            str | None,
            typer.Option(metavar="TIME", help="Judge as of this day or moment; now by default."),
        ] = None,
        holds: Annotated[
            list[str] | None,
            typer.Option(
                metavar="NAME=KIND,...",
                help="What a source is believed for (orders, schedule, authorizations, coverage,"
                " dispenses, administrations, results, rems); without it, for what is in it.",
            ),
        ] = None,
        format: Annotated[AuditFormat, typer.Option(help="How to print.")] = AuditFormat.TEXT,
        jobs: Annotated[
            int | None,
            typer.Option(
                metavar="N",
                min=1,
                help="How many processes share the work; by default one, for large input as many"
                " as there are processors. The result is the same.",
            ),
        ] = None,
        config: ConfigOption = None,
    ) -> None:
        """The bridge's decisions over files, with no server. Exit code 1: something was found."""
        found = _run(paths, as_of, holds or [], format.value, jobs, config)
        raise typer.Exit(1 if found else 0)


def _run(
    paths: list[str],
    as_of: str | None,
    holds: list[str],
    form: str,
    jobs: int | None,
    config: Path | None,
) -> int:
    """How many findings there are."""
    from fhirbridge import logs
    from fhirbridge.audit import Lost, NotFound, exports
    from fhirbridge.audit.printing import show

    logs.set_up("ERROR")
    site = configured(config)
    try:
        given = _with_holds(exports(paths), holds, site)
    except NotFound as error:
        raise Wrong(str(error)) from None
    size = sum(file.stat().st_size for export in given for file in export.files)
    made, moment = _audit(site, _jobs(jobs, size)), _moment(as_of, site)
    try:
        with _cleanly(), _progress(size) as told, made.over(given, moment, told) as result:
            told.done()
            show(result, form, made.texts, sys.stdout, sys.stderr)
            if not result.summary.read and not result.summary.unused:
                raise Wrong(
                    "no FHIR record was read: name files or folders of JSON (resources, Bundles) or"
                    " NDJSON, gzip too"
                )
            return result.summary.found
    except Lost as error:
        raise Wrong(str(error)) from None


@contextmanager
def _cleanly() -> Iterator[None]:
    """Ended by the system (SIGTERM), an audit takes its files away, as when it is interrupted."""

    def end(*_: object) -> None:
        raise SystemExit(128 + signal.SIGTERM)

    before = signal.signal(signal.SIGTERM, end)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _jobs(given: int | None, size: int) -> int:
    """How many processes: a few megabytes are read before others have begun."""
    from fhirbridge.audit import processors

    return given or (processors() if size >= LARGE else 1)


def _audit(site: Settings, jobs: int) -> Audit:
    from fhirbridge import wiring
    from fhirbridge.audit import Audit

    sources = {name: wiring.source(name, site, clock=wiring.now) for name in site.servers}
    known = wiring.formulary(site)
    return Audit(
        decider=wiring.decider(site, known, sources, today=datetime.now(UTC).date()),
        texts=wiring.words(site),
        systems=frozenset(site.identity) or None,
        bases={server.base_url: name for name, server in site.servers.items()},
        zones={name: source.zone for name, source in sources.items()},
        jobs=jobs,
    )


def _with_holds(given: list[Export], holds: list[str], site: Settings) -> list[Export]:
    """The sources with what they are believed for: by --holds, else by the configuration."""
    from fhirbridge.audit.inputs import believed
    from fhirbridge.fhir.kinds import KINDS
    from fhirbridge.yamlfile import nearest

    names = [export.name for export in given]
    said = {name: frozenset(site.servers[name].holds) for name in names if name in site.servers}
    for text in holds:
        name, _, words = text.partition("=")
        kinds = frozenset(word.strip() for word in words.split(",") if word.strip())
        if name not in names:
            raise Wrong(f"--holds {text}: no source is called {name}{nearest(name, names)}")
        if not kinds:
            raise Wrong(f"--holds {text}: say what it is believed for, like {name}=orders,schedule")
        for kind in sorted(kinds - KINDS.keys()):
            raise Wrong(f"--holds {text}: {kind} is no kind{nearest(kind, KINDS)}")
        said[name] = kinds
    return [believed(each, said[each.name]) if each.name in said else each for each in given]


def _moment(text: str | None, site: Settings) -> datetime:
    """A day begins at the site; a moment without a zone is the site's, too."""
    from fhirbridge import wiring

    if text is None:
        return wiring.now()
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise Wrong(
            f"--as-of {text}: write a day or a moment, as 2026-12-01 or 2026-12-01T08:00-05:00"
        ) from None
    zone = wiring.calendar(site, moment.date()).zone
    return moment if moment.tzinfo else moment.replace(tzinfo=zone)


class _Silent:
    """No progress bar: the output goes to a pipe, or there is little to read."""

    def __call__(self, _: int) -> None: ...

    def done(self) -> None: ...


class _Bar(_Silent):
    def __init__(self, bar: Any, total: int) -> None:
        self._bar = bar
        self._task = bar.add_task("reading", total=total)

    def __call__(self, count: int) -> None:
        self._bar.advance(self._task, count)

    def done(self) -> None:
        self._bar.stop()


def _progress(total: int) -> AbstractContextManager[Any]:
    if not sys.stderr.isatty():
        return nullcontext(_Silent())
    from rich.console import Console
    from rich.progress import Progress

    @contextmanager
    def shown() -> Any:
        with Progress(console=Console(stderr=True), transient=True) as bar:
            yield _Bar(bar, total)

    return shown()
