"""Every shipped make of server, against an embedded server that behaves like it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge.bridge.story import Failed
from fhirbridge.fhir.profile import fitted
from fhirbridge.mappings import load, shipped
from tests.bridge.estate import HOLDS, Answer, Estate, Json, dispense, order, people, visit
from tests.bridge.makes import (
    CANVAS,
    HAPI,
    MEDPLUM,
    MILLENNIUM,
    OPENEMR,
    OPENMRS,
    Manner,
    behave,
)

pytestmark = pytest.mark.lives

MAKES = {
    "hapi": HAPI,
    "medplum": MEDPLUM,
    "oracle-millennium": MILLENNIUM,
    "openemr": OPENEMR,
    "canvas": CANVAS,
    "openmrs": OPENMRS,
}
WITH_TASKS = {name: each for name, each in MAKES.items() if "Task" in each.takes}


def hospital(folder: Path, manner: Manner, **config: Any) -> Estate:
    estate = Estate(folder, **config)
    behave(estate.servers["ehr"], manner)
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    return estate


def standing(estate: Estate, type_: str) -> list[Json]:
    """What stands anywhere: on the server, and on our own worklist."""
    there = [each.resource for each in estate.servers["ehr"].shelf.current(type_)]
    here = estate.bridge.own.search(type_, [], estate.bridge.home_url)
    return [*(each for each in there if each), *here]


def rules(estate: Estate, status: str = "requested") -> list[str]:
    return sorted(
        task["reasonCode"]["coding"][0]["code"]
        for task in standing(estate, "Task")
        if task["status"] == status
    )


def test_every_shipped_make_is_tested() -> None:
    shipped_makes = dict(load([shipped()]).servers)
    # It is HAPI, with an owner who allows less; what is its own has to do with listening.
    public, hapi = shipped_makes.pop("hapi-public"), shipped_makes["hapi"]
    writes = fitted(public)
    assert replace(writes, name="hapi", subscribing=fitted(hapi).subscribing) == fitted(hapi)
    assert set(shipped_makes) == set(MAKES)


@pytest.mark.parametrize("name", MAKES)
def test_the_life_of_a_task(tmp_path: Path, name: str) -> None:
    estate = hospital(tmp_path, MAKES[name])
    assert estate.bridge.sources["ehr"].fit.name == name
    assert not estate.told(Failed)
    open_ = rules(estate)
    assert "dispense-short" in open_
    assert "occasion" in open_
    assert len(open_) == len(set(open_))
    estate.put("ehr", visit(description="Ocrelizumab infusion, room 2"))  # news, nothing new
    estate.work()
    estate.bridge.sweep(full=True)
    estate.work()
    assert rules(estate) == open_  # nothing is written twice
    told = [each["identifier"][0]["value"] for each in standing(estate, "Communication")]
    assert len(told) == len(set(told)) > 0
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    assert "dispense-short" not in rules(estate)
    assert rules(estate, "completed") == ["dispense-short"]
    assert not estate.told(Failed)
    outcome = estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    assert outcome.decision is not None
    assert not outcome.decision.plan
    estate.close()


@pytest.mark.parametrize("name", MAKES)
def test_each_thing_stands_where_it_is_taken(tmp_path: Path, name: str) -> None:
    manner = MAKES[name]
    estate = hospital(tmp_path, manner)
    for type_ in ("Task", "Communication"):
        there = estate.servers["ehr"].shelf.current(type_)
        here = estate.bridge.own.search(type_, [], estate.bridge.home_url)
        assert bool(there) is (type_ in manner.takes)
        assert bool(here) is (type_ not in manner.takes)
    estate.close()


@pytest.mark.parametrize("name", MAKES)
@pytest.mark.parametrize("wanted", [True, False])
def test_provenance_stands_where_it_is_taken_and_wanted(
    tmp_path: Path, name: str, wanted: bool
) -> None:
    manner, servers = MAKES[name], dict[str, Any]()
    for each, holds in HOLDS.items():
        servers[each] = {"base_url": f"http://{each}.example/fhir", "holds": holds}
    servers["ehr"]["provenance"] = wanted
    estate = hospital(tmp_path, manner, servers=servers)
    assert not estate.told(Failed)
    found = [each.resource for each in estate.servers["ehr"].shelf.current("Provenance")]
    assert bool(found) is (wanted and "Provenance" in manner.takes)
    assert not estate.bridge.own.search("Provenance", [], estate.bridge.home_url)
    for resource in found:
        assert resource is not None
        for target in resource["target"]:
            assert estate.get("ehr", target["reference"])["meta"]["tag"]
    written = [each.written.type for each in estate.bridge.store.writes()]
    assert written.count("Provenance") == len(found)
    estate.close()


#: Nobody's make: no transactions, no conditional create, and ids are the server's.
PLAIN = Manner(software="Nobody", transactions=False, conditional=False, own_ids=False)


@pytest.mark.parametrize("manner", [HAPI, MEDPLUM, PLAIN], ids=lambda each: each.software)
def test_two_who_write_the_same_leave_one_provenance(tmp_path: Path, manner: Manner) -> None:
    estate = Estate(tmp_path)
    fake = estate.servers["ehr"]
    behave(fake, manner)
    other = estate.another(store=f"sqlite:///{tmp_path}/other.db")
    people(estate)
    inner, once = fake.around, iter([True])

    def at_once(request: httpx.Request, go: Answer) -> httpx.Response:
        """Another bridge decides and writes when the first one has decided and begins to."""
        # Where nothing is created conditionally, the identifier is searched for first.
        begins = b'"urn:fhirbridge' in request.read() or "identifier=urn" in str(request.url)
        if begins and next(once, False):
            outcome = other.reconcile("ehr:Patient/p-1")
            assert outcome.done
        return inner(request, go)

    fake.around = at_once
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.work()
    assert next(once, None) is None, "nobody came between"
    found = [each.resource for each in fake.shelf.current("Provenance")]
    written = [each for each in standing(estate, "Task") if each["status"] == "requested"]
    named = [target["reference"] for each in found if each for target in each["target"]]
    assert len(named) == len(set(named)) > 0
    assert {f"Task/{each['id']}" for each in written} <= set(named)
    estate.work()
    assert len(fake.shelf.current("Provenance")) == len(found)
    other.close()
    estate.close()


@pytest.mark.parametrize("name", WITH_TASKS)
def test_a_persons_edit_between_our_read_and_our_write_wins(tmp_path: Path, name: str) -> None:
    estate = hospital(tmp_path, MAKES[name])
    fake = estate.servers["ehr"]
    inner, once = fake.around, iter([True])

    def meddling(request: httpx.Request, go: Answer) -> httpx.Response:
        writes = request.method == "PUT" or (
            request.method == "POST" and str(request.url).rstrip("/") == fake.base_url
        )
        # Without If-Match the version is read just before: the hand comes in before that.
        reads = request.method == "GET" and "/Task/" in str(request.url)
        if (writes or reads) and next(once, False):
            for task in estate.tasks(status="requested"):
                estate.put("ehr", {**task, "note": [{"text": "I am on it"}]}, tell=False)
        return inner(request, go)

    fake.around = meddling
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    estate.later(seconds=10)
    closed = estate.tasks(status="completed")
    assert [each["note"][0]["text"] for each in closed] == ["I am on it"]
    estate.close()


def test_what_is_on_our_worklist_names_the_servers_records_in_full(tmp_path: Path) -> None:
    estate = hospital(tmp_path, OPENEMR)
    base = estate.bridge.home_url
    tasks = estate.bridge.own.search("Task", [], base)
    assert {task["for"]["reference"] for task in tasks} == {f"{base}/Patient/p-1"}
    (root,) = [task for task in tasks if "partOf" not in task]
    parts = {task["partOf"][0]["reference"] for task in tasks if "partOf" in task}
    assert parts == {f"Task/{root['id']}"}
    messages = estate.bridge.own.search("Communication", [], base)
    ids = {task["id"] for task in tasks}
    assert {each["partOf"][0]["reference"].removeprefix("Task/") for each in messages} <= ids
    estate.close()


def test_a_message_where_tasks_are_not_known_stands_alone(tmp_path: Path) -> None:
    estate = hospital(tmp_path, MILLENNIUM)
    messages = [each.resource for each in estate.servers["ehr"].shelf.current("Communication")]
    assert messages
    for each in messages:
        assert each is not None
        assert each["subject"] == {"reference": "Patient/p-1"}
        assert not {"partOf", "about", "basedOn", "topic"} & each.keys()
        assert each["payload"][0]["contentString"]
    estate.close()


def test_our_worklist_outlives_the_process(tmp_path: Path) -> None:
    estate = hospital(tmp_path, OPENEMR)
    before = standing(estate, "Task")
    estate.restart()
    estate.bridge.sweep(full=True)
    estate.work()
    assert standing(estate, "Task") == before
    estate.close()


def test_the_configuration_overrides_what_the_server_says(tmp_path: Path) -> None:
    servers = Estate(tmp_path).settings.servers
    plain = {"base_url": "http://ehr.example/fhir", "holds": list(servers["ehr"].holds)}
    others = {
        name: {"base_url": each.base_url, "holds": list(each.holds)}
        for name, each in servers.items()
        if name != "ehr"
    }
    config = {"ehr": {**plain, "profile": "openemr"}, **others}
    estate = hospital(tmp_path, HAPI, servers=config, store=f"sqlite:///{tmp_path}/other.db")
    assert estate.bridge.sources["ehr"].fit.name == "openemr"
    assert not estate.tasks()
    assert "dispense-short" in rules(estate)
    estate.close()
