"""The intake: a notification is checked, understood and kept, and only then acknowledged.

    kept = intake.hear("ehr", key, "PUT", "MedicationRequest/m-1", headers, body)
    kept.on_disk.result()          # or, at the web door: await asyncio.wrap_future(…)
    kept.answer                    # what the sender gets back

Understanding is pure and quick, so it may run in the event loop; deliveries that arrive at once
share one commit. Nothing is fetched here, however a payload asks for it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import datetime
from hmac import compare_digest
from typing import Protocol

from fhirbridge.core.events import Event, Verb
from fhirbridge.fhir import notify
from fhirbridge.fhir.signature import is_signed, signature_of
from fhirbridge.fhir.subscription import SECRET_HEADER
from fhirbridge.fhir.told import Told
from fhirbridge.limits import Limit
from fhirbridge.store.group import GroupCommit, Soon, at_once
from fhirbridge.store.records import Delivery, Heard, Numbered, SubscriptionRow, Troubled

from .hearing import Concerns, anything
from .sources import Source
from .tracing import UNTRACED, Tracer

#: Unknown keys and secrets make us look into the store again: so often at once, and a second.
_LOOKS, _LOOKS_A_SECOND = 50, 10.0
_LONGEST_TYPE = 100
_SECRET_HEADER = SECRET_HEADER.lower()
#: How what is compressed begins (RFC 1952, 1950); no JSON and no XML does.
_PACKED = (b"\x1f\x8b", b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda")
_NO_SUCH_ADDRESS = "no Subscription of ours has this address"


class Refused(Exception):
    """The sender does not know the key and the secret of a Subscription of ours: 401.

    `key`: of the Subscription whose secret was wrong; empty when there is none at this address.
    """

    def __init__(self, message: str, key: str = "") -> None:
        super().__init__(message)
        self.key = key


class NotUnderstood(Exception):
    """What was sent still says something that we do not understand; the message says what."""


class Unsure(Exception):
    """So many strangers call that we cannot look whether this one is known: 429, come again."""


class Keeps(Protocol):
    """What the intake needs of the store."""

    def hear(self, deliveries: Sequence[Delivery], now: datetime) -> list[Heard]: ...
    def subscriptions(self) -> list[SubscriptionRow]: ...


@dataclass(frozen=True, slots=True)
class Kept:
    """`on_disk` resolves when the delivery is durable, or raises `Unwritable` (answer 503)."""

    answer: notify.Answer
    on_disk: Future[Heard]
    dialect: str
    events: int


class Intake:
    """The door's other side. `told` is called for each delivery once it is on disk."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        store: Keeps,
        concerns: Concerns,
        clock: Callable[[], datetime],
        told: Callable[[Delivery, Heard], None],
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._sources, self._store, self._concerns = sources, store, concerns
        self._clock, self._told, self.tracer = clock, told, tracer
        self._group = GroupCommit(store, clock)
        self._links: Mapping[str, SubscriptionRow] | None = None  # None: to be read again
        self._looks = Limit(burst=_LOOKS, a_second=_LOOKS_A_SECOND, clock=clock)

    def close(self) -> None:
        """Commit what was taken; take nothing more."""
        self._group.close()

    def expects(self, server: str, key: str, headers: Mapping[str, str]) -> None:
        """Is this a sender of ours, as far as can be said before the body is there?

        Raises `Refused` or `Unsure`. A signature can be checked only by the body: `hear` does.
        """
        if signature_of(headers) is None:
            self._admitted(server, key, headers, b"")
        elif self._link(server, key) is None:
            self._look()
            if self._link(server, key) is None:
                raise Refused(_NO_SUCH_ADDRESS)

    def hear(
        self,
        server: str,
        key: str,
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        soon: Soon = at_once,
    ) -> Kept:
        """One delivery to `/notify/{server}/{key}/{path}`. Header names in lower case. `soon`: see
        `store.group`.

        Raises `Refused` (401, nothing was kept), `Unsure` (429) or `Unwritable` (503): come again.
        """
        link = self._admitted(server, key, headers, body)
        heard = self._understood(link, method, path, headers, body)
        content_type = headers.get("content-type", "")
        delivery = self._delivery(link, heard, content_type, body, key=key)
        on_disk = self._keep(delivery, soon)
        return Kept(heard.answer, on_disk, heard.dialect, len(delivery.events))

    def answered(self, link: SubscriptionRow, body: bytes) -> Future[Heard]:
        """A server answered what we asked of a topic Subscription (`$events`, `$status`): kept
        like what it tells by itself, but no sign that it does.

        Raises `Unwritable` when it cannot be taken now.
        """
        heard = self._understood(link, "POST", "", {}, body)
        return self._keep(self._delivery(link, heard, notify.FHIR_JSON, body, key=None))

    def again(self, before: Troubled, body: bytes) -> Kept:
        """Hear once more what was not understood: by a newer program, it may be.

        The way of its address is not known any more; where it had one, that was enough. Raises
        `Refused` where its Subscription is gone, `NotUnderstood`, or `Unwritable`: not now.
        """
        link = self._link(before.source, before.key)
        if link is None:
            raise Refused(_NO_SUCH_ADDRESS)
        packed = {"content-encoding": "gzip"} if body.startswith(_PACKED) else {}
        headers = {"content-type": before.content_type, **packed}
        heard = self._understood(link, "POST", "", headers, body)
        if heard.problem is not None:
            raise NotUnderstood(heard.problem)
        delivery = self._delivery(link, heard, before.content_type, body, key=None)
        return Kept(heard.answer, self._keep(delivery), heard.dialect, len(delivery.events))

    def pinged(self, link: SubscriptionRow) -> Future[Heard]:
        """A websocket said that something changed which this Subscription is about.

        Raises `Unwritable` when it cannot be taken now.
        """
        source = self._sources[link.source]
        event = self._concerns.stored(source, Told(Event(link.source, Verb.TOUCHED, link.type)))
        return self._keep(
            Delivery(
                source=link.source,
                key=link.key,
                received_at=self._clock(),
                dialect="websocket",
                content_type="",
                body=b"",
                events=[replace(event, subject=anything(source, link.type))],
            )
        )

    def _understood(
        self, link: SubscriptionRow, method: str, path: str, headers: Mapping[str, str], body: bytes
    ) -> notify.Heard:
        bases = [self._sources[link.source].server.base_url]
        return notify.hear(link.source, bases, method, path, headers, body, subscribed=link.type)

    def _delivery(
        self,
        link: SubscriptionRow,
        heard: notify.Heard,
        content_type: str,
        body: bytes,
        *,
        key: str | None,
    ) -> Delivery:
        source = self._sources[link.source]
        return Delivery(
            source=link.source,
            key=key,
            received_at=self._clock(),
            dialect=heard.dialect,
            content_type=content_type[:_LONGEST_TYPE],
            body=body,
            problem=heard.problem,
            events=[self._concerns.stored(source, told) for told in heard.told],
            numbered=_numbered(link, heard),
            trace=self.tracer.here(),
        )

    def _keep(self, delivery: Delivery, soon: Soon = at_once) -> Future[Heard]:
        on_disk = self._group.submit(delivery, soon)
        on_disk.add_done_callback(lambda done: self._tell(delivery, done))
        return on_disk

    def _tell(self, delivery: Delivery, done: Future[Heard]) -> None:
        if not done.cancelled() and done.exception() is None:
            self._told(delivery, done.result())

    def _admitted(
        self, server: str, key: str, headers: Mapping[str, str], body: bytes
    ) -> SubscriptionRow:
        """The Subscription with this key, if the sender knows its secret; else Refused."""
        link = self._link(server, key)
        if link is None or not _knows(link, headers, body):
            self._look()  # another process may have made it, or changed its secret
            link = self._link(server, key)
        if link is None:
            raise Refused(_NO_SUCH_ADDRESS)
        if not _knows(link, headers, body):
            raise Refused("the secret is not the one of the Subscription", key)
        return link

    def _link(self, server: str, key: str) -> SubscriptionRow | None:
        if self._links is None:
            self._load()
        link = (self._links or {}).get(key)
        return link if link and link.source == server and server in self._sources else None

    def _look(self) -> None:
        """Read our Subscriptions again, for a stranger. Raises `Unsure` if that was done too often:
        a sender whose key is quite new must not be told that it is wrong."""
        if self._looks.take():
            raise Unsure
        self._load()

    def _load(self) -> None:
        self._links = {link.key: link for link in self._store.subscriptions()}

    def renew(self) -> None:
        """A Subscription was made or changed in this process: know it at once."""
        self._links = None


def _numbered(link: SubscriptionRow, heard: notify.Heard) -> Numbered | None:
    numbers = tuple(each.number for each in heard.events if each.number is not None)
    if not numbers and heard.total is None:
        return None
    return Numbered(link.type, heard.subscription or "", numbers, heard.total)


def _knows(link: SubscriptionRow, headers: Mapping[str, str], body: bytes) -> bool:
    """By a signature of the body where the sender signs, else by the header that we asked for."""
    secrets = [each for each in (link.secret, link.previous_secret) if each]
    if (signature := signature_of(headers)) is not None:
        return is_signed(signature, body, secrets)
    given = headers.get(_SECRET_HEADER, "").encode()
    return any(compare_digest(given, each.encode()) for each in secrets)
