"""A worker that hangs loses its lease, and what it would write late is refused."""

from __future__ import annotations

from datetime import timedelta

import httpx

from tests.bridge.estate import Answer, Estate, dispense, order


def test_what_a_worker_decided_before_it_hung_is_not_written(estate: Estate) -> None:
    """It has read a dispense that is short; the rest is dispensed while it hangs."""
    estate.put("ehr", order())
    estate.work()
    estate.put("pharmacy", dispense(mg=300))
    other = estate.another()
    pharmacy = estate.servers["pharmacy"]
    seen: list[int] = []

    def hangs(request: httpx.Request, go: Answer) -> httpx.Response:
        pharmacy.around = lambda ask, go: go(ask)
        answer = go(request)
        estate.clock.now += estate.bridge.pace.lease + timedelta(seconds=1)
        estate.put("pharmacy", dispense(mg=600))
        while other.work("other"):
            seen.append(writes(estate))
        return answer

    pharmacy.around = hangs
    assert estate.bridge.work("hangs") == 1
    assert seen
    assert writes(estate) == seen[-1]
    estate.work()
    assert "dispense-short" not in estate.rules()
    mark = estate.bridge.store.mark("ehr:Patient/p-1")
    assert mark is not None
    assert mark.due_at is None  # nothing is owed, and nothing was lost
    other.close()


def test_what_was_written_late_is_looked_at_again(estate: Estate) -> None:
    """It hangs while it sends: nobody can refuse that any more. Who has the person meanwhile sees
    that nothing is wrong, and no Task."""
    estate.put("ehr", order())
    estate.work()
    estate.put("pharmacy", dispense(mg=300))
    other = estate.another()
    ehr = estate.servers["ehr"]
    saw: list[set[str]] = []

    def hangs(request: httpx.Request, go: Answer) -> httpx.Response:
        if request.method != "POST":
            return go(request)
        ehr.around = lambda ask, go: go(ask)
        estate.clock.now += estate.bridge.pace.lease + timedelta(seconds=1)
        estate.put("pharmacy", dispense(mg=600))
        while other.work("other"):
            saw.append(estate.rules())
        return go(request)

    ehr.around = hangs
    assert estate.bridge.work("hangs", limit=1) == 1
    assert saw
    assert "dispense-short" not in saw[-1]
    assert "dispense-short" in estate.rules()
    estate.work()
    assert "dispense-short" not in estate.rules()
    other.close()


def writes(estate: Estate) -> int:
    return len([1 for method, _ in estate.servers["ehr"].requests if method in ("POST", "PUT")])
