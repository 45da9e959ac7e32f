"""Revisions lead from the first tables to those of today, and back, with the rows in them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from fhirbridge.store import Store, StoreError, Unwritable, migrating, schema, upkeep
from fhirbridge.store.database import Database
from tests.store.support import MINUTE, START, at, delivery, names, news

T = TypeVar("T")
FIRST, LAST = "0001", schema.REVISION


@pytest.fixture
def url(store_url: str) -> str:
    """A database with the tables of the first revision, as an old program made them."""
    upkeep.move(store_url, FIRST)
    db = Database(store_url, prepare=False)
    version = sa.insert(schema.schema_version).values(version=schema.VERSION)
    db.write(lambda tx: tx.run(version))
    db.write(lambda tx: tx.run(sa.text("DROP TABLE alembic_version")))
    db.close()
    return store_url


def test_the_revisions_end_where_the_tables_of_today_are(url: str) -> None:
    assert upkeep.standing(url).found == FIRST
    assert upkeep.move(url, "head").is_current
    db = Database(url, prepare=False)
    differences = db.read(
        lambda tx: compare_metadata(MigrationContext.configure(tx.conn), schema.metadata)
    )
    db.close()
    assert not [each for each in differences if "alembic_version" not in repr(each)]
    assert migrating.known()[-1] == LAST


def test_a_new_program_brings_old_tables_up_with_what_is_in_them(url: str) -> None:
    old = Database(url, prepare=False)
    old.close()
    first = Store(url, ids=names())
    first.hear([delivery(news())], START)
    first.close()
    upkeep.move(url, FIRST)
    again = Store(url, ids=names())
    assert upkeep.standing(url).is_current
    assert len(again.recent()) == 1
    assert again.counts(START).due == 1
    again.keep_token("ehr", "t", at(60))
    assert again.token("ehr", START) == ("t", at(60))
    again.close()


def test_a_program_goes_on_with_the_tables_of_a_later_one(url: str) -> None:
    Store(url, ids=names()).close()
    db = Database(url, prepare=False)
    db.write(lambda tx: tx.run(sa.text("UPDATE alembic_version SET version_num = '9999'")))
    db.close()
    older = Store(url, ids=names())
    older.hear([delivery(news())], START)
    assert upkeep.standing(url).found == "9999"
    older.close()


def test_an_unknown_revision_is_named(url: str) -> None:
    with pytest.raises(StoreError, match="revision 0815 is not known"):
        upkeep.move(url, "0815")


#: Seconds after which something hangs. Nothing here waits for time.
_HANGS = 300.0


def until(condition: Callable[[], bool]) -> bool:
    end = time.monotonic() + _HANGS
    while not condition() and time.monotonic() < end:
        time.sleep(0.001)
    return condition()


def patiently(what: Callable[[], T]) -> T:
    """SQLite lets its writers in as it likes; who waited too long comes again, as callers do."""
    end = time.monotonic() + _HANGS
    while True:
        try:
            return what()
        except Unwritable:
            if time.monotonic() > end:
                raise


def test_up_and_back_while_others_work(url: str) -> None:
    """Programs of both sides hear and work while the tables change; nothing is lost, none fails."""
    Store(url, ids=names()).close()  # up to date once; the threads hold it open
    stop, told, failed = threading.Event(), [0, 0], list[BaseException]()

    def live(me: int) -> None:
        store = Store(url, ids=names())
        try:
            while not stop.is_set():
                # SQLite's lock is not fair: who is far ahead leaves it to the other.
                until(lambda: stop.is_set() or bool(failed) or told[me] < told[1 - me] + 5)
                about = news("1", id=f"{me}-{told[me]}", subject=f"ehr:Patient/{me}-{told[me]}")
                patiently(partial(store.hear, [delivery(about)], START))
                told[me] += 1
                for lease in patiently(lambda: store.lease(f"w{me}", START, MINUTE)):
                    patiently(partial(store.finish, lease, START))
        except BaseException as error:  # noqa: BLE001 - it is asserted on below
            failed.append(error)
        finally:
            store.close()

    def went_on(to: list[int]) -> bool:
        return bool(failed) or all(each >= goal for each, goal in zip(told, to, strict=True))

    threads = [threading.Thread(target=live, args=(me,)) for me in (0, 1)]
    for each in threads:
        each.start()
    try:
        for revision in (FIRST, "head") * 3:
            assert until(partial(went_on, [each + 2 for each in told]))
            patiently(partial(upkeep.move, url, revision))
    finally:
        stop.set()
        for each in threads:
            each.join()
    assert not failed
    after = Store(url, ids=names())
    kept = {event.id for line in after.recent(100_000) for event in line.events}
    assert kept == {f"{me}-{n}" for me in (0, 1) for n in range(told[me])}
    assert all(told)
    after.close()


def test_tokens_are_shared_until_they_end(store: Store) -> None:
    store.keep_token("ehr", "a", at(60))
    assert store.token("ehr", at(59)) == ("a", at(60))
    assert store.token("ehr", at(60)) is None
    store.keep_token("ehr", "b", at(90))
    store.forget_token("ehr", "a")  # too late: there is a newer one
    assert store.token("ehr", at(60)) == ("b", at(90))
    store.forget_token("ehr", "b")
    assert store.token("ehr", START) is None


def test_a_copy_that_is_taken_while_others_write_is_whole(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/store.db"
    store = Store(url, ids=names())
    store.hear([delivery(news())], START)
    upkeep.backup(url, tmp_path / "copy.db")
    store.hear([delivery(news("2"))], at(5))  # after the copy: told again by the next sweep
    store.close()
    assert (tmp_path / "copy.db").stat().st_mode & 0o077 == 0
    with pytest.raises(StoreError, match="is there already"):
        upkeep.backup(url, tmp_path / "copy.db")
    restored = Store(f"sqlite:///{tmp_path}/copy.db", ids=names())
    assert len(restored.recent()) == 1
    assert restored.hear([delivery(news("2"))], at(9))[0].new == 1
    restored.close()


def test_a_store_that_is_not_there_is_neither_made_nor_copied(tmp_path: Path) -> None:
    """From another folder, a relative path would be a new and empty store: a backup of nothing."""
    url = f"sqlite:///{tmp_path}/none.db"
    looks: list[Callable[[str], object]] = [upkeep.standing, lambda url: upkeep.backup(url, copy)]
    copy = tmp_path / "copy.db"
    for look in looks:
        with pytest.raises(StoreError, match=r"none\.db is not there"):
            look(url)
    assert not list(tmp_path.iterdir())
    (tmp_path / "none.db").touch()
    with pytest.raises(StoreError, match="there is nothing to copy"):
        upkeep.backup(url, copy)


def test_postgres_has_its_own_backup(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="pg_dump"):
        upkeep.backup("postgresql+psycopg://x@127.0.0.1/x", tmp_path / "x")
