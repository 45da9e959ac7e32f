"""Events that did not come, by their numbers: asked for by `$events`, else read for.

    gaps.open(source, type)      what is missing for longer than a notification may be late
    gaps.fill(source, link)      one more step to make up for it

Where the server has `$events`, it tells again what it told before. Whatever is missing after
that is made up for by reading what changed since the watermark: then no event is needed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhirbridge.core.numbering import Range
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.errors import Gone, Rejected
from fhirbridge.logs import get_logger
from fhirbridge.store.records import Gap, SubscriptionRow

from .intake import Intake
from .ports import Store
from .sources import Source

log = get_logger("fhirbridge")

#: A notification may come so much later than the next one, and is not missing yet.
LATE = timedelta(seconds=15)
#: Servers tell the time to the second. A read that began so much earlier was late enough, too.
_TICK = timedelta(seconds=2)
#: Questions for one gap; what lies further apart is read instead.
_MOST_QUESTIONS = 10


@dataclass(frozen=True)
class _Reading:
    """What was missing when a read was asked for, by the server's clock."""

    gaps: tuple[Gap, ...]
    began: datetime


class Gaps:
    """The gaps of one bridge, seen to from one thread. `missed` asks for a read of one type."""

    def __init__(
        self,
        store: Store,
        intake: Intake,
        missed: Callable[[Source, str], None],
        clock: Callable[[], datetime],
    ) -> None:
        self._store, self._intake, self._missed, self._clock = store, intake, missed, clock
        self._cannot: set[str] = set()  # sources that were seen not to know `$events`
        self._asked: dict[tuple[str, str, str], tuple[Range, ...]] = {}
        self._readings: dict[tuple[str, str], _Reading] = {}

    def places(self) -> set[tuple[str, str]]:
        """The sources and types of which events are missing."""
        return {(gap.source, gap.type) for gap in self._store.gaps(self._clock() - LATE)}

    def open(self, source: Source, type_: str) -> list[Gap]:
        """What is missing of a type, less what has been read meanwhile."""
        reading = self._readings.get((source.name, type_))
        if reading is not None:
            read_to = self._store.watermark(source.name, type_)
            if read_to is not None and read_to >= reading.began:
                for gap in reading.gaps:
                    self._store.close_gap(gap, self._clock())
                del self._readings[source.name, type_]
        return [
            gap
            for gap in self._store.gaps(self._clock() - LATE)
            if (gap.source, gap.type) == (source.name, type_)
        ]

    def fill(self, source: Source, link: SubscriptionRow) -> str:
        """Ask for what is missing, once, and have the rest read; answers what is missing, in
        words. Raises `FhirError` when the server does not answer now."""
        gaps = self.open(source, link.type)
        for gap in gaps:
            self._ask(source, link, gap)
        left = self.open(source, link.type)
        name = (source.name, link.type)
        if left and name not in self._readings:
            self._readings[name] = _Reading(tuple(left), source.server.now() - _TICK)
            self._missed(source, link.type)
        return "; ".join(map(told, left or gaps))

    def _ask(self, source: Source, link: SubscriptionRow, gap: Gap) -> None:
        name = (gap.source, gap.type, gap.subscription)
        known = source.name not in self._cannot and gap.subscription
        if not known or self._asked.get(name) == gap.missing:
            return
        for first, last in gap.missing[:_MOST_QUESTIONS]:
            try:
                answer = source.server.missed_events(gap.subscription, first, last)
            except (Rejected, Gone) as error:
                log.info(
                    "events_not_offered",
                    source=source.name,
                    error=error,
                    next="what changed is read",
                )
                self._cannot.add(source.name)
                return
            self._intake.answered(link, jsonio.dumps(answer)).result()
        self._asked[name] = gap.missing


def told(gap: Gap) -> str:
    """A gap for people to read."""
    numbers = ", ".join(str(low) if low == high else f"{low}-{high}" for low, high in gap.missing)
    if not numbers:
        return "its server began to count anew: what it may not have told is read"
    return f"events {numbers} did not come: they are asked for, or what changed is read"
