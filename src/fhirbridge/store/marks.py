"""Due marks: what we owe. One row for each subject, level-triggered.

A raise makes the mark due and its generation grow by one; raises that come while it waits
coalesce. `ready_at` is the next moment at which it may be leased: while it waits the due moment or,
for news that is not urgent, a little later (`Debounce`); the lease's end while it is leased;
nothing while it is idle or parked.

News does not shorten the wait after a failure (a server's Retry-After holds for everybody), and
gives a parked mark one more try: what was wrong may have been put right.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from . import people, traces
from .audit import RETRIED
from .database import (
    AnyRow,
    Row,
    Tx,
    chunks,
    constant,
    micros,
    micros_or_none,
    moment,
    moment_or_none,
    span,
    upsert,
    values,
)
from .records import AT_ONCE, Counts, Debounce, Dropped, Mark
from .schema import DROPPED
from .schema import events as e
from .schema import marks as m
from .schema import timers as t
from .versions import NEW

# What a mark that nothing is owed for looks like. Generation and token stay.
IDLE: Row = {
    "due_at": None,
    "ready_at": None,
    "first_at": None,
    "urgent": 0,
    "attempts": 0,
    "last_error": None,
    "parked_at": None,
    "lease_id": None,
    "owner": None,
}


@dataclass(frozen=True, slots=True)
class Raise:
    subject: str  # canonical
    source: str  # whose news it is
    due_at: int | None = None
    urgent: bool = False


def raise_all(
    tx: Tx, raises: Iterable[Raise], now: datetime, debounce: Debounce = AT_ONCE
) -> dict[str, int]:
    """Make the subjects due, each once, and answer their generations."""
    at, quiet = micros(now), span(debounce.quiet)
    rows: dict[str, Row] = {}
    for one in raises:
        due = at if one.due_at is None else one.due_at
        row = rows.setdefault(one.subject, _fresh(one, due, at))
        row["due_at"] = min(row["due_at"], due)
        row["urgent"] |= int(one.urgent)
        row["ready_at"] = row["due_at"] if row["urgent"] else row["due_at"] + quiet
    upserted = _raise(tx.postgres, span(debounce.most))
    raised = tx.inserted(upserted, [rows[subject] for subject in sorted(rows)])
    return {row[0]: row[1] for row in raised}


def ask(
    tx: Tx,
    subject: str,
    now: datetime,
    *,
    why: str,
    due_at: datetime | None = None,
    urgent: bool = False,
    trace: str | None = None,
) -> None:
    """Raise a subject for a reason of our own; the journal has a row for it."""
    person = people.canonical(tx, [subject])[subject]
    raised = Raise(person, _source(person), micros_or_none(due_at), urgent)
    generations = _ask_all(tx, [raised], now, "asked", why)
    if trace:
        traces.keep(tx, [(person, trace)], generations, micros(now))


def any_timer(tx: Tx, now: datetime) -> bool:
    due = sa.select(t.c.subject).where(t.c.at <= micros(now)).limit(1)
    return tx.conn.execute(due).first() is not None


def ring(tx: Tx, now: datetime, limit: int) -> int:
    """Raise those whose timer has run out."""
    due = sa.select(t.c.subject).where(t.c.at <= micros(now)).order_by(t.c.at).limit(limit)
    subjects = [row.subject for row in tx.all(due.with_for_update(skip_locked=True))]
    # A source of their own when turns are taken: a night's timers must not hold up the news.
    persons = people.canonical(tx, subjects).values()
    _ask_all(tx, [Raise(person, "timer") for person in persons], now, "timer", "time to look again")
    tx.run(sa.delete(t).where(t.c.subject.in_(subjects)))
    return len(subjects)


def set_back(tx: Tx, now: datetime, lease: timedelta) -> int:
    """The clock was set back: what was dated later than now would wait for a moment that is far
    off. It is due now, and what had a timer then is looked at anew; answers how many."""
    at = micros(now)
    held = sa.update(m).where(m.c.lease_id.is_not(None), m.c.ready_at > micros(now + lease))
    tx.run(held.values(ready_at=micros(now + lease)))
    dated = values(tx.all(sa.select(m.c.subject).where(m.c.touched_at > at)))
    for some in chunks(dated):
        these = m.c.subject.in_(some)
        waiting = (m.c.lease_id.is_(None), m.c.parked_at.is_(None), m.c.ready_at > at)
        tx.run(sa.update(m).where(these, *waiting).values(due_at=at, ready_at=at))
        tx.run(sa.update(m).where(these).values(touched_at=at))
        timed = values(tx.all(sa.select(t.c.subject).where(t.c.subject.in_(some))))
        raises = [Raise(each, _source(each)) for each in timed]
        _ask_all(tx, raises, now, "asked", "the clock was set back")
    return len(dated)


def is_owed(tx: Tx, subject: str) -> bool:
    return tx.conn.scalar(sa.select(m.c.due_at).where(m.c.subject == subject)) is not None


def move_to(tx: Tx, record: str, person: str, now: datetime) -> bool:
    """What is owed for `record` is owed to `person` from now on. True when something was.

    A lease on the record ends: `may_write` refuses its holder, who meant another person.
    """
    found = _locked(tx, record)
    if found is None or found.due_at is None:
        return False
    settle(tx, record, now)
    due = None if found.lease_id else found.due_at
    moved = [Raise(person, found.source, due, bool(found.urgent))]
    _ask_all(tx, moved, now, "asked", "record belongs to a person")
    return True


def settle(tx: Tx, subject: str, now: datetime, *, urgent: bool = False) -> None:
    """Nothing is owed any more. `urgent`: what is news next will be so, whoever tells it."""
    rests = IDLE | {"touched_at": micros(now), "urgent": int(urgent)}
    change(tx, subject, rests)


def change(tx: Tx, subject: str, to: Row) -> None:
    """Columns of one mark."""
    tx.run_each(_CHANGE, [to | {"changed": subject}])


def mark(tx: Tx, subject: str) -> Mark | None:
    row = tx.conn.execute(sa.select(m).where(m.c.subject == subject)).first()
    return None if row is None else _mark(row)


def parked(tx: Tx, limit: int) -> list[Mark]:
    by_age = sa.select(m).where(m.c.parked_at.is_not(None)).order_by(m.c.parked_at).limit(limit)
    return [_mark(row) for row in tx.all(by_age)]


def retry(tx: Tx, subjects: Sequence[str] | None, now: datetime) -> int:
    at = micros(now)
    if subjects is None:
        subjects = values(tx.all(sa.select(m.c.subject).where(m.c.parked_at.is_not(None))))
    owed = (m.c.lease_id.is_(None), m.c.due_at.is_not(None))
    afresh = sa.update(m).where(*owed).returning(m.c.subject)
    afresh = afresh.values(parked_at=None, attempts=0, due_at=at, ready_at=at)
    done = [
        name
        for some in chunks(subjects)
        for name in values(tx.all(afresh.where(m.c.subject.in_(some))))
    ]
    said = [_said(name, "asked", RETRIED, now) for name in done]
    tx.insert(e, [row | {"outcome": NEW, "generation": None, "urgent": 0} for row in said])
    return len(done)


def hurry(tx: Tx, server: str | None, now: datetime) -> int:
    at = micros(now)
    these = sa.update(m).where(m.c.lease_id.is_(None), m.c.ready_at > at)
    if server is not None:
        # Errors of servers begin with the server's name (`fhir.errors`).
        these = these.where(
            m.c.attempts > 0, m.c.last_error.startswith(f"{server}: ", autoescape=True)
        )
    return tx.run(these.values(due_at=at, ready_at=at))


def drop(tx: Tx, subject: str, reason: str, now: datetime) -> bool:
    found = _locked(tx, subject)
    if found is None or found.due_at is None:
        return False
    settle(tx, subject, now)
    tx.run(sa.delete(t).where(t.c.subject == subject))  # nor does time alone make it due
    row = _said(subject, DROPPED, reason, now)
    tx.insert(e, [row | {"outcome": DROPPED, "generation": None, "urgent": 0}])
    return True


def dropped(tx: Tx, limit: int) -> list[Dropped]:
    """The newest first."""
    rows = tx.all(
        sa.select(e.c.subject, e.c.why, e.c.at)
        .where(e.c.verb == DROPPED)
        .order_by(e.c.id.desc())
        .limit(limit)
    )
    return [Dropped(row.subject, row.why, moment(row.at)) for row in rows]


def tally(tx: Tx, now: datetime, deliveries: dict[str, int], problems: int) -> Counts:
    at = micros(now)
    waits = sa.and_(m.c.due_at.is_not(None), m.c.parked_at.is_(None))
    ready = sa.and_(waits, m.c.ready_at <= at)
    leased = sa.and_(waits, m.c.lease_id.is_not(None), m.c.ready_at > at)
    later = sa.and_(waits, m.c.lease_id.is_(None), m.c.ready_at > at)
    counted = sa.select(
        sa.func.count().filter(ready),
        sa.func.count().filter(later),
        sa.func.count().filter(leased),
        sa.func.min(m.c.due_at).filter(ready),
        sa.func.count(m.c.parked_at),
    )
    due, waiting, held, oldest, set_aside = tx.conn.execute(counted).one()
    return Counts(deliveries, problems, due, moment_or_none(oldest), waiting, held, set_aside)


# --- inside


def _ask_all(tx: Tx, raises: Sequence[Raise], now: datetime, verb: str, why: str) -> dict[str, int]:
    generations = raise_all(tx, raises, now)
    urgent = {one.subject: int(one.urgent) for one in raises}
    rows = [
        _said(subject, verb, why, now)
        | {"outcome": NEW, "generation": generation, "urgent": urgent[subject]}
        for subject, generation in generations.items()
    ]
    tx.insert(e, rows)
    return generations


def _said(subject: str, verb: str, why: str, now: datetime) -> Row:
    said = {"source": _source(subject), "verb": verb, "subject": subject, "why": why}
    return said | {"at": micros(now)}


def _fresh(one: Raise, due: int, at: int) -> Row:
    return {
        "subject": one.subject,
        "source": one.source,
        "due_at": due,
        "ready_at": due,
        "first_at": at,
        "touched_at": at,
        "urgent": int(one.urgent),
    }


# What it sets are the columns that it is given.
_CHANGE = sa.update(m).where(m.c.subject == sa.bindparam("changed"))


@cache
def _raise(postgres: bool, most: int) -> Any:
    """`most`: microseconds after the first news in which more of it may put the lease off."""
    insert = upsert(m, postgres)
    new = insert.excluded
    idle = m.c.due_at.is_(None)

    def sooner(one: sa.ColumnElement[Any], other: sa.ColumnElement[Any]) -> sa.ColumnElement[Any]:
        return sa.case((one < other, one), else_=other)

    at_once = sa.or_(m.c.urgent > constant(0), new.ready_at == new.due_at)
    ready_at = sa.case(
        (m.c.lease_id.is_not(None), m.c.ready_at),
        (sa.and_(idle, m.c.urgent > constant(0)), new.due_at),
        (sa.or_(idle, m.c.parked_at.is_not(None)), new.ready_at),
        (m.c.attempts > constant(0), m.c.ready_at),
        (m.c.ready_at <= new.touched_at, m.c.ready_at),  # others do not get ahead of it
        (at_once, sooner(m.c.ready_at, new.due_at)),
        else_=sooner(m.c.first_at + constant(most), new.ready_at),
    )
    return insert.on_conflict_do_update(
        index_elements=[m.c.subject],
        set_={
            "generation": m.c.generation + constant(1),
            "source": sa.case((idle, new.source), else_=m.c.source),
            "first_at": sa.func.coalesce(m.c.first_at, new.first_at),
            "due_at": sa.case((idle, new.due_at), else_=sooner(m.c.due_at, new.due_at)),
            "ready_at": ready_at,
            "parked_at": sa.null(),
            "urgent": sa.case((new.urgent > m.c.urgent, new.urgent), else_=m.c.urgent),
            "touched_at": new.touched_at,
        },
    ).returning(m.c.subject, m.c.generation)


def _locked(tx: Tx, subject: str) -> AnyRow | None:
    return tx.conn.execute(sa.select(m).where(m.c.subject == subject).with_for_update()).first()


def _source(subject: str) -> str:
    return subject.partition(":")[0]


def _mark(row: AnyRow) -> Mark:
    leased = row.lease_id is not None
    return Mark(
        subject=row.subject,
        generation=row.generation,
        due_at=moment_or_none(row.due_at),
        first_at=moment_or_none(row.first_at),
        urgent=bool(row.urgent),
        attempts=row.attempts,
        last_error=row.last_error,
        parked=row.parked_at is not None,
        owner=row.owner,
        token=row.token,
        until=moment(row.ready_at) if leased else None,
    )
