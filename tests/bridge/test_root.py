"""The root Task says who is doing what, as people work on the parts below it."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirbridge.fhir import ours
from tests.bridge.estate import Estate, Json, dispense, order, people, visit

pytestmark = pytest.mark.lives


def task(estate: Estate, rule: str) -> Json:
    (found,) = [
        each
        for each in estate.tasks()
        if each["reasonCode"]["coding"][0]["code"] == rule and each["status"] != "completed"
    ]
    return found


@pytest.fixture
def short(estate: Estate) -> Estate:
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    return estate


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"status": "accepted"}, "The pharmacy is working on it: 300 mg dispensed of 600 mg"),
        ({"status": "rejected"}, "The pharmacy declined or could not do it: 300 mg dispensed"),
        ({"status": "completed"}, "The pharmacy closed the task, but the records have not changed"),
    ],
)
def test_what_an_owner_did_stands_in_the_root(short: Estate, change: Json, says: str) -> None:
    assert "The pharmacy: 300 mg dispensed" in task(short, "occasion")["description"]
    messages = len(short.servers["ehr"].shelf.current("Communication"))
    short.put("ehr", {**task(short, "dispense-short"), **change})
    short.work()
    root = task(short, "occasion")
    assert says in root["description"]
    written = len(short.bridge.store.writes())
    short.bridge.sweep(full=True)
    short.work()
    assert len(short.bridge.store.writes()) == written
    more = len(short.servers["ehr"].shelf.current("Communication")) - messages
    assert more == (change["status"] == "rejected")  # to the coordinator, about the refusal alone


def test_who_works_on_the_whole_gets_no_note_about_it(short: Estate) -> None:
    short.put("ehr", {**task(short, "occasion"), "status": "in-progress"})
    short.work()
    short.put("ehr", {**task(short, "dispense-short"), "status": "accepted"})
    short.work()
    assert "note" not in task(short, "occasion")


def test_a_restarted_bridge_writes_nothing_new(short: Estate, tmp_path: Path) -> None:
    short.put("ehr", {**task(short, "dispense-short"), "status": "accepted"})
    short.work()
    short.restart(store=f"sqlite:///{tmp_path}/other.db")
    outcome = short.bridge.reconcile("ehr:Patient/p-1")
    assert outcome.decision is not None
    assert not outcome.done


def test_a_task_shows_the_figures_that_it_compares_and_no_others(short: Estate) -> None:
    """What another Task is about may change, and nobody writes it into this one."""
    short.put("pharmacy", dispense(mg=450))
    short.work()
    shown = {
        ours.code_of(task["reasonCode"], ours.RULE): each["valueQuantity"]["value"]
        for task in short.tasks(status="requested")
        for code, each in ours.inputs(task)
        if code == "dispensed-total"
    }
    assert shown == {"dispense-short": 450, "occasion": 450}
