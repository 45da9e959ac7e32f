"""Patient -> PatientRecord."""

from typing import Any

from fhirbridge.core.identity import PatientRecord
from tests.fhir.records import reading


def record(**elements: Any) -> PatientRecord:
    (found,) = reading({"resourceType": "Patient", "id": "p-7", **elements}).patients
    return found


def test_what_joins_a_patient_with_others() -> None:
    found = record(
        birthDate="1980-02-01",
        identifier=[{"system": "urn:mrn", "value": "1", "use": "old"}, {"value": "2"}],
        link=[
            {"other": {"reference": "Patient/p-8"}, "type": "replaced-by"},
            {"other": {"identifier": {"value": "x"}}, "type": "seealso"},
        ],
    )
    assert found.ref.name == "ehr:Patient/p-7"
    assert found.birth_date == "1980-02-01"
    assert found.identifiers == (("urn:mrn", "1", "old"), ("", "2", ""))
    assert found.links == (("ehr:Patient/p-8", "replaced-by"),)
    assert (found.active, found.deceased) == (True, False)


def test_inactive_and_deceased() -> None:
    assert not record(active=False).active
    assert record(deceasedBoolean=True).deceased
    assert record(deceasedDateTime="2026-01-01").deceased
    assert not record(deceasedBoolean=False).deceased


def test_part_of_a_birth_date_is_none() -> None:
    assert record(birthDate="1980").birth_date is None
    assert record().birth_date is None


def test_a_birth_date_is_never_quoted() -> None:
    (problem,) = reading({"resourceType": "Patient", "id": "p", "birthDate": "1980"}).problems
    assert (problem.reason, problem.at, problem.said) == ("bad-date", "Patient.birthDate", "")
