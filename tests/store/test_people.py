"""Records of several sources are one person; a wrong join is undone and nothing owed is lost."""

from __future__ import annotations

import pytest

from fhirbridge.store import LostLease, Store, StoredEvent, facade
from fhirbridge.store.records import Shadow
from tests.people import is_watched, person_of, records_of
from tests.store.support import P7, START, at, delivery, news, none_due, take

X9 = "pharmacy:Patient/x-9"
M1 = "payer:Patient/m-1"


def told(subject: str, version: str = "1") -> StoredEvent:
    return news(version, id=f"of-{subject}", subject=subject, source=subject.partition(":")[0])


def hear(store: Store, subject: str, seconds: float = 0, version: str = "1") -> tuple[str, ...]:
    (heard,) = store.hear([delivery(told(subject, version))], at(seconds))
    return heard.subjects


def test_news_of_any_record_is_due_for_the_person(store: Store) -> None:
    store.link(P7, [X9, M1], True, START)
    assert records_of(store, P7) == [P7, M1, X9]
    assert hear(store, X9) == hear(store, M1) == (P7,)
    store.finish(take(store), at(1))
    assert none_due(store, 2)


def test_an_unknown_record_is_its_own_subject(store: Store) -> None:
    assert person_of(store, X9) is None
    assert not is_watched(store, X9)
    assert hear(store, X9) == (X9,)


def test_what_was_owed_for_a_record_moves_to_the_person(store: Store) -> None:
    hear(store, X9)
    store.link(P7, [X9], True, at(1))
    assert take(store, 2).subject == P7
    assert none_due(store, 3)


def test_joining_during_the_work_on_the_record_ends_that_work(store: Store) -> None:
    hear(store, X9)
    lease = take(store)
    store.link(P7, [X9], True, at(1))
    with pytest.raises(LostLease):
        store.may_write(lease, at(2))
    assert take(store, 3).subject == P7


def test_linking_again_raises_nothing(store: Store) -> None:
    for seconds in range(2):
        store.link(P7, [X9, M1], True, at(seconds))
    assert none_due(store, 3)


def test_linking_what_nothing_is_owed_for_raises_nothing(store: Store) -> None:
    hear(store, P7)
    lease = take(store)
    store.link(P7, [X9, M1], True, at(1))
    store.finish(lease, at(2))
    assert none_due(store, 3)


def test_a_wrong_join_is_undone_and_the_person_looked_at_again(store: Store) -> None:
    store.link(P7, [X9, M1], True, START)
    store.link(X9, [X9], True, at(1))
    assert person_of(store, X9) == X9
    assert records_of(store, P7) == [P7, M1]
    assert take(store, 2).subject == P7
    assert hear(store, X9, 3) == (X9,)


def test_what_is_owed_is_owed_to_both_after_parting(store: Store) -> None:
    store.link(P7, [X9], True, START)
    hear(store, X9)
    store.link(X9, [X9], True, at(1))
    assert {take(store, 2).subject, take(store, 2).subject} == {P7, X9}


def test_when_the_record_that_names_the_person_leaves_the_others_get_a_name(store: Store) -> None:
    store.link(P7, [X9, M1], True, START)
    hear(store, M1)
    store.link("ehr:Patient/other", [P7], True, at(1))
    rest = person_of(store, M1)
    assert rest == person_of(store, X9) == M1
    assert is_watched(store, X9)
    subjects = {take(store, 2).subject, take(store, 2).subject}
    assert subjects == {"ehr:Patient/other", M1}
    assert hear(store, P7, 3) == ("ehr:Patient/other",)
    assert hear(store, X9, 4) == (M1,)


def test_two_persons_who_are_one(store: Store) -> None:
    store.link(P7, [P7], True, START)
    store.link(X9, [X9, M1], False, START)
    store.link(P7, [P7, X9, M1], True, at(1))
    assert records_of(store, P7) == [P7, M1, X9]
    assert records_of(store, X9) == []
    assert list(store.persons(watched=False)) == []
    assert none_due(store, 2)


def test_a_timer_of_a_person_rings_for_whom_he_belongs_to(store: Store) -> None:
    hear(store, X9)
    store.finish(take(store), at(1), look_again=at(50))
    store.link(P7, [X9], True, at(2))
    assert store.ring(at(60)) == 1
    assert take(store, 61).subject == P7


def test_only_the_watched(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(facade, "_PAGE", 3)
    everybody = [f"ehr:Patient/{n:04}" for n in range(13)]
    for n, person in enumerate(everybody):
        store.link(person, [], n % 2 == 0, START)
    assert list(store.persons()) == everybody[::2]
    assert list(store.persons(watched=False)) == everybody[1::2]
    assert is_watched(store, everybody[0])
    assert not is_watched(store, everybody[1])
    store.link(everybody[1], [], True, at(1))
    assert is_watched(store, everybody[1])


def test_what_was_seen_in_shadow_of_a_record_that_joins_is_found_anew(store: Store) -> None:
    store.link(X9, [X9], True, START)
    seen = Shadow(subject=X9, key="k", since=START, rule="r", day=None, basis="o 1")
    over = Shadow(
        subject=X9, key="l", since=START, rule="r", day=None, basis="o 1", gone=at(1), how="time"
    )
    store.save_shadows([seen, over])
    store.link(P7, [X9], True, at(2))
    assert store.shadows(X9) == []
    assert store.all_shadows() == [over]
