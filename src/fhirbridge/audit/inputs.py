"""What `audit` is given: paths on the command line -> sources, files, documents.

    exports(["ehr=export", "payer=answers.ndjson.gz"]) -> [Export("ehr", …), Export("payer", …)]
    for document in documents(file, complain): ...

Files are NDJSON (one record on each line: a Bulk Data export), Bundles or single resources,
plain or gzip. A file is read line by line where it is called .ndjson or .jsonl, or where its first
line is a JSON document by itself; else as one document.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, NamedTuple

from fhirbridge.fhir import jsonio

#: In folders, files with other endings are passed over.
SUFFIXES = (".json", ".ndjson", ".jsonl")
#: A longer line is no record; it would only fill the memory.
LONGEST = 256 * 2**20
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class NotFound(ValueError):
    """A path that does not exist or holds nothing to read; the message names it."""


@dataclass(frozen=True)
class Export:
    """The files of one source. `holds`: what it is believed for; None means what is in it."""

    name: str
    files: tuple[Path, ...]
    holds: frozenset[str] | None = None


class Document(NamedTuple):
    """One JSON document of a file. `line` counts from 1; `at` is where it begins, when the
    file can be read there again (not compressed)."""

    line: int
    at: int | None
    data: bytes


Complain = Callable[[int, str], None]


def exports(given: Sequence[str]) -> list[Export]:
    """Sources by `[NAME=]PATH`, in order of their names. Raises `NotFound`.

    Paths with one NAME are one source. Without a name, a folder is a source of its own name;
    one that holds nothing but folders with records is one source for each of these; and the
    files of one folder are one source together, as an export is.
    """
    found: dict[str, list[Path]] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if equals and name and not Path(text).exists():
            found.setdefault(name, []).extend(_files(Path(rest)))
            continue
        path = Path(text)
        if path.is_dir():
            for folder in _sources_in(path):
                found.setdefault(folder.resolve().name, []).extend(_files(folder))
        else:
            found.setdefault(path.resolve().parent.name, []).extend(_files(path))
    return [Export(name, tuple(dict.fromkeys(found[name]))) for name in sorted(found)]


def believed(export: Export, holds: frozenset[str]) -> Export:
    return replace(export, holds=holds)


def _sources_in(folder: Path) -> list[Path]:
    inner = sorted(each for each in folder.iterdir() if each.is_dir() and _records_in(each))
    alone = any(_is_record(each) for each in folder.iterdir())
    return [folder] if alone or not inner else inner


def _files(path: Path) -> list[Path]:
    if not path.exists():
        raise NotFound(f"{path}: there is no such file or folder")
    found = _records_in(path) if path.is_dir() else [path]
    if not found:
        raise NotFound(f"{path}: no file in it ends in {', '.join(SUFFIXES)} (.gz too)")
    return found


def _records_in(folder: Path) -> list[Path]:
    return sorted(each for each in folder.rglob("*") if _is_record(each))


def _is_record(path: Path) -> bool:
    name = path.name.removesuffix(".gz")
    return name.endswith(SUFFIXES) and not name.startswith(".") and path.is_file()


def documents(
    file: Path, complain: Complain, progress: Callable[[int], None]
) -> Iterator[Document]:
    """The documents of a file, in order.

    `complain(line, reason)` is told what is no document: cannot-open · cut-off · too-long.
    `progress` is told how many bytes of the file (as it lies on disk) were read since last.
    """
    line, last = 0, 0
    try:
        with file.open("rb") as disk:
            packed = disk.read(2) == _GZIP
            disk.seek(0)
            # GzipFile reads bytes as a file does; its stubs do not call it IO.
            stream: IO[bytes] = gzip.GzipFile(fileobj=disk) if packed else disk  # type: ignore[assignment]
            lines = file.name.removesuffix(".gz").endswith(SUFFIXES[1:])
            for line, at, data in _split(stream, lines, complain):
                here = disk.tell() if packed else at + len(data)
                if here - last > 2**20:
                    progress(here - last)
                    last = here
                yield Document(line, None if packed else at, data)
            progress(file.stat().st_size - last)
    except (EOFError, zlib.error, gzip.BadGzipFile):
        complain(line + 1, "cut-off")
    except OSError:
        complain(line, "cannot-open")


def _split(stream: IO[bytes], lines: bool, complain: Complain) -> Iterator[tuple[int, int, bytes]]:
    """(line, offset, bytes) of each document."""
    first = stream.readline(LONGEST)
    begins = len(_BOM) if first.startswith(_BOM) else 0
    if not lines and not _is_whole(first[begins:]):
        rest = stream.read()
        if (first[begins:] + rest).strip():
            yield 1, begins, first[begins:] + rest
        return
    number, at, data = 1, begins, first[begins:]
    while data:
        if data.strip():
            yield number, at, data
        at += len(data)
        data = stream.readline(LONGEST)
        number += 1
        while len(data) == LONGEST and not data.endswith(b"\n"):
            complain(number, "too-long")
            at += len(data)
            data = stream.readline(LONGEST)


def _is_whole(line: bytes) -> bool:
    """Whether a first line is a document by itself."""
    try:
        jsonio.loads(line)
    except jsonio.NotJson:
        return False
    return True
