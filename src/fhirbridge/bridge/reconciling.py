"""Reconciling one person: read everywhere, decide, write one transaction, remember who is who.

A decision that meets a `Conflict` (somebody wrote at the same time) is made anew from a new
read, a few times. Sources that did not answer are looked at again soon; everything else again
when time alone could change what is found.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from fhirbridge.core.facts import Ref
from fhirbridge.core.holding import Wait, openings
from fhirbridge.core.plan import Do, Plan
from fhirbridge.core.rules import is_near
from fhirbridge.fhir.answers import Receipt
from fhirbridge.fhir.errors import Conflict, FhirError, Unavailable
from fhirbridge.store.records import Lease, LostLease, Person, Written

from . import shadowing
from .breaker import Breaker
from .deciding import Decider, Decision, Recent
from .gathering import CUT, Gatherer
from .ports import Store
from .sending import Sender
from .sources import Source
from .story import Conflicted, Decided, NotWatched, Read, Watcher, Wrote
from .tracing import UNTRACED, Tracer
from .unread import Unread
from .worklist import Worklist
from .writing import Writer

#: More changes at once for one person are a fault of data or of ours, and nobody's to read.
MOST = 60
#: How often a decision is made anew when somebody else wrote at the same time.
DECISIONS = 3
WORKLIST = "worklist"  # the kind of records that our Tasks are (`fhir.kinds`)


@dataclass(frozen=True)
class Outcome:
    """What came of one reconciliation. `bundle` is what was, or in shadow would be, sent."""

    subject: str
    decision: Decision | None = None
    bundle: Mapping[str, Any] | None = None
    done: tuple[Written, ...] = ()


class TooMuch(Exception):
    """More changes for one person than anybody could act on: a person looks first."""


class Reconciler:
    """Sees one person through. `retry`: how soon a source that failed is tried again; `lease`: how
    long a worker may take for one request."""

    def __init__(
        self,
        *,
        home: Source | None,
        store: Store,
        gatherer: Gatherer,
        decider: Decider,
        writer: Writer,
        own: Worklist,
        clock: Callable[[], datetime],
        watcher: Watcher,
        retry: timedelta,
        lease: timedelta,
        breaker: Breaker,
        silence: Callable[[datetime], Mapping[str, datetime]] = lambda _now: {},
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._home, self._store, self._gatherer = home, store, gatherer
        self._decider, self._writer = decider, writer
        self._own = own
        self._clock, self._watcher, self._retry, self._lease = clock, watcher, retry, lease
        self._breaker, self._silence, self._tracer = breaker, silence, tracer
        self._unread = Unread()

    def reconcile(self, lease: Lease) -> Outcome:
        """Read, decide and write under a lease. Raises what the worklist's server raises."""
        subject, who = lease.subject, self._store.who(lease.subject)
        known = self._known(subject, who)
        if not (who and who.watched):
            # Watched from before the read: news that comes meanwhile must not be passed over.
            self._store.link(subject, [subject], True, self._clock())
        for attempt in range(1, DECISIONS + 1):
            decision = self.look(known, self._recent(lease))
            if decision is None:
                self._store.link(subject, [subject], False, self._clock())
                self._store.finish(lease, self._clock())
                return Outcome(subject)
            self._remember(lease, decision, known)
            self._shadow(lease.subject, decision)
            if not decision.watched:
                self._store.finish(lease, self._clock())
                self._watcher(NotWatched(subject))
                return Outcome(subject, decision)
            try:
                return self._write(lease, decision)
            except Conflict:
                self._watcher(Conflicted(subject))
                if attempt == DECISIONS:
                    raise
        raise AssertionError("unreachable")

    def preview(self, subject: str) -> Outcome:
        """What would be done once it has settled; nothing is written and nothing remembered."""
        decision = self.look(self._known(subject, self._store.who(subject)))
        if decision is None:
            return Outcome(subject)
        return Outcome(subject, decision, self._writer.bundle(decision.plan, decision))

    def _known(self, subject: str, who: Person | None) -> list[Ref]:
        """The person's patient records, the worklist server's own first."""
        names = who.records if who else (subject,)
        home = self._home.name if self._home else None
        return sorted((_ref(name) for name in names), key=lambda ref: ref.source != home)

    def look(self, known: Sequence[Ref], recent: Recent | None = None) -> Decision | None:
        """Read the person and decide. None: there is no such person any more."""
        with self._tracer.span("gather", known=len(known)) as span:
            gathered = self._gatherer.gather(known)
            span.say(records=len(gathered.records), unread=list(gathered.failed))
        records = tuple(ref.name for ref in gathered.records)
        unread = {name: type(error).__name__ for name, error in gathered.failed.items()}
        self._watcher(Read(known[0].name, records, dict(gathered.requests), unread))
        self._unread.tell(gathered.requests, gathered.failed)
        if self._home and self._home.name in gathered.failed:
            raise gathered.failed[self._home.name]  # what we said before stands there
        if self._home and gathered.sight.get((self._home.name, WORKLIST)) == CUT:
            # What is not shown would count as deleted, and what stands be opened again.
            raise Unavailable(self._home.name, "read the worklist", "not all of it was shown")
        if not gathered.records:
            return None
        if self._home and not self._home.has_tasks:
            gathered = replace(gathered, ours=self._own.tasks(gathered.record_names))
        now, decider = self._clock(), self._decider
        if self._home and not self._home.shows_acceptance:
            decider = replace(decider, reminders=())  # they would go to those who are at work
        with self._tracer.span("decide", facts=len(gathered.facts)) as span:
            made = decider.decide(gathered, now, self._recall, recent, self._silence(now))
            findings = made.judgement.findings
            span.say(findings=len(findings), rules=sorted({each.rule for each in findings}))
        return made

    def _recent(self, lease: Lease) -> Recent | None:
        """What waits. A person who asks for a decision now does not mean: in a quarter hour."""
        if lease.urgent:
            return None
        today = self._decider.calendar.day(self._clock())
        waits = self._store.waits(lease.subject) if self._decider.patience.window else []
        return Recent(
            waits=tuple(Wait(key, Do(do), since) for key, do, since in waits),
            opened=lambda owner: self._store.opened(owner, today),
        )

    def _recall(self, keys: Collection[str]) -> Mapping[str, Written]:
        return self._store.last_written(self._home.name, keys) if self._home else {}

    def _remember(self, lease: Lease, decision: Decision, known: Sequence[Ref]) -> None:
        """Who is who, as it was read now; records that do not belong to the person part."""
        person, watched, now = decision.person.name, decision.watched, self._clock()
        names = decision.gathered.record_names
        as_before = {ref.name for ref in known} == names
        if not (as_before and lease.subject == person and watched):
            self._store.link(person, sorted(names), watched, now)
        for ref in known:
            if ref.name not in names and ref.source not in decision.gathered.failed:
                self._part(ref.name)
        self._part_the_doubtful(decision)
        if lease.subject != person:
            self._store.raise_(person, now, why="records joined", trace=self._tracer.here())
            raise LostLease(f"{lease.subject} belongs to {person}")

    def _part_the_doubtful(self, decision: Decision) -> None:
        """A record that may be either of two was joined when only one of them was known."""
        for doubt in decision.gathered.doubts:
            person = self._store.who(doubt.record.name)
            if person is None:
                continue
            wrong = {ref.name for ref in doubt.candidates}.intersection(person.records)
            for name in sorted(wrong | {doubt.record.name} if wrong else wrong):
                if name != person.name:
                    self._part(name)

    def _part(self, record: str) -> None:
        """A record is a person of its own again, to be looked at."""
        now = self._clock()
        self._store.link(record, [record], True, now)
        self._store.raise_(record, now, why="records parted")

    def _write(self, lease: Lease, decision: Decision) -> Outcome:
        allowed = decision.allowed
        bundle = self._writer.bundle(decision.plan, decision)
        waited = self._clock() - lease.first_at
        self._watcher(Decided(lease.subject, decision, bundle, waited))
        done: list[Written] = []
        sent = self._writer.bundle(allowed, decision) if allowed != decision.plan else bundle
        if sent is not None and allowed and self._home:
            if len(allowed.intents) > MOST:
                raise TooMuch(f"{len(allowed.intents)} changes for one person, at most {MOST}")
            self._breaker.check(lease.subject, self._clock())
            self._store.may_write(lease, self._clock())
            intents = len(allowed.intents)
            with self._tracer.span("write", source=self._home.name, intents=intents) as span:
                receipts = self._sent(self._home, sent, lease, decision, allowed)
                span.say(created=len([each for each in receipts if each and each.created]))
            done = self._writer.written(decision, allowed, sent, receipts)
            self._count(allowed)
        if self._decider.patience.window:
            waits = [(each.key, each.do.value, each.since) for each in decision.held.waits]
            self._store.save_waits(lease.subject, waits)
        self._finish(lease, decision, done)
        if done:
            self._watcher(Wrote(lease.subject, tuple(done), sent or {}))
        return Outcome(lease.subject, decision, bundle, tuple(done))

    def _sent(
        self,
        home: Source,
        bundle: Mapping[str, Any],
        lease: Lease,
        decision: Decision,
        allowed: Plan,
    ) -> Sequence[Receipt | None]:
        def still() -> None:  # what is sent part by part may take longer than a lease
            self._store.may_write(lease, self._clock())
            self._store.extend(lease, self._clock(), self._lease)

        sender = Sender(home, self._own, self._writer.doubled, still)
        try:
            return sender.send(bundle, decision.person.name)
        except (FhirError, LostLease) as error:
            if isinstance(error, FhirError):
                error.writing = True
            half = self._writer.written(decision, allowed, bundle, sender.receipts(bundle))
            if half:
                self._store.add_writes(lease.subject, half, self._clock())
                if isinstance(error, LostLease):
                    self._store.raise_(lease.subject, self._clock(), why="written late")
            raise

    def _finish(self, lease: Lease, decision: Decision, done: Sequence[Written]) -> None:
        try:
            self._store.finish(
                lease,
                self._clock(),
                own=[*decision.found, *done],  # what was written now comes last
                look_again=self._look_again(decision),
                urgent=is_near(decision.ledger, decision.as_of),
            )
        except LostLease:
            # It was written all the same: the lease ran out after it was sent. Whoever has the
            # person now may have read her before.
            self._store.add_writes(lease.subject, done, self._clock())
            if done:
                self._store.raise_(lease.subject, self._clock(), why="written late")
            raise

    def _shadow(self, subject: str, decision: Decision) -> None:
        """Remember what would have been written, to compare it with what people do."""
        if decision.shadowed:
            before = self._store.shadows(subject)
            if rows := shadowing.seen(subject, before, decision):
                self._store.save_shadows(rows)

    def _count(self, plan: Plan) -> None:
        if self._decider.patience.most is not None and (counts := openings(plan)):
            self._store.add_openings(counts, self._decider.calendar.day(self._clock()))

    def _look_again(self, decision: Decision) -> datetime | None:
        """When time alone could change something, or a silent source may speak again."""
        moments = [decision.next_look] if decision.next_look else []
        for error in decision.gathered.failed.values():
            wait = timedelta(seconds=getattr(error, "retry_after", None) or 0.0)
            moments.append(self._clock() + max(wait, self._retry))
        return min(moments, default=None)


def _ref(name: str) -> Ref:
    """`ehr:Patient/p-7` as a Ref."""
    source, _, place = name.partition(":")
    type_, _, id_ = place.partition("/")
    return Ref(source, type_, id_)
