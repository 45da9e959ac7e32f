"""Process: does anybody act, and does what we hear still come?

These rules are judged after all others, over what the others found at an occasion. They look at
what we said ourselves (our Tasks), and at how long a source has been silent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta

from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.plan import Said, Told

from .base import Rule
from .rows import COORDINATOR
from .scene import Scene

#: A silent source matters to the person whose next dose is this near (docs/domain.md 3.5, 49).
NEAR_DAYS = 7
#: After a deadline, the first moment that is past it.
_A_MOMENT = timedelta(microseconds=1)


def unanswered(findings: Sequence[Finding], scene: Scene) -> Iterable[Finding]:
    """One finding for all Tasks of an occasion that nobody has accepted in time (E6: 40 calls)."""
    standing, now = {finding.key for finding in findings}, scene.context.as_of
    waiting = [
        said
        for said in scene.context.said
        if said.occasion == scene.name and said.key in standing and _asks_others(said)
    ]
    late = sorted((s for s in waiting if _half(s) <= now), key=lambda s: (_due(s), s.key))
    if late:
        first = late[0]
        overdue = _due(first) < now
        asked = min(each.written for each in late if each.written)
        yield scene.finding(
            focus=first.ref,
            reason=first.ref,
            variant="overdue" if overdue else "",
            severity=Severity.S2 if overdue else None,
            rules=tuple(sorted({each.rule for each in late})),
            role=tuple(sorted({each.owner for each in late})),
            asked=scene.context.calendar.day(asked),
            until=scene.context.calendar.day(_due(first)),
            evidence=[each.ref for each in late],
        )


def _asks_others(said: Said) -> bool:
    """A Task that somebody else than the coordinator was asked to accept, and has not."""
    return (
        said.told is Told.OPEN
        and not said.root
        and said.owner not in ("", Role.COORDINATOR)
        and said.written is not None
        and said.due is not None
    )


def _due(said: Said) -> datetime:
    assert said.due is not None  # `_asks_others`
    return said.due


def _half(said: Said) -> datetime:
    """Half of the time that the owner was given (docs/domain.md 3.2, 48)."""
    assert said.written is not None
    return said.written + (_due(said) - said.written) / 2


def moments(said: Iterable[Said]) -> Iterator[datetime]:
    """The moments at which time alone makes a Task late."""
    for each in said:
        if _asks_others(each):
            yield _half(each)
            yield _due(each) + _A_MOMENT


def silent(_findings: Sequence[Finding], scene: Scene) -> Iterable[Finding]:
    """A source has been silent for longer than it usually is, and this person's next dose is near.

    Said once for each source, at the dose that comes first.
    """
    if scene.lead is None or scene.lead > NEAR_DAYS or not _comes_first(scene):
        return
    for source, since in sorted(scene.context.silent.items()):
        kinds = {kind for name, kind in scene.context.sight if name == source} - {"worklist"}
        if kinds:
            yield scene.finding(
                part=source,
                source=source,
                kinds=tuple(sorted(kinds)),
                silent_since=scene.context.calendar.day(since),
            )


def _comes_first(scene: Scene) -> bool:
    coming = scene.ledger.open(scene.context.as_of)
    return bool(coming) and coming[0].key == scene.occasion.key


UNRESPONSIVE = Rule(
    code="owner-unresponsive",
    title="Nobody has answered a task",
    why="A task was neither accepted nor refused when half of the time for it was over, or when "
    "its last day had passed. The coordinator finds another way (E6).",
    source="48 OWNER_UNRESPONSIVE",
    needs=frozenset(),
    severity=Severity.S3,
    owner=COORDINATOR,
    audience=(COORDINATOR,),
    action="escalate",
    deadline="clarification",
    check=lambda _scene: (),
)
STALE = Rule(
    code="stale-feed",
    title="A source is silent",
    why="A source has been silent for longer than it usually is, and a dose is a week away or "
    "less. What rests on that source's silence is not judged meanwhile.",
    source="49 STALE_FEED",
    needs=frozenset(),
    severity=Severity.S3,
    owner=Role.OPERATIONS,
    audience=(Role.OPERATIONS,),
    action="restore-feed",
    deadline="clarification",
    check=lambda _scene: (),
)
