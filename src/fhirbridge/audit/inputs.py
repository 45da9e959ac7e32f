"""What `audit` is given: paths on the command line -> sources and files.

    exports(["ehr=export", "payer=answers.ndjson.gz"]) -> [Export("ehr", …), Export("payer", …)]

What stands in the files is the matter of `documents`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

#: In folders, files with other endings are passed over.
SUFFIXES = (".json", ".ndjson", ".jsonl")


class NotFound(ValueError):
    """A path that does not exist or holds nothing to read; the message names it."""


@dataclass(frozen=True)
class Export:
    """The files of one source. `holds`: what it is believed for; None means what is in it."""

    name: str
    files: tuple[Path, ...]
    holds: frozenset[str] | None = None


def exports(given: Sequence[str]) -> list[Export]:
    """Sources by `[NAME=]PATH`, in order of their names. Raises `NotFound`.

    Paths with one NAME are one source. Without a name, a folder is a source of its own name;
    one that holds nothing but folders with records is one source for each of these; and the
    files of one folder are one source together, as an export is.
    """
    found: dict[str, list[Path]] = {}
    for text in given:
        name, equals, rest = text.partition("=")
        if equals and not rest:  # as a path it would be this folder
            raise NotFound(f"{text}: name a file or folder behind the “=”")
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
