"""Search: parameters, sorting, pages, includes and their limits."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from fhirbridge.fhir.parameters import PARAMETERS
from tests.contract.driver import Fhir, Json

AT = "2026-12-01T09:00:00Z"


def _orders(fhir: Fhir, count: int) -> str:
    """A patient with so many orders."""
    patient = fhir.patient()["id"]
    for start in range(0, count, 500):
        entries = []
        for number in range(start, min(start + 500, count)):
            order: Json = {
                "resourceType": "MedicationRequest",
                "id": fhir.id(f"o{number}"),
                "status": "active",
                "intent": "order",
                "medicationCodeableConcept": {"text": "ocrelizumab"},
                "subject": {"reference": f"Patient/{patient}"},
            }
            request = {"method": "PUT", "url": f"MedicationRequest/{order['id']}"}
            entries.append({"resource": order, "request": request})
        assert fhir.bundle("transaction", *entries).status == 200
    return str(patient)


def test_by_identifier(fhir: Fhir) -> None:
    fhir.made(fhir.task("a"))
    fhir.made(fhir.task("b", identifier=[{"value": f"bare-{fhir.u}"}]))
    assert fhir.ids(f"Task?identifier={fhir.system}|a") == [fhir.id("a")]
    assert fhir.ids(f"Task?identifier=|bare-{fhir.u}") == [fhir.id("b")]
    assert fhir.ids(f"Task?identifier=bare-{fhir.u}") == [fhir.id("b")]
    assert fhir.ids(f"Task?identifier={fhir.system}|") == [fhir.id("a")]
    assert fhir.ids(f"Task?identifier=urn:other|bare-{fhir.u}") == []
    either = f"{fhir.system}|a,{fhir.system}|none"
    assert fhir.ids(f"Task?identifier={either}") == [fhir.id("a")]


def test_by_a_form_so_that_identifiers_stand_in_no_address(fhir: Fhir) -> None:
    fhir.made(fhir.task("a"))
    form = f"identifier={fhir.system}%7Ca".encode()
    kind = "application/x-www-form-urlencoded"
    answer = fhir.call("POST", "Task/_search", form, Content_Type=kind)
    assert [e["resource"]["id"] for e in answer.body["entry"]] == [fhir.id("a")]


def test_by_reference_status_and_tag_together(fhir: Fhir) -> None:
    patient = f"Patient/{fhir.patient()['id']}"
    tag = {"system": fhir.system, "code": "mine"}
    fhir.made(fhir.task("a", patient, meta={"tag": [tag]}))
    fhir.made(fhir.task("b", patient, meta={"tag": [tag]}, status="completed"))
    fhir.made(fhir.task("c"))
    both = {fhir.id("a"), fhir.id("b")}
    assert set(fhir.ids(f"Task?patient={patient}")) == both
    assert set(fhir.ids(f"Task?patient={fhir.id('p')}")) == both
    assert set(fhir.ids(f"Task?_tag={fhir.system}|mine")) == both
    assert fhir.ids(f"Task?subject={patient}&status=completed") == [fhir.id("b")]
    assert set(fhir.ids(f"Task?_id={fhir.id('a')},{fhir.id('c')}")) == {fhir.id("a"), fhir.id("c")}


@pytest.mark.parametrize(
    ("type_", "parameter", "fields"),
    [
        ("Coverage", "beneficiary", {"status": "active", "beneficiary": "P", "payor": ["P"]}),
        ("Coverage", "payor", {"status": "active", "beneficiary": "P", "payor": ["P"]}),
        ("MedicationDispense", "subject", {"status": "completed", "subject": "P"}),
        ("ServiceRequest", "patient", {"status": "active", "intent": "order", "subject": "P"}),
        ("Communication", "patient", {"status": "completed", "subject": "P"}),
        (
            "Provenance",
            "target",
            {"target": ["P"], "recorded": AT, "agent": [{"who": {"id": "a"}}]},
        ),
        ("Task", "focus", {"status": "requested", "intent": "order", "focus": "P"}),
        ("Task", "owner", {"status": "requested", "intent": "order", "owner": "P"}),
    ],
)
def test_by_each_way_to_point_to_a_patient(
    fhir: Fhir, type_: str, parameter: str, fields: Json
) -> None:
    point = {"reference": f"Patient/{fhir.patient()['id']}"}
    made = {k: point if v == "P" else [point] if v == ["P"] else v for k, v in fields.items()}
    if type_ == "MedicationDispense":
        made["medicationCodeableConcept"] = {"text": "ocrelizumab"}
    fhir.made({"resourceType": type_, "id": fhir.id("x")} | made)
    assert fhir.ids(f"{type_}?{parameter}={point['reference']}") == [fhir.id("x")]


def test_an_appointment_is_found_by_each_participant(fhir: Fhir) -> None:
    patient = {"actor": {"reference": f"Patient/{fhir.patient()['id']}"}, "status": "accepted"}
    location = {"actor": {"reference": f"Location/{fhir.id('l')}"}, "status": "accepted"}
    fhir.made({"resourceType": "Location", "id": fhir.id("l")})
    visit = {"resourceType": "Appointment", "id": fhir.id("a"), "status": "booked"}
    times = {"start": "2026-12-08T09:00:00-05:00", "end": "2026-12-08T14:00:00-05:00"}
    fhir.made(visit | times | {"participant": [patient, location]})
    found = [fhir.id("a")]
    assert fhir.ids(f"Appointment?patient=Patient/{fhir.id('p')}") == found
    assert fhir.ids(f"Appointment?actor=Location/{fhir.id('l')}&date=2026-12-08") == found
    assert fhir.ids(f"Appointment?actor=Location/{fhir.id('l')}&date=ge2026-12-09") == []


def test_by_the_time_of_the_last_change(fhir: Fhir) -> None:
    stamps = [fhir.made(fhir.task(name))["meta"]["lastUpdated"] for name in "abc"]
    if len(set(stamps)) < 3:
        pytest.skip("written within one millisecond")
    mine = f"Task?identifier={fhir.system}|"
    middle = datetime.fromisoformat(stamps[1])
    text = middle.isoformat(timespec="milliseconds").replace("+00:00", "Z")
    a, b, c = (fhir.id(name) for name in "abc")
    expected = {"ge": [b, c], "gt": [c], "le": [a, b], "lt": [a], "eq": [b]}
    for prefix, ids in expected.items():
        assert sorted(fhir.ids(f"{mine}&_lastUpdated={prefix}{text}")) == ids, prefix
    assert fhir.ids(f"{mine}&_sort=_lastUpdated") == [a, b, c]
    assert fhir.ids(f"{mine}&_sort=-_lastUpdated") == [c, b, a]
    tomorrow = (middle + timedelta(days=2)).date().isoformat()
    assert fhir.ids(f"{mine}&_lastUpdated=ge{tomorrow}") == []


def test_pages_are_a_snapshot(fhir: Fhir) -> None:
    for number in range(5):
        fhir.made(fhir.task(f"t{number}"))
    pages = fhir.pages(f"Task?identifier={fhir.system}|&_sort=_lastUpdated&_count=2")
    first = next(pages)
    fhir.made(fhir.task("late"))
    rest = [entry["resource"]["id"] for page in pages for entry in page["entry"]]
    assert [e["resource"]["id"] for e in first["entry"]] == [fhir.id("t0"), fhir.id("t1")]
    late = [] if fhir.profile.snapshot_pages else [fhir.id("late")]
    assert rest == [fhir.id("t2"), fhir.id("t3"), fhir.id("t4"), *late]


def test_a_page_link_of_another_life_is_gone(fhir: Fhir) -> None:
    if not fhir.profile.codes:
        pytest.skip("the form of page links is the server's own")
    address = "?_getpages=0a0a0a0a-0000-4000-8000-000000000000&_getpagesoffset=10&_count=10"
    answer = fhir.get(fhir.base_url + address)
    assert fhir.refused(answer, 410, "HAPI-0417")


def test_counting_without_reading(fhir: Fhir) -> None:
    for name in "abc":
        fhir.made(fhir.task(name))
    bundle = fhir.get(f"Task?identifier={fhir.system}|&_summary=count").body
    assert bundle["total"] == 3
    assert "entry" not in bundle
    assert fhir.get(f"Task?identifier={fhir.system}|&_total=accurate&_count=1").body["total"] == 3


def test_an_unknown_parameter_is_refused(fhir: Fhir) -> None:
    answer = fhir.get("Task?nonsense=1")
    assert fhir.refused(answer, fhir.profile.unknown_parameter, "HAPI-0524")


def test_every_parameter_of_the_table_is_known(fhir: Fhir) -> None:
    """`fhirbridge.fhir.parameters` against the server's own opinion."""
    refused = []
    for type_, parameters in PARAMETERS.items():
        names = [f"{n}={'2026' if p.kind == 'date' else 'x'}" for n, p in parameters.items()]
        answer = fhir.get(f"{type_}?{'&'.join(names)}&_summary=count")
        if answer.status != 200:
            refused.append((type_, answer.diagnostics[:200]))
    assert refused == []


def test_all_that_is_about_a_patient_in_one_request(fhir: Fhir) -> None:
    """The twelve types and ways that one read asks for are accepted together."""
    types = ["Appointment", "Claim", "ClaimResponse", "Coverage", "Communication", "Task"]
    types += ["CoverageEligibilityRequest", "CoverageEligibilityResponse", "ServiceRequest"]
    types += ["MedicationRequest", "MedicationDispense", "MedicationAdministration"]
    patient = fhir.patient()["id"]
    fhir.made(fhir.task(patient=f"Patient/{patient}"))
    query = "".join(f"&_revinclude={type_}:patient" for type_ in types)
    assert fhir.ids(f"Patient?_id={patient}{query}") == [patient, fhir.id("t")]


def test_one_patient_in_one_request(fhir: Fhir) -> None:
    """Decision 9 (docs/decisions.md): 60 orders are all there in one answer."""
    patient = _orders(fhir, 60)
    fhir.made(fhir.task(patient=f"Patient/{patient}"))
    query = f"Patient?_id={patient}&_revinclude=MedicationRequest:patient&_revinclude=Task:patient"
    bundle = fhir.get(query).body
    modes = [entry["search"]["mode"] for entry in bundle["entry"]]
    assert (modes.count("match"), modes.count("include")) == (1, 61)
    assert "next" not in {link["relation"] for link in bundle.get("link", [])}


def test_no_store_cuts_silently(fhir: Fhir) -> None:
    """Why the bridge never sends it."""
    if not fhir.profile.no_store_cuts:
        pytest.skip("this server does not cut")
    patient = _orders(fhir, 60)
    query = f"Patient?_id={patient}&_revinclude=MedicationRequest:patient"
    bundle = fhir.get(query, Cache_Control="no-store").body
    assert len(bundle["entry"]) < 61
    assert "next" not in {link["relation"] for link in bundle.get("link", [])}


def test_more_than_the_limit_is_cut_silently_but_can_be_paged(fhir: Fhir) -> None:
    patient = _orders(fhir, 1300)
    bundle = fhir.get(f"Patient?_id={patient}&_revinclude=MedicationRequest:patient").body
    limit = fhir.profile.include_limit or 1300
    assert len(bundle["entry"]) == 1 + limit
    ids = fhir.ids(f"MedicationRequest?patient=Patient/{patient}&_count=500")
    assert len(set(ids)) == len(ids) == 1300


def test_pages_are_no_longer_than_the_server_likes(fhir: Fhir) -> None:
    patient = _orders(fhir, 60)
    page = fhir.get(f"MedicationRequest?patient=Patient/{patient}&_count=500").body
    assert len(page["entry"]) == (fhir.profile.longest_page or 60)


def test_includes_follow_from_what_was_included(fhir: Fhir) -> None:
    patient = fhir.patient()["id"]
    payer: Json = {"resourceType": "Organization", "id": fhir.id("o"), "name": "Payer"}
    drug: Json = {"resourceType": "Medication", "id": fhir.id("m"), "status": "active"}
    fhir.made(payer)
    fhir.made(drug)
    fhir.made(
        {
            "resourceType": "Coverage",
            "id": fhir.id("c"),
            "status": "active",
            "beneficiary": {"reference": f"Patient/{patient}"},
            "payor": [{"reference": f"Organization/{fhir.id('o')}"}],
        }
    )
    fhir.made(
        {
            "resourceType": "MedicationRequest",
            "id": fhir.id("r"),
            "status": "active",
            "intent": "order",
            "subject": {"reference": f"Patient/{patient}"},
            "medicationReference": {"reference": f"Medication/{fhir.id('m')}"},
        }
    )
    revincludes = "_revinclude=Coverage:beneficiary&_revinclude=MedicationRequest:patient"
    iterates = "_include:iterate=Coverage:payor&_include:iterate=MedicationRequest:medication"
    found = fhir.ids(f"Patient?_id={patient}&{revincludes}&{iterates}")
    assert set(found) == {patient, *(fhir.id(name) for name in "comr")}
    found = fhir.ids(f"MedicationRequest?_id={fhir.id('r')}&_include=MedicationRequest:medication")
    assert found == [fhir.id("r"), fhir.id("m")]
