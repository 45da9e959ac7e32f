"""Reading one person from every source: one request each, joined by identity.

The anchor (a patient record that we know) is read first, by id; its identifiers then find the
person on the other sources, which are read at the same time. What a source could not tell is
noted in `Gathered.sight`, never taken for absence (decision 10).

Read by id, the anchor shows no second record of its own source with the same identifiers. So
before a join is believed that was not known before, the anchor's source is searched by
identifier too: one more request, only then. What could be either of two is joined to neither.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from fhirbridge.core.facts import Fact, Problem, Ref
from fhirbridge.core.identity import Ambiguity, PatientRecord, join
from fhirbridge.fhir.chart import Chart
from fhirbridge.fhir.errors import FhirError
from fhirbridge.fhir.kinds import kind_of
from fhirbridge.fhir.read import Reading, Snapshot, read
from fhirbridge.fhir.references import locate

from .sources import Source
from .tracing import UNTRACED, Tracer

COMPLETE, CUT, UNREAD = "complete", "cut", "unread"


@dataclass(frozen=True)
class Gathered:
    """All that the sources say of one person.

    `records` are the names of the person's patient records. `sight` says for each (source,
    kind) whether it is complete, cut or unread. `failed` holds the error of each unread source.
    """

    records: tuple[Ref, ...] = ()
    facts: tuple[Fact, ...] = ()
    ours: tuple[Mapping[str, Any], ...] = ()  # our Tasks on the worklist, raw
    problems: tuple[Problem, ...] = ()
    sight: Mapping[tuple[str, str], str] = field(default_factory=dict)
    failed: Mapping[str, FhirError] = field(default_factory=dict)
    doubts: tuple[Ambiguity, ...] = ()  # records that may be either of two, and so are neither
    treated: bool = True  # False for a person who died or whose records are all inactive
    requests: Mapping[str, int] = field(default_factory=dict)

    @property
    def record_names(self) -> frozenset[str]:
        return frozenset(ref.name for ref in self.records)


class Gatherer:
    """Reads persons. `systems`: identifier systems that join records; None joins by any."""

    def __init__(
        self,
        sources: Sequence[Source],
        systems: frozenset[str] | None,
        pool: Executor,
        tracer: Tracer = UNTRACED,
    ) -> None:
        self._sources = {source.name: source for source in sources}
        self._systems, self._pool, self._tracer = systems, pool, tracer
        self._bases = {source.server.base_url: source.name for source in sources}

    def gather(self, known: Sequence[Ref]) -> Gathered:
        """Read the person of these patient records, the best anchor first.

        When the anchor's server does not answer, the next record is the anchor. Raises the
        anchor's error when none can be read; `known` without any living record gives nothing.
        """
        charts: dict[str, Chart] = {}
        failed: dict[str, FhirError] = {}
        requests = dict.fromkeys(self._sources, 0)
        by_source = _by_source(ref for ref in known if ref.source in self._sources)
        for name, ids in by_source.items():
            self._read({name: {"_id": ",".join(ids)}}, charts, failed, requests)
            if name in charts and charts[name].of("Patient"):
                break
        records = self._records(charts)
        if not records:
            if failed:
                raise next(iter(failed.values()))
            return Gathered(requests=requests)
        by_id = [name for name in charts if charts[name].of("Patient")]
        self._read_others(records, charts, failed, requests)
        gathered = self._joined(known, charts, failed, requests)
        if gathered.record_names <= {ref.name for ref in known}:
            return gathered
        self._read_rivals(by_id, charts, requests)
        return self._joined(known, charts, failed, requests)

    def _read_others(
        self,
        records: Sequence[PatientRecord],
        charts: dict[str, Chart],
        failed: dict[str, FhirError],
        requests: dict[str, int],
    ) -> None:
        """The other sources by identifier; once more where a second source named further ones."""
        asked: set[str] = set()
        for _ in range(2):
            shared = self._shared(self._records(charts) or records)
            new = shared - asked
            missing = [
                name
                for name in self._sources
                if name not in failed and not (name in charts and charts[name].of("Patient"))
            ]
            if not new or not missing:
                break
            asked |= new
            query = {"identifier": ",".join(sorted(shared))}
            self._read(dict.fromkeys(missing, query), charts, failed, requests)
        for name in self._sources:
            if name not in charts and name not in failed:  # nothing to search by: nobody there
                charts[name] = _EMPTY

    def _read_rivals(
        self, by_id: Sequence[str], charts: dict[str, Chart], requests: dict[str, int]
    ) -> None:
        """The sources that were read by id, by identifier too. Raises what they raise: a join
        that could not be checked is not made."""
        shared = self._shared(self._records(charts))
        failed: dict[str, FhirError] = {}
        found: dict[str, Chart] = {}
        if shared:
            query = {"identifier": ",".join(sorted(shared))}
            self._read(dict.fromkeys(by_id, query), found, failed, requests)
        for error in failed.values():
            raise error
        for name, chart in found.items():
            charts[name] = _together(charts[name], chart)

    def _read(
        self,
        queries: Mapping[str, Mapping[str, str]],
        charts: dict[str, Chart],
        failed: dict[str, FhirError],
        requests: dict[str, int],
    ) -> None:
        """Read these sources at the same time; the first one in this thread."""

        def one(name: str) -> Chart | FhirError:
            source = self._sources[name]
            with self._tracer.span("read", source=name) as span:
                try:
                    if "worklist" in source.holds:
                        source.learn()  # whether it has Tasks that can be asked for
                    chart = source.server.chart(queries[name], source.types)
                except FhirError as error:
                    span.say(error=type(error).__name__)
                    return error
                span.say(resources=len(chart.resources))
                return chart

        first, *rest = queries
        waiting = {name: self._pool.submit(self._tracer.carried(one), name) for name in rest}
        results = {first: one(first)} | {name: each.result() for name, each in waiting.items()}
        for name, result in results.items():
            requests[name] += 1
            if isinstance(result, Chart):
                charts[name] = result
            else:
                failed[name] = result

    def _records(self, charts: Mapping[str, Chart]) -> list[PatientRecord]:
        return [
            record
            for name, chart in charts.items()
            for record in self._reading(name, chart.of("Patient")).patients
        ]

    def _reading(self, name: str, resources: Iterable[Mapping[str, Any]]) -> Reading:
        source = self._sources[name]
        return read(Snapshot(name, tuple(resources), bases=self._bases), source.zone)

    def _shared(self, records: Iterable[PatientRecord]) -> set[str]:
        """The identifiers by which the person can be searched elsewhere."""
        return {
            f"{_escaped(system)}|{_escaped(value)}"
            for record in records
            for system, value, use in record.identifiers
            if value and use != "old" and (self._systems is None or system in self._systems)
        }

    def _joined(
        self,
        known: Sequence[Ref],
        charts: Mapping[str, Chart],
        failed: Mapping[str, FhirError],
        requests: Mapping[str, int],
    ) -> Gathered:
        readings = {name: self._reading(name, chart.resources) for name, chart in charts.items()}
        joined = join(
            [record for reading in readings.values() for record in reading.patients],
            self._systems,
        )
        # The best anchor that was read decides who is meant.
        group = next((found for ref in known if (found := joined.group_of(ref.name))), ())
        mine = {record.ref.name for record in group}
        near = mine | {ref.name for ref in known}
        facts, others = [], set()  # records of relatives who share an identifier are not kept
        for fact in (fact for reading in readings.values() for fact in reading.facts):
            if fact.patient is None or fact.patient.name in mine:
                facts.append(fact)
            else:
                others.add(fact.ref.name)
        return Gathered(
            records=tuple(sorted(record.ref for record in group)),
            facts=tuple(facts),
            ours=tuple(
                task
                for name, reading in readings.items()
                for task in reading.ours
                if self._patient(task, name) in mine
            ),
            problems=tuple(
                problem
                for reading in readings.values()
                for problem in reading.problems
                if problem.ref.name not in others
            ),
            sight=self._sight(charts, failed),
            doubts=tuple(
                doubt
                for doubt in joined.ambiguous
                if near & {ref.name for ref in (doubt.record, *doubt.candidates)}
            ),
            failed=dict(failed),
            treated=any(each.active for each in group) and not any(each.deceased for each in group),
            requests=dict(requests),
        )

    def _patient(self, task: Mapping[str, Any], name: str) -> str | None:
        """The name of the patient record that a Task is for."""
        person = task.get("for")
        reference = person.get("reference") if isinstance(person, Mapping) else None
        place = locate(reference, [self._sources[name].server.base_url])
        return f"{name}:{place.type}/{place.id}" if place else None

    def _sight(
        self, charts: Mapping[str, Chart], failed: Mapping[str, FhirError]
    ) -> dict[tuple[str, str], str]:
        sight = {}
        for name, source in self._sources.items():
            for kind in source.holds:
                chart = charts.get(name)
                state = UNREAD if name in failed or chart is None else COMPLETE
                if chart and any(kind_of(type_) == kind for type_ in chart.cut):
                    state = CUT
                sight[name, kind] = state
        return sight


_EMPTY = Chart((), frozenset(), datetime.min.replace(tzinfo=UTC))


def _together(one: Chart, other: Chart) -> Chart:
    """Two reads of one source, each record once."""
    found = {
        (each.get("resourceType"), each.get("id")): each
        for each in (*other.resources, *one.resources)
    }
    return Chart(tuple(found.values()), one.cut | other.cut, min(one.read_at, other.read_at))


def _by_source(records: Iterable[Ref]) -> dict[str, list[str]]:
    """The ids to read on each source, in the order in which the sources were named."""
    found: dict[str, list[str]] = {}
    for ref in records:
        found.setdefault(ref.source, []).append(ref.id)
    return found


def _escaped(value: str) -> str:
    """R4 search §3.1.1.4.0.1: these signs divide values."""
    return re.sub(r"([\\,$|])", r"\\\1", value)
