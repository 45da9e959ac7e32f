"""The documents in a file, and how a large file is divided.

    for part in parts(path): ...            # what one process reads at once
    for document in documents(part, complain): ...

Files are NDJSON (one record on each line: a Bulk Data export), Bundles or single resources. A file
is read line by line where it is called .ndjson or .jsonl, or where its first line is a JSON
document by itself; else as one document. What is packed is unpacked first (`unpack`): then
every record has a place at which it can be read again.
"""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO, NamedTuple

from fhirbridge.fhir import jsonio

#: A longer line is no record; it would only fill the memory.
LONGEST = 256 * 2**20
#: Bytes of a part: some thousand records.
PART = 8 * 2**20
_BUFFER = 2**16
_LINES = (".ndjson", ".jsonl")
_BOM = b"\xef\xbb\xbf"
_GZIP = b"\x1f\x8b"


class Part(NamedTuple):
    """Bytes `start` to `end` of a file; its documents are those that begin there.

    Where `lines` is not set, the whole file is one document.
    """

    path: Path
    start: int
    end: int
    lines: bool


#: One JSON document: (line, counted from 1 in its part; where it begins in the file; its bytes).
Document = tuple[int, int, bytes]

#: Told the line (0: the file itself) and what is wrong there.
Complain = Callable[[int, str], None]


def is_packed(path: Path) -> bool:
    """Whether a file is gzip. Raises `OSError`."""
    with path.open("rb") as stream:
        return stream.read(2) == _GZIP


def unpack(path: Path, to: Path, progress: Callable[[int], None]) -> bool:
    """Copy what is in a gzip file; False where it ends in the middle. Raises `OSError`."""
    last = 0
    with path.open("rb") as disk, to.open("wb") as out, gzip.GzipFile(fileobj=disk) as stream:
        try:
            while data := stream.read1(2**20):
                out.write(data)
                progress(disk.tell() - last)
                last = disk.tell()
        except (EOFError, zlib.error, gzip.BadGzipFile):
            return False
    return True


def parts(path: Path, name: str, size: int = PART) -> Iterator[Part]:
    """The parts of a plain file, in order. `name`: what it was called. Raises `OSError`."""
    whole = path.stat().st_size
    if not (name.removesuffix(".gz").endswith(_LINES) or _has_lines(path, whole)):
        yield Part(path, 0, whole, lines=False)
        return
    for start in range(0, whole, size):
        yield Part(path, start, min(start + size, whole), lines=True)


def _has_lines(path: Path, size: int) -> bool:
    """Whether the first of several lines is a document by itself."""
    with path.open("rb") as stream:
        first = stream.readline(LONGEST)
    if len(first) == size:
        return False
    try:
        jsonio.loads(first.removeprefix(_BOM))
    except jsonio.NotJson:
        return False
    return True


def documents(part: Part, complain: Complain) -> Iterator[Document]:
    """The documents of a part, in order, blank lines too. `complain` is told what is too-long.

    Raises `OSError`.
    """
    return _lines(part, complain) if part.lines else _whole(part)


def _whole(part: Part) -> Iterator[Document]:
    data = part.path.read_bytes()
    begins = len(_BOM) if data.startswith(_BOM) else 0
    yield 1, begins, data[begins:]


def _lines(part: Part, complain: Complain) -> Iterator[Document]:
    with part.path.open("rb", buffering=_BUFFER) as stream:
        number, at = 0, _begin(stream, part.start)
        while at < part.end and (data := stream.readline(LONGEST)):
            number += 1
            size = len(data)
            if size == LONGEST and not data.endswith(b"\n"):
                complain(number, "too-long")
                at += size + _pass_over(stream)
                continue
            if at == 0 and data.startswith(_BOM):
                data, at, size = data[len(_BOM) :], len(_BOM), size - len(_BOM)
            yield number, at, data
            at += size


def _begin(stream: BinaryIO, start: int) -> int:
    """Go to the first line that begins at `start` or later."""
    if start == 0:
        return 0
    stream.seek(start - 1)
    return start - 1 + _pass_over(stream)


def _pass_over(stream: BinaryIO) -> int:
    """Read to the end of a line, however long it is; how many bytes that were."""
    passed = 0
    while data := stream.readline(2**20):
        passed += len(data)
        if data.endswith(b"\n"):
            break
    return passed
