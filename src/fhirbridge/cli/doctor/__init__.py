"""The doctor: can this configuration work? Each sign that it cannot names its remedy.

    examine(config, round_trip=False) -> signs     first what other things depend on

Nothing is written on a server, unless a round trip is asked for; the store is opened (and made,
if it is new).
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from itertools import chain
from pathlib import Path

from fhirbridge import mappings, settings, wiring
from fhirbridge.cli.common import Wrong, configured
from fhirbridge.fhir.client import Server
from fhirbridge.settings import Misconfigured, Settings
from fhirbridge.yamlfile import Invalid

from . import round_trip as trip
from .server import server_signs
from .signs import Sign, State, fails, note, ok
from .site import site_signs

__all__ = ["Sign", "State", "examine"]


def examine(config: Path | None, *, round_trip: bool = False) -> Iterator[Sign]:
    """Every look at this configuration; without one, at what works without."""
    try:
        found = configured(config)
    except Wrong as error:
        says, _, remedy = str(error).partition("; ")
        yield fails("configuration", says, remedy)
        return
    except Misconfigured as error:
        yield fails("configuration", str(error), "mend what is named")
        return
    path = settings.config_path(config)
    if found.servers:
        yield ok("configuration", str(path or "by variables"))
    else:
        says = "names no servers" if path else "there is none: demo, audit and sandbox need none"
        yield note("configuration", says, "`fhirbridge init` writes one")
    yield from _mappings(found)
    if found.servers:
        yield from _installation(found, round_trip)


def _installation(found: Settings, round_trip: bool) -> Iterator[Sign]:
    failed = False
    for sign in chain(site_signs(found), _servers(found), _writing(found)):
        failed = failed or sign.state is State.FAILS
        yield sign
    if round_trip and failed:
        yield note("round trip", "not tried", "mend what fails above first")
    elif round_trip:
        yield from trip.round_trips(found)


def _servers(found: Settings) -> Iterator[Sign]:
    with ExitStack() as stack:
        for name in found.servers:
            try:
                source = wiring.source(name, found, clock=wiring.now)
            except (Misconfigured, ValueError) as error:
                yield fails(name, str(error), "mend it in the configuration")
                continue
            if isinstance(source.server, Server):
                stack.callback(source.server.close)
            yield from server_signs(source, found)


def _mappings(found: Settings) -> Iterator[Sign]:
    complaints = mappings.check([mappings.shipped(), *map(Path, found.mappings)])
    try:
        wiring.words(found)
    except Invalid as invalid:
        complaints += [str(invalid)]
    for complaint in complaints:
        yield fails("mappings", complaint, "mend the file")
    if complaints:
        return
    yield ok("mappings", "all files and their examples are well")
    try:  # what the configuration says of them
        wiring.formulary(found)
        wiring.told_to_patients(found)
    except Misconfigured as error:
        yield fails("configuration", str(error), "mend what is named")


def _writing(found: Settings) -> Iterator[Sign]:
    home = wiring.home_of(found)
    mode = (found.servers[home].write if home else None) or found.write.default
    if mode == "on":
        yield ok("write", f"on: Tasks are written to {home}")
    else:
        says = f"{mode}: nothing is written to {home}"
        yield note("write", says, "set `write: on` when you want Tasks there")
