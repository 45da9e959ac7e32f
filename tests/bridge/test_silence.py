"""A source that is silent for longer than it usually is, through store and decision."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.bridge.estate import HOLDS, Clock, Estate, Fake, order, patient, people, visit


def estate_with(tmp_path: Path, hours: int | None) -> Estate:
    servers: dict[str, dict[str, Any]] = {
        name: {"base_url": Fake(name, Clock()).base_url, "holds": holds}
        for name, holds in HOLDS.items()
    }
    servers["payer"]["silent_after_hours"] = hours
    return Estate(tmp_path, servers=servers)


def booked(estate: Estate) -> None:
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())


def test_what_a_silent_source_does_not_show_proves_nothing(tmp_path: Path) -> None:
    estate = estate_with(tmp_path, 12)
    booked(estate)
    estate.work()
    assert "auth-missing-drug" in estate.rules()
    estate.later(days=1)
    assert {"stale-feed", "auth-missing-drug"} <= estate.rules()  # what was said stands
    estate.put("payer", patient("m-1", active=True))
    estate.later(minutes=2)
    assert "stale-feed" not in estate.rules()
    assert "auth-missing-drug" in estate.rules()
    estate.close()


def test_where_no_pause_is_said_to_be_usual_nobody_is_silent(tmp_path: Path) -> None:
    estate = estate_with(tmp_path, None)
    booked(estate)
    estate.work()
    estate.later(hours=100)
    assert "stale-feed" not in estate.rules()
    estate.close()


def test_a_deletion_is_news_and_what_we_write_is_none(tmp_path: Path) -> None:
    estate = estate_with(tmp_path, 12)
    people(estate)
    estate.work()
    store = estate.bridge.store
    began = store.last_news("payer")
    estate.later(hours=1)
    assert store.last_news("payer") == began
    estate.remove("payer", "Patient/m-1")
    assert began is not None
    assert (store.last_news("payer") or began) > began
    assert store.last_news("payer", "Coverage") is None
    booked(estate)
    estate.work()
    before = store.last_news("ehr")
    for task in estate.tasks():
        estate.tell("ehr", task)
    assert estate.tasks()
    assert store.last_news("ehr") == before
    assert store.last_news("ehr", "Task") is None
    estate.close()
