"""Our Tasks as they are read back."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirbridge.core.facts import Ref
from fhirbridge.core.plan import Said, Told
from fhirbridge.fhir import ours
from fhirbridge.fhir.said import TOLD, said

Json = dict[str, Any]


def task(status: str = "requested", business: str = "open", **more: Any) -> Json:
    plain: Json = {
        "resourceType": "Task",
        "id": "7",
        "meta": {"versionId": "3"},
        "identifier": [
            {"system": "urn:someone:else", "value": "x.9"},
            {"system": "urn:fhirbridge:st-mary:finding", "value": "abc.2"},
        ],
        "groupIdentifier": {"system": "urn:fhirbridge:st-mary:occasion", "value": "occ"},
        "status": status,
        "businessStatus": ours.concept(ours.STATUS, business),
        "reasonCode": ours.concept(ours.RULE, "dispense-short"),
        "authoredOn": "2026-12-01T04:00:00-05:00",
        "input": [
            {"type": {"text": "of a person"}, "valueString": "call first"},
            {"type": ours.concept(ours.INPUT, ours.DIGEST), "valueString": "d0"},
            {"type": ours.concept(ours.INPUT, ours.NOTED), "valueString": "d1"},
        ],
    }
    return plain | more


def told(resource: Json) -> Told | None:
    found = said(resource, "ehr", "st-mary")
    return found.told if found else None


def test_who_was_asked_and_by_when() -> None:
    role = [{"text": "clerk"}, ours.concept(ours.ROLE, "pharmacy")]
    asked = task(performerType=role, restriction={"period": {"end": "2026-12-04T17:00:00-05:00"}})
    found = said(asked, "ehr", "st-mary")
    assert found is not None
    assert (found.owner, found.due) == ("pharmacy", datetime(2026, 12, 4, 22, tzinfo=UTC))
    odd: Json
    for odd in ({"restriction": []}, {"restriction": {"period": "soon"}}, {"performerType": 3}):
        found = said(task(**odd), "ehr", "st-mary")
        assert found is not None
        assert (found.owner, found.due) == ("", None)


@pytest.mark.parametrize(
    ("change", "is_untouched"),
    [
        ({}, True),
        ({"meta": {}}, True),
        ({"meta": {"versionId": "5e0c"}}, True),
        ({"meta": {"versionId": "2"}}, False),
        ({"status": "received"}, False),
        ({"note": [{"text": "called them"}]}, False),
        ({"lastModified": "2026-12-01T05:00:00-05:00"}, False),
        ({"businessStatus": ours.concept(ours.STATUS, "revised")}, False),
    ],
)
def test_whether_it_is_as_it_was_created(change: Json, is_untouched: bool) -> None:
    found = said(task() | {"meta": {"versionId": "1"}} | change, "ehr", "st-mary")
    assert found is not None
    assert found.untouched is is_untouched


def test_what_we_took_back_as_a_double_says_nothing() -> None:
    assert said(task("cancelled", "double"), "ehr", "st-mary") is None


def test_everything_that_a_task_of_ours_says() -> None:
    assert said(task(), "ehr", "st-mary") == Said(
        key="abc",
        episode=2,
        ref=Ref("ehr", "Task", "7", "3"),
        told=Told.OPEN,
        digest="d0",
        noted="d1",
        rule="dispense-short",
        occasion="occ",
        written=datetime(2026, 12, 1, 9, tzinfo=UTC),
    )


@pytest.mark.parametrize("business", sorted(ours.CLOSED_BY_US))
@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_closed_by_us_carries_our_business_status(status: str, business: str) -> None:
    assert told(task(status, business)) is Told.CLOSED_BY_US
    assert told(task("in-progress", business)) is Told.STARTED  # a person took it up again


@pytest.mark.parametrize(
    "business", ["open", "revised", "changed", "looks-solved", "no-longer-needed", "escalated"]
)
@pytest.mark.parametrize("status", sorted(TOLD))
def test_any_other_ending_is_a_person_s(status: str, business: str) -> None:
    assert told(task(status, business)) is TOLD[status]


def test_every_status_of_fhir_has_a_reading() -> None:
    statuses = "draft requested received accepted rejected ready cancelled in-progress on-hold"
    assert set(TOLD) == {*statuses.split(), "failed", "completed", "entered-in-error"}


def test_a_status_that_nobody_knows_is_a_person_at_work() -> None:
    assert told(task("waiting")) is Told.STARTED
    assert told(task() | {"businessStatus": None, "status": None}) is Told.STARTED


@pytest.mark.parametrize(
    "change",
    [
        {"identifier": [{"system": "urn:fhirbridge:test:finding", "value": "abc.2"}]},
        {"identifier": [{"system": "urn:fhirbridge:st-mary:finding", "value": "abc"}]},
        {"identifier": [{"system": "urn:fhirbridge:st-mary:finding", "value": "abc.two"}]},
        {"identifier": None},
        {"resourceType": "Communication"},
        {"id": None},
    ],
)
def test_what_is_not_ours(change: Json) -> None:
    assert said(task(**change), "ehr", "st-mary") is None


anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner),
    max_leaves=8,
)


@given(st.sampled_from(sorted(task())), anything)
def test_anything_in_place_of_an_element_is_read_without_a_crash(name: str, value: object) -> None:
    said(task() | {name: value}, "ehr", "st-mary")
