"""The supervisor: keeps our Subscriptions alive on every server that shall push.

It walks the table of `fhir.subscription`: looks at each Subscription, takes the sign for the
table, and does what the table says. A row with key and secret is on disk before the server is
asked, because a server may notify before it has answered. Where a server refuses, polling goes
on at its quick pace; nothing else depends on this.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any
from urllib.parse import urlencode

from fhirbridge.bridge.gaps import Gaps
from fhirbridge.bridge.hearing import ANYTHING
from fhirbridge.bridge.ports import Store
from fhirbridge.bridge.silence import Cadence, Pulse
from fhirbridge.bridge.sources import Source
from fhirbridge.bridge.story import Link, Watcher, nobody
from fhirbridge.fhir.errors import Conflict, FhirError, Gone, Rejected
from fhirbridge.fhir.subscription import (
    PATIENCE,
    REST_HOOK,
    Action,
    Sign,
    State,
    expires,
    heartbeat,
    is_overdue,
    next_step,
    own_query,
    own_type,
    sign_of,
    wanted,
)
from fhirbridge.logs import get_logger, named
from fhirbridge.store.records import StoreError, SubscriptionRow

log = get_logger("fhirbridge.supervisor")

#: How often a state is looked at; a state that is not here is left until it is overdue.
LOOK: dict[State, timedelta] = {
    State.ABSENT: timedelta(0),
    State.REQUESTED: timedelta(milliseconds=500),
    State.ACTIVE: timedelta(minutes=5),
    State.ERROR: timedelta(minutes=1),
    State.OFF: timedelta(minutes=1),
    State.GONE: timedelta(minutes=1),
    State.SILENT: timedelta(minutes=5),
    State.GAP: timedelta(seconds=5),
    State.REFUSED: timedelta(minutes=5),
}
#: A server that does not answer is asked again so much later, each time twice as long …
_AFTER_ERROR = timedelta(seconds=15)
#: … but not longer.
_LONGEST_WAIT = timedelta(minutes=10)
#: For how long a secret is still taken after there is a new one.
_OLD_SECRET = timedelta(days=1)

#: A server that says so may take the same Subscription without heartbeats.
_NOT_AS_IT_IS = (400, 422)

#: To hear something in these states says nothing new.
_HEARING = (State.ACTIVE, State.GAP)

_NEVER_STARTED = (
    f"the server has not started it within {PATIENCE[State.REQUESTED].seconds // 60} minutes: it is"
    " polled instead; is this kind of channel turned on there?"
)
_STOPPED = "its heartbeats came, and come no more: it is polled until it is heard again"


class Supervisor:
    """Our Subscriptions on these sources. `ids` makes unguessable names; `gaps` sees to events
    that did not come."""

    def __init__(
        self,
        sources: Iterable[Source],
        store: Store,
        *,
        instance: str,
        public_url: str,
        clock: Callable[[], datetime],
        ids: Callable[[], str],
        gaps: Gaps,
        watcher: Watcher = nobody,
    ) -> None:
        every = list(sources)
        self._servers = {source.name: source.server for source in every}
        self._sources = [source for source in every if source.push]
        self._store, self._instance, self._public_url = store, instance, public_url
        self._clock, self._ids, self._gaps, self._watcher = clock, ids, gaps, watcher
        self._next_look: dict[tuple[str, str], datetime] = {}
        self._failures: dict[tuple[str, str], int] = {}
        self._cadences: dict[tuple[str, str], Cadence] = {}
        self._tidied = False
        self._stepped: datetime | None = None
        self._pulse = Pulse(store, clock())

    def step(self, ended: Callable[[], bool] = lambda: False) -> int:
        """Look at what is due to be looked at, until it is `ended`: each may take as long as its
        server does. Answers how many rows changed."""
        if not self._tidied:
            self._tidy()
            self._tidied = True
        now = self._clock()
        if self._stepped is not None and now < self._stepped:  # the clock was set back
            self._next_look.clear()
        self._stepped = now
        for name in self._gaps.places() - self._failures.keys():
            if self._next_look.get(name, now) > now + LOOK[State.GAP]:
                self._next_look[name] = now
        wanted = takewhile(lambda _: not ended(), self._wanted())
        return sum(self._look_at(source, type_) for source, type_ in wanted)

    def _wanted(self) -> list[tuple[Source, str]]:
        """Topics first: where a server takes only a few Subscriptions, they are what it is for."""
        return [
            (source, type_)
            for source in self._sources
            for type_ in sorted(
                ("Patient", *source.types), key=lambda each: each not in source.topics
            )
        ]

    def settled(self) -> bool:
        """Does every Subscription stand as it will stay (active, or refused for now)?"""
        rows = {(row.source, row.type): row.state for row in self._store.subscriptions()}
        return all(
            rows.get((source.name, type_)) in (State.ACTIVE, State.REFUSED)
            for source, type_ in self._wanted()
        )

    def rotate(self) -> tuple[int, dict[str, FhirError]]:
        """Give every Subscription a new secret; answers how many, and which servers did not take
        it: those go on with the one that they have.

        The old one is taken for a day more: a server may still have notifications to send by it.
        """
        now = self._clock()
        rows = {(row.source, row.type): row for row in self._store.subscriptions()}
        changed, failed = 0, dict[str, FhirError]()
        for source, type_ in self._wanted():
            row = rows.get((source.name, type_))
            if row is None or row.server_id is None or source.name in failed:
                continue  # it will be asked for with the secret that it has
            new = replace(row, secret=self._ids(), previous_secret=row.secret)
            self._store.save_subscription(new)  # before the server knows it
            try:
                new = self._ask(source, replace(new, state=State.REQUESTED.value, since=now))
                changed += 1
            except FhirError as error:  # perhaps it has taken it and the answer was lost
                failed[source.name] = error
                new = replace(row, previous_secret=new.secret, since=now)
            self._store.save_subscription(new)
            self._next_look.pop((source.name, type_), None)
        return changed, failed

    def remove(self) -> int:
        """Delete our Subscriptions from their servers; answers how many."""
        rows = self._store.subscriptions()
        for row in rows:
            self._remove(row)
        return len([row for row in rows if row.server_id])

    def _remove(self, row: SubscriptionRow) -> None:
        if row.source in self._servers and row.server_id:
            with suppress(Gone):
                self._servers[row.source].delete("Subscription", row.server_id)
        self._store.forget_subscription(row.source, row.type)

    def _tidy(self) -> None:
        """What the configuration no longer asks for, is not left to notify a closed door."""
        wanted_ = {(source.name, type_) for source, type_ in self._wanted()}
        for row in self._store.subscriptions():
            if row.source in self._servers and (row.source, row.type) not in wanted_:
                with suppress(FhirError):  # it is tried again at the next start
                    self._remove(row)

    def _look_at(self, source: Source, type_: str) -> bool:
        now, name = self._clock(), (source.name, type_)
        if now < self._next_look.get(name, now):
            return False
        row = self._store.subscription(*name) or self._new(source, type_, now)
        before = row
        try:
            sign, row = self._sign(source, row, now)
            row = self._walk(source, row, sign, now)
            if row.state not in (State.REFUSED, State.SILENT, State.GAP):
                row = replace(row, problem=None)
        except StoreError:
            raise
        except Exception as error:  # noqa: BLE001 - it is asked again; the state stands
            row = replace(row, problem=_told(error, source.name, type_))
            self._failures[name] = failures = self._failures.get(name, 0) + 1
            self._next_look[name] = now + min(
                _AFTER_ERROR * 2 ** min(failures - 1, 10), _LONGEST_WAIT
            )
        else:
            self._failures.pop(name, None)
            self._next_look[name] = now + self._until_next_look(source, State(row.state))
        if row != before or before.server_id is None:
            self._store.save_subscription(row)
        if row.state != before.state:
            of = source.name
            if row.state == State.REFUSED:
                log.warning("subscription_refused", source=of, type=type_, why=row.problem)
            else:
                log.info(
                    "subscription_changed", source=of, type=type_, state=row.state, why=row.problem
                )
            self._watcher(Link(source.name, type_, row.state))
        return row != before

    def _until_next_look(self, source: Source, state: State) -> timedelta:
        """Often enough not to miss the time at which it must be renewed."""
        renew = source.fit.subscribing.renew
        return min(LOOK[state], renew / 10) if renew and state is State.ACTIVE else LOOK[state]

    def _new(self, source: Source, type_: str, now: datetime) -> SubscriptionRow:
        return SubscriptionRow(
            source=source.name,
            type=type_,
            key=self._ids(),
            secret=self._ids(),
            previous_secret=None,
            server_id=None,
            state=State.ABSENT.value,
            since=now,
        )

    def _sign(
        self, source: Source, row: SubscriptionRow, now: datetime
    ) -> tuple[Sign, SubscriptionRow]:
        """What is to be seen of a Subscription now."""
        state = State(row.state)
        if state not in _HEARING and row.last_heard and row.last_heard > row.since:
            return Sign.HEARD, row
        found = self._found(source, row)
        if found is not None and row.server_id is None:
            row = replace(row, server_id=str(found.get("id")))
        channel, topic = source.channel or REST_HOOK, source.topics.get(row.type)
        sign = sign_of(
            found, self._public_url, source.name, row.key, channel, topic, source.only.of(row.type)
        )
        if next_step(state, sign) != (state, Action.NOTHING):
            return sign, row
        if found is not None and expires(found, row.since, now, source.fit.subscribing.renew):
            return Sign.EXPIRES, row
        if is_overdue(state, row.since, now):
            return Sign.OVERDUE, row
        if state in _HEARING and self._gaps.open(source, row.type):
            return Sign.SKIPPED, row
        if state is State.GAP:
            return Sign.FILLED, row
        period = heartbeat(found) if found and topic else None
        if state is State.ACTIVE and period and self._pulse.has_stopped(row, period, now):
            return Sign.STOPPED, row
        cadence = self._cadences.setdefault((source.name, row.type), Cadence())
        last = self._store.last_news(source.name, row.type)
        return (Sign.QUIET if cadence.is_quiet(last, now) else sign), row

    def _found(self, source: Source, row: SubscriptionRow) -> dict[str, Any] | None:
        """The server's copy: by its id, else (a restart, a lost store) by our tag."""
        if row.server_id is not None:
            try:
                return source.server.get("Subscription", row.server_id)
            except Gone:
                return None
        query = own_query(self._instance, source.name, row.type)
        where: dict[str, Any] = {
            "instance": self._instance,
            "server": source.name,
            "public_url": self._public_url,
            "topics": source.topics,
        }
        try:
            for found in source.server.search("Subscription", query):
                if own_type(found, **where) == row.type:
                    return found
        except Rejected:  # some servers do not let Subscriptions be searched
            return None
        return None

    def _walk(
        self, source: Source, row: SubscriptionRow, sign: Sign, now: datetime
    ) -> SubscriptionRow:
        state, action = next_step(State(row.state), sign)
        if state != row.state:
            row = replace(row, state=state.value, since=now)
        if sign is Sign.MISSING:
            row = replace(row, server_id=None)
        if (state, sign) == (State.REFUSED, Sign.OVERDUE):
            row = replace(row, problem=_NEVER_STARTED)
        if sign is Sign.STOPPED:
            row = replace(row, problem=_STOPPED)
        if state is State.ACTIVE and row.previous_secret and now - row.since > _OLD_SECRET:
            row = replace(row, previous_secret=None)
        if action is Action.ASK:
            source.learn()  # by which channel and extensions, its make says
            row = replace(row, state=State.REQUESTED.value, since=now)
            try:
                return self._ask(source, row)
            except Rejected as error:
                state, _ = next_step(State.REQUESTED, Sign.REJECTED)
                return replace(row, state=state.value, problem=f"{error}; it is polled instead")
        if action is Action.FILL:
            return replace(row, problem=self._gaps.fill(source, row))
        if action is Action.CATCH_UP:
            self._store.raise_(f"{source.name}:{ANYTHING}", now, why="subscription started")
        return row

    def _ask(self, source: Source, row: SubscriptionRow) -> SubscriptionRow:
        """Ask the server for it, the row being on disk first."""
        self._store.save_subscription(row)
        try:
            return self._put(source, row)
        except Rejected as error:
            if row.type not in source.topics or error.status not in _NOT_AS_IT_IS:
                raise
            return self._put(source, row, beats=False)  # better without heartbeats than not at all

    def _put(self, source: Source, row: SubscriptionRow, *, beats: bool = True) -> SubscriptionRow:
        resource = wanted(
            instance=self._instance,
            server=source.name,
            type_=row.type,
            public_url=self._public_url,
            key=row.key,
            secret=row.secret,
            channel=source.channel or REST_HOOK,
            signed_by=source.fit.subscribing.signed_by,
            topic=source.topics.get(row.type),
            only_tagged=source.only.of(row.type),
            beats=beats,
        )
        if row.server_id is not None:
            try:
                source.server.update({**resource, "id": row.server_id})
                return row
            except (Gone, Conflict):
                row = replace(row, server_id=None)
        query = urlencode(own_query(self._instance, source.name, row.type), safe=":|/")
        receipt = source.server.create(resource, if_none_exist=query)
        return replace(row, server_id=receipt.id)


def _told(error: Exception, source: str, type_: str) -> str:
    """What is kept of an error: a defect of ours must not keep us from the other Subscriptions."""
    if isinstance(error, FhirError):
        return str(error)
    log.error("subscription_met_defect", source=source, type=type_, error=named(error))
    return named(error)
