"""Deliveries that arrive together share a commit; each submitter gets its own answer."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

import pytest

from fhirbridge.store import Busy, Delivery, GroupCommit, Heard, Store, StoreError, Unwritable
from tests.store.support import START, delivery, news

PATIENCE = 10  # seconds, for what should take none


class Gated:
    """A store that waits at a gate, and notes the sizes of the groups that it is given."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.gate, self.reached = threading.Event(), threading.Event()
        self.sizes: list[int] = []
        self.fault = fault

    def hear(self, deliveries: Sequence[Delivery], now: datetime) -> list[Heard]:
        assert now == START
        self.sizes.append(len(deliveries))
        self.reached.set()
        assert self.gate.wait(PATIENCE)
        if self.fault and any(one.problem for one in deliveries):
            raise self.fault
        return [Heard(1, 0, 0, (one.source,)) for one in deliveries]


@pytest.fixture
def gated() -> Gated:
    return Gated()


@pytest.fixture
def group(gated: Gated) -> Iterator[GroupCommit]:
    group = GroupCommit(gated, lambda: START, depth=3)
    yield group
    gated.gate.set()
    group.close()


def blocked(group: GroupCommit, gated: Gated) -> None:
    """The first group is on its way to the disk."""
    group.submit(delivery(source="first"))
    assert gated.reached.wait(PATIENCE)


def test_what_arrives_during_a_commit_shares_the_next(group: GroupCommit, gated: Gated) -> None:
    blocked(group, gated)
    futures = [group.submit(delivery(source=name)) for name in "abc"]
    gated.gate.set()
    assert [future.result(PATIENCE).subjects for future in futures] == [("a",), ("b",), ("c",)]
    assert gated.sizes == [1, 3]


def test_what_a_caller_has_in_hand_at_once_shares_a_group(group: GroupCommit, gated: Gated) -> None:
    later: list[Callable[[], None]] = []
    gated.gate.set()
    futures = [group.submit(delivery(source=name), later.append) for name in "abc"]
    for call in later:
        call()
    assert [future.result(PATIENCE).subjects for future in futures] == [("a",), ("b",), ("c",)]
    assert gated.sizes == [3]


def test_what_was_taken_is_committed_at_the_end_though_nobody_rang(gated: Gated) -> None:
    gated.gate.set()
    group = GroupCommit(gated, lambda: START)
    future = group.submit(delivery(), lambda _: None)
    group.close()
    assert future.result(0)


def test_a_full_queue_refuses_at_once(group: GroupCommit, gated: Gated) -> None:
    blocked(group, gated)
    for _ in range(3):
        group.submit(delivery())
    with pytest.raises(Busy):
        group.submit(delivery())


def test_bodies_that_wait_are_bounded_too(gated: Gated) -> None:
    group = GroupCommit(gated, lambda: START, weight=100)
    heavy = group.submit(delivery(body=b"x" * 1000))
    with pytest.raises(Busy, match="1000 bytes"):
        group.submit(delivery())
    gated.gate.set()
    assert heavy.result(PATIENCE).new == 1
    group.close()


def test_what_was_taken_is_committed_before_closing(group: GroupCommit, gated: Gated) -> None:
    blocked(group, gated)
    future = group.submit(delivery())
    gated.gate.set()
    group.close()
    assert future.done()
    assert future.result().new == 1
    with pytest.raises(Busy, match="closing"):
        group.submit(delivery())


def test_a_sender_who_hung_up_is_left_out(group: GroupCommit, gated: Gated) -> None:
    blocked(group, gated)
    gone, waits = group.submit(delivery()), group.submit(delivery())
    assert gone.cancel()
    gated.gate.set()
    assert waits.result(PATIENCE).new == 1
    assert gated.sizes == [1, 1]


def test_all_are_told_when_nothing_can_be_kept(group: GroupCommit, gated: Gated) -> None:
    gated.fault = Unwritable("store: SQLITE_FULL")
    blocked(group, gated)
    futures = [group.submit(delivery()), group.submit(delivery(problem="x"))]
    gated.gate.set()
    for future in futures:
        with pytest.raises(Unwritable):
            future.result(PATIENCE)


def test_one_that_cannot_be_kept_harms_no_other(group: GroupCommit, gated: Gated) -> None:
    gated.fault = StoreError("a defect")
    blocked(group, gated)
    good, bad = group.submit(delivery()), group.submit(delivery(problem="x"))
    gated.gate.set()
    assert good.result(PATIENCE).new == 1
    with pytest.raises(StoreError):
        bad.result(PATIENCE)


def test_with_the_real_store_it_is_on_disk_when_the_future_resolves(store: Store) -> None:
    group = GroupCommit(store, lambda: START)
    futures = [group.submit(delivery(news("1", id=f"o-{n}"))) for n in range(100)]
    assert sum(future.result(PATIENCE).new for future in futures) == 100
    assert store.counts(START).deliveries == {"r4-put": 100}
    group.close()
