"""Whose record is it? A notification may name a record without its patient: then it is read."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from fhirbridge.fhir.errors import Gone
from fhirbridge.fhir.told import Told, told_resource

from .hearing import Concerns, When
from .ports import Store
from .sources import Source
from .sweeping import Sweeper
from .tracing import UNTRACED, Tracer


class Whose:
    """Makes due whom a record concerns that was named alone."""

    def __init__(
        self,
        store: Store,
        concerns: Concerns,
        sweeper: Sweeper,
        clock: Callable[[], datetime],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._store, self._concerns, self._sweeper = store, concerns, sweeper
        self._clock, self._tracer = clock, tracer

    def find(self, source: Source, type_: str, id_: str) -> None:
        """Raises what reading it raises."""
        try:
            resource = source.server.get(type_, id_)
        except Gone:
            resource = None
        name = f"{source.name}:{type_}/{id_}"
        if resource is None:
            subject = self._whose_it_was(source, type_, id_)
            if subject is not None and subject != name:
                here = self._tracer.here()
                self._store.raise_(subject, self._clock(), why="record read", trace=here)
        elif told := told_resource(source.name, resource, [source.server.base_url]):
            self._sweeper.hear(source, told, but=name)

    def _whose_it_was(self, source: Source, type_: str, id_: str) -> str | None:
        """Whom a deleted record concerned. It may have been read with a chart, and deleted before
        any news of it came."""
        if known := self._store.subject_of(source.name, type_, id_):
            return known
        former = source.server.former(type_, id_)
        told = former and told_resource(source.name, former, [source.server.base_url])
        return self._concerned(source, told) if told else None

    def _concerned(self, source: Source, told: Told) -> str | None:
        subject, when = self._concerns.subject(source, told)
        if subject is None or when is When.ALWAYS:
            return subject
        person = self._store.who(subject)
        if person is None:
            return None if when is When.WATCHED else subject
        return subject if person.watched else None
