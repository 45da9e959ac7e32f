"""Hearing: what is kept, what becomes due, and for whom nothing is read."""

from __future__ import annotations

from datetime import timedelta
from typing import NoReturn

import pytest

from fhirbridge.bridge.intake import Refused
from fhirbridge.bridge.story import Arrived, NotWatched, Read
from fhirbridge.store.records import Unwritable
from tests.bridge.estate import Estate, Json, dispense, order, patient, visit
from tests.people import is_watched

ASPIRIN = {"text": "aspirin 81 mg tablet"}
NOT_SAID = {"text": ""}


def about(id_: str) -> Json:
    return {"subject": {"reference": f"Patient/{id_}"}}


def dentist(id_: str, person: str) -> Json:
    actor = {"actor": {"reference": f"Patient/{person}"}, "status": "accepted"}
    return visit(id_, description="Dentist, cleaning", participant=[actor])


def test_an_order_for_a_known_therapy_makes_its_patient_due(estate: Estate) -> None:
    estate.put("ehr", order())
    assert estate.told(Arrived)[-1].due == ("ehr:Patient/p-1",)


def test_a_person_on_aspirin_with_a_dentists_appointment_is_never_read(estate: Estate) -> None:
    estate.put("ehr", patient("p-2", mrn="9"))
    before = estate.reads()
    estate.put("ehr", order("o-2", medicationCodeableConcept=ASPIRIN, **about("p-2")))
    estate.put("ehr", dentist("v-2", "p-2"))
    assert estate.work() == 0
    assert estate.reads() == before
    assert len(estate.bridge.store.recent(10)) >= 3  # but journaled


def test_an_unclear_medication_costs_one_read(estate: Estate) -> None:
    estate.put("ehr", patient("p-2", mrn="9"))
    estate.put("ehr", order("o-2", medicationCodeableConcept=NOT_SAID, **about("p-2")))
    assert estate.work() == 1
    assert estate.told(NotWatched)
    assert not is_watched(estate.bridge.store, "ehr:Patient/p-2")
    before = estate.reads()
    estate.put("ehr", dentist("v-2", "p-2"))
    assert estate.work() == 0
    assert estate.reads() == before


def test_anything_of_a_watched_person_makes_him_due(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.work()
    estate.put("ehr", order("o-2", medicationCodeableConcept=ASPIRIN))
    assert estate.work() == 1


def test_the_same_version_twice_and_an_older_one_make_nothing_due(estate: Estate) -> None:
    first = estate.put("ehr", order())
    second = estate.put("ehr", order(mg=300))
    estate.work()
    estate.tell("ehr", second)
    estate.tell("ehr", first)
    assert estate.work() == 0
    assert [each.outcome for each in estate.told(Arrived)[-2:]] == ["duplicate", "duplicate"]


def test_records_of_other_servers_belong_to_the_person_once_he_was_read(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.work()
    estate.put("pharmacy", dispense())
    assert estate.told(Arrived)[-1].due == ("ehr:Patient/p-1",)


def test_a_record_named_without_its_patient_is_read_first(estate: Estate) -> None:
    estate.put("ehr", order(), tell=False)
    estate.notify("ehr", "PUT", "MedicationRequest/o-1")
    assert estate.told(Arrived)[-1].due == ("ehr:MedicationRequest/o-1",)
    estate.work()
    assert is_watched(estate.bridge.store, "ehr:Patient/p-1")


def test_a_deleted_record_makes_its_patient_due(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.work()
    before = estate.reads()
    estate.remove("ehr", "Appointment/v-1")
    assert estate.work() == 2  # whose it was, then the person
    assert estate.reads() > before


def test_an_empty_notification_leads_to_a_sweep(estate: Estate) -> None:
    estate.put("ehr", order(), tell=False)
    estate.notify("ehr", "POST", "")
    assert estate.told(Arrived)[-1].due == ("ehr:*",)
    estate.work()
    assert is_watched(estate.bridge.store, "ehr:Patient/p-1")


@pytest.mark.parametrize(
    ("server", "key", "secret"),
    [
        ("ehr", "key-ehr-Patient", "wrong"),
        ("ehr", "key-ehr-Patient", ""),
        ("ehr", "unknown", "s3cret"),
        ("payer", "key-ehr-Patient", "s3cret"),
        ("nobody", "key-ehr-Patient", "s3cret"),
    ],
)
def test_a_stranger_is_refused_and_nothing_is_kept(
    estate: Estate, server: str, key: str, secret: str
) -> None:
    before = estate.bridge.store.recent(1)
    with pytest.raises(Refused):
        estate.bridge.intake.hear(server, key, "POST", "", {"x-fhirbridge-secret": secret}, b"{}")
    assert estate.bridge.store.recent(1) == before


def test_nobody_is_a_stranger_while_the_store_cannot_be_read(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A door that has just started knows no keys yet: 401 would tell the sender to give up."""

    def down() -> NoReturn:
        raise Unwritable("store: down")

    monkeypatch.setattr(estate.bridge.store, "subscriptions", down)
    estate.bridge.intake.renew()
    estate.bridge.intake._links = {}
    for _ in range(3):  # at once, and within the second in which nobody looks again
        with pytest.raises(Unwritable):
            estate.notify("ehr", "POST", "")
    monkeypatch.undo()
    estate.clock.now += timedelta(seconds=2)
    assert estate.notify("ehr", "POST", "").answer.status == 200


def test_what_is_not_understood_is_kept_and_answered_well(estate: Estate) -> None:
    kept = estate.notify("ehr", "POST", "", b"<html>")
    assert kept.answer.status == 200
    assert b"OperationOutcome" in kept.answer.body
    assert estate.bridge.store.recent(1)[0].problem


def test_a_defect_of_the_reader_loses_no_delivery(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: object) -> None:
        raise TypeError("a defect")

    monkeypatch.setattr("fhirbridge.bridge.hearing.read", broken)
    estate.put("ehr", order())
    assert estate.told(Arrived)[-1].due == ("ehr:Patient/p-1",)


def test_a_record_that_was_only_read_and_is_deleted_is_traced_to_its_patient(
    estate: Estate,
) -> None:
    estate.put("pharmacy", dispense(mg=300), tell=False)
    estate.put("ehr", order())
    estate.work()
    assert "dispense-short" in estate.rules()
    estate.remove("pharmacy", "MedicationDispense/d-1")
    estate.work()
    assert "dispense-short" not in estate.rules()


def test_a_record_that_goes_to_another_patient_is_news_for_both(estate: Estate) -> None:
    estate.put("ehr", patient("p-2", mrn="222"))
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.work()
    assert estate.rules()
    estate.put("ehr", order(who="p-2"))
    estate.put("ehr", visit(who="p-2"))
    estate.work()
    open_ = {task["for"]["reference"] for task in estate.tasks(status="requested")}
    assert open_ == {"Patient/p-2"}


def test_it_is_so_too_when_the_other_is_nobody_we_watch(estate: Estate) -> None:
    estate.put("ehr", visit())
    estate.put("ehr", order())
    estate.work()
    assert "premed-order-missing" in estate.rules()
    estate.put("ehr", patient("p-9", mrn="999"))
    estate.put("ehr", visit(who="p-9", description="Follow-up"))
    estate.work()
    assert "premed-order-missing" not in estate.rules()


def test_an_id_alone_costs_one_read_of_the_person_however_often_it_is_found(
    estate: Estate,
) -> None:
    """A topic tells ids; what was read by one is no news to the poll that comes after."""
    estate.put("ehr", order())
    estate.bridge.sweep()
    estate.work()
    estate.put("ehr", order(mg=300), tell=False)
    estate.notify("ehr", "PUT", "MedicationRequest/o-1")
    estate.work()
    read = len(estate.told(Read))
    estate.bridge.sweep()
    estate.notify("ehr", "PUT", "MedicationRequest/o-1")
    estate.work()
    assert len(estate.told(Read)) == read
    estate.put("ehr", order(mg=600), tell=False)
    estate.notify("ehr", "PUT", "MedicationRequest/o-1")
    estate.work()
    assert len(estate.told(Read)) == read + 1
