"""Reminders and the coordinator, by time alone: nobody tells the bridge anything."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.bridge.story import Failed
from tests.bridge.estate import Estate, Json, dispense, order, people, visit
from tests.bridge.makes import behave
from tests.bridge.test_makes import MAKES, standing

pytestmark = pytest.mark.lives

FAR = date(2026, 12, 22)  # a Tuesday, three weeks after the clock begins
SHORT = "dispense-short"


@pytest.fixture
def asked(tmp_path: Path) -> Estate:
    """A short dispense, and a pharmacy that says nothing."""
    return made(tmp_path)


def made(folder: Path, **config: Any) -> Estate:
    estate = Estate(folder, **config)
    people(estate)
    estate.put("ehr", order(on=FAR))
    estate.put("ehr", visit(start=f"{FAR.isoformat()}T09:00:00-05:00"))
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    return estate


def letters(estate: Estate, code: str) -> list[Json]:
    found = [each.resource for each in estate.servers["ehr"].shelf.current("Communication")]
    return [each for each in found if each and each["category"][0]["coding"][0]["code"] == code]


def about(estate: Estate, rule: str) -> list[Json]:
    return [
        each
        for each in estate.tasks()
        if any(coding["code"] == rule for coding in each["reasonCode"]["coding"])
    ]


def reminders(estate: Estate, rule: str = SHORT) -> list[Json]:
    names = {f"Task/{each['id']}" for each in about(estate, rule)}
    return [each for each in letters(estate, "reminder") if each["partOf"][0]["reference"] in names]


def days(estate: Estate, count: int) -> None:
    """Let days pass hour by hour: only timers wake the bridge."""
    for _ in range(count * 6):
        estate.later(hours=4)


def test_twice_and_in_the_thread_of_the_first_message(asked: Estate) -> None:
    (task,) = about(asked, SHORT)
    name = task["identifier"][0]["value"]
    days(asked, 24)
    found = reminders(asked)
    assert [each["identifier"][0]["value"] for each in found] == [
        f"{name}.pharmacy.reminder.2026-12-15",
        f"{name}.pharmacy.reminder.2026-12-17",
    ]
    first = next(
        each
        for each in letters(asked, "alert")
        if each["identifier"][0]["value"] == f"{name}.pharmacy"
    )
    for each in found:
        assert each["inResponseTo"][0]["identifier"] == first["identifier"][0]
        assert each["recipient"] == first["recipient"]
        assert each["subject"] == first["subject"]
        assert each["payload"][0]["contentString"].startswith("Reminder: ")
        assert "300 mg" in each["payload"][0]["contentString"]
        assert each["sent"].startswith(each["identifier"][0]["value"][-10:])


def test_an_accepted_task_is_not_reminded_of(asked: Estate) -> None:
    (task,) = about(asked, SHORT)
    asked.put("ehr", {**task, "status": "accepted"})
    days(asked, 24)
    assert not reminders(asked)


def test_acceptance_between_our_read_and_our_write_wins(asked: Estate) -> None:
    days(asked, 13)
    (task,) = about(asked, SHORT)
    fake = asked.servers["ehr"]
    inner, once = fake.around, iter([True])

    def meddling(request: Any, go: Any) -> Any:
        if request.method == "POST" and b"reminder" in request.read() and next(once, False):
            asked.put("ehr", {**asked.get("ehr", f"Task/{task['id']}"), "status": "accepted"})
        return inner(request, go)

    fake.around = meddling
    days(asked, 11)
    assert next(once, None) is None  # it came to that
    assert not reminders(asked)


def test_none_where_the_schedule_is_empty(tmp_path: Path) -> None:
    estate = made(tmp_path, reminders=[])
    days(estate, 24)
    assert not letters(estate, "reminder")
    estate.close()


def test_a_silent_owner_is_told_to_the_coordinator_in_the_same_thread(asked: Estate) -> None:
    (task,) = about(asked, SHORT)
    assert not about(asked, "owner-unresponsive")
    days(asked, 12)  # more than half of the time, and nothing has happened
    (silent,) = about(asked, "owner-unresponsive")
    (letter,) = [
        each
        for each in letters(asked, "notification")
        if each["partOf"][0]["reference"] == f"Task/{silent['id']}"
    ]
    thread = letter["inResponseTo"][0]["identifier"]["value"]
    firsts = {each["identifier"][0]["value"] for each in letters(asked, "alert")}
    assert thread in firsts
    assert task["status"] == "requested"


def test_the_all_clear_stands_in_the_thread(asked: Estate) -> None:
    (task,) = about(asked, SHORT)
    name = task["identifier"][0]["value"]
    asked.put("pharmacy", dispense("d-2", mg=300))
    asked.work()
    closed = [
        each
        for each in letters(asked, "notification")
        if each["partOf"][0]["reference"] == f"Task/{task['id']}"
    ]
    threads = {each["inResponseTo"][0]["identifier"]["value"] for each in closed}
    assert f"{name}.pharmacy" in threads
    days(asked, 24)
    assert not reminders(asked)


def test_a_bridge_that_lost_its_store_does_not_remind_again(asked: Estate, tmp_path: Path) -> None:
    days(asked, 15)
    before = len(letters(asked, "reminder"))
    assert reminders(asked)
    asked.restart(store=f"sqlite:///{tmp_path}/empty.db")
    asked.bridge.reconcile("ehr:Patient/p-1")
    assert len(letters(asked, "reminder")) == before


@pytest.mark.parametrize("name", MAKES)
def test_each_is_sent_once_and_only_where_people_can_say_that_they_have_begun(
    tmp_path: Path, name: str
) -> None:
    estate = Estate(tmp_path)
    behave(estate.servers["ehr"], MAKES[name])
    people(estate)
    estate.put("ehr", order(on=FAR))
    estate.put("ehr", visit(start=f"{FAR.isoformat()}T09:00:00-05:00"))
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    days(estate, 16)
    for _ in range(3):  # news that change nothing
        estate.put("ehr", visit(start=f"{FAR.isoformat()}T09:00:00-05:00", comment="room 2"))
        estate.work()
    found = [
        each["identifier"][0]["value"]
        for each in standing(estate, "Communication")
        if each["category"][0]["coding"][0]["code"] == "reminder"
    ]
    assert len(found) == len(set(found))
    assert bool(found) is (name in ("hapi", "medplum", "openmrs"))
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert not outcome.decision.plan
    assert not estate.told(Failed)
    estate.close()
