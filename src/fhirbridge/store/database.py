"""One database behind the store: SQLite in a file, or PostgreSQL over psycopg 3.

All writing goes through `Database.write`, as a function of a transaction, so that it can be run
again when PostgreSQL breaks a deadlock, and so that the driver's errors (which quote rows) are
restated in one place. SQLite has one writer at a time: writers of this process queue at a lock
(SQLite itself would let them sleep and poll), those of other processes at `busy_timeout`.
Open a new `Database` after a fork.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite

from . import faults, migrating, statements
from .records import StoreError, Unwritable
from .statements import Selected

T = TypeVar("T")
Row = dict[str, Any]  # to be written
AnyRow: TypeAlias = "sa.Row[*tuple[Any, ...]]"  # read

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(microseconds=1)
_BUSY_MS = 5_000
_GAP = 0.02  # seconds; SQLite waits for up to a tenth between two looks
_TRIES = 4
_CONNECT = {"timeout": _BUSY_MS / 1000, "cached_statements": 512}
CHUNK = 500  # rows in one IN list, or in one INSERT


def micros(moment: datetime) -> int:
    """Microseconds since 1970 UTC. A naive time is a mistake of the caller: ValueError."""
    if moment.tzinfo is None:
        raise ValueError("a time without a zone was given to the store")
    return (moment - _EPOCH) // _TICK


def moment(value: int) -> datetime:
    return _EPOCH + value * _TICK


def span(time: timedelta) -> int:
    """In microseconds."""
    return time // _TICK


def micros_or_none(moment: datetime | None) -> int | None:
    return None if moment is None else micros(moment)


def moment_or_none(value: int | None) -> datetime | None:
    return None if value is None else moment(value)


def constant(value: int) -> sa.ColumnElement[int]:
    """A number in the text of the statement. With a bound one in its ON CONFLICT clause,
    SQLAlchemy sends an INSERT … RETURNING row by row."""
    return sa.literal_column(str(value), sa.BigInteger)


def chunks(items: Sequence[T], size: int = CHUNK) -> Iterator[Sequence[T]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def upsert(table: sa.Table, on_postgres: bool) -> postgresql.Insert:
    """An INSERT with `on_conflict_…`; both dialects' classes have the same methods."""
    if on_postgres:
        return postgresql.insert(table)
    return sqlite.insert(table)  # type: ignore[return-value]  # alike, but no common base


@cache
def _insert(table: sa.Table) -> sa.Insert:
    return sa.insert(table)


@cache
def _highest(table: sa.Table) -> sa.Select[*tuple[Any, ...]]:
    return sa.select(sa.func.max(table.c.id))


@dataclass(frozen=True)
class Tx:
    """An open transaction, and the few things in which the two dialects differ."""

    conn: sa.Connection
    postgres: bool

    def upsert(self, table: sa.Table) -> postgresql.Insert:
        return upsert(table, self.postgres)

    def insert(self, table: sa.Table, rows: Sequence[Row]) -> None:
        self.inserted(_insert(table), rows)

    def inserted(self, statement: sa.Insert, rows: Sequence[Row]) -> list[Any]:
        """Insert the rows by a statement that is the same object each time; answers what its
        RETURNING says of each."""
        if rows and self.postgres:
            done = self.conn.execute(statement, rows)
            return list(done.all()) if done.returns_rows else []
        some = chunks(rows, CHUNK)
        return [
            row for few in some for row in statements.insert(_driver(self.conn), statement, few)
        ]

    def select(self, statement: Selected, **asked: Any) -> Sequence[Any]:
        """The rows (named tuples) of a statement that is the same object each time."""
        if self.postgres:
            return self.conn.execute(statement, asked).all()
        return statements.select(_driver(self.conn), statement, asked)

    def first(self, statement: Selected, **asked: Any) -> Any:
        """The first of them; None when there is none."""
        rows = self.select(statement, **asked)
        return rows[0] if rows else None

    def run_each(self, statement: sa.Update | sa.Delete, rows: Sequence[Row]) -> None:
        """Run a statement that is the same object each time, once for each row."""
        if rows and self.postgres:
            self.conn.execute(statement, rows)
        elif rows:
            statements.run(_driver(self.conn), statement, rows)

    def numbers(self, table: sa.Table, count: int) -> list[int]:
        """New values for the table's `id`, in order, to insert rows whose ids one must know."""
        if self.postgres:
            each = sa.func.generate_series(1, count).table_valued("n")
            sequence = sa.func.nextval(sa.func.pg_get_serial_sequence(table.name, "id"))
            return sorted(values(self.all(sa.select(sequence).select_from(each))))
        ((highest,),) = self.select(_highest(table))
        first = (highest or 0) + 1  # we are the only writer
        return list(range(first, first + count))

    def all(self, statement: sa.Executable) -> Sequence[AnyRow]:
        return self.conn.execute(statement).all()

    def run(self, statement: sa.Executable) -> int:
        """How many rows it changed."""
        return self.conn.execute(statement).rowcount


class Database:
    """Opens `url`, brings its tables up to date, and hands out transactions.

    `prepare=False` leaves the tables as they are.
    """

    def __init__(self, url: str, *, prepare: bool = True) -> None:
        self._engine = _engine(url)
        self.postgres = self._engine.dialect.name == "postgresql"
        self._reader = self._engine.execution_options(reading=True)
        self._idle: dict[sa.Engine, list[sa.Connection]] = {self._engine: [], self._reader: []}
        self._one_writer: AbstractContextManager[Any] = (
            nullcontext() if self.postgres else threading.Lock()
        )
        if prepare:
            self.write(lambda tx: migrating.prepare(tx.conn))

    def close(self) -> None:
        for idle in self._idle.values():
            while idle:
                idle.pop().close()
        self._engine.dispose()

    def copy(self, to: Path) -> None:
        """SQLite: everything that is committed, as a file of its own, readable by its owner."""
        to.touch(mode=0o600)  # VACUUM INTO fills an empty file, and keeps its mode
        with _restated(), self._engine.connect() as conn:
            raw = conn.connection.driver_connection
            assert raw is not None
            raw.rollback()  # a VACUUM stands alone
            raw.execute("VACUUM INTO ?", (str(to),))

    def write(self, work: Callable[[Tx], T]) -> T:
        """Run `work` in one transaction; when this returns, the disk has it."""
        for last in (False,) * (_TRIES - 1) + (True,):
            try:
                with _restated(), self._one_writer, self._begun(self._engine) as conn:
                    return work(Tx(conn, self.postgres))
            except _Deadlock:
                if last:
                    raise Unwritable("the database keeps breaking deadlocks; try again") from None
        raise AssertionError("unreachable")

    def read(self, work: Callable[[Tx], T]) -> T:
        with _restated(), self._begun(self._reader) as conn:
            return work(Tx(conn, self.postgres))

    def rest(self) -> None:
        """Between many transactions in a row: writers of other processes look for a gap on SQLite,
        where nobody queues, and give up after a while."""
        if not self.postgres:
            time.sleep(_GAP)

    @contextmanager
    def _begun(self, engine: sa.Engine) -> Iterator[sa.Connection]:
        """A transaction. On SQLite its connection stays at hand: getting it from the pool and
        putting it back takes longer than a small transaction does."""
        if self.postgres:
            with engine.begin() as conn:
                yield conn
            return
        idle = self._idle[engine]
        try:
            conn = idle.pop()
        except IndexError:
            conn = engine.connect()
        try:
            with conn.begin():
                yield conn
        except BaseException:
            conn.close()
            raise
        idle.append(conn)


class _Deadlock(Exception):
    """PostgreSQL rolled this transaction back in favor of another."""


def file_of(url: str) -> Path | None:
    """Where a SQLite store lies; None: it is no file."""
    parsed = _parsed(url)
    if not parsed.drivername.startswith("sqlite") or not parsed.database:
        return None
    return Path(parsed.database)


def _parsed(url: str) -> sa.URL:
    try:
        return sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # the latter for a port that is none
        raise StoreError("store: not a database URL; sqlite:///file.db is one") from None


def _engine(url: str) -> sa.Engine:
    parsed = _parsed(url)
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        return _sqlite(parsed)
    if parsed.drivername == "postgresql+psycopg":
        return sa.create_engine(parsed, hide_parameters=True, pool_pre_ping=True, pool_size=10)
    raise StoreError(
        f"store: cannot use {parsed.drivername!r}; use sqlite:///file.db or "
        "postgresql+psycopg://user@host/database"
    )


def _driver(conn: sa.Connection) -> sqlite3.Connection:
    driver = conn.connection.driver_connection
    assert isinstance(driver, sqlite3.Connection)
    return driver


def _sqlite(url: sa.URL) -> sa.Engine:
    if not url.database or url.database == ":memory:":
        raise StoreError("store: SQLite needs a file, for example sqlite:///fhirbridge.db")
    try:
        # It holds people's records: nobody else's to read. -wal and -shm inherit the mode.
        Path(url.database).touch(mode=0o600)
    except OSError as error:
        raise Unwritable(f"store: {url.database}: {error.strerror}") from None
    engine = sa.create_engine(url, hide_parameters=True, connect_args=_CONNECT, max_overflow=-1)

    @sa.event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None  # we say BEGIN ourselves, below
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @sa.event.listens_for(engine, "begin")
    def _begin(conn: sa.Connection) -> None:
        # A transaction that reads first and writes later could find the database changed under
        # it and fail for good; one that is a writer from its start waits its turn.
        reading = conn.get_execution_options().get("reading")
        _driver(conn).execute("BEGIN" if reading else "BEGIN IMMEDIATE")

    return engine


@contextmanager
def _restated() -> Iterator[None]:
    """Drivers' errors quote rows (people's data): say only their kind."""
    try:
        yield
    except sa.exc.DBAPIError as error:
        kind, fault = _kind(error.orig), error
    except sqlite3.Error as error:
        kind, fault = _kind(error), _wrapped(error)
    except sa.exc.TimeoutError:
        raise Unwritable("store: no database connection came free") from None
    else:
        return
    if kind in ("40P01", "40001"):
        raise _Deadlock from None
    if isinstance(fault, sa.exc.OperationalError | sa.exc.InterfaceError) or _is_closed(fault):
        raise Unwritable(f"store: {faults.told(kind)}") from None
    raise StoreError(f"store: {type(fault.orig).__name__} {kind}") from None


def _wrapped(error: sqlite3.Error) -> sa.exc.DBAPIError:
    """An error of the driver itself as SQLAlchemy's, without statement and rows."""
    wrapped = sa.exc.DBAPIError.instance(None, None, error, sqlite3.Error)
    assert isinstance(wrapped, sa.exc.DBAPIError)
    return wrapped


def _kind(error: BaseException | None) -> str:
    """SQLSTATE or SQLite's name of the error; else the class."""
    for attribute in ("sqlstate", "sqlite_errorname"):
        if name := getattr(error, attribute, None):
            return str(name)
    return type(error).__name__


def _is_closed(error: sa.exc.DBAPIError) -> bool:
    # psycopg: 25006 = a server that turned read-only (failover); SQLite: a damaged file.
    return error.connection_invalidated or _kind(error.orig) in (
        "25006",
        "SQLITE_CORRUPT",
        "SQLITE_NOTADB",
    )


def values(rows: Iterable[AnyRow]) -> list[Any]:
    """The first column."""
    return [row[0] for row in rows]
