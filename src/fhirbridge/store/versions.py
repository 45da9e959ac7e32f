"""Which events are news: the versions that we know, told or written by ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa

from .database import Row, Tx, chunks, micros_or_none
from .records import StoredEvent
from .schema import versions as v

NEW, DUPLICATE, OLDER = "new", "duplicate", "older"

# A server restored from a backup gives out version numbers a second time. The same version with
# a clearly later lastUpdated is another one. (Without a lastUpdated of the first: later than we
# saw it, with an hour for clocks that disagree.)
_SAME_VERSION = timedelta(minutes=1) // timedelta(microseconds=1)
_SAME_VERSION_SEEN = timedelta(hours=1) // timedelta(microseconds=1)

_Record = tuple[str, str, str]  # source, type, id
_Version = tuple[str, str, str, str]


@dataclass(slots=True)
class _Known:
    """The newest that we know of a record."""

    last_updated: int | None
    number: int | None

    def is_newer_than(self, last_updated: int | None, number: int | None) -> bool:
        mine, theirs = self.last_updated, last_updated
        if mine is not None and theirs is not None and mine != theirs:
            return mine > theirs
        return self.number is not None and number is not None and self.number > number

    def learn(self, last_updated: int | None, number: int | None) -> None:
        self.last_updated = _max(self.last_updated, last_updated)
        self.number = _max(self.number, number)


def outcomes(tx: Tx, told: Sequence[StoredEvent], now: int) -> list[str]:
    known = _known(tx, told)
    fresh = _unseen(tx, told, now)
    found = []
    for event in told:
        version = _version(event)
        if version is not None and version not in fresh:
            found.append(DUPLICATE)
            continue
        if version is not None:
            fresh.remove(version)  # the next one of this batch is a repeat
        updated, number = micros_or_none(event.last_updated), number_of(event.version)
        newest = known.setdefault(_record(event), _Known(None, None))
        found.append(OLDER if newest.is_newer_than(updated, number) else NEW)
        newest.learn(updated, number)
    return found


def _known(tx: Tx, told: Sequence[StoredEvent]) -> dict[_Record, _Known]:
    records = list({_record(event): None for event in told})
    known: dict[_Record, _Known] = {}
    for some in chunks(records):
        columns = (v.c.source, v.c.type, v.c.res_id)
        newest = (
            sa.select(*columns, sa.func.max(v.c.last_updated), sa.func.max(v.c.number))
            .where(sa.tuple_(*columns).in_(some))
            .group_by(*columns)
        )
        for source, type_, id_, updated, number in tx.all(newest):
            known[source, type_, id_] = _Known(updated, number)
    return known


def _unseen(tx: Tx, told: Sequence[StoredEvent], now: int) -> set[_Version]:
    """Remember all versions; answer those that were not known (or were given out again)."""
    rows: dict[_Version, Row] = {}
    for event in told:
        version = _version(event)
        if version is not None:
            rows.setdefault(version, _version_row(version, event.last_updated, now, own=False))
    if not rows:
        return set()
    insert = tx.upsert(v)
    then = insert.excluded.last_updated
    again = insert.on_conflict_do_update(
        index_elements=[v.c.source, v.c.type, v.c.res_id, v.c.version],
        set_={"last_updated": then, "seen_at": insert.excluded.seen_at, "own": 0},
        where=then
        > sa.func.coalesce(v.c.last_updated + _SAME_VERSION, v.c.seen_at + _SAME_VERSION_SEEN),
    ).returning(v.c.source, v.c.type, v.c.res_id, v.c.version)
    # In order: two intakes that were told the same must not wait for each other crosswise.
    in_order = [rows[version] for version in sorted(rows)]
    return {tuple(row) for row in tx.conn.execute(again, in_order)}


def remember_own(tx: Tx, written: Sequence[_Version], now: int) -> None:
    """Know the versions that we wrote, so that their echo is no news."""
    insert = tx.upsert(v)
    rows = [_version_row(version, None, now, own=True) for version in sorted(set(written))]
    if rows:
        tx.conn.execute(
            insert.on_conflict_do_update(
                index_elements=[v.c.source, v.c.type, v.c.res_id, v.c.version], set_={"own": 1}
            ),
            rows,
        )


def _version_row(version: _Version, updated: datetime | None, now: int, *, own: bool) -> Row:
    source, type_, id_, name = version
    return {
        "source": source,
        "type": type_,
        "res_id": id_,
        "version": name,
        "number": number_of(name),
        "last_updated": micros_or_none(updated),
        "seen_at": now,
        "own": int(own),
    }


def number_of(version: str | None) -> int | None:
    """The version as an integer, where the server counts."""
    if version is not None and len(version) <= 18 and version.isascii() and version.isdecimal():
        return int(version)
    return None


def _record(event: StoredEvent) -> _Record:
    return event.source, event.type, event.id


def _version(event: StoredEvent) -> _Version | None:
    return None if event.version is None else (*_record(event), event.version)


def _max(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
