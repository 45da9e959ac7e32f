"""Metrics in Prometheus' text format: a watcher that counts what the bridge tells.

No label holds anything of a person: sources, dialects, outcomes, rules and actions only.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from fhirbridge.bridge.ports import Store
from fhirbridge.bridge.story import Arrived, Decided, Failed, NotWatched, Read, Story, Wrote

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counters of one process, and gauges read from the store when asked."""

    def __init__(self, store: Store, clock: Callable[[], datetime]) -> None:
        self._store, self._clock = store, clock
        self._registry = registry = CollectorRegistry()
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
        self._requests = Histogram(
            "fhirbridge_requests_per_read",
            "FHIR requests that reading one person took",
            buckets=(1, 2, 3, 4, 6, 8, 12, 20),
            registry=registry,
        )
        self._unread = Counter(
            "fhirbridge_unread", "Reads that a source did not answer", ["source"], registry=registry
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
        self._due = Gauge("fhirbridge_due", "Subjects that are due", registry=registry)
        self._parked = Gauge("fhirbridge_parked", "Subjects set aside", registry=registry)
        self._age = Gauge(
            "fhirbridge_oldest_due_seconds", "How long the oldest waits", registry=registry
        )

    def __call__(self, story: Story) -> None:
        """Count one event of the story."""
        match story:
            case Arrived():
                self._deliveries.labels(story.source, story.dialect, story.outcome).inc()
            case Read():
                self._requests.observe(sum(story.requests.values()))
                for source in story.unread:
                    self._unread.labels(source).inc()
            case Decided():
                self._decisions.labels("yes").inc()
                for finding in story.decision.judgement.findings:
                    self._findings.labels(finding.rule, finding.severity.value).inc()
            case NotWatched():
                self._decisions.labels("no").inc()
            case Wrote():
                for each in story.done:
                    self._written.labels(each.type, each.action).inc()
            case Failed():
                self._failed.labels(story.error, "yes" if story.parked else "no").inc()

    def refused(self, status: int) -> None:
        """Count a delivery that was not kept; `status` is what it was answered."""
        self._refusals.labels(str(status)).inc()

    def text(self) -> bytes:
        """Everything, for a scrape."""
        now = self._clock()
        counts = self._store.counts(now)
        self._due.set(counts.due)
        self._parked.set(counts.parked)
        waited = (now - counts.oldest_due).total_seconds() if counts.oldest_due else 0.0
        self._age.set(max(waited, 0.0))
        self._links.clear()
        self._silent.clear()
        for link in self._store.subscriptions():
            self._links.labels(link.source, link.type, link.state).set(1)
            heard = link.last_heard or link.since
            self._silent.labels(link.source, link.type).set((now - heard).total_seconds())
        self._missing.clear()
        for gap in self._store.gaps(now):
            missing = sum(last - first + 1 for first, last in gap.missing)
            self._missing.labels(gap.source, gap.type).inc(missing or 1)
        return generate_latest(self._registry)
