"""Servers that take one thing after the other: what is written in part is completed, and everybody
is told once."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from fhirbridge.fhir import jsonio, ours
from tests.bridge.estate import Answer, Estate, Json, dispense
from tests.bridge.makes import CANVAS, MEDPLUM, MILLENNIUM, OPENMRS, Manner
from tests.bridge.test_doubles import PLAIN, check, creates, hospital
from tests.bridge.test_makes import standing

pytestmark = pytest.mark.lives

#: No transactions, but creation on a condition.
ORDERLY = Manner(software="Nobody", transactions=False)
MAKES = [CANVAS, OPENMRS, MILLENNIUM, PLAIN, ORDERLY]
A_WRITE = ("POST", "PUT")


class Killed(BaseException):
    """The worker's process is gone."""


class Nth:
    """Something happens instead of the n-th write, or after it."""

    def __init__(self, estate: Estate, fault: Callable[[], httpx.Response], *, after: bool) -> None:
        self.fake, self.fault, self.after = estate.servers["ehr"], fault, after
        self.inner, self.fake.around = self.fake.around, self
        self.left: int | None = None  # None: nothing happens

    def __call__(self, request: httpx.Request, go: Answer) -> httpx.Response:
        if request.method not in A_WRITE or "_search" in str(request.url) or self.left is None:
            return self.inner(request, go)
        self.left -= 1
        if self.left >= 0:
            return self.inner(request, go)
        self.left = None
        if self.after:
            self.inner(request, go)
        return self.fault()


def _kill() -> httpx.Response:
    raise Killed


def _lose() -> httpx.Response:
    raise httpx.ReadTimeout("")


FAULTS: dict[str, tuple[Callable[[], httpx.Response], bool]] = {
    "refused": (lambda: httpx.Response(503), False),
    "killed": (_kill, True),
    "answer lost": (_lose, True),
}


def until_written(estate: Estate) -> None:
    """Whatever happened, the next tries write the rest."""
    for _ in range(3):
        with suppress(Killed):
            estate.work()
        estate.clock.now += estate.bridge.pace.lease + timedelta(minutes=1)
        estate.bridge.tick()
    estate.work()


def everybody_is_told(estate: Estate) -> None:
    """For each audience of each Task one message, and where we closed it an all-clear."""
    names = [each["identifier"][0]["value"] for each in standing(estate, "Communication")]
    assert len(names) == len(set(names))
    for task in standing(estate, "Task"):
        name = task["identifier"][0]["value"]
        heard = {f"{name}.{role}" for role in audience(task)}
        closed = ours.code_of(task["businessStatus"], ours.STATUS) in ours.CLOSED_BY_US
        assert heard <= set(names)
        assert ({f"{each}.closed" for each in heard} <= set(names)) is closed or not heard


def audience(task: Json) -> list[Any]:
    return [
        ours.code_of(each["type"], ours.ROLE)
        for code, each in ours.inputs(task)
        if code == ours.AUDIENCE
    ]


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("manner", MAKES, ids=lambda each: each.software)
@pytest.mark.parametrize("nth", [0, 2, 5])
def test_whoever_was_not_told_is_told_at_the_next_try(
    tmp_path: Path, manner: Manner, fault: str, nth: int
) -> None:
    estate = hospital(tmp_path, manner)
    act, after = FAULTS[fault]
    broken = Nth(estate, act, after=after)
    broken.left = nth
    until_written(estate)
    everybody_is_told(estate)
    broken.left = nth % 3
    estate.put("pharmacy", dispense(mg=600))  # the short supply is put right
    until_written(estate)
    everybody_is_told(estate)
    assert any(task["status"] == "completed" for task in standing(estate, "Task"))
    estate.close()


@pytest.mark.parametrize("manner", [PLAIN, ORDERLY, MEDPLUM], ids=["plain", "orderly", "medplum"])
def test_a_task_that_somebody_deletes_meanwhile_is_no_refusal(
    tmp_path: Path, manner: Manner
) -> None:
    """A server that gives the ids itself answers 404 to a change of what is gone."""
    estate = hospital(tmp_path, manner)
    estate.work()
    short = next(each for each in standing(estate, "Task") if _rule(each) == "dispense-short")

    def deletes() -> httpx.Response:
        estate.remove("ehr", f"Task/{short['id']}", tell=False)
        return httpx.Response(404)

    broken = Nth(estate, deletes, after=False)
    broken.left = 0
    estate.put("pharmacy", dispense(mg=450))
    estate.work()
    assert broken.left is None
    assert not estate.bridge.store.parked()
    (again,) = [each for each in standing(estate, "Task") if _rule(each) == "dispense-short"]
    assert again["id"] != short["id"]
    assert "450 mg" in again["description"]
    estate.close()


def _rule(task: Json) -> str:
    return ours.code_of(task["reasonCode"], ours.RULE) or ""


@pytest.mark.parametrize("manner", [CANVAS, OPENMRS, PLAIN], ids=lambda each: each.software)
def test_nothing_is_said_of_a_task_that_a_person_has_just_changed(
    tmp_path: Path, manner: Manner
) -> None:
    """All-clears go before the change of their Task; a person who is quicker keeps them back."""
    estate = hospital(tmp_path, manner)
    estate.work()
    fake = estate.servers["ehr"]
    inner, once = fake.around, iter([True])

    def quicker(request: httpx.Request, go: Answer) -> httpx.Response:
        if request.method == "GET" and "/Task/" in str(request.url) and next(once, False):
            task = jsonio.loads(inner(request, go).content)
            estate.put("ehr", {**task, "note": [{"text": "I call them."}]}, tell=False)
        return inner(request, go)

    fake.around = quicker
    estate.put("pharmacy", dispense(mg=600))
    estate.work()
    assert next(once, False) is False
    everybody_is_told(estate)
    texts = [each.get("note") for each in standing(estate, "Task")]
    assert [{"text": "I call them."}] in texts
    estate.close()


def test_a_slow_server_does_not_let_a_colleague_begin(tmp_path: Path) -> None:
    """Each request takes a minute, all of them longer than a lease. Where nothing that was said can
    be taken back, a colleague who began meanwhile would say it again."""
    estate = hospital(tmp_path, MILLENNIUM)
    colleague = estate.another()
    fake = estate.servers["ehr"]
    inner, begun = fake.around, list[int]()

    def slowly(request: httpx.Request, go: Answer) -> httpx.Response:
        if begun and begun[-1] < 0:  # it is the colleague who asks
            return inner(request, go)
        estate.clock.now += timedelta(minutes=1)
        if creates(request):
            begun.append(-1)
            begun[-1] = colleague.work("colleague")
        return inner(request, go)

    fake.around = slowly
    estate.work()
    assert len(begun) > 4  # minutes
    assert set(begun) == {0}
    assert len(standing(estate, "Communication")) == len(begun)
    everybody_is_told(estate)
    fake.around = inner
    check(estate, estate.bridge, colleague)
    colleague.close()
    estate.close()


def test_a_message_on_our_worklist_names_the_servers_task(tmp_path: Path) -> None:
    """Tasks are the server's, messages ours, and these go first."""
    estate = hospital(tmp_path, OPENMRS)
    estate.work()
    tasks = {each["identifier"][0]["value"] for each in estate.tasks()}
    messages = estate.bridge.own.search("Communication", [], estate.bridge.home_url)
    assert messages
    for each in messages:
        (part,) = each["partOf"]
        assert part["type"] == "Task"
        assert part["identifier"]["value"] in tasks
    estate.close()
