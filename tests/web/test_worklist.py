"""Our own worklist over HTTP: to whoever has the token, by FHIR's searches, and nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate
from tests.bridge.makes import OPENEMR
from tests.bridge.test_makes import hospital
from tests.web.test_door import Caller

pytestmark = pytest.mark.lives

TOKEN = {"Authorization": "Bearer let-me-in"}


def door(estate: Estate) -> Caller:
    bridge = estate.bridge
    return Caller(app(bridge, Metrics(bridge.store, estate.clock), Console(bridge)))


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Caller]:
    estate = hospital(tmp_path, OPENEMR, worklist_token="let-me-in")
    yield door(estate)
    estate.close()


def test_search_and_read(served: Caller) -> None:
    found = served("GET", "/fhir/Task?status=requested&patient=Patient/p-1", headers=TOKEN)
    assert found.status_code == 200
    assert found.headers["content-type"].startswith("application/fhir+json")
    bundle = found.json()
    assert bundle["total"] == len(bundle["entry"]) > 1
    task = bundle["entry"][0]["resource"]
    again = served("GET", f"/fhir/Task/{task['id']}", headers=TOKEN)
    assert again.json() == task
    assert again.headers["etag"] == 'W/"1"'
    full = task["for"]["reference"]
    assert served("GET", f"/fhir/Task?patient={full}", headers=TOKEN).json()["total"] > 1
    assert served("GET", "/fhir/Task?patient=Patient/p-2", headers=TOKEN).json()["total"] == 0


def test_pages(served: Caller) -> None:
    total = served("GET", "/fhir/Communication", headers=TOKEN).json()["total"]
    url, seen = "/fhir/Communication?_count=1", []
    while url:
        page = served("GET", url, headers=TOKEN).json()
        seen += [each["resource"]["id"] for each in page["entry"]]
        url = next((each["url"] for each in page["link"] if each["relation"] == "next"), "")
    assert len(seen) == len(set(seen)) == total > 1


@pytest.mark.parametrize("path", ["/fhir/Task", "/fhir/Task/x", "/fhir/Patient"])
@pytest.mark.parametrize("headers", [{}, {"Authorization": "Bearer wrong"}])
def test_without_the_token_nothing_is_said(
    served: Caller, path: str, headers: dict[str, str]
) -> None:
    assert served("GET", path, headers=headers).status_code == 401


def test_without_a_configured_token_nothing_is_served(tmp_path: Path) -> None:
    estate = hospital(tmp_path, OPENEMR)
    for path in ("/fhir/Task", "/fhir/metadata"):
        refused = door(estate)("GET", path, headers=TOKEN)
        assert refused.status_code == 404
        assert "worklist_token" in refused.text
    estate.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/fhir/Patient", 404),
        ("/fhir/Task/none", 404),
        ("/fhir/Task?colour=blue", 400),
        ("/fhir/Task?_count=many", 400),
        ("/fhir/metadata", 200),
    ],
)
def test_what_cannot_be_answered_is_said(served: Caller, path: str, status: int) -> None:
    answer = served("GET", path, headers=TOKEN)
    assert answer.status_code == status
    assert answer.json()["resourceType"] in ("OperationOutcome", "CapabilityStatement")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_it_is_read_only(served: Caller, method: str) -> None:
    assert served(method, "/fhir/Task", headers=TOKEN).status_code == 405


def test_the_token_is_compared_in_constant_time_only(
    served: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert served("GET", "/fhir/Task", headers=TOKEN).status_code == 200
    monkeypatch.setattr("fhirbridge.bridge.worklist.compare_digest", lambda _a, _b: False)
    assert served("GET", "/fhir/Task", headers=TOKEN).status_code == 401
