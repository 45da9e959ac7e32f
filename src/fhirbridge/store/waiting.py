"""What was wanted and is not written yet, and how much an owner was given today."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import sqlalchemy as sa

from .database import Tx, micros, moment
from .schema import openings as o
from .schema import waits as w

Waiting = tuple[str, str, datetime]  # key of the trouble, what is wanted, since when


def of(tx: Tx, subject: str) -> list[Waiting]:
    rows = tx.all(sa.select(w).where(w.c.subject == subject).order_by(w.c.key, w.c.do))
    return [(row.key, row.do, moment(row.since)) for row in rows]


def replace(tx: Tx, subject: str, waits: Sequence[Waiting]) -> None:
    tx.run(sa.delete(w).where(w.c.subject == subject))
    tx.insert(
        w,
        [{"subject": subject, "key": key, "do": do, "since": micros(at)} for key, do, at in waits],
    )


def opened(tx: Tx, owner: str, day: date) -> int:
    found = sa.select(o.c.count).where(o.c.owner == owner, o.c.day == day.isoformat())
    return int(tx.conn.scalar(found) or 0)


def add_openings(tx: Tx, counts: Mapping[str, int], day: date) -> None:
    """Count new Tasks; what was counted on earlier days is forgotten."""
    tx.run(sa.delete(o).where(o.c.day < day.isoformat()))
    for owner, count in sorted(counts.items()):
        insert = tx.upsert(o).values(owner=owner, day=day.isoformat(), count=count)
        tx.run(
            insert.on_conflict_do_update(
                index_elements=[o.c.owner, o.c.day],
                set_={"count": o.c.count + insert.excluded.count},
            )
        )
