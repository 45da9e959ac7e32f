"""The nouns and the errors of the store. All frozen; times are aware `datetime`s.

A *subject* is what a due mark is about, written `source:what`:

- `ehr:Patient/p-7`            a patient record; the alias table maps it to its person
- `ehr:MedicationRequest/o-1`  something whose patient we do not know yet: it must be read
- `ehr:*`                      something changed there and nobody said what: catch up

A *person* is named by one of his patient records, the first that we saw.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta

from fhirbridge.core.numbering import Range


class StoreError(Exception):
    """The store could not do what was asked. The message names no person and no content."""


class Unwritable(StoreError):
    """Nothing can be kept now: disk full, database locked, connection gone. Answer 503, retry."""


class Stale(StoreError):
    """A record of our own worklist was changed since it was read: read again."""


class LostLease(StoreError):
    """Another worker has the subject now, or the lease ran out. Stop; write nothing."""


@dataclass(frozen=True, slots=True)
class Person:
    """One person: `name` is one of the `records`, of which the first seen comes first.

    `watched`: has a therapy that we know, or is not read yet.
    """

    name: str
    records: tuple[str, ...]
    watched: bool


@dataclass(frozen=True, slots=True)
class StoredEvent:
    """One change that we were told of. `version` and `last_updated` are those of the record."""

    source: str
    verb: str  # "changed" | "deleted" | "touched" (core.events.Verb)
    type: str
    id: str
    version: str | None
    last_updated: datetime | None
    subject: str | None  # None: journaled only, it raises nothing
    urgent: bool = False
    when: str = "always"  # … "watched": only of a person who is; "unless-unwatched": not of one
    #                       whom we looked at and do not watch


@dataclass(frozen=True, slots=True)
class Numbered:
    """The event numbers of one topic notification (`core.numbering`).

    `type`: of our Subscription by whose address it came; `subscription`: its id on the server, ""
    where the sender does not say.
    """

    type: str
    subscription: str
    numbers: tuple[int, ...]
    total: int | None


@dataclass(frozen=True, slots=True)
class Gap:
    """Events of one topic Subscription that did not come. `since`: when that was noticed."""

    source: str
    type: str
    subscription: str
    missing: tuple[Range, ...]
    unread: bool  # there may be more than the numbers say
    since: datetime


@dataclass(frozen=True, slots=True)
class Delivery:
    """One request (or page, or websocket message) as it came in, with the events found in it."""

    source: str
    key: str | None = field(repr=False)  # the secret route of the subscription, if it had one
    received_at: datetime
    dialect: str
    content_type: str
    body: bytes = field(repr=False)
    problem: str | None = None  # why it was not understood; names no content
    events: Sequence[StoredEvent] = ()
    numbered: Numbered | None = None
    trace: str | None = None  # the context in which it was heard (`bridge.tracing`)


@dataclass(frozen=True, slots=True)
class Heard:
    """What became of one delivery: how many events were news, and which subjects they raised."""

    new: int
    duplicates: int
    older: int
    subjects: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Mark:
    """What we owe one subject. `due_at` is None when nothing is owed."""

    subject: str
    generation: int  # grows by one with each raise, through the whole life of the subject
    due_at: datetime | None
    first_at: datetime | None  # when the oldest news that still waits came in
    urgent: bool
    attempts: int  # failures in a row
    last_error: str | None
    parked: bool
    owner: str | None  # the lease, if there is one
    token: int
    until: datetime | None


@dataclass(frozen=True, slots=True)
class Dropped:
    """Work that a person let go, and why."""

    subject: str
    why: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Debounce:
    """How long news that is not urgent waits for more of the same person before it is worked on:
    until nothing came for `quiet`, but no longer than `most` after the first."""

    quiet: timedelta
    most: timedelta

    def ends(self, first: datetime, last: datetime) -> datetime:
        """When news may be worked on, of which the first and the last came then."""
        return min(first + self.most, last + self.quiet)


AT_ONCE = Debounce(timedelta(0), timedelta(0))


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to work on one subject until `until`. `token` grows with each lease of it."""

    subject: str
    id: str
    owner: str
    token: int
    generation: int
    until: datetime
    attempts: int
    first_at: datetime
    urgent: bool


@dataclass(frozen=True, slots=True)
class Written:
    """One record that we wrote on a server, for the audit and to know its echo again."""

    source: str
    type: str
    id: str
    version: str | None
    key: str  # the finding's key (docs/decisions.md, 7)
    digest: str  # of the figures it rests on (decision 13)
    action: str  # "open" | "revise" | "close" | …
    episode: int = 0  # of the trouble; 0 for what is no Task


@dataclass(frozen=True, slots=True)
class OwnRecord:
    """One resource of our own worklist, as its next version will be."""

    type: str
    id: str
    patient: str  # the patient record that it is about: "ehr:Patient/p-7"
    version: int
    body: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class WriteRecord:
    """A row of the audit: what was written, for whom, when."""

    subject: str
    at: datetime
    written: Written


@dataclass(frozen=True, slots=True, kw_only=True)
class Shadow:
    """A trouble about which nobody was told, from one moment (`since`) to another (`gone`).

    `day`: of the infusion. `basis`: what it was about, to be compared. `how` it went away.
    """

    subject: str
    key: str
    since: datetime
    rule: str
    day: date | None
    basis: str
    gone: datetime | None = None
    how: str = ""


@dataclass(frozen=True, slots=True)
class WrittenTask:
    """A Task of ours, and about whom it is. `found`: of its writing nothing is known."""

    subject: str
    type: str
    id: str
    found: bool = False


@dataclass(frozen=True, slots=True)
class SubscriptionRow:
    """One Subscription of ours. There is one for each source and type."""

    source: str
    type: str
    key: str = field(repr=False)
    secret: str = field(repr=False)
    previous_secret: str | None = field(repr=False)  # still accepted while the new one spreads
    server_id: str | None
    state: str
    since: datetime
    last_heard: datetime | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """A first reading of a type that is not through yet, by the server's clock: when it began, and
    the moment before which everything was last changed that has been told."""

    began: datetime
    reached: datetime


@dataclass(frozen=True, slots=True)
class Troubled:
    """A delivery in which something was not understood; its body has so many bytes."""

    id: int
    source: str
    key: str = field(repr=False)
    received_at: datetime
    dialect: str
    content_type: str
    problem: str
    size: int


@dataclass(frozen=True, slots=True)
class JournalLine:
    """One delivery for people to read: never the body, never the key."""

    id: int
    source: str
    received_at: datetime
    dialect: str
    problem: str | None
    events: tuple[JournalEvent, ...]


@dataclass(frozen=True, slots=True)
class JournalEvent:
    """`outcome`: new · duplicate · older."""

    verb: str
    type: str
    id: str
    version: str | None
    subject: str | None
    outcome: str


@dataclass(frozen=True, slots=True)
class Counts:
    """For the console and the metrics."""

    deliveries: Mapping[str, int]  # by dialect
    problems: int
    due: int
    oldest_due: datetime | None
    waiting: int  # owed, but not yet
    leased: int
    parked: int
