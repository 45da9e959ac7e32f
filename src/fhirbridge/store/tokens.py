"""Access tokens that processes share, until they end.

Who asks for one stands beside it, in a row of its own: its name as the value, and until when the
others leave it to that process.
"""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa

from .database import Tx, micros, moment
from .schema import tokens as t


def current(tx: Tx, name: str, now: datetime) -> tuple[str, datetime] | None:
    row = tx.conn.execute(
        sa.select(t.c.value, t.c.until).where(t.c.name == name, t.c.until > micros(now))
    ).first()
    return None if row is None else (row.value, moment(row.until))


def keep(tx: Tx, name: str, value: str, until: datetime) -> None:
    insert = tx.upsert(t).values(name=name, value=value, until=micros(until))
    new = {"value": insert.excluded.value, "until": insert.excluded.until}
    tx.run(insert.on_conflict_do_update(index_elements=[t.c.name], set_=new))


def forget(tx: Tx, name: str, value: str) -> None:
    """Not a newer one that another process has by now."""
    tx.run(sa.delete(t).where(t.c.name == name, t.c.value == value))


def claim(tx: Tx, name: str, by: str, now: datetime, until: datetime) -> bool:
    """Whether `by` is the one who asks for the token, until `until`."""
    row = tx.upsert(t).values(name=_asking(name), value=by, until=micros(until))
    claimed = row.on_conflict_do_update(
        index_elements=[t.c.name],
        set_={"value": row.excluded.value, "until": row.excluded.until},
        where=t.c.until <= micros(now),
    ).returning(t.c.name)
    return tx.conn.execute(claimed).first() is not None


def release(tx: Tx, name: str, by: str) -> None:
    """Not the claim of another process that has taken over."""
    forget(tx, _asking(name), by)


def _asking(name: str) -> str:
    return f"{name}/asking"
