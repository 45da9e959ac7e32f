"""`Bridge`: the story from top to bottom.

    hear       a notification is kept on disk, and the subject that it concerns becomes due
    work       what is due is leased, one person at a time, and reconciled (`reconciling`)
    sweep      what no notification told is heard by polling
    tick       timers ring: what time alone changes is looked at again

Errors are named by what comes next (`fhir.errors`). A source that does not answer is `unread`:
the rules that do not need it go on. Only the worklist's server must answer, because what we
said before stands there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime, timedelta

from fhirbridge.fhir.errors import Conflict, FhirError, Forbidden, Gone, Unavailable
from fhirbridge.logs import get_logger, named
from fhirbridge.store.records import Delivery, Heard, Lease, LostLease, Unwritable

from .breaker import FAILURES, WINDOW, Breaker, HeldBack
from .deciding import Decider
from .gathering import Gatherer
from .hearing import ANYTHING, Concerns, anything
from .intake import Intake
from .ports import Store
from .reconciling import Outcome, Reconciler, TooMuch
from .retracting import Retractor
from .silence import Silence
from .sources import Source
from .story import Arrived, Failed, Watcher, nobody
from .sweeping import Sweeper
from .tracing import UNTRACED, Span, Tracer
from .whose import Whose
from .worklist import Worklist
from .writing import Writer

log = get_logger("fhirbridge")

#: Tries after which work that fails for an unknown reason is set aside.
ATTEMPTS = 8
#: Seconds between purges of the journal, in each process.
FORGET = 3600.0
#: A clock that is set back by less is waited out.
SET_BACK = timedelta(minutes=1)
_FORBIDDEN_AGAIN = timedelta(minutes=15)
_UNREADABLE_AGAIN = timedelta(hours=1)
_LONGEST_BACKOFF = timedelta(hours=1)


@dataclass(frozen=True)
class Pace:
    """How patient the bridge is. Tests and the demo are in more of a hurry than a hospital."""

    sweep: timedelta = timedelta(minutes=15)  # a source that pushes is polled so often
    poll: timedelta = timedelta(seconds=60)  # … and one that does not, or is silent
    retry: timedelta = timedelta(seconds=30)  # before what failed is tried again
    # Longer than any reconciliation should take; a killed worker's subject is due again after it.
    lease: timedelta = timedelta(minutes=3)
    keep: timedelta = timedelta(days=30)  # how long the journal of deliveries is kept


@dataclass(frozen=True)
class Swept:
    """What a sweep heard, and the sources that did not answer, with their errors."""

    news: int
    failed: Mapping[str, FhirError]


class Bridge:
    """One installation at work. Safe to use from several threads.

    `home` is the source that holds the worklist; `pool` reads sources at the same time;
    `identity` are the identifier systems that join records (None: any). `wake` is called when
    something became due, so that workers need not look all the time. `own` is our own worklist;
    `most_writes` transactions are sent for one person in an hour (None: any number).
    """

    def __init__(
        self,
        *,
        sources: Sequence[Source],
        home: str | None,
        store: Store,
        concerns: Concerns,
        decider: Decider,
        writer: Writer,
        clock: Callable[[], datetime],
        pool: Executor,
        identity: frozenset[str] | None = None,
        own: Worklist | None = None,
        most_writes: int | None = None,
        pace: Pace | None = None,
        watcher: Watcher = nobody,
        wake: Callable[[], None] = lambda: None,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self.sources = {source.name: source for source in sources}
        self.store, self.clock, self.watcher = store, clock, watcher
        self.pace, self.wake, self.pool = pace or Pace(), wake, pool
        self.mode, self.calendar, self.tracer = decider.mode, decider.calendar, tracer
        self.own = own or Worklist(store, clock)
        self.home_url = self.sources[home].server.base_url if home else ""
        self._ticked: datetime | None = None
        self._reconciler = Reconciler(
            home=self.sources[home] if home else None,
            store=store,
            gatherer=Gatherer(sources, identity, pool, tracer),
            decider=decider,
            writer=writer,
            own=self.own,
            clock=clock,
            watcher=lambda story: self.watcher(story),
            retry=self.pace.retry,
            lease=self.pace.lease,
            breaker=Breaker(store, most_writes),
            silence=Silence(sources, store),
            tracer=tracer,
        )
        self.retractor = (
            Retractor(self.sources[home], self.own, store, writer, decider, clock) if home else None
        )
        self._sweeper = Sweeper(store, concerns, clock, self._arrived, tracer)
        self.intake = Intake(self.sources, store, concerns, clock, self._arrived, tracer)
        self._whose = Whose(store, concerns, self._sweeper, clock, tracer)

    def close(self) -> None:
        """Take no more deliveries; those that were taken are on disk."""
        self.intake.close()

    # --- hear

    def _arrived(self, delivery: Delivery, heard: Heard) -> None:
        """A delivery is on disk: wake the workers, tell the watcher."""
        if heard.subjects:
            self.wake()
        counted = {"duplicate": heard.duplicates, "older": heard.older, "journaled": heard.new}
        outcome = "due" if heard.subjects else max(counted, key=lambda each: counted[each])
        events = tuple(f"{each.verb} {each.type}/{each.id}" for each in delivery.events)
        if not events:
            outcome = "empty"
        newest = max((e.last_updated for e in delivery.events if e.last_updated), default=None)
        self.watcher(
            Arrived(
                delivery.source,
                delivery.dialect,
                outcome,
                events,
                heard.subjects,
                delivery.received_at,
                newest,
            )
        )

    # --- work

    def start(self) -> int:
        """Make every source due for a sweep: what changed while nobody listened is heard."""
        self.store.set_back(self.clock(), self.pace.lease)  # if it was, nobody has noticed yet
        for name in self.sources:
            self.store.raise_(f"{name}:{ANYTHING}", self.clock(), why="start")
        return len(self.sources)

    def missed(self, source: Source, type_: str) -> None:
        """Nobody could tell us of changes of this type for a while: read them."""
        self.store.raise_(anything(source, type_), self.clock(), why="listening again")
        self.wake()

    def forget(self, stopped: Callable[[], bool]) -> int:
        """Purge what the journal has kept for long enough, in small steps; answers how many."""
        before = self.clock() - self.pace.keep
        if self.tracer.is_on:
            self.store.forget_traces(before)
        return self.store.purge(before, stopped=stopped)

    def tick(self) -> int:
        """Make due what time alone may have changed; answers how many."""
        now, before = self.clock(), self._ticked
        self._ticked = now
        if before is not None and before - now > SET_BACK:
            log.warning("clock_set_back", by=before - now, next="what was dated later is due")
            self.store.set_back(now, self.pace.lease)
        return self.store.ring(now)

    def work(self, owner: str, *, limit: int = 1) -> int:
        """Take up to `limit` subjects that are due and see them through; answers how many."""
        leases = self.store.lease(owner, self.clock(), self.pace.lease, limit)
        for lease in leases:
            self._see_through(lease)
        return len(leases)

    def reconcile(self, subject: str, *, dry_run: bool = False) -> Outcome:
        """Read, decide and write for one patient record ("ehr:Patient/p-7") now.

        With `dry_run` nothing is written or remembered. Raises what the servers raise then;
        otherwise errors lead to the usual retry, and the outcome has no decision.
        """
        if dry_run:
            return self._reconciler.preview(subject)
        self.store.raise_(subject, self.clock(), why="asked by a person", urgent=True)
        who = self.store.who(subject)
        while leases := self.store.lease("asked by a person", self.clock(), self.pace.lease, 1):
            outcome = self._see_through(leases[0])
            if leases[0].subject in (subject, who and who.name):
                return outcome
        return Outcome(subject)  # somebody else is at it

    def sweep(self, *, full: bool = False) -> Swept:
        """Hear what changed on every source now; `full`: everything, and read everybody again.

        What waits for a later try is due now. A source that does not answer does not keep the
        others from being heard: it is in `Swept.failed`.
        """
        news, failed = 0, dict[str, FhirError]()
        for name, source in self.sources.items():
            try:
                news += self._sweeper.sweep(source, full=full)
            except FhirError as error:
                failed[name] = error
        for person in self.store.persons(watched=True) if full else ():
            self.store.raise_(person, self.clock(), why="full sweep")
        self.store.hurry(self.clock())
        return Swept(news, failed)

    def _see_through(self, lease: Lease) -> Outcome:
        """Work on a leased subject; whatever happens, the lease ends and the mark is not lost."""
        with self._span(lease) as span:
            try:
                outcome = self._on(lease)
                if self.tracer.is_on:
                    self.store.forget_traces(lease)
                return outcome
            except Exception as error:  # noqa: BLE001 - a defect must not lose the mark
                span.failed(error)
                self._met(lease, error)
        return Outcome(lease.subject)

    def _met(self, lease: Lease, error: Exception) -> None:
        """When a subject is looked at again, by what went wrong."""
        match error:
            case LostLease():
                pass  # somebody else has it, or it was joined to another person: it is owed there
            case Unwritable():
                log.error("store_failed", subject=lease.subject, next="due again later")
            case Unavailable() | Conflict() | Gone():
                if error.writing and lease.attempts + 1 >= FAILURES:  # everything else works
                    self._fail(lease, error, None, look_again=WINDOW)
                    return
                after = getattr(error, "retry_after", None) or 0.0
                self._fail(lease, error, max(timedelta(seconds=after), self._backoff(lease)))
            case Forbidden():
                self._fail(lease, error, _FORBIDDEN_AGAIN)
            case TooMuch():
                self._fail(lease, error, None)
            case HeldBack():
                self._fail(lease, error, None, look_again=error.until - self.clock())
            case FhirError():
                if lease.subject.endswith(ANYTHING):  # polling never ends
                    self._fail(lease, error, self._backoff(lease))
                    return
                # What was refused at writing waits for somebody to look. Who could not be read is
                # set aside visibly, and tried again by itself: a proxy answers so for a while.
                again = None if error.writing else _UNREADABLE_AGAIN
                self._fail(lease, error, None, look_again=again)
            case _:
                again = self._backoff(lease) if lease.attempts + 1 < ATTEMPTS else None
                self._fail(lease, error, again)

    def _span(self, lease: Lease) -> AbstractContextManager[Span]:
        """The work on a subject continues the trace of the news that made it due."""
        if not self.tracer.is_on:
            return self.tracer.span("work")
        try:
            news = self.store.traces(lease)
        except Unwritable:
            news = []
        kind = lease.subject.partition(":")[2].partition("/")[0]
        waited = (self.clock() - lease.first_at).total_seconds()
        return self.tracer.span(
            "work", of=news, kind=kind, news=len(news), attempts=lease.attempts, waited=waited
        )

    def _fail(
        self,
        lease: Lease,
        error: Exception,
        after: timedelta | None,
        *,
        look_again: timedelta | None = None,
    ) -> None:
        # Only our own errors' texts are known to hold no detail of a person.
        what = str(error) if isinstance(error, FhirError | TooMuch | HeldBack) else named(error)
        now = self.clock()
        next_ = "parked" if after is None else "retried"
        log.warning("work_failed", subject=lease.subject, error=what, next=next_)
        try:
            self.store.fail(
                lease,
                now,
                error=what,
                retry_at=None if after is None else now + after,
                look_again=None if look_again is None else now + look_again,
            )
        except LostLease:
            if getattr(error, "writing", False):
                # Whether it was written is not known, and whoever has the person did not see it.
                self.store.raise_(lease.subject, now, why="a write without an answer")
            return
        self.watcher(Failed(lease.subject, type(error).__name__, parked=after is None))

    def _backoff(self, lease: Lease) -> timedelta:
        """Twice as long each time. A poll comes again as it would anyway: only it can see that the
        server answers again, and what changed meanwhile is not to wait for longer."""
        longer: timedelta = self.pace.retry * 2 ** min(lease.attempts, 10)
        polls = lease.subject.endswith(ANYTHING)
        return min(longer, self.pace.sweep if polls else _LONGEST_BACKOFF)

    def _on(self, lease: Lease) -> Outcome:
        source, _, what = lease.subject.partition(":")
        if source not in self.sources:  # it is no longer configured
            self.store.finish(lease, self.clock())
            return Outcome(lease.subject)

        def still() -> None:  # a catch-up takes longer than a lease, and nobody shall join in
            self.store.extend(lease, self.clock(), self.pace.lease)

        if what == ANYTHING:
            self._sweeper.sweep(self.sources[source], heard=still)
            if lease.attempts:  # it answers again: what waited for it need not wait longer
                self.store.hurry(self.clock(), server=source)
            again = self.clock() + self._until_next_sweep(self.sources[source])
            self.store.finish(lease, self.clock(), look_again=again)
            return Outcome(lease.subject)
        if what.endswith(f"/{ANYTHING}"):
            self._sweeper.sweep_type(self.sources[source], what.partition("/")[0], heard=still)
            self.store.finish(lease, self.clock())
            return Outcome(lease.subject)
        if not what.startswith("Patient/"):
            type_, _, id_ = what.partition("/")
            self._whose.find(self.sources[source], type_, id_)
            self.store.finish(lease, self.clock())
            return Outcome(lease.subject)
        return self._reconciler.reconcile(lease)

    def _until_next_sweep(self, source: Source) -> timedelta:
        links = [row for row in self.store.subscriptions() if row.source == source.name]
        alive = bool(links) and all(row.state == "active" for row in links)
        return self.pace.sweep if source.push and alive else self.pace.poll
