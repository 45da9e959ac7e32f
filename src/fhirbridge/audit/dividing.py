"""The files of an audit, divided into portions that processes can read at the same time.

How they are divided depends on the files alone, never on how many processes there are, so
that the index is the same.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from .documents import PART, Part, is_packed, parts, unpack
from .inputs import Export
from .shelf import Shelf
from .taking import Portion, Stretch, wanted


class Dividing:
    """`origins`: number of a file in the index -> the file that was given. `cut`: the numbers of
    gzip files that end in the middle."""

    def __init__(self, shelf: Shelf, progress: Callable[[int], None], size: int = PART) -> None:
        self._shelf, self._progress, self._size = shelf, progress, size
        self.origins: dict[int, Path] = {}
        self.cut: set[int] = set()

    def portions(self, export: Export) -> Iterator[Portion]:
        """What is in a source, in order; gzip is unpacked when its turn comes.

        No portion has two stretches of one file: a part that is not the last fills it alone.
        """
        waiting: list[Stretch] = []
        for file in export.files:
            for stretch in self._stretches(file, export.name):
                waiting.append(stretch)
                if sum(each.part.end - each.part.start for each in waiting) >= self._size:
                    yield self._portion(export, waiting)
                    waiting = []
        if waiting:
            yield self._portion(export, waiting)

    def _portion(self, export: Export, stretches: list[Stretch]) -> Portion:
        path, number = self._shelf.beside_index("copies", export.name)
        return Portion(export.name, wanted(export), tuple(stretches), path, number)

    def _stretches(self, file: Path, source: str) -> Iterator[Stretch]:
        place, number = file, None
        try:
            packed = is_packed(file)
            if packed:
                place, number = self._shelf.beside_index("unpacked", source)
                if not unpack(file, place, self._progress):
                    self.cut.add(number)
            found = list(parts(place, file.name, self._size))
        except OSError:
            # Whoever reads it will say so.
            place, packed, found = file, False, [Part(file, 0, 0, lines=False)]
        if number is None:
            number = self._shelf.add_file(place, source)
        self.origins[number] = file
        for part in found:
            size = 0 if packed else part.end - part.start
            yield Stretch(number, part, size)
