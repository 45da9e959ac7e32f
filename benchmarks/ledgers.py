"""Ledgers per second on one core: ten facts of one person, on three sources.

As Python and, where `make compiled` has made it, with the compiled core: each in a process of its
own, in the same run.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.population import HCPCS, Json, person
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


COMPILED = Path("build", "compiled")


def run() -> list[Row]:
    """Rows of the report. The goal is the compiled core's, which the image has."""
    rows = _rows("Python", _measured_with(None))
    if (COMPILED / ".ready").exists():
        return rows + _rows("compiled", _measured_with(COMPILED), goal=GOAL)
    return [*rows, Row("compiled", "not made", "make compiled")]


def _rows(kind: str, figures: dict[str, float], goal: int | None = None) -> list[Row]:
    core = figures["core"]
    return [
        Row(
            f"{kind}: ledgers/s, facts to next look",
            f"{core:,.0f}",
            f"{goal:,}" if goal else "",
            core / goal if goal else None,
        ),
        Row(f"{kind}: … with facts read from FHIR", f"{figures['whole']:,.0f}", ""),
        Row(f"{kind}: … and the plan of what to write", f"{figures['decided']:,.0f}", ""),
        Row(f"{kind}: facts a ledger", f"{figures['facts']:.0f}", ""),
    ]


def _measured_with(folder: Path | None) -> dict[str, float]:
    """The figures of a process that takes the package from a folder (None: as installed)."""
    place = {"PYTHONPATH": str(folder)} if folder else {}
    command = [sys.executable, "-m", "benchmarks.ledgers"]
    answer = subprocess.run(
        command, env=os.environ | place, capture_output=True, text=True, check=True
    )
    figures: dict[str, float] = json.loads(answer.stdout)
    return figures


def measured() -> dict[str, float]:
    """Ledgers a second in this process."""
    site = Settings()
    known = wiring.formulary(site)
    decider = wiring.decider(site, known, {}, today=AS_OF.date())
    people = [treated(number * 10) for number in range(PEOPLE)]
    facts = [facts_of(each) for each in people]
    mean = sum(map(len, facts)) / len(facts)
    core = per_second(lambda n: judged(facts[n], decider, n), len(facts))
    whole = per_second(lambda n: judged(facts_of(people[n]), decider, n), len(facts))
    decided = per_second(lambda n: decide(people[n], decider, n), len(facts))
    return {"facts": mean, "core": core, "whole": whole, "decided": decided}


def treated(number: int) -> dict[str, list[Json]]:
    """The records of one person; the payer also says that the drug needs an authorization."""
    records = person(number, True)
    records["payer"].append(
        {
            "resourceType": "CoverageEligibilityResponse",
            "id": f"eligibility-{number}",
            "status": "active",
            "outcome": "complete",
            "patient": {"reference": f"Patient/payer-{number}"},
            "insurance": [
                {
                    "coverage": {"reference": f"Coverage/coverage-{number}"},
                    "inforce": True,
                    "item": [
                        {
                            "productOrService": {"coding": [{"system": HCPCS, "code": "J2350"}]},
                            "authorizationRequired": True,
                        }
                    ],
                }
            ],
        }
    )
    return records


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


if __name__ == "__main__":
    json.dump(measured(), sys.stdout)
