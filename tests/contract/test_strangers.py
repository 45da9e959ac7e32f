"""A server of everybody's: what is searched, polled and notified by a tag leaves strangers out."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest

from fhirbridge.fhir.client import Server
from fhirbridge.fhir.subscription import wanted
from fhirbridge.fhir.tagged import Only
from tests.contract.driver import Fhir, Json, Listener


@pytest.fixture
def tag(fhir: Fhir) -> str:
    return f"urn:mine|{fhir.u}"


@pytest.fixture
def server(fhir: Fhir, tag: str) -> Iterator[Server]:
    made = Server("ehr", fhir.base_url, only=Only(tag))
    yield made
    made.close()


def put(fhir: Fhir, type_: str, name: str, tag: str | None, **fields: object) -> Json:
    system, _, code = (tag or "").partition("|")
    meta = {"meta": {"tag": [{"system": system, "code": code}]}} if tag else {}
    return fhir.made({"resourceType": type_, "id": fhir.id(name), **meta, **fields})


def order(fhir: Fhir, name: str, who: str, tag: str | None) -> Json:
    return put(
        fhir,
        "MedicationRequest",
        name,
        tag,
        status="active",
        intent="order",
        subject={"reference": f"Patient/{fhir.id(who)}"},
        medicationCodeableConcept={"text": "x"},
    )


def test_charts_and_polls_show_only_what_carries_the_tag(
    fhir: Fhir, server: Server, tag: str
) -> None:
    began = datetime.now(UTC) - timedelta(minutes=1)
    same = {"identifier": [{"system": fhir.system, "value": "p"}]}
    put(fhir, "Patient", "mine", tag, **same)
    put(fhir, "Patient", "stranger", None, **same)
    order(fhir, "o", "mine", tag)
    order(fhir, "theirs", "stranger", None)
    order(fhir, "planted", "mine", None)
    for query in ({"_id": fhir.id("mine")}, {"identifier": f"{fhir.system}|p"}):
        chart = server.chart(query, ["MedicationRequest"])
        assert {each["id"] for each in chart.resources} == {fhir.id("mine"), fhir.id("o")}
    assert not server.chart({"_id": fhir.id("stranger")}, ["MedicationRequest"]).resources
    changed = {told.event.id for told in server.changes("MedicationRequest", began)}
    assert changed == {fhir.id("o")}


def test_a_subscription_by_tag_tells_of_no_stranger(
    fhir: Fhir, listener: Listener, tag: str
) -> None:
    asked = wanted(
        instance=fhir.u,
        server="ehr",
        type_="Patient",
        public_url=listener.url,
        key="k",
        secret="s3cret",
        only_tagged=tag,
    )
    fhir.activated(asked)
    put(fhir, "Patient", "stranger", None)
    put(fhir, "Patient", "mine", tag)
    fhir.eventually(lambda: listener.about(fhir.id("mine")), "what carries the tag")
    assert not listener.about(fhir.id("stranger"))
