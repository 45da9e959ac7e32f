"""The tables. All times are integer microseconds since 1970 UTC, so that SQLite and PostgreSQL
compare them alike; all flags are 0/1.

Locks are taken in the order versions → marks → events, in every transaction: hearing the echo of
a write and finishing that write touch the same rows at the same moment.
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

#: What a program must know to work with the tables. It is raised only by a change that older
#: programs cannot live with; a table or column more is a revision (`migrations`), not a version.
VERSION = 2
#: The newest revision of `migrations`: what the tables below are.
REVISION = "0008"

metadata = MetaData()
_Serial = BigInteger().with_variant(Integer, "sqlite")  # SQLite numbers rows only for INTEGER

schema_version = Table("schema_version", metadata, Column("version", Integer, nullable=False))

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("source", Text, nullable=False),
    Column("key", Text),
    Column("received_at", BigInteger, nullable=False),
    Column("dialect", Text, nullable=False),
    Column("content_type", Text, nullable=False),
    Column("problem", Text),
    Column("body", LargeBinary, nullable=False),  # last: a scan of the rest skips it
    Index("ix_deliveries_dialect", "dialect", "problem"),
)

# One row for each thing that was said, ours included: deliveries' events, asked-for looks, timers.
#: The verb of an event that says why a person let work go. Such events are never purged.
DROPPED = "dropped"

events = Table(
    "events",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("delivery", _Serial, ForeignKey("deliveries.id")),
    Column("source", Text, nullable=False),
    Column("verb", Text, nullable=False),
    Column("type", Text),
    Column("res_id", Text),
    Column("version", Text),
    Column("number", BigInteger),  # the version, when it is an integer
    Column("last_updated", BigInteger),
    Column("subject", Text),  # of the mark, after aliases
    Column("generation", BigInteger),  # that it gave the mark; NULL: it raised nothing
    Column("urgent", SmallInteger, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("why", Text),
    Column("at", BigInteger, nullable=False),
    Index("ix_events_subject", "subject", "generation"),
    Index("ix_events_record", "source", "type", "res_id"),
    Index("ix_events_delivery", "delivery"),
)

Index(  # a deletion is seldom told with a version, and is news all the same
    "ix_events_deleted",
    events.c.source,
    events.c.type,
    events.c.at,
    sqlite_where=text("verb = 'deleted'"),
    postgresql_where=text("verb = 'deleted'"),
)

# The versions that we know of, told or written by ourselves (`own`).
versions = Table(
    "versions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("res_id", Text, primary_key=True),
    Column("version", Text, primary_key=True),
    Column("number", BigInteger),
    Column("last_updated", BigInteger),
    Column("seen_at", BigInteger, nullable=False),
    Column("own", SmallInteger, nullable=False),
    sqlite_with_rowid=False,
)

# A row stays when nothing is owed any more, so that generation and token only ever grow.
marks = Table(
    "marks",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("source", Text, nullable=False),  # whose news it was: turns are taken by source
    Column("generation", BigInteger, nullable=False, server_default="1"),
    Column("due_at", BigInteger),  # NULL: nothing owed
    Column("ready_at", BigInteger),  # when it may be leased; NULL: idle or parked
    Column("first_at", BigInteger),
    Column("touched_at", BigInteger, nullable=False),
    Column("urgent", SmallInteger, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("last_error", Text),
    Column("parked_at", BigInteger),
    Column("lease_id", Text),
    Column("owner", Text),
    Column("token", BigInteger, nullable=False, server_default="0"),
    sqlite_with_rowid=False,
)
Index(
    "ix_marks_ready",
    marks.c.source,
    marks.c.urgent,
    marks.c.ready_at,
    sqlite_where=text("ready_at IS NOT NULL"),
    postgresql_where=text("ready_at IS NOT NULL"),
)
Index(
    "ix_marks_parked",
    marks.c.parked_at,
    sqlite_where=text("parked_at IS NOT NULL"),
    postgresql_where=text("parked_at IS NOT NULL"),
)

aliases = Table(
    "aliases",
    metadata,
    Column("record", Text, primary_key=True),
    Column("person", Text, nullable=False, index=True),
    Column("since", BigInteger, nullable=False),
)

persons = Table(
    "persons",
    metadata,
    Column("person", Text, primary_key=True),
    Column("watched", SmallInteger, nullable=False),
)

timers = Table(
    "timers",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("at", BigInteger, nullable=False, index=True),
)

# Changes that are wanted and not written yet: they have to hold for a while.
waits = Table(
    "waits",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("do", Text, primary_key=True),
    Column("since", BigInteger, nullable=False),
)

# How many Tasks were opened for an owner on a day.
openings = Table(
    "openings",
    metadata,
    Column("owner", Text, primary_key=True),
    Column("day", Text, primary_key=True),
    Column("count", Integer, nullable=False),
)

# Our own worklist: Tasks and Communications that the worklist's server does not take.
own = Table(
    "own_worklist",
    metadata,
    Column("type", Text, primary_key=True),
    Column("res_id", Text, primary_key=True),
    Column("patient", Text, nullable=False, index=True),
    Column("version", Integer, nullable=False),
    Column("body", LargeBinary, nullable=False),
)

writes = Table(
    "writes",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("type", Text, nullable=False),
    Column("res_id", Text, nullable=False),
    Column("version", Text),
    Column("key", Text, nullable=False),
    Column("digest", Text, nullable=False),
    Column("action", Text, nullable=False),
    Column("episode", Integer, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_writes_key", "key"),
    Index("ix_writes_subject", "subject", "at"),
)

# What would have been written in shadow: one row for each time that a trouble was there.
shadows = Table(
    "shadows",
    metadata,
    Column("subject", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("since", BigInteger, primary_key=True),
    Column("rule", Text, nullable=False),
    Column("day", Text),  # of the infusion
    Column("basis", Text, nullable=False),  # the occasion, and a digest of its records
    Column("gone", BigInteger),  # NULL: still there
    Column("how", Text),  # it went away
)

watermarks = Table(
    "watermarks",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("last_updated", BigInteger, nullable=False),
)

# First readings that are not through yet; then the watermark takes their place.
readings = Table(
    "readings",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("began", BigInteger, nullable=False),
    Column("reached", BigInteger, nullable=False),
)

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("key", Text, nullable=False, unique=True),
    Column("secret", Text, nullable=False),
    Column("previous_secret", Text),
    Column("server_id", Text),
    Column("state", Text, nullable=False),
    Column("since", BigInteger, nullable=False),
    Column("last_heard", BigInteger),
    Column("problem", Text),
)

# The event numbers of topic Subscriptions, ours or of others who have an address of ours.
numbering = Table(
    "numbering",
    metadata,
    Column("source", Text, primary_key=True),
    Column("type", Text, primary_key=True),
    Column("subscription", Text, primary_key=True),
    Column("highest", BigInteger, nullable=False),
    Column("missing", Text, nullable=False),  # "4-4 7-9"
    Column("unread", SmallInteger, nullable=False),
    Column("beginnings", Integer, nullable=False),
    Column("since", BigInteger),  # when the first that is missing was noticed; NULL: none is
)

# W3C contexts of the news that made a subject due; empty where nobody traces.
traces = Table(
    "traces",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("subject", Text, nullable=False),
    Column("generation", BigInteger, nullable=False),
    Column("trace", Text, nullable=False),
    Column("at", BigInteger, nullable=False),
    Index("ix_traces_subject", "subject", "generation"),
)

# Access tokens, so that the processes of an installation sign in once, and who asks for one now.
tokens = Table(
    "tokens",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", Text, nullable=False),
    Column("until", BigInteger, nullable=False),
)
