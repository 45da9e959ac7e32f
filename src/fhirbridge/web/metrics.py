"""Metrics in Prometheus' text format: a watcher that counts what the bridge tells.

No label holds anything of a person: sources, dialects, outcomes, rules and actions only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from math import inf, nan
from threading import Lock

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fhirbridge.bridge.ports import Store
from fhirbridge.bridge.sources import Source
from fhirbridge.bridge.story import (
    Arrived,
    Conflicted,
    Decided,
    Failed,
    NotWatched,
    Read,
    Story,
    Wrote,
)
from fhirbridge.store.records import StoreError

_SECONDS = (0.1, 0.5, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14400)
#: What alerts ask for is there from the start, at zero: Prometheus sees no increase in a series
#: that begins with its first event.
_ANSWERS = (400, 401, 413, 429, 503)
_ERRORS = ("Unavailable", "Forbidden")
#: Clocks that differ by less are taken for equal: a Date header is cut to the second.
_TO_THE_SECOND = timedelta(seconds=3)
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one process, and gauges read from the store when asked. `sources`: those that
    are configured; what the store remembers of others is not shown as lag."""

    def __init__(
        self, store: Store, clock: Callable[[], datetime], sources: Iterable[Source] = ()
    ) -> None:
        self._store, self._clock = store, clock
        self._sources = {source.name: source for source in sources}
        self._registry = registry = CollectorRegistry()
        self._scrape = Lock()  # two Prometheus servers may ask at once
        self._deliveries = Counter(
            "fhirbridge_deliveries",
            "Deliveries kept, by what became of them",
            ["source", "dialect", "outcome"],
            registry=registry,
        )
        self._refusals = Counter(
            "fhirbridge_refusals",
            "Deliveries not kept, by the answer",
            ["status"],
            registry=registry,
        )
        self._decisions = Counter(
            "fhirbridge_decisions", "Persons read and judged", ["watched"], registry=registry
        )
        self._heard_after = Histogram(
            "fhirbridge_heard_after_seconds",
            "From the lastUpdated of a change until it was kept, both by the source's clock",
            ["source", "dialect"],
            buckets=_SECONDS,
            registry=registry,
        )
        self._decided_after = Histogram(
            "fhirbridge_decided_after_seconds",
            "From the first news of a person until the decision that answers it",
            buckets=_SECONDS,
            registry=registry,
        )
        self._conflicts = Counter(
            "fhirbridge_conflicts",
            "Writes that met a change of somebody else: read and decided anew",
            registry=registry,
        )
        self._requests = Histogram(
            "fhirbridge_requests_per_read",
            "FHIR requests that reading one person took",
            buckets=(1, 2, 3, 4, 6, 8, 12, 20),
            registry=registry,
        )
        self._unread = Counter(
            "fhirbridge_unread",
            "Reads that a source did not answer, by the kind of error",
            ["source", "error"],
            registry=registry,
        )
        self._written = Counter(
            "fhirbridge_written", "Records written", ["type", "action"], registry=registry
        )
        self._failed = Counter(
            "fhirbridge_failed", "Work not finished", ["error", "parked"], registry=registry
        )
        self._findings = Counter(
            "fhirbridge_findings",
            "Findings of the decisions made, by rule",
            ["rule", "severity"],
            registry=registry,
        )
        self._links = Gauge(
            "fhirbridge_subscription",
            "1 for the state in which a Subscription stands",
            ["source", "type", "state"],
            registry=registry,
        )
        self._silent = Gauge(
            "fhirbridge_silent_seconds",
            "Since a Subscription last told us anything; of one that never did, since it is so",
            ["source", "type"],
            registry=registry,
        )
        self._missing = Gauge(
            "fhirbridge_missing_events",
            "Events of topic Subscriptions that did not come, by their numbers",
            ["source", "type"],
            registry=registry,
        )
        self._lag = Gauge(
            "fhirbridge_lag_seconds",
            "What a source changed before so long is surely known: the age of its oldest watermark;"
            " +Inf before it was read through once",
            ["source"],
            registry=registry,
        )
        self._newest_age = Gauge(
            "fhirbridge_newest_change_seconds",
            "Age of the newest change that this process heard of a source",
            ["source"],
            registry=registry,
        )
        self._newest: dict[str, datetime] = {}
        self._up = Gauge(
            "fhirbridge_store_up",
            "1: the store answered; 0: what else is read from it is NaN or left out",
            registry=registry,
        )
        self._due = Gauge("fhirbridge_due", "Subjects that are due", registry=registry)
        self._parked = Gauge("fhirbridge_parked", "Subjects set aside", registry=registry)
        self._age = Gauge(
            "fhirbridge_oldest_due_seconds", "How long the oldest waits", registry=registry
        )
        for status in _ANSWERS:
            self._refusals.labels(str(status))
        for error in _ERRORS:
            self._failed.labels(error, "no")
            for name in self._sources:
                self._unread.labels(name, error)

    def __call__(self, story: Story) -> None:
        """Count one event of the story."""
        match story:
            case Arrived():
                self._deliveries.labels(story.source, story.dialect, story.outcome).inc()
                self._hear(story)
            case Read():
                self._requests.observe(sum(story.requests.values()))
                for source, error in story.unread.items():
                    self._unread.labels(source, error).inc()
            case Decided():
                self._decisions.labels("yes").inc()
                self._decided_after.observe(max(story.waited.total_seconds(), 0.0))
                for finding in story.decision.judgement.findings:
                    self._findings.labels(finding.rule, finding.severity.value).inc()
            case NotWatched():
                self._decisions.labels("no").inc()
            case Wrote():
                for each in story.done:
                    self._written.labels(each.type, each.action).inc()
            case Conflicted():
                self._conflicts.inc()
            case Failed():
                self._failed.labels(story.error, "yes" if story.parked else "no").inc()

    def _hear(self, story: Arrived) -> None:
        if story.newest is None:
            return
        known = self._newest.get(story.source, story.newest)
        self._newest[story.source] = max(known, story.newest)
        if story.outcome in ("due", "journaled"):  # repeated news says nothing of the delay
            late = (story.received + self._ahead(story.source) - story.newest).total_seconds()
            self._heard_after.labels(story.source, story.dialect).observe(max(late, 0.0))

    def refused(self, status: int) -> None:
        """Count a delivery that was not kept; `status` is what it was answered."""
        self._refusals.labels(str(status)).inc()

    def text(self) -> bytes:
        """Everything, for a scrape. When the store does not answer, that it does not, and what this
        process counted: just then somebody looks."""
        with self._scrape:
            self._look(self._clock())
            return generate_latest(self._registry)

    def _look(self, now: datetime) -> None:
        for each in (self._links, self._silent, self._missing, self._lag):
            each.clear()
        for name, newest in self._newest.copy().items():
            age = (now + self._ahead(name) - newest).total_seconds()
            self._newest_age.labels(name).set(max(age, 0.0))
        try:
            self._look_into_the_store(now)
            self._up.set(1)
        except StoreError:
            for each in (self._due, self._parked, self._age):
                each.set(nan)
            self._up.set(0)

    def _look_into_the_store(self, now: datetime) -> None:
        counts = self._store.counts(now)
        self._due.set(counts.due)
        self._parked.set(counts.parked)
        waited = (now - counts.oldest_due).total_seconds() if counts.oldest_due else 0.0
        self._age.set(max(waited, 0.0))
        self._lags(now)
        for link in self._store.subscriptions():
            self._links.labels(link.source, link.type, link.state).set(1)
            heard = link.last_heard or link.since
            self._silent.labels(link.source, link.type).set((now - heard).total_seconds())
        for gap in self._store.gaps(now):
            missing = sum(last - first + 1 for first, last in gap.missing)
            self._missing.labels(gap.source, gap.type).inc(missing or 1)

    def _lags(self, now: datetime) -> None:
        reached = {(source, type_): moment for source, type_, moment in self._store.watermarks()}
        for name, source in self._sources.items():
            there = now + self._ahead(name)
            read = [reached.get((name, each)) for each in ("Patient", *source.types)]
            ages = [(there - moment).total_seconds() if moment else inf for moment in read]
            self._lag.labels(name).set(max(0.0, *ages))

    def _ahead(self, name: str) -> timedelta:
        """By how much a server's clock, by which it dates changes, is ahead of ours. This process
        knows when it has spoken with it, and to the second."""
        source = self._sources.get(name)
        ahead = source.server.now() - self._clock() if source else timedelta(0)
        return ahead if abs(ahead) > _TO_THE_SECOND else timedelta(0)
