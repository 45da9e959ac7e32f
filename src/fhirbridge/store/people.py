"""Who is who: patient records of several sources belong to one person.

A person is named by one of his records (the canonical one). `joining.py` changes who is who.
"""

from __future__ import annotations

from collections.abc import Iterable

import sqlalchemy as sa

from .database import Tx, values
from .records import Person
from .schema import aliases as a
from .schema import persons as p
from .statements import among

_MINE = a.alias("mine")
_WHO = (
    sa.select(p.c.person, p.c.watched, a.c.record)
    .join(_MINE, _MINE.c.person == p.c.person)
    .join(a, a.c.person == p.c.person)
    .where(_MINE.c.record == sa.bindparam("record"))
    .order_by(a.c.since, a.c.record)
)
_PERSON = sa.select(a.c.person).where(a.c.record == sa.bindparam("record"))
_RECORDS = (
    sa.select(a.c.record)
    .where(a.c.person == sa.bindparam("person"))
    .order_by(a.c.since, a.c.record)
)
_PERSONS = sa.select(a.c.record, a.c.person).where(among(a.c.record, "records"))
_WATCHED = (
    sa.select(a.c.record, p.c.watched)
    .join(p, a.c.person == p.c.person)
    .where(among(a.c.record, "records"))
)


def canonical(tx: Tx, subjects: Iterable[str]) -> dict[str, str]:
    """For each subject the person's, where it is a record that we know; else itself."""
    found = {subject: subject for subject in subjects}
    if found:
        found.update(tx.select(_PERSONS, records=list(found)))
    return found


def person_of(tx: Tx, record: str) -> str | None:
    found = tx.first(_PERSON, record=record)
    return found.person if found else None


def who(tx: Tx, record: str) -> Person | None:
    rows = tx.select(_WHO, record=record)
    if not rows:
        return None
    first = rows[0]
    return Person(first.person, tuple(row.record for row in rows), bool(first.watched))


def records_of(tx: Tx, person: str) -> list[str]:
    return values(tx.select(_RECORDS, person=person))


def watch(tx: Tx, records: Iterable[str]) -> dict[str, bool]:
    """For each record that we know, whether its person is watched."""
    asked = list(set(records))
    if not asked:
        return {}
    return {record: bool(flag) for record, flag in tx.select(_WATCHED, records=asked)}


def page(tx: Tx, *, watched: bool, after: str, limit: int) -> list[str]:
    some = sa.select(p.c.person).where(p.c.watched == int(watched), p.c.person > after)
    return values(tx.all(some.order_by(p.c.person).limit(limit)))
