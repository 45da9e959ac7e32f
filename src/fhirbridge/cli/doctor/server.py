"""The doctor's looks at one FHIR server: what it is, what it can, whether it lets us in."""

from __future__ import annotations

import re
import socket
import ssl
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509

from fhirbridge import signing, wiring
from fhirbridge.bridge.sources import Source
from fhirbridge.fhir.chart import PATIENT_PARAMETER
from fhirbridge.fhir.errors import FhirError, Forbidden
from fhirbridge.fhir.scopes import in_words
from fhirbridge.fhir.smart import Backend
from fhirbridge.settings import Auth, Settings

from .elsewhere import elsewhere
from .signs import Sign, fails, note, ok

_CLOCKS_DIFFER = timedelta(seconds=60)
_CERTIFICATE_ENDS = timedelta(days=30)
_WEBSOCKET = "http://hl7.org/fhir/StructureDefinition/capabilitystatement-websocket"


def server_signs(source: Source, found: Settings) -> Iterator[Sign]:
    """Every look at one server."""
    name, base_url = source.name, found.servers[source.name].base_url
    try:
        statement = _statement(source)
    except Forbidden as error:  # some servers show even this to nobody unknown
        yield from _signing_in(source, found)
        if found.servers[name].auth == Auth():
            remedy = f"give {name} an `auth`: docs/how-to/sign-in.md has the ways"
        else:
            remedy = f"check auth of {name}"
        if error.status is None:  # there is no sign-in at that address: is it another one?
            near = elsewhere(name, base_url, found, error)
            remedy = near if near.startswith("did you mean") else remedy
        yield fails(name, _happened(name, error), remedy)
        return
    except FhirError as error:
        yield fails(name, _happened(name, error), elsewhere(name, base_url, found, error))
        yield from _our_certificate(name, found)  # it may be why
        return
    version = str(statement.get("fhirVersion"))
    software = (statement.get("software") or {}).get("name") or "FHIR server"
    if not version.startswith(("4.0", "4.3")):
        remedy = "name the address at which it speaks R4 (4.0) or R4B (4.3)"
        yield fails(name, f"speaks FHIR {version}", remedy)
        return
    yield ok(name, f"{software}, FHIR {version}")
    yield from _clock(source)
    yield from _certificate(name, base_url, found)
    yield from _our_certificate(name, found)
    yield from _abilities(source, statement)
    yield from _signing_in(source, found)
    yield from _reading(source)
    yield from _transacting(source, found)


def _without(name: str, error: Exception) -> str:
    """What an error says, without the server's name: the sign begins with it."""
    return str(error).removeprefix(f"{name}: ")


def _happened(name: str, error: Exception) -> str:
    """The same without what to check: the sign ends with it."""
    return re.sub(r": check (base_url|auth)\b.*", "", _without(name, error))


def _statement(source: Source) -> dict[str, Any]:
    statement = source.server.capabilities()
    if "worklist" in source.holds:
        source.learn()
    return statement


def _clock(source: Source) -> Iterator[Sign]:
    offset = source.server.now() - wiring.now()
    if abs(offset) < _CLOCKS_DIFFER:
        return
    seconds = int(abs(offset).total_seconds())
    way = "behind" if offset > timedelta(0) else "ahead of"
    yield note(
        source.name,
        f"our clock is {seconds} s {way} the server's: sign-in may be refused, and due days shift",
        "let both follow NTP",
    )


def _certificate(name: str, base_url: str, found: Settings) -> Iterator[Sign]:
    parts = urlsplit(base_url)
    if parts.scheme != "https" or parts.hostname is None:
        return
    context = signing.trust(name, found.servers[name]) or ssl.create_default_context()
    try:
        with (
            socket.create_connection((parts.hostname, parts.port or 443), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname=parts.hostname) as wire,
        ):
            certificate = wire.getpeercert() or {}
    except OSError:
        return  # by a proxy, say: that it is trusted was seen already
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(certificate["notAfter"])), UTC)
    if ends - wiring.now() < _CERTIFICATE_ENDS:
        yield note(name, f"its certificate ends on {ends:%Y-%m-%d}", "have it renewed before")
    else:
        yield ok(name, f"certificate until {ends:%Y-%m-%d}")


def _our_certificate(name: str, found: Settings) -> Iterator[Sign]:
    """The one by which we are known to a server that asks for it; that it can be used was seen."""
    if path := found.servers[name].tls.certificate:
        yield from certificate_signs(name, path)


def certificate_signs(name: str, path: str) -> Iterator[Sign]:
    """How long a certificate of ours lasts."""
    first = x509.load_pem_x509_certificates(Path(path).read_bytes())[0]
    ends = first.not_valid_after_utc
    if ends < wiring.now():
        yield fails(name, f"our certificate ended on {ends:%Y-%m-%d}", f"put a new one into {path}")
    elif ends - wiring.now() < _CERTIFICATE_ENDS:
        yield note(name, f"our certificate ends on {ends:%Y-%m-%d}", f"renew {path} before")
    else:
        yield ok(name, f"our certificate until {ends:%Y-%m-%d}")


def _abilities(source: Source, statement: Mapping[str, Any]) -> Iterator[Sign]:
    rest: Mapping[str, Any] = next(iter(statement.get("rest") or ()), {})
    offered = {str(each.get("type")): each for each in rest.get("resource") or ()}
    home = "worklist" in source.holds
    wanted = {"Patient", *source.types}
    if missing := sorted(wanted - offered.keys()):
        yield fails(
            source.name,
            f"does not offer {', '.join(missing)}",
            "leave out of `holds` what it cannot hold",
        )
    yield from _searches(source, offered)
    if home:
        yield from _writes(source, offered)
    if source.push:
        yield from _subscriptions(source, rest, offered)


def _searches(source: Source, offered: Mapping[str, Any]) -> Iterator[Sign]:
    lacks = []
    for type_ in source.types:
        known = {each.get("name") for each in offered.get(type_, {}).get("searchParam") or ()}
        parameter = PATIENT_PARAMETER[type_]
        if known and parameter not in known:
            lacks.append(f"{type_}?{parameter}")
    if lacks:
        yield fails(
            source.name,
            f"does not say that it can search {', '.join(lacks)}",
            "have the search parameter switched on: without it a person's records are not found",
        )


def _writes(source: Source, offered: Mapping[str, Any]) -> Iterator[Sign]:
    """Where Tasks and Communications stand, and how they come there (`mappings/servers`)."""
    fit = source.fit
    how = "in one transaction" if fit.transactions else "one entry after the other"
    yield ok(source.name, f"profile {fit.name}: written {how}")
    if missing := sorted({"Task", "Communication"} - fit.takes):
        yield note(
            source.name,
            f"takes no {' and no '.join(missing)}: they stand on our own worklist",
            "set worklist_token, and let people read them at /fhir",
        )
    can = {each.get("code") for each in offered.get("Task", {}).get("interaction") or ()}
    if source.has_tasks and can and "update" not in can:
        yield fails(
            source.name,
            "does not let Tasks be changed: no update",
            "let another server hold the worklist",
        )
    if not fit.conditional_create and fit.takes:
        yield note(
            source.name,
            "creates nothing on a condition: each identifier is searched for before",
            "let nothing else write with our identifiers",
        )


def _subscriptions(
    source: Source, rest: Mapping[str, Any], offered: Mapping[str, Any]
) -> Iterator[Sign]:
    sockets = any(each.get("url") == _WEBSOCKET for each in rest.get("extension") or ())
    if "Subscription" not in offered:
        yield fails(source.name, "has no Subscriptions", "set `subscribe: poll` for it")
        return
    yield note(
        source.name,
        f"offers Subscriptions{', by websocket too' if sockets else ''}; whether its rest-hooks are"
        " on, no CapabilityStatement says",
        "`fhirbridge doctor --round-trip` tries one (HAPI: subscription.resthook_enabled)",
    )


def _signing_in(source: Source, found: Settings) -> Iterator[Sign]:
    """The token, and whether it allows what we do."""
    auth = signing.sign_in(
        source.name,
        found,
        clock=wiring.now,
        ids=wiring.names,
        tls=signing.trust(source.name, found.servers[source.name]),
    )
    try:
        if not isinstance(auth, Backend):
            return
        lacking = auth.lacking()
        v2 = auth.endpoint().v2
        yield ok(source.name, f"signed in; scopes: {' '.join(in_words(auth.needs, v2=v2))}")
        if lacking:
            yield fails(
                source.name,
                f"was not granted {' '.join(lacking)}",
                "have these scopes given to the client, or leave out of `holds` what needs them",
            )
    except FhirError as error:
        says, _, remedy = _without(source.name, error).rpartition(": ")
        yield fails(source.name, says, remedy)
    finally:
        auth.close()


def _reading(source: Source) -> Iterator[Sign]:
    """May we read what it is believed for? Counts are asked for, no records."""
    refused = []
    for type_ in ("Patient", *source.types):
        try:
            for _ in source.server.search(type_, {"_summary": "count"}):
                break
        except FhirError as error:
            refused.append(str(error).partition(": ")[2])
    if refused:
        yield fails(source.name, "; ".join(refused), f"check auth and holds of {source.name}")
    else:
        yield ok(source.name, f"lets us read {', '.join(source.types)}")


def _transacting(source: Source, found: Settings) -> Iterator[Sign]:
    """May we send a transaction? A strict server wants a scope for all types for the address
    itself, whatever the entries are. An empty one is sent: it changes nothing."""
    server, fit = found.servers[source.name], source.fit
    mode = server.write or found.write.default
    if "worklist" not in source.holds or mode != "on":
        return
    if not (fit.takes and fit.transactions and fit.conditional_create):
        return  # one entry is sent after the other: the scopes of their types are enough
    try:
        source.server.transact({"resourceType": "Bundle", "type": "transaction", "entry": []})
    except Forbidden:
        yield fails(
            source.name,
            "does not let us send a transaction, whatever is in it",
            "have system/*.c (in v1 words system/*.write) granted, and name it in `scopes` with the"
            " others; or name a `profile` with `write: {transactions: false}`: then the scopes"
            " above are enough",
        )
    except FhirError:
        pass  # an empty one may be refused as such; that we may send it is all that is asked
