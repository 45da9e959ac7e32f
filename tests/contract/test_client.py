"""Our client against real servers: a whole chart, everything that changed, conflicts by name."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from datetime import timedelta
from itertools import islice
from typing import Any

import pytest

from fhirbridge.core.events import Verb
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.errors import Conflict, Gone, Rejected
from fhirbridge.fhir.rising import Rising
from fhirbridge.fhir.subscription import own_query, own_type, sign_of, wanted

URL = "http://127.0.0.1:9"  # nobody listens there


@pytest.fixture
def server(base_url: str) -> Iterator[Server]:
    server = Server("ehr", base_url)
    yield server
    server.close()


@pytest.fixture
def patient(server: Server) -> str:
    id_ = f"p-{uuid.uuid4().hex[:10]}"
    value = {"system": "urn:test", "value": id_}
    server.update({"resourceType": "Patient", "id": id_, "identifier": [value]})
    return id_


def order(patient: str, number: int) -> dict[str, Any]:
    return {
        "resourceType": "MedicationRequest",
        "id": f"{patient}-{number}",
        "status": "active",
        "intent": "order",
        "subject": {"reference": f"Patient/{patient}"},
        "medicationCodeableConcept": {"text": "a drug"},
    }


def put(resource: dict[str, Any]) -> dict[str, Any]:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url}}


def send(server: Server, *resources: dict[str, Any]) -> None:
    entries = [put(each) for each in resources]
    receipts = server.transact({"resourceType": "Bundle", "type": "transaction", "entry": entries})
    assert [(each.type, each.id) for each in receipts] == [
        (each["resourceType"], each["id"]) for each in resources
    ]


@pytest.mark.parametrize(("rows", "requests"), [(60, 1), (1300, 100)])
def test_a_chart_is_whole(server: Server, patient: str, rows: int, requests: int) -> None:
    send(server, *(order(patient, number) for number in range(rows)))
    for query in ({"_id": patient}, {"identifier": f"urn:test|{patient}"}):
        before = server.requests
        chart = server.chart(query, ["MedicationRequest", "Task", "Coverage"])
        assert len(chart.of("MedicationRequest")) == rows
        assert len(chart.of("Patient")) == 1
        assert chart.complete
        assert server.requests - before <= requests


def test_what_an_order_needs_comes_with_it(server: Server, patient: str) -> None:
    medication = {"resourceType": "Medication", "id": f"m-{patient}", "code": {"text": "a drug"}}
    site = {"resourceType": "Location", "id": f"l-{patient}", "name": "a site"}
    payer = {"resourceType": "Organization", "id": f"o-{patient}", "name": "a payer"}
    by_reference = order(patient, 1)
    del by_reference["medicationCodeableConcept"]
    by_reference["medicationReference"] = {"reference": f"Medication/m-{patient}"}
    actors = [f"Patient/{patient}", f"Location/l-{patient}"]
    visit = {
        "resourceType": "Appointment",
        "id": f"a-{patient}",
        "status": "booked",
        "participant": [{"actor": {"reference": each}, "status": "accepted"} for each in actors],
    }
    coverage = {
        "resourceType": "Coverage",
        "id": f"c-{patient}",
        "status": "active",
        "beneficiary": {"reference": f"Patient/{patient}"},
        "payor": [{"reference": f"Organization/o-{patient}"}],
    }
    send(server, medication, site, payer)
    send(server, by_reference, visit, coverage)
    chart = server.chart({"_id": patient}, ["MedicationRequest", "Appointment", "Coverage"])
    assert sorted(str(each["resourceType"]) for each in chart.resources) == [
        "Appointment",
        "Coverage",
        "Location",
        "Medication",
        "MedicationRequest",
        "Organization",
        "Patient",
    ]


def test_what_changed(server: Server, patient: str) -> None:
    send(server, *(order(patient, number) for number in range(3)))
    since = server.now() - timedelta(minutes=1)
    changed = order(patient, 1) | {"status": "on-hold"}
    assert server.update(changed, if_match="1").version == "2"
    server.delete("MedicationRequest", f"{patient}-2")
    told = [
        (each.event.id, each.event.verb, each.event.version)
        for each in server.changes("MedicationRequest", since)
        if (each.event.id or "").startswith(patient)
    ]
    assert (f"{patient}-0", Verb.CHANGED, "1") in told
    assert (f"{patient}-1", Verb.CHANGED, "2") in told
    assert [verb for id_, verb, _ in told if id_ == f"{patient}-2"] == [Verb.DELETED]


def test_what_stands_in_order_of_time(server: Server, patient: str) -> None:
    """Which the first reading of a type rests on: it may break off anywhere and go on."""
    began = server.now() - timedelta(minutes=1)
    for number in (2, 0, 1):
        send(server, order(patient, number))
    server.update(order(patient, 0) | {"status": "on-hold"})

    def read(rising: Rising) -> Iterator[str]:
        for each in server.standing("MedicationRequest", rising):
            if (each.event.id or "").startswith(patient):
                yield (each.event.id or "").removeprefix(f"{patient}-")

    whole = Rising(began)
    assert list(read(whole)) == ["2", "1", "0"]
    assert whole.in_order
    part = Rising(began)
    assert list(islice(read(part), 2)) == ["2", "1"]
    assert list(read(Rising(part.reached)))[-2:] == ["1", "0"]


def test_trouble_has_the_right_name(server: Server, patient: str) -> None:
    send(server, order(patient, 1))
    server.update(order(patient, 1) | {"status": "on-hold"})
    with pytest.raises(Conflict):
        server.update(order(patient, 1), if_match="1")
    server.delete("MedicationRequest", f"{patient}-1")
    with pytest.raises(Gone):
        server.get("MedicationRequest", f"{patient}-1")
    assert server.get("MedicationRequest", f"{patient}-9") is None
    with pytest.raises(Rejected):
        list(server.search("Nonsense", {}))


def test_our_subscription_is_made_once_and_found_again(server: Server) -> None:
    instance = f"t{uuid.uuid4().hex[:8]}"
    ask = wanted(
        instance=instance, server="ehr", type_="Claim", public_url=URL, key="k-1", secret="s"
    )
    query = own_query(instance, "ehr", "Claim")
    condition = "&".join(f"{name}={value}" for name, value in query.items())
    first = server.create(ask, if_none_exist=condition)
    second = server.create(ask, if_none_exist=condition)
    assert (first.created, second.created, second.id) == (True, False, first.id)
    (found,) = server.search("Subscription", query)
    assert own_type(found, instance=instance, server="ehr", public_url=URL) == "Claim"
    assert sign_of(found, URL, "ehr", "k-1").startswith("says-")
    server.delete("Subscription", first.id)
