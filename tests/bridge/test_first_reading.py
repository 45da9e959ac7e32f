"""The first reading of a type: one that breaks off goes on from where it was. Nothing is missed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import httpx
import pytest

from fhirbridge.bridge import sweeping
from fhirbridge.bridge.story import Arrived
from fhirbridge.fhir.rising import Rising
from tests.bridge.estate import START, Answer, Estate, order

RECORDS, PAGE = 600, 20
PAGES = RECORDS // PAGE
ORDERS = "MedicationRequest"
EVERY = {f"o-{n}" for n in range(RECORDS)}

pytestmark = pytest.mark.lives


@pytest.fixture
def years(estate: Estate, monkeypatch: pytest.MonkeyPatch) -> Estate:
    """An EHR with the orders of some days, which has pages of twenty; nobody tells of them."""
    monkeypatch.setattr(sweeping, "CHUNK", 2 * PAGE)
    monkeypatch.setattr("fhirbridge.fhir.pages.COUNT", ("_count", str(PAGE)))
    for row in estate.bridge.store.subscriptions():
        estate.bridge.store.forget_subscription(row.source, row.type)
    for n in range(RECORDS):
        estate.clock.now += timedelta(minutes=7)
        estate.put("ehr", order(f"o-{n * 7919 % RECORDS}"), tell=False)  # not in the order of ids
    estate.clock.now += timedelta(days=1)
    return estate


def is_page(request: httpx.Request) -> bool:
    """Of orders as they stand."""
    url = str(request.url)
    return f"{ORDERS}?" in url or "_getpages" in url


def asked(estate: Estate) -> int:
    """How many pages of orders were read so far."""
    targets = [target for _, target in estate.servers["ehr"].requests]
    return len([each for each in targets if each.startswith(f"{ORDERS}?") or "_getpages" in each])


def told(estate: Estate) -> list[str]:
    """The orders that were heard of, as often as they were."""
    said = [event for each in estate.told(Arrived) for event in each.events]
    return [each.partition("/")[2] for each in said if f" {ORDERS}/" in each]


def breaks(estate: Estate, after: int, what: Callable[[], httpx.Response]) -> None:
    """After so many pages of orders something happens, once."""
    left = after

    def around(request: httpx.Request, go: Answer) -> httpx.Response:
        nonlocal left
        left -= is_page(request)
        if left == 0 and is_page(request):
            return what()
        return go(request)

    estate.servers["ehr"].around = around


def unavailable() -> httpx.Response:
    return httpx.Response(503)


class Killed(BaseException):
    """SIGKILL, as far as a test can be killed."""


def test_a_server_that_fails_on_the_way_is_not_read_from_the_beginning_again(
    years: Estate,
) -> None:
    """However often: each time some pages further, and each page once but for the ends."""
    tries = 0
    while years.bridge.store.watermark("ehr", ORDERS) is None:
        breaks(years, 8, unavailable)
        years.bridge.sweep()
        tries += 1
        assert tries < 10, "it never ends"
    assert tries > 3
    assert set(told(years)) == EVERY
    lost = 2  # of a part that was not full when the server failed, and the page where it goes on
    assert asked(years) <= PAGES + lost * tries
    before = asked(years)
    years.bridge.sweep()
    assert asked(years) == before  # it is through: from now on only changes are read


def test_a_bridge_that_is_killed_on_the_way_goes_on_where_it_was(years: Estate) -> None:
    def dies() -> httpx.Response:
        raise Killed

    breaks(years, PAGES - 5, dies)
    with pytest.raises(Killed):
        years.bridge.sweep()
    before = asked(years)
    years.servers["ehr"].around = lambda request, go: go(request)
    years.restart()
    years.bridge.sweep()
    assert set(told(years)) == EVERY
    assert asked(years) - before <= 5 + 3


def test_what_happens_meanwhile_is_told_too(years: Estate) -> None:
    """What was read is changed or deleted, and something comes that is new."""

    def lives() -> httpx.Response:
        years.put("ehr", order("o-0", mg=300), tell=False)
        years.remove("ehr", f"{ORDERS}/o-{7919 % RECORDS}", tell=False)
        years.put("ehr", order("new"), tell=False)
        return unavailable()

    breaks(years, PAGES - 5, lives)
    years.bridge.sweep()
    years.clock.now += timedelta(hours=5)
    years.bridge.sweep()
    said = [event for each in years.told(Arrived) for event in each.events]
    assert f"deleted {ORDERS}/o-{7919 % RECORDS}" in said
    assert said.count(f"changed {ORDERS}/o-0") > 1
    assert f"changed {ORDERS}/new" in said


def test_pages_that_expire_are_asked_for_again_from_there(years: Estate) -> None:
    """HAPI forgets a search after an hour, and this takes longer."""
    breaks(years, PAGES - 5, lambda: httpx.Response(410))
    assert not years.bridge.sweep().failed
    assert set(told(years)) == EVERY
    assert asked(years) <= PAGES + 2


def test_a_server_that_does_not_sort_is_read_whole(years: Estate) -> None:
    """It must not be believed that what it told last was the latest of all."""

    def unsorted(request: httpx.Request, go: Answer) -> httpx.Response:
        plain = str(request.url).replace("_sort=_lastUpdated", "_sort=_id")
        return go(httpx.Request(request.method, plain, headers=request.headers))

    left = PAGES - 5

    def around(request: httpx.Request, go: Answer) -> httpx.Response:
        nonlocal left
        left -= is_page(request)
        return unavailable() if left == 0 and is_page(request) else unsorted(request, go)

    years.servers["ehr"].around = around
    years.bridge.sweep()
    assert years.bridge.store.watermark("ehr", ORDERS) is None
    years.bridge.sweep()
    assert set(told(years)) == EVERY


def test_a_server_that_sorted_only_before_is_read_from_the_beginning(years: Estate) -> None:
    breaks(years, PAGES - 5, unavailable)
    years.bridge.sweep()

    def unsorted(request: httpx.Request, go: Answer) -> httpx.Response:
        plain = str(request.url).replace("_sort=_lastUpdated", "_sort=-_lastUpdated")
        return go(httpx.Request(request.method, plain, headers=request.headers))

    years.servers["ehr"].around = unsorted
    first = len(told(years))
    years.bridge.sweep()
    assert set(told(years)[first:]) == EVERY


def test_a_server_that_cannot_be_asked_so_tells_its_history(years: Estate) -> None:
    def refuses(request: httpx.Request, go: Answer) -> httpx.Response:
        return httpx.Response(400) if "_sort=" in str(request.url) else go(request)

    years.servers["ehr"].around = refuses
    assert not years.bridge.sweep().failed
    assert set(told(years)) == EVERY


def test_a_full_sweep_begins_anew(years: Estate) -> None:
    breaks(years, PAGES - 5, unavailable)
    years.bridge.sweep()
    first = len(told(years))
    years.bridge.sweep(full=True)
    assert set(told(years)[first:]) == EVERY


def at(milliseconds: int) -> datetime:
    return START + timedelta(milliseconds=milliseconds)


def test_a_moment_is_reached_when_another_record_follows() -> None:
    rising = Rising(at(0))
    for each in (10, 10, 20):
        rising.saw(at(each))
    assert rising.reached == at(10)
    assert rising.goes_on() == at(10)
    rising.saw(at(10) + timedelta(microseconds=7))  # servers are asked to the millisecond
    assert (rising.in_order, rising.reached) == (True, at(10))


@pytest.mark.parametrize("moment", [at(5), None])
def test_what_is_older_or_undated_leaves_nothing_known(moment: datetime | None) -> None:
    rising = Rising(at(0))
    rising.saw(at(10))
    rising.saw(at(20))
    rising.saw(moment)
    rising.saw(at(30))
    assert (rising.in_order, rising.reached) == (False, at(0))
