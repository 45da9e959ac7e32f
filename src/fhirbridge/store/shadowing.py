"""What would have been written in shadow, one row for each time that a trouble was there."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

import sqlalchemy as sa

from .database import AnyRow, Tx, micros, moment
from .records import Shadow
from .schema import shadows as s


def standing(tx: Tx, subject: str) -> list[Shadow]:
    """The troubles of a person that were there at the last look."""
    asked = sa.select(s).where(s.c.subject == subject, s.c.gone.is_(None))
    return [_shadow(row) for row in tx.all(asked.order_by(s.c.key))]


def save(tx: Tx, shadows: Sequence[Shadow]) -> None:
    """Add rows, or bring them up to date."""
    for each in shadows:
        row = {
            "subject": each.subject,
            "key": each.key,
            "since": micros(each.since),
            "rule": each.rule,
            "day": each.day.isoformat() if each.day else None,
            "basis": each.basis,
            "gone": micros(each.gone) if each.gone else None,
            "how": each.how or None,
        }
        changed = {name: row[name] for name in ("day", "basis", "gone", "how")}
        insert = tx.upsert(s).values(**row)
        tx.run(
            insert.on_conflict_do_update(
                index_elements=[s.c.subject, s.c.key, s.c.since], set_=changed
            )
        )


def forget(tx: Tx, subject: str) -> None:
    """What was there at the last look at a person whose records are somebody else's now."""
    tx.run(sa.delete(s).where(s.c.subject == subject, s.c.gone.is_(None)))


def all_of(tx: Tx, rule: str | None, since: datetime | None) -> list[Shadow]:
    """Everything that was seen, of one rule and from a moment on if these are given."""
    asked = [s.c.rule == rule] if rule else []
    asked += [s.c.since >= micros(since)] if since else []
    query = sa.select(s).where(*asked).order_by(s.c.rule, s.c.since, s.c.key)
    return [_shadow(row) for row in tx.all(query)]


def _shadow(row: AnyRow) -> Shadow:
    return Shadow(
        subject=row.subject,
        key=row.key,
        since=moment(row.since),
        rule=row.rule,
        day=date.fromisoformat(row.day) if row.day else None,
        basis=row.basis,
        gone=moment(row.gone) if row.gone is not None else None,
        how=row.how or "",
    )
