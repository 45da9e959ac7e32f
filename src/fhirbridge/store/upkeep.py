"""Looking after the tables and the file: for `fhirbridge store`.

standing(url)             which revision the tables are of
move(url, "head")         up or down, under load too
backup(url, path)         a copy of a SQLite file while it is in use
"""

from __future__ import annotations

from pathlib import Path

from . import migrating
from .database import Database, file_of
from .migrating import Standing
from .records import StoreError

__all__ = ["Standing", "backup", "move", "standing"]


def standing(url: str) -> Standing:
    """Raises `StoreError` when this program cannot work with the tables."""
    db = _that_is_there(url)
    try:
        return db.read(lambda tx: migrating.standing(tx.conn))
    finally:
        db.close()


def move(url: str, revision: str) -> Standing:
    """Bring the tables to a revision: its name, `head`, or `-1` for the one before."""
    db = Database(url, prepare=False)
    try:
        db.write(lambda tx: migrating.move(tx.conn, revision))
        return db.read(lambda tx: migrating.standing(tx.conn))
    finally:
        db.close()


def backup(url: str, to: Path) -> None:
    """A whole and consistent copy of a SQLite store, taken while others write to it."""
    if not url.startswith("sqlite"):
        raise StoreError(
            "store: no copy of this is made here; PostgreSQL has its own: pg_dump --format=custom,"
            " and pg_restore to get it back"
        )
    if to.exists():
        raise StoreError(f"store: {to} is there already: give the copy another name")
    db = _that_is_there(url)
    try:
        if db.read(lambda tx: migrating.standing(tx.conn)).found is None:
            raise StoreError(f"store: nothing is kept in {file_of(url)}; there is nothing to copy")
        db.copy(to)
    finally:
        db.close()


def _that_is_there(url: str) -> Database:
    """An empty file made by looking for it would be copied as if it were the store."""
    file = file_of(url)
    if file is not None and not file.exists():
        raise StoreError(
            f"store: {file} is not there; a relative path begins where fhirbridge is started"
        )
    return Database(url, prepare=False)
