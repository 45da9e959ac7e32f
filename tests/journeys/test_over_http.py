"""The main line over real HTTP and real rest-hooks: hear, read, decide, write, close."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from pathlib import Path

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.bridge.story import Decided
from fhirbridge.sandbox import Sandbox
from tests.bridge.estate import Json
from tests.journeys.hospital import Hospital, hospital, until


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Hospital]:
    with hospital(tmp_path) as made:
        made.people()
        made.put("ehr", made.order(), made.visit())
        made.settle()
        yield made


def test_a_short_dispense_becomes_a_task_and_the_balance_closes_it(estate: Hospital) -> None:
    estate.put("pharmacy", estate.dispense(mg=300))
    estate.settle()
    assert "dispense-short" in estate.rules()
    estate.put("pharmacy", estate.dispense("e", mg=300))
    estate.settle()
    assert "dispense-short" not in estate.rules()
    assert estate.tasks(status="completed")


def test_our_own_writing_leads_to_no_further_decision(estate: Hospital) -> None:
    estate.put("pharmacy", estate.dispense(mg=300))
    estate.settle()
    decided = [each for each in estate.story if isinstance(each, Decided)]
    for task in estate.tasks():
        until(partial(heard, estate, "Task", task["id"]))
    estate.settle()
    assert [each for each in estate.story if isinstance(each, Decided)] == decided


def test_a_person_who_closes_a_task_is_believed(estate: Hospital) -> None:
    estate.put("pharmacy", estate.dispense(mg=300))
    estate.settle()
    task = next(each for each in estate.tasks(status="requested") if "partOf" in each)
    estate.put("ehr", {**task, "status": "completed"})
    estate.settle()
    person = f"ehr:Patient/p-{estate.u}"
    estate.bridge.store.raise_(person, estate.bridge.clock(), why="test")
    estate.settle()
    same = [each for each in estate.tasks() if each["identifier"] == task["identifier"]]
    assert [each["status"] for each in same] == ["completed"]


def test_a_question_is_answered_in_its_task_and_asked_again_when_the_facts_change(
    estate: Hospital,
) -> None:
    rule = "single-vs-split-unclear"
    estate.put("ehr", estate.order(dosageInstruction=[{"text": "300 mg x 2"}]))
    estate.settle()
    task = asked(estate, rule)
    choices = [each["valueCoding"] for each in task["input"] if "valueCoding" in each]
    answer = {"type": {"text": "answer"}, "valueCoding": choices[1]}
    estate.put("ehr", {**task, "status": "completed", "output": [answer]})
    estate.settle()
    assert rule not in estate.rules()
    outcome = estate.bridge.reconcile(f"ehr:Patient/p-{estate.u}", dry_run=True)
    assert outcome.decision is not None
    doses = outcome.decision.ledger.occasions
    assert [str(each.ordered.per_visit) for each in doses] == ["300 mg", "300 mg"]
    same = next(each for each in estate.tasks() if each["id"] == task["id"])
    assert (same["status"], same["output"][0]["valueCoding"]["code"]) == ("completed", "split")

    # The same words in another version of the order: the answer holds.
    note = [{"text": "the patient called"}]
    estate.put("ehr", estate.order(dosageInstruction=[{"text": "300 mg x 2"}], note=note))
    estate.settle()
    assert rule not in estate.rules()
    estate.put("ehr", estate.order(dosageInstruction=[{"text": "460 mg x 2"}]))
    estate.settle()
    assert asked(estate, rule)["id"] != task["id"]


def test_a_payer_that_was_deaf_is_heard_when_it_is_back(estate: Hospital) -> None:
    payer = estate.servers["payer"]
    assert isinstance(payer, Sandbox)
    before = estate.rules()
    assert "auth-missing-drug" in before
    payer.fail(503)
    estate.put("pharmacy", estate.dispense(mg=300))
    until(lambda: "dispense-short" in estate.rules())
    assert before <= estate.rules()
    payer.heal()
    estate.settle()


def test_a_new_process_finds_its_subscriptions_again(estate: Hospital) -> None:
    before = {each["id"] for each in estate.servers["ehr"].all("Subscription")}
    assert before
    again = wiring.supervise(estate.settings, estate.bridge, public_url=estate.service.url)
    again.step()
    assert {each["id"] for each in estate.servers["ehr"].all("Subscription")} == before


def test_the_pages_answer(estate: Hospital) -> None:
    for path in ("/", "/healthz", "/readyz", "/metrics"):
        assert httpx.get(estate.service.url + path).status_code == 200
    proxied = {"X-Forwarded-For": "198.51.100.7"}
    answers = {
        path: httpx.get(estate.service.url + path, headers=proxied).status_code
        for path in ("/", "/metrics", "/healthz")
    }
    assert answers == {"/": 403, "/metrics": 403, "/healthz": 200}


def asked(estate: Hospital, rule: str) -> Json:
    """The open Task of a rule."""
    (task,) = [
        each
        for each in estate.tasks(status="requested")
        if each["reasonCode"]["coding"][0]["code"] == rule
    ]
    return task


def heard(estate: Hospital, type_: str, id_: str) -> bool:
    """Whether the server told the bridge of this record."""
    lines = estate.bridge.store.recent(500)
    return any((e.type, e.id) == (type_, id_) for line in lines for e in line.events)
