"""Where each record lies: an index on disk, in a folder of its own that goes away afterwards.

A record of a plain file stays where it is and is read from there again; what came out of gzip or
a Bundle lies beside the index. The folder is readable by its owner alone, for it
holds details of persons, and is made where the system keeps temporary files ($TMPDIR).

One process writes it. Once everything is in it, others may read it (`reopen`): what is written
later, the findings, is in a file of its own.
"""

from __future__ import annotations

import shutil
import sqlite3
import struct
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from io import FileIO
from pathlib import Path
from typing import Any, NamedTuple

_SCHEMA = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -65536;
CREATE TABLE piece (owner TEXT, type TEXT, source TEXT, count INTEGER, places BLOB);
CREATE TABLE beside (name TEXT, type TEXT, file INTEGER, at INTEGER, size INTEGER);
CREATE TABLE tie (name TEXT, record TEXT);
CREATE TABLE hint (owner TEXT);
CREATE TABLE asks (owner TEXT, medication TEXT);
CREATE TABLE drug (name TEXT PRIMARY KEY) WITHOUT ROWID;
"""
_ANSWERS = """
PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF;
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
#: File, at and size of each of the records that a row of `piece` stands for.
_PLACE = struct.Struct("=qqq")
#: The owners whose names begin with an address ("@https://…|"), exactly.
_BELOW = "substr(owner, 1, length(?2)) = ?2"
_SHARING = """
SELECT others.name, others.record FROM tie AS mine CROSS JOIN tie AS others
    ON others.name = mine.name WHERE mine.record IN ({0}) AND substr(mine.name, 1, 1) <> '#'
UNION ALL SELECT name, record FROM tie WHERE name IN ({0})
"""
#: SQLite's parameters in one statement are limited; more names are asked for in turns.
_NAMES = 400
#: How many files are kept open: an export may have more than a process may open.
_OPEN = 32


class Piece(NamedTuple):
    """Where one record lies."""

    type: str
    source: str
    file: int
    at: int
    size: int


class Shelf:
    """The index. Rows are `add`ed in pass 1, then `sort` once, then asked for."""

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="fhirbridge-audit-"))
        self._base = sqlite3.connect(self.folder / "index", isolation_level=None)
        self._base.executescript(_SCHEMA)
        self._base.execute("BEGIN")
        self._answers = sqlite3.connect(self.folder / "answers", isolation_level=None)
        self._answers.executescript(_ANSWERS)
        self._answers.execute("BEGIN")
        self.files: list[Path] = []
        self._sources: list[str] = []
        self._open: dict[int, FileIO] = {}

    def close(self) -> None:
        """Forget everything."""
        for stream in self._open.values():
            stream.close()
        self._base.close()
        self._answers.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def reopen(self) -> None:
        """In another process, after `watch`: an index of its own to read, and files of its own.

        What the first process opened is neither used nor closed here: SQLite wants it so.
        """
        self._inherited = self._base, self._answers, self._open
        place = f"{(self.folder / 'index').as_uri()}?mode=ro&immutable=1"
        self._base = sqlite3.connect(place, uri=True, isolation_level=None)
        self._open = {}

    def add_file(self, path: Path, source: str) -> int:
        """The number of a file in which records lie."""
        self.files.append(path)
        self._sources.append(source)
        return len(self.files) - 1

    def source(self, number: int) -> str:
        """The source of a file."""
        return self._sources[number]

    def beside_index(self, name: str, source: str) -> tuple[Path, int]:
        """(path, number) of a file for what cannot stay where it was."""
        path = self.folder / f"{name}-{len(self.files)}"
        return path, self.add_file(path, source)

    def add(self, rows: Mapping[str, Sequence[Sequence[object]]]) -> None:
        """Rows by table."""
        for table, several in rows.items():
            if several:
                marks = ",".join("?" * len(several[0]))
                sql = f"INSERT OR IGNORE INTO {table} VALUES ({marks})"
                self._base.executemany(sql, several)

    def sort(self) -> None:
        """Everything is on disk and can be found."""
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
        sql = """UPDATE tie SET name = ?1 || substr(name, length(?2) + 1)
            WHERE substr(name, 1, length(?2)) = ?2"""
        self._base.execute(sql, (f"={source}:Patient/", f"=@{base}|"))

    def strangers(self) -> list[tuple[str, str, int]]:
        """(source, address, how many) of records whose patients are on a server not known."""
        sql = """SELECT source, substr(owner, 2, instr(owner, '|') - 2), SUM(count) FROM piece
            WHERE owner >= '@' AND owner < 'A' GROUP BY 1, 2 ORDER BY 1, 2"""
        return self._base.execute(sql).fetchall()

    def unnamed(self) -> Iterator[str]:
        """Patient records that records point at and of which there is no Patient, in order."""
        sql = """SELECT DISTINCT owner FROM piece WHERE owner NOT LIKE '?%' AND owner NOT LIKE '@%'
            EXCEPT SELECT owner FROM piece WHERE type = 'Patient' ORDER BY 1"""
        yield from (owner for (owner,) in self._base.execute(sql))

    def watch(self) -> None:
        """End of pass 1: who is watched is known, and nothing is added any more.

        `has_beside`: there are records that belong to nobody; `by_identifier`: there are some
        that name their patient by identifier alone.
        """
        self._base.execute("COMMIT")
        self._base.executescript(_WATCHED)
        self.has_beside = self._is_any("SELECT 1 FROM beside")
        # Those names begin with "?".
        self.by_identifier = self._is_any("SELECT 1 FROM piece WHERE owner >= '?' AND owner < '@'")

    def _is_any(self, sql: str) -> bool:
        return self._base.execute(f"{sql} LIMIT 1").fetchone() is not None

    def watched(self) -> Iterator[str]:
        """The owners of records that may be about a therapy that we know, in order."""
        yield from (owner for (owner,) in self._base.execute("SELECT owner FROM watched"))

    def is_watched(self, name: str) -> bool:
        sql = "SELECT 1 FROM watched WHERE owner = ?"
        return self._base.execute(sql, (name,)).fetchone() is not None

    def done(self, names: Iterable[str]) -> None:
        """These patient records belong to somebody who was seen."""
        self._answers.executemany("INSERT OR IGNORE INTO done VALUES (?)", [(n,) for n in names])

    def done_of(self, names: Iterable[str]) -> set[str]:
        """Those of these that are `done`."""
        rows = self._each("SELECT name FROM done WHERE name IN ({})", names, self._answers)
        return {name for (name,) in rows}

    def owners(self) -> int:
        """How many patient records there are."""
        sql = "SELECT COUNT(DISTINCT owner) FROM piece WHERE type = 'Patient'"
        count: int = self._base.execute(sql).fetchone()[0]
        return count

    def pieces(self, owners: Iterable[str], type_: str | None = None) -> list[Piece]:
        """The records of these owners, in the order in which they were read."""
        sql = "SELECT type, source, places, rowid FROM piece WHERE owner IN ({})"
        rows = sorted(self._each(sql, owners), key=lambda row: row[3])
        return [
            Piece(of, source, *place)
            for of, source, places, _ in rows
            if type_ is None or of == type_
            for place in _PLACE.iter_unpack(places)
        ]

    def beside(self, names: Iterable[str]) -> list[Piece]:
        """The records of these names ("ehr:Medication/m-1") that belong to nobody."""
        sql = "SELECT type, file, at, size FROM beside WHERE name IN ({}) ORDER BY rowid"
        return [
            Piece(type_, self._sources[file], file, at, size)
            for type_, file, at, size in self._each(sql, names)
        ]

    def owning(self, owners: Iterable[str]) -> list[str]:
        """Those of these owners that have records."""
        sql = "SELECT DISTINCT owner FROM piece WHERE owner IN ({}) ORDER BY owner"
        return [owner for (owner,) in self._each(sql, owners)]

    def sharing(self, records: Iterable[str]) -> dict[str, set[str]]:
        """The names that patient records share with others (but those of `#`), and who goes by
        each; also those by which others are linked with them."""
        found: dict[str, set[str]] = {}
        for part in _parts(records):
            marks = ",".join("?" * len(part))
            links = [f"={record}" for record in part]
            rows = self._base.execute(_SHARING.format(marks), (*part, *links))
            for name, record in rows:
                found.setdefault(name, set()).add(record)
        return found

    def tied(self, names: Iterable[str]) -> dict[str, set[str]]:
        """The patient records that go by these names, by name."""
        found: dict[str, set[str]] = {}
        for name, record in self._each("SELECT name, record FROM tie WHERE name IN ({})", names):
            found.setdefault(name, set()).add(record)
        return found

    def nobodys(self) -> list[tuple[str, str, int]]:
        """(source, type, how many) of records that name their patient by an unknown identifier."""
        sql = """SELECT source, type, SUM(count) FROM piece WHERE owner >= '?' AND owner < '@'
            AND '#' || substr(owner, 2) NOT IN (SELECT name FROM tie) GROUP BY 1, 2 ORDER BY 1, 2"""
        return self._base.execute(sql).fetchall()

    def put(self, findings: Iterable[tuple[str, bytes]]) -> None:
        """Findings: (rank, body)."""
        self._answers.executemany("INSERT INTO finding VALUES (?, ?)", findings)

    def findings(self) -> Iterator[bytes]:
        """The findings that were put, the lowest rank first."""
        sql = "SELECT body FROM finding ORDER BY rank, rowid"
        yield from (body for (body,) in self._answers.execute(sql))

    def read(self, piece: Piece) -> bytes:
        """The bytes of a record."""
        stream = self._open.get(piece.file) or self._opened(piece.file)
        stream.seek(piece.at)
        return stream.read(piece.size)

    def _opened(self, number: int) -> FileIO:
        if len(self._open) >= _OPEN:
            self._open.pop(next(iter(self._open))).close()
        # A buffer would read more than the record, and lose it at the next seek.
        stream = self._open[number] = FileIO(self.files[number])
        return stream

    def _each(
        self, sql: str, names: Iterable[str], base: sqlite3.Connection | None = None
    ) -> Iterator[Any]:
        base = base or self._base
        for part in _parts(names):
            yield from base.execute(sql.format(",".join("?" * len(part))), part)


def _parts(names: Iterable[str]) -> Iterator[list[str]]:
    """The names, each once, as many at a time as a statement takes."""
    wanted = list(dict.fromkeys(names))
    for start in range(0, len(wanted), _NAMES):
        yield wanted[start : start + _NAMES]
