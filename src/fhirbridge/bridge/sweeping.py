"""Sweeping: what no notification told us, by polling from a watermark.

Push makes it quick, the sweep makes it true. Each type of a source is read from its watermark
less an overlap (servers set lastUpdated before they commit), heard like any notification, and
the watermark moves only after the last event is on disk. All moments are of the server's clock.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import islice

from fhirbridge.core.events import Verb
from fhirbridge.fhir.errors import Rejected
from fhirbridge.fhir.subscription import Sign, State, next_step
from fhirbridge.fhir.told import Told
from fhirbridge.store.records import Delivery, Heard, StoredEvent

from .hearing import Concerns
from .ports import Store
from .sources import Source
from .tracing import UNTRACED, Tracer

log = logging.getLogger("fhirbridge")

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

        The first sweep, and a full one, begin at the beginning. Raises what the server raises;
        the watermarks of the types that were read through have moved then. `heard` is called
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
        mark = None if full else self._store.watermark(source.name, type_)
        since = BEGINNING if mark is None else mark - OVERLAP
        began, news, untold = self._clock(), 0, 0
        link = self._store.subscription(source.name, type_)
        from_, to = (link.since + GRACE, began - GRACE) if link else (began, began)
        for events in _chunks(self._events(source, type_, since)):
            untold_ids = self._untold(source, type_, events, from_, to)
            due = [each for each in events if each.id in untold_ids]
            others = [each for each in events if each.id not in untold_ids]
            deliveries = [self._delivery(source, some) for some in (due, others)]
            results = self._store.hear(deliveries, self._clock())
            for delivery, result in zip(deliveries, results, strict=True):
                if delivery.events:
                    self._told(delivery, result)
            news += sum(result.new for result in results)
            untold += results[0].new
            heard()
        if link and link.state == State.ACTIVE and untold:
            self._silent(source, type_, untold)
        heard()
        # The server's time at which we began: its clock is known once it has answered.
        self._store.advance(source.name, type_, source.server.at(began))
        return news

    def hear(self, source: Source, told: Told, *, but: str) -> None:
        """A record that was read by itself, as if a poll had found it: its version is known from
        now on, and whom it concerns is due; `but` is in hand."""
        event = self._concerns.stored(source, told)
        if event.subject == but:
            event = replace(event, subject=None)
        delivery = self._delivery(source, [event])
        (heard,) = self._store.hear([delivery], self._clock())
        self._told(delivery, heard)

    def _untold(
        self,
        source: Source,
        type_: str,
        events: list[StoredEvent],
        from_: datetime,
        to: datetime,
    ) -> set[str]:
        """The ids of those that a notification should have told by now.

        An id alone and a notification without a body say no version: they count for the changes
        before them. A deletion proves nothing: R4 asks no server to tell of it, and few do.
        """
        due = {
            each.id: each.last_updated
            for each in events
            if each.verb != Verb.DELETED and each.last_updated and from_ < each.last_updated < to
        }
        said = self._store.last_told(source.name, type_, list(due)) if due else {}
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

    def _silent(self, source: Source, type_: str, untold: int) -> None:
        """Its Subscription says that it is active, and did not tell: until it is heard again,
        its source is polled at the quick pace."""
        after, _ = next_step(State.ACTIVE, Sign.UNTOLD)
        why = f"a poll found {untold} changes that no notification had told"
        states = (State.ACTIVE.value, after.value)
        if self._store.walk_subscription(source.name, type_, states, self._clock(), problem=why):
            log.warning("%s: Subscription for %s is silent: %s", source.name, type_, why)

    def _events(self, source: Source, type_: str, since: datetime) -> Iterator[StoredEvent]:
        try:
            for told in source.server.changes(type_, since):
                yield self._concerns.stored(source, told)
        except Rejected as error:
            if error.status not in (400, 404):  # the server does not know this type: nothing there
                raise


def _chunks(events: Iterator[StoredEvent]) -> Iterator[list[StoredEvent]]:
    while chunk := list(islice(events, CHUNK)):
        yield chunk
