"""Ledgers per second on one core: ten facts of one person, on three sources."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime

from benchmarks.population import Json, person
from benchmarks.report import Row
from fhirbridge import wiring
from fhirbridge.bridge.deciding import Decider
from fhirbridge.bridge.gathering import COMPLETE, Gathered
from fhirbridge.core.booking import book
from fhirbridge.core.facts import Fact, Ref
from fhirbridge.core.rules import Context, judge, next_look
from fhirbridge.fhir.read import Snapshot, read
from fhirbridge.settings import Settings

AS_OF = datetime(2026, 11, 30, 15, tzinfo=UTC)
PEOPLE = 300
GOAL = 5000
HOLDS = {
    "ehr": ("orders", "schedule"),
    "payer": ("authorizations", "coverage"),
    "pharmacy": ("dispenses",),
}


def run() -> list[Row]:
    """Rows of the report."""
    site = Settings()
    known = wiring.formulary(site)
    decider = wiring.decider(site, known, {}, today=AS_OF.date())
    people = [person(number * 10, True) for number in range(PEOPLE)]
    facts = [facts_of(each) for each in people]
    mean = sum(map(len, facts)) / len(facts)
    core = per_second(lambda n: judged(facts[n], decider, n), len(facts))
    whole = per_second(lambda n: judged(facts_of(people[n]), decider, n), len(facts))
    decided = per_second(lambda n: decide(people[n], decider, n), len(facts))
    return [
        Row("facts a ledger", f"{mean:.0f}", ""),
        Row("ledgers/s, facts to findings and next look", f"{core:,.0f}", f"{GOAL:,}", core / GOAL),
        Row("… with facts read from FHIR", f"{whole:,.0f}", f"{GOAL:,}", whole / GOAL),
        Row("… and the plan of what to write", f"{decided:,.0f}", ""),
    ]


def facts_of(records: dict[str, list[Json]]) -> tuple[Fact, ...]:
    """The facts of one person."""
    return tuple(
        fact
        for source, resources in records.items()
        for fact in read(Snapshot(source, resources), None).facts
    )


def judged(facts: Sequence[Fact], decider: Decider, number: int) -> None:
    ledger = book(facts, decider.formulary, decider.calendar)
    context = Context(
        as_of=AS_OF,
        calendar=decider.calendar,
        person=f"ehr:Patient/ehr-{number}",
        formulary=decider.formulary,
        sight=SIGHT,
    )
    judge(ledger, context)
    next_look(ledger, AS_OF)


def decide(records: dict[str, list[Json]], decider: Decider, number: int) -> None:
    name = Ref("ehr", "Patient", f"ehr-{number}")
    decider.decide(Gathered(records=(name,), facts=facts_of(records), sight=SIGHT), AS_OF)


def per_second(work: Callable[[int], None], count: int, rounds: int = 5) -> float:
    """The best of some rounds, by the processor time of this process."""
    best = float("inf")
    for _ in range(rounds):
        began = time.process_time()
        for number in range(count):
            work(number)
        best = min(best, time.process_time() - began)
    return count / best


SIGHT = {(source, kind): COMPLETE for source, kinds in HOLDS.items() for kind in kinds}
