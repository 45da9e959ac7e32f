"""The settle window and the ceiling, through store, timers and servers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

from tests.bridge.estate import Estate, dispense, order, patient, people, visit

FAR = date(2026, 12, 18)


def planned(estate: Estate, who: str = "p-1", name: str = "o-1", when: date = FAR) -> None:
    estate.put("ehr", order(name, on=when, who=who))
    start = f"{when.isoformat()}T09:00:00-05:00"
    estate.put("ehr", visit(f"v-{name}", start, who=who))


def test_what_is_not_urgent_is_written_after_the_window_without_any_news(tmp_path: Path) -> None:
    estate = Estate(tmp_path, settle_seconds=900)
    people(estate)
    planned(estate)
    estate.work()
    assert not estate.tasks()
    estate.later(minutes=14)
    assert not estate.tasks()
    estate.later(minutes=2)
    assert "auth-missing-drug" in estate.rules()
    estate.close()


def test_a_trouble_that_passes_is_never_written(tmp_path: Path) -> None:
    estate = Estate(tmp_path, settle_seconds=900)
    people(estate)
    planned(estate)
    estate.work()
    estate.later(minutes=16)
    before = {task["id"]: task["meta"]["versionId"] for task in estate.tasks()}
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.later(minutes=5)
    estate.later(minutes=30)
    assert {task["id"]: task["meta"]["versionId"] for task in estate.tasks()} == before
    estate.close()


def test_the_window_survives_a_restart(tmp_path: Path) -> None:
    estate = Estate(tmp_path, settle_seconds=900)
    people(estate)
    planned(estate)
    estate.work()
    estate.later(minutes=10)
    estate.restart()
    estate.later(minutes=6)
    assert estate.rules()
    estate.close()


def test_a_near_dose_does_not_wait(tmp_path: Path) -> None:
    estate = Estate(tmp_path, settle_seconds=900)
    people(estate)
    planned(estate, when=date(2026, 12, 3))
    estate.work()
    assert "auth-missing-drug" in estate.rules()
    estate.close()


def test_who_asks_for_a_decision_now_gets_it_now(tmp_path: Path) -> None:
    estate = Estate(tmp_path, settle_seconds=900)
    people(estate)
    planned(estate)
    estate.work()
    estate.bridge.reconcile("ehr:Patient/p-1")
    assert "auth-missing-drug" in estate.rules()
    estate.close()


def test_beyond_the_ceiling_tasks_wait_for_tomorrow_and_the_coordinator_is_told_once(
    tmp_path: Path,
) -> None:
    estate = Estate(tmp_path, most_new_tasks=1)
    for number in (1, 2, 3):
        who = f"p-{number}"
        estate.put("ehr", patient(who, mrn=f"m-{number}"))
        planned(estate, who, f"o-{number}")
        estate.work()
    shelf = estate.servers["ehr"].shelf

    def told() -> list[str]:
        return [
            each.resource["payload"][0]["contentString"]
            for each in shelf.current("Communication")
            if each.resource and "subject" not in each.resource
        ]

    asked = [task for task in estate.tasks() if "partOf" in task]
    owners = [task["performerType"][0]["coding"][0]["code"] for task in asked]
    assert owners
    assert len(owners) == len(set(owners))  # one for each owner, of three persons
    once = told()
    assert len(once) == len(set(once)) > 0
    assert all("needs help" in text for text in once)
    estate.later(days=1)
    assert len([task for task in estate.tasks() if "partOf" in task]) > len(asked)
    estate.close()
