"""The doctor: can this configuration work? Each sign that it cannot names its remedy.

    examine(config) -> signs        in the order in which things depend on one another

Nothing is written anywhere, except that the store is opened (and made, if it is new).
"""

from __future__ import annotations

import http.client
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from fhirbridge import mappings, settings, wiring
from fhirbridge.bridge.sources import Source
from fhirbridge.fhir.errors import FhirError
from fhirbridge.settings import Misconfigured, Settings, is_loopback
from fhirbridge.store import Store
from fhirbridge.store.records import StoreError
from fhirbridge.yamlfile import Invalid


class State(StrEnum):
    OK = "ok"
    NOTE = "note"  # it works, and you should know
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Sign:
    """What one look showed. `says` ends with the remedy where it fails."""

    check: str
    state: State
    says: str


def examine(config: Path | None) -> list[Sign]:
    """Every look at this configuration; without one, at what works without."""
    try:
        path = settings.config_path(config)
        found = settings.read(path)
    except Misconfigured as error:
        return [Sign("configuration", State.FAILS, str(error))]
    read = Sign("configuration", State.OK, str(path or "none: demo, audit and sandbox need none"))
    return [read, *_mappings(found), *(_installation(found) if found.servers else ())]


def _installation(found: Settings) -> Iterator[Sign]:
    yield from _store(found)
    yield from _broker(found)
    yield from _public_url(found)
    yield from _identity(found)
    for name in found.servers:
        source = wiring.source(name, found, clock=wiring.now)
        yield from _server(source, found.servers[name].base_url)
    yield from _writing(found)


def _mappings(found: Settings) -> Iterator[Sign]:
    complaints = mappings.check([mappings.shipped(), *map(Path, found.mappings)])
    try:
        wiring.words(found)
    except Invalid as invalid:
        complaints += [str(invalid)]
    for complaint in complaints:
        yield Sign("mappings", State.FAILS, f"{complaint}; mend the file")
    if not complaints:
        yield Sign("mappings", State.OK, "all files and their examples are well")


def _store(found: Settings) -> Iterator[Sign]:
    try:
        store = Store(found.store, ids=wiring.names)
    except StoreError as error:
        yield Sign("store", State.FAILS, f"{error}; check `store`")
        return
    try:
        store.ping()
        counts = store.counts(wiring.now())
        yield Sign("store", State.OK, f"writable; {counts.due} due, {counts.parked} parked")
        if counts.parked:
            yield Sign("store", State.NOTE, "`fhirbridge parked` shows what was set aside and why")
    except StoreError as error:
        yield Sign("store", State.FAILS, f"{error}; check `store`")
    finally:
        store.close()


def _broker(found: Settings) -> Iterator[Sign]:
    if found.broker is None:
        yield Sign("broker", State.OK, "none: the threads of `fhirbridge serve` do the work")
        return
    from fhirbridge.worker import answers

    if answers(found):
        yield Sign("broker", State.OK, "answers")
    else:
        yield Sign("broker", State.FAILS, "does not answer; start Redis, or check `broker`")


def _public_url(found: Settings) -> Iterator[Sign]:
    """Servers on other machines cannot reach an address that means their own."""
    pushing = {n: s for n, s in found.servers.items() if s.subscribe == "push"}
    far = sorted(n for n, server in pushing.items() if not is_loopback(server.base_url))
    if is_loopback(found.public_url) and far:
        yield Sign(
            "public_url",
            State.FAILS,
            f"{found.public_url} is the own address of whoever asks: {' and '.join(far)} cannot"
            " notify us there; set public_url to an address of this machine that it can reach",
        )
    elif pushing and not _answers(found.public_url):
        yield Sign(
            "public_url",
            State.NOTE,
            f"nothing answers at {found.public_url} from here; start `fhirbridge serve`",
        )
    else:
        yield Sign("public_url", State.OK, found.public_url)


def _answers(url: str) -> bool:
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    wire = kind(parts.netloc, timeout=3)
    try:
        wire.request("GET", f"{parts.path.rstrip('/')}/healthz")
        return wire.getresponse().status == 200
    except OSError:
        return False
    finally:
        wire.close()


def _identity(found: Settings) -> Iterator[Sign]:
    if len(found.servers) > 1 and not found.identity:
        yield Sign(
            "identity",
            State.NOTE,
            "any identifier that two servers share joins their patients (with the birth date);"
            " name the systems that may, to be strict",
        )


def _server(source: Source, base_url: str) -> Iterator[Sign]:
    name = source.name
    try:
        statement = source.server.capabilities()
    except FhirError as error:
        yield Sign(name, State.FAILS, f"{error}; check base_url ({base_url})")
        return
    version = str(statement.get("fhirVersion"))
    software = (statement.get("software") or {}).get("name") or "FHIR server"
    if not version.startswith(("4.0", "4.3")):
        yield Sign(name, State.FAILS, f"speaks FHIR {version}; R4 (4.0) or R4B (4.3) is needed")
        return
    yield Sign(name, State.OK, f"{software}, FHIR {version}")
    yield from _abilities(source, statement)
    yield from _sign_in(source)


def _abilities(source: Source, statement: Mapping[str, Any]) -> Iterator[Sign]:
    rest: Mapping[str, Any] = next(iter(statement.get("rest") or ()), {})
    types = {str(each.get("type")) for each in rest.get("resource") or ()}
    wanted = {"Patient", *source.types} | ({"Communication"} if _is_home(source) else set())
    if missing := sorted(wanted - types):
        yield Sign(
            source.name,
            State.FAILS,
            f"does not offer {', '.join(missing)}; leave out of `holds` what it cannot hold",
        )
    interactions = {each.get("code") for each in rest.get("interaction") or ()}
    if _is_home(source) and interactions and "transaction" not in interactions:
        yield Sign(
            source.name,
            State.FAILS,
            "takes no transactions, by which Tasks are written; let another server hold the"
            " worklist",
        )
    if source.push and "Subscription" not in types:
        yield Sign(
            source.name,
            State.FAILS,
            "has no Subscriptions; set `subscribe: poll` for it",
        )
    elif source.push:
        yield Sign(
            source.name,
            State.NOTE,
            "whether it sends rest-hooks shows when a Subscription becomes active:"
            " `fhirbridge subscriptions ensure` (HAPI: subscription.resthook_enabled)",
        )


def _sign_in(source: Source) -> Iterator[Sign]:
    """May we read what it is believed for? Counts are asked for, no records."""
    refused = []
    for type_ in ("Patient", *source.types):
        try:
            for _ in source.server.search(type_, {"_summary": "count"}):
                break
        except FhirError as error:
            refused.append(f"{type_}: {error.why}")
    if refused:
        yield Sign(source.name, State.FAILS, "; ".join(refused))
    else:
        yield Sign(source.name, State.OK, f"lets us read {', '.join(source.types)}")


def _is_home(source: Source) -> bool:
    return "worklist" in source.holds


def _writing(found: Settings) -> Iterator[Sign]:
    home = wiring.home_of(found)
    mode = (found.servers[home].write if home else None) or found.write.default
    if mode == "on":
        yield Sign("write", State.OK, f"on: Tasks are written to {home}")
    else:
        says = f"{mode}: nothing is written to {home}; set `write: on` when you want Tasks there"
        yield Sign("write", State.NOTE, says)
