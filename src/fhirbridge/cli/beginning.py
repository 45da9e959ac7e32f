"""`fhirbridge init`: five questions, a configuration, and what to do next."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from .common import Format, FormatOption, Wrong, document, warn

if TYPE_CHECKING:
    from fhirbridge.beginning import Seen, Wishes

_HERE = "http://127.0.0.1:8000"
_SERVER = "http://127.0.0.1:8080/fhir"
_HOLDS = "ehr=orders,schedule"


def register(app: typer.Typer) -> None:
    app.command(
        epilog="Example: fhirbridge init --server ehr=http://127.0.0.1:8080/fhir"
        " --timezone America/New_York"
    )(init)


def init(
    server: Annotated[
        list[str] | None,
        typer.Option(
            "--server",
            metavar="NAME=URL",
            help="A FHIR server; the first one gets the Tasks. Of payer, pharmacy, center and"
            " laboratory it is known what they hold.",
        ),
    ] = None,
    holds: Annotated[
        list[str] | None,
        typer.Option("--holds", metavar="NAME=KIND,...", help="What a server is believed for."),
    ] = None,
    instance: Annotated[
        str | None, typer.Option("--instance", metavar="NAME", help="What this installation is.")
    ] = None,
    timezone: Annotated[
        str | None, typer.Option("--timezone", metavar="ZONE", help="Of the sites.")
    ] = None,
    holidays: Annotated[
        str | None, typer.Option("--holidays", metavar="COUNTRY", help="US, or US-NY.")
    ] = None,
    public_url: Annotated[
        str | None,
        typer.Option("--public-url", metavar="URL", help="Where the servers reach us."),
    ] = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The file that is written.")
    ] = Path("fhirbridge.yaml"),
    force: Annotated[bool, typer.Option("--force", help="Write over a file.")] = False,
    format: FormatOption = Format.TEXT,
) -> None:
    """Write a first configuration: asks, or takes options; tries the servers.

    Asks where there is a terminal and no --server is given. Writes a file and nothing else.
    """
    from fhirbridge import settings
    from fhirbridge.beginning import configuration, look

    if output.exists() and not force:
        raise Wrong(f"{output} is there already: name another with -o, or write over with --force")
    ask = _ask if not server and sys.stdin.isatty() else None
    wishes = _wishes(ask, server or [], holds or [], instance, timezone, holidays, public_url)
    _check(wishes)
    seen = {name: look(name, url) for name, url in wishes.servers.items()}
    text = configuration(wishes, seen)
    before = output.read_bytes() if output.exists() else None
    output.write_text(text, encoding="utf-8")
    try:
        settings.read(output)
    except settings.Misconfigured:
        _put_back(output, before)
        raise
    if format is Format.JSON:
        servers = {name: _said_of(each) for name, each in seen.items()}
        document({"file": str(output), "servers": servers})
    else:
        _say(output, wishes, seen)


def _wishes(
    ask: Callable[[str, str], str] | None,
    servers: list[str],
    holds: list[str],
    instance: str | None,
    timezone: str | None,
    holidays: str | None,
    public_url: str | None,
) -> Wishes:
    from fhirbridge.beginning import Wishes
    from fhirbridge.keytypes import Name, Url, Zone

    if ask is not None:
        warn("Five questions; Enter takes what stands in brackets.")
        instance = instance or _asked(
            ask, "What is this installation called?", "fhirbridge", _is(Name)
        )
        first = _asked(
            ask, "Where is the FHIR server that gets the Tasks?", _SERVER, _are_servers()
        )
        others = _are_servers(_named(first))
        more = _asked(ask, "Others, as payer=URL pharmacy=URL? (none)", "", others)
        servers = [first, *more.split()]
        holds += _beliefs(ask, servers, holds)
        timezone = timezone or _asked(
            ask, "In which time zone are the sites?", "America/New_York", _is(Zone)
        )
        public_url = public_url or _asked(ask, "Where do the servers reach us?", _HERE, _is(Url))
    if not servers:
        raise Wrong(
            f"init: name a server: fhirbridge init --server ehr={_SERVER} (in a terminal it asks)"
        )
    servers = [_named(servers[0]), *servers[1:]]
    return Wishes(
        instance=instance or "fhirbridge",
        servers=_pairs(servers, "--server", f"ehr={_SERVER}"),
        timezone=timezone or "UTC",
        public_url=public_url or _HERE,
        holidays=holidays,
        holds={name: _kinds(kinds) for name, kinds in _pairs(holds, "--holds", _HOLDS).items()},
    )


def _ask(question: str, usual: str) -> str:
    answer = typer.prompt(question, default=usual, err=True, show_default=bool(usual))
    return str(answer).strip()


def _asked(
    ask: Callable[[str, str], str], question: str, usual: str, check: Callable[[str], str | None]
) -> str:
    """An answer that can be used: what is wrong with another is said, and it is asked again."""
    while True:
        answer = ask(question, usual)
        if (wrong := check(answer)) is None:
            return answer
        warn(f"  {wrong}" if wrong.endswith("?") else f"  {wrong}.")


def _is(kind: Any) -> Callable[[str], str | None]:
    from fhirbridge.keytypes import complaint

    return lambda answer: complaint(kind, answer)


def _are_servers(*before: str) -> Callable[[str], str | None]:
    """Names and addresses, after those that were named before."""

    def check(answer: str) -> str | None:
        try:
            given = answer.split() if before else [_named(answer)]
            pairs = _pairs([*before, *given], "", "payer=https://payer.example/fhir")
            _check_options(pairs, {})
        except Wrong as wrong:
            return str(wrong).strip()
        return None

    return check


def _named(server: str) -> str:
    """An address without a name is that of the EHR."""
    return server if "=" in server.partition("://")[0] else f"ehr={server}"


def _beliefs(ask: Callable[[str, str], str], servers: list[str], holds: list[str]) -> list[str]:
    """What those are believed for whose names do not say it: one question more for each."""
    from fhirbridge.beginning import USUAL
    from fhirbridge.keytypes import Kinds

    def check(answer: str) -> str | None:
        from fhirbridge.keytypes import complaint

        return complaint(Kinds, _kinds(answer))

    said = {each.partition("=")[0] for each in holds}
    names = [each.partition("=")[0] for each in servers[1:]]
    return [
        f"{name}={_asked(ask, f'What is {name} believed for?', 'schedule', check)}"
        for name in names
        if name not in said and name not in USUAL
    ]


def _kinds(text: str) -> list[str]:
    return [kind.strip() for kind in text.split(",") if kind.strip()]


def _pairs(given: list[str], option: str, example: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise Wrong(f"{option} {text}: write it like {example}".strip())
        if name in found:
            raise Wrong(
                f"{option} {text}: {name} is named twice; give each server its own name".strip()
            )
        found[name] = value
    return found


def _check(wishes: Wishes) -> None:
    from fhirbridge.beginning import USUAL
    from fhirbridge.keytypes import Holidays, Kinds, Name, Url, Zone, complaint
    from fhirbridge.yamlfile import nearest

    _check_options(
        wishes.servers,
        {
            "--instance": (Name, wishes.instance),
            "--timezone": (Zone, wishes.timezone),
            "--holidays": (Holidays | None, wishes.holidays),
            "--public-url": (Url, wishes.public_url),
        },
    )
    for name, kinds in wishes.holds.items():
        if name not in wishes.servers:
            hint = nearest(name, wishes.servers)
            raise Wrong(f"--holds {name}: no --server is called {name}{hint}")
        if wrong := complaint(Kinds, kinds):
            raise Wrong(f"--holds {name}={','.join(kinds)}: {wrong}")
    for name in list(wishes.servers)[1:]:
        if name not in USUAL and name not in wishes.holds:
            raise Wrong(
                f"--server {name}: say what it is believed for, like --holds {name}=schedule"
            )


def _check_options(servers: Mapping[str, str], options: Mapping[str, tuple[Any, object]]) -> None:
    """Each by the type of the key that it becomes, so that no file is written in vain."""
    from fhirbridge.keytypes import Name, Url, complaint

    for option, (kind, value) in options.items():
        if wrong := complaint(kind, value):
            raise Wrong(f"{option} {value}: {wrong}")
    for name, url in servers.items():
        if wrong := complaint(Name, name) or complaint(Url, url):
            raise Wrong(f"{name}={url}: {wrong}")


def _said_of(seen: Seen) -> dict[str, object]:
    """What a server said of itself, or why it said nothing."""
    return {"software": seen.software, "profile": seen.profile, "problem": seen.problem or None}


def _put_back(output: Path, before: bytes | None) -> None:
    """What would be refused is not left behind."""
    if before is None:
        output.unlink()
    else:
        output.write_bytes(before)


def _say(output: Path, wishes: Wishes, seen: dict[str, Seen]) -> None:
    from fhirbridge import settings

    for name, each in seen.items():
        if each.problem:
            warn(f"{name}: {each.problem}")
        else:
            print(
                f"{name}: {each.software}" + (f", profile {each.profile}" if each.profile else "")
            )
    config = "" if output == settings.config_path() else f" --config {output}"
    print(f"{output} is written. Next:")
    print(f"  fhirbridge doctor{config}    # can this work? each failure comes with its remedy")
    print(f"  fhirbridge serve{config}     # hears, decides, shows: {wishes.public_url}")
    print("Nothing is written to a server until the file says `write: on`.")
