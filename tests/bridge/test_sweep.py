"""Sweeping: what no notification told is found, deletes too; timers ring."""

from __future__ import annotations

from fhirbridge.bridge.story import Decided
from tests.bridge.estate import Estate, dispense, order, visit


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
