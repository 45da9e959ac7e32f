"""Servers without conditional create: another writer comes between our look and our creation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.fhir import jsonio, ours
from tests.bridge.estate import Answer, Estate, Json, dispense, order, people, visit
from tests.bridge.makes import CANVAS, MILLENNIUM, OPENMRS, Manner, behave

pytestmark = pytest.mark.lives

PERSON = "ehr:Patient/p-1"
PLAIN = Manner(software="Nobody", transactions=False, conditional=False, own_ids=False)
MAKES = [CANVAS, OPENMRS, MILLENNIUM, PLAIN]
OTHERS = [each for each in MAKES if "Task" in each.takes]


class Between:
    """Something happens once, just before a request that `begins` accepts reaches the server."""

    def __init__(
        self, estate: Estate, begins: Callable[[httpx.Request], bool], act: Callable[[], Any]
    ) -> None:
        self.fake, self.begins, self.act = estate.servers["ehr"], begins, act
        self.inner, self.fake.around = self.fake.around, self
        self.happened = False

    def __call__(self, request: httpx.Request, go: Answer) -> httpx.Response:
        if not self.happened and self.begins(request):
            self.happened = True
            self.act()
        return self.inner(request, go)


def creates(request: httpx.Request) -> bool:
    return request.method == "POST" and not str(request.url).endswith("_search")


def creates_a_task(request: httpx.Request) -> bool:
    return creates(request) and request.url.path.endswith("/Task")


def hospital(folder: Path, manner: Manner, **config: Any) -> Estate:
    estate = Estate(folder, **config)
    behave(estate.servers["ehr"], manner)
    people(estate)
    for server, record in (
        ("ehr", order()),
        ("ehr", visit()),
        ("pharmacy", dispense(mg=300)),
    ):
        estate.put(server, record)
    return estate


def here(estate: Estate, type_: str) -> list[Json]:
    return [each.resource for each in estate.servers["ehr"].shelf.current(type_) if each.resource]


def standing(estate: Estate) -> list[Json]:
    """Tasks and Communications on the server that were not taken back."""
    found = [*here(estate, "Task"), *here(estate, "Communication")]
    return [each for each in found if each["status"] in ("requested", "completed")]


def names(resources: list[Json]) -> list[str]:
    return sorted(each["identifier"][0]["value"] for each in resources)


def check(estate: Estate, *bridges: Bridge) -> None:
    """One of each stands, all hang together, and nobody has anything left to write."""
    found = standing(estate)
    assert len(names(found)) == len(set(names(found))) > 0
    ids = {f"{each['resourceType']}/{each['id']}" for each in found}
    parts = [part for each in found for part in each.get("partOf", [])]
    assert {part["reference"] for part in parts if "reference" in part} <= ids
    named = {part["identifier"]["value"] for part in parts if "identifier" in part}
    assert named <= set(names(found))
    before = [*here(estate, "Task"), *here(estate, "Communication")]
    for bridge in bridges:
        outcome = bridge.reconcile(PERSON)
        assert outcome.decision is not None
        assert not outcome.done
    assert [*here(estate, "Task"), *here(estate, "Communication")] == before


def taken_back(estate: Estate) -> list[Json]:
    return [each for each in here(estate, "Task") if each["status"] == "cancelled"]


@pytest.mark.parametrize("manner", MAKES, ids=lambda each: each.software)
def test_who_was_quicker_stands(tmp_path: Path, manner: Manner) -> None:
    estate = hospital(tmp_path, manner)
    other = estate.another(store=f"sqlite:///{tmp_path}/other.db")
    theirs: list[Json] = []

    def meanwhile() -> None:
        assert other.reconcile(PERSON).done
        theirs.extend(standing(estate))

    between = Between(estate, creates, meanwhile)
    estate.work()
    assert between.happened
    assert names(standing(estate)) == names(theirs)
    assert {each["id"] for each in standing(estate)} == {each["id"] for each in theirs}
    for task in taken_back(estate):
        assert task["statusReason"]["text"].startswith("Written twice by mistake: Ocr")
        assert ours.code_of(task["businessStatus"], ours.STATUS) == "double"
    back = [each for each in here(estate, "Communication") if each["status"] != "completed"]
    assert {each["status"] for each in back} <= {"entered-in-error"}
    # The first that we created, and only that: of the rest we saw theirs before.
    assert len(taken_back(estate)) + len(back) == 1
    audit = [each.written for each in estate.bridge.store.writes()]
    assert [each.id for each in audit if each.action == "double"] == [
        each["id"] for each in (*taken_back(estate), *back)
    ]
    check(estate, estate.bridge, other)
    other.close()
    estate.close()


@pytest.mark.parametrize("manner", OTHERS, ids=lambda each: each.software)
def test_our_own_stands_when_another_comes_after_it(tmp_path: Path, manner: Manner) -> None:
    """We have created and not looked again; he has looked before and creates only now."""
    estate = hospital(tmp_path, manner)
    other = estate.another(store=f"sqlite:///{tmp_path}/other.db")
    first: list[Json] = []

    def we_come_in() -> None:  # before his creation reaches the server
        estate.work()
        first.extend(standing(estate))

    Between(estate, creates, we_come_in)
    other.reconcile(PERSON)
    assert {each["id"] for each in standing(estate)} == {each["id"] for each in first}
    check(estate, estate.bridge, other)
    other.close()
    estate.close()


@pytest.mark.parametrize("manner", OTHERS, ids=lambda each: each.software)
def test_what_a_person_has_begun_stands_though_it_was_changed_later(
    tmp_path: Path, manner: Manner
) -> None:
    taking = replace(manner, statuses=manner.statuses | {"accepted"})
    estate = hospital(tmp_path, taking)
    other = estate.another(store=f"sqlite:///{tmp_path}/other.db")
    nurse = {"display": "Nurse in charge"}
    begun: list[str] = []

    def nurse_begins() -> None:
        """When ours stands beside theirs, and we are about to look again."""
        task = here(estate, "Task")[0]
        estate.put("ehr", {**task, "owner": nurse}, tell=False)
        begun.append(task["id"])

    Between(estate, creates_a_task, lambda: other.reconcile(PERSON))
    between = Between(estate, lambda ask: ours_is_there(estate) and is_look(ask), nurse_begins)
    estate.work()
    assert between.happened
    assert [each["id"] for each in standing(estate) if each.get("owner") == nurse] == begun
    assert len(taken_back(estate)) == 1
    check(estate, estate.bridge, other)
    other.close()
    estate.close()


def is_look(request: httpx.Request) -> bool:
    return request.method == "GET" and "identifier=" in str(request.url)


def ours_is_there(estate: Estate) -> bool:
    found = names(here(estate, "Task"))
    return len(found) > len(set(found))


@pytest.mark.parametrize("manner", OTHERS, ids=lambda each: each.software)
def test_a_worker_that_lost_its_lease_on_the_way(tmp_path: Path, manner: Manner) -> None:
    """The same store: its lease runs out between its look and its creation, and it gives up before
    the server answers. What the server did all the same is seen at the next look."""
    estate = hospital(tmp_path, manner)
    colleague = estate.another()

    def hangs() -> None:
        estate.clock.now += estate.bridge.pace.lease * 2
        while colleague.work("test"):
            pass
        assert standing(estate)

    between = Between(estate, creates_a_task, hangs)
    estate.work()
    assert between.happened
    assert len(taken_back(estate)) == 1
    # What the late one did is in the audit, too.
    audit = [each.written for each in estate.bridge.store.writes()]
    assert [each.id for each in audit if each.action == "double"] == [
        each["id"] for each in taken_back(estate)
    ]
    check(estate, estate.bridge, colleague)
    colleague.close()
    estate.close()


def test_a_copy_that_a_person_made_is_no_double(tmp_path: Path) -> None:
    estate = hospital(tmp_path, PLAIN)
    estate.work()
    task = here(estate, "Task")[0]
    copy = estate.put("ehr", {**task, "id": "copy-1"})
    estate.work()
    assert estate.get("ehr", "Task/copy-1") == copy
    assert not taken_back(estate)
    estate.close()


def test_what_stood_before_the_server_failed_is_in_the_audit(tmp_path: Path) -> None:
    """Without transactions a plan may be written in part; each part is audited."""
    estate = hospital(tmp_path, PLAIN)
    fake = estate.servers["ehr"]
    inner, created = fake.around, []

    def failing(request: httpx.Request, go: Answer) -> httpx.Response:
        if creates(request):
            created.append(jsonio.loads(request.read())["resourceType"])
            if len(created) == 3:
                return httpx.Response(503)
        return inner(request, go)

    fake.around = failing
    estate.work()
    assert len(created) == 3
    stands = {each["id"] for each in standing(estate)}
    assert {each.written.id for each in estate.bridge.store.writes()} == stands
    assert len(stands) == 2
    estate.later(seconds=10)
    check(estate, estate.bridge)
    assert {each.written.id for each in estate.bridge.store.writes()} >= {
        each["id"] for each in standing(estate)
    }
    estate.close()
