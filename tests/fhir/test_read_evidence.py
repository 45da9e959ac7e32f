"""Observation, DiagnosticReport and GuidanceResponse -> Evidence."""

from datetime import date
from typing import Any

import pytest

from fhirbridge.core.facts import Evidence, Link, State
from tests.fhir.records import PATIENT, concept, facts, quantity

LOINC = "http://loinc.org"
CATEGORY = "http://terminology.hl7.org/CodeSystem/observation-category"


def evidence(body: dict[str, Any]) -> list[Evidence]:
    found = facts(body)
    assert all(isinstance(fact, Evidence) for fact in found)
    return [fact for fact in found if isinstance(fact, Evidence)]


def lab(**elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "Observation",
        "id": "lab-1",
        "status": "final",
        "category": [concept("laboratory", CATEGORY)],
        "code": concept("5195-3", LOINC),
        "subject": PATIENT,
        "effectiveDateTime": "2026-11-10T23:30:00-05:00",
        "valueCodeableConcept": {"text": "Negative"},
        **elements,
    }


def test_a_result() -> None:
    (fact,) = evidence(lab(identifier=[{"system": "urn:specimen", "value": "S-1"}]))
    assert (fact.what, fact.ok, fact.day) == ("result", True, date(2026, 11, 10))
    assert [code.code for code in fact.codes] == ["5195-3"]
    assert fact.names == {"ehr:Observation/lab-1"}  # one specimen names many results
    assert not fact.problems


@pytest.mark.parametrize(
    ("status", "state", "ok"),
    [
        ("final", State.DONE, True),
        ("amended", State.DONE, True),
        ("corrected", State.DONE, True),
        ("preliminary", State.ACTIVE, False),
        ("registered", State.PLANNED, False),
        ("cancelled", State.WITHDRAWN, False),
        ("entered-in-error", State.WRONG, False),
        ("done", State.UNKNOWN, False),
    ],
)
def test_what_is_not_final_is_no_result(status: str, state: State, ok: bool) -> None:
    (fact,) = evidence(lab(status=status))
    assert (fact.state, fact.ok) == (state, ok)


def test_a_final_observation_without_any_value_is_no_result() -> None:
    absent = {"valueCodeableConcept": None, "dataAbsentReason": concept("error")}
    body = {name: value for name, value in lab(**absent).items() if value}
    assert not evidence(body)[0].ok


def test_a_panel_has_the_codes_of_its_components() -> None:
    part = {"code": concept("2465-3", LOINC), "valueQuantity": quantity(900, "mg/dL")}
    body = lab(code={"text": "Immunoglobulins"}, component=[part])
    body.pop("valueCodeableConcept")
    (fact,) = evidence(body)
    assert fact.ok
    assert [code.code for code in fact.codes] == ["2465-3"]
    assert fact.text == "Immunoglobulins"


def test_vital_signs_are_nothing_that_a_label_asks_for() -> None:
    assert evidence(lab(category=[concept("vital-signs", CATEGORY)])) == []


@pytest.mark.parametrize(
    ("when", "day"),
    [
        ({"effectivePeriod": {"start": "2026-11-01", "end": "2026-11-03"}}, date(2026, 11, 3)),
        ({"effectiveInstant": "2026-11-05T12:00:00Z"}, date(2026, 11, 5)),
        ({"issued": "2026-11-06T03:00:00Z"}, date(2026, 11, 5)),
        ({}, None),
    ],
)
def test_the_day_of_a_result(when: dict[str, Any], day: date | None) -> None:
    body = lab(**when)
    body.pop("effectiveDateTime")
    assert evidence(body)[0].day == day


def test_a_report_is_a_result_when_it_holds_something() -> None:
    report = {
        "resourceType": "DiagnosticReport",
        "id": "r-1",
        "status": "final",
        "code": {"text": "Hepatitis B panel"},
        "subject": PATIENT,
        "effectiveDateTime": "2026-11-10",
    }
    assert not evidence(report)[0].ok
    (fact,) = evidence({**report, "conclusion": "Not reactive"})
    assert (fact.ok, fact.text) == (True, "Hepatitis B panel")


def etasu(*parameters: dict[str, Any], **elements: Any) -> dict[str, Any]:
    return {
        "resourceType": "GuidanceResponse",
        "id": "g-1",
        "status": "data-required",
        "moduleUri": "https://rems.example/TOUCH",
        "subject": PATIENT,
        "occurrenceDateTime": "2026-11-10",
        "reasonReference": [{"reference": "MedicationRequest/o-1"}],
        "note": [{"text": "TOUCH Prescribing Program"}],
        "outputParameters": {"reference": "#out"},
        "contained": [{"resourceType": "Parameters", "id": "out", "parameter": list(parameters)}],
        **elements,
    }


def element(name: str, status: str) -> dict[str, Any]:
    return {"name": name, "resource": {"resourceType": "GuidanceResponse", "status": status}}


def test_an_answer_of_a_safety_program_and_its_elements() -> None:
    found = evidence(
        etasu(
            element("Patient Enrollment", "success"),
            element("Patient Status Update", "data-required"),
            element("Prescriber Enrollment", "success"),
            element("Pharmacist Enrollment", "success"),
            element("Something else", "success"),
            {"name": "case_number", "valueString": "a24e"},
            {"name": "authorization_expiration", "valueDate": "2027-11-10"},
        )
    )
    said = {fact.who: fact.ok for fact in found}
    assert said == {"": False, "patient": False, "prescriber": True, "pharmacy": True}
    whole = next(fact for fact in found if not fact.who)
    assert (whole.what, whole.day, whole.until) == (
        "enrollment",
        date(2026, 11, 10),
        date(2027, 11, 10),
    )
    assert "TOUCH Prescribing Program" in whole.text
    assert whole.links == (Link("ehr:MedicationRequest/o-1", 0, "reason"),)
    assert len({fact.names for fact in found}) == len(found)


@pytest.mark.parametrize(
    ("status", "ok", "state"),
    [
        ("success", True, State.DONE),
        ("failure", False, State.ACTIVE),
        ("in-progress", False, State.ACTIVE),
        ("entered-in-error", False, State.WRONG),
    ],
)
def test_the_answer_as_a_whole(status: str, ok: bool, state: State) -> None:
    (fact,) = evidence(etasu(status=status))
    assert (fact.ok, fact.state) == (ok, state)


def test_output_parameters_that_are_not_there() -> None:
    body = etasu(outputParameters={"reference": "Parameters/elsewhere"})
    assert [fact.who for fact in evidence(body)] == [""]
