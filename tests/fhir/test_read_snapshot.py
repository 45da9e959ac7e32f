"""Snapshots, references, dates, and what is not a fact."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from fhirbridge.core.facts import ALWAYS, Link, Party, Span, State, Visit
from fhirbridge.fhir.read import Snapshot, read
from tests.fhir.records import (
    NEW_YORK,
    appointment,
    dispense,
    facts,
    medication_request,
    reading,
    reasons,
)

BASES = {"https://payer.example/fhir": "payer", "https://ehr.example": "ehr"}


def links(reference: Any, **more: Any) -> list[Link]:
    body = medication_request(insurance=[reference])
    return list(facts(body, bases=BASES, **more)[0].links)


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("ClaimResponse/r", "ehr:ClaimResponse/r"),
        ("ClaimResponse/r/_history/3", "ehr:ClaimResponse/r"),
        ("ClaimResponse/ClaimResponse/r", "ehr:ClaimResponse/r"),
        ("https://payer.example/fhir/ClaimResponse/r/_history/3", "payer:ClaimResponse/r"),
        ("https://ehr.example/ClaimResponse/r", "ehr:ClaimResponse/r"),
        ("https://ehr.example.evil/ClaimResponse/r", "https://ehr.example.evil/ClaimResponse/r"),
        ("urn:uuid:1", "ehr:ClaimResponse/r"),
        ("urn:uuid:2", "urn:uuid:2"),
        ("#c", "ehr:MedicationRequest/o-1#c"),
    ],
)
def test_references(reference: str, name: str) -> None:
    found = links({"reference": reference}, full_urls={"urn:uuid:1": "ClaimResponse/r"})
    assert found == [Link(name, 0, "insurance")]


def test_logical_references() -> None:
    assert links({"identifier": {"system": "urn:s", "value": " 1 "}}) == [
        Link("urn:s|1", 1, "insurance")
    ]
    assert links({"identifier": {"system": "urn:s"}}) == []
    assert links({"display": "somebody"}) == []


def test_a_party_on_another_server_goes_by_its_identifier() -> None:
    practitioner = {
        "resourceType": "Practitioner",
        "id": "dr",
        "identifier": [{"system": "http://hl7.org/fhir/sid/us-npi", "value": "1"}],
    }
    body = medication_request(requester={"reference": "Practitioner/dr", "display": "Dr"})
    order = facts(body, practitioner)[0]
    assert getattr(order, "requester", None) == Party(
        "ehr", "Practitioner/dr", "http://hl7.org/fhir/sid/us-npi|1", "Dr"
    )


def test_a_patient_known_only_by_an_identifier_is_a_link() -> None:
    (fact,) = facts(dispense(subject={"identifier": {"system": "urn:mrn", "value": "1"}}))
    assert fact.patient is None
    assert fact.links == (Link("urn:mrn|1", 1, "patient"),)
    assert fact.problems == ()
    assert reasons(facts(dispense(subject=None))[0]) == ["no-patient"]


def test_the_newest_copy_is_read_whatever_the_order() -> None:
    old = medication_request(
        status="draft", meta={"versionId": "9", "lastUpdated": "2026-11-01T00:00:00Z"}
    )
    new = medication_request(meta={"versionId": "10", "lastUpdated": "2026-11-01T00:00:00Z"})
    for chart in ([old, new, old], [new, old]):
        (fact,) = facts(*chart)
        assert (fact.state, fact.ref.version) == (State.ACTIVE, "10")
        assert fact.updated == datetime(2026, 11, 1, tzinfo=UTC)


def test_what_is_no_resource_is_a_problem() -> None:
    result = reading(
        5, {}, {"resourceType": "Task"}, {"resourceType": ["x"]}, medication_request(id="a b")
    )
    assert result.facts == ()
    assert [(str(problem.ref), problem.reason) for problem in result.problems] == [
        ("ehr:?/?", "not-a-resource"),
        ("ehr:?/?", "not-a-resource"),
        ("ehr:?/?", "not-a-resource"),
        ("ehr:MedicationRequest/?", "bad-id"),
        ("ehr:Task/?", "no-id"),
    ]


def test_our_own_resources_are_handed_on_raw() -> None:
    tag = {"system": "urn:fhirbridge:tag", "code": "fhirbridge"}
    task = {"resourceType": "Task", "id": "t", "meta": {"tag": [tag]}}
    theirs = {"resourceType": "Task", "id": "u", "meta": {"tag": [{"code": "fhirbridge"}]}}
    assert reading(task, theirs).ours == (task,)


def test_unknown_fields_and_modifiers() -> None:
    (fact,) = facts(medication_request(status_="x", _status={"id": "1"}, statusReason={}))
    assert [(problem.reason, problem.at) for problem in fact.problems] == [
        ("unknown-field", "MedicationRequest.status_")
    ]
    (fact,) = facts(medication_request(modifierExtension=[{"url": "urn:x"}]))
    assert (fact.state, reasons(fact)) == (State.UNKNOWN, ["unknown-modifier"])


@pytest.mark.parametrize(
    ("text", "day", "reason"),
    [
        ("2026-12-01", date(2026, 12, 1), None),
        ("2026-12-02T03:00:00Z", date(2026, 12, 1), None),
        ("2026-12-02T03:00:00.123456789+00:00", date(2026, 12, 1), None),
        ("2026-12-31T23:59:60-05:00", date(2026, 12, 31), None),
        ("2026-12-01T23:00:00", date(2026, 12, 1), "no-time-zone"),
        ("2026-12", None, "partial-date"),
        ("2026", None, "partial-date"),
        ("2026-02-30", None, "bad-date"),
        ("2026-13", None, "bad-date"),
        ("0026-12-01", None, "bad-date"),
        ("20261201", None, "bad-date"),
        ("2026-W01-1", None, "bad-date"),
        ("12/01/2026", None, "bad-date"),
        ("9999-12-31T23:59:59-14:00", None, "bad-date"),
        ("2026-12-01T25:00:00Z", None, "bad-date"),
        (20261201, None, "bad-date"),
        (["2026-12-01"], None, "bad-date"),
    ],
)
def test_dates(text: Any, day: date | None, reason: str | None) -> None:
    (fact,) = facts(dispense(whenHandedOver=text))
    assert getattr(fact, "day", "missing") == day
    assert reasons(fact) == ([reason] if reason else [])


def test_clocks_change() -> None:
    """01:30 happens twice on 1 November 2026 in New York; the day is the same."""
    for moment in ("2026-11-01T01:30:00-04:00", "2026-11-01T01:30:00-05:00"):
        assert getattr(facts(appointment(start=moment, end=None))[0], "day", None) == date(
            2026, 11, 1
        )


def test_without_a_zone_a_moment_counts_in_its_own_offset() -> None:
    body = appointment(start="2026-12-08T23:00:00-05:00", end=None)
    (fact,) = read(Snapshot("ehr", [body]), None).facts
    assert isinstance(fact, Visit)
    assert fact.day == date(2026, 12, 8)


def test_problems_never_quote_people() -> None:
    secret = "Zebulon Quix"
    body = medication_request(
        dosageInstruction=[{"text": {"div": secret}, "patientInstruction": [secret]}],
        subject={"display": [secret], "reference": {"x": secret}},
        note=[secret],
        requester={"display": {"x": secret}},
    )
    patient = {
        "resourceType": "Patient",
        "id": "p-7",
        "birthDate": secret,
        "identifier": secret,
        "name": [{"text": secret}],
    }
    result = read(Snapshot("ehr", [body, patient, appointment(comment=[secret])]), NEW_YORK)
    assert len(result.problems) > 5
    assert secret not in repr(result.problems)


def test_shapes_that_are_not_those_of_the_specification() -> None:
    """One object for a list, a list for one object, and things among the rows of a list."""
    row = {"doseAndRate": [{"doseQuantity": {"value": 600, "unit": "mg"}}]}
    for wrong in (row, [row, "600 mg"]):
        (fact,) = facts(medication_request(dosageInstruction=wrong))
        assert str(getattr(fact, "per_visit", None)) == "600 mg"
        assert reasons(fact) == ["wrong-shape"]
    (fact,) = facts(medication_request(dosageInstruction="600 mg"))
    assert reasons(fact) == ["wrong-shape"]
    (fact,) = facts(dispense(type=[{"coding": [{"code": "FFP"}]}]))
    assert getattr(fact, "partial", False)
    assert reasons(fact) == ["wrong-shape"]


def test_a_period_that_ends_before_it_starts_is_not_believed() -> None:
    period = {"start": "2026-12-01", "end": "2026-11-01"}
    (fact,) = facts(medication_request(dispenseRequest={"validityPeriod": period}))
    assert getattr(fact, "window", None) == ALWAYS
    assert reasons(fact) == ["bad-period"]


def test_edges_of_a_period_may_be_months() -> None:
    for edges, span, problems in (
        ({"start": "2026-11", "end": "2026-12"}, Span(date(2026, 11, 1), date(2026, 12, 31)), []),
        ({"start": "2026", "end": "2027"}, Span(date(2026, 1, 1), date(2027, 12, 31)), []),
        ({"end": "2026-13"}, ALWAYS, ["bad-date"]),
    ):
        (fact,) = facts(medication_request(dispenseRequest={"validityPeriod": edges}))
        assert getattr(fact, "window", None) == span
        assert reasons(fact) == problems
