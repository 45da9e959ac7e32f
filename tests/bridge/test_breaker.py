"""The breaker: one person whose writes do no good is set aside, and comes back."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fhirbridge.bridge.breaker import FAILURES
from fhirbridge.bridge.story import Failed, Wrote
from fhirbridge.settings import Settings
from fhirbridge.wiring import most_writes
from tests.bridge.estate import Answer, Estate, dispense, order, patient, people, visit

pytestmark = pytest.mark.lives

PERSON = "ehr:Patient/p-1"


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    estate = Estate(tmp_path, most_writes=3)
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.work()
    yield estate
    estate.close()


def rewritten(estate: Estate) -> int:
    """Figures that change to and fro; answers how many transactions that made."""
    before = len(estate.told(Wrote))
    for mg in (200, 300, 200, 300, 200):
        estate.put("pharmacy", dispense(mg=mg))
        estate.work()
    return len(estate.told(Wrote)) - before


def test_who_is_rewritten_too_often_is_set_aside_and_shown(estate: Estate) -> None:
    assert rewritten(estate) == 2  # the first was written before
    (mark,) = estate.bridge.store.parked()
    assert mark.subject == PERSON
    assert "held back: 3 transactions" in (mark.last_error or "")
    assert estate.told(Failed)[-1] == Failed(PERSON, "HeldBack", parked=True)


def test_others_are_written_meanwhile(estate: Estate) -> None:
    rewritten(estate)
    estate.put("ehr", patient("p-2", mrn="456", born="1971-02-03"))
    estate.put("ehr", order("o-2", who="p-2"))
    estate.put("ehr", visit("v-2", who="p-2"))
    estate.work()
    assert any(each.subject == "ehr:Patient/p-2" for each in estate.told(Wrote))


def test_time_releases_and_what_is_true_then_is_written(estate: Estate) -> None:
    rewritten(estate)
    estate.later(minutes=30)
    assert estate.bridge.store.parked()
    wrote = len(estate.told(Wrote))
    estate.later(minutes=31)
    assert not estate.bridge.store.parked()
    assert len(estate.told(Wrote)) == wrote + 1
    assert any("200 mg" in str(task) for task in estate.tasks(status="requested"))
    assert not any("300 mg" in str(task) for task in estate.tasks(status="requested"))


def test_a_person_who_looked_into_it_releases(estate: Estate) -> None:
    rewritten(estate)
    wrote = len(estate.told(Wrote))
    assert estate.bridge.store.retry(["ehr:Patient/unknown"], estate.clock()) == 0
    assert estate.bridge.store.retry(None, estate.clock()) == 1
    estate.work()
    assert not estate.bridge.store.parked()
    assert len(estate.told(Wrote)) == wrote + 1
    assert rewritten(estate) == 2


def test_a_write_that_keeps_failing_is_set_aside_and_tried_again(estate: Estate) -> None:
    """The server answers everything but this one transaction."""

    def fails(request: httpx.Request, go: Answer) -> httpx.Response:
        return (
            httpx.Response(500) if request.method == "POST" and _is_root(request) else go(request)
        )

    estate.servers["ehr"].around = fails
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    for _ in range(FAILURES - 1):
        assert not estate.bridge.store.parked()
        estate.later(hours=1)
    (mark,) = estate.bridge.store.parked()
    assert mark.subject == PERSON
    estate.servers["ehr"].around = lambda request, go: go(request)
    estate.later(minutes=61)
    assert not estate.bridge.store.parked()
    assert "dispense-short" in estate.rules()


def test_a_server_that_is_down_sets_nobody_aside(estate: Estate) -> None:
    estate.servers["ehr"].down = 503
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    for _ in range(2 * FAILURES):
        estate.later(hours=1)
    assert not estate.bridge.store.parked()


def test_where_tasks_stay_on_this_machine_any_number_is_written() -> None:
    def settings(url: str, **more: object) -> Settings:
        server = {"base_url": url, "holds": ["worklist"]}
        return Settings.model_validate({"servers": {"ehr": server}, **more})

    assert most_writes(settings("https://ehr.example/fhir")) == 60
    assert most_writes(settings("https://ehr.example/fhir", most_writes=None)) is None
    assert most_writes(settings("http://127.0.0.1:8080/fhir")) is None
    assert most_writes(settings("http://127.0.0.1:8080/fhir", most_writes=5)) == 5


def _is_root(request: httpx.Request) -> bool:
    return request.url.path.rstrip("/").endswith("/fhir")
