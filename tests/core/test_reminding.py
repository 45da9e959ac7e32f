"""Reminders: few, in time, and never to somebody who has answered."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Role, Severity
from fhirbridge.core.holding import Patience, hold, openings
from fhirbridge.core.plan import Do, Plan, Said, Told, Why, decide
from fhirbridge.core.reminding import Reminders, Schedule, afterwards, moments
from tests.core.test_plan import KEY, finding
from tests.core.test_plan import said as any_said

ZONE = ZoneInfo("America/New_York")
CALENDAR = Calendar(ZONE, frozenset({date(2026, 12, 25)}))
SCHEDULE = Schedule(CALENDAR, (3, 1))
ASKED = datetime(2026, 12, 1, 10, tzinfo=ZONE)  # a Tuesday
DUE = datetime(2026, 12, 11, 23, 59, tzinfo=ZONE)  # Friday of the next week
FIRST = datetime(2026, 12, 8, 8, tzinfo=ZONE)
LAST = datetime(2026, 12, 10, 8, tzinfo=ZONE)
A_MOMENT = timedelta(microseconds=1)


def said(told: Told = Told.OPEN, **more: Any) -> Said:
    plain: dict[str, Any] = {"written": ASKED, "due": DUE, "owner": Role.PHARMACY.value}
    return any_said(told, **(plain | more))


def reminded(one: Said, at: datetime, *others: Said) -> date | None:
    return Reminders(SCHEDULE, (one, *others), at)(one)


def test_on_the_days_of_the_schedule_at_eight_in_the_morning() -> None:
    assert list(moments([said()], SCHEDULE)) == [FIRST, LAST]
    assert reminded(said(), FIRST - A_MOMENT) is None
    assert reminded(said(), FIRST) == FIRST.date()


@pytest.mark.parametrize(("written", "days"), [(4, 2), (6, 2), (7, 1), (8, 1), (9, 0)])
def test_there_are_two_business_days_for_answering_before_the_first(
    written: int, days: int
) -> None:
    asked = datetime(2026, 12, written, 10, tzinfo=ZONE)
    assert len(list(moments([said(written=asked)], SCHEDULE))) == days


def test_each_once_and_what_was_missed_is_one() -> None:
    once = said(reminded=FIRST.date())
    assert reminded(once, LAST - A_MOMENT) is None
    assert reminded(once, LAST) == LAST.date()
    assert list(moments([once], SCHEDULE)) == [LAST]
    assert reminded(said(), LAST + timedelta(hours=5)) == LAST.date()
    assert reminded(said(reminded=LAST.date()), LAST + timedelta(hours=5)) is None


def test_when_the_time_is_over_the_coordinator_knows() -> None:
    assert reminded(said(), DUE) is None


def test_weekends_and_holidays_are_no_days_for_answering() -> None:
    monday = datetime(2026, 12, 28, 23, 59, tzinfo=ZONE)
    asked = datetime(2026, 12, 15, 9, tzinfo=ZONE)
    (third, first) = moments([said(due=monday, written=asked)], SCHEDULE)
    assert (third.date(), first.date()) == (date(2026, 12, 22), date(2026, 12, 24))


@pytest.mark.parametrize("told", [each for each in Told if each is not Told.OPEN])
def test_nobody_who_has_answered_is_reminded(told: Told) -> None:
    assert reminded(said(told), LAST) is None


@pytest.mark.parametrize(
    "more",
    [
        {"owner": "coordinator"},
        {"owner": "patient"},
        {"owner": ""},
        {"root": True},
        {"due": None},
        {"written": None},
        {"written": FIRST + timedelta(days=1)},  # asked a business day before the last reminder
    ],
)
def test_nor_is(more: dict[str, Any]) -> None:
    assert reminded(said(**more), LAST) is None


def test_nor_one_whom_the_coordinator_is_calling() -> None:
    calling = said(Told.STARTED, rule="owner-unresponsive", owner="coordinator", key="u")
    elsewhere = said(Told.STARTED, rule="owner-unresponsive", key="u", occasion="another")
    waiting = said(rule="owner-unresponsive", owner="coordinator", key="u")
    assert reminded(said(), LAST, calling) is None
    assert reminded(said(), LAST, elsewhere, waiting) == LAST.date()


def plan_of(one: Said, at: datetime, **now: Any) -> Plan:
    found = [finding(**now)] if now.pop("found", True) else []
    return decide(found, [one], reminders=Reminders(SCHEDULE, (one,), at))


def acts(plan: Plan) -> list[tuple[Do, date | None]]:
    return [(each.do, each.remind) for each in plan.intents if each.key == KEY]


def test_a_plan_reminds_of_what_stands_and_revises_what_changed_with_it() -> None:
    assert acts(plan_of(said(), LAST)) == [(Do.REMIND, LAST.date())]
    assert acts(plan_of(said(), LAST, digest="d1")) == [(Do.REVISE, LAST.date())]
    assert acts(plan_of(said(), ASKED)) == []


def test_what_is_gone_or_cannot_be_judged_is_not_reminded_of() -> None:
    reminders = Reminders(SCHEDULE, (said(),), LAST)
    gone = decide([], [said()], reminders=reminders)
    assert acts(gone) == [(Do.CLOSE, None)]
    unseen = decide([], [said()], cannot_tell=lambda *_: True, reminders=reminders)
    assert not unseen
    assert not decide([finding()], [said()], held={KEY}, reminders=reminders)


def test_a_reminder_counts_as_something_to_read_and_comes_after_new_tasks() -> None:
    plan = decide(
        [finding(), finding(key="new", severity=Severity.S3)],
        [said()],
        reminders=Reminders(SCHEDULE, (said(),), LAST),
    )
    assert openings(plan) == {"pharmacy": 2}
    found = hold(plan, Patience(most=1), (), lambda _: 0, LAST)
    assert found.keys == {KEY}
    assert found.late
    assert not found.over  # the coordinator hears of new Tasks that wait, not of this
    full = {"pharmacy": 1}
    none_left = hold(plan, Patience(most=1), (), lambda owner: full.get(owner, 0), LAST)
    assert none_left.keys == {KEY, "new"}
    assert len(none_left.over) == 1


def test_what_a_plan_opens_or_revises_counts_for_the_next_look() -> None:
    opened = decide([finding(due=DUE)], [])
    after = afterwards([], opened, ASKED)
    assert [(each.owner, each.due, each.written) for each in after if not each.root] == [
        ("pharmacy", DUE, ASKED)
    ]
    later = DUE + timedelta(days=7)
    revised = decide([finding("d1", due=later)], [said()])
    assert [each.due for each in afterwards([said()], revised, LAST) if not each.root] == [later]
    again = plan_of(said(), LAST)
    assert [each.due for each in afterwards([said()], again, LAST) if not each.root] == [DUE]
    closed = decide([], [said()])
    assert not [each for each in afterwards([said()], closed, LAST) if not each.root]
    twice = [said(untouched=True), said(ref=Ref("ehr", "Task", "10"), untouched=True, written=LAST)]
    one = decide([finding()], twice)
    assert {each.why for each in one.intents} >= {Why.DOUBLE}
    assert len([each for each in afterwards(twice, one, LAST) if not each.root]) == 1
    more = decide([finding(), finding(key="k-2", occasion="o-2")], twice)
    assert {each.key for each in afterwards(twice, more, LAST) if not each.root} == {KEY, "k-2"}


def test_what_stands_after_a_plan_needs_no_other() -> None:
    found = [finding(due=DUE), finding(key="k-2", occasion="o-2", rule="premed-order-missing")]
    after = afterwards([], decide(found, []), ASKED)
    assert not decide(found, after)
    assert {each.do for each in decide([], after).intents} == {Do.CLOSE}
    assert afterwards(after, decide([], after), LAST) == []


@settings(deadline=None)
@given(
    st.integers(0, 60 * 24 * 50),
    st.integers(0, 60),
    st.lists(st.integers(0, 10), max_size=3),
    st.integers(0, 60 * 24),
)
def test_between_a_moment_and_the_next_nothing_becomes_due(
    minutes: int, days: int, schedule: list[int], hours: int
) -> None:
    written = datetime(2026, 11, 1, tzinfo=UTC) + timedelta(minutes=minutes)
    one = said(written=written, due=written + timedelta(days=days))
    plan = Schedule(CALENDAR, tuple(schedule))
    at = written + timedelta(hours=hours)
    coming = [each for each in moments([one], plan) if each > at]
    until = min(coming, default=at + timedelta(days=90)) - A_MOMENT
    now, then = (Reminders(plan, (one,), moment)(one) for moment in (at, until))
    assert then in (now, None)  # None: the time is over
