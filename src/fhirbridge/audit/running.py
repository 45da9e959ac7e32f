"""The two passes of an audit (see the package's first lines)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from itertools import chain
from typing import Any, Self

from fhirbridge.bridge.deciding import Decider
from fhirbridge.bridge.gathering import COMPLETE, CUT
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import KINDS, kind_of
from fhirbridge.interpreter import little_garbage
from fhirbridge.texts import Texts

from . import crew
from .dividing import Dividing
from .documents import PART
from .inputs import Export
from .judging import Judge, Judged, batches
from .owners import without_slash
from .people import People
from .shelf import Shelf
from .summary import PLACES, Summary, Tally
from .taking import Taken, Taking

#: Told how many bytes were read since it was told last.
Progress = Callable[[int], None]
#: So many patient records are decided by a process at once.
_AT_ONCE = 100


def no_progress(_: int) -> None:
    """Nobody watches."""


@dataclass(frozen=True)
class Audit:
    """`systems`: identifier systems that join patient records, None for any; `bases`: address of
    a server -> source; `zones`: time zone of a source, where it is known; `jobs`: how many
    processes share the work, with the same result; `part`: bytes that one reads at once."""

    decider: Decider
    texts: Texts
    systems: frozenset[str] | None = None
    bases: Mapping[str, str] = field(default_factory=dict)
    zones: Mapping[str, tzinfo | None] = field(default_factory=dict)
    jobs: int = 1
    part: int = PART

    def over(
        self, exports: Sequence[Export], as_of: datetime, progress: Progress = no_progress
    ) -> Result:
        """Read and decide everything. The result is closed by its user. Raises `Lost`."""
        shelf = Shelf()
        try:
            with little_garbage():
                return self._over(shelf, exports, as_of, progress)
        except BaseException:
            shelf.close()
            raise

    def _over(
        self, shelf: Shelf, exports: Sequence[Export], as_of: datetime, progress: Progress
    ) -> Result:
        summary = Summary(as_of=as_of.isoformat())
        summary.files = {export.name: len(export.files) for export in exports}
        merging = self._read(shelf, exports, summary, progress)
        shelf.sort()
        _settle(shelf, merging, [export.name for export in exports], summary)
        summary.patients = shelf.owners()
        people = People(
            shelf,
            systems=self.systems,
            zones=self.zones,
            bases=merging.bases,
            sight=_sight(exports, summary, merging.cut()),
        )
        judge = Judge(people, shelf, self.decider, self.texts, as_of)
        with closing(self._judged(judge, shelf)) as persons:
            for judged in persons:
                shelf.put(judged.findings)
                if judged.account is not None:
                    summary.add(judged.account)
        return Result(shelf, summary)

    def _read(
        self, shelf: Shelf, exports: Sequence[Export], summary: Summary, progress: Progress
    ) -> _Merging:
        """Pass 1."""
        dividing = Dividing(shelf, progress, self.part)
        names = [export.name for export in exports]
        taking = Taking(self.decider.formulary, names, self.bases)
        merging = _Merging(shelf, summary, dividing, without_slash(self.bases))
        portions = (each for export in exports for each in dividing.portions(export))
        with closing(crew.each(self.jobs, taking, portions)) as taken:
            for each in taken:
                merging.add(each)
                progress(each.progress)
        merging.note_cut()
        return merging

    def _judged(self, judge: Judge, shelf: Shelf) -> Generator[Judged, None, None]:
        """Pass 2."""
        if self.jobs == 1:
            yield from judge.each(shelf.watched())
            return
        several = batches(shelf.watched(), _AT_ONCE)
        with closing(crew.each(self.jobs, judge.some, several, shelf.reopen)) as judged_some:
            for name, judged in chain.from_iterable(judged_some):
                # Who is near another may still be somebody else: then nobody decided her yet.
                if not shelf.done_of([name]):
                    judged = judged or judge.of(name)
                    shelf.done(judged.records)
                    yield judged


class _Merging:
    """What the portions hold, put together in their order."""

    def __init__(
        self, shelf: Shelf, summary: Summary, dividing: Dividing, bases: dict[str, str]
    ) -> None:
        self.bases = bases
        self.unknown: set[str] = set()
        self._shelf, self._summary, self._dividing = shelf, summary, dividing
        self._before: Counter[int] = Counter()  # lines of a file in earlier portions
        self._types = defaultdict[int, set[str]](set)  # none, too, of a file that is cut at once
        self._broken: set[int] = set()

    def add(self, taken: Taken) -> None:
        self._shelf.add(taken.rows)
        source, summary = taken.source, self._summary
        for type_, count in taken.read.items():
            summary.read[source, type_] += count
        for (unread, why), noted in taken.notes.items():
            where = summary.unread if unread else summary.unused
            tally = where.setdefault((source, why), Tally())
            tally.count += noted.count
            room = PLACES - len(tally.places)
            tally.places += [
                self._place(number, line and self._before[number] + line)
                for number, line in noted.places[:room]
            ]
        for number, lines in taken.lines:
            self._before[number] += lines
        for number, types in taken.types.items():
            self._types[number].update(types)
        self._broken |= taken.broken
        self.unknown |= taken.unknown
        for base, name in taken.bases.items():
            self.bases.setdefault(base, name)

    def _place(self, number: int, line: int) -> str:
        path = self._dividing.origins[number]
        return f"{path}:{line}" if line else str(path)

    def note_cut(self) -> None:
        """gzip that ends in the middle, where the last line does not show it."""
        for number in sorted(self._dividing.cut - self._broken):
            place = self._place(number, self._before[number] + 1)
            self._summary.note(self._summary.unread, self._shelf.source(number), "cut-off", place)
            self._broken.add(number)

    def cut(self) -> set[tuple[str, str]]:
        """(source, kind) of which a file that broke off may have held more: the kinds that it
        held so far; if none, any."""
        cut = set()
        for number in self._broken:
            kinds = {kind for each in self._types[number] if (kind := kind_of(each))}
            cut |= {(self._shelf.source(number), kind) for kind in kinds or KINDS}
        return cut


@dataclass(frozen=True)
class Result:
    """What an audit found; its index is on disk until it is closed."""

    shelf: Shelf
    summary: Summary

    def findings(self) -> Iterator[dict[str, Any]]:
        """Person by person, the most urgent first."""
        for body in self.shelf.findings():
            yield jsonio.loads(body)

    def lines(self) -> Iterator[bytes]:
        """The same as JSON, one finding on each line."""
        return self.shelf.findings()

    def close(self) -> None:
        self.shelf.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _settle(shelf: Shelf, merging: _Merging, sources: Sequence[str], summary: Summary) -> None:
    """Whose are the records whose patients were named by an address or an identifier alone?"""
    for base in sorted(merging.unknown):
        home = merging.bases.get(base) or shelf.lives(base, sources)
        if home is not None:
            merging.bases[base] = home
            shelf.move(base, home)
    shelf.watch()
    summary.addresses = dict(sorted(merging.bases.items()))
    for source, address, count in shelf.strangers():
        summary.note(summary.unread, source, "unknown-server", address, count)
    for source, type_, count in shelf.nobodys():
        summary.note(summary.unread, source, "nobody", type_, count)
    for name in shelf.unnamed():
        summary.unnamed.add(name)


#: Vital signs stand in every chart: that there are Observations does not show that the results of
#: a laboratory are kept here, so that the lack of one would mean something. A report does.
_ANYWHERE = frozenset({"Observation"})


def _sight(
    exports: Sequence[Export], summary: Summary, cut: set[tuple[str, str]]
) -> dict[tuple[str, str], str]:
    """What each source is believed for: as it was said, else what is in it."""
    sight = {}
    for export in exports:
        present = {kind_of(t) for (s, t) in summary.read if s == export.name and t not in _ANYWHERE}
        held = export.holds if export.holds is not None else {kind for kind in present if kind}
        summary.holds[export.name] = sorted(held)
        for kind in held:
            sight[export.name, kind] = CUT if (export.name, kind) in cut else COMPLETE
    return sight
