"""A case decided again, from the file alone."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import cast
from zoneinfo import ZoneInfo

from fhirbridge import mappings, wiring, yamlfile
from fhirbridge.bridge import sources as bridge_sources
from fhirbridge.bridge.deciding import Decider, Decision
from fhirbridge.bridge.gathering import Gatherer
from fhirbridge.bridge.ports import Server
from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Role
from fhirbridge.settings import Settings

from . import document
from .document import Case, Decided
from .outcomes import AsItIs, differences, outcome
from .shelved import Shelved


@dataclass(frozen=True)
class Replayed:
    """`decisions`: by subject; `differences`: from what was recorded; `notes`: what is otherwise
    here, and may be why."""

    settings: Settings
    decider: Decider
    decisions: dict[str, Decision]
    decided: list[Decided]
    differences: list[str]
    notes: list[str]


def settings_of(case: Case, folders: Sequence[str] = ()) -> Settings:
    """The configuration of a case. Raises `yamlfile.Invalid`."""
    data = {**case.settings, "mappings": list(folders)}
    return yamlfile.validate(yamlfile.Node(Path("settings of the case"), data), Settings)


def replay(case: Case, folders: Sequence[str] = ()) -> Replayed:
    """Decide again, with this program and its mappings. `folders`: the site's own mappings."""
    settings = settings_of(case, folders)
    made = {name: _source(name, case, settings) for name in settings.servers}
    today = case.as_of.date()
    decider = wiring.decider(settings, wiring.formulary(settings), made, today=today)
    decisions = {}
    with ThreadPoolExecutor(max(1, len(made))) as pool:
        gatherer = Gatherer(list(made.values()), frozenset(settings.identity) or None, pool)
        for each in case.decided:
            gathered = gatherer.gather([_ref(each.subject)])
            if gathered.records:
                decisions[each.subject] = decider.decide(gathered, case.as_of, silent=case.silent)
    decided = [outcome(name, decision, AsItIs()) for name, decision in decisions.items()]
    notes = _notes(case, folders)
    return Replayed(
        settings, decider, decisions, decided, differences(case.decided, decided), notes
    )


def _source(name: str, case: Case, settings: Settings) -> bridge_sources.Source:
    server = settings.servers[name]
    zone = server.timezone or settings.timezone
    shelved = Shelved(name, server.base_url, case.sources[name], case.as_of)
    return bridge_sources.Source(
        server=cast(Server, shelved),
        holds=frozenset(server.holds),
        zone=ZoneInfo(zone) if zone else None,
        owners={Role(role): Party(name, reference) for role, reference in server.owners.items()},
        supply=server.supply,
    )


def _notes(case: Case, folders: Sequence[str]) -> list[str]:
    here = document.digest([mappings.shipped(), *map(Path, folders)])
    found = []
    if case.software != document.software():
        found.append(f"recorded by fhirbridge {case.software}; this is {document.software()}")
    if case.mappings != here:
        own = " (the site has some of its own: --mappings FOLDER)" if case.own_mappings else ""
        found.append(f"recorded with other mappings than these{own}")
    return found


def _ref(name: str) -> Ref:
    source, _, place = name.partition(":")
    type_, _, id_ = place.partition("/")
    return Ref(source, type_, id_)
