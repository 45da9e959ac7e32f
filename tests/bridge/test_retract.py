"""Taking back: canceled with a reason, noted where a person is at work, and never opened again
for the same facts."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from fhirbridge.bridge.retracting import Retracted, Which
from tests.bridge.estate import START, Estate, Json, dispense, order, visit
from tests.bridge.makes import MILLENNIUM, OPENEMR, Manner
from tests.bridge.test_makes import hospital, rules

pytestmark = pytest.mark.lives

WHY = "The strength of the vial was wrong in our table."


def retract(estate: Estate, which: Which, *, dry_run: bool = False) -> list[Retracted]:
    assert estate.bridge.retractor is not None
    found = list(estate.bridge.retractor.retract(which, WHY, dry_run=dry_run))
    estate.work()
    return found


def written(estate: Estate) -> Json:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    return short(estate)


def short(estate: Estate) -> Json:
    tasks = [each for each in estate.tasks() if rule(each) == "dispense-short"]
    return tasks[-1]


def rule(task: Json) -> str:
    code: str = task["reasonCode"]["coding"][0]["code"]
    return code


def messages(estate: Estate) -> list[Json]:
    return [e.resource for e in estate.servers["ehr"].shelf.current("Communication") if e.resource]


def test_a_rule_is_taken_back_and_others_stay(estate: Estate) -> None:
    written(estate)
    others = estate.rules() - {"dispense-short"}
    done = retract(estate, Which(rule="dispense-short"))
    assert [(each.rule, each.outcome) for each in done] == [("dispense-short", "canceled")]
    task = short(estate)
    assert task["status"] == "cancelled"
    assert task["statusReason"]["text"].endswith(WHY)
    assert estate.rules() == others
    told = [each for each in messages(estate) if WHY in each["payload"][0]["contentString"]]
    assert told
    assert all(each["inResponseTo"] for each in told)


def test_the_same_facts_do_not_open_it_again_and_changed_ones_do(estate: Estate) -> None:
    written(estate)
    retract(estate, Which(rule="dispense-short"))
    estate.bridge.sweep(full=True)
    estate.work()
    assert "dispense-short" not in estate.rules()
    estate.put("pharmacy", dispense(mg=450))
    estate.work()
    assert "dispense-short" in estate.rules()


def test_what_a_person_works_on_is_noted_and_stays(estate: Estate) -> None:
    task = written(estate)
    estate.put("ehr", {**task, "status": "in-progress"})
    estate.work()
    (done,) = retract(estate, Which(rule="dispense-short"))
    assert done.outcome == "noted"
    task = short(estate)
    assert task["status"] == "in-progress"
    assert task["note"][-1]["text"].endswith(WHY)
    version = task["meta"]["versionId"]
    estate.bridge.sweep(full=True)
    estate.work()
    assert short(estate)["meta"]["versionId"] == version


def test_a_dry_run_and_a_second_run_write_nothing(estate: Estate) -> None:
    written(estate)
    before = estate.tasks()
    assert {each.outcome for each in retract(estate, Which(), dry_run=True)} == {"canceled"}
    assert estate.tasks() == before
    retract(estate, Which())
    assert not estate.rules()
    after = estate.tasks()
    assert {each.outcome for each in retract(estate, Which())} == {"closed already"}
    assert estate.tasks() == after


@pytest.mark.parametrize(
    ("which", "taken"),
    [
        (Which(since=START + timedelta(hours=1)), False),
        (Which(until=START), False),
        (Which(since=START, until=START + timedelta(hours=1)), True),
        (Which(person="ehr:Patient/p-1"), True),
        (Which(person="ehr:Patient/p-2"), False),
    ],
)
def test_by_time_and_by_patient(estate: Estate, which: Which, taken: bool) -> None:
    written(estate)
    assert bool(retract(estate, which)) is taken
    assert bool(estate.rules()) is not taken


def test_nobody_elses_task_is_touched(estate: Estate) -> None:
    task = written(estate)
    theirs = {**task, "id": "theirs", "identifier": [{"system": "http://x.example", "value": "1"}]}
    estate.put("ehr", theirs)
    before = estate.get("ehr", "Task/theirs")
    retract(estate, Which())
    assert estate.get("ehr", "Task/theirs") == before


@pytest.mark.parametrize("manner", [OPENEMR, MILLENNIUM], ids=lambda each: each.software)
def test_on_our_own_worklist(tmp_path: Path, manner: Manner) -> None:
    estate = hospital(tmp_path, manner)
    assert {each.outcome for each in retract(estate, Which())} == {"canceled"}
    assert not rules(estate)
    estate.close()


@pytest.mark.parametrize("status", ["requested", "accepted"])
def test_no_root_speaks_of_what_was_taken_back(estate: Estate, status: str) -> None:
    """Nobody "closed the task though the records have not changed"; and when all is taken back,
    nothing is opened in its place, also where the coordinator was called to a silence."""
    written(estate)
    estate.later(days=1)
    assert "owner-unresponsive" in estate.rules()
    (root,) = [each for each in estate.tasks() if rule(each) == "occasion"]
    estate.put("ehr", {**root, "status": status})
    estate.work()
    for each in sorted({rule(task) for task in estate.tasks()} - {"occasion"}):
        retract(estate, Which(rule=each))
        texts = [task["description"] for task in estate.tasks() if rule(task) == "occasion"]
        assert not [text for text in texts if "records have not changed" in text]
    roots = [each for each in estate.tasks() if rule(each) == "occasion"]
    assert [each["status"] for each in roots] == [
        "cancelled" if status == "requested" else "accepted"
    ]
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert not outcome.decision.plan


def test_all_is_taken_back_and_nothing_is_opened(estate: Estate) -> None:
    written(estate)
    estate.later(days=1)
    retract(estate, Which(since=START))
    assert not estate.rules()


def test_a_span_means_when_it_was_written_also_where_the_store_was_lost(
    tmp_path: Path, estate: Estate
) -> None:
    """What a new store found on the server was not written when it was found."""
    written(estate)
    first, count = timedelta(hours=1), len(estate.tasks())
    estate.restart(store=f"sqlite:///{tmp_path}/new.db")
    estate.later(days=5)
    estate.bridge.reconcile("ehr:Patient/p-1")
    retractor = estate.bridge.retractor
    assert retractor is not None
    spans = [Which(since=START, until=START + first), Which(since=START + first)]
    then, later = ([*retractor.retract(each, WHY, dry_run=True)] for each in spans)
    assert len([each for each in then if each.outcome == "canceled"]) == count
    # What the new one wrote itself: the silence, and the root again.
    assert {each.rule for each in later} == {"owner-unresponsive", "occasion"}
