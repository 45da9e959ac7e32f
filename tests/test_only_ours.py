"""The watch over the suite's writes sees what it should (tests/conftest.py)."""

from __future__ import annotations

from typing import Any

import pytest

from fhirbridge.fhir import ours
from tests.conftest import strangers

TASK = {
    "resourceType": "Task",
    "meta": {"tag": [ours.TAG]},
    "identifier": [{"system": ours.finding_system("test"), "value": "key.1"}],
}


def sent(
    resource: dict[str, Any], method: str = "PUT", version: str | None = 'W/"1"'
) -> dict[str, Any]:
    request = {"method": method} | ({"ifMatch": version} if version else {})
    return {"resourceType": "Bundle", "entry": [{"resource": resource, "request": request}]}


def test_our_own_are_taken() -> None:
    assert not list(strangers("POST", "http://x", sent(TASK)))
    assert not list(strangers("PUT", "http://x/Task/1", TASK))


@pytest.mark.parametrize(
    ("method", "url", "body"),
    [
        ("PUT", "http://x/MedicationRequest/1", {"resourceType": "MedicationRequest"}),
        ("PUT", "http://x/Task/1", {**TASK, "identifier": []}),
        ("PUT", "http://x/Task/1", {**TASK, "meta": {}}),
        ("POST", "http://x", sent({**TASK, "resourceType": "Appointment"})),
        ("POST", "http://x", sent(TASK, "DELETE")),
        ("POST", "http://x", sent(TASK, version=None)),
        ("DELETE", "http://x/Task/1", None),
    ],
)
def test_others_are_seen(method: str, url: str, body: dict[str, Any] | None) -> None:
    assert list(strangers(method, url, body))
