"""`log_level: debug`: each step from the notification to the written record is told."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from fhirbridge.bridge.story import Arrived, Conflicted, NotWatched
from fhirbridge.bridge.telling import tell
from tests.bridge.estate import START, Estate, order


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, Any]]:
    lines: list[Any] = [record.msg for record in caplog.records]
    return [line for line in lines if line["event"] in _STEPS]


_STEPS = {
    "delivery_kept",
    "person_read",
    "person_decided",
    "person_not_watched",
    "record_written",
    "write_conflicted",
}


def test_from_the_notification_to_the_task(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    estate.restart(log_level="debug")
    estate.work()
    with caplog.at_level(logging.DEBUG, "fhirbridge"):
        estate.put("ehr", order())
        estate.work()
    steps = told(caplog)
    assert [each["event"] for each in steps[:3]] == [
        "delivery_kept",
        "person_read",
        "person_decided",
    ]
    assert steps[0]["due"] == "ehr:Patient/p-1"
    assert steps[1]["records"] == 3
    assert steps[2]["findings"]
    assert steps[2]["rules"].split() == sorted(set(steps[2]["rules"].split()))
    written = {each["record"] for each in steps if each["event"] == "record_written"}
    assert {f"Task/{task['id']}" for task in estate.tasks()} <= written


def test_the_rest_is_told_shortly(caplog: pytest.LogCaptureFixture) -> None:
    many = tuple(f"ehr:Patient/{n}" for n in range(25))
    with caplog.at_level(logging.DEBUG, "fhirbridge"):
        tell(Arrived("ehr", "poll", "due", ("changed Patient/1",) * 25, many, START))
        tell(Conflicted("ehr:Patient/1"))
        tell(NotWatched("ehr:Patient/2"))
    kept, conflicted, not_watched = told(caplog)
    assert kept["due"] == f"{' '.join(many[:10])} and 15 more"
    assert conflicted["subject"] == "ehr:Patient/1"
    assert not_watched["event"] == "person_not_watched"


def test_who_did_not_ask_for_it_pays_nothing(
    estate: Estate, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG, "fhirbridge"):
        estate.put("ehr", order())
        estate.work()
    assert estate.tasks()
    assert not told(caplog)
