"""Each cell of the table NEXT on a server, with the hands of people at the worst moments.

`ENDS` is the table once more, in words that somebody who looks at the server would use. Each cell
is played with everything that a person may have done to the Task before (`BEFORE`), and, where
something is written, with everything that he may do between our read and our write (`HANDS`):
the write is refused, everything is read again, and the end is that of the cell to which his hand
has moved the Task.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any, NamedTuple

import pytest

from fhirbridge.core.plan import NEXT, Do, Told, Trouble
from fhirbridge.fhir import ours
from fhirbridge.fhir.said import said
from tests.bridge.estate import Json
from tests.contract.validating import complaints
from tests.journeys.ward import Case, Ward, episode, ward

NOTHING, OPENED, CLOSED, REVISED, NOTED, ESCALATED = (
    "nothing is written",
    "a new Task stands",
    "it is completed, with its evidence",
    "it says the new figures",
    "it has a note",
    "it has a note, and the coordinator a message",
)
_COLUMNS = (
    Told.NONE, Told.OPEN, Told.STARTED, Told.CLOSED_BY_US, Told.COMPLETED, Told.REFUSED,
    Told.DELETED,
)  # fmt: skip
_ROWS: Mapping[Trouble, tuple[str, ...]] = {
    Trouble.GONE: (NOTHING, CLOSED, NOTED, NOTHING, NOTHING, NOTHING, NOTHING),
    Trouble.SAME: (OPENED, NOTHING, NOTHING, OPENED, NOTHING, ESCALATED, NOTHING),
    Trouble.CHANGED: (OPENED, REVISED, NOTED, OPENED, OPENED, ESCALATED, OPENED),
    Trouble.CANNOT_TELL: (NOTHING,) * 7,
}
ENDS = {
    (trouble, told): end
    for trouble, row in _ROWS.items()
    for told, end in zip(_COLUMNS, row, strict=True)
}
_DOES = {
    NOTHING: Do.NOTHING, OPENED: Do.OPEN, CLOSED: Do.CLOSE, REVISED: Do.REVISE,
    NOTED: Do.ANNOTATE, ESCALATED: Do.ESCALATE,
}  # fmt: skip


class Act(NamedTuple):
    """What somebody does with the Task, and what has then become of it (None: as before)."""

    name: str
    do: Callable[[Case], None]
    told: Told | None


def _set(name: str, told: Told | None, **change: Any) -> Act:
    return Act(name, lambda case: case.edit(**change), told)


def _status(status: str, told: Told) -> Act:
    return _set(status, told, status=status)


#: What is not a start yet: such a Task is still ours to change.
_UNTOUCHED = ("requested", "received")
OWNER = {"display": "Nurse in charge"}
NOTE = {"authorString": "Nurse", "text": "called them"}
_DELETES = Act("deletes it", lambda case: case.delete(), Told.DELETED)
_STATUSES = tuple(
    _status(status, told)
    for told, statuses in {
        Told.STARTED: ("accepted", "in-progress", "on-hold"),
        Told.COMPLETED: ("completed", "cancelled"),
        Told.REFUSED: ("rejected", "failed"),
        Told.DELETED: ("entered-in-error",),
    }.items()
    for status in statuses
)
#: How a Task may stand when we look.
BEFORE = (
    Act("never written", lambda _: None, Told.NONE),
    Act("as written", lambda _: None, Told.OPEN),
    _set("received", Told.OPEN, status="received"),
    _set("owner", Told.OPEN, owner=OWNER),
    _set("note", Told.OPEN, note=[NOTE]),
    Act("copied", lambda case: case.copy(), Told.OPEN),
    Act("closed by us", lambda case: _solved(case), Told.CLOSED_BY_US),
    *_STATUSES,
    Act("copied, then started", lambda case: _copied_and_started(case), Told.STARTED),
    _DELETES,
)
#: What may happen between our read and our write.
HANDS = (
    _set("takes it over", None, owner=OWNER),
    _set("writes a note", None, note=[NOTE]),
    Act("copies it", lambda case: case.copy(), None),
    Act("another worker", lambda case: case.overtaken(), None),
    *_STATUSES,
    _DELETES,
)


def _solved(case: Case) -> None:
    """The rest was dispensed, and we have closed the Task."""
    case.dispensed(300, "rest")
    case.look()


def _copied_and_started(case: Case) -> None:
    """The copy is older than what was done last to the original."""
    case.copy()
    case.edit(status="in-progress")


def _now(case: Case, trouble: Trouble, told: Told) -> None:
    """What the records say when we look."""
    was_solved = told is Told.CLOSED_BY_US
    if trouble is Trouble.GONE:
        case.dispensed(300, "rest")
    elif was_solved:
        case.dispensed(300, "rest", status="entered-in-error")
    if trouble is Trouble.CHANGED:
        case.dispensed(200)
    if trouble is Trouble.CANNOT_TELL:
        case.ward.pharmacy.fail()


@pytest.fixture(scope="module")
def here() -> Iterator[Ward]:
    with ward() as made:
        yield made


@pytest.fixture
def case(here: Ward) -> Iterator[Case]:
    made = here.case()
    yield made
    here.pharmacy.heal()


def test_every_cell_is_played() -> None:
    assert {cell: _DOES[end] for cell, end in ENDS.items()} == NEXT
    assert {act.told for act in BEFORE} == set(Told)


@pytest.mark.parametrize("trouble", Trouble)
@pytest.mark.parametrize("before", BEFORE, ids=lambda act: act.name)
def test_a_cell(case: Case, before: Act, trouble: Trouble) -> None:
    assert before.told is not None
    stood = _begin(case, before, trouble)
    outcome = case.look()
    end = ENDS[trouble, before.told]
    assert case.done(outcome) is _DOES[end]
    _check(case, end, stood)


#: A cell that writes is played with each hand; where there is no Task, only with another worker.
MOMENTS = [
    pytest.param(trouble, before, hand, id=f"{trouble}-{before.name}-{hand.name}")
    for (trouble, told), end in ENDS.items()
    if end != NOTHING
    for before in [next(act for act in BEFORE if act.told is told)]
    for hand in HANDS
    if told not in (Told.NONE, Told.DELETED) or hand.name == "another worker"
]


@pytest.mark.parametrize(("trouble", "before", "hand"), MOMENTS)
def test_somebody_is_quicker(case: Case, trouble: Trouble, before: Act, hand: Act) -> None:
    """What a person does between our read and our write stands, and the cell is another one."""
    stood = _begin(case, before, trouble)
    after: list[list[Json]] = []

    def act() -> None:
        hand.do(case)
        after.append(case.tasks())

    case.look(hand=act)
    assert before.told is not None
    told = hand.told or before.told
    end = ENDS[trouble, told]
    if ENDS[trouble, before.told] == OPENED:
        end = OPENED  # a new Task does not depend on what becomes of the old one
    if hand.name == "another worker":
        assert case.tasks() == after[0], "the late write changed something"
        _check(case, end, stood)
    else:
        _check(case, end, after[0])


@pytest.mark.parametrize("trouble", [Trouble.SAME, Trouble.CHANGED, Trouble.GONE])
def test_two_workers_write_at_the_same_moment(case: Case, trouble: Trouble) -> None:
    """Both have read the same, and neither knows of the other: each has a store of its own."""
    before = BEFORE[0] if trouble is Trouble.SAME else BEFORE[1]
    stood = _begin(case, before, trouble)
    together = Barrier(2)
    with ThreadPoolExecutor(1) as pool, case.ward.stranger(lambda: together.wait(30)) as stranger:
        other = pool.submit(stranger.reconcile, case.person)
        case.look(hand=lambda: together.wait(30), may_fail=True)
        assert other.result(60).subject == case.person
    case.ward.clock.now += timedelta(minutes=1)
    case.look()
    assert before.told is not None
    _check(case, ENDS[trouble, before.told], stood)
    names = [ours.name_of(each) for each in (*case.tasks(), *case.messages())]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("trouble", [Trouble.SAME, Trouble.CHANGED, Trouble.GONE])
def test_two_workers_of_one_store_take_turns(case: Case, trouble: Trouble) -> None:
    before = BEFORE[0] if trouble is Trouble.SAME else BEFORE[1]
    stood = _begin(case, before, trouble)
    here = case.ward
    here.bridge.store.raise_(case.person, here.clock(), why="test")
    sent = len(here.between.writes)
    workers = (here.bridge, here.other)
    with ThreadPoolExecutor(2) as pool:
        did = list(pool.map(lambda worker: worker.work("test"), workers))
    assert sorted(did) in ([0, 1], [1, 1])  # the second may find the news of the first
    assert len(here.between.writes) - sent <= 1
    assert before.told is not None
    _check(case, ENDS[trouble, before.told], stood)


def test_what_was_written_is_valid(here: Ward) -> None:
    """All that the cells above have sent."""
    if os.environ.get("SERVER") != "hapi":
        pytest.skip("only HAPI validates")
    written = [entry["resource"] for each in here.between.writes for entry in each["entry"]]
    assert {each["resourceType"] for each in written} >= {"Task", "Communication"}
    assert complaints(lambda all: here.people.call("POST", "Bundle/$validate", all), written) == []


def _begin(case: Case, before: Act, trouble: Trouble) -> list[Json]:
    """The Tasks as they stand when the bridge looks."""
    told = before.told
    if told is not Told.NONE:
        case.dispensed(300)
        case.look()
        assert [task["status"] for task in case.tasks()] == ["requested"]
    elif trouble is not Trouble.GONE:
        case.dispensed(300)
    else:
        case.dispensed(300, "d")
    before.do(case)
    assert told is not None
    stood = case.tasks()
    _now(case, trouble, told)
    return stood


def _check(case: Case, end: str, stood: list[Json]) -> None:
    """The end as it stands on the server; `stood`: the Tasks before we wrote."""
    _END[end](case, stood)
    _always(case, stood)


def _nothing(case: Case, stood: list[Json]) -> None:
    assert case.tasks() == stood


def _opened(case: Case, stood: list[Json]) -> None:
    old, new = case.tasks()[: len(stood)], case.tasks()[len(stood) :]
    assert old == stood
    (task,) = new
    assert task["status"] == "requested"
    assert ours.code_of(task["businessStatus"], ours.STATUS) == "open"
    assert episode(task) == max((*map(episode, stood), *case.deleted), default=0) + 1


def _closed(case: Case, stood: list[Json]) -> None:
    task = _changed(case, stood)
    assert task["status"] == "completed"
    assert ours.code_of(task["businessStatus"], ours.STATUS) == "solved"
    kinds = [ours.code_of(each["type"], ours.OUTPUT) for each in task["output"]]
    assert {"result", ours.EVIDENCE} <= set(kinds)
    clear = [each for each in case.messages() if each.get("inResponseTo")]
    assert clear


def _revised(case: Case, stood: list[Json]) -> None:
    task = _changed(case, stood)
    assert task["status"] == stood[0]["status"]
    assert "400 mg" in task["description"]
    assert "300 mg" in stood[0]["description"]


def _noted(case: Case, stood: list[Json]) -> None:
    task = _changed(case, stood)
    kept = ("status", "description", "priority", "restriction")
    assert {name: task.get(name) for name in kept} == {name: stood[0].get(name) for name in kept}
    assert len(task["note"]) == len(stood[0].get("note", [])) + 1


def _escalated(case: Case, stood: list[Json]) -> None:
    _noted(case, stood)
    # Of one Task: the announcement to each audience, and one message more for the coordinator.
    place = {"reference": f"Task/{case.task()['id']}"}
    names = [ours.name_of(each) or "" for each in case.messages() if place in each["partOf"]]
    assert len([name for name in names if ".coordinator." in name]) == 1


_END = {
    NOTHING: _nothing,
    OPENED: _opened,
    CLOSED: _closed,
    REVISED: _revised,
    NOTED: _noted,
    ESCALATED: _escalated,
}


def _changed(case: Case, stood: list[Json]) -> Json:
    """The Task as we changed it; what a person set in it is still there, and no copy is touched."""
    task, *others = case.tasks()
    before, *copies = stood
    assert others == copies
    assert task["id"] == before["id"]
    assert task["meta"]["versionId"] != before["meta"]["versionId"]
    assert task.get("owner") == before.get("owner")
    assert task.get("note", [])[: len(before.get("note", []))] == before.get("note", [])
    return task


def _always(case: Case, stood: list[Json]) -> None:
    """Never two Tasks for one trouble, each is true, and nothing is left to write."""
    case.ward.pharmacy.heal()
    now = {task["id"]: task["status"] for task in case.tasks()}
    for task in stood:
        if task["status"] not in _UNTOUCHED:
            assert now[task["id"]] == task["status"], "a person's word does not stand"
    alive = [each for each in case.tasks() if each["status"] in _UNTOUCHED]
    assert len({episode(each) for each in alive}) <= 1
    case.look()  # the pharmacy answers again
    before = case.tasks(), case.messages()
    outcome = case.look()
    assert not outcome.done
    assert (case.tasks(), case.messages()) == before
    assert outcome.decision is not None
    digests = {each.key: each.digest for each in outcome.decision.judgement.findings}
    for task in case.tasks():
        one = said(task, "ehr", case.ward.instance)
        assert one is not None
        if one.told is Told.OPEN and not _is_copy(case, task):
            assert one.digest == digests.get(one.key), "an open Task that is not true"


def _is_copy(case: Case, task: Json) -> bool:
    first = next(each for each in case.tasks() if ours.name_of(each) == ours.name_of(task))
    return bool(first["id"] != task["id"])
