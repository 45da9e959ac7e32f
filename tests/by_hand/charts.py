"""Charts that were written by hand, each with what a careful reader of it would find.

`must`: the rules that have to be found; `may`: that may be found besides. Any other is a false
alarm, but for `no-owner`, the consequence of a trouble whose owner nobody names.
"""

from __future__ import annotations

from typing import NamedTuple

from .records import (
    Json,
    answer,
    claim,
    coverage,
    dispense,
    given,
    order,
    patient,
    premedication,
    visit,
)

NOW = "2026-12-01T10:00:00-05:00"


class Chart(NamedTuple):
    name: str
    must: frozenset[str]
    may: frozenset[str]
    sources: dict[str, list[Json]]
    as_of: str


CHARTS: list[Chart] = []

HISTORY = [given("2026-06-16"), given("2025-12-16")]
EHR = [coverage(), order(), *premedication(), visit()]
PAYER = [claim(), answer()]
PHARMACY = [dispense()]


def chart(
    name: str,
    must: str = "",
    ehr: list[Json] = EHR,
    payer: list[Json] = PAYER,
    pharmacy: list[Json] = PHARMACY,
    may: str = "",
    history: list[Json] = HISTORY,
    as_of: str = NOW,
    person: Json | None = None,
) -> None:
    """One chart on three servers, and the same on one."""
    rules = frozenset(must.split()), frozenset((*may.split(), "no-owner"))
    who = person or patient()
    three = {"ehr": [who, *history, *ehr], "payer": [who, *payer], "pharmacy": [who, *pharmacy]}
    one = {"ehr": [who, *history, *ehr, *payer, *pharmacy]}
    CHARTS.append(Chart(f"{name} (three servers)", *rules, three, as_of))
    CHARTS.append(Chart(f"{name} (one server)", *rules, one, as_of))
