"""A Task that a person deleted is in no search: the store remembers that it was written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.bridge.memory import FOUND, complete
from fhirbridge.bridge.story import Failed, Wrote
from fhirbridge.core.facts import Ref
from fhirbridge.core.plan import Do, Said, Told
from fhirbridge.fhir.errors import Unavailable
from fhirbridge.store.records import Written
from tests.bridge.estate import Estate, dispense, order, visit

pytestmark = pytest.mark.lives

Json = dict[str, Any]


def opened(estate: Estate) -> Json:
    """The open Task about a short dispense."""
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    return about(estate, "dispense-short")[0]


def about(estate: Estate, rule: str) -> list[Json]:
    return [
        task
        for task in estate.tasks(status="requested")
        if task["reasonCode"]["coding"][0]["code"] == rule
    ]


def number(task: Json) -> str:
    name: str = task["identifier"][0]["value"]
    return name.partition(".")[2]


def again(estate: Estate) -> int:
    """Look at everybody; answers how often something was written."""
    before = len(estate.told(Wrote))
    estate.bridge.sweep(full=True)
    estate.work()
    return len(estate.told(Wrote)) - before


def test_what_a_person_deleted_is_not_opened_again(estate: Estate) -> None:
    task = opened(estate)
    estate.remove("ehr", f"Task/{task['id']}")
    estate.work()
    assert again(estate) == 0
    assert not about(estate, "dispense-short")


def test_a_restart_does_not_forget_it(estate: Estate) -> None:
    task = opened(estate)
    estate.restart()
    estate.remove("ehr", f"Task/{task['id']}")
    assert again(estate) == 0
    assert not about(estate, "dispense-short")


def test_new_figures_open_a_new_task(estate: Estate) -> None:
    task = opened(estate)
    estate.remove("ehr", f"Task/{task['id']}")
    estate.put("pharmacy", dispense(mg=200))
    estate.work()
    (new,) = about(estate, "dispense-short")
    assert number(new) == "2"
    assert "200 mg" in new["description"]
    assert again(estate) == 0


def test_a_deleted_root_is_not_opened_again(estate: Estate) -> None:
    opened(estate)
    (root,) = about(estate, "occasion")
    estate.remove("ehr", f"Task/{root['id']}")
    assert again(estate) == 0
    assert not about(estate, "occasion")


def test_deleted_again_and_again(estate: Estate) -> None:
    opened(estate)
    for mg, episode in ((200, "2"), (400, "3")):
        (task,) = about(estate, "dispense-short")
        estate.remove("ehr", f"Task/{task['id']}")
        estate.put("pharmacy", dispense(mg=mg))
        estate.work()
        assert [number(each) for each in about(estate, "dispense-short")] == [episode]


def test_what_was_closed_and_tidied_away_can_come_back(estate: Estate) -> None:
    task = opened(estate)
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    estate.remove("ehr", f"Task/{task['id']}")
    estate.put("pharmacy", dispense("d-2", mg=300, status="cancelled"))
    estate.work()
    assert [number(each) for each in about(estate, "dispense-short")] == ["2"]


def test_without_memory_it_is_told_once_more(estate: Estate, tmp_path: Path) -> None:
    task = opened(estate)
    estate.restart(store=f"sqlite:///{tmp_path}/other.db")
    estate.remove("ehr", f"Task/{task['id']}", tell=False)
    estate.bridge.reconcile("ehr:Patient/p-1")
    (new,) = about(estate, "dispense-short")
    estate.remove("ehr", f"Task/{new['id']}", tell=False)
    estate.bridge.reconcile("ehr:Patient/p-1")
    assert not about(estate, "dispense-short")


def test_a_new_memory_learns_from_the_worklist(estate: Estate, tmp_path: Path) -> None:
    task = opened(estate)
    estate.restart(store=f"sqlite:///{tmp_path}/other.db")
    estate.bridge.reconcile("ehr:Patient/p-1")
    assert {each.written.action for each in estate.bridge.store.writes()} == {FOUND}
    estate.remove("ehr", f"Task/{task['id']}", tell=False)
    estate.bridge.reconcile("ehr:Patient/p-1")
    assert not about(estate, "dispense-short")


def test_one_request_a_source_as_before(estate: Estate) -> None:
    task = opened(estate)
    estate.remove("ehr", f"Task/{task['id']}", tell=False)
    before = estate.reads()
    estate.bridge.reconcile("ehr:Patient/p-1")
    assert estate.reads() - before == 3


def test_a_worklist_that_was_cut_counts_as_unread(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened(estate)
    server = estate.bridge.sources["ehr"].server
    chart = server.chart

    def cut(*asked: Any) -> Any:
        found = chart(*asked)
        kept = tuple(each for each in found.resources if each["resourceType"] != "Task")
        return type(found)(kept, frozenset({"Task"}), found.read_at)

    monkeypatch.setattr(server, "chart", cut)
    wrote = len(estate.told(Wrote))
    with pytest.raises(Unavailable, match="worklist"):
        estate.bridge.reconcile("ehr:Patient/p-1", dry_run=True)
    estate.bridge.reconcile("ehr:Patient/p-1")
    assert len(estate.told(Wrote)) == wrote
    assert not estate.told(Failed)[-1].parked


# --- the pure half


def said(episode: int, told: Told = Told.OPEN) -> Said:
    ref = Ref("ehr", "Task", f"t-{episode}")
    return Said(key="k", episode=episode, ref=ref, told=told, digest="d", rule="r", occasion="o")


def written(episode: int, do: Do = Do.OPEN) -> Written:
    return Written("ehr", "Task", f"t-{episode}", "1", "k", "d", do.value, episode)


def test_nobody_is_asked_about_nothing() -> None:
    def recall(_: object) -> dict[str, Written]:
        raise AssertionError("asked")

    assert complete([], [], recall) == ((), ())


def test_what_is_shown_and_unknown_is_news_and_the_latest_is_enough() -> None:
    old, new = said(1, Told.CLOSED_BY_US), said(2)
    told, news = complete([new, old], [], lambda _: {})
    assert told == (new, old)
    assert [(each.episode, each.action) for each in news] == [(2, FOUND)]
    assert complete([new, old], [], lambda _: {"k": written(2)})[1] == ()


@pytest.mark.parametrize(
    ("do", "id_", "itself"),
    [(Do.OPEN.value, "t-1", [True, False]), (FOUND, "t-1", [None, None]),
     (Do.OPEN.value, "t-0", [None, None])],
    ids=["created", "only found", "deleted"],
)  # fmt: skip
def test_the_original_is_the_one_that_we_created(
    do: str, id_: str, itself: list[bool | None]
) -> None:
    original, copy = said(1), replace(said(1), ref=Ref("ehr", "Task", "t-9"))
    last = replace(written(1), id=id_, action=do)
    told, _ = complete([original, copy], [], lambda _: {"k": last})
    assert [each.itself for each in told] == itself


def test_a_copy_that_is_older_than_the_last_edit_is_left_alone(estate: Estate) -> None:
    task = opened(estate)
    copy = estate.put("ehr", {**task, "id": "copy-1"})
    estate.put("ehr", {**task, "status": "in-progress"})
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    assert estate.get("ehr", "Task/copy-1") == copy
    assert len(estate.get("ehr", f"Task/{task['id']}")["note"]) == 1
