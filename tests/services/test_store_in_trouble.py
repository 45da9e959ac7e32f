"""Disks that are really full, and a PostgreSQL that is really gone: refused in words, and over."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from fhirbridge.store import Store, Unwritable
from tests.chaos import processes
from tests.chaos.processes import Disk
from tests.store.support import START, delivery, names, news

pytestmark = pytest.mark.sockets


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Disk]:
    """A disk of some megabytes."""
    del tmp_path
    disk = Disk(8 * 2**20)
    try:
        if not disk.small:
            pytest.skip("a file system of its own needs the right to mount (root)")
        yield disk
    finally:
        disk.close()


def test_sqlite_on_a_full_disk(small: Disk) -> None:
    url = f"sqlite:///{small.path}/store.db"
    store = Store(url, ids=names())
    told = 0
    for _ in range(20):
        store.hear([delivery(news(id=f"o-{told}"))], START)
        told += 1
    small.fill()
    big = [delivery(news(id="big"), body=b"x" * 2**20)]
    with pytest.raises(Unwritable, match=r"the disk is full: make room \(SQLITE_FULL\)"):
        store.hear(big, START)
    kept = store.recent(1000)
    assert len(kept) == told  # reading goes on
    small.clear()
    store.ping()
    assert store.hear(big, START)[0].new == 1
    store.close()
    again = Store(url, ids=names())
    assert {line.events[0].id for line in again.recent(1000)} == {
        "big",
        *(f"o-{n}" for n in range(told)),
    }
    again.close()


def test_postgresql_that_is_killed_and_comes_back(tmp_path: Path) -> None:
    with ExitStack() as stack:
        disk = Disk()
        stack.callback(disk.close)
        postgres, url = processes.postgres(tmp_path, disk)
        stack.callback(postgres.stop)
        postgres.start(wait=True)
        store = Store(url, ids=names())
        stack.callback(store.close)
        store.hear([delivery(news())], START)
        postgres.kill()
        for attempt in (store.ping, lambda: store.hear([delivery(news("2"))], START)):
            with pytest.raises(Unwritable, match=r"does not answer|is being stopped"):
                attempt()
        postgres.start(wait=True)
        store.ping()
        assert store.hear([delivery(news("2"))], START)[0].new == 1
        assert len(store.recent()) == 2
        if disk.small:
            disk.fill()
            more = [delivery(news(id=f"b-{n}"), body=b"x" * 2**20) for n in range(64)]
            with pytest.raises(Unwritable, match=r"the disk is full: make room \(53100\)"):
                store.hear(more, START)
            assert len(store.recent()) == 2
            disk.clear()
            postgres.wait()
            store.ping()
