"""The database in real trouble, seen at the door: refused, said in the log, and taken later."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from fhirbridge.fhir import jsonio
from fhirbridge.store import database
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate, Json, dispense, order, people
from tests.web.test_door import SECRET, Caller

HOOK = "/notify/pharmacy/key-pharmacy-MedicationDispense"


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Estate]:
    """A hospital whose store waits for others only a moment."""
    monkeypatch.setattr(database, "_BUSY_MS", 20)
    monkeypatch.setattr(database, "_CONNECT", {**database._CONNECT, "timeout": 0.02})
    estate = Estate(tmp_path)
    people(estate)
    estate.put("ehr", order())
    estate.work()
    yield estate
    estate.close()


def door_of(estate: Estate) -> Caller:
    meter = Metrics(estate.bridge.store, estate.clock)
    return Caller(app(estate.bridge, meter, Console(estate.bridge)))


def told(estate: Estate, resource: Json) -> dict[str, Any]:
    """What the pharmacy sends of a record that it has."""
    stored = estate.put("pharmacy", resource, tell=False)
    return {"headers": SECRET, "content": jsonio.dumps(stored)}


def test_a_database_that_somebody_else_holds(
    site: Estate, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    door, news = door_of(site), told(site, dispense(mg=300))
    other = sqlite3.connect(tmp_path / "bridge.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with caplog.at_level(logging.ERROR):
        answer = door("POST", HOOK, **news)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "somebody else holds the database" in caplog.text
    assert "SQLITE_BUSY" in door("GET", "/readyz").json()["store"]
    other.execute("ROLLBACK")
    other.close()
    assert door("POST", HOOK, **news).status_code == 200  # the sender came again
    site.work()
    assert "dispense-short" in site.rules()


def test_a_disk_that_is_full(site: Estate, caplog: pytest.LogCaptureFixture) -> None:
    pages = ["PRAGMA max_page_count = 1"]  # no page more than there are

    @sa.event.listens_for(site.bridge.store._db._engine, "begin")  # type: ignore[attr-defined]  # the port has no such part
    def _small(conn: sa.Connection) -> None:
        conn.exec_driver_sql(pages[-1])

    door, news = door_of(site), told(site, dispense(mg=300, note=[{"text": "x" * 100_000}]))
    before = site.bridge.store.recent(1)
    with caplog.at_level(logging.ERROR):
        answer = door("POST", HOOK, **news)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "5")
    assert "the disk is full: make room (SQLITE_FULL)" in caplog.text
    assert site.bridge.store.recent(1) == before  # nothing is half done
    pages.append("PRAGMA max_page_count = 1000000")
    assert door("POST", HOOK, **news).status_code == 200
    site.work()
    assert "dispense-short" in site.rules()
