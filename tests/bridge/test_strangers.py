"""A server of everybody's: what does not carry our tag is neither read nor written about."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fhirbridge import wiring
from fhirbridge.settings import Misconfigured
from tests.bridge.estate import HOLDS, Clock, Estate, Fake, Json, order, patient, visit
from tests.people import records_of

TAG = {"system": "urn:st-mary", "code": "trial-7"}
MINE: Json = {"meta": {"tag": [TAG]}}


def public(tmp_path: Path, **more: Any) -> Estate:
    servers: Json = {
        name: {"base_url": Fake(name, Clock()).base_url, "holds": holds}
        for name, holds in HOLDS.items()
    }
    servers["ehr"] |= {"profile": "hapi-public", **more}
    return Estate(tmp_path, servers=servers)


@pytest.fixture
def estate(tmp_path: Path) -> Iterator[Estate]:
    """Our patient with an order and a visit, in the middle of strangers' records."""
    estate = public(tmp_path, only_tagged="urn:st-mary|trial-7")
    for n in range(5):
        estate.put("ehr", patient(f"s-{n}", mrn=f"9{n}", born="1950-01-01"), tell=False)
        estate.put("ehr", order(f"so-{n}", who=f"s-{n}"), tell=False)
    estate.put("ehr", patient(**MINE), tell=False)
    estate.put("ehr", order(**MINE), tell=False)
    estate.put("ehr", visit(**MINE), tell=False)
    yield estate
    estate.close()


def about(estate: Estate, stranger: str) -> list[tuple[str, str]]:
    return [each for each in estate.servers["ehr"].requests if stranger in each[1]]


def tasks_for(estate: Estate) -> set[str]:
    return {task["for"]["reference"] for task in estate.tasks()}


def test_a_sweep_reads_only_what_carries_the_tag(estate: Estate) -> None:
    estate.bridge.start()
    estate.work()
    assert tasks_for(estate) == {"Patient/p-1"}
    polls = [each for _, each in estate.servers["ehr"].requests if "_lastUpdated" in each]
    assert polls
    assert all("_tag=" in each for each in polls)
    assert not [each for _, each in estate.servers["ehr"].requests if "_history" in each]
    assert not about(estate, "s-")
    assert not about(estate, "so-")
    named = {event.id for line in estate.bridge.store.recent(99) for event in line.events}
    assert named >= {"p-1", "o-1"}
    assert not any(id_.startswith("s") for id_ in named)


def test_a_strangers_notification_reads_and_writes_nothing(estate: Estate) -> None:
    estate.bridge.start()
    estate.work()
    before = len(estate.servers["ehr"].requests)
    estate.put("ehr", order("so-9", who="s-1"))
    estate.put("ehr", patient("s-9", mrn="99"))
    assert estate.work() == 0
    assert len(estate.servers["ehr"].requests) == before
    # One that does not say what it is costs one read of that record, and ends there.
    estate.notify("ehr", "PUT", "MedicationRequest/so-2")
    estate.work()
    assert [each[1] for each in estate.servers["ehr"].requests[before:]] == [
        "MedicationRequest/so-2"
    ]
    assert tasks_for(estate) == {"Patient/p-1"}


def test_a_strangers_record_of_our_patient_counts_for_nothing(estate: Estate) -> None:
    estate.bridge.start()
    estate.work()
    rules = estate.rules()
    estate.put("ehr", visit("sv-1", start="2026-12-09T09:00:00-05:00"))
    estate.put("ehr", order("so-8", mg=9999), tell=False)
    estate.put("ehr", order("o-1", mg=600, **MINE))
    estate.work()
    assert estate.rules() == rules


def test_a_stranger_with_the_same_number_is_not_our_patient(estate: Estate) -> None:
    estate.put("ehr", patient("s-twin"), tell=False)
    estate.bridge.start()
    estate.work()
    assert tasks_for(estate) == {"Patient/p-1"}
    assert records_of(estate.bridge.store, "ehr:Patient/p-1") == ["ehr:Patient/p-1"]


def test_our_tasks_are_swept_by_our_own_tag_and_seen_again(estate: Estate) -> None:
    estate.bridge.start()
    estate.work()
    (task, *_) = estate.tasks(status="requested")
    estate.put("ehr", {**task, "status": "completed"}, tell=False)
    estate.later(minutes=20)
    changed = {event.id for line in estate.bridge.store.recent(9) for event in line.events}
    assert task["id"] in changed


def test_subscriptions_ask_for_the_tag_and_are_asked_anew_when_it_changes(
    estate: Estate,
) -> None:
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    ids = iter(f"word-{n}" for n in range(1000))
    url = "http://bridge.example"

    def step() -> set[str]:
        wiring.supervise(
            estate.settings, estate.bridge, public_url=url, ids=lambda: next(ids)
        ).step()
        found = [each.resource for each in estate.servers["ehr"].shelf.current("Subscription")]
        return {each["criteria"] for each in found if each}

    assert step() == {
        *(
            f"{type_}?_tag=urn:st-mary|trial-7"
            for type_ in (
                "Patient",
                "MedicationRequest",
                "ServiceRequest",
                "Appointment",
                "MedicationAdministration",
            )
        ),
        "Task?_tag=urn:fhirbridge:tag|fhirbridge",
    }
    server = estate.settings.servers["ehr"]
    estate.settings.servers["ehr"] = server.model_copy(update={"only_tagged": "urn:st-mary|next"})
    estate.restart()
    assert "Patient?_tag=urn:st-mary|next" in step()
    assert len(step()) == 6


def test_everybodys_server_without_a_tag_or_with_a_sign_in_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Misconfigured, match="only_tagged: The public HAPI test server"):
        public(tmp_path)
    with pytest.raises(Misconfigured, match="leave auth out"):
        public(tmp_path, only_tagged="urn:a|b", auth={"bearer": "x"})
