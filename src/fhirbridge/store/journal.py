"""Hearing: deliveries and their events go in, due marks come out, in one transaction.

An event is news unless its version is known already (`duplicate`: told before, or written by
ourselves) or a newer version of the same record is known (`older`). Every event is journaled;
only news raises a mark.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from datetime import datetime

import sqlalchemy as sa

from . import numbering, people, traces
from .database import AnyRow, Row, Tx, chunks, micros, micros_or_none, moment
from .marks import Raise, ask, raise_all
from .records import AT_ONCE, Debounce, Delivery, Heard, JournalEvent, JournalLine, StoredEvent
from .schema import deliveries as d
from .schema import events as e
from .schema import subscriptions as s
from .statements import among
from .versions import DUPLICATE, NEW, OLDER, number_of, outcomes

#: The dialect of what we read by ourselves.
POLL = "poll"


def hear(
    tx: Tx, heard: Sequence[Delivery], now: datetime, debounce: Debounce = AT_ONCE
) -> list[Heard]:
    told = [event for delivery in heard for event in delivery.events]
    rows = _journal(tx, heard, micros(now))
    verdicts = outcomes(tx, rows)
    subjects = _subjects(tx, told, verdicts)
    left = _left(tx, told, verdicts)
    generations = raise_all(tx, _raises(told, subjects), now, debounce)
    for row, outcome, subject in zip(rows, verdicts, subjects, strict=True):
        row["outcome"], row["subject"] = outcome, subject
        row["generation"] = None if subject is None else generations[subject]
    tx.insert(e, rows)
    results = _results(heard, verdicts, subjects)
    news = [
        (subject, delivery.trace)
        for delivery, result in zip(heard, results, strict=True)
        if delivery.trace
        for subject in result.subjects
    ]
    traces.keep(tx, news, generations, micros(now))
    for subject in left:
        ask(tx, subject, now, why="a record went to another patient")
    _keep_alive(tx, heard)
    numbering.count(tx, heard, now)
    return results


def newest(tx: Tx, source: str, type_: str, id_: str) -> AnyRow | None:
    """The event (delivery, verb) that says the newest of a record."""
    by_age = (
        sa.select(e.c.delivery, e.c.verb)
        .where(e.c.source == source, e.c.type == type_, e.c.res_id == id_)
        .where(e.c.delivery.is_not(None), e.c.outcome == NEW)
        .order_by(
            e.c.last_updated.desc().nulls_last(), e.c.number.desc().nulls_last(), e.c.id.desc()
        )
    )
    return tx.conn.execute(by_age.limit(1)).first()


def latest_body(tx: Tx, source: str, type_: str, id_: str) -> bytes | None:
    event = newest(tx, source, type_, id_)
    if event is None or event.verb == "deleted":
        return None
    return tx.conn.scalar(sa.select(d.c.body).where(d.c.id == event.delivery))


def subject_of(tx: Tx, source: str, type_: str, id_: str) -> str | None:
    """The patient record (or person) whom news of this record made due last."""
    told = (
        sa.select(e.c.subject)
        .where(e.c.source == source, e.c.type == type_, e.c.res_id == id_)
        .where(e.c.subject.contains(":Patient/"))
        .order_by(e.c.id.desc())
        .limit(1)
    )
    return tx.conn.scalar(told)


def last_told(tx: Tx, source: str, type_: str, ids: Collection[str]) -> dict[str, datetime]:
    """When each of these records was last spoken of by its server itself, not found by a poll."""
    said = (
        sa.select(e.c.res_id, sa.func.max(e.c.at).label("at"))
        .join(d, d.c.id == e.c.delivery)
        .where(e.c.source == source, e.c.type == type_, e.c.res_id.in_(ids))
        .where(d.c.dialect != POLL)
        .group_by(e.c.res_id)
    )
    return {row.res_id: moment(row.at) for row in tx.all(said)}


def recent(tx: Tx, limit: int) -> list[JournalLine]:
    columns = (d.c.id, d.c.source, d.c.received_at, d.c.dialect, d.c.problem)
    lines = tx.all(sa.select(*columns).order_by(d.c.id.desc()).limit(limit))
    found: dict[int, list[JournalEvent]] = {line.id: [] for line in lines}
    for some in chunks(list(found)):
        for row in tx.all(sa.select(e).where(e.c.delivery.in_(some)).order_by(e.c.id)):
            found[row.delivery].append(
                JournalEvent(row.verb, row.type, row.res_id, row.version, row.subject, row.outcome)
            )
    return [
        JournalLine(
            line.id,
            line.source,
            moment(line.received_at),
            line.dialect,
            line.problem,
            tuple(found[line.id]),
        )
        for line in lines
    ]


# --- whom it concerns


def _subjects(tx: Tx, told: Sequence[StoredEvent], verdicts: Sequence[str]) -> list[str | None]:
    """For each event the subject that it raises; None when it raises nothing."""
    raising = [
        event if outcome == NEW else None for event, outcome in zip(told, verdicts, strict=True)
    ]
    watch = people.watch(
        tx, (one.subject for one in raising if one and one.subject and one.when != "always")
    )
    news = [
        event.subject if event and event.subject and _concerns(event, watch) else None
        for event in raising
    ]
    canonical = people.canonical(tx, [subject for subject in news if subject is not None])
    return [canonical[subject] if subject is not None else None for subject in news]


# Lists, not triples, for the reason that `versions` gives: it may answer for other records too.
_WHOSE = (
    sa.select(e.c.source, e.c.type, e.c.res_id, sa.func.max(e.c.id).label("id"))
    .where(among(e.c.source, "sources"))
    .where(among(e.c.type, "types"))
    .where(among(e.c.res_id, "ids"))
    .where(e.c.subject.contains(":Patient/"))
    .group_by(e.c.source, e.c.type, e.c.res_id)
    .subquery()
)
_SUBJECTS = sa.select(_WHOSE.c.source, _WHOSE.c.type, _WHOSE.c.res_id, e.c.subject).join(
    e, e.c.id == _WHOSE.c.id
)


def _left(tx: Tx, told: Sequence[StoredEvent], verdicts: Sequence[str]) -> list[str]:
    """The watched persons whose record is somebody else's now: nobody else tells them."""
    now_of = {
        (event.source, event.type, event.id): event.subject
        for event, outcome in zip(told, verdicts, strict=True)
        if outcome == NEW
        and event.subject
        and ":Patient/" in event.subject
        and event.version != "1"  # it was nobody's before
    }
    if not now_of:
        return []
    sources, types, ids = (list(set(column)) for column in zip(*now_of, strict=True))
    left = []
    for *record, before in tx.select(_SUBJECTS, sources=sources, types=types, ids=ids):
        now = now_of.get((record[0], record[1], record[2]))
        if now is not None and now != before:
            left.append((before, now))
    if not left:
        return []
    canonical = people.canonical(tx, {name for pair in left for name in pair})
    gone = {canonical[before] for before, now in left if canonical[before] != canonical[now]}
    watch = people.watch(tx, gone)
    return sorted(name for name in gone if watch.get(name))


def _concerns(event: StoredEvent, watch: Mapping[str, bool]) -> bool:
    """Whether the condition on which the event raises its subject holds."""
    if event.when == "always":
        return True
    return watch.get(event.subject or "", event.when == "unless-unwatched")


def _raises(told: Sequence[StoredEvent], subjects: Sequence[str | None]) -> Iterator[Raise]:
    for event, subject in zip(told, subjects, strict=True):
        if subject is not None:
            yield Raise(subject, event.source, urgent=event.urgent)


# --- the journal's rows


def _journal(tx: Tx, heard: Sequence[Delivery], now: int) -> list[Row]:
    """Keep the deliveries; the rows of their events, of which it is not known yet what they are."""
    numbers = tx.numbers(d, len(heard))
    rows: list[Row] = [
        {
            "id": number,
            "source": delivery.source,
            "key": delivery.key,
            "received_at": micros(delivery.received_at),
            "dialect": delivery.dialect,
            "content_type": delivery.content_type,
            "problem": delivery.problem,
            "body": delivery.body,
        }
        for number, delivery in zip(numbers, heard, strict=True)
    ]
    tx.insert(d, rows)
    return [
        {
            "delivery": number,
            "source": event.source,
            "verb": event.verb,
            "type": event.type,
            "res_id": event.id,
            "version": event.version,
            "number": number_of(event.version),
            "last_updated": micros_or_none(event.last_updated),
            "urgent": int(event.urgent),
            "at": now,
        }
        for number, delivery in zip(numbers, heard, strict=True)
        for event in delivery.events
    ]


def _results(
    heard: Sequence[Delivery], verdicts: Sequence[str], subjects: Sequence[str | None]
) -> list[Heard]:
    """What was new in each delivery."""
    results, end = [], 0
    for delivery in heard:
        begin, end = end, end + len(delivery.events)
        here = verdicts[begin:end]
        raised = dict.fromkeys(subject for subject in subjects[begin:end] if subject is not None)
        results.append(
            Heard(
                new=here.count(NEW),
                duplicates=here.count(DUPLICATE),
                older=here.count(OLDER),
                subjects=tuple(raised),
            )
        )
    return results


def _keep_alive(tx: Tx, heard: Sequence[Delivery]) -> None:
    """The subscriptions that these came by are alive."""
    last: dict[str, datetime] = {}
    for delivery in heard:
        if delivery.key is not None:
            at = delivery.received_at
            last[delivery.key] = max(last.get(delivery.key, at), at)
    tx.run_each(_ALIVE, [{"by": key, "at": micros(last[key])} for key in sorted(last)])


_ALIVE = (
    sa.update(s)
    .where(s.c.key == sa.bindparam("by"))
    .where(sa.func.coalesce(s.c.last_heard, 0) < sa.bindparam("at"))
    .values(last_heard=sa.bindparam("at"))
)


def tally(tx: Tx) -> tuple[dict[str, int], int]:
    """Deliveries by dialect, and how many of all had a problem."""
    count = sa.select(d.c.dialect, sa.func.count(), sa.func.count(d.c.problem))
    rows = tx.all(count.group_by(d.c.dialect).order_by(d.c.dialect))
    return {row[0]: row[1] for row in rows}, sum(row[2] for row in rows)
