"""The supervisor: keeps our Subscriptions alive on every server that shall push.

It walks the table of `fhir.subscription`: looks at each Subscription, takes the sign for the
table, and does what the table says. A row with key and secret is on disk before the server is
asked, because a server may notify before it has answered. Where a server refuses, polling goes
on at its quick pace; nothing else depends on this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlencode

from fhirbridge.bridge.hearing import ANYTHING
from fhirbridge.bridge.ports import Store
from fhirbridge.bridge.sources import Source
from fhirbridge.bridge.story import Link, Watcher, nobody
from fhirbridge.fhir.errors import Conflict, FhirError, Gone, Rejected
from fhirbridge.fhir.subscription import (
    Action,
    Sign,
    State,
    is_overdue,
    next_step,
    own_query,
    own_type,
    sign_of,
    wanted,
)
from fhirbridge.store.records import SubscriptionRow

log = logging.getLogger("fhirbridge.supervisor")

#: How often a state is looked at; a state that is not here is left until it is overdue.
LOOK: dict[State, timedelta] = {
    State.ABSENT: timedelta(0),
    State.REQUESTED: timedelta(milliseconds=500),
    State.ACTIVE: timedelta(minutes=5),
    State.ERROR: timedelta(minutes=1),
    State.OFF: timedelta(minutes=1),
    State.GONE: timedelta(minutes=1),
    State.SILENT: timedelta(minutes=5),
    State.REFUSED: timedelta(minutes=5),
}
#: A server that does not answer is asked again so much later.
_AFTER_ERROR = timedelta(seconds=15)


class Supervisor:
    """Our Subscriptions on these sources. `ids` makes unguessable names."""

    def __init__(
        self,
        sources: Iterable[Source],
        store: Store,
        *,
        instance: str,
        public_url: str,
        clock: Callable[[], datetime],
        ids: Callable[[], str],
        watcher: Watcher = nobody,
    ) -> None:
        self._sources = [source for source in sources if source.push]
        self._store, self._instance, self._public_url = store, instance, public_url
        self._clock, self._ids, self._watcher = clock, ids, watcher
        self._next_look: dict[tuple[str, str], datetime] = {}

    def step(self) -> int:
        """Look at what is due to be looked at; answers how many rows changed."""
        return sum(
            self._look_at(source, type_)
            for source in self._sources
            for type_ in ("Patient", *source.types)
        )

    def settled(self) -> bool:
        """Does every Subscription stand as it will stay (active, or refused for now)?"""
        rows = {(row.source, row.type): row.state for row in self._store.subscriptions()}
        return all(
            rows.get((source.name, type_)) in (State.ACTIVE, State.REFUSED)
            for source in self._sources
            for type_ in ("Patient", *source.types)
        )

    def remove(self) -> int:
        """Delete our Subscriptions from their servers; answers how many."""
        removed = 0
        servers = {source.name: source.server for source in self._sources}
        for row in self._store.subscriptions():
            if row.source in servers and row.server_id:
                with suppress(Gone):
                    servers[row.source].delete("Subscription", row.server_id)
                removed += 1
            self._store.forget_subscription(row.source, row.type)
        return removed

    def _look_at(self, source: Source, type_: str) -> bool:
        now, name = self._clock(), (source.name, type_)
        if now < self._next_look.get(name, now):
            return False
        row = self._store.subscription(*name) or self._new(source, type_, now)
        before = row
        try:
            sign, row = self._sign(source, row, now)
            row = self._walk(source, row, sign, now)
            row = replace(row, problem=None) if row.state != State.REFUSED else row
        except FhirError as error:  # it is asked again; the state stands
            row = replace(row, problem=str(error))
            self._next_look[name] = now + _AFTER_ERROR
        else:
            self._next_look[name] = now + LOOK[State(row.state)]
        if row != before or before.server_id is None:
            self._store.save_subscription(row)
        if row.state != before.state:
            log.info("%s: Subscription for %s is %s", source.name, type_, row.state)
            self._watcher(Link(source.name, type_, row.state))
        return row != before

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
        if state is not State.ACTIVE and row.last_heard and row.last_heard > row.since:
            return Sign.HEARD, row
        found = self._found(source, row)
        if found is not None and row.server_id is None:
            row = replace(row, server_id=str(found.get("id")))
        sign = sign_of(found, self._public_url, source.name, row.key)
        settled = next_step(state, sign) == (state, Action.NOTHING)
        return (Sign.OVERDUE, row) if settled and is_overdue(state, row.since, now) else (sign, row)

    def _found(self, source: Source, row: SubscriptionRow) -> dict[str, Any] | None:
        """The server's copy: by its id, else (a restart, a lost store) by our tag."""
        if row.server_id is not None:
            try:
                return source.server.get("Subscription", row.server_id)
            except Gone:
                return None
        query = own_query(self._instance, source.name, row.type)
        where = {
            "instance": self._instance,
            "server": source.name,
            "public_url": self._public_url,
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
        if action is Action.ASK:
            row = replace(row, state=State.REQUESTED.value, since=now)
            try:
                return self._ask(source, row)
            except Rejected as error:
                state, _ = next_step(State.REQUESTED, Sign.REJECTED)
                return replace(row, state=state.value, problem=str(error))
        if action is Action.CATCH_UP:
            self._store.raise_(f"{source.name}:{ANYTHING}", now, why="subscription started")
        return row

    def _ask(self, source: Source, row: SubscriptionRow) -> SubscriptionRow:
        """Ask the server for it, the row being on disk first."""
        self._store.save_subscription(row)
        resource = wanted(
            instance=self._instance,
            server=source.name,
            type_=row.type,
            public_url=self._public_url,
            key=row.key,
            secret=row.secret,
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
