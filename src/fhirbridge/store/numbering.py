"""The event numbers of topic Subscriptions, kept in the transaction that keeps the events."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import sqlalchemy as sa

from fhirbridge.core.numbering import Numbering, Range, heard, without

from .database import AnyRow, Tx, micros, moment
from .records import Delivery, Gap
from .schema import numbering as n


def count(tx: Tx, deliveries: Sequence[Delivery], now: datetime) -> None:
    """Take the numbers of what was heard, in the order in which it came."""
    known: dict[tuple[str, str, str], Numbering | None] = {}
    for name, numbers, total in sorted(_numbered(deliveries), key=lambda each: each[0]):
        if name not in known:
            row = tx.conn.execute(_here(*name).with_for_update()).first()
            known[name] = _numbering(row) if row else None
        known[name] = heard(known[name], numbers, total)
    for name, after in known.items():
        if after is not None:
            _keep(tx, name, after, now)


def gaps(tx: Tx, until: datetime) -> list[Gap]:
    """What was noticed to be missing until then, and still is."""
    rows = tx.all(sa.select(n).where(n.c.since <= micros(until)).order_by(n.c.since))
    return [
        Gap(
            row.source,
            row.type,
            row.subscription,
            _ranges(row.missing),
            bool(row.unread),
            moment(row.since),
        )
        for row in rows
    ]


def close(tx: Tx, gap: Gap, now: datetime) -> None:
    """What was missing then has been read; what is missing since then still is."""
    name = (gap.source, gap.type, gap.subscription)
    row = tx.conn.execute(_here(*name).with_for_update()).first()
    if row is None:
        return
    before = _numbering(row)
    left = without(before.missing, gap.missing)
    unread = before.unread and not gap.unread
    _keep(tx, name, Numbering(before.highest, left, unread, before.beginnings), now)


def forget(tx: Tx, source: str, type_: str) -> None:
    tx.run(sa.delete(n).where(n.c.source == source, n.c.type == type_))


def _numbered(
    deliveries: Sequence[Delivery],
) -> list[tuple[tuple[str, str, str], tuple[int, ...], int | None]]:
    return [
        ((each.source, told.type, told.subscription), told.numbers, told.total)
        for each in deliveries
        if (told := each.numbered) is not None
    ]


def _here(source: str, type_: str, subscription: str) -> sa.Select[*tuple[object, ...]]:
    mine = (n.c.source == source, n.c.type == type_, n.c.subscription == subscription)
    return sa.select(n).where(*mine)


def _keep(tx: Tx, name: tuple[str, str, str], after: Numbering, now: datetime) -> None:
    source, type_, subscription = name
    plain = {
        "highest": after.highest,
        "missing": " ".join(f"{low}-{high}" for low, high in after.missing),
        "unread": int(after.unread),
        "beginnings": after.beginnings,
    }
    since = None if after.is_whole else micros(now)
    insert = tx.upsert(n).values(
        source=source, type=type_, subscription=subscription, since=since, **plain
    )
    # A gap is as old as the first of it that is still open.
    plain["since"] = None if after.is_whole else sa.func.coalesce(n.c.since, since)
    keys = [n.c.source, n.c.type, n.c.subscription]
    tx.run(insert.on_conflict_do_update(index_elements=keys, set_=plain))


def _numbering(row: AnyRow) -> Numbering:
    return Numbering(row.highest, _ranges(row.missing), bool(row.unread), row.beginnings)


def _ranges(text: str) -> tuple[Range, ...]:
    pairs = (each.partition("-") for each in text.split())
    return tuple((int(low), int(high)) for low, _, high in pairs)
