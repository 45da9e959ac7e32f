"""The audit: what we wrote on the servers, one row for each, never changed and never purged."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

import sqlalchemy as sa

from .database import AnyRow, Row, Tx, chunks, micros, moment
from .records import WriteRecord, Written, WrittenTask
from .schema import events as e
from .schema import writes as w
from .statements import among

#: In the journal: why a person is due whom somebody had tried again.
RETRIED = "a person had it tried again"
_FOUND = "found"  # in the audit: read on the server, not written now (`bridge.memory`)

_LATEST = sa.select(w).where(among(w.c.key, "keys"), w.c.episode > 0).order_by(w.c.episode, w.c.id)


def add(tx: Tx, subject: str, written: Sequence[Written], now: datetime) -> None:
    tx.insert(w, [_row(subject, one, now) for one in written])


def recent(tx: Tx, limit: int) -> list[WriteRecord]:
    rows = tx.all(sa.select(w).order_by(w.c.id.desc()).limit(limit))
    return [WriteRecord(row.subject, moment(row.at), _written(row)) for row in rows]


def latest(tx: Tx, source: str, keys: Collection[str]) -> dict[str, Written]:
    """For each key, the last that was written on `source` into the Task of its last episode."""
    found: dict[str, Written] = {}
    for some in chunks(sorted(keys)):
        for row in tx.select(_LATEST, keys=some):
            if row.source == source:
                found[row.key] = _written(row)
    return found


def tasks(
    tx: Tx, subject: str | None, since: datetime | None, until: datetime | None
) -> list[WrittenTask]:
    """The Tasks into which we wrote, in the order in which they were first written. When one was
    written that was only found says the Task itself, so these are there for every span."""
    asked = [w.c.type == "Task", w.c.episode > 0]
    asked += [w.c.subject == subject] if subject else []
    span = [w.c.at >= micros(since)] if since else []
    span += [w.c.at < micros(until)] if until else []
    was_found = w.c.action == _FOUND
    asked += [sa.or_(was_found, sa.and_(*span))] if span else []
    columns = (w.c.subject, w.c.type, w.c.res_id)
    only_found = sa.func.min(sa.case((was_found, 1), else_=0))
    query = sa.select(*columns, only_found).where(*asked).group_by(*columns)
    rows = tx.all(query.order_by(sa.func.min(w.c.id)))
    return [WrittenTask(row[0], row[1], row[2], bool(row[3])) for row in rows]


def moments(tx: Tx, subject: str, since: datetime, limit: int) -> list[datetime]:
    """When we wrote for a person since then, or since a person had it tried again; the newest
    first, each transaction once."""
    retried = sa.select(sa.func.max(e.c.at)).where(e.c.subject == subject, e.c.why == RETRIED)
    start = max(micros(since), tx.conn.scalar(retried) or 0)
    mine = (w.c.subject == subject, w.c.at > start, w.c.action != _FOUND)
    asked = sa.select(w.c.at).distinct().where(*mine).order_by(w.c.at.desc()).limit(limit)
    return [moment(row.at) for row in tx.all(asked)]


def _row(subject: str, one: Written, now: datetime) -> Row:
    return {
        "subject": subject,
        "source": one.source,
        "type": one.type,
        "res_id": one.id,
        "version": one.version,
        "key": one.key,
        "digest": one.digest,
        "action": one.action,
        "episode": one.episode,
        "at": micros(now),
    }


def _written(row: AnyRow) -> Written:
    return Written(
        source=row.source,
        type=row.type,
        id=row.res_id,
        version=row.version,
        key=row.key,
        digest=row.digest,
        action=row.action,
        episode=row.episode,
    )
