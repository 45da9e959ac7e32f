"""One worker at a time; news during the work means another round, our own echo does not."""

from __future__ import annotations

import pytest

from fhirbridge.store import LostLease, Store
from tests.store.support import (
    MINUTE,
    P7,
    START,
    at,
    delivery,
    echo,
    news,
    none_due,
    take,
    wrote,
)


@pytest.fixture
def due(store: Store) -> Store:
    store.hear([delivery(news("1"))], START)
    return store


def test_a_subject_is_never_leased_twice_at_a_time(due: Store) -> None:
    take(due)
    assert none_due(due, 1)
    due.hear([delivery(news("2"))], at(1))
    assert none_due(due, 2)


def test_news_that_comes_during_the_work_makes_it_due_again_at_once(due: Store) -> None:
    first = take(due)
    due.hear([delivery(news("2", urgent=True))], at(5))
    due.finish(first, at(10))
    second = take(due, 10)
    assert (second.subject, second.first_at, second.urgent) == (P7, at(5), True)
    assert second.token > first.token
    due.finish(second, at(11))
    assert none_due(due, 12)


def test_news_before_the_lease_is_covered_by_it(due: Store) -> None:
    due.hear([delivery(news("2"))], at(1))
    due.finish(take(due, 2), at(3))
    assert none_due(due, 4)


def test_the_echo_that_arrives_after_the_work_is_no_news(due: Store) -> None:
    due.finish(take(due), at(1), own=[wrote("1")])
    (heard,) = due.hear([delivery(echo("1"))], at(2))
    assert heard.duplicates == 1
    assert none_due(due, 3)


def test_the_echo_that_arrives_before_the_work_is_finished_makes_no_other_round(due: Store) -> None:
    lease = take(due)
    due.hear([delivery(echo("1"))], at(1))
    due.finish(lease, at(2), own=[wrote("1")])
    assert none_due(due, 3)


def test_a_persons_edit_of_our_task_is_news(due: Store) -> None:
    lease = take(due)
    due.hear([delivery(echo("1")), delivery(echo("2"))], at(1))
    due.finish(lease, at(2), own=[wrote("1")])
    assert take(due, 3).subject == P7


def test_asking_during_the_work_makes_it_due_again(due: Store) -> None:
    lease = take(due)
    due.raise_(P7, at(1), why="somebody asked")
    due.finish(lease, at(2), own=[wrote("1")])
    assert take(due, 3).subject == P7


def test_what_we_wrote_is_audited(due: Store) -> None:
    due.finish(take(due), at(1), own=[wrote("1"), wrote("4", id="t-2")])
    newest, oldest = due.writes()
    assert (newest.subject, newest.at, newest.written) == (P7, at(1), wrote("4", id="t-2"))
    assert oldest.written == wrote("1")


def test_an_expired_lease_is_due_again_with_a_higher_token(due: Store) -> None:
    hung = take(due)
    second = take(due, 61)
    assert second.token > hung.token
    assert second.attempts == 1  # work that kills its worker is counted
    with pytest.raises(LostLease):
        due.may_write(hung, at(62))
    with pytest.raises(LostLease):
        due.finish(hung, at(62), own=[wrote("1")], look_again=at(100))
    with pytest.raises(LostLease):
        due.fail(hung, at(62), error="late", retry_at=None)
    with pytest.raises(LostLease):
        due.extend(hung, at(62), MINUTE)
    assert due.writes() == []
    assert due.ring(at(200)) == 0
    due.may_write(second, at(63))
    due.finish(second, at(63))
    assert none_due(due, 64)


def test_a_lease_that_ran_out_may_not_write_even_if_nobody_took_it(due: Store) -> None:
    hung = take(due)
    with pytest.raises(LostLease):
        due.may_write(hung, at(60))
    due.finish(hung, at(61))  # but what it did counts
    assert none_due(due, 62)


def test_a_lease_can_be_extended(due: Store) -> None:
    lease = due.extend(take(due), at(50), MINUTE)
    assert lease.until == at(110)
    due.may_write(lease, at(100))
    assert none_due(due, 100)


def test_a_failure_is_tried_again_later_and_news_does_not_hurry_it(due: Store) -> None:
    due.fail(take(due), at(1), error="503", retry_at=at(30))
    due.hear([delivery(news("2"))], at(2))
    assert none_due(due, 29)
    again = take(due, 30)
    assert again.attempts == 1
    due.finish(again, at(31))
    due.hear([delivery(news("3"))], at(32))
    assert take(due, 33).attempts == 0


def test_what_retrying_cannot_cure_is_parked_and_can_be_retried(due: Store) -> None:
    due.fail(take(due), at(1), error="rejected: 422", retry_at=None)
    assert none_due(due, 1000)
    (mark,) = due.parked()
    assert (mark.subject, mark.last_error, mark.attempts) == (P7, "rejected: 422", 1)
    assert due.counts(at(2)).parked == 1
    assert due.retry(["ehr:Patient/other"], at(3)) == 0
    assert due.retry(None, at(3)) == 1
    assert due.parked() == []
    assert take(due, 4).attempts == 0


def test_news_gives_a_parked_subject_one_more_try(due: Store) -> None:
    due.fail(take(due), at(1), error="rejected", retry_at=None)
    due.hear([delivery(news("2"))], at(2))
    assert take(due, 3).attempts == 1


def test_news_during_the_failing_work_keeps_it_from_being_parked(due: Store) -> None:
    lease = take(due)
    due.hear([delivery(news("2"))], at(1))
    due.fail(lease, at(2), error="rejected", retry_at=None)
    assert due.parked() == []
    assert take(due, 3).subject == P7


def test_a_parked_subject_can_be_dropped_until_there_is_news(due: Store) -> None:
    due.fail(take(due), at(1), error="rejected", retry_at=None)
    assert due.drop(P7, "test patient", at(2))
    assert not due.drop(P7, "test patient", at(2))
    assert due.parked() == []
    assert none_due(due, 3)
    due.hear([delivery(news("2"))], at(4))
    assert take(due, 5).subject == P7


def test_a_timer_rings_once_and_is_replaced_by_the_next_work(due: Store) -> None:
    due.finish(take(due), at(1), look_again=at(100))
    assert due.ring(at(99)) == 0
    assert due.ring(at(100)) == 1
    assert due.ring(at(101)) == 0
    due.finish(take(due, 101), at(102), look_again=at(300))
    due.hear([delivery(news("2"))], at(103))
    due.finish(take(due, 104), at(105))  # nothing to wait for any more
    assert due.ring(at(1000)) == 0


def test_a_later_moment_can_be_asked_for_and_news_brings_it_forward(store: Store) -> None:
    store.raise_(P7, START, why="settle", due_at=at(30))
    assert none_due(store, 29)
    assert store.counts(START).waiting == 1
    store.hear([delivery(news("1"))], at(10))
    assert take(store, 10).subject == P7


def test_urgent_first_then_sources_in_turn_then_the_oldest(store: Store) -> None:
    for n in range(4):
        told = news("1", id=f"n-{n}", source="noisy", subject=f"ehr:Patient/n-{n}")
        store.hear([delivery(told)], at(n))
    quiet = news("1", id="q", source="quiet", subject="ehr:Patient/q")
    store.hear([delivery(quiet)], at(5))
    late = news("1", id="u", source="noisy", subject="ehr:Patient/u", urgent=True)
    store.hear([delivery(late)], at(6))
    order = [take(store, 10).subject.removeprefix("ehr:Patient/") for _ in range(6)]
    assert order == ["u", "q", "n-0", "n-1", "n-2", "n-3"]


def test_whose_dose_is_near_goes_first_whoever_tells_of_them(store: Store) -> None:
    for subject in ("near", "far"):
        store.hear([delivery(news(id=subject, subject=f"ehr:Patient/{subject}"))], START)
        lease = take(store)
        store.finish(lease, START, urgent=subject == "near")
    for n, subject in enumerate(("far", "near")):
        told = news("2", id=subject, subject=f"ehr:Patient/{subject}")
        store.hear([delivery(told)], at(n))
    first, second = take(store, 10), take(store, 10)
    assert [each.subject for each in (first, second)] == ["ehr:Patient/near", "ehr:Patient/far"]
    assert (first.urgent, second.urgent) == (True, False)
    store.finish(first, at(11))  # it is not near any more
    store.hear([delivery(news("3", id="near", subject="ehr:Patient/near"))], at(12))
    assert not take(store, 12).urgent


def test_what_is_urgent_without_end_leaves_turns_to_others(store: Store) -> None:
    """One restless person whose dose is near, and a sweep that waits, with one worker."""
    store.raise_("ehr:*", at(0), why="sweep")
    order = list[str]()
    for n in range(20):
        told = news(str(n), subject=P7, urgent=True)
        store.hear([delivery(told)], at(n))
        lease = take(store, n)
        order.append(lease.subject)
        store.finish(lease, at(n), urgent=lease.subject == P7)
    assert "ehr:*" in order[:10]
    assert order.count("ehr:*") == 1


def test_several_at_once(store: Store) -> None:
    store.hear([delivery(news(id=f"o-{n}", subject=f"ehr:Patient/{n}")) for n in range(5)], START)
    leases = store.lease("w-1", START, MINUTE, limit=3)
    leases += store.lease("w-2", START, MINUTE, limit=3)
    assert len({lease.subject for lease in leases}) == len(leases) == 5
    assert len({lease.id for lease in leases}) == 5


def test_counts(due: Store) -> None:
    due.hear([delivery(news(id="o-2", subject="ehr:Patient/2"))], at(1))
    take(due, 2)
    counts = due.counts(at(3))
    assert (counts.due, counts.leased, counts.oldest_due) == (1, 1, at(1))
    assert counts.deliveries == {"r4-put": 2}


def test_what_waits_for_a_server_need_not_wait_when_it_answers_again(due: Store) -> None:
    due.fail(take(due), START, error="ehr: search Task: down", retry_at=at(3600))
    assert due.hurry(at(1), server="pharmacy") == 0
    assert none_due(due, 1)
    assert due.hurry(at(2), server="ehr") == 1
    assert take(due, 2).attempts == 1


def test_what_is_parked_or_in_hand_is_not_hurried(due: Store) -> None:
    lease = take(due)
    assert due.hurry(at(1)) == 0
    due.fail(lease, at(2), error="ehr: refused", retry_at=None)
    assert due.hurry(at(3)) == 0
    assert none_due(due, 3)


def test_why_work_was_dropped_is_kept_when_the_journal_is_purged(store: Store) -> None:
    store.raise_("p-1", START, why="a test")
    assert store.drop("p-1", "the payer has left", at(1))
    store.purge(at(10_000_000))
    assert [(each.subject, each.why) for each in store.dropped()] == [("p-1", "the payer has left")]


def test_time_alone_does_not_bring_back_what_was_dropped(store: Store) -> None:
    """Who was set aside with a look to come, too: nothing is owed until the next news."""
    store.hear([delivery(news())], START)
    store.fail(take(store), at(1), error="no FHIR", retry_at=None, look_again=at(60))
    assert store.drop(P7, "moved away", at(2))
    assert store.ring(at(61)) == 0
    assert none_due(store, 61)
    store.hear([delivery(news("2"))], at(62))
    assert take(store, 63).subject == P7
