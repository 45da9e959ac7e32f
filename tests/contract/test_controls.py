"""The controls that the demo and the journeys use on the embedded server."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from fhirbridge.sandbox import Sandbox
from fhirbridge.sandbox.resources import Refused
from tests.contract.driver import Json, Listener
from tests.contract.profiles import Profile

AT = datetime(2026, 12, 1, 9, tzinfo=UTC)
SUBSCRIPTION: Json = {"resourceType": "Subscription", "id": "s", "status": "requested"}
PATIENT: Json = {"resourceType": "Patient", "id": "p"}


@pytest.fixture(autouse=True)
def _embedded(profile: Profile) -> None:
    if profile.name != "sandbox":
        pytest.skip("about the embedded server alone")


@pytest.fixture
def ehr() -> Iterator[Sandbox]:
    ids = (f"own-{number}" for number in itertools.count())
    with Sandbox(
        "ehr", clock=lambda: AT, ids=lambda: next(ids), delay=0, retries=[0.01] * 3
    ) as one:
        yield one


def _subscribe(ehr: Sandbox, listener: Listener) -> None:
    channel = {"type": "rest-hook", "endpoint": listener.url, "payload": "application/json"}
    ehr.put(SUBSCRIPTION | {"criteria": "Patient?", "channel": channel})
    ehr.idle()
    assert ehr.get("Subscription/s")["status"] == "active"


def test_writes_in_process_are_told_like_others(ehr: Sandbox, listener: Listener) -> None:
    _subscribe(ehr, listener)
    stored = ehr.put(PATIENT)
    ehr.idle()
    assert stored["meta"]["lastUpdated"] == "2026-12-01T09:00:00.000+00:00"
    assert [one.path for one in listener.heard] == ["/hook/Patient/p"]
    assert ehr.all("Patient") == [stored]
    ehr.delete("Patient/p")
    with pytest.raises(Refused, match="deleted"):
        ehr.get("Patient/p")


def test_a_returned_copy_is_not_the_record(ehr: Sandbox) -> None:
    ehr.put(PATIENT)["active"] = True
    assert "active" not in ehr.get("Patient/p")


def test_requests_are_counted_at_the_server(ehr: Sandbox) -> None:
    httpx.get(f"{ehr.base_url}/Patient?_id=p")
    httpx.post(f"{ehr.base_url}/Task", content=b'{"resourceType":"Task"}')
    assert ehr.requests == [("GET", "Patient?_id=p"), ("POST", "Task")]
    assert ehr.all("Task")[0]["id"] == "own-0"
    assert ehr.count() == 2
    ehr.reset_counts()
    assert ehr.count() == 0


def test_a_deaf_server_neither_answers_nor_tells_until_it_is_healed(
    ehr: Sandbox, listener: Listener
) -> None:
    _subscribe(ehr, listener)
    ehr.fail(503, headers={"Retry-After": "1"})
    answer = httpx.get(f"{ehr.base_url}/metadata")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
    ehr.put(PATIENT)
    ehr.idle()
    assert listener.heard == []
    ehr.heal()
    ehr.idle()
    assert len(listener.heard) == 1
    assert httpx.get(f"{ehr.base_url}/metadata").status_code == 200


def test_a_fault_may_last_for_some_requests(ehr: Sandbox) -> None:
    ehr.fail(429, times=2)
    statuses = [httpx.get(f"{ehr.base_url}/metadata").status_code for _ in range(3)]
    assert statuses == [429, 429, 200]


def test_what_is_never_answered_well_is_given_up(
    ehr: Sandbox, listener: Listener, caplog: pytest.LogCaptureFixture
) -> None:
    _subscribe(ehr, listener)
    listener.answers = itertools.repeat((500, "", b""))
    ehr.put(PATIENT)
    ehr.idle()
    assert len(listener.heard) == 4
    assert "Patient/p/_history/1 given up" in caplog.text
    assert listener.url not in caplog.text


def test_waiting_for_what_does_not_end_says_so(ehr: Sandbox, listener: Listener) -> None:
    _subscribe(ehr, listener)
    with Sandbox("slow", delay=60) as slow:
        channel = {"type": "rest-hook", "endpoint": listener.url}
        slow.put(SUBSCRIPTION | {"criteria": "Patient?", "channel": channel})
        with pytest.raises(TimeoutError, match="1 deliveries pending"):
            slow.idle(0.05)


def test_without_rest_hooks_a_subscription_waits_for_ever() -> None:
    with Sandbox(resthook=False, delay=0) as plain:
        channel = {"type": "rest-hook", "endpoint": "http://127.0.0.1:9"}
        plain.put(SUBSCRIPTION | {"criteria": "Patient?", "channel": channel})
        plain.idle()
        assert plain.get("Subscription/s")["status"] == "requested"


def test_files_are_loaded_with_references_unchecked(ehr: Sandbox, tmp_path: Path) -> None:
    task = b'{"resourceType":"Task","id":"t","for":{"reference":"Patient/elsewhere"}}'
    (tmp_path / "Task.ndjson").write_bytes(task)
    (tmp_path / "p.json").write_bytes(b'{"resourceType":"Patient","id":"p"}')
    assert ehr.load([tmp_path]) == 2
    assert ehr.get("Task/t")["for"] == {"reference": "Patient/elsewhere"}
