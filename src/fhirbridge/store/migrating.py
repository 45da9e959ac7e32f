"""The tables as this program needs them: made, or brought up to date by Alembic's revisions.

At its start a program brings the tables up to its own revision, one process at a time. Revisions
only add (a table, a column with a default, an index), so that programs of the release before go
on beside it; they see a revision that they do not know and do not mind, as long as `VERSION` is
theirs. What is no longer used is taken away one release later. `fhirbridge store downgrade` goes
back, for who returns to an older release.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from . import schema
from .records import StoreError

#: PostgreSQL: how long a change of a table waits for those who use it, before it is given up.
_PATIENCE = "10s"
_SETUP_LOCK = 0x66686972  # PostgreSQL advisory lock: one process changes the tables
_FIRST = "0001"
_revision = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32)))


@dataclass(frozen=True, slots=True)
class Standing:
    """Which revision the tables are of (None: there are none), and which this program's are."""

    found: str | None
    wanted: str = schema.REVISION

    @property
    def is_current(self) -> bool:
        return self.found == self.wanted


def standing(conn: sa.Connection) -> Standing:
    """How the tables stand. Raises `StoreError` when this program cannot work with them."""
    names = sa.inspect(conn).get_table_names()
    if schema.schema_version.name not in names:
        return Standing(None)
    version = conn.scalar(sa.select(schema.schema_version.c.version))
    if version is not None and version != schema.VERSION:
        raise StoreError(
            f"store: the tables are of version {version}, this program's are {schema.VERSION}: "
            "run the program that made them, or give another store"
        )
    if _revision.name not in names:
        return Standing(_FIRST)  # made before they were counted; the first one adds what lacks
    return Standing(conn.scalar(sa.select(_revision.c.version_num)) or _FIRST)


def prepare(conn: sa.Connection) -> None:
    """Make the tables, or bring them up to date. In a transaction of its own."""
    now = standing(conn)
    if now.is_current:
        return
    _alone(conn)
    now = standing(conn)  # another process may have done it meanwhile
    if now.found is None:
        schema.metadata.create_all(conn)
        conn.execute(sa.insert(schema.schema_version).values(version=schema.VERSION))
        _revision.create(conn)
        conn.execute(sa.insert(_revision).values(version_num=schema.REVISION))
    elif _is_older(now.found):
        move(conn, schema.REVISION)


def move(conn: sa.Connection, revision: str) -> None:
    """Bring the tables to a revision, up or down. Raises `StoreError` for one that is unknown."""
    from alembic import command
    from alembic.util import CommandError

    _alone(conn)
    now = standing(conn)
    config = _config(conn)
    step: Callable[..., Any] = command.upgrade
    if now.found is not None and (revision.startswith("-") or revision < now.found):
        step = command.downgrade
    try:
        step(config, revision)
    except CommandError:
        raise StoreError(
            f"store: revision {revision} is not known to this program; it knows"
            f" {', '.join(known())}"
        ) from None


def known() -> list[str]:
    """Every revision of this program, the first first."""
    from alembic.script import ScriptDirectory

    found = ScriptDirectory.from_config(_config(None)).walk_revisions()
    return sorted(each.revision for each in found)


def _is_older(revision: str) -> bool:
    """Not one of a later program: its tables serve us too, or `VERSION` would be another."""
    return revision < schema.REVISION


def _alone(conn: sa.Connection) -> None:
    if conn.dialect.name == "postgresql":
        conn.execute(sa.select(sa.func.pg_advisory_xact_lock(_SETUP_LOCK)))
        conn.execute(sa.text(f"SET LOCAL lock_timeout = '{_PATIENCE}'"))


def _config(conn: sa.Connection | None) -> Any:
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", "fhirbridge.store:migrations")
    config.attributes["connection"] = conn
    return config
