"""Joining patient records into persons, and undoing a join that turned out wrong.

Whatever was owed for a record that moves is owed to the person it moves to, and a person who
loses a record is looked at again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

import sqlalchemy as sa

from . import marks, shadowing
from .database import Tx, micros
from .people import person_of, records_of
from .schema import aliases as a
from .schema import persons as p


def link(tx: Tx, person: str, records: Iterable[str], watched: bool, now: datetime) -> None:
    mine = sorted({*records, person})
    before = {record: person_of(tx, record) for record in mine}
    _set_person(tx, person, watched)
    for record in mine:
        if before[record] != person:
            _set_alias(tx, record, person, now)
    moved = [record for record in mine if before[record] != person]
    left = sorted({old for record in moved if (old := before[record]) is not None})
    again = [marks.move_to(tx, record, person, now) for record in moved if record != person]
    again += [_leave(tx, old, now) for old in left]
    if any(again):
        marks.ask(tx, person, now, why="records joined")


def _leave(tx: Tx, old: str, now: datetime) -> bool:
    """Records of `old` went to somebody else. True when something was owed to `old`."""
    shadowing.forget(tx, old)  # its troubles are found again under the names that hold now
    owed = marks.is_owed(tx, old)
    rest = records_of(tx, old)
    if not rest:
        tx.run(sa.delete(p).where(p.c.person == old))
        return owed
    if old not in rest:  # its own record went: the others need another name
        old = _rename(tx, old, rest)
    marks.ask(tx, old, now, why="records parted")
    return owed


def _rename(tx: Tx, old: str, rest: Sequence[str]) -> str:
    new = rest[0]
    flag = tx.conn.scalar(sa.select(p.c.watched).where(p.c.person == old))
    tx.run(sa.update(a).where(a.c.person == old).values(person=new))
    tx.run(sa.delete(p).where(p.c.person == old))
    _set_person(tx, new, bool(flag))
    return new


def _set_person(tx: Tx, person: str, watched: bool) -> None:
    insert = tx.upsert(p).values(person=person, watched=int(watched))
    tx.run(
        insert.on_conflict_do_update(index_elements=[p.c.person], set_={"watched": int(watched)})
    )


def _set_alias(tx: Tx, record: str, person: str, now: datetime) -> None:
    insert = tx.upsert(a).values(record=record, person=person, since=micros(now))
    tx.run(insert.on_conflict_do_update(index_elements=[a.c.record], set_={"person": person}))
