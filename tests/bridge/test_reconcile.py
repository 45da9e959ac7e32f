"""Reconciling: Tasks open, close and stay quiet; conflicts, echoes, dead sources, wrong joins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge.bridge.story import Decided, Failed, Read, Wrote
from fhirbridge.fhir.errors import Unavailable
from tests.bridge.estate import (
    MRN,
    Estate,
    Json,
    dispense,
    milligrams,
    order,
    patient,
    people,
    visit,
)
from tests.people import is_watched, person_of, records_of


def opened(estate: Estate) -> None:
    """An order for 600 mg, its visit, and 300 mg dispensed."""
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.work()
    estate.put("pharmacy", dispense(mg=300))
    estate.work()


def test_a_short_dispense_opens_a_task_and_the_balance_closes_it(estate: Estate) -> None:
    opened(estate)
    assert "dispense-short" in estate.rules()
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    assert "dispense-short" not in estate.rules()
    assert estate.tasks(status="completed")


def test_one_read_a_source_and_one_write_a_decision(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.work()
    estate.put("ehr", visit())
    before = estate.reads()
    estate.work()
    assert estate.told(Wrote)
    assert estate.reads() - before == 3 + 1


def test_the_echo_of_our_own_writing_is_no_news(estate: Estate) -> None:
    opened(estate)
    before = estate.reads()
    for task in estate.tasks():
        estate.tell("ehr", task)
    assert estate.work() == 0
    assert estate.reads() == before


def test_deciding_again_writes_nothing(estate: Estate) -> None:
    opened(estate)
    wrote = len(estate.told(Wrote))
    estate.bridge.sweep(full=True)
    estate.work()
    assert len(estate.told(Wrote)) == wrote


def test_a_person_who_closes_a_task_is_believed(estate: Estate) -> None:
    opened(estate)
    task = next(task for task in estate.tasks() if "partOf" in task)
    estate.put("ehr", {**task, "status": "completed"})
    estate.work()
    again = [each for each in estate.tasks() if each["identifier"] == task["identifier"]]
    assert [each["status"] for each in again] == ["completed"]


def test_a_task_that_somebody_changed_at_the_same_time_is_decided_again(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(estate)
    server = estate.bridge.sources["ehr"].server
    transact, first = server.transact, iter([True])

    def meddling(bundle: Any) -> object:
        if next(first, False):
            for task in estate.tasks(status="requested"):
                estate.put("ehr", {**task, "note": [{"text": "seen"}]}, tell=False)
        return transact(bundle)

    monkeypatch.setattr(server, "transact", meddling)
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    assert "dispense-short" not in estate.rules()
    closed = estate.tasks(status="completed")
    assert all(task.get("note") for task in closed)  # what the person wrote is still there


def test_a_deaf_payer_stops_only_what_rests_on_it(estate: Estate) -> None:
    estate.servers["payer"].down = 503
    opened(estate)
    assert "dispense-short" in estate.rules()
    assert not {rule for rule in estate.rules() if rule.startswith("auth-")}
    assert estate.told(Read)[-1].unread == {"payer": "Unavailable"}
    estate.servers["payer"].down = None
    estate.later(seconds=6)
    assert "auth-missing-drug" in estate.rules()


def test_what_was_said_stays_while_the_payer_is_deaf(estate: Estate) -> None:
    opened(estate)
    assert "auth-missing-drug" in estate.rules()
    estate.servers["payer"].down = 503
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    assert "auth-missing-drug" in estate.rules()
    assert "dispense-short" not in estate.rules()


@pytest.mark.parametrize(("status", "parked"), [(503, False), (401, False), (400, True)])
def test_the_worklists_server_must_answer(estate: Estate, status: int, parked: bool) -> None:
    estate.put("ehr", order())
    estate.put("pharmacy", dispense(mg=300))
    estate.servers["ehr"].down = status
    estate.work()
    assert {each.parked for each in estate.told(Failed)} == {parked}
    assert not estate.told(Wrote)
    estate.servers["ehr"].down = None
    estate.bridge.store.raise_("ehr:Patient/p-1", estate.clock(), why="mended")
    estate.later(hours=1)
    assert "dispense-short" in estate.rules()


def test_retry_after_is_honored(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.servers["ehr"].down, estate.servers["ehr"].headers = 503, {"Retry-After": "120"}
    estate.work()
    estate.servers["ehr"].down = None
    assert estate.later(seconds=60) == 0
    assert estate.later(seconds=70) > 0


def test_a_defect_is_retried_then_parked_and_names_no_content(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise ValueError("Jane Doe")

    monkeypatch.setattr("fhirbridge.bridge.deciding.book", broken)
    estate.put("ehr", order())
    for _ in range(12):
        estate.later(hours=2)
    (mark,) = estate.bridge.store.parked()
    assert mark.last_error is not None
    assert mark.last_error.startswith("ValueError at ")
    assert "Jane" not in mark.last_error


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (404, b""),
        (404, b"<html>"),
        (200, b"<html>"),
        (200, b""),
        (400, b""),
        (302, b""),
        (501, b""),
    ],
)
def test_who_could_not_be_read_is_set_aside_until_it_can(
    estate: Estate, status: int, body: bytes
) -> None:
    """A page of maintenance, a proxy before a server that is being started anew."""
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.bridge.start()
    estate.work()
    kind = {"Content-Type": "text/html"}
    estate.servers["ehr"].around = lambda *_: httpx.Response(status, content=body, headers=kind)
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    (mark,) = estate.bridge.store.parked()
    assert mark.last_error
    assert "ehr: search Patient" in mark.last_error
    estate.servers["ehr"].around = lambda request, go: go(request)
    estate.later(hours=1.1)
    assert not estate.bridge.store.parked()
    assert "dispense-short" in estate.rules()


def test_more_changes_than_anybody_could_read_are_parked(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("fhirbridge.bridge.reconciling.MOST", 2)
    estate.put("ehr", order())
    estate.work()
    (mark,) = estate.bridge.store.parked()
    assert "changes for one person" in (mark.last_error or "")
    assert not estate.tasks()


def test_shadow_decides_and_writes_nothing(tmp_path: Path) -> None:
    estate = Estate(tmp_path, write="shadow")
    people(estate)
    opened(estate)
    assert not estate.tasks()
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.bundle
    assert outcome.bundle["entry"]
    estate.close()


def test_one_rule_may_write_while_the_others_are_in_shadow(tmp_path: Path) -> None:
    estate = Estate(tmp_path, write={"default": "shadow", "rules": {"dispense-short": "on"}})
    people(estate)
    opened(estate)
    assert estate.rules() - {"occasion"} == {"dispense-short"}
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    assert not estate.rules()
    estate.close()


def test_a_dry_run_remembers_nothing(estate: Estate) -> None:
    estate.put("ehr", order(), tell=False)
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision
    assert outcome.bundle
    assert not estate.tasks()
    assert person_of(estate.bridge.store, "ehr:Patient/p-1") is None


def test_reconcile_writes_now(estate: Estate) -> None:
    estate.put("ehr", order(), tell=False)
    outcome = estate.bridge.reconcile("ehr:Patient/p-1")
    assert outcome.done
    assert estate.rules()


def test_a_dry_run_says_when_a_server_is_down(estate: Estate) -> None:
    estate.servers["ehr"].down = 503
    with pytest.raises(Unavailable):
        estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)


# --- who is who


def test_a_relative_with_the_same_member_id_is_not_joined(estate: Estate) -> None:
    estate.put("pharmacy", patient("x-2", born="2010-01-01"))
    estate.put("pharmacy", dispense("d-9", subject={"reference": "Patient/x-2"}), tell=False)
    estate.put("ehr", order())
    estate.work()
    records = records_of(estate.bridge.store, "ehr:Patient/p-1")
    assert records == ["ehr:Patient/p-1", "payer:Patient/m-1", "pharmacy:Patient/x-1"]
    dispensed = estate.told(Decided)[-1].decision.ledger.occasions[0].dispensed
    assert dispensed.total is None


def test_news_of_another_server_first_leads_to_one_person(estate: Estate) -> None:
    estate.put("ehr", order(), tell=False)
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    assert person_of(estate.bridge.store, "pharmacy:Patient/x-1") == "ehr:Patient/p-1"
    assert "dispense-short" in estate.rules()
    assert len([t for t in estate.tasks() if t["for"]["reference"] == "Patient/p-1"]) == len(
        estate.tasks()
    )


def test_a_join_that_turns_out_wrong_is_undone(estate: Estate) -> None:
    opened(estate)
    other = [{"system": MRN, "value": "999"}]
    estate.put("pharmacy", patient("x-1", identifier=other))
    estate.work()
    assert person_of(estate.bridge.store, "pharmacy:Patient/x-1") == "pharmacy:Patient/x-1"
    assert "dispense-short" not in estate.rules()


def test_a_person_who_died_gets_no_new_task(estate: Estate) -> None:
    estate.put("ehr", patient(deceasedBoolean=True))
    opened(estate)
    assert not estate.tasks()


def test_a_patient_record_that_is_gone_ends_it(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.remove("ehr", "Patient/p-1", tell=False)
    estate.work()
    assert not estate.tasks()
    assert not is_watched(estate.bridge.store, "ehr:Patient/p-1")


def administration() -> Json:
    return {
        "resourceType": "MedicationAdministration",
        "id": "a-1",
        "status": "completed",
        "medicationCodeableConcept": order()["medicationCodeableConcept"],
        "subject": {"reference": "Patient/p-1"},
        "request": {"reference": "MedicationRequest/o-1"},
        "effectiveDateTime": "2026-12-08T10:00:00-05:00",
        "dosage": {"dose": milligrams(600)},
    }


def test_what_is_open_when_the_dose_is_given_says_that_it_was(estate: Estate) -> None:
    opened(estate)
    estate.later(days=7)
    estate.put("ehr", administration())
    estate.put("ehr", visit(status="fulfilled"))
    estate.work()
    (root,) = [each for each in estate.tasks() if "partOf" not in each]
    assert root["status"] == "completed"
    result, evidence, *_ = root["output"]
    given = "The dose was given. Nothing more to do."
    assert result["valueString"].endswith(given)
    dose = evidence["valueReference"]["identifier"]["value"]
    assert dose == "ehr:MedicationAdministration/a-1/_history/1"
    reasons = [each["statusReason"]["text"] for each in estate.tasks(status="cancelled")]
    assert reasons
    assert all(each.endswith(given) for each in reasons)


def test_what_is_put_right_after_the_dose_is_solved_with_evidence(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=600))
    estate.work()
    for _ in range(11):
        estate.later(days=1)
    estate.put("ehr", visit(status="fulfilled"))
    estate.work()
    estate.later(days=3)
    assert "admin-not-recorded" in estate.rules()
    estate.put("ehr", administration())
    estate.work()
    (task,) = [
        each
        for each in estate.tasks()
        if each["reasonCode"]["coding"][0]["code"] == "admin-not-recorded"
    ]
    assert task["status"] == "completed"
    proofs = [
        each["valueReference"]["identifier"]["value"]
        for each in task["output"]
        if "valueReference" in each
    ]
    assert "ehr:MedicationAdministration/a-1/_history/1" in proofs
