"""How far we have read (watermarks), and the Subscriptions that we hold."""

from __future__ import annotations

from dataclasses import asdict
from datetime import datetime

import sqlalchemy as sa

from . import numbering
from .database import AnyRow, Tx, micros, micros_or_none, moment, moment_or_none
from .records import Reading, SubscriptionRow
from .schema import deliveries as d
from .schema import events as e
from .schema import readings as r
from .schema import subscriptions as s
from .schema import watermarks as w

#: Deliveries that are looked through for a heartbeat, so that it takes a moment in any journal.
_NEWEST = 20_000


def watermark(tx: Tx, source: str, type_: str) -> datetime | None:
    mine = sa.select(w.c.last_updated).where(w.c.source == source, w.c.type == type_)
    return moment_or_none(tx.conn.scalar(mine))


def watermarks(tx: Tx) -> list[tuple[str, str, datetime]]:
    return [(row.source, row.type, moment(row.last_updated)) for row in tx.all(sa.select(w))]


def advance(tx: Tx, source: str, type_: str, to: datetime) -> None:
    insert = tx.upsert(w).values(source=source, type=type_, last_updated=micros(to))
    then = insert.excluded.last_updated
    tx.run(
        insert.on_conflict_do_update(
            index_elements=[w.c.source, w.c.type],
            set_={"last_updated": then},
            where=then > w.c.last_updated,
        )
    )


def reading(tx: Tx, source: str, type_: str) -> Reading | None:
    mine = sa.select(r).where(r.c.source == source, r.c.type == type_)
    row = tx.conn.execute(mine).first()
    return None if row is None else Reading(moment(row.began), moment(row.reached))


def save_reading(tx: Tx, source: str, type_: str, reading: Reading) -> None:
    plain = {"began": micros(reading.began), "reached": micros(reading.reached)}
    insert = tx.upsert(r).values(source=source, type=type_, **plain)
    tx.run(insert.on_conflict_do_update(index_elements=[r.c.source, r.c.type], set_=plain))


def forget_reading(tx: Tx, source: str, type_: str) -> None:
    tx.run(sa.delete(r).where(r.c.source == source, r.c.type == type_))


def set_back(tx: Tx, now: datetime, to: datetime) -> None:
    """The clock was set back. Watermarks of servers that do not tell their time were ours."""
    tx.run(sa.update(w).where(w.c.last_updated > micros(now)).values(last_updated=micros(to)))
    tx.run(sa.update(r).where(r.c.began > micros(now)).values(began=micros(to)))


def save(tx: Tx, row: SubscriptionRow) -> None:
    plain = asdict(row) | {
        "since": micros(row.since),
        "last_heard": micros_or_none(row.last_heard),
    }
    keys = {"source", "type", "last_heard"}  # who hears may be quicker than who saves
    insert = tx.upsert(s).values(plain)
    rest = {name: value for name, value in plain.items() if name not in keys}
    tx.run(insert.on_conflict_do_update(index_elements=[s.c.source, s.c.type], set_=rest))


def walk(
    tx: Tx, source: str, type_: str, states: tuple[str, str], now: datetime, problem: str | None
) -> bool:
    before, after = states
    here = sa.update(s).where(s.c.source == source, s.c.type == type_, s.c.state == before)
    return bool(tx.run(here.values(state=after, since=micros(now), problem=problem)))


def forget(tx: Tx, source: str, type_: str) -> None:
    tx.run(sa.delete(s).where(s.c.source == source, s.c.type == type_))
    numbering.forget(tx, source, type_)


def beats(tx: Tx, key: str, since: datetime) -> bool:
    newest = sa.select(sa.func.max(d.c.id)).scalar_subquery()
    told = sa.select(e.c.id).where(e.c.delivery == d.c.id)
    beat = (
        sa.select(d.c.id)
        .where(d.c.id > newest - _NEWEST, d.c.key == key, d.c.dialect == "topic")
        .where(d.c.received_at > micros(since), ~told.exists())
    )
    return tx.conn.scalar(beat.limit(1)) is not None


def one(tx: Tx, source: str, type_: str) -> SubscriptionRow | None:
    row = tx.conn.execute(sa.select(s).where(s.c.source == source, s.c.type == type_)).first()
    return None if row is None else _row(row)


def all_of_them(tx: Tx) -> list[SubscriptionRow]:
    return [_row(row) for row in tx.all(sa.select(s).order_by(s.c.source, s.c.type))]


def _row(row: AnyRow) -> SubscriptionRow:
    plain = dict(row._mapping)
    plain |= {"since": moment(row.since), "last_heard": moment_or_none(row.last_heard)}
    return SubscriptionRow(**plain)
