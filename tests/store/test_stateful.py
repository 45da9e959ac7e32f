"""Any history of telling, asking, working, failing, hanging, joining and parting.

The model remembers, for each record, when it was last news and when a worker last finished with
it. Whatever happens: what is not covered is owed, two workers never hold one subject, and tokens
only grow.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

import hypothesis.strategies as st
from hypothesis import HealthCheck, settings
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from fhirbridge.store import Lease, LostLease, Store
from tests.people import person_of, records_of
from tests.store.support import MINUTE, START, delivery, echo, names, news, wrote

RECORDS = ["ehr:Patient/1", "ehr:Patient/2", "payer:Patient/1", "pharmacy:Patient/1"]
record = st.sampled_from(RECORDS)
pick = st.integers(0, 9)


@dataclass
class Held:
    lease: Lease
    seq: int  # of the last news when it was taken
    records: list[str]  # of the person then
    written: list[str] = field(default_factory=list)  # versions


class AnyHistory(RuleBasedStateMachine):
    def __init__(self, url: str | None = None) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory()
        url = url or f"sqlite:///{Path(self.folder.name) / 'store.db'}"
        self.store = Store(url, ids=names())
        self.now = START
        self.seq = 0
        self.told: dict[str, int] = dict.fromkeys(RECORDS, 0)  # record -> seq of its last news
        self.done: dict[str, int] = dict.fromkeys(RECORDS, 0)  # record -> seq it is covered to
        self.held: list[Held] = []
        self.tokens: dict[str, int] = {}
        self.version = 0
        self.task = 0
        self.heard: set[str] = set()  # sources

    def teardown(self) -> None:
        self.store.close()
        self.folder.cleanup()

    # --- what may happen

    @rule(record=record, repeat=st.booleans(), urgent=st.booleans())
    def hear(self, record: str, repeat: bool, urgent: bool) -> None:
        self.version += 1
        source = record.partition(":")[0]
        self.heard.add(source)
        told = news(str(self.version), subject=record, source=source, urgent=urgent)
        self.store.hear([delivery(told)] * (2 if repeat else 1), self.now)
        self._told(record)

    @rule(record=record)
    def hear_an_old_version_and_a_repeat(self, record: str) -> None:
        source = record.partition(":")[0]
        self.store.hear([delivery(news("0", subject=record, source=source))] * 2, self.now)
        if source not in self.heard:
            self._told(record)
            self.heard.add(source)

    @rule(record=record, later=st.booleans())
    def ask(self, record: str, later: bool) -> None:
        due_at = self.now + 2 * MINUTE if later else None
        self.store.raise_(record, self.now, why="test", due_at=due_at)
        self._told(record)

    @rule(limit=st.integers(1, 3))
    def lease(self, limit: int) -> None:
        taken = self.store.lease("w", self.now, MINUTE, limit=limit)
        for lease in taken:
            assert lease.subject not in {one.lease.subject for one in self._valid()}
            assert lease.token > self.tokens.get(lease.subject, 0)
            self.tokens[lease.subject] = lease.token
            records = records_of(self.store, lease.subject) or [lease.subject]
            self.held.append(Held(lease, self.seq, records))

    @precondition(lambda self: self.held)
    @rule(which=pick, echoes=st.integers(0, 2))
    def write(self, which: int, echoes: int) -> None:
        held = self.held[which % len(self.held)]
        try:
            self.store.may_write(held.lease, self.now)
        except LostLease:
            return
        self.task += 1
        held.written.append(str(self.task))
        told = echo(str(self.task), subject=held.lease.subject)
        self.store.hear([delivery(told)] * echoes, self.now)

    @precondition(lambda self: self.held)
    @rule(which=pick, timer=st.booleans())
    def finish(self, which: int, timer: bool) -> None:
        held = self.held.pop(which % len(self.held))
        look_again = self.now + 3 * MINUTE if timer else None
        own = [wrote(version) for version in held.written]
        try:
            self.store.finish(held.lease, self.now, own=own, look_again=look_again)
        except LostLease:
            return
        for record in held.records:
            self.done[record] = max(self.done[record], held.seq)

    @precondition(lambda self: self.held)
    @rule(which=pick, again=st.booleans())
    def fail(self, which: int, again: bool) -> None:
        held = self.held.pop(which % len(self.held))
        retry_at = self.now + MINUTE if again else None
        try:
            self.store.fail(held.lease, self.now, error="test", retry_at=retry_at)
        except LostLease:
            return

    @precondition(lambda self: self.held)
    @rule(which=pick)
    def extend(self, which: int) -> None:
        held = self.held[which % len(self.held)]
        try:
            held.lease = self.store.extend(held.lease, self.now, MINUTE)
        except LostLease:
            self.held.remove(held)

    @rule(seconds=st.sampled_from([1, 30, 61]))
    def time_passes(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)
        self.store.ring(self.now)

    @rule()
    def retry(self) -> None:
        self.store.retry(None, self.now)

    @rule(person=record, others=st.sets(record, max_size=3))
    def link(self, person: str, others: set[str]) -> None:
        self.store.link(person, others, True, self.now)

    # --- what must hold

    @invariant()
    def what_is_not_covered_is_owed(self) -> None:
        for record in RECORDS:
            if self.told[record] > self.done[record]:
                mark = self.store.mark(person_of(self.store, record) or record)
                assert mark is not None, record
                assert mark.due_at is not None, record

    @invariant()
    def every_record_belongs_to_a_person_who_is_named_by_a_record_of_his(self) -> None:
        for record in RECORDS:
            person = person_of(self.store, record)
            assert person is None or person_of(self.store, person) == person

    @invariant()
    def all_that_is_owed_is_counted(self) -> None:
        counts = self.store.counts(self.now)
        marks = [self.store.mark(record) for record in RECORDS]
        owed = sum(1 for mark in marks if mark is not None and mark.due_at is not None)
        assert counts.due + counts.waiting + counts.leased + counts.parked == owed

    def _told(self, record: str) -> None:
        self.seq += 1
        self.told[record] = self.seq

    def _valid(self) -> list[Held]:
        return [one for one in self.held if self._is_valid(one.lease)]

    def _is_valid(self, lease: Lease) -> bool:
        mark = self.store.mark(lease.subject)
        if mark is None or mark.until is None:
            return False
        return mark.token == lease.token and mark.until > self.now


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(
    max_examples=8,
    stateful_step_count=30,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
