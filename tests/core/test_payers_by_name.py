"""Whether the payer that approved a dose is surely none of those that insure the person."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from fhirbridge.core.booking import book
from fhirbridge.core.facts import Authorization, Coverage, Fact, Party, State
from fhirbridge.core.rules import judge
from fhirbridge.core.rules.coverage import _named_otherwise
from tests.scenarios import scenario as s

from .test_thresholds import ADMIN, DRUG, ORDER, VISIT, story


def named(display: str | None, source: str = "ehr") -> Party:
    return Party(source, display=display)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (named("Example Health"), named("Second Mutual"), True),
        (named("Example Health Plan"), named("EXAMPLE HEALTH"), False),
        (named("Health Plan"), named("Second Mutual"), False),  # it says no name
        (named("Example Health"), named(None), False),
        (named("Example Health", "payer"), named("Second Mutual"), False),
    ],
)
def test_names_with_no_word_in_common_are_two(one: Party, other: Party, differ: bool) -> None:
    assert _named_otherwise(one, other) is differ


OLD, SECOND = named("Example Health"), named("Second Mutual")
AT_PAYER = named("example  health", "payer")


@pytest.mark.parametrize(
    ("insurer", "former", "present", "changed"),
    [
        # The payer's server calls itself as the chart calls the insurance that ended.
        (AT_PAYER, [OLD], [SECOND], True),
        (AT_PAYER, [OLD], [named("Example Health Plan")], False),
        # The chart does not know it: nobody can tell that it is another one.
        (AT_PAYER, [named("Third Union")], [SECOND], False),
        (AT_PAYER, [], [SECOND], False),
        (named(None, "payer"), [named(None)], [SECOND], False),
        # It is there still, be it as one of two, or under the same name at another server.
        (OLD, [], [OLD], False),
        (OLD, [], [SECOND, OLD], False),
        (AT_PAYER, [], [SECOND, OLD], False),
        (AT_PAYER, [OLD], [OLD], False),
        # One of those of today is another, and of the other nobody knows.
        (AT_PAYER, [OLD], [SECOND, named("Third Union", "clinic")], False),
        (AT_PAYER, [OLD], [SECOND, named("Second Mutual", "clinic")], True),
        # Without a name one server tells two organizations apart all the same.
        (Party("payer", "Organization/1"), [], [Party("payer", "Organization/2")], True),
        (AT_PAYER, [OLD], [], False),
    ],
)
def test_a_payer_is_a_former_one_where_that_is_sure(
    tmp_path: Path, insurer: Party, former: list[Party], present: list[Party], changed: bool
) -> None:
    payors = [*former, *present]
    lines = [f"coverage c{number} active" for number, _ in enumerate(payors, start=1)]
    told = story(tmp_path, "30 November", ORDER, VISIT, DRUG, ADMIN, *lines)
    states = [State.WITHDRAWN] * len(former) + [State.ACTIVE] * len(present)
    insured = iter(zip(payors, states, strict=True))
    facts: list[Fact] = []
    for fact in told.facts:
        if isinstance(fact, Coverage):
            payor, state = next(insured)
            facts.append(replace(fact, payor=payor, state=state))
        elif isinstance(fact, Authorization) and fact.ref.id == "a1":
            facts.append(replace(fact, insurer=insurer))
        else:
            facts.append(fact)
    judged = judge(book(facts, s.formulary(), told.calendar), told.context())
    assert ("payer-changed" in {each.rule for each in judged.findings}) is changed
