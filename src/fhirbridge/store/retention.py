"""Forgetting, in small steps: each is a transaction of its own, so that hearing goes on.

Kept in spite of their age: news of a subject that is still due, and, for sources that cannot be
read again, the delivery that holds the newest that is known of a record. The audit of what we
wrote is not touched.
"""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime
from typing import Any, NamedTuple, Protocol

import sqlalchemy as sa

from .database import Tx, micros, values
from .journal import newest
from .schema import DROPPED
from .schema import deliveries as d
from .schema import events as e
from .schema import marks as m
from .schema import versions as v

STEP = 500  # rows


class Step(NamedTuple):
    removed: int
    after: Any  # where the next step goes on; None: the end


class Walk(Protocol):
    """One step; `after` is None for the first, then what the step before it answered."""

    def __call__(self, tx: Tx, after: Any) -> Step: ...


def steps(before: datetime, keep_latest: Collection[str]) -> list[Walk]:
    """The kinds of rows, in the order in which they may go."""
    at = micros(before)
    return [
        lambda tx, after: _deliveries(tx, at, keep_latest, after or 0),
        lambda tx, after: _events(tx, at, after or 0),
        lambda tx, after: _versions(tx, at, after or ("", "", "", "")),
        lambda tx, after: _marks(tx, at, after or ""),
    ]


def _deliveries(tx: Tx, at: int, keep_latest: Collection[str], after: int) -> Step:
    old = sa.select(d.c.id).where(d.c.id > after, d.c.received_at < at)
    numbers = values(tx.all(old.order_by(d.c.id).limit(STEP)))
    going = set(numbers) - _needed(tx, numbers, keep_latest)
    tx.run(sa.delete(e).where(e.c.delivery.in_(going)))
    tx.run(sa.delete(d).where(d.c.id.in_(going)))
    return Step(len(going), _next(numbers))


def _needed(tx: Tx, numbers: list[int], keep_latest: Collection[str]) -> set[int]:
    owed = sa.select(e.c.delivery).where(e.c.delivery.in_(numbers), _is_due)
    needed = set(values(tx.all(owed)))
    only_told = sa.select(e.c.source, e.c.type, e.c.res_id).distinct()
    only_told = only_told.where(e.c.delivery.in_(numbers), e.c.source.in_(keep_latest))
    for record in tx.all(only_told):
        row = newest(tx, *record)
        if row is not None:
            needed.add(row.delivery)
    return needed


def _events(tx: Tx, at: int, after: int) -> Step:
    """Those of no delivery: asked for, timers, dropped."""
    alone = sa.and_(e.c.delivery.is_(None), e.c.verb != DROPPED)
    old = sa.select(e.c.id).where(e.c.id > after, e.c.at < at, alone, ~_is_due)
    numbers = values(tx.all(old.order_by(e.c.id).limit(STEP)))
    return Step(tx.run(sa.delete(e).where(e.c.id.in_(numbers))), _next(numbers))


def _versions(tx: Tx, at: int, after: tuple[str, ...]) -> Step:
    name = sa.tuple_(v.c.source, v.c.type, v.c.res_id, v.c.version)
    walk = sa.select(v).where(name > after).order_by(*v.primary_key.columns).limit(STEP)
    rows = [((row.source, row.type, row.res_id, row.version), row.seen_at) for row in tx.all(walk)]
    going = [key for key, seen_at in rows if seen_at < at]
    removed = tx.run(sa.delete(v).where(name.in_(going))) if going else 0
    return Step(removed, _next([key for key, _ in rows]))


def _marks(tx: Tx, at: int, after: str) -> Step:
    """Idle ones. Not while an event remembers a generation of theirs: counting would start anew."""
    walk = sa.select(m.c.subject).where(m.c.subject > after).order_by(m.c.subject).limit(STEP)
    subjects = values(tx.all(walk))
    has_events = sa.exists().where(e.c.subject == m.c.subject)
    idle = sa.delete(m).where(m.c.subject.in_(subjects), m.c.due_at.is_(None))
    return Step(tx.run(idle.where(m.c.touched_at < at, ~has_events)), _next(subjects))


_is_due = sa.exists().where(m.c.subject == e.c.subject, m.c.due_at.is_not(None))


def _next(keys: list[Any]) -> Any:
    return keys[-1] if len(keys) == STEP else None
