"""Persons recorded: read as a decision reads them, masked, decided again, compared.

The dates of a case are moved by chance. Where the case is then decided otherwise than the person
was (a holiday fell otherwise, a month has another end), another move is tried; what differs in
the end is written into the case and said.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from fhirbridge import mappings, wiring
from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.deciding import Decider, Decision
from fhirbridge.bridge.silence import Silence
from fhirbridge.core.findings import Finding, figures_of, key_of
from fhirbridge.core.plan import latest_of, states_of
from fhirbridge.core.roots import root_key, roots
from fhirbridge.fhir import ours
from fhirbridge.fhir.said import said
from fhirbridge.settings import Settings

from . import document
from .document import Case, Source
from .masking import Masker
from .naming import INSTANCE, Naming, base_of
from .outcomes import Translated, outcome
from .pseudonyms import Pseudonyms, Shift
from .replaying import Replayed, replay
from .shelved import Tape
from .vocabulary import Vocabulary

#: How often another move of the dates is tried.
TRIES = 8
#: Weeks back by which dates are moved: half a year to four years; to one at the last try, for
#: codes have a day on which they begin.
_WEEKS, _AT_LAST = (26, 208), 52
#: Days by which birth dates are moved, either way.
_DAYS = (200, 2000)


class NoSuchPatient(ValueError):
    """A person who is to be recorded and is not there; the message names the record."""


@dataclass(frozen=True)
class _Original:
    """What was read and decided, before it is masked."""

    settings: Settings
    tapes: Mapping[str, Tape]
    as_of: datetime
    silent: Mapping[str, datetime]
    decider: Decider
    decisions: Mapping[str, Decision]

    def zone(self, source: str) -> ZoneInfo | None:
        name = self.settings.servers[source].timezone or self.settings.timezone
        return ZoneInfo(name) if name else None


def record(
    settings: Settings,
    bridge: Bridge,
    tapes: Mapping[str, Tape],
    subjects: Sequence[str],
    random: Random,
) -> Case:
    """A case of these patient records. `bridge` was wired with `tapes` around its servers.

    Raises `NoSuchPatient`, and `FhirError` where a decision cannot be made now.
    """
    decisions = {}
    for subject in subjects:
        decision = bridge.reconcile(subject, dry_run=True).decision
        if decision is None:
            raise NoSuchPatient(f"{subject}: there is no such patient; nothing was recorded")
        decisions[subject] = decision
    as_of = next(iter(decisions.values())).as_of
    silent = Silence(bridge.sources.values(), bridge.store)(as_of)
    known = wiring.formulary(settings)
    decider = wiring.decider(settings, known, bridge.sources, today=as_of.date())
    original = _Original(settings, tapes, as_of, dict(silent), decider, decisions)
    for decision in decisions.values():
        for task in decision.gathered.ours:  # also those that stand in our own worklist
            tapes[decision.home or decision.person.source].keep(task)
    return _masked(original, random)


def _masked(original: _Original, random: Random) -> Case:
    folders = [mappings.shipped(), *map(Path, original.settings.mappings)]
    vocabulary = Vocabulary(folders, _codes(original.settings))
    names = Pseudonyms(vocabulary.words)
    bases = {each.base_url: name for name, each in original.settings.servers.items()}
    masker = Masker(Naming(names, vocabulary, bases), Shift(-52, 365))
    _case(original, masker, folders)  # tells all names
    names.settle()
    best: Case | None = None
    least, most = _WEEKS
    for tried in range(TRIES):
        days = random.randint(*_DAYS) * random.choice((-1, 1))
        weeks = random.randint(least, most - (most - _AT_LAST) * tried // (TRIES - 1))
        masker.shift, masker.naming.told = Shift(-weeks, days), {}
        for _ in range(2):  # the second time answers to our questions are understood
            seen = replay(_case(original, masker, folders), original.settings.mappings)
            masker.naming.told |= _told(original, seen, masker)
        case = _case(original, masker, folders)
        differs = replay(case, original.settings.mappings).differences
        case = case.model_copy(update={"differs": differs})
        if best is None or len(differs) < len(best.differs):
            best = case
        if not differs:
            break
    assert best is not None
    return best


def _case(original: _Original, masker: Masker, folders: Sequence[Path]) -> Case:
    site = original.settings
    zone = ZoneInfo(site.timezone) if site.timezone else None
    return Case(
        software=document.software(),
        mappings=document.digest(folders),
        own_mappings=bool(site.mappings),
        as_of=masker.shift.moment(original.as_of, zone),
        settings=_settings(site, masker),
        silent={name: masker.shift.moment(at, zone) for name, at in original.silent.items()},
        sources={
            name: Source(
                resources=[
                    kept
                    for each in tape.resources
                    if (kept := masker.record(each, original.zone(name))) is not None
                ],
                cut=sorted(tape.cut),
                failed=tape.failed,
            )
            for name, tape in original.tapes.items()
        },
        decided=[
            outcome(_subject(name, masker), decision, Translated(masker, decision))
            for name, decision in original.decisions.items()
        ],
    )


def _subject(name: str, masker: Masker) -> str:
    source, _, place = name.partition(":")
    return f"{source}:{masker.naming.reference(place)}"


def _settings(site: Settings, masker: Masker) -> dict[str, Any]:
    """What of the configuration a decision depends on, masked like the records."""
    servers = {}
    for name, server in site.servers.items():
        visits = server.infusion_visits
        servers[name] = {
            "base_url": base_of(name),
            "holds": list(server.holds),
            "timezone": server.timezone,
            "supply": dict(server.supply),
            "owners": {role: masker.naming.reference(ref) for role, ref in server.owners.items()},
            "write": server.write,
            "infusion_visits": {
                "service_type": sorted(
                    {t for each in visits.service_type for t in _form(each, masker)}
                ),
                "locations": [masker.naming.reference(each) for each in visits.locations],
            },
        }
    return {
        "instance": INSTANCE,
        "write": site.write.model_dump(mode="json"),
        "timezone": site.timezone,
        "holidays": site.holidays,
        "identity": [masker.naming.system(each) for each in site.identity],
        "settle_seconds": site.settle_seconds,
        "most_new_tasks": site.most_new_tasks,
        "servers": servers,
    }


def _form(service_type: str, masker: Masker) -> Iterable[str]:
    """A service type of the configuration: "system|code", a code, or a display."""
    system, bar, code = service_type.rpartition("|")
    if bar:
        return ["|".join(map(str, masker.naming.code(system, code)))]
    return [str(masker.naming.code("", service_type)[1]), str(masker.naming.text(service_type))]


def _codes(site: Settings) -> list[str]:
    """The codes that the configuration itself names."""
    return [
        each.rpartition("|")[2]
        for server in site.servers.values()
        for each in server.infusion_visits.service_type
        if "|" in each
    ]


def _told(original: _Original, first: Replayed, masker: Masker) -> dict[str, str]:
    """Identifiers, occasions and digests of our own Tasks -> what they are in the case.

    They are digests of names and dates, so each is found again by what it stands for: the first
    replay, of which no Task was understood, makes all those that can stand for something now.
    """
    told: dict[str, str] = {}
    for name, decision in original.decisions.items():
        again = first.decisions.get(_subject(name, masker))
        if again is None:
            continue
        keys = _keys(decision, again, original.decider, first.decider)
        told |= keys
        for task in decision.gathered.ours:
            mine = ours.name_of(task, original.settings.instance)
            key, _, episode = (mine or "").rpartition(".")
            if mine and key:
                other = keys.get(key) or key_of(
                    "not known now", masker.naming.names.name("number", key)
                )
                told[mine] = f"{other}.{episode}"
    return told


def _keys(decision: Decision, again: Decision, old: Decider, new: Decider) -> dict[str, str]:
    """Occasions, keys and digests of a decision -> those of its case."""
    found: dict[str, str] = {}
    rules = {each.rule for task in decision.gathered.ours if (each := said(task, ""))}
    # As if nobody had answered, then as it is.
    for was, now in ((_untold(old, decision), _untold(new, again)), (decision, again)):
        doses = was.ledger.occasions, now.ledger.occasions
        if len(doses[0]) != len(doses[1]):
            continue  # an answer is not understood yet
        for theirs, its in zip(*doses, strict=True):
            before = (was.person.name, theirs.therapy.name, theirs.key)
            after = (now.person.name, its.therapy.name, its.key)
            found[key_of(*before)] = key_of(*after)
            found[root_key(key_of(*before))] = root_key(key_of(*after))
            found |= {key_of(*before, rule): key_of(*after, rule) for rule in rules}
        _pair(was, now, found)
    found.pop("", None)
    return found


def _pair(before: Decision, after: Decision, found: dict[str, str]) -> None:
    """Keys and digests of findings that are the same, and of the roots above them."""
    was, now = _open(before), _open(after)
    theirs = {(each.rule, each.occasion, each.variant): each for each in now}
    for each in was:
        other = theirs.get((each.rule, found.get(each.occasion, ""), each.variant))
        if other is not None:
            found |= {each.key: other.key, each.asked: other.asked} | _digests(each, other)
    there = _roots(after, now)
    for key, root in _roots(before, was).items():
        if (same := there.get(found.get(key, ""))) is not None:
            found |= _digests(root, same)


def _digests(one: Finding, other: Finding) -> dict[str, str]:
    return {figures_of(one.digest): figures_of(other.digest), one.digest: other.digest}


def _roots(decision: Decision, findings: Sequence[Finding]) -> dict[str, Finding]:
    states = states_of({each.key: each for each in findings}, latest_of(decision.said))
    return roots(findings, (), states)


def _untold(decider: Decider, decision: Decision) -> Decision:
    """The decision as if we had never said anything."""
    return decider.decide(replace(decision.gathered, ours=()), decision.as_of)


def _open(decision: Decision) -> list[Finding]:
    return [each for each in decision.judgement.findings if each.folded_into is None]
