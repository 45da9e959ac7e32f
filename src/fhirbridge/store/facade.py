"""`Store`: what we were told and what we owe. The contract is in the docstrings here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, timedelta
from functools import partial

import sqlalchemy as sa

from . import (
    audit,
    joining,
    journal,
    leases,
    links,
    marks,
    numbering,
    own,
    people,
    retention,
    shadowing,
    tokens,
    traces,
    troubled,
    versions,
    waiting,
)
from .database import Database, Tx
from .records import (
    AT_ONCE,
    Counts,
    Debounce,
    Delivery,
    Dropped,
    Gap,
    Heard,
    JournalLine,
    Lease,
    Mark,
    OwnRecord,
    Person,
    Reading,
    Shadow,
    SubscriptionRow,
    Troubled,
    WriteRecord,
    Written,
    WrittenTask,
)
from .schema import schema_version

_PAGE = 500
_AN_HOUR = timedelta(hours=1)  # longer than between two sweeps


class Store:
    """The memory of one installation, shared by all its processes. Safe to use from threads.

    `url` is `sqlite:///file.db` or `postgresql+psycopg://…`; `ids` makes unguessable, unique
    names (for leases); `debounce` is for the news of each subject. Every method that changes
    something has changed it on disk when it returns. All may raise `Unwritable` (try later) or
    `StoreError` (a defect).
    """

    def __init__(self, url: str, *, ids: Callable[[], str], debounce: Debounce = AT_ONCE) -> None:
        self._db = Database(url)
        self._debounce = debounce
        self._ids = ids
        self._turns = leases.Turns()
        self._busy = False  # the last that asked for a lease got one

    def close(self) -> None:
        self._db.close()

    def ping(self) -> None:
        """Raises `Unwritable` when nothing could be kept now. It writes: a full disk is noticed."""
        version = schema_version.c.version
        self._db.write(lambda tx: tx.run(sa.update(schema_version).values(version=version)))

    # --- tokens that processes share (`fhir.sharing.Tokens`)

    def token(self, name: str, now: datetime) -> tuple[str, datetime] | None:
        """A token that has not ended."""
        return self._db.read(lambda tx: tokens.current(tx, name, now))

    def keep_token(self, name: str, value: str, until: datetime) -> None:
        """Keep a token for the other processes."""
        self._db.write(lambda tx: tokens.keep(tx, name, value, until))

    def forget_token(self, name: str, value: str) -> None:
        """Forget a token that is not accepted any more, unless a newer one is kept by now."""
        self._db.write(lambda tx: tokens.forget(tx, name, value))

    def claim_token(self, name: str, by: str, now: datetime, until: datetime) -> bool:
        """Whether `by` may ask for the token now: nobody else does, or its claim has ended."""
        return self._db.write(lambda tx: tokens.claim(tx, name, by, now, until))

    def release_token(self, name: str, by: str) -> None:
        """Who asked has its answer, whatever it was."""
        self._db.write(lambda tx: tokens.release(tx, name, by))

    # --- hearing

    def hear(self, deliveries: Sequence[Delivery], now: datetime) -> list[Heard]:
        """Keep the deliveries and raise what their news concerns, all in one commit.

        Answers for each delivery what was new in it. Events are journaled always; one raises its
        subject unless its version is known (told before, or our own write) or older than what is
        known. A `key` of a subscription marks that subscription as heard from.
        """
        return self._db.write(lambda tx: journal.hear(tx, deliveries, now, self._debounce))

    def latest_body(self, source: str, type_: str, id_: str) -> bytes | None:
        """The body of the delivery with the newest that we were told of a record (it may be a
        Bundle that holds it); None when there is none or it was deleted."""
        return self._db.read(lambda tx: journal.latest_body(tx, source, type_, id_))

    def last_told(self, source: str, type_: str, ids: Collection[str]) -> dict[str, datetime]:
        """When the server itself last spoke of each of these records (a notification, whatever it
        said of the version); those of which it never did are left out."""
        return self._db.read(lambda tx: journal.last_told(tx, source, type_, ids))

    def beats(self, key: str, since: datetime) -> bool:
        """Did a topic notification without any event come by this key since then: a heartbeat?
        Only the newest deliveries are looked at."""
        return self._db.read(lambda tx: links.beats(tx, key, since))

    def subject_of(self, source: str, type_: str, id_: str) -> str | None:
        """The patient record whom earlier news of this record made due: whose it was, where it
        cannot be read any more. None when it never did."""
        return self._db.read(lambda tx: journal.subject_of(tx, source, type_, id_))

    # --- traces (`bridge.tracing`)

    def traces(self, lease: Lease) -> list[str]:
        """The contexts of the news that a lease is about, the first first."""
        return self._db.read(lambda tx: traces.of(tx, lease))

    def forget_traces(self, before: datetime | Lease) -> None:
        """Those of a lease, whose work is done; or all that are older."""
        if isinstance(before, Lease):
            self._db.write(lambda tx: traces.forget(tx, before))
        else:
            self._db.write(lambda tx: traces.purge(tx, before))

    # --- due marks

    def raise_(
        self,
        subject: str,
        now: datetime,
        *,
        why: str,
        due_at: datetime | None = None,
        urgent: bool = False,
        trace: str | None = None,
    ) -> None:
        """Make a subject (or the person whose record it is) due, at once or at `due_at`; a mark
        that waits already keeps the earlier moment. `why` is a fixed phrase for the journal."""
        self._db.write(
            lambda tx: marks.ask(
                tx, subject, now, why=why, due_at=due_at, urgent=urgent, trace=trace
            )
        )

    def lease(self, owner: str, now: datetime, for_: timedelta, limit: int = 1) -> list[Lease]:
        """Take up to `limit` subjects that are due: urgent ones first (but not for ever), sources
        in turn, those longest due first. No subject is leased twice at a time."""
        if not (self._busy or self._db.read(lambda tx: leases.any_ready(tx, now))):
            return []  # idle workers must not stand in the way of those who write
        terms = leases.Terms(owner, now, now + for_, self._ids)
        taken = self._db.write(lambda tx: leases.lease(tx, terms, limit, self._turns))
        self._busy = bool(taken)
        return taken

    def extend(self, lease: Lease, now: datetime, for_: timedelta) -> Lease:
        """The same lease, until `now + for_`. LostLease when it is over."""
        return self._db.write(lambda tx: leases.extend(tx, lease, now, now + for_))

    def may_write(self, lease: Lease, now: datetime) -> None:
        """Call just before the transaction goes out. LostLease when the lease is over, another
        has the subject, or the subject was joined to another person."""
        self._db.read(lambda tx: leases.may_write(tx, lease, now))

    def finish(
        self,
        lease: Lease,
        now: datetime,
        *,
        own: Sequence[Written] = (),
        look_again: datetime | None = None,
        urgent: bool = False,
    ) -> None:
        """Done. Records what we wrote (so that its echo is no news), sets the subject's timer to
        `look_again` (None: no timer), and lets the subject rest, unless news that is not our own
        came after the lease was taken: then it is due again (`debounce`). `urgent`: its next news
        is. LostLease when another has the subject by now; nothing is changed then."""
        self._db.write(
            lambda tx: leases.finish(tx, lease, now, own, look_again, urgent, self._debounce)
        )

    def fail(
        self,
        lease: Lease,
        now: datetime,
        *,
        error: str,
        retry_at: datetime | None,
        look_again: datetime | None = None,
    ) -> None:
        """It went wrong: due again at `retry_at`, or parked when None (but tried once more when
        news came meanwhile, and at `look_again`). `error` is shown to people: it names no person
        and no content."""
        self._db.write(lambda tx: leases.fail(tx, lease, now, error, retry_at, look_again))

    def mark(self, subject: str) -> Mark | None:
        return self._db.read(lambda tx: marks.mark(tx, subject))

    def parked(self, limit: int = 1000) -> list[Mark]:
        """Those set aside, the oldest first."""
        return self._db.read(lambda tx: marks.parked(tx, limit))

    def retry(self, subjects: Sequence[str] | None, now: datetime) -> int:
        """Make parked marks (all of them when None) due now with a clean slate; answers how
        many. Named subjects that wait for a later try are due now too."""
        return self._db.write(lambda tx: marks.retry(tx, subjects, now))

    def hurry(self, now: datetime, server: str | None = None) -> int:
        """What waits for a later moment is due now; with `server`, only what failed
        at that server. Attempts stay counted. Answers how many."""
        return self._db.write(lambda tx: marks.hurry(tx, server, now))

    def drop(self, subject: str, reason: str, now: datetime) -> bool:
        """Owe nothing for this subject until the next news; journaled for good. False: nothing
        was owed."""
        return self._db.write(lambda tx: marks.drop(tx, subject, reason, now))

    def dropped(self, limit: int = 1000) -> list[Dropped]:
        """What was dropped and why, the newest first."""
        return self._db.read(lambda tx: marks.dropped(tx, limit))

    def ring(self, now: datetime, limit: int = 1000) -> int:
        """Raise those whose timer has run out, at most `limit`; answers how many."""
        if not self._db.read(lambda tx: marks.any_timer(tx, now)):
            return 0
        return self._db.write(lambda tx: marks.ring(tx, now, limit))

    def set_back(self, now: datetime, lease: timedelta) -> int:
        """Our clock was set back to `now`: nothing waits for a moment that was meant otherwise,
        no lease lasts longer than `lease`, and no watermark lies ahead. Answers how many subjects
        were concerned."""

        def work(tx: Tx) -> int:
            links.set_back(tx, now, now - _AN_HOUR)
            return marks.set_back(tx, now, lease)

        return self._db.write(work)

    # --- what waits

    def waits(self, subject: str) -> list[waiting.Waiting]:
        """The changes that the last look at a person wanted: key, what, since when."""
        return self._db.read(lambda tx: waiting.of(tx, subject))

    def save_waits(self, subject: str, waits: Sequence[waiting.Waiting]) -> None:
        """What waits for this person from now on, instead of what waited before."""
        self._db.write(lambda tx: waiting.replace(tx, subject, waits))

    def opened(self, owner: str, day: date) -> int:
        """How many Tasks were opened for an owner on a day."""
        return self._db.read(lambda tx: waiting.opened(tx, owner, day))

    def add_openings(self, counts: Mapping[str, int], day: date) -> None:
        """Count new Tasks by owner."""
        self._db.write(lambda tx: waiting.add_openings(tx, counts, day))

    # --- shadow

    def shadows(self, subject: str) -> list[Shadow]:
        """A person's troubles about which nobody was told, as they were at the last look."""
        return self._db.read(lambda tx: shadowing.standing(tx, subject))

    def save_shadows(self, shadows: Sequence[Shadow]) -> None:
        """Add them, or bring them up to date."""
        self._db.write(lambda tx: shadowing.save(tx, shadows))

    def all_shadows(self, rule: str | None = None, since: datetime | None = None) -> list[Shadow]:
        """All that would have been written, of one rule and from a moment on if given."""
        return self._db.read(lambda tx: shadowing.all_of(tx, rule, since))

    # --- our own worklist

    def keep_own(self, records: Sequence[OwnRecord]) -> list[bool]:
        """Write resources of our own worklist, all or none; for each, whether it is new. Raises
        `Stale` where one does not follow the newest version."""
        return self._db.write(lambda tx: own.keep(tx, records))

    def own_records(self, type_: str, patients: Collection[str] | None) -> list[bytes]:
        """The resources of a type about these patient records (None: about all)."""
        return self._db.read(lambda tx: own.bodies(tx, type_, patients))

    def own_record(self, type_: str, id_: str) -> bytes | None:
        return self._db.read(lambda tx: own.body(tx, type_, id_))

    # --- who is who

    def link(self, person: str, records: Iterable[str], watched: bool, now: datetime) -> None:
        """These records (and `person`, itself a record) are one person.

        What was owed for them is owed to the person. A lease on one of them by its own name is
        lost. Whoever loses a record by this is raised. Linking again changes nothing.
        """
        records = list(records)
        self._db.write(lambda tx: joining.link(tx, person, records, watched, now))

    def who(self, record: str) -> Person | None:
        """The person of this record; None for a record that we do not know."""
        return self._db.read(lambda tx: people.who(tx, record))

    def persons(self, *, watched: bool = True) -> Iterator[str]:
        """All persons; read page by page, so that walking them holds nothing up."""
        after = ""
        while page := self._persons_after(after, watched):
            yield from page
            after = page[-1]

    def _persons_after(self, after: str, watched: bool) -> list[str]:
        return self._db.read(lambda tx: people.page(tx, watched=watched, after=after, limit=_PAGE))

    # --- how far we have read, and what we subscribed to

    def watermark(self, source: str, type_: str) -> datetime | None:
        return self._db.read(lambda tx: links.watermark(tx, source, type_))

    def watermarks(self) -> list[tuple[str, str, datetime]]:
        """Source, type, and up to which moment of the source's clock it was read through."""
        return self._db.read(links.watermarks)

    def advance(self, source: str, type_: str, to: datetime) -> None:
        """Set the watermark; never backwards. A first reading is through by that."""

        def work(tx: Tx) -> None:
            links.advance(tx, source, type_, to)
            links.forget_reading(tx, source, type_)

        self._db.write(work)

    def reading(self, source: str, type_: str) -> Reading | None:
        """How far the first reading of a type has come; None: it has not begun, or is through."""
        return self._db.read(lambda tx: links.reading(tx, source, type_))

    def save_reading(self, source: str, type_: str, reading: Reading) -> None:
        """It has come so far."""
        self._db.write(lambda tx: links.save_reading(tx, source, type_, reading))

    def save_subscription(self, row: SubscriptionRow) -> None:
        """Keep it as it is here, but for `last_heard`: that only hearing changes."""
        self._db.write(lambda tx: links.save(tx, row))

    def walk_subscription(
        self,
        source: str,
        type_: str,
        states: tuple[str, str],
        now: datetime,
        *,
        problem: str | None = None,
    ) -> bool:
        """From one state to another; False, and nothing done, when it is not in the first."""
        return self._db.write(lambda tx: links.walk(tx, source, type_, states, now, problem))

    def forget_subscription(self, source: str, type_: str) -> None:
        self._db.write(lambda tx: links.forget(tx, source, type_))

    def subscription(self, source: str, type_: str) -> SubscriptionRow | None:
        return self._db.read(lambda tx: links.one(tx, source, type_))

    def subscriptions(self) -> list[SubscriptionRow]:
        return self._db.read(links.all_of_them)

    def gaps(self, until: datetime) -> list[Gap]:
        """Events of topic Subscriptions that were noticed to be missing until then."""
        return self._db.read(lambda tx: numbering.gaps(tx, until))

    def close_gap(self, gap: Gap, now: datetime) -> None:
        """What was missing then has been read. What is missing since stays so."""
        self._db.write(lambda tx: numbering.close(tx, gap, now))

    def last_news(self, source: str, type_: str | None = None) -> datetime | None:
        """When the last change by others reached us, of a source or a type of it, by whatever
        way."""
        return self._db.read(lambda tx: versions.last_news(tx, source, type_))

    # --- for people to look at, and to forget

    def recent(self, limit: int = 100) -> list[JournalLine]:
        """The newest deliveries, the newest first."""
        return self._db.read(lambda tx: journal.recent(tx, limit))

    def troubled(self, limit: int = 100, numbers: Collection[int] | None = None) -> list[Troubled]:
        """Deliveries in which something was not understood: the newest, or those with these
        numbers."""
        if numbers is None:
            return self._db.read(lambda tx: troubled.newest(tx, limit))
        return self._db.read(lambda tx: troubled.named(tx, numbers))

    def body(self, delivery: Troubled) -> bytes:
        """What was sent; empty where it was purged meanwhile."""
        return self._db.read(lambda tx: troubled.body(tx, delivery.id))

    def understood(self, delivery: Troubled) -> None:
        """It was heard again and understood: no trouble any more."""
        self._db.write(lambda tx: troubled.settle(tx, delivery.id))

    def writes(self, limit: int = 100) -> list[WriteRecord]:
        """What we wrote, the newest first."""
        return self._db.read(lambda tx: audit.recent(tx, limit))

    def written_at(self, subject: str, since: datetime, limit: int) -> list[datetime]:
        """When transactions for a person were sent since then, the newest first, at most `limit`;
        only those since somebody had the person tried again (`retry`)."""
        return self._db.read(lambda tx: audit.moments(tx, subject, since, limit))

    def written_tasks(
        self, subject: str | None, since: datetime | None, until: datetime | None
    ) -> list[WrittenTask]:
        """The Tasks into which we wrote about a person (None: about all), from a moment to
        another."""
        return self._db.read(lambda tx: audit.tasks(tx, subject, since, until))

    def add_writes(self, subject: str, own: Sequence[Written], now: datetime) -> None:
        """Put into the audit what a person had us write, outside of a lease."""
        self._db.write(lambda tx: leases.add_writes(tx, subject, own, now))

    def last_written(self, source: str, keys: Collection[str]) -> dict[str, Written]:
        """For each key of a trouble, what we last wrote on `source` into its latest Task, as far
        as receipts came back. What was never written has no entry."""
        return self._db.read(lambda tx: audit.latest(tx, source, keys))

    def counts(self, now: datetime) -> Counts:
        return self._db.read(lambda tx: marks.tally(tx, now, *journal.tally(tx)))

    def purge(
        self,
        before: datetime,
        *,
        keep_latest: Collection[str] = (),
        stopped: Callable[[], bool] = lambda: False,
    ) -> int:
        """Forget what was received before, in small steps; answers how many rows went.
        `stopped` is asked after each step.

        `keep_latest` names the sources that cannot be read again: the newest delivery of each of
        their records stays.
        """
        return sum(self._walk(step, stopped) for step in retention.steps(before, keep_latest))

    def _walk(self, step: retention.Walk, stopped: Callable[[], bool]) -> int:
        done = self._db.write(lambda tx: step(tx, None))
        removed = done.removed
        while (after := done.after) is not None and not stopped():
            self._db.rest()
            done = self._db.write(partial(step, after=after))
            removed += done.removed
        self._db.rest()
        return removed
