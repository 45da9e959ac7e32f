"""What is told is kept before we say so, and only news raises a mark."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy as sa

from fhirbridge.store import Store, StoredEvent
from tests.store.support import (
    ORDER,
    P7,
    START,
    at,
    delivery,
    names,
    news,
    none_due,
    subscription,
    take,
)


def test_what_was_heard_is_there_for_another_process_at_once(store: Store, store_url: str) -> None:
    (heard,) = store.hear([delivery(news())], START)
    assert (heard.new, heard.subjects) == (1, (P7,))
    other = Store(store_url, ids=names())
    assert take(other).subject == P7
    other.close()


def test_a_repeated_version_is_journaled_and_raises_nothing(store: Store) -> None:
    store.hear([delivery(news("1"))], START)
    store.finish(take(store), START)
    (heard,) = store.hear([delivery(news("1"))], at(1))
    assert (heard.new, heard.duplicates, heard.subjects) == (0, 1, ())
    assert none_due(store, 2)
    assert [line.events[0].outcome for line in store.recent()] == ["duplicate", "new"]


def test_a_repeat_in_the_same_commit_is_a_duplicate_too(store: Store) -> None:
    first, second = store.hear([delivery(news("1")), delivery(news("1"))], START)
    assert (first.new, second.duplicates) == (1, 1)
    mark = store.mark(P7)
    assert mark is not None
    assert mark.generation == 1


@pytest.mark.parametrize(
    ("newer", "older"),
    [
        (news("10"), news("9")),
        (news("c3d2", updated=20), news("a1b0", updated=10)),
        (news("2", updated=20), news("3", updated=10)),
        (news("3", updated=10), news("2", updated=10)),
    ],
)
def test_an_older_version_after_a_newer_one_is_kept_and_raises_nothing(
    store: Store, newer: StoredEvent, older: StoredEvent
) -> None:
    store.hear([delivery(newer)], START)
    store.finish(take(store), START)
    (heard,) = store.hear([delivery(older)], at(1))
    assert (heard.new, heard.older, heard.subjects) == (0, 1, ())
    assert none_due(store, 2)


def test_when_nothing_tells_which_is_newer_it_is_news(store: Store) -> None:
    store.hear([delivery(news("c3d2"))], START)
    (heard,) = store.hear([delivery(news("a1b0"))], at(1))
    assert heard.new == 1


def test_a_version_given_out_again_by_a_restored_server_is_news(store: Store) -> None:
    store.hear([delivery(news("5", updated=0))], START)
    store.finish(take(store), START)
    (heard,) = store.hear([delivery(news("5", updated=7200))], at(7201))
    assert heard.new == 1
    assert take(store, 7202).subject == P7


def test_without_a_version_each_telling_is_news(store: Store) -> None:
    store.hear([delivery(news(None))], START)
    (heard,) = store.hear([delivery(news(None))], at(1))
    assert heard.new == 1


def test_what_is_not_ours_to_watch_is_journaled_only(store: Store) -> None:
    (heard,) = store.hear([delivery(news(subject=None))], START)
    assert (heard.new, heard.subjects) == (1, ())
    assert none_due(store)


def test_news_coalesces_while_it_waits(store: Store) -> None:
    store.hear([delivery(news("1"))], START)
    store.hear([delivery(news("2")), delivery(news("1", id="o-2"))], at(5))
    mark = store.mark(P7)
    assert mark is not None
    assert (mark.generation, mark.due_at, mark.first_at) == (2, START, START)
    store.finish(take(store, 6), at(6))
    assert none_due(store, 7)


def test_one_delivery_may_concern_many(store: Store) -> None:
    events = (news("1"), news("1", id="o-2", subject=ORDER), news("1", id="o-3", subject="ehr:*"))
    (heard,) = store.hear([delivery(*events)], START)
    assert set(heard.subjects) == {P7, ORDER, "ehr:*"}


def test_many_deliveries_are_one_commit(store: Store) -> None:
    commits: list[object] = []
    sa.event.listen(store._db._engine, "commit", commits.append)
    store.hear([delivery(news("1", id=f"o-{n}")) for n in range(1200)], START)
    assert len(commits) == 1
    assert store.counts(START).deliveries == {"r4-put": 1200}


def test_a_commit_that_fails_keeps_nothing_of_it(store: Store) -> None:
    naive = datetime(2026, 11, 23)  # noqa: DTZ001 - the mistake that is to be refused
    with pytest.raises(ValueError, match="without a zone"):
        store.hear([delivery(news("1")), delivery(news("2"), received_at=naive)], START)
    assert store.recent() == []
    assert none_due(store)


def test_a_body_that_was_not_understood_is_kept_with_its_problem(store: Store) -> None:
    (heard,) = store.hear([delivery(body=b"<html>", problem="not JSON")], START)
    assert heard.subjects == ()
    (line,) = store.recent()
    assert (line.problem, line.events) == ("not JSON", ())
    assert store.counts(START).problems == 1


def test_hearing_by_a_key_shows_that_the_subscription_is_alive(store: Store) -> None:
    store.save_subscription(subscription())
    store.hear([delivery(news("1"), key="k-1", received_at=at(9))], at(9))
    store.hear([delivery(news("2"), key="k-1", received_at=at(3))], at(10))
    found = store.subscription("ehr", "Task")
    assert found is not None
    assert found.last_heard == at(9)


def test_the_latest_body_is_that_of_the_newest_version(store: Store) -> None:
    store.hear([delivery(news("2", updated=20), body=b"two")], START)
    store.hear([delivery(news("1", updated=10), body=b"one")], at(1))
    store.hear([delivery(news("2", updated=20), body=b"two again")], at(2))
    assert store.latest_body("ehr", "MedicationRequest", "o-1") == b"two"
    store.hear([delivery(news("3", updated=30, verb="deleted"), body=b"")], at(3))
    assert store.latest_body("ehr", "MedicationRequest", "o-1") is None
    assert store.latest_body("ehr", "MedicationRequest", "o-9") is None


def test_nothing_secret_is_printed() -> None:
    told = delivery(news(), body=b"Canary Jones", key="canary-key")
    assert "anary" not in repr(told) + repr(subscription(key="canary-key"))
