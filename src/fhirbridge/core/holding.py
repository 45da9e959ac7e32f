"""What is not written yet: troubles that have not settled, and Tasks beyond what an owner can read.

    hold(plan, patience, waits, opened, as_of, today) -> Held

Records change in bursts: an order is replaced, its authorization follows a minute later. A Task
that opens and closes meanwhile teaches people not to read. So what is not urgent must be wanted
at every look for as long as the settle window before it is written. This is level-triggered, as
everything here: the first look that wants a change notes when, a look that no longer wants it
forgets that, and the store's timer brings the look at the end of the window.

An owner who gets more new Tasks in a day than anybody can act on reads none of them. Beyond the
ceiling they wait for the next day, the most urgent first, and the coordinator is told once. A
reminder counts like a new Task, and comes after all of those.
Nothing that concerns safety (S1) waits for either.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from .findings import Finding, Severity
from .plan import Do, Intent, Over, Plan, Why
from .roots import ROOT_RULE

#: A dose this near waits for no window.
NEAR = timedelta(days=3)
#: What a person did not do but the records made us want: it may be unwanted in a minute.
_FLAPS = frozenset({Do.OPEN, Do.CLOSE, Do.REVISE, Do.ANNOTATE})


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """`window`: how long a change must be wanted. `most`: new Tasks for one owner in a day."""

    window: timedelta = timedelta(0)
    most: int | None = None


@dataclass(frozen=True, slots=True)
class Wait:
    """A change that was wanted at every look since a moment. `key` is that of the trouble."""

    key: str
    do: Do
    since: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """`keys` of the troubles about which nothing is written now, and why they wait.

    `until`: when the first window ends. `late`: some wait for the next day. `over`: the owners at
    their ceiling of whom the coordinator does not know yet.
    """

    keys: frozenset[str] = frozenset()
    waits: tuple[Wait, ...] = ()
    until: datetime | None = None
    late: bool = False
    over: tuple[Over, ...] = ()


#: Before an owner's name: how often the coordinator was told today that he is at the ceiling.
TOLD = "told:"

#: How many Tasks were opened today for an owner (`owner_of`).
Opened = Callable[[str], int]


def hold(
    plan: Plan, patience: Patience, waits: Iterable[Wait], opened: Opened, as_of: datetime
) -> Held:
    """What of a plan is not written yet. `waits`: as the last look at this person left them."""
    before = {(each.key, each.do): each.since for each in waits}
    waiting = [
        Wait(each.key, each.do, before.get((each.key, each.do), as_of))
        for each in plan.intents
        if patience.window and not _is_root(each) and flaps(each)
    ]
    unsettled = [each for each in waiting if as_of < each.since + patience.window]
    keys = {each.key for each in unsettled}
    beyond, over = _beyond(plan, keys, patience.most, opened)
    return Held(
        keys=frozenset(keys | beyond),
        waits=tuple(waiting),
        until=min((each.since + patience.window for each in unsettled), default=None),
        late=bool(beyond),
        over=over,
    )


def owner_of(finding: Finding) -> str:
    """A name for whoever a Task is for: the party by reference or identifier, else the role."""
    party = finding.party
    named = party and (party.reference or party.identifier)
    return f"{party.source}:{named}" if party and named else finding.owner.value


def flaps(intent: Intent) -> bool:
    """May this wait? Not where harm is near. An all-clear may: false ones are the worst."""
    finding = intent.finding
    if intent.do not in _FLAPS or intent.why == Why.DOUBLE:
        return False
    if finding is None:
        return True
    near = finding.lead is not None and finding.lead <= NEAR
    return finding.severity is not Severity.S1 and not near


def _beyond(
    plan: Plan, unsettled: Iterable[str], most: int | None, opened: Opened
) -> tuple[set[str], tuple[Over, ...]]:
    if most is None:
        return set(), ()
    new = [
        (each.do is Do.REMIND, finding)
        for each in plan.intents
        if (finding := _reaches(each)) and each.key not in unsettled
    ]
    room: dict[str, int] = {}
    late: dict[str, list[Finding]] = {}
    quiet: list[Finding] = []  # of a reminder that waits nobody is told
    for again, finding in sorted(new, key=_urgency):
        owner = owner_of(finding)
        room.setdefault(owner, most - opened(owner))
        room[owner] -= 1
        if room[owner] < 0 and finding.severity is not Severity.S1:
            (quiet if again else late.setdefault(owner, [])).append(finding)
    keys = {finding.key for found in (quiet, *late.values()) for finding in found}
    over = tuple(
        Over(found[0].owner, name, most)
        for name, found in sorted(late.items())
        if not opened(TOLD + name)
    )
    return keys, over


def openings(plan: Plan) -> Mapping[str, int]:
    """How many new Tasks and reminders a plan brings to each owner, and for whom the coordinator
    is told."""
    counted: dict[str, int] = {}
    for each in plan.intents:
        if finding := _reaches(each):
            owner = owner_of(finding)
            counted[owner] = counted.get(owner, 0) + 1
    return counted | {TOLD + each.owner: 1 for each in plan.over}


def _reaches(intent: Intent) -> Finding | None:
    """The finding of an intent that brings its owner something new to read."""
    new = intent.do in (Do.OPEN, Do.REMIND)
    return intent.finding if new and not _is_root(intent) else None


def _urgency(new: tuple[bool, Finding]) -> tuple[object, ...]:
    again, finding = new
    return again, finding.severity, finding.due is None, finding.due


def _is_root(intent: Intent) -> bool:
    about = intent.finding or intent.said
    return about is not None and about.rule == ROOT_RULE
