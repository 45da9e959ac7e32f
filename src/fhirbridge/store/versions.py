"""Which events are news: the versions that we know, told or written by ourselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from typing import Any

import sqlalchemy as sa

from .database import Row, Tx, constant, moment_or_none, upsert
from .schema import events as e
from .schema import versions as v
from .statements import among

NEW, DUPLICATE, OLDER = "new", "duplicate", "older"

# A server restored from a backup gives out version numbers a second time. The same version with
# a clearly later lastUpdated is another one. (Without a lastUpdated of the first: later than we
# saw it, with an hour for clocks that disagree.)
_SAME_VERSION = constant(timedelta(minutes=1) // timedelta(microseconds=1))
_SAME_VERSION_SEEN = constant(timedelta(hours=1) // timedelta(microseconds=1))

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


def last_news(tx: Tx, source: str, type_: str | None) -> datetime | None:
    """When the last change by others reached us, of a type or of a source: a version of theirs
    that we had not seen, or a deletion."""
    made = sa.select(sa.func.max(v.c.seen_at)).where(v.c.source == source, v.c.own == 0)
    gone = sa.select(sa.func.max(e.c.at)).where(
        e.c.source == source, e.c.verb == sa.literal_column("'deleted'"), e.c.outcome == NEW
    )
    if type_ is not None:
        made, gone = made.where(v.c.type == type_), gone.where(e.c.type == type_)
    return moment_or_none(_max(tx.conn.scalar(made), tx.conn.scalar(gone)))


def outcomes(tx: Tx, told: Sequence[Row]) -> list[str]:
    """What each of these rows of the journal is. Their versions are known from now on."""
    known = _known(tx, told)
    fresh = _unseen(tx, told)
    found = []
    for row in told:
        record, version = _record(row), row["version"]
        if version is not None and (*record, version) not in fresh:
            found.append(DUPLICATE)
            continue
        fresh.discard((*record, version))  # the next one of this batch is a repeat
        updated, number = row["last_updated"], row["number"]
        newest = known.setdefault(record, _Known(None, None))
        found.append(OLDER if newest.is_newer_than(updated, number) else NEW)
        newest.learn(updated, number)
    return found


# Three lists, not one of triples: SQLite reads the whole table for those. So it may also answer
# for records that were not asked for.
_NEWEST = (
    sa.select(
        v.c.source, v.c.type, v.c.res_id, sa.func.max(v.c.last_updated), sa.func.max(v.c.number)
    )
    .where(among(v.c.source, "sources"))
    .where(among(v.c.type, "types"))
    .where(among(v.c.res_id, "ids"))
    .group_by(v.c.source, v.c.type, v.c.res_id)
)


def _known(tx: Tx, told: Sequence[Row]) -> dict[_Record, _Known]:
    if not told:
        return {}
    sources, types, ids = (list(set(column)) for column in zip(*map(_record, told), strict=True))
    newest = tx.select(_NEWEST, sources=sources, types=types, ids=ids)
    return {(row[0], row[1], row[2]): _Known(row[3], row[4]) for row in newest}


def _unseen(tx: Tx, told: Sequence[Row]) -> set[_Version]:
    """Remember all versions; answer those that were not known (or were given out again)."""
    rows: dict[_Version, Row] = {}
    for row in told:
        if row["version"] is not None:
            same = {name: row[name] for name in _OF_EVENTS}
            version = (*_record(row), row["version"])
            rows.setdefault(version, same | {"seen_at": row["at"], "own": 0})
    # In order: two intakes that were told the same must not wait for each other crosswise.
    in_order = [rows[version] for version in sorted(rows)]
    return {tuple(row) for row in tx.inserted(_remember(tx.postgres), in_order)}


_OF_EVENTS = ("source", "type", "res_id", "version", "number", "last_updated")


@cache
def _remember(postgres: bool) -> Any:
    insert = upsert(v, postgres)
    then = insert.excluded.last_updated
    return insert.on_conflict_do_update(
        index_elements=[v.c.source, v.c.type, v.c.res_id, v.c.version],
        set_={"last_updated": then, "seen_at": insert.excluded.seen_at, "own": constant(0)},
        where=then
        > sa.func.coalesce(v.c.last_updated + _SAME_VERSION, v.c.seen_at + _SAME_VERSION_SEEN),
    ).returning(v.c.source, v.c.type, v.c.res_id, v.c.version)


def remember_own(tx: Tx, written: Sequence[_Version], now: int) -> None:
    """Know the versions that we wrote, so that their echo is no news."""
    rows: list[Row] = [
        {
            "source": source,
            "type": type_,
            "res_id": id_,
            "version": version,
            "number": number_of(version),
            "last_updated": None,
            "seen_at": now,
            "own": 1,
        }
        for source, type_, id_, version in sorted(set(written))
    ]
    tx.inserted(_remember_own(tx.postgres), rows)


@cache
def _remember_own(postgres: bool) -> Any:
    key = [v.c.source, v.c.type, v.c.res_id, v.c.version]
    return upsert(v, postgres).on_conflict_do_update(index_elements=key, set_={"own": constant(1)})


def number_of(version: str | None) -> int | None:
    """The version as an integer, where the server counts."""
    if version is not None and len(version) <= 18 and version.isascii() and version.isdecimal():
        return int(version)
    return None


def _record(row: Row) -> _Record:
    return row["source"], row["type"], row["res_id"]


def _max(a: int | None, b: int | None) -> int | None:
    return b if a is None else a if b is None else max(a, b)
