"""What waits: the settle window and the ceiling of new Tasks."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhirbridge.core.facts import Party
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.holding import TOLD, Held, Patience, hold, openings, owner_of
from fhirbridge.core.plan import Do, Said, Told, decide
from fhirbridge.core.roots import root_key
from tests.core.test_plan import KEY, T0, finding, said

FAR = timedelta(days=9)
WINDOW = Patience(window=timedelta(minutes=15))


def held(
    now: list[Finding], before: list[Said], since: Held | None = None, minutes: float = 0
) -> Held:
    plan = decide(now, before)
    waits = since.waits if since else ()
    return hold(plan, WINDOW, waits, lambda _: 0, T0 + timedelta(minutes=minutes))


def test_a_new_trouble_waits_and_opens_after_the_window() -> None:
    first = held([finding(lead=FAR)], [])
    assert first.keys == {KEY}
    assert first.until == T0 + timedelta(minutes=15)
    assert not decide([finding(lead=FAR)], [], held=first.keys)
    again = held([finding("d1", lead=FAR)], [], first, 14)  # other figures: the same trouble
    assert again.keys == {KEY}
    settled = held([finding("d1", lead=FAR)], [], again, 15)
    assert not settled.keys
    assert settled.until is None


def test_a_trouble_that_went_meanwhile_begins_anew() -> None:
    first = held([finding(lead=FAR)], [])
    gone = held([], [], first, 5)
    assert not gone.waits
    assert held([finding(lead=FAR)], [], gone, 16).keys == {KEY}


@pytest.mark.parametrize(
    "more", [{"severity": Severity.S1, "lead": FAR}, {"lead": timedelta(days=3)}]
)
def test_safety_and_a_near_dose_do_not_wait(more: dict[str, Any]) -> None:
    assert not held([finding(**more)], []).keys


@pytest.mark.parametrize("told", [Told.OPEN, Told.STARTED])
def test_a_change_waits_and_leaves_task_and_root_alone(told: Told) -> None:
    root = said(Told.OPEN, key=root_key("o-1"), rule="occasion")
    before = [said(told), root]
    for now in ([finding("d1", lead=FAR)], []):
        first = held(now, before)
        assert first.keys == {KEY}
        assert not decide(now, before, held=first.keys)


def test_a_refused_task_is_escalated_at_once() -> None:
    assert not held([finding(lead=FAR)], [said(Told.REFUSED)]).keys


def test_beyond_the_ceiling_the_less_urgent_wait_and_the_coordinator_is_told_once() -> None:
    grave = finding(key="grave", severity=Severity.S1)
    soon = finding(key="soon", due=T0 + timedelta(days=1))
    late = finding(key="late", due=T0 + timedelta(days=2))
    plan = decide([late, soon, grave], [])
    counts: dict[str, int] = {}
    most = Patience(most=2)
    found = hold(plan, most, (), lambda owner: counts.get(owner, 0), T0)
    assert found.keys == {"late"}
    assert [(each.owner, each.most) for each in found.over] == [("pharmacy", 2)]
    counts = {"pharmacy": 2, TOLD + "pharmacy": 1}
    again = hold(plan, most, (), lambda owner: counts.get(owner, 0), T0)
    assert again.keys == {"late", "soon"}  # never what concerns safety
    assert again.late
    assert not again.over


def test_only_new_tasks_that_somebody_owns_are_counted() -> None:
    plan = decide([finding()], [said(Told.OPEN, key="other", rule="x")])
    assert [each.do for each in plan.intents].count(Do.OPEN) == 2  # with its root
    assert openings(plan) == {"pharmacy": 1}


def test_what_has_no_deadline_waits_for_what_has_one() -> None:
    none, soon = finding(key="none", due=None), finding(key="soon")
    found = hold(decide([none, soon], []), Patience(most=1), (), lambda _: 0, T0)
    assert found.keys == {"none"}
    (over,) = found.over
    assert (over.role, over.owner, over.most) == (Role.PHARMACY, "pharmacy", 1)
    assert openings(replace(decide([none, soon], []), over=found.over)) == {
        "pharmacy": 2,
        TOLD + "pharmacy": 1,
    }


@pytest.mark.parametrize(
    ("party", "name"),
    [
        (None, "pharmacy"),
        (Party("pharmacy", "Organization/1"), "pharmacy:Organization/1"),
        (Party("pharmacy", None, "npi|1"), "pharmacy:npi|1"),
        (Party("pharmacy", None, None, "The pharmacy"), "pharmacy"),
    ],
)
def test_an_owner_is_counted_by_name_where_the_records_name_one(
    party: Party | None, name: str
) -> None:
    parties = {Role.PHARMACY: party} if party else {}
    assert owner_of(finding(parties=parties)) == name
