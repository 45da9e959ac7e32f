"""Two records of one server with the same identifiers: what could be either's is neither's."""

from __future__ import annotations

import pytest

from fhirbridge.bridge.story import Read
from fhirbridge.fhir.errors import Unavailable
from tests.bridge.estate import Estate, dispense, order, patient
from tests.people import records_of

pytestmark = pytest.mark.lives


def persons(estate: Estate) -> dict[str, list[str]]:
    store = estate.bridge.store
    return {
        person: records_of(store, person)
        for watched in (True, False)
        for person in store.persons(watched=watched)
    }


def test_a_second_record_at_the_pharmacy_comes_to_rest(estate: Estate) -> None:
    estate.put("pharmacy", dispense("d-1", mg=300))
    estate.put("ehr", order())
    estate.work()
    estate.put("pharmacy", patient("x-2"))
    estate.put("pharmacy", dispense("d-2", mg=300, who="x-2"))
    estate.work()
    assert all(len(records) == 1 for records in persons(estate).values())
    assert "dispense-short" not in estate.rules()  # whose it is cannot be said


def test_a_second_record_at_the_worklist_parts_what_was_joined(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.work()
    assert len(persons(estate)["ehr:Patient/p-1"]) == 3
    estate.put("ehr", patient("p-3"))
    estate.put("ehr", order("o-3", who="p-3"))
    estate.work()
    found = persons(estate)
    assert found["ehr:Patient/p-1"] == ["ehr:Patient/p-1"]
    assert found["ehr:Patient/p-3"] == ["ehr:Patient/p-3"]
    assert found["payer:Patient/m-1"] == ["payer:Patient/m-1"]


def test_it_is_the_same_whoever_is_seen_first(estate: Estate) -> None:
    estate.put("ehr", patient("p-3"))
    estate.put("pharmacy", dispense(mg=300))
    estate.put("ehr", order("o-3", who="p-3"))
    estate.put("ehr", order())
    estate.work()
    assert all(len(records) == 1 for records in persons(estate).values())


def test_when_the_second_is_corrected_they_are_joined_again(estate: Estate) -> None:
    test_a_second_record_at_the_pharmacy_comes_to_rest(estate)
    estate.put("pharmacy", patient("x-2", mrn="777"))
    estate.work()
    estate.bridge.sweep(full=True)
    estate.work()
    assert persons(estate)["ehr:Patient/p-1"] == [
        "ehr:Patient/p-1",
        "payer:Patient/m-1",
        "pharmacy:Patient/x-1",
    ]


def test_rivals_are_looked_for_only_before_a_new_join(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.work()
    assert estate.told(Read)[-1].requests == {"ehr": 2, "payer": 1, "pharmacy": 1}
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    assert estate.told(Read)[-1].requests == {"ehr": 1, "payer": 1, "pharmacy": 1}


def test_a_join_that_cannot_be_checked_is_not_made(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = estate.bridge.sources["ehr"].server
    chart = server.chart

    def torn(query: dict[str, str], types: tuple[str, ...]) -> object:
        if "identifier" in query:
            raise Unavailable("ehr", "search Patient", "down")
        return chart(query, types)

    monkeypatch.setattr(server, "chart", torn)
    estate.put("ehr", order())
    estate.work()
    assert not estate.tasks()
    monkeypatch.undo()
    estate.later(hours=1)
    assert estate.tasks()
