"""What the store says when it cannot keep anything, or is not what it should be."""

from __future__ import annotations

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa

from fhirbridge.store import Store, StoreError, Unwritable, database
from tests.store.support import START, delivery, names, news


def test_a_store_that_works_can_be_pinged_and_opened_again(store: Store, tmp_path: Path) -> None:
    store.ping()
    store.hear([delivery(news())], START)
    store.close()
    again = Store(f"sqlite:///{tmp_path / 'store.db'}", ids=names())
    assert len(again.recent()) == 1
    again.close()


def test_only_the_owner_may_read_the_file(store: Store, tmp_path: Path) -> None:
    store.hear([delivery(news())], START)
    modes = {stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {0o600}


def test_what_was_answered_survives_the_loss_of_the_process(store: Store, tmp_path: Path) -> None:
    store.hear([delivery(news())], START)
    crashed = tmp_path / "crashed"
    crashed.mkdir()
    for path in tmp_path.glob("store.db*"):  # as the disk is at this moment
        (crashed / path.name).write_bytes(path.read_bytes())
    after = Store(f"sqlite:///{crashed / 'store.db'}", ids=names())
    assert [line.events[0].outcome for line in after.recent()] == ["new"]
    after.close()


def test_a_full_disk_is_unwritable_and_nothing_is_half_done(store: Store) -> None:
    @sa.event.listens_for(store._db._engine, "begin")
    def _small(conn: sa.Connection) -> None:
        conn.exec_driver_sql("PRAGMA max_page_count = 1")

    big = delivery(news("1"), body=b"Canary Jones " * 100_000)
    with pytest.raises(Unwritable) as refused:
        store.hear([delivery(news("1", id="o-2")), big], START)
    assert "SQLITE_FULL" in str(refused.value)
    assert "Canary" not in str(refused.value)
    assert refused.value.__cause__ is None
    assert store.recent() == []


def test_readiness_notices_a_disk_that_takes_no_more(store: Store) -> None:
    @sa.event.listens_for(store._db._engine, "begin")
    def _read_only(conn: sa.Connection) -> None:
        conn.exec_driver_sql("PRAGMA query_only = 1")

    with pytest.raises(Unwritable, match="SQLITE_READONLY"):
        store.ping()


def test_a_locked_database_is_unwritable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "_BUSY_MS", 20)
    monkeypatch.setattr(database, "_CONNECT", {**database._CONNECT, "timeout": 0.02})
    store = Store(f"sqlite:///{tmp_path / 'store.db'}", ids=names())
    other = sqlite3.connect(tmp_path / "store.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    for attempt in (store.ping, lambda: store.hear([delivery(news())], START)):
        with pytest.raises(Unwritable, match="SQLITE_BUSY"):
            attempt()
    assert store.recent() == []  # reading goes on
    other.execute("ROLLBACK")
    store.ping()
    other.close()
    store.close()


def test_a_store_of_another_version_is_refused(store: Store, tmp_path: Path) -> None:
    store.close()
    other = sqlite3.connect(tmp_path / "store.db")
    other.execute("UPDATE schema_version SET version = 99")
    other.commit()
    other.close()
    with pytest.raises(StoreError, match="version 99"):
        Store(f"sqlite:///{tmp_path / 'store.db'}", ids=names())


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / "store.db").write_bytes(b"Canary Jones " * 1000)
    with pytest.raises(Unwritable, match="SQLITE_NOTADB"):
        Store(f"sqlite:///{tmp_path / 'store.db'}", ids=names())


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(Unwritable, match="No such file"):
        Store(f"sqlite:///{tmp_path}/nowhere/store.db", ids=names())


@pytest.mark.parametrize(
    ("url", "remedy"),
    [
        ("sqlite://", "needs a file"),
        ("postgresql://me:canary@host/db", r"postgresql\+psycopg://"),
        ("canary", "not a database URL"),
        ("postgresql+psycopg://me:canary@host:port/db", "not a database URL"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused_with_the_remedy(url: str, remedy: str) -> None:
    with pytest.raises(StoreError, match=remedy) as refused:
        Store(url, ids=names())
    assert "canary" not in str(refused.value)
