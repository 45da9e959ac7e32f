"""Sweeping: what no notification told is found, deletes too; timers ring."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from fhirbridge.bridge import sweeping
from fhirbridge.bridge.story import Decided
from tests.bridge.estate import Answer, Estate, dispense, order, visit


def test_the_start_sweeps_every_source_from_the_beginning(estate: Estate) -> None:
    estate.put("ehr", order(), tell=False)
    estate.bridge.start()
    estate.work()
    assert estate.told(Decided)


def test_a_change_that_nobody_told_is_found_by_the_next_sweep(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.bridge.start()
    estate.work()
    decided = len(estate.told(Decided))
    estate.put("pharmacy", dispense(mg=300), tell=False)
    estate.later(minutes=20)
    assert len(estate.told(Decided)) > decided
    assert estate.told(Decided)[-1].decision.ledger.occasions[0].dispensed.total.value == 300


def test_a_delete_that_nobody_told_is_found_by_history(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.bridge.start()
    estate.work()
    estate.remove("ehr", "Appointment/v-1", tell=False)
    estate.later(minutes=20)
    assert estate.told(Decided)[-1].decision.ledger.occasions[0].visit is None


def test_a_sweep_that_finds_nothing_reads_nobody(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.bridge.start()
    estate.work()
    decided = len(estate.told(Decided))
    estate.bridge.sweep()
    estate.work()
    assert len(estate.told(Decided)) == decided


def test_a_full_sweep_reads_everybody_who_is_watched_again(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.work()
    decided = len(estate.told(Decided))
    estate.bridge.sweep(full=True)
    estate.work()
    assert len(estate.told(Decided)) == decided + 1


def test_time_alone_makes_a_person_due(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.work()
    decided = len(estate.told(Decided))
    estate.later(days=1)
    assert len(estate.told(Decided)) > decided


def test_a_source_that_was_down_keeps_its_watermark(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.bridge.start()
    estate.work()
    estate.servers["pharmacy"].down = 503
    estate.put("pharmacy", dispense(mg=300), tell=False)
    estate.later(minutes=20)
    estate.servers["pharmacy"].down = None
    estate.later(hours=1)
    assert estate.told(Decided)[-1].decision.ledger.occasions[0].dispensed.total is not None


@pytest.mark.parametrize("type_", ["Patient", "MedicationDispense"])
@pytest.mark.parametrize("status", [400, 404])
def test_a_proxy_that_knows_nothing_is_no_server_that_has_nothing(
    estate: Estate, status: int, type_: str
) -> None:
    """While a server is started anew, what stands before it may answer so, without a word of FHIR:
    from the beginning of the poll, or from the middle of it on."""
    estate.bridge.start()
    estate.work()
    store, pharmacy = estate.bridge.store, estate.servers["pharmacy"]
    before = {type_: store.watermark("pharmacy", type_) for type_ in ("Patient", type_)}
    gone = False

    def around(request: httpx.Request, go: Answer) -> httpx.Response:
        nonlocal gone
        gone = gone or f"/{type_}" in str(request.url)
        return httpx.Response(status) if gone else go(request)

    pharmacy.around = around
    estate.clock.now += timedelta(hours=1)
    assert list(estate.bridge.sweep().failed) == ["pharmacy"]
    assert store.watermark("pharmacy", type_) == before[type_]


def test_a_type_that_a_server_does_not_know_keeps_nothing_from_being_polled(estate: Estate) -> None:
    estate.bridge.start()
    estate.work()
    store = estate.bridge.store
    before = store.watermark("pharmacy", "MedicationDispense")
    assert before

    def around(request: httpx.Request, go: Answer) -> httpx.Response:
        return httpx.Response(404) if "/MedicationDispense" in str(request.url) else go(request)

    estate.servers["pharmacy"].around = around
    estate.clock.now += timedelta(hours=1)
    assert not estate.bridge.sweep().failed
    assert (store.watermark("pharmacy", "MedicationDispense") or before) > before


def test_after_a_long_outage_a_source_is_caught_up_as_soon_as_it_would_be_polled_anyway(
    estate: Estate,
) -> None:
    """However often it was asked in vain: nothing but a poll can see that it answers again."""
    estate.put("ehr", order())
    estate.bridge.start()
    estate.work()
    estate.servers["pharmacy"].down = 503
    estate.put("pharmacy", dispense(mg=300), tell=False)
    for _ in range(14):  # each try in vain doubles the wait
        estate.later(minutes=30)
    estate.servers["pharmacy"].down = None
    estate.clock.now += estate.bridge.pace.sweep
    estate.work()
    assert "dispense-short" in estate.rules()


def test_a_source_that_is_down_does_not_keep_a_sweep_from_the_others(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.bridge.start()
    estate.work()
    estate.put("pharmacy", dispense(mg=300), tell=False)
    estate.servers["payer"].down = 503
    swept = estate.bridge.sweep()
    assert (swept.news, list(swept.failed)) == (1, ["payer"])


def test_who_waited_for_a_server_is_seen_as_soon_as_it_answers_again(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.bridge.start()
    estate.work()
    estate.servers["ehr"].down = 503
    estate.put("ehr", order(mg=300))
    for _ in range(9):  # each try doubles the wait
        estate.later(minutes=20)
    decided = len(estate.told(Decided))
    estate.servers["ehr"].down = None
    estate.bridge.store.raise_("ehr:*", estate.clock(), why="a person looks")
    estate.bridge.sweep()
    estate.work()
    assert len(estate.told(Decided)) > decided


def test_a_catch_up_that_takes_longer_than_a_lease_is_made_once(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else every worker would join in, and the server would be read by all of them at once."""
    monkeypatch.setattr(sweeping, "CHUNK", 1)
    estate.put("ehr", order(), tell=False)
    estate.put("ehr", visit(), tell=False)
    store, lease = estate.bridge.store, estate.bridge.pace.lease
    taken: list[str] = []

    def slow(ask: httpx.Request, go: Answer) -> httpx.Response:
        estate.clock.now += lease * 0.4
        found = store.lease("another worker", estate.clock(), timedelta(seconds=1))
        taken.extend(each.subject for each in found if each.subject.endswith("*"))
        return go(ask)

    estate.servers["ehr"].around = slow
    store.raise_("ehr:*", estate.clock(), why="test")
    assert estate.bridge.work("test") == 1
    histories = [target for _, target in estate.servers["ehr"].requests if "_history" in target]
    assert len(histories) > 3  # so all of it took much longer than one lease
    assert taken == []
    assert len(histories) == len(set(histories))
    mark = store.mark("ehr:*")
    assert mark is not None
    assert (mark.due_at, mark.attempts) == (None, 0)


def test_what_was_told_late_is_parted_from_what_may_still_be_told(estate: Estate) -> None:
    """And the Subscription that should have told it is silent; of the newest, nobody knows yet."""
    estate.put("ehr", order("o-1"))
    estate.bridge.sweep()
    estate.clock.now += timedelta(hours=1)
    estate.put("ehr", order("o-2"), tell=False)
    estate.clock.now += timedelta(seconds=30)
    estate.bridge.sweep()
    link = estate.bridge.store.subscription("ehr", "MedicationRequest")
    assert link is not None
    assert link.state == "active"
    estate.put("ehr", order("o-3"), tell=False)
    estate.clock.now += timedelta(hours=1)
    assert estate.bridge.sweep().news == 1
    link = estate.bridge.store.subscription("ehr", "MedicationRequest")
    assert link is not None
    assert link.state == "silent"
