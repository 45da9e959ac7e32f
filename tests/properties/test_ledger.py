"""What holds for every chart: order and repetition change nothing, time only where announced.

The charts are those of `people`: any mixture of facts. Whatever they say, booking and judging
give an answer and no exception.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from itertools import product
from random import Random

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fhirbridge import mappings, texts
from fhirbridge.core.booking import book
from fhirbridge.core.facts import Fact, Order, State, Visit
from fhirbridge.core.findings import Finding
from fhirbridge.core.ledger import Ledger
from fhirbridge.core.quantity import Quantity
from fhirbridge.core.rules import Judgement, judge, next_look
from tests.scenarios import scenario as s
from tests.scenarios.phrases import read
from tests.scenarios.telling import Teller

from .people import CALENDAR, DAYS, SCENARIOS, ZONE, charts, context, moments, shifted

ENGLISH = texts.load([mappings.shipped() / "tasks" / "en"])
supply_modes = st.sampled_from((None, "white-bag", "buy-and-bill"))

quick = settings(
    max_examples=80,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)


def ledger(facts: list[Fact]) -> Ledger:
    return book(facts, s.formulary(), CALENDAR)


def judged(facts: list[Fact], as_of: datetime, supply: str | None = None) -> Judgement:
    return judge(ledger(facts), context(as_of, supply))


@quick
@given(charts, moments, st.randoms(use_true_random=False), supply_modes)
def test_order_and_repetition_of_facts_make_no_difference(
    facts: list[Fact], as_of: datetime, chance: Random, supply: str | None
) -> None:
    again = [*facts, *facts[: len(facts) // 2]]
    chance.shuffle(again)
    assert ledger(again) == ledger(facts)
    assert judged(again, as_of, supply) == judged(facts, as_of, supply)


@quick
@given(charts, moments)
def test_facts_that_come_one_at_a_time_end_in_the_same_findings(
    facts: list[Fact], as_of: datetime
) -> None:
    end = judged(facts, as_of)
    last = Judgement()
    for number in range(len(facts) + 1):
        last = judged(facts[len(facts) - number :], as_of)
    assert last == end


def standing(found: Judgement) -> set[tuple[object, ...]]:
    """What must not change without a new look; the advised deadline apart."""
    return {(f.rule, f.key, f.severity, f.owner, f.digest, f.folded_into) for f in found.findings}


def unchanged_until_the_next_look(
    book_: Ledger, start: datetime, parts: list[float], supply: str | None
) -> None:
    look = next_look(book_, start)
    end = look - timedelta(microseconds=1) if look else start + timedelta(days=DAYS)
    now = standing(judge(book_, context(start, supply)))
    for part in (*parts, 1.0):
        later = start + (end - start) * part
        assert standing(judge(book_, context(later, supply))) == now, later


@quick
@given(charts, moments, st.lists(st.floats(0, 1), max_size=3), supply_modes)
def test_between_a_look_and_the_next_nothing_changes(
    facts: list[Fact], start: datetime, parts: list[float], supply: str | None
) -> None:
    unchanged_until_the_next_look(ledger(facts), start, parts, supply)


@settings(quick, max_examples=200)
@given(st.sampled_from(SCENARIOS), moments, st.lists(st.floats(0, 1), max_size=3), supply_modes)
def test_between_a_look_and_the_next_no_scenario_changes(
    scenario: s.Scenario, start: datetime, parts: list[float], supply: str | None
) -> None:
    unchanged_until_the_next_look(ledger(list(scenario.facts)), start, parts, supply)


@quick
@given(charts, moments, moments, supply_modes)
def test_the_digest_of_a_finding_does_not_depend_on_the_moment(
    facts: list[Fact], first: datetime, second: datetime, supply: str | None
) -> None:
    book_ = ledger(facts)
    if any(o.promised for o in book_.occasions):
        return  # a promise stops counting as the visit draws near
    early = {_named(f): f.digest for f in judge(book_, context(first, supply)).findings}
    late = {_named(f): f.digest for f in judge(book_, context(second, supply)).findings}
    for name in (early.keys() & late.keys()) - {("no-owner", "")}:
        assert early[name] == late[name], name


def _named(finding: Finding) -> tuple[str, str]:
    if finding.rule == "no-owner":  # it lists the other findings of that moment
        return finding.rule, ""
    return finding.key, finding.variant


def told(*lines: str) -> list[Fact]:
    """Facts in the words of scenarios."""
    one = {each.name: each for each in map(read, lines)}
    teller = Teller(one, "ocrelizumab", ZONE)
    return [teller.fact(each) for each in one.values()]


#: A dose that no link ties to the order, not long before the visit that one does.
A_DOSE_BEFORE = told(
    "order o1 ocrelizumab 600 mg, 1 visit, written 1 October 2026",
    "given g1 21 November 2026, 600 mg",
    "visit v1 8 December 2026 09:00, infusion, booked, for o1",
)


@quick
@given(charts, st.integers(-10, 10))
@example(A_DOSE_BEFORE, 10)
@example(A_DOSE_BEFORE, -10)
def test_an_occasion_keeps_its_key_when_its_visit_moves(facts: list[Fact], shift: int) -> None:
    moved = [_moved(fact, shift) for fact in facts]
    keys = {o.key for o in ledger(facts).occasions if _tied(o.visit, facts)}
    assert keys <= {o.key for o in ledger(moved).occasions}


def _tied(visit: Visit | None, facts: list[Fact]) -> bool:
    """The only visit of a chart, booked for the only order: it moves, and nothing else."""
    orders = [fact for fact in facts if isinstance(fact, Order)]
    visits = [fact for fact in facts if isinstance(fact, Visit)]
    return (
        visit is not None
        and len(visits) == len(orders) == 1
        and orders[0].state is State.ACTIVE
        and any(link.to in orders[0].names | {orders[0].ref.name} for link in visit.links)
    )


def _moved(fact: Fact, days: int) -> Fact:
    return shifted(fact, days) if isinstance(fact, Visit) else fact


@quick
@given(charts, moments, supply_modes)
def test_every_figure_that_is_said_is_recorded_or_one_step_away(
    facts: list[Fact], as_of: datetime, supply: str | None
) -> None:
    for finding in judged(facts, as_of, supply).findings:
        _explained(finding)


@quick
@given(st.sampled_from(SCENARIOS))
def test_every_figure_of_a_scenario_is_recorded_or_one_step_away(scenario: s.Scenario) -> None:
    for finding in scenario.judged().findings:
        _explained(finding)


def _explained(finding: Finding) -> None:
    """Each amount in the sentences stands in the figures or steps, or is a difference of them."""
    recorded = _numbers(finding.figures) | _numbers(
        [
            finding.say.get(name)
            for name in ("steps", "said", "readings", "each", "usual", "other_order")
        ]
    )
    near = recorded | {abs(a - b) for a, b in product(recorded, repeat=2)}
    near |= {a + b for a, b in product(recorded, repeat=2)}
    for role in finding.audience:
        text = ENGLISH.tell(finding, role).text
        said = {Decimal(each) for each in re.findall(r"(\d+(?:\.\d+)?) mg\b", text)}
        assert said <= near, (text, said - near)


def _numbers(value: object) -> set[Decimal]:
    match value:
        case Mapping():
            return set().union(*map(_numbers, value.values()))
        case list() | tuple():
            return set().union(*map(_numbers, value))
        case Quantity():
            return {value.value}
        case None:
            return set()
    return {Decimal(each) for each in re.findall(r"\d+(?:\.\d+)?", str(value))}
