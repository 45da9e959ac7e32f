"""Facts and ledgers in the words of scenarios, for tests of what a scenario would not show."""

from __future__ import annotations

from zoneinfo import ZoneInfo

from fhirbridge.core import facts as f
from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.ledger import Ledger, Occasion
from tests.scenarios.phrases import read
from tests.scenarios.scenario import formulary
from tests.scenarios.telling import Teller

ZONE = ZoneInfo("America/New_York")
ORDER = "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026"
VISIT = "visit v1 8 December 2026 09:00, infusion, booked, for o1"


def told(*lines: str) -> list[f.Fact]:
    """Facts in the words of scenarios."""
    one = {each.name: each for each in map(read, lines)}
    teller = Teller(one, "ocrelizumab", ZONE)
    return [teller.fact(each) for each in one.values()]


def ledger(*lines: str) -> Ledger:
    return booked(told(*lines))


def booked(facts: list[f.Fact]) -> Ledger:
    return book(facts, formulary(), Calendar(ZONE))


def only(*lines: str) -> Occasion:
    (occasion,) = ledger(*lines).occasions
    return occasion
