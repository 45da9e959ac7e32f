"""Watermarks, Subscriptions, and forgetting what is old."""

from __future__ import annotations

from dataclasses import replace

import pytest

from fhirbridge.store import Store, retention
from fhirbridge.store.records import Reading
from tests.store.support import (
    MINUTE,
    P7,
    START,
    at,
    delivery,
    news,
    none_due,
    subscription,
    take,
    wrote,
)

MR = "MedicationRequest"


def test_a_watermark_goes_only_forwards(store: Store) -> None:
    assert store.watermark("ehr", MR) is None
    for seconds in (10, 5):
        store.advance("ehr", MR, at(seconds))
        assert store.watermark("ehr", MR) == at(10)
    store.advance("ehr", MR, at(11))
    assert store.watermark("ehr", MR) == at(11)
    assert store.watermark("payer", MR) is None


def test_a_first_reading_is_known_until_it_is_through(store: Store) -> None:
    assert store.reading("ehr", "Task") is None
    for reached in (5, 9):
        store.save_reading("ehr", "Task", Reading(at(0), at(reached)))
    assert store.reading("ehr", "Task") == Reading(at(0), at(9))
    assert store.reading("ehr", "Patient") is None
    store.advance("ehr", "Task", at(0))
    assert store.reading("ehr", "Task") is None


def test_a_first_reading_began_no_later_than_a_clock_that_was_set_back(store: Store) -> None:
    store.save_reading("ehr", "Task", Reading(at(9000), at(5)))
    store.set_back(at(0), MINUTE)
    reading = store.reading("ehr", "Task")
    assert reading is not None
    assert reading.began < at(0)


def test_a_heartbeat_is_a_topic_notification_without_events(store: Store) -> None:
    store.hear([delivery(news(), key="k-1", dialect="topic")], START)
    store.hear([delivery(key="k-2", dialect="topic")], START)
    store.hear([delivery(key="k-1", dialect="empty")], START)
    assert not store.beats("k-1", at(-1))
    assert store.beats("k-2", at(-1))
    assert not store.beats("k-2", START)  # a handshake, before it started


def test_what_was_not_understood_is_kept_until_it_is(store: Store) -> None:
    store.hear([delivery(news())], START)
    store.hear([delivery(key="k-1", problem="no JSON", body=b"Canary")], START)
    (found,) = store.troubled()
    assert (found.problem, found.key, found.size) == ("no JSON", "k-1", 6)
    assert "Canary" not in repr(found)
    assert store.troubled(numbers=[found.id]) == [found]
    assert store.troubled(numbers=[found.id + 1]) == []
    assert store.body(found) == b"Canary"
    store.understood(found)
    assert store.troubled() == []


def test_a_subscription_is_saved_found_changed_and_forgotten(store: Store) -> None:
    row = subscription()
    store.save_subscription(row)
    store.save_subscription(subscription("Patient", key="k-2"))
    assert store.subscription("ehr", "Task") == row
    rotated = replace(
        row, key="k-3", secret="s-2", previous_secret="s-1", server_id="77", since=at(5)
    )
    store.save_subscription(rotated)
    assert store.subscription("ehr", "Task") == rotated
    assert [one.type for one in store.subscriptions()] == ["Patient", "Task"]
    for seconds in (9, 8):  # who comes later may have been sent earlier
        store.hear([delivery(key="k-3", received_at=at(seconds))], at(9))
    assert store.subscription("ehr", "Task") == replace(rotated, last_heard=at(9))
    store.forget_subscription("ehr", "Task")
    assert store.subscription("ehr", "Task") is None


def test_what_is_old_and_done_is_forgotten_in_steps(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP", 5)
    told = [delivery(news("1", id=f"o-{n}", subject=f"ehr:Patient/{n}")) for n in range(12)]
    store.hear(told, START)
    for lease in store.lease("w-1", START, at(60) - START, limit=12):
        store.finish(lease, at(1), own=[wrote("1", id=lease.subject)])
    store.hear([delivery(news("1", id="new"), received_at=at(100))], at(100))
    assert store.purge(at(50)) > 3 * 12
    assert len(store.recent()) == 1
    assert store.mark("ehr:Patient/7") is None
    assert len(store.writes(limit=2000)) == 12
    assert store.purge(at(50)) == 0
    assert take(store, 101).subject == P7


def test_news_that_is_still_owed_is_kept_however_old(store: Store) -> None:
    store.hear([delivery(news("1"))], START)
    lease = take(store)
    store.hear([delivery(news("2"))], at(1))
    store.purge(at(50))
    store.finish(lease, at(51))
    assert take(store, 52).subject == P7


def test_the_only_copy_of_a_record_is_kept_where_it_cannot_be_read_again(store: Store) -> None:
    for version in ("1", "2"):
        told = news(version, source="payer", subject=None, id="c-1")
        store.hear([delivery(told, body=version.encode())], START)
    store.purge(at(50), keep_latest=["payer"])
    assert store.latest_body("payer", MR, "c-1") == b"2"
    assert len(store.recent()) == 1
    store.purge(at(50))
    assert store.latest_body("payer", MR, "c-1") is None


def test_a_subject_that_was_forgotten_starts_anew_without_echoes_of_its_past(store: Store) -> None:
    for version in ("1", "2", "3"):
        store.hear([delivery(news(version, source="payer"))], START)
    store.finish(take(store), at(1))
    store.purge(at(50), keep_latest=["payer"])
    store.hear([delivery(news("4", source="payer"))], at(60))
    store.finish(take(store, 60), at(61))
    assert none_due(store, 62)
