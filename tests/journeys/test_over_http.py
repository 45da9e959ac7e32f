"""The main line over real HTTP and real rest-hooks: hear, read, decide, write, close."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from fhirbridge import wiring
from tests.bridge.estate import dispense, order, patient, visit
from tests.journeys.hospital import Hospital, hospital, until


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as made:
        for server, id_ in (("ehr", "p-1"), ("payer", "m-1"), ("pharmacy", "x-1")):
            made.servers[server].put(patient(id_))
        made.servers["ehr"].put(order())
        made.servers["ehr"].put(visit())
        made.settle()
        yield made


def test_a_short_dispense_becomes_a_task_and_the_balance_closes_it(estate: Hospital) -> None:
    estate.servers["pharmacy"].put(dispense(mg=300))
    estate.settle()
    assert "dispense-short" in estate.rules()
    estate.servers["pharmacy"].put(dispense("d-2", mg=300))
    estate.settle()
    assert "dispense-short" not in estate.rules()
    assert estate.tasks(status="completed")


def test_our_own_writing_leads_to_no_further_request(estate: Hospital) -> None:
    estate.servers["pharmacy"].put(dispense(mg=300))
    estate.settle()
    for server in estate.servers.values():
        server.reset_counts()
    for task in estate.tasks():
        url = f"{estate.servers['ehr'].base_url}/Task/{task['id']}"
        assert httpx.get(url).status_code == 200
    estate.settle()
    assert sum(server.count() for server in estate.servers.values()) == len(estate.tasks())


def test_a_payer_that_was_deaf_is_heard_when_it_is_back(estate: Hospital) -> None:
    payer = estate.servers["payer"]
    before = estate.rules()
    assert "auth-missing-drug" in before
    payer.fail(503)
    estate.servers["pharmacy"].put(dispense(mg=300))
    until(lambda: "dispense-short" in estate.rules())
    assert before <= estate.rules()
    payer.heal()
    estate.settle()


def test_a_new_process_finds_its_subscriptions_again(estate: Hospital) -> None:
    before = {each["id"] for each in estate.servers["ehr"].all("Subscription")}
    again = wiring.supervise(estate.settings, estate.bridge, public_url=estate.service.url)
    again.step()
    assert {each["id"] for each in estate.servers["ehr"].all("Subscription")} == before


def test_the_pages_answer(estate: Hospital) -> None:
    for path in ("/", "/healthz", "/readyz", "/metrics"):
        assert httpx.get(estate.service.url + path).status_code == 200
