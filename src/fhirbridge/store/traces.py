"""The traces that news came with (`bridge.tracing`), until the work that it led to is done.

Only an installation that traces has rows here; without tracing, nothing of this table is touched.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime

import sqlalchemy as sa

from .database import Row, Tx, micros
from .records import Lease
from .schema import traces as c

#: A decision links at most so many notifications.
_MOST = 32


def keep(tx: Tx, news: Iterable[tuple[str, str]], generations: Mapping[str, int], at: int) -> None:
    """Subjects that became due, and the trace in which each did."""
    rows: list[Row] = [
        {"subject": subject, "generation": generations[subject], "trace": trace, "at": at}
        for subject, trace in dict.fromkeys(news)
    ]
    if rows:
        tx.insert(c, rows)


def of(tx: Tx, lease: Lease) -> list[str]:
    told = sa.select(c.c.trace).where(*_seen(lease)).order_by(c.c.id).limit(_MOST)
    return list(dict.fromkeys(row.trace for row in tx.all(told)))


def forget(tx: Tx, lease: Lease) -> None:
    tx.run(sa.delete(c).where(*_seen(lease)))


def purge(tx: Tx, before: datetime) -> None:
    tx.run(sa.delete(c).where(c.c.at < micros(before)))


def _seen(lease: Lease) -> tuple[sa.ColumnElement[bool], ...]:
    return c.c.subject == lease.subject, c.c.generation <= lease.generation
