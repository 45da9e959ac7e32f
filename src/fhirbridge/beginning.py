"""The first configuration of a site: the servers are tried, and what they say becomes a file.

seen = look("ehr", "https://ehr.example/fhir")        one request, never an exception
text = configuration(wishes, {"ehr": seen})           YAML with comments; `settings.read` takes it
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from fhirbridge import mappings
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import FhirError, Forbidden
from fhirbridge.fhir.kinds import KINDS
from fhirbridge.fhir.ours import items
from fhirbridge.fhir.profile import choose
from fhirbridge.settings import is_loopback
from fhirbridge.yamlfile import dumps

#: What a server is believed for by its name; any other takes what nobody else is believed for.
USUAL: Mapping[str, tuple[str, ...]] = {
    "payer": ("authorizations", "coverage"),
    "pharmacy": ("dispenses",),
    "center": ("schedule", "administrations"),
    "laboratory": ("results",),
}
#: Kinds that a site asks for by name: their absence would else count as a finding.
_SPECIAL = frozenset({"results", "rems", "worklist"})
_ASKING_FOR = 8.0  # seconds


@dataclass(frozen=True)
class Seen:
    """What a server said of itself. `problem`: why it said nothing."""

    software: str = ""
    profile: str | None = None
    types: frozenset[str] = frozenset()
    problem: str = ""
    signs_in: bool = False  # it shows itself to nobody unknown


@dataclass(frozen=True)
class Wishes:
    """The answers to the questions. `servers`: name -> address, the one with the worklist first;
    `holds`: what was said of single ones."""

    instance: str
    servers: Mapping[str, str]
    timezone: str
    public_url: str
    holidays: str | None = None
    holds: Mapping[str, Sequence[str]] = field(default_factory=dict)


def look(name: str, url: str, make: Callable[..., Server] = Server) -> Seen:
    """Ask a server for its CapabilityStatement."""
    server = make(name, url, retries=0, timeout=_ASKING_FOR)
    try:
        statement = server.capabilities()
    except FhirError as error:
        problem = str(error).removeprefix(f"{name}: ")
        return Seen(problem=problem, signs_in=isinstance(error, Forbidden))
    finally:
        server.close()
    known = mappings.load([mappings.shipped()]).servers
    profile = choose(known.values(), statement)
    software = statement.get("software")
    said = software.get("name") if isinstance(software, dict) else None
    types = {
        str(resource.get("type"))
        for rest in items(statement, "rest")
        for resource in items(rest, "resource")
    }
    return Seen(
        software=str(said or "a FHIR server"),
        profile=profile.name if profile.name in known else None,
        types=frozenset(types),
    )


def beliefs(wishes: Wishes, seen: Mapping[str, Seen]) -> dict[str, list[str]]:
    """What each server is believed for: as was said, else by its name; the first one for the rest,
    as far as it has these types."""
    found = {
        name: list(wishes.holds.get(name) or USUAL.get(name, ()))
        for name in list(wishes.servers)[1:]
    }
    home = next(iter(wishes.servers))
    if home in wishes.holds:
        mine = list(wishes.holds[home])
    else:
        taken = {kind for kinds in found.values() for kind in kinds}
        types = seen[home].types
        mine = [
            kind
            for kind, of in KINDS.items()
            if kind not in taken | _SPECIAL and (not types or not types.isdisjoint(of))
        ]
    placed = any("worklist" in kinds for kinds in (mine, *found.values()))
    return {home: mine if placed else [*mine, "worklist"], **found}


def configuration(wishes: Wishes, seen: Mapping[str, Seen]) -> str:
    """The file, with a comment for whatever a person has to look at."""
    return "\n".join(_lines(wishes, seen)) + "\n"


def _lines(wishes: Wishes, seen: Mapping[str, Seen]) -> Iterator[str]:
    held = beliefs(wishes, seen)
    yield "# Written by `fhirbridge init`. Every key: docs/reference/configuration.md."
    yield f"instance: {_plain(wishes.instance)}   # part of every identifier that we write: keep it"
    yield "write: shadow   # all is decided and shown, nothing is written; `on` writes Tasks"
    yield f"timezone: {_plain(wishes.timezone)}"
    if wishes.holidays:
        yield f"holidays: {_plain(wishes.holidays)}"
    else:
        yield "# holidays: US   # a country, or a state (US-NY): days on which nobody is there"
    if len(wishes.servers) > 1:
        yield "# Identifier systems by which a person is the same on several servers (with the"
        yield "# birth date). Without this line any system counts that both records carry."
        yield '# identity: ["http://hospital.example/mrn"]'
    yield f"public_url: {_plain(wishes.public_url)}   # where the servers reach us"
    far = [url for url in wishes.servers.values() if not is_loopback(url)]
    if far and is_loopback(wishes.public_url):
        yield "# A server on another machine, or in a container, does not reach that address: name"
        yield "# one that it can, or nothing is heard and everything is found by polling."
    yield "servers:"
    for name, url in wishes.servers.items():
        yield from _server(name, url, held[name], seen[name])
    yield "store: sqlite:///fhirbridge.db   # postgresql+psycopg://… for several machines"


def _server(name: str, url: str, holds: Sequence[str], seen: Seen) -> Iterator[str]:
    yield f"  {name}:"
    if seen.software:
        yield f"    # {seen.software}, as it says itself"
    else:
        yield f"    # not seen yet: {' '.join(seen.problem.split())}"
    yield f"    base_url: {_plain(url)}"
    worklist = "; Tasks go to the one with `worklist`" if "worklist" in holds else ""
    yield f"    holds: [{', '.join(holds)}]   # what it is believed for{worklist}"
    if seen.profile:
        yield f"    profile: {seen.profile}"
    if seen.types and "Subscription" not in seen.types:
        yield "    subscribe: poll   # it has no Subscriptions"
    else:
        yield "    subscribe: push"
    if seen.signs_in:
        yield "    # It wants to know who we are; docs/how-to/sign-in.md has the other ways:"
    else:
        yield "    # If it wants to know who we are (docs/how-to/sign-in.md has the other ways):"
    yield "    # auth: {smart_backend: {client_id: fhirbridge}}   # then `fhirbridge keys new`"
    if "worklist" in holds:
        yield "    # Roles that the records do not name:"
        yield "    # owners: {coordinator: Organization/care-coordination}"


def _plain(text: str) -> str:
    """A text as YAML has it, in quotes where it needs them."""
    return dumps([text]).removeprefix("- ").strip()
