"""News that comes in a burst is worked on once: after a quiet while, and at the latest after a set
time. What is urgent, what we asked for ourselves, and what waits after a failure is not held."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

import pytest

from fhirbridge.store import Debounce, Store
from tests.store.support import P7, START, at, delivery, names, news, none_due, take

QUIET, MOST = 2, 10
DEBOUNCE = Debounce(timedelta(seconds=QUIET), timedelta(seconds=MOST))


@pytest.fixture
def patient_store(store_url: str) -> Iterator[Store]:
    store = Store(store_url, ids=names(), debounce=DEBOUNCE)
    yield store
    store.close()


def notify(store: Store, second: float, *, urgent: bool = False, subject: str = P7) -> None:
    one = news(str(int(second * 10) + 1), urgent=urgent, subject=subject, id=f"o-{subject[-1]}")
    store.hear([delivery(one)], at(second))


def due_after(store: Store, last: float) -> float:
    """The first second from then on at which somebody is due; it is looked at in tenths."""
    return next(n / 10 for n in range(round(last * 10), 400) if store.counts(at(n / 10)).due)


def test_news_waits_until_nothing_more_came(patient_store: Store) -> None:
    for second in (0, 1, 2.5):
        notify(patient_store, second)
        assert none_due(patient_store, second)
    assert due_after(patient_store, 2.5) == 4.5
    lease = take(patient_store, 4.5)
    assert lease.first_at == START
    patient_store.finish(lease, at(4.6))
    assert none_due(patient_store, 100)


def test_news_without_end_is_worked_on_all_the_same(patient_store: Store) -> None:
    for second in range(MOST):
        notify(patient_store, second)
    assert due_after(patient_store, MOST - 1) == MOST
    notify(patient_store, MOST + 1)  # what is ready stays so, or others would get ahead of it
    assert take(patient_store, MOST + 1).first_at == START


def test_urgent_news_does_not_wait(patient_store: Store) -> None:
    notify(patient_store, 0)
    notify(patient_store, 1, urgent=True)
    assert take(patient_store, 1).urgent


def test_the_news_of_a_person_who_is_urgent_does_not_wait(patient_store: Store) -> None:
    notify(patient_store, 0)
    patient_store.finish(take(patient_store, 2), at(2), urgent=True)
    notify(patient_store, 5)
    assert take(patient_store, 5).urgent


def test_one_who_is_restless_holds_nobody_else_up(patient_store: Store) -> None:
    notify(patient_store, 0, subject="ehr:Patient/p-8")
    for second in (0, 1, 2):
        notify(patient_store, second)
    assert take(patient_store, 2).subject == "ehr:Patient/p-8"


def test_what_we_ask_ourselves_does_not_wait_and_brings_news_along(patient_store: Store) -> None:
    notify(patient_store, 0)
    patient_store.raise_(P7, at(1), why="asked")
    assert take(patient_store, 1).subject == P7


def test_what_is_due_at_a_later_moment_puts_nothing_off(patient_store: Store) -> None:
    notify(patient_store, 0)
    patient_store.raise_(P7, at(1), why="asked", due_at=at(3600))
    assert due_after(patient_store, 1) == QUIET


def test_news_hastens_what_was_due_at_a_later_moment(patient_store: Store) -> None:
    patient_store.raise_(P7, at(0), why="asked", due_at=at(3600))
    notify(patient_store, 1)
    assert due_after(patient_store, 1) == 1 + QUIET


def test_news_while_somebody_works_waits_from_its_own_beginning(patient_store: Store) -> None:
    notify(patient_store, 0)
    lease = take(patient_store, 2)
    for second in (3, 4):
        notify(patient_store, second)
    patient_store.finish(lease, at(4.5))
    assert due_after(patient_store, 4.5) == 4 + QUIET
    again = take(patient_store, 6)
    assert again.first_at == at(3)
    notify(patient_store, 7)
    patient_store.finish(again, at(30))  # it has waited long enough
    assert due_after(patient_store, 30) == 30


def test_urgent_news_while_somebody_works_is_next(patient_store: Store) -> None:
    notify(patient_store, 0)
    lease = take(patient_store, 2)
    notify(patient_store, 3, urgent=True)
    patient_store.finish(lease, at(3.5))
    assert take(patient_store, 3.5).urgent


def test_after_a_failure_the_wait_of_the_failure_holds(patient_store: Store) -> None:
    notify(patient_store, 0)
    patient_store.fail(take(patient_store, 2), at(2), error="ehr: down", retry_at=at(20))
    notify(patient_store, 3)
    assert due_after(patient_store, 3) == 20


def test_news_of_a_parked_person_is_one_more_try(patient_store: Store) -> None:
    notify(patient_store, 0)
    patient_store.fail(take(patient_store, 2), at(2), error="ehr: no", retry_at=None)
    notify(patient_store, 5)
    assert due_after(patient_store, 5) == 5 + QUIET


def test_a_sweep_waits_for_nothing(patient_store: Store) -> None:
    notify(patient_store, 0)
    assert patient_store.hurry(at(0.5)) == 1
    assert take(patient_store, 0.5).subject == P7


def test_a_server_that_answers_again_hastens_no_news(patient_store: Store) -> None:
    notify(patient_store, 0)
    assert patient_store.hurry(at(0.5), server="ehr") == 0
