"""The write policy: findings and what we already said -> what shall be written.

The policy is the table `NEXT`; `decide` walks it. Nothing here knows FHIR: an intent says what
shall be true of a Task, `fhir.write` says how that is put on the wire.

Every dose occasion that has trouble also has one *root* (`roots`), above the Tasks of those who
can put it right.
"""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from enum import StrEnum

from .facts import Ref
from .findings import Finding, Role, figures_of
from .roots import GONE, ROOT_RULE, root_key, roots


class Trouble(StrEnum):
    """The trouble now, compared with our latest Task about it."""

    GONE = "gone"
    SAME = "same"
    CHANGED = "changed"
    CANNOT_TELL = "cannot tell"


class Told(StrEnum):
    """What became of our latest Task about a trouble."""

    NONE = "none"
    OPEN = "open, not started"
    STARTED = "started by a person"
    CLOSED_BY_US = "closed by us"
    COMPLETED = "completed by a person"
    REFUSED = "rejected or failed"
    DELETED = "deleted by a person"


class Do(StrEnum):
    """What is done about it."""

    NOTHING = "-"
    OPEN = "open"
    CLOSE = "close"
    REVISE = "revise"
    ANNOTATE = "annotate"
    ESCALATE = "escalate"
    REMIND = "remind"  # not in the table: the owner of a Task that stays as it is says nothing


class Why(StrEnum):
    """Why a Task is closed."""

    SOLVED = "solved"  # the records agree now
    GIVEN = "given"  # the dose was given as it was: nothing is left to solve
    WITHDRAWN = "withdrawn"  # the dose is no longer to be given: nothing is left to solve
    RETRACTED = "retracted"  # a person takes it back: it should not have been said
    FOLDED = "folded"  # another trouble causes it, and must be solved first
    DOUBLE = "double"  # we wrote it twice, and the other one stands


#: The policy, row by row as `docs/decisions.md` prints it: columns in the order of `Told`.
_ROWS: Mapping[Trouble, tuple[Do, ...]] = {
    Trouble.GONE: (
        Do.NOTHING,  # none
        Do.CLOSE,  # open, not started
        Do.ANNOTATE,  # started: never taken out of a person's hands
        Do.NOTHING,  # closed by us
        Do.NOTHING,  # completed by a person
        Do.NOTHING,  # rejected or failed
        Do.NOTHING,  # deleted by a person
    ),
    Trouble.SAME: (
        Do.OPEN,
        Do.NOTHING,
        Do.NOTHING,
        Do.OPEN,  # it came back
        Do.NOTHING,  # a person's word stands
        Do.ESCALATE,
        Do.NOTHING,
    ),
    Trouble.CHANGED: (
        Do.OPEN,
        Do.REVISE,
        Do.ANNOTATE,
        Do.OPEN,
        Do.OPEN,
        Do.ESCALATE,
        Do.OPEN,
    ),
    Trouble.CANNOT_TELL: (Do.NOTHING,) * 7,
}

NEXT: Mapping[tuple[Trouble, Told], Do] = {
    (trouble, told): do
    for trouble, row in _ROWS.items()
    for told, do in zip(Told, row, strict=True)
}

#: (occasion, rule) -> the rule could not be judged there, so that silence proves nothing.
CannotTell = Callable[[str, str], bool]

#: (occasion, rule) -> the records of a dose that was given, if the rule looks at such doses.
Given = Callable[[str, str], tuple[Ref, ...] | None]

#: What is said to a person only once for each digest.
_ONCE = (Do.ANNOTATE, Do.ESCALATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A Task of ours as it stands on the server (`told` is the reading of its status).

    `digest` is the digest that the Task was written for; `noted` the one that was annotated or
    escalated last, so that each happens once. `root` Tasks stand for a whole occasion. `itself`:
    whether it carries its own id, or another's (None: no id yet), `updated` when the server took
    the version that was read. `owner` is the role that was asked, `due` by when, `priority` FHIR's,
    `reminded` the day of the last reminder. `untouched`: it is as it was created. `retracted`: a
    person had us take it back.
    """

    key: str
    episode: int
    ref: Ref
    told: Told
    digest: str
    noted: str = ""
    rule: str
    root: bool = False
    occasion: str = ""
    written: datetime | None = None
    updated: datetime | None = None
    itself: bool | None = None
    owner: str = ""
    due: datetime | None = None
    priority: str = ""
    reminded: date | None = None
    untouched: bool = False
    retracted: bool = False

    @property
    def alive(self) -> bool:
        """Somebody may still act on it."""
        return self.told in (Told.OPEN, Told.STARTED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One thing to write. `finding` is None when the trouble is gone; `said` when it is new.

    `parent` is the root Task that already stands; where the plan opens the root too, it is None
    and the writer finds the root among the intents by `root_key`. `evidence` are the records
    that show that a trouble is gone. `words`: a person's own, for why it is taken back. `remind`:
    the owner is reminded with it, as was due on that day.
    """

    do: Do
    key: str
    episode: int
    finding: Finding | None = None
    said: Said | None = None
    why: str = ""
    parent: Said | None = None
    evidence: tuple[Ref, ...] = ()
    words: str = ""
    remind: date | None = None


@dataclass(frozen=True, slots=True)
class Over:
    """An owner who was given all new Tasks that he may get in a day (`most`)."""

    role: Role
    owner: str
    most: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What shall be written for one person, in a stable order.

    `over`: of whom the coordinator shall be told that his further Tasks wait.
    """

    intents: tuple[Intent, ...] = ()
    over: tuple[Over, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.intents or self.over)


def decide(
    findings: Iterable[Finding],
    said: Iterable[Said],
    *,
    cannot_tell: CannotTell = lambda _occasion, _rule: False,
    standing: Mapping[str, tuple[Ref, ...]] | None = None,
    given: Given = lambda _occasion, _rule: None,
    recorded: Mapping[str, tuple[Ref, ...]] | None = None,
    held: Container[str] = (),
    reminders: Callable[[Said], date | None] = lambda _said: None,
) -> Plan:
    """What to write about one person.

    `findings`: all troubles of the person as they stand; those folded into another make no Task.
    `said`: all our Tasks about the person, closed ones too.
    `cannot_tell`: whether a rule could not be judged at an occasion: what it does not find
    there is not gone.
    `standing`: the occasions that still have to happen, each with the records it rests on. A
    Task of another occasion is closed as withdrawn instead of solved. None: all still stand.
    `given`: what is written about a dose that was given is solved by its records, too.
    `recorded`: the occasions whose dose is on record as given, each with its records. Other Tasks
    of such an occasion are closed as given instead of withdrawn.
    `held`: keys of troubles about which nothing is written now (`core.holding`).
    `reminders`: the day of the reminder that the owner of a Task is to get now (`core.reminding`).

    Deciding again after the plan was carried out gives an empty plan.
    """
    said = tuple(said)
    found = {finding.key: finding for finding in findings}
    troubles = {
        key: each for key, each in found.items() if not each.folded_into and key not in held
    }
    latest = latest_of(said)
    hidden = _hidden(found, latest, cannot_tell, held)
    back = _taken_back(troubles, latest)  # nobody shall act on these, so no root speaks of them
    parts = [each for key, each in troubles.items() if key not in back]
    troubles |= roots(parts, hidden, states_of(troubles, latest))
    unseen = {each.key for each in hidden} | {root_key(each.occasion) for each in hidden}
    intents = []
    for key in dict.fromkeys([*troubles, *latest]):
        finding, before = troubles.get(key), latest.get(key)
        now = _compare(finding, before, unseen=key in unseen and finding is None)
        do = NEXT[now, before.told if before else Told.NONE]
        asks = finding is not None and do in (Do.NOTHING, Do.REVISE)
        remind = reminders(before) if before and asks else None
        if remind and do is Do.NOTHING:
            do = Do.REMIND
        now_said = figures_of(finding.digest) if finding else GONE
        noted = before is not None and figures_of(before.noted) == now_said
        if do is Do.NOTHING or (do in _ONCE and noted):
            continue
        parent = latest.get(root_key(finding.occasion)) if finding else None
        why, rests = Why.SOLVED, None
        if before:
            why, rests = _closing(before, standing, given, recorded or {})
            if before.root and before.occasion in back.values():
                why, rests = Why.RETRACTED, None
        intents.append(
            Intent(
                do=do,
                key=key,
                episode=(before.episode if before else 0) + (do is Do.OPEN),
                finding=finding,
                said=before,
                why="" if finding else Why.FOLDED if key in found else why,
                parent=parent if parent and parent.told is not Told.DELETED else None,
                evidence=rests or (),
                remind=remind,
            )
        )
    intents += _doubles(said, latest, cannot_tell)
    return Plan(intents=tuple(sorted(intents, key=_order)))


def _doubles(
    said: Iterable[Said], latest: Mapping[str, Said], cannot_tell: CannotTell
) -> Iterator[Intent]:
    """Of two that we wrote ourselves, the one that is not ours any more is closed.

    Two writers may create at one moment, or an answer be lost and the request still be carried
    out. A copy keeps our date of writing and is a person's; what we write again has its own.
    """
    for each in said:
        ours = latest[each.key]
        again = each.ref.id != ours.ref.id and each.episode == ours.episode
        unseen = cannot_tell(each.occasion, each.rule)  # or it is not ours to write about
        if not again or unseen or each.written == ours.written:
            continue
        if each.untouched and each.told is Told.OPEN:
            yield Intent(do=Do.CLOSE, key=each.key, episode=each.episode, said=each, why=Why.DOUBLE)


def latest_of(said: Iterable[Said]) -> dict[str, Said]:
    """Our latest Task for each key. Of several with one identifier, the original is ours."""
    latest: dict[str, Said] = {}
    for each in sorted(said, key=_age):
        if each.key not in latest or each.episode > latest[each.key].episode:
            latest[each.key] = each
    return latest


#: Carries its own id · none (as it was created) · the id of the Task that it was copied from.
_ORIGINAL = {True: 0, None: 1, False: 2}


def _age(said: Said) -> tuple[int, float, float, int, str]:
    # A copy may keep our date of writing. Then the older version was there first; of one moment
    # the shorter or smaller id, wherever a server counts.
    written, updated = (
        moment.timestamp() if moment else float("inf") for moment in (said.written, said.updated)
    )
    return _ORIGINAL[said.itself], written, updated, len(said.ref.id), said.ref.id


def _compare(finding: Finding | None, before: Said | None, *, unseen: bool) -> Trouble:
    """`finding` against the figures that were said last, in the Task or in a note to it."""
    if unseen:
        return Trouble.CANNOT_TELL
    if finding is None:
        return Trouble.GONE
    now, last = finding.digest, (before.noted or before.digest) if before else finding.digest
    if before and before.told is not Told.OPEN:
        # How we know it, or what others do about their parts, is no news for whoever has begun.
        now, last = figures_of(now), figures_of(last)
    return Trouble.SAME if now == last else Trouble.CHANGED


def states_of(troubles: Mapping[str, Finding], latest: Mapping[str, Said]) -> dict[str, str]:
    """What the owners of troubles did with their latest Tasks (`roots.Part`), as it will stand
    when the plan is carried out. Both by key."""
    states = {}
    for key, before in latest.items():
        state, finding = _STATES.get(before.told), troubles.get(key)
        if before.told is Told.COMPLETED and finding is not None:
            same = _compare(finding, before, unseen=False) is Trouble.SAME
            state = "completed" if same else None  # else a new Task is opened
        if state:
            states[key] = state
    return states


_STATES = {Told.STARTED: "started", Told.REFUSED: "refused"}


def _closing(
    before: Said,
    standing: Mapping[str, tuple[Ref, ...]] | None,
    given: Given,
    recorded: Mapping[str, tuple[Ref, ...]],
) -> tuple[Why, tuple[Ref, ...] | None]:
    """Why a Task whose trouble is gone is closed, and the records that show it; None where
    nothing of the dose is left to be put right."""
    name = before.occasion
    if (past := given(name, before.rule)) is not None:
        return Why.SOLVED, past
    if standing is None or name in standing:
        return Why.SOLVED, (standing or {}).get(name)
    if name in recorded:
        return Why.GIVEN, recorded[name]
    return Why.WITHDRAWN, None


def _taken_back(troubles: Mapping[str, Finding], latest: Mapping[str, Said]) -> dict[str, str]:
    """The troubles as they were when a person took their Tasks back: key -> occasion."""
    return {
        key: finding.occasion
        for key, finding in troubles.items()
        if (before := latest.get(key))
        and before.retracted
        and _compare(finding, before, unseen=False) is Trouble.SAME
    }


def _hidden(
    found: Container[str],
    latest: Mapping[str, Said],
    cannot_tell: CannotTell,
    held: Container[str],
) -> list[Said]:
    """The living Tasks of troubles that cannot or shall not be judged now."""
    return [
        each
        for each in latest.values()
        if each.alive
        and not each.root
        and (each.key in held or (cannot_tell(each.occasion, each.rule) and each.key not in found))
    ]


def _order(intent: Intent) -> tuple[str, bool, str, str]:
    """Occasion by occasion, its root first."""
    about = intent.finding or intent.said
    assert about is not None  # an intent without both would have nothing to write
    return about.occasion, about.rule != ROOT_RULE, about.rule, intent.key
