"""The fixtures of the other suites are what they say they are."""

from __future__ import annotations

import psycopg
import redis

from tests.servers import postgres_server, redis_server


def test_redis_answers_and_starts_empty() -> None:
    with redis_server() as url, redis.Redis.from_url(url) as client:
        assert client.dbsize() == 0
        client.set("key", "value")
        assert client.get("key") == b"value"


def test_postgres_answers_as_a_superuser_of_its_own_cluster() -> None:
    with (
        postgres_server() as url,
        psycopg.connect(url.replace("+psycopg", "")) as connection,
    ):
        row = connection.execute(
            "select rolsuper from pg_roles where rolname = current_user"
        ).fetchone()
        assert row == (True,)
