"""Leases: one worker at a time for a subject, across threads, processes and machines.

A lease ends by `finish`, `fail`, or by time; then the subject is due again and the next lease has
a higher token. Whoever holds an older one is told `LostLease`, and nothing is changed for him.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import cache
from typing import Any, NamedTuple

import sqlalchemy as sa

from . import audit, marks, people
from .database import AnyRow, Row, Tx, micros, moment, upsert
from .records import Debounce, Lease, LostLease, Written
from .schema import events as e
from .schema import marks as m
from .schema import timers as t
from .schema import versions as v
from .versions import NEW, remember_own

# The sources that anything is waiting from, each by one step in the index of what is ready.
_WAITING_SOURCES = sa.text(
    """
    WITH RECURSIVE waiting(name) AS (
        SELECT min(source) FROM marks WHERE ready_at IS NOT NULL
        UNION ALL
        SELECT (SELECT min(source) FROM marks WHERE ready_at IS NOT NULL AND source > name)
        FROM waiting WHERE name IS NOT NULL
    )
    SELECT name FROM waiting WHERE name IS NOT NULL
    """
).columns(sa.column("name", sa.Text))

#: Urgent subjects in a row while others wait.
_URGENT_AT_MOST = 8


class Turns:
    """Sources take turns, so that a noisy one cannot keep the others waiting; and after so many
    that are urgent comes one that is not, or a restless person would keep all of them waiting.

    Kept in memory: each process is fair by itself, and none waits for another to be so.
    """

    def __init__(self) -> None:
        self._served: dict[str, int] = {}
        self._count = 0
        self._urgent = 0  # served since one that is not

    def kinds(self) -> tuple[int, int]:
        """Urgent or not (1, 0), in the order in which they are to be served now."""
        return (0, 1) if self._urgent >= _URGENT_AT_MOST else (1, 0)

    def order(self, sources: Sequence[str]) -> list[str]:
        """Those not served for longest first."""
        return sorted(sources, key=lambda source: (self._served.get(source, 0), source))

    def serve(self, source: str, urgent: int) -> None:
        self._urgent = self._urgent + 1 if urgent else 0
        self._count += 1
        self._served[source] = self._count


class Terms(NamedTuple):
    """What a worker asks for."""

    owner: str
    now: datetime
    until: datetime
    ids: Callable[[], str]


def any_ready(tx: Tx, now: datetime) -> bool:
    return tx.first(_ANY_READY, at=micros(now)) is not None


def lease(tx: Tx, terms: Terms, limit: int, turns: Turns) -> list[Lease]:
    taken: list[Lease] = []
    sources = [row.name for row in tx.select(_WAITING_SOURCES)]
    while len(taken) < limit and (row := _first(tx, sources, turns, micros(terms.now))):
        person = people.canonical(tx, [row.subject])[row.subject]
        if person != row.subject:  # raised in the moment in which it was joined
            marks.move_to(tx, row.subject, person, terms.now)
            continue
        taken.append(_take(tx, row, terms))
        turns.serve(row.source, row.urgent)
    return taken


def extend(tx: Tx, held: Lease, now: datetime, until: datetime) -> Lease:
    _still(_held(tx, held), now)
    marks.change(tx, held.subject, {"ready_at": micros(until)})
    return replace(held, until=until)


def may_write(tx: Tx, held: Lease, now: datetime) -> None:
    _still(_mine(tx.first(_MARK, subject=held.subject), held), now)
    if people.canonical(tx, [held.subject])[held.subject] != held.subject:
        raise LostLease(f"{held.subject} belongs to another person by now")


def finish(
    tx: Tx,
    held: Lease,
    now: datetime,
    own: Sequence[Written],
    look_again: datetime | None,
    is_urgent: bool,
    debounce: Debounce,
) -> None:
    _know(tx, own, now)
    _set_timer(tx, held.subject, look_again)
    _held(tx, held)
    audit.add(tx, held.subject, own, now)
    news = _news_since(tx, held)
    if news is None:
        marks.settle(tx, held.subject, now, urgent=is_urgent)
        return
    urgent = news.urgent or is_urgent
    ready = now if urgent else max(now, debounce.ends(news.first, news.last))
    again = {"due_at": micros(now), "ready_at": micros(ready), "first_at": micros(news.first)}
    marks.change(tx, held.subject, marks.IDLE | again | {"urgent": int(urgent)})


def add_writes(tx: Tx, subject: str, own: Sequence[Written], now: datetime) -> None:
    """Audit writes that were made without a lease; their echo is no news."""
    _know(tx, own, now)
    audit.add(tx, subject, own, now)


def _know(tx: Tx, own: Sequence[Written], now: datetime) -> None:
    versions = [(one.source, one.type, one.id, one.version) for one in own if one.version]
    remember_own(tx, versions, micros(now))


def fail(
    tx: Tx,
    held: Lease,
    now: datetime,
    error: str,
    retry_at: datetime | None,
    look_again: datetime | None,
) -> None:
    if look_again is not None:
        _set_timer(tx, held.subject, look_again)
    found = _held(tx, held)
    failed = {"attempts": found.attempts + 1, "last_error": error, "lease_id": None, "owner": None}
    if retry_at is not None:
        later = micros(retry_at)
        marks.change(tx, held.subject, failed | {"due_at": later, "ready_at": later})
    elif _news_since(tx, held):  # the data changed meanwhile: one more try
        marks.change(tx, held.subject, failed | {"due_at": micros(now), "ready_at": micros(now)})
    else:
        marks.change(tx, held.subject, failed | {"parked_at": micros(now), "ready_at": None})


# --- inside


# Statements of every round are put together once: building them costs more than running them.
_ANY_READY = sa.select(m.c.subject).where(m.c.ready_at <= sa.bindparam("at")).limit(1)
_NEXT = (
    sa.select(m)
    .where(m.c.source == sa.bindparam("source"), m.c.urgent == sa.bindparam("urgent"))
    .where(m.c.ready_at.is_not(None), m.c.ready_at <= sa.bindparam("at"))
    .order_by(m.c.ready_at)
    .limit(1)
    .with_for_update(skip_locked=True)
)
_MARK = sa.select(m).where(m.c.subject == sa.bindparam("subject"))
_MARK_LOCKED = _MARK.with_for_update()
_IS_OWN = sa.exists().where(
    v.c.source == e.c.source,
    v.c.type == e.c.type,
    v.c.res_id == e.c.res_id,
    v.c.version == e.c.version,
    v.c.own == 1,
)
_NEWS_SINCE = (
    sa.select(sa.func.min(e.c.at), sa.func.max(e.c.at), sa.func.max(e.c.urgent))
    .where(e.c.subject == sa.bindparam("subject"))
    .where(e.c.generation > sa.bindparam("generation"))
    .where(e.c.outcome == NEW, ~_IS_OWN)
)


def _first(tx: Tx, sources: Sequence[str], turns: Turns, at: int) -> AnyRow | None:
    for urgent in turns.kinds():
        for source in turns.order(sources):
            row: AnyRow | None = tx.first(_NEXT, source=source, urgent=urgent, at=at)
            if row is not None:
                return row
    return None


def _take(tx: Tx, row: AnyRow, terms: Terms) -> Lease:
    name, token, attempts = terms.ids(), row.token + 1, row.attempts
    taken: Row = {"lease_id": name, "owner": terms.owner, "token": token}
    if row.lease_id is not None:  # work that kills its worker must not go on for ever
        attempts += 1
        taken |= {"attempts": attempts, "last_error": "the lease ran out: worker hung or gone"}
    marks.change(tx, row.subject, taken | {"ready_at": micros(terms.until)})
    return Lease(
        subject=row.subject,
        id=name,
        owner=terms.owner,
        token=token,
        generation=row.generation,
        until=terms.until,
        attempts=attempts,
        first_at=moment(row.first_at),
        urgent=bool(row.urgent),
    )


def _held(tx: Tx, held: Lease) -> AnyRow:
    return _mine(tx.first(_MARK_LOCKED, subject=held.subject), held)


def _mine(found: AnyRow | None, held: Lease) -> AnyRow:
    if found is None or found.lease_id != held.id:
        raise LostLease(f"{held.subject}: the lease with token {held.token} is no longer valid")
    return found


def _still(found: AnyRow, now: datetime) -> None:
    if found.ready_at <= micros(now):
        raise LostLease(f"{found.subject}: the lease with token {found.token} has run out")


class _News(NamedTuple):
    first: datetime
    last: datetime
    urgent: bool


def _news_since(tx: Tx, held: Lease) -> _News | None:
    """What came in that the holder cannot have seen (not: the echo of our own writes)."""
    found = tx.first(_NEWS_SINCE, subject=held.subject, generation=held.generation)
    first, last, urgent = found
    return None if first is None else _News(moment(first), moment(last), bool(urgent))


def _set_timer(tx: Tx, subject: str, at: datetime | None) -> None:
    if at is None:
        tx.run_each(_NO_TIMER, [{"of": subject}])
    else:
        tx.inserted(_timer(tx.postgres), [{"subject": subject, "at": micros(at)}])


_NO_TIMER = sa.delete(t).where(t.c.subject == sa.bindparam("of"))


@cache
def _timer(postgres: bool) -> Any:
    insert = upsert(t, postgres)
    return insert.on_conflict_do_update(
        index_elements=[t.c.subject], set_={"at": insert.excluded.at}
    ).returning(t.c.subject)
