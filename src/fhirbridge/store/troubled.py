"""Deliveries in which something was not understood: to be shown, and to be heard again."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa

from .database import Tx, chunks, moment
from .records import Troubled
from .schema import deliveries as d


def newest(tx: Tx, limit: int) -> list[Troubled]:
    """The newest first."""
    return _read(tx, _ALL.order_by(d.c.id.desc()).limit(limit))


def named(tx: Tx, numbers: Collection[int]) -> list[Troubled]:
    """Those with these numbers, in the order in which they came."""
    some = chunks(sorted(numbers))
    return [
        each for few in some for each in _read(tx, _ALL.where(d.c.id.in_(few)).order_by(d.c.id))
    ]


def body(tx: Tx, number: int) -> bytes:
    return bytes(tx.conn.scalar(sa.select(d.c.body).where(d.c.id == number)) or b"")


def settle(tx: Tx, number: int) -> None:
    tx.run(sa.update(d).where(d.c.id == number).values(problem=None))


_ALL = sa.select(
    *(column for column in d.c if column is not d.c.body), sa.func.length(d.c.body).label("size")
).where(d.c.problem.is_not(None))


def _read(tx: Tx, query: sa.Select[*tuple[object, ...]]) -> list[Troubled]:
    return [
        Troubled(
            id=row.id,
            source=row.source,
            key=row.key or "",
            received_at=moment(row.received_at),
            dialect=row.dialect,
            content_type=row.content_type,
            problem=row.problem,
            size=row.size,
        )
        for row in tx.all(query)
    ]
