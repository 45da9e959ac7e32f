"""Limits: a burst, then the steady rate; names are apart and bounded."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from hypothesis import given
from hypothesis import strategies as st

from fhirbridge.limits import Limit

START = datetime(2026, 12, 1, tzinfo=UTC)


class Clock:
    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> datetime:
        return self.now


def test_a_burst_and_then_the_steady_rate() -> None:
    clock = Clock()
    limit = Limit(burst=3, a_second=0.5, clock=clock)
    assert [limit.take("a") for _ in range(4)] == [0, 0, 0, 2]
    assert limit.take("b") == 0
    clock.now += timedelta(seconds=2)
    assert [limit.take("a") for _ in range(2)] == [0, 2]


def test_who_waits_as_told_may_go_on() -> None:
    clock = Clock()
    limit = Limit(burst=5, a_second=3, clock=clock)
    while not (wait := limit.take()):
        pass
    clock.now += timedelta(seconds=wait)
    assert limit.take() == 0


def test_a_clock_that_is_set_back_shuts_nobody_out() -> None:
    clock = Clock()
    limit = Limit(burst=2, a_second=1, clock=clock)
    limit.take()
    clock.now -= timedelta(days=1)
    clock.now += timedelta(seconds=1) if limit.take() else timedelta(0)
    assert limit.take() <= 1


def test_the_name_that_was_quiet_for_longest_is_forgotten() -> None:
    limit = Limit(burst=1, a_second=0.001, clock=Clock(), most_names=2)
    assert [limit.take(name) for name in ("a", "b", "c")] == [0, 0, 0]
    assert limit.take("a") == 0  # forgotten, so it begins anew
    assert limit.take("c") > 0


@given(st.lists(st.floats(0, 5), min_size=1, max_size=60))
def test_never_more_than_the_burst_and_the_rate(pauses: list[float]) -> None:
    clock = Clock()
    limit = Limit(burst=4, a_second=2, clock=clock)
    taken = 0
    for pause in pauses:
        clock.now += timedelta(seconds=pause)
        taken += not limit.take()
    assert taken <= 4 + 2 * (clock.now - START).total_seconds() + 1e-6
