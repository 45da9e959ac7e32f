"""Sweeping: what no notification told us, by polling from a watermark.

Push makes it quick, the sweep makes it true. Each type of a source is read from its watermark
less an overlap (servers set lastUpdated before they commit), heard like any notification, and
the watermark moves only after the last event is on disk. All moments are of the server's clock.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from fhirbridge.core.events import Verb
from fhirbridge.fhir.errors import Rejected
from fhirbridge.fhir.rising import Rising
from fhirbridge.fhir.subscription import Sign, State, next_step
from fhirbridge.fhir.told import Told
from fhirbridge.logs import get_logger
from fhirbridge.store.records import Delivery, Heard, Reading, StoredEvent, SubscriptionRow

from .hearing import Concerns
from .ports import Store
from .sources import Source
from .tracing import UNTRACED, Tracer

log = get_logger("fhirbridge")

#: Longer than a transaction of a FHIR server may take, and clocks that differ (IBM FHIR: 120 s).
OVERLAP = timedelta(seconds=150)
#: A notification may take so long: HAPI repeats one for a minute before it gives up.
GRACE = timedelta(minutes=2)
CHUNK = 500
BEGINNING = datetime(1970, 1, 1, tzinfo=UTC)


def nothing() -> None:
    """What is done between two parts of a sweep where nobody waits for it."""


class Sweeper:
    """Hears what changed on a source since the last sweep."""

    def __init__(
        self,
        store: Store,
        concerns: Concerns,
        clock: Callable[[], datetime],
        told: Callable[[Delivery, Heard], None],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._store, self._concerns, self._clock, self._told = store, concerns, clock, told
        self._tracer = tracer

    def sweep(
        self, source: Source, *, full: bool = False, heard: Callable[[], object] = nothing
    ) -> int:
        """Hear all changes of one source; answers how many were news.

        The first sweep, and a full one, read what stands. Raises what the server raises; the
        watermarks of the types that were read through have moved then. `heard` is called
        after each part of them: a catch-up may take hours.
        """
        types = ("Patient", *source.types)
        return sum(self.sweep_type(source, type_, full=full, heard=heard) for type_ in types)

    def sweep_type(
        self,
        source: Source,
        type_: str,
        *,
        full: bool = False,
        heard: Callable[[], object] = nothing,
    ) -> int:
        """The same for one type."""
        news, mark = 0, None if full else self._store.watermark(source.name, type_)
        if mark is None:
            news, mark = self._read_through(source, type_, full, heard)
        part = _Part(source, type_, self._clock(), self._store.subscription(source.name, type_))
        for events in _chunks(self._known(part, source.server.changes(type_, mark - OVERLAP))):
            news += self._hear(part, events)
            heard()
        self._judge(part)
        heard()
        # The server's time at which we began: its clock is known once it has answered.
        self._store.advance(source.name, type_, source.server.at(part.began))
        return news

    def _read_through(
        self, source: Source, type_: str, full: bool, heard: Callable[[], object]
    ) -> tuple[int, datetime]:
        """Hear all records as they stand; answers how many were news, and since when changes are
        to be read besides.

        What was deleted before concerns nobody, so no history is read, which could be told only
        from its end. One that breaks off (a crash, a server that is down) goes on from where it
        was; a full one is what a person waits for, and begins anew.
        """
        before = None if full else self._store.reading(source.name, type_)
        rising = Rising(before.reached if before else BEGINNING)
        if before:
            log.info(
                "first_reading_resumed", source=source.name, type=type_, reached=before.reached
            )
        part = _Part(source, type_, self._clock(), self._store.subscription(source.name, type_))
        news = 0
        try:
            for events in _chunks(self._stored(source, source.server.standing(type_, rising))):
                news += self._hear(part, events)
                began = before.began if before else source.server.at(part.began)
                if not full:
                    self._store.save_reading(source.name, type_, Reading(began, rising.reached))
                heard()
        except Rejected as error:
            _is_no_question_for(source, error)
            return news, BEGINNING + OVERLAP  # it cannot be asked so: all of its history
        self._judge(part)
        if before and not rising.in_order:  # then it was not in order before, either
            more, began = self._read_through(source, type_, True, heard)
            return news + more, began
        return news, before.began if before else source.server.at(part.began)

    def _hear(self, part: _Part, events: list[StoredEvent]) -> int:
        untold_ids = self._untold(part, events)
        due = [each for each in events if each.id in untold_ids]
        others = [each for each in events if each.id not in untold_ids]
        deliveries = [self._delivery(part.source, some) for some in (due, others)]
        results = self._store.hear(deliveries, self._clock())
        for delivery, result in zip(deliveries, results, strict=True):
            if delivery.events:
                self._told(delivery, result)
        part.untold += results[0].new
        return sum(result.new for result in results)

    def hear(self, source: Source, told: Told, *, but: str) -> None:
        """A record that was read by itself, as if a poll had found it: its version is known from
        now on, and whom it concerns is due; `but` is in hand."""
        event = self._concerns.stored(source, told)
        if event.subject == but:
            event = replace(event, subject=None)
        delivery = self._delivery(source, [event])
        (heard,) = self._store.hear([delivery], self._clock())
        self._told(delivery, heard)

    def _untold(self, part: _Part, events: list[StoredEvent]) -> set[str]:
        """The ids of those that a notification should have told by now.

        An id alone and a notification without a body say no version: they count for the changes
        before them. A deletion proves nothing: R4 asks no server to tell of it, and few do.
        """
        due = {
            each.id: each.last_updated
            for each in events
            if each.verb != Verb.DELETED
            and each.last_updated
            and part.from_ < each.last_updated < part.to
        }
        name, type_ = part.source.name, part.type_
        said = self._store.last_told(name, type_, list(due)) if due else {}
        return {id_ for id_, at in due.items() if id_ not in said or said[id_] < at - OVERLAP}

    def _delivery(self, source: Source, events: list[StoredEvent]) -> Delivery:
        return Delivery(
            source=source.name,
            key=None,
            received_at=self._clock(),
            dialect="poll",
            content_type="",
            body=b"",  # it can be read again
            events=events,
            trace=self._tracer.here(),
        )

    def _judge(self, part: _Part) -> None:
        """A Subscription that says that it is active, and did not tell, is silent: until it is
        heard again, its source is polled at the quick pace."""
        link = part.link
        if link is None or link.state != State.ACTIVE or not part.untold:
            return
        after, _ = next_step(State.ACTIVE, Sign.UNTOLD)
        why = f"a poll found {part.untold} changes that no notification had told"
        states = (State.ACTIVE.value, after.value)
        if self._store.walk_subscription(
            link.source, link.type, states, self._clock(), problem=why
        ):
            log.warning("subscription_silent", source=link.source, type=link.type, why=why)

    def _known(self, part: _Part, told: Iterator[Told]) -> Iterator[StoredEvent]:
        """What a server tells of a type that it may not know: then there is nothing."""
        try:
            yield from self._stored(part.source, told)
        except Rejected as error:
            _is_no_question_for(part.source, error)

    def _stored(self, source: Source, told: Iterator[Told]) -> Iterator[StoredEvent]:
        return (self._concerns.stored(source, each) for each in told)


def _is_no_question_for(source: Source, error: Rejected) -> None:
    """Returns if the server refuses the question and is there; else raises.

    A proxy answers 404 or 400 too, while the server behind it is being started anew: then nothing
    was read, and the watermark must stay. A FHIR server says so in an OperationOutcome; one that
    does not is asked for something that every server knows.
    """
    if error.status not in (400, 404):
        raise error
    if not error.codes:
        source.server.capabilities()


@dataclass
class _Part:
    """What is read now: one type of a source. `untold`: what a notification should have told."""

    source: Source
    type_: str
    began: datetime  # by our clock
    link: SubscriptionRow | None
    untold: int = 0

    @property
    def from_(self) -> datetime:
        return self.link.since + GRACE if self.link else self.began

    @property
    def to(self) -> datetime:
        return self.began - GRACE if self.link else self.began


def _chunks(events: Iterator[StoredEvent]) -> Iterator[list[StoredEvent]]:
    while chunk := list(islice(events, CHUNK)):
        yield chunk
