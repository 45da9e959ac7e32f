"""The store's tests once more, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count

import psycopg
import pytest
from hypothesis import settings
from hypothesis.stateful import run_state_machine_as_test
from psycopg.sql import SQL, Identifier

from fhirbridge.store import Store, Unwritable
from tests.servers import postgres_server
from tests.store.support import START, delivery, names, news, store  # noqa: F401
from tests.store.test_concurrency import *  # noqa: F403
from tests.store.test_hearing import *  # noqa: F403
from tests.store.test_leases import *  # noqa: F403
from tests.store.test_people import *  # noqa: F403
from tests.store.test_stateful import AnyHistory
from tests.store.test_upkeep import *  # noqa: F403

pytestmark = pytest.mark.sockets
_databases = count(1)


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    with postgres_server() as url:
        yield url


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
    store: Store,  # noqa: F811
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
