"""Any notification that a server may send, restated as Events. Pure; nothing is fetched.

Which dialect a request speaks is decided by its content, not by configuration:

| dialect | looks like |
|---|---|
| rest-hook | R4 Subscription: PUT `{key}/{Type}/{id}` with the resource, DELETE there |
| empty | R4 Subscription without payload: an empty POST |
| topic | R4 backport, R4B, R5: a Bundle (or bare) with SubscriptionStatus or its Parameters |
| bundle | any other Bundle: HAPI's search-criteria payload, an integration engine |
| resource | a bare resource by POST: Medplum, an integration engine; `{}` is Medplum's delete |
| unknown | not understood: nothing is lost, `problem` says what was wrong |

`hear` never raises. What cannot be tied to a record of this server becomes a `touched` event
("look for yourself"), with a problem that says where and why. A problem names positions and
types, never values. Addresses in a payload are never fetched: a record elsewhere is not ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from fhirbridge.core.events import Event, Verb

from . import jsonio, topic
from .payload import Unreadable, document_of
from .references import Place, is_elsewhere, locate
from .told import Told, told_entry, told_resource

MAX_EVENTS = 1000
"""More in one delivery are not looked at one by one; the source is polled instead."""

MAX_DEPTH = 2
"""Bundles in Bundles that are opened."""

FHIR_JSON = "application/fhir+json"
_DELETED_BY_MEDPLUM = "x-medplum-deleted-resource"


@dataclass(frozen=True, slots=True)
class Answer:
    """What the sender must get back once the delivery is durable."""

    status: int = 200
    content_type: str | None = None
    body: bytes = b""


# HAPI parses a JSON body of 2xx as FHIR and repeats what it cannot parse; Health Gorilla takes
# only 200 and 202, Inferno's handshake only 200. An empty 200 suits every sender of a resource,
# senders of a topic or transaction Bundle want a FHIR body (docs/servers.md 5).
NOTHING = Answer()
BUNDLE = Answer(200, FHIR_JSON, b'{"resourceType":"Bundle","type":"transaction-response"}')


@dataclass(frozen=True, slots=True)
class Heard:
    """One delivery, understood. `kind`: event · handshake · heartbeat · query · unknown.

    `status`, `total` (events since the subscription began, theirs to count) and `subscription`
    (its id on the server) are told by topic notifications only.
    """

    dialect: str
    kind: str
    told: tuple[Told, ...]
    answer: Answer
    problem: str | None = None
    subscription: str | None = None
    status: str | None = None
    total: int | None = None

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(each.event for each in self.told)


def hear(
    source: str,
    bases: Sequence[str],
    method: str,
    path: str,
    headers: Mapping[str, str],
    body: bytes,
    *,
    subscribed: str | None = None,
) -> Heard:
    """Understand one delivery of server `source`, whose own addresses are `bases`.

    `path` is what follows the key in the URL; `subscribed` the resource type that the
    Subscription with this key asked for, which an empty notification does not repeat.
    """
    ear = _Ear(source, tuple(bases), subscribed)
    place = locate(path)
    lower = {name.lower(): value for name, value in headers.items()}
    if method == "DELETE":
        return ear.deleted(place, "rest-hook")
    if gone := lower.get(_DELETED_BY_MEDPLUM):
        return ear.deleted(locate(gone, ear.bases), "resource")
    try:
        document = document_of(lower, body)
    except Unreadable as error:
        return ear.unreadable(place, str(error))
    if document is None:
        return ear.empty(place)
    if topic.is_notification(document):
        return ear.notification(document)
    if document.get("resourceType") == "Bundle":
        return ear.bundle(document)
    return ear.resource(document, place)


@dataclass(frozen=True, slots=True)
class _Ear:
    """What every branch needs to know of the listener."""

    source: str
    bases: tuple[str, ...]
    subscribed: str | None

    def deleted(self, place: Place | None, dialect: str) -> Heard:
        if place is None:
            return self.not_understood("a delete that names no record (want /{Type}/{id})")
        event = Event(self.source, Verb.DELETED, place.type, place.id)
        return Heard(dialect, "event", (Told(event),), NOTHING)

    def empty(self, place: Place | None) -> Heard:
        if place is not None:  # a PUT whose body got lost still says which record
            event = Event(self.source, Verb.CHANGED, place.type, place.id, place.version)
            return Heard("rest-hook", "event", (Told(event),), NOTHING)
        return Heard("empty", "event", (self.touched(),), NOTHING)

    def unreadable(self, place: Place | None, why: str) -> Heard:
        """The record is known by the path: it is read from the server, whatever was sent."""
        if place is None:
            return self.not_understood(why)
        event = Event(self.source, Verb.CHANGED, place.type, place.id, place.version)
        return Heard("rest-hook", "event", (Told(event),), _complaint(why), why)

    def resource(self, document: Mapping[str, Any], place: Place | None) -> Heard:
        dialect = "rest-hook" if place else "resource"
        sent_type, sent_id = document.get("resourceType"), document.get("id")
        if place and (sent_type, sent_id) not in ((place.type, place.id), (place.type, None)):
            return self.unreadable(place, "the resource in the body is not the one of the address")
        told = told_resource(self.source, document, self.bases, place=place)
        if told is None:
            return self.not_understood("no FHIR resource with a resourceType and an id")
        return Heard(dialect, "event", (told,), NOTHING)

    def bundle(self, document: Mapping[str, Any]) -> Heard:
        found, problems = self.entries(document, depth=0)
        if not found and not problems:
            problems = ["a Bundle without entries"]
        return self.heard("bundle", "event", found, problems, BUNDLE)

    def notification(self, document: Mapping[str, Any]) -> Heard:
        notice = topic.read(document)
        found: list[Told] = []
        problems = list(notice.problems)
        index = topic.Index(document, self.bases)
        for number, focus in notice.events[:MAX_EVENTS]:
            told, problem = self.focus(focus, number, index)
            found += told
            problems += [problem] if problem else []
        if not any(focus for _, focus in notice.events):  # some senders list entries alone
            more, troubles = self.entries({"entry": index.loose}, depth=0)
            found = more or found
            problems += troubles
        if len(notice.events) > MAX_EVENTS:
            found, problems = [self.touched()], [f"more than {MAX_EVENTS} events"]
        if notice.kind == "event" and not found:
            found = [self.touched()]
        return self.heard(
            "topic",
            notice.kind,
            found,
            problems,
            BUNDLE,
            subscription=(place := locate(notice.subscription, self.bases)) and place.id,
            status=notice.status,
            total=notice.total,
        )

    def focus(
        self, focus: Mapping[str, Any] | None, number: int | None, index: topic.Index
    ) -> tuple[list[Told], str | None]:
        """What one notification-event is about, and what is wrong with how it says so."""
        if focus is None:
            return [self.touched(number=number)], None
        entry = index.entry(focus)
        resource = entry.get("resource") if entry else None
        if isinstance(resource, Mapping) and resource.get("resourceType") == "Bundle":
            # A PAS response is a Bundle itself.
            inside, problems = self.entries(resource, depth=1, number=number)
            return inside, problems[0] if problems else None
        if entry and (told := self.entry(entry, number)):
            return [told], None
        if place := locate(focus.get("reference"), self.bases):
            event = Event(
                self.source, Verb.CHANGED, place.type, place.id, place.version, number=number
            )
            return [Told(event)], None
        problem = f"event {number}: its focus names no record of this server by reference"
        return [self.touched(topic.focus_type(focus), number=number)], problem

    def entries(
        self, bundle: Mapping[str, Any], depth: int, number: int | None = None
    ) -> tuple[list[Told], list[str]]:
        listed = bundle.get("entry")
        if listed is not None and not isinstance(listed, list):
            return [], ["a Bundle whose entry is no list"]
        if len(listed or []) > MAX_EVENTS:
            return [self.touched()], [f"more than {MAX_EVENTS} entries"]
        found: list[Told] = []
        problems: list[str] = []
        for position, entry in enumerate(listed or [], start=1):
            entry = entry if isinstance(entry, Mapping) else {}
            resource = entry.get("resource")
            resource = resource if isinstance(resource, Mapping) else {}
            type_ = resource.get("resourceType")
            if type_ in ("OperationOutcome", "MessageHeader"):
                continue
            if type_ == "Bundle" and depth < MAX_DEPTH:
                inside, troubles = self.entries(resource, depth + 1, number)
                found, problems = found + inside, problems + troubles
            elif told := self.entry(entry, number):
                found.append(told)
            else:
                problems.append(f"entry {position} names no record of this server")
        return found, problems

    def entry(self, entry: Mapping[str, Any], number: int | None) -> Told | None:
        if is_elsewhere(entry.get("fullUrl"), self.bases):
            return None  # an id of another server would mean another record on ours
        return told_entry(self.source, entry, self.bases, number=number)

    def touched(self, type_: str | None = None, *, number: int | None = None) -> Told:
        return Told(Event(self.source, Verb.TOUCHED, type_ or self.subscribed, number=number))

    def heard(
        self,
        dialect: str,
        kind: str,
        found: Sequence[Told],
        problems: Sequence[str],
        answer: Answer,
        **more: Any,
    ) -> Heard:
        problem = "; ".join(problems[:5]) or None
        if problem and not found and kind != "handshake":
            return self.not_understood(problem)
        return Heard(dialect, kind, tuple(found), answer, problem, **more)

    def not_understood(self, why: str) -> Heard:
        """Kept, looked for by a poll, and answered 2xx: a 4xx would make the sender repeat it."""
        return Heard("unknown", "unknown", (self.touched(),), _complaint(why), why)


def _complaint(why: str) -> Answer:
    issue = {"severity": "warning", "code": "invalid", "diagnostics": why}
    outcome = {"resourceType": "OperationOutcome", "issue": [issue]}
    return Answer(200, FHIR_JSON, jsonio.dumps(outcome))
