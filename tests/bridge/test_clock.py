"""A clock that jumps: what it dated wrongly is waited out or done anew, never forgotten."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import httpx
import pytest

from fhirbridge import wiring
from fhirbridge.fhir.throttle import Throttle
from fhirbridge.store.records import LostLease
from tests.bridge.estate import Answer, Clock, Estate, dispense, order, people, visit

pytestmark = pytest.mark.lives

DAY = timedelta(days=1)


def opened(estate: Estate) -> None:
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.bridge.start()
    estate.bridge.tick()
    estate.work()


def test_what_was_told_while_the_clock_was_ahead_is_done_when_it_is_set_right(
    estate: Estate,
) -> None:
    opened(estate)
    estate.clock.now += DAY
    estate.bridge.tick()
    estate.put("pharmacy", dispense(mg=300))
    estate.clock.now -= DAY
    assert estate.work() == 0  # it was due tomorrow
    estate.bridge.tick()
    estate.work()
    assert "dispense-short" in estate.rules()


def test_polling_goes_on_and_timers_are_made_anew(estate: Estate) -> None:
    opened(estate)
    estate.clock.now += 30 * DAY
    estate.bridge.tick()
    estate.work()
    estate.clock.now -= 30 * DAY
    estate.bridge.tick()
    estate.work()
    estate.put("pharmacy", dispense(mg=300), tell=False)
    estate.later(minutes=20)
    assert "dispense-short" in estate.rules()
    counts = estate.bridge.store.counts(estate.clock())
    assert (counts.due, counts.leased) == (0, 0)


def test_a_restart_after_it_was_set_back_notices_too(estate: Estate) -> None:
    opened(estate)
    estate.clock.now += DAY
    estate.put("pharmacy", dispense(mg=300))
    estate.clock.now -= DAY
    estate.restart()
    estate.bridge.start()
    estate.work()
    assert "dispense-short" in estate.rules()


def test_the_lease_of_a_worker_that_died_meanwhile_does_not_last(estate: Estate) -> None:
    opened(estate)
    estate.clock.now += DAY
    estate.bridge.tick()
    estate.put("pharmacy", dispense(mg=300))
    leases = estate.bridge.store.lease("dead", estate.clock(), estate.bridge.pace.lease, 9)
    assert leases
    estate.clock.now -= DAY
    estate.bridge.tick()
    estate.later(minutes=4)
    assert "dispense-short" in estate.rules()
    with pytest.raises(LostLease):
        estate.bridge.store.may_write(leases[0], estate.clock())


def test_a_jump_ahead_while_a_person_is_read_writes_nothing_and_is_tried_again(
    estate: Estate,
) -> None:
    opened(estate)
    estate.put("pharmacy", dispense(mg=300))

    def jumps(request: httpx.Request, go: Answer) -> httpx.Response:
        estate.servers["ehr"].around = lambda ask, go: go(ask)
        estate.clock.now += DAY
        return go(request)

    estate.servers["ehr"].around = jumps
    wrote = len([each for each in estate.servers["ehr"].requests if each[0] == "POST"])
    estate.bridge.work("hasty")
    assert len([each for each in estate.servers["ehr"].requests if each[0] == "POST"]) == wrote
    estate.later(minutes=1)
    assert "dispense-short" in estate.rules()


def test_a_clock_set_back_during_a_sweep_moves_no_watermark_ahead(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    theirs = Clock()  # the server's own clock goes on
    pharmacy = estate.servers["pharmacy"]
    pharmacy.shelf._clock = pharmacy.door._clock = theirs
    estate.clock.now += timedelta(hours=5)

    def dated(request: httpx.Request, go: Answer) -> httpx.Response:
        answer = go(request)
        answer.headers["Date"] = theirs().strftime("%a, %d %b %Y %H:%M:%S GMT")
        if "MedicationDispense/_history" in str(request.url):
            estate.clock.now -= timedelta(hours=5)
        return answer

    pharmacy.around = dated
    estate.bridge.sweep()
    mark = estate.bridge.store.watermark("pharmacy", "MedicationDispense")
    assert mark is not None
    assert mark <= theirs()


def test_subscriptions_are_looked_at_again(estate: Estate) -> None:
    ids = iter(f"word-{n}" for n in range(1000))
    url = "http://bridge.example"
    supervisor = wiring.supervise(
        estate.settings, estate.bridge, public_url=url, ids=lambda: next(ids)
    )
    estate.clock.now += DAY
    supervisor.step()
    estate.clock.now -= DAY
    before = len(estate.servers["ehr"].requests)
    supervisor.step()
    assert len(estate.servers["ehr"].requests) > before


def test_a_server_that_asked_for_a_pause_is_not_left_alone_for_a_day() -> None:
    clock = Clock()
    slept: list[float] = []
    throttle = Throttle(a_second=1, clock=clock, sleep=slept.append)
    with throttle.turn():
        pass
    throttle.leave_alone(3)
    clock.now -= DAY
    with throttle.turn():
        pass
    assert sum(slept) < 5
