"""Many workers and many senders at once, in threads, each worker with a connection of its own."""

from __future__ import annotations

import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fhirbridge.fhir.sharing import Shared, Token
from fhirbridge.store import Lease, Store
from tests.store.support import MINUTE, START, at, delivery, echo, names, news, wrote

SUBJECTS = [f"ehr:Patient/{n}" for n in range(12)]


def test_no_two_workers_ever_hold_one_subject(store: Store, store_url: str) -> None:
    store.hear([delivery(news(id=s, subject=s)) for s in SUBJECTS], START)
    stores = [Store(store_url, ids=names()) for _ in range(4)]
    held: Counter[str] = Counter()
    worked: Counter[str] = Counter()
    twice: list[str] = []
    guard = threading.Lock()

    def work(mine: Store) -> None:
        while leases := mine.lease("w", at(5), MINUTE):
            (lease,) = leases
            with guard:
                held[lease.subject] += 1
                if held[lease.subject] > 1:
                    twice.append(lease.subject)
            mine.may_write(lease, at(5))
            with guard:
                held[lease.subject] -= 1
                worked[lease.subject] += 1
            mine.finish(lease, at(5))

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, stores))
    for one in stores:
        one.close()
    assert twice == []
    assert worked == Counter(dict.fromkeys(SUBJECTS, 1))


def test_hearing_an_echo_and_finishing_its_write_at_the_same_moment(
    store: Store, store_url: str
) -> None:
    other = Store(store_url, ids=names())
    with ThreadPoolExecutor(2) as pool:
        for n in range(1, 16):
            subject = SUBJECTS[0]
            store.raise_(subject, at(n), why="test")
            (lease,) = store.lease("w", at(n), MINUTE)
            told = [
                delivery(echo(str(n), subject=subject)),
                delivery(echo("1", id=f"b-{n}", subject=subject)),
            ]
            hearing = pool.submit(other.hear, told, at(n))
            own = [wrote("1", id=f"b-{n}"), wrote(str(n))]
            finishing = pool.submit(store.finish, lease, at(n), own=own)
            hearing.result(10)
            finishing.result(10)
    other.close()
    assert store.lease("w", at(100), MINUTE, limit=10) == []


def test_the_same_news_from_many_senders_counts_once(store: Store, store_url: str) -> None:
    stores = [store, *(Store(store_url, ids=names()) for _ in range(2))]
    told = [delivery(news("1", id=f"o-{n}", subject=SUBJECTS[n % 12])) for n in range(30)]

    def send(n: int) -> int:
        order = told if n % 2 else told[::-1]
        return sum(heard.new for heard in stores[n].hear(order, START))

    with ThreadPoolExecutor(3) as pool:
        assert sum(pool.map(send, range(3))) == len(told)
    for one in stores[1:]:
        one.close()


def test_forgetting_takes_nothing_from_what_is_heard_meanwhile(
    store: Store, store_url: str
) -> None:
    """Everything is old at once, so that each mark and each version may go at any moment."""
    others, stop = [Store(store_url, ids=names()) for _ in range(2)], threading.Event()

    def forget(mine: Store) -> int:
        gone = 0
        while not stop.is_set():
            gone += mine.purge(at(100))
        return gone

    with ThreadPoolExecutor(2) as pool:
        purging = [pool.submit(forget, each) for each in others]
        try:
            for n in range(150):
                subject = SUBJECTS[n % 2]
                told = delivery(news(str(n), id=f"o-{n % 3}", subject=subject))
                assert store.hear([told], START)[0].new == 1
                leases: list[Lease] = []
                end = time.monotonic() + 60  # PostgreSQL skips a mark that is just looked at
                while not leases and time.monotonic() < end:
                    leases = store.lease("w", START, MINUTE, limit=2)
                assert [each.subject for each in leases] == [subject]
                store.finish(leases[0], START, own=[wrote(str(n))])
        finally:
            stop.set()
        assert sum(each.result(60) for each in purging) > 150
    for each in others:
        each.close()


def test_a_claim_holds_until_it_is_released_or_ends(store: Store) -> None:
    assert store.claim_token("ehr", "a", START, at(15))
    assert not store.claim_token("ehr", "b", at(14), at(29))
    assert store.claim_token("payer", "b", START, at(15))
    assert store.claim_token("ehr", "b", at(15), at(30))
    store.release_token("ehr", "a")  # too late: another has taken over
    assert not store.claim_token("ehr", "a", at(16), at(31))
    store.release_token("ehr", "b")
    assert store.claim_token("ehr", "a", at(16), at(31))
    assert store.token("ehr", at(16)) is None


def test_processes_that_start_together_sign_in_once(store: Store, store_url: str) -> None:
    stores = [store, *(Store(store_url, ids=names()) for _ in range(7))]
    start, asked = threading.Barrier(len(stores)), list[str]()

    def sign_in(n: int) -> Token:
        me = Shared(stores[n], f"process-{n}", threading.Event().wait)

        def ask(_: object) -> Token:
            asked.append(me.me)
            return Token(f"token of {me.me}", at(300))

        start.wait(60)
        return me.token("ehr", lambda: START, ask)

    with ThreadPoolExecutor(len(stores)) as pool:
        tokens = set(pool.map(sign_in, range(len(stores))))
    for one in stores[1:]:
        one.close()
    assert tokens == {Token(f"token of {asked[0]}", at(300))}
    assert len(asked) == 1
