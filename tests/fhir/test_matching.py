"""Search semantics on values that servers really hold."""

from __future__ import annotations

from typing import Any

import pytest

from fhirbridge.fhir.matching import BadSearch, interval, matcher

PERIOD = {"occurrencePeriod": {"start": "2026-12-08T09:00:00-05:00"}}


@pytest.mark.parametrize(
    ("type_", "query", "resource", "expected"),
    [
        ("Task", "status=draft,requested", {"status": "requested"}, True),
        ("Task", "status=Requested", {"status": "requested"}, False),
        ("Patient", "active=true", {"active": True}, True),
        ("Task", "identifier=s|v", {"identifier": [{"system": "s", "value": "v"}]}, True),
        ("Task", "identifier=|v", {"identifier": [{"system": "s", "value": "v"}]}, False),
        ("Task", "identifier=|v", {"identifier": [{"value": "v"}]}, True),
        ("Task", "identifier=s|", {"identifier": [{"system": "s", "value": "v"}]}, True),
        ("Task", "code=c", {"code": {"coding": [{"code": "b"}, {"code": "c"}]}}, True),
        ("Task", "code=c", {"code": {"text": "c"}}, False),
        ("Task", "patient=p", {"for": {"reference": "Patient/p"}}, True),
        ("Task", "patient=p", {"for": {"reference": "Group/p"}}, False),
        ("Task", "subject=Group/p", {"for": {"reference": "Group/p"}}, True),
        ("Task", "subject=p", {"for": {"identifier": {"value": "p"}}}, False),
        ("Patient", "birthdate=1980", {"birthDate": "1980-02-29"}, True),
        ("Patient", "birthdate=1980-03", {"birthDate": "1980-02-29"}, False),
        ("Patient", "birthdate=lt1980-03", {"birthDate": "1980-02-29"}, True),
        ("Patient", "birthdate=1980", {"birthDate": "around 1980"}, False),
        ("Patient", "family=smi", {"name": [{"family": "Smithson"}]}, True),
        ("ServiceRequest", "occurrence=ge2027", PERIOD, True),
        ("ServiceRequest", "occurrence=le2026-12-07", PERIOD, False),
        ("ServiceRequest", "occurrence=gt2026-12-08T13:59:59Z", PERIOD, True),
    ],
)
def test_matching(type_: str, query: str, resource: dict[str, Any], expected: bool) -> None:
    name, value = query.split("=")
    assert matcher(type_, [(name, value), ("_count", "5")])(resource) is expected


@pytest.mark.parametrize(
    ("text", "start", "end"),
    [
        ("2026", "2026-01-01T00:00:00", "2027-01-01T00:00:00"),
        ("2028", "2028-01-01T00:00:00", "2029-01-01T00:00:00"),
        ("2026-12", "2026-12-01T00:00:00", "2027-01-01T00:00:00"),
        ("2026-02", "2026-02-01T00:00:00", "2026-03-01T00:00:00"),
        ("2026-02-28", "2026-02-28T00:00:00", "2026-03-01T00:00:00"),
        ("2026-12-08T09:00:00Z", "2026-12-08T09:00:00", "2026-12-08T09:00:01"),
        ("2026-12-08T09:00:00.5-05:00", "2026-12-08T14:00:00.500", "2026-12-08T14:00:00.501"),
    ],
)
def test_a_date_lasts_as_long_as_it_is_exact(text: str, start: str, end: str) -> None:
    found = [moment.isoformat() for moment in map(_utc, interval(text))]
    assert found == [_utc(interval(f"{edge}Z")[0]).isoformat() for edge in (start, end)]


def _utc(moment: Any) -> Any:
    return moment.astimezone(interval("2026")[0].tzinfo)


@pytest.mark.parametrize("name", ["nonsense", "status:not", "patient.identifier", "_has:Task:x"])
def test_what_cannot_be_answered_is_refused(name: str) -> None:
    with pytest.raises(BadSearch, match="HAPI-0524"):
        matcher("Task", [(name, "1")])


@pytest.mark.parametrize("text", ["", "x", "2026-13", "2026-02-30", "20", "9999-12-31T99:00Z"])
def test_what_is_no_date_is_refused(text: str) -> None:
    with pytest.raises(BadSearch, match="HAPI-1882"):
        interval(text)
