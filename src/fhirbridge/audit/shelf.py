"""Where each record lies: an index on disk, in a folder of its own that goes away afterwards.

A record of a plain file stays where it is and is read from there again; what came out of gzip or
a Bundle is copied to one file beside the index. The folder is readable by its owner alone, for it
holds details of persons, and is made where the system keeps temporary files ($TMPDIR).
"""

from __future__ import annotations

import shutil
import sqlite3
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

_SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE piece (owner TEXT, type TEXT, source TEXT, file INTEGER, at INTEGER, size INTEGER);
CREATE TABLE beside (name TEXT, type TEXT, source TEXT, file INTEGER, at INTEGER, size INTEGER);
CREATE TABLE tie (name TEXT, record TEXT);
CREATE TABLE hint (owner TEXT);
CREATE TABLE asks (owner TEXT, medication TEXT);
CREATE TABLE drug (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE done (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE finding (rank TEXT, body BLOB);
"""
_INDEXES = """
CREATE INDEX piece_owner ON piece (owner);
CREATE INDEX beside_name ON beside (name);
CREATE INDEX tie_name ON tie (name, record);
CREATE INDEX tie_record ON tie (record, name);
CREATE INDEX asks_medication ON asks (medication);
"""
_WATCHED = """
INSERT INTO hint SELECT owner FROM asks JOIN drug ON asks.medication = drug.name;
CREATE TABLE watched (owner TEXT PRIMARY KEY) WITHOUT ROWID;
INSERT OR IGNORE INTO watched SELECT owner FROM hint
    WHERE owner NOT LIKE '?%' AND owner NOT LIKE '@%';
INSERT OR IGNORE INTO watched SELECT record FROM hint JOIN tie ON tie.name = '#' || substr(owner, 2)
    WHERE owner LIKE '?%';
"""
#: The owners whose names begin with an address ("@https://…|"), exactly.
_BELOW = "substr(owner, 1, length(?2)) = ?2"
_COLUMNS = {"piece": 6, "beside": 6, "tie": 2, "hint": 1, "asks": 2, "finding": 2, "drug": 1}
_AT_ONCE = 10_000
#: SQLite's parameters in one statement are limited; more names are asked for in turns.
_NAMES = 500
#: How many files are kept open: an export may have more than a process may open.
_OPEN = 32
_COPIES = 0  # the number of the file of copies


class Piece(NamedTuple):
    """Where one record lies."""

    type: str
    source: str
    file: int
    at: int
    size: int


class Shelf:
    """The index. Rows are `put` in pass 1, then `sort` once, then asked for."""

    def __init__(self) -> None:
        self._folder = tempfile.mkdtemp(prefix="fhirbridge-audit-")
        self._base = sqlite3.connect(Path(self._folder, "index"), isolation_level=None)
        self._base.executescript(_SCHEMA)
        self._base.execute("BEGIN")
        self._waiting: dict[str, list[Sequence[object]]] = {name: [] for name in _COLUMNS}
        self._copies = Path(self._folder, "copies").open("wb")  # noqa: SIM115 - until close()
        self.files: list[Path] = [Path(self._folder, "copies")]
        self._open: dict[int, BinaryIO] = {}

    def close(self) -> None:
        """Forget everything."""
        self._copies.close()
        for stream in self._open.values():
            stream.close()
        self._base.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def add_file(self, path: Path) -> int:
        """The number of a plain file whose records stay where they are."""
        self.files.append(path)
        return len(self.files) - 1

    def copy(self, data: bytes) -> tuple[int, int, int]:
        """(file, at, size) of a copy of a record."""
        at = self._copies.tell()
        self._copies.write(data)
        return _COPIES, at, len(data)

    def put(self, table: str, *row: object) -> None:
        waiting = self._waiting[table]
        waiting.append(row)
        if len(waiting) >= _AT_ONCE:
            self._flush(table)

    def _flush(self, table: str) -> None:
        marks = ",".join("?" * _COLUMNS[table])
        sql = f"INSERT OR IGNORE INTO {table} VALUES ({marks})"
        self._base.executemany(sql, self._waiting[table])
        self._waiting[table].clear()

    def sort(self) -> None:
        """Everything is on disk and can be found."""
        for table in self._waiting:
            self._flush(table)
        self._copies.flush()
        self._base.execute("COMMIT")
        self._base.executescript(_INDEXES)
        self._base.execute("BEGIN")

    def lives(self, base: str, sources: Sequence[str]) -> str | None:
        """The source in which all patients are who are said to be on a server of this address,
        while none of them is in another; None when there is no such source."""
        ids = f"SELECT DISTINCT substr(owner, {len(base) + 3}) AS id FROM piece WHERE {_BELOW}"
        is_there = "SELECT 1 FROM piece WHERE owner = ?1 || id AND type = 'Patient'"
        sql = f"SELECT COUNT(*), COALESCE(SUM(EXISTS ({is_there})), 0) FROM ({ids})"
        held = {}
        for source in sources:
            prefix = f"{source}:Patient/"
            total, held[source] = self._base.execute(sql, (prefix, f"@{base}|")).fetchone()
        full = [source for source, count in held.items() if count == total]
        some = [source for source, count in held.items() if count]
        return full[0] if full == some and len(full) == 1 else None

    def move(self, base: str, source: str) -> None:
        """What belongs to patients on a server of this address belongs to this source's."""
        new = f"?1 || substr(owner, {len(base) + 3})"
        for table in ("piece", "hint", "asks"):
            sql = f"UPDATE {table} SET owner = {new} WHERE {_BELOW}"
            self._base.execute(sql, (f"{source}:Patient/", f"@{base}|"))

    def strangers(self) -> list[tuple[str, str, int]]:
        """(source, address, how many) of records whose patients are on a server not known."""
        sql = """SELECT source, substr(owner, 2, instr(owner, '|') - 2), COUNT(*) FROM piece
            WHERE owner LIKE '@%' GROUP BY 1, 2 ORDER BY 1, 2"""
        return self._base.execute(sql).fetchall()

    def unnamed(self) -> Iterator[str]:
        """Patient records that records point at and of which there is no Patient, in order."""
        sql = """SELECT DISTINCT owner FROM piece WHERE owner NOT LIKE '?%' AND owner NOT LIKE '@%'
            EXCEPT SELECT owner FROM piece WHERE type = 'Patient' ORDER BY 1"""
        yield from (owner for (owner,) in self._base.execute(sql))

    def watch(self) -> None:
        """End of pass 1: who is watched is known."""
        self._base.execute("COMMIT")
        self._base.executescript(_WATCHED)
        self._base.execute("BEGIN")

    def watched(self) -> Iterator[str]:
        """The owners of records that may be about a therapy that we know, in order."""
        yield from (owner for (owner,) in self._base.execute("SELECT owner FROM watched"))

    def done(self, names: Iterable[str]) -> None:
        """These patient records belong to somebody who was seen."""
        self._base.executemany("INSERT OR IGNORE INTO done VALUES (?)", [(n,) for n in names])

    def is_done(self, name: str) -> bool:
        sql = "SELECT 1 FROM done WHERE name = ?"
        return self._base.execute(sql, (name,)).fetchone() is not None

    def owners(self) -> int:
        """How many patient records there are."""
        sql = "SELECT COUNT(DISTINCT owner) FROM piece WHERE type = 'Patient'"
        count: int = self._base.execute(sql).fetchone()[0]
        return count

    def pieces(self, owners: Iterable[str], type_: str | None = None) -> list[Piece]:
        """The records of these owners, in the order in which they were read."""
        sql = "SELECT type, source, file, at, size, rowid FROM piece WHERE owner IN ({})"
        rows = sorted(self._each(sql, owners), key=lambda row: row[5])
        return [Piece(*row[:5]) for row in rows if type_ is None or row[0] == type_]

    def beside(self, names: Iterable[str]) -> list[Piece]:
        """The records of these names ("ehr:Medication/m-1") that belong to nobody."""
        sql = "SELECT type, source, file, at, size FROM beside WHERE name IN ({}) ORDER BY rowid"
        return [Piece(*row) for row in self._each(sql, names)]

    def ties(self, record: str) -> list[str]:
        """The names that a patient record shares, or may share, with others."""
        return [
            name for (name,) in self._each("SELECT name FROM tie WHERE record IN ({})", [record])
        ]

    def tied(self, names: Iterable[str]) -> set[str]:
        """The patient records that go by any of these names."""
        return {row for (row,) in self._each("SELECT record FROM tie WHERE name IN ({})", names)}

    def nobodys(self) -> list[tuple[str, str, int]]:
        """(source, type, how many) of records that name their patient by an unknown identifier."""
        sql = """SELECT source, type, COUNT(*) FROM piece WHERE owner LIKE '?%'
            AND '#' || substr(owner, 2) NOT IN (SELECT name FROM tie) GROUP BY 1, 2 ORDER BY 1, 2"""
        return self._base.execute(sql).fetchall()

    def findings(self) -> Iterator[bytes]:
        """The findings that were put, the lowest rank first."""
        self._flush("finding")
        sql = "SELECT body FROM finding ORDER BY rank, rowid"
        yield from (body for (body,) in self._base.execute(sql))

    def read(self, piece: Piece) -> bytes:
        """The bytes of a record."""
        stream = self._open.get(piece.file) or self._opened(piece.file)
        stream.seek(piece.at)
        return stream.read(piece.size)

    def _opened(self, number: int) -> BinaryIO:
        if len(self._open) >= _OPEN:
            self._open.pop(next(iter(self._open))).close()
        stream = self._open[number] = self.files[number].open("rb")
        return stream

    def _each(self, sql: str, names: Iterable[str]) -> Iterator[Any]:
        wanted = list(dict.fromkeys(names))
        for start in range(0, len(wanted), _NAMES):
            part = wanted[start : start + _NAMES]
            yield from self._base.execute(sql.format(",".join("?" * len(part))), part)
