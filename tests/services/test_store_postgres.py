"""The store's tests once more, on a real PostgreSQL."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import psycopg
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg.sql import SQL, Identifier

from fhirbridge.store import Store, Unwritable
from tests.bridge.estate import Estate
from tests.bridge.test_restore import goes_on_after
from tests.servers import postgres_server

# The tests of tests/store again, on PostgreSQL: what is imported is collected here.
from tests.store.support import START, delivery, names, news, store  # noqa: F401 - a fixture
from tests.store.test_concurrency import *  # noqa: F403 - tests
from tests.store.test_debounce import *  # noqa: F403 - tests
from tests.store.test_hearing import *  # noqa: F403 - tests
from tests.store.test_leases import *  # noqa: F403 - tests
from tests.store.test_migrations import (  # noqa: F401 - tests
    test_a_new_program_brings_old_tables_up_with_what_is_in_them,
    test_a_program_goes_on_with_the_tables_of_a_later_one,
    test_the_revisions_end_where_the_tables_of_today_are,
    test_tokens_are_shared_until_they_end,
    test_up_and_back_while_others_work,
    url,
)
from tests.store.test_numbering import *  # noqa: F403 - tests
from tests.store.test_people import *  # noqa: F403 - tests
from tests.store.test_stateful import AnyHistory
from tests.store.test_upkeep import *  # noqa: F403 - tests

pytestmark = pytest.mark.sockets
_databases = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as started:
        yield started


@pytest.fixture
def store_url(server: str) -> str:
    return new_database(server)


def new_database(server: str) -> str:
    name = f"store_{next(_databases)}"
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(SQL("CREATE DATABASE {}").format(Identifier(name)))
    return f"{server.rpartition('/')[0]}/{name}"


def test_any_history(server: str) -> None:
    class OnPostgres(AnyHistory):
        def __init__(self) -> None:
            super().__init__(new_database(server))

    few = settings(max_examples=8, stateful_step_count=30, deadline=None)
    run_state_machine_as_test(OnPostgres, settings=few)


def test_a_server_that_is_gone_is_unwritable_and_all_is_well_when_it_is_back(
    store: Store,  # noqa: F811 - the fixture
    server: str,
    store_url: str,
) -> None:
    store.ping()
    name = store_url.rpartition("/")[2]
    gate = SQL("ALTER DATABASE {} ALLOW_CONNECTIONS {}")
    with psycopg.connect(server.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(gate.format(Identifier(name), False))
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", [name]
        )
        with pytest.raises(Unwritable):
            store.hear([delivery(news())], START)
        connection.execute(gate.format(Identifier(name), True))
    assert store.hear([delivery(news())], START)[0].new == 1


def test_several_processes_may_make_the_tables_at_once(store_url: str) -> None:
    with ThreadPoolExecutor(4) as pool:
        for opened in pool.map(lambda _: Store(store_url, ids=names()), range(4)):
            opened.close()


def test_a_dump_brings_everything_back(store_url: str, tmp_path: Path) -> None:
    first = Store(store_url, ids=names())
    first.hear([delivery(news())], START)
    dump, plain = str(tmp_path / "x.dump"), store_url.replace("+psycopg", "")
    subprocess.run(["pg_dump", "--format=custom", f"--file={dump}", plain], check=True)
    first.hear([delivery(news("2"))], START)
    first.close()
    command = ["pg_restore", "--clean", "--if-exists", f"--dbname={plain}", dump]
    subprocess.run(command, check=True)
    restored = Store(store_url, ids=names())
    assert len(restored.recent()) == 1
    assert restored.counts(START).due == 1
    assert restored.hear([delivery(news("2"))], START)[0].new == 1
    restored.close()


def test_work_goes_on_after_a_dump_was_put_back(store_url: str, tmp_path: Path) -> None:
    dump, plain = str(tmp_path / "x.dump"), store_url.replace("+psycopg", "")
    copy = ["pg_dump", "--format=custom", f"--file={dump}", plain]
    put_back = ["pg_restore", "--clean", "--if-exists", f"--dbname={plain}", dump]
    estate = Estate(tmp_path)
    goes_on_after(
        estate,
        store_url,
        lambda: subprocess.run(copy, check=True),
        lambda: subprocess.run(put_back, check=True),
    )
    estate.close()
