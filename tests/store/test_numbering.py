"""Event numbers are kept with the events; a gap is closed as far as it was read."""

from __future__ import annotations

from fhirbridge.store import Gap, Numbered, Store
from tests.store.support import at, delivery, news, subscription


def tell(store: Store, *numbers: int, seconds: float, total: int | None = None) -> None:
    numbered = Numbered("Task", "t-1", numbers, total)
    store.hear([delivery(news(str(seconds)), numbered=numbered)], at(seconds))


def test_a_gap_is_as_old_as_what_was_missed_first(store: Store) -> None:
    tell(store, 1, seconds=0)
    tell(store, 3, seconds=1)
    tell(store, 6, seconds=2)
    assert store.gaps(at(0.5)) == []
    (gap,) = store.gaps(at(1))
    assert gap == Gap("ehr", "Task", "t-1", ((2, 2), (4, 5)), False, at(1))
    tell(store, 2, 4, 5, seconds=3)
    assert store.gaps(at(9)) == []
    tell(store, 8, seconds=4)
    assert store.gaps(at(9))[0].since == at(4)


def test_what_was_missed_after_a_read_began_stays_missing(store: Store) -> None:
    tell(store, 1, seconds=0)
    tell(store, 3, seconds=1)
    (gap,) = store.gaps(at(1))
    tell(store, 5, seconds=2)
    store.close_gap(gap, at(3))
    assert [each.missing for each in store.gaps(at(9))] == [((4, 4),)]
    store.close_gap(store.gaps(at(9))[0], at(4))
    assert store.gaps(at(9)) == []


def test_one_commit_may_hold_several_and_a_forgotten_subscription_misses_nothing(
    store: Store,
) -> None:
    store.save_subscription(subscription())
    told = [Numbered("Task", name, (number,), None) for number in (1, 3) for name in ("a", "b")]
    store.hear([delivery(news(str(n)), numbered=each) for n, each in enumerate(told)], at(0))
    assert [gap.subscription for gap in store.gaps(at(0))] == ["a", "b"]
    store.forget_subscription("ehr", "Task")
    assert store.gaps(at(0)) == []
    store.close_gap(Gap("ehr", "Task", "a", ((2, 2),), False, at(0)), at(1))
    assert store.gaps(at(9)) == []
