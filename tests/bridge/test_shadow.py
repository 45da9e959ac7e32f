"""In shadow: what would have been written, and what people did though nobody told them."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from fhirbridge.bridge.shadowing import Line, report
from fhirbridge.settings import WriteModes
from tests.bridge.estate import START, Estate, dispense, order, people, visit

pytestmark = pytest.mark.lives

SHORT = "dispense-short"
DAY = date(2026, 12, 8)


def hospital(folder: Path, **config: object) -> Estate:
    estate = Estate(folder, **({"write": "shadow"} | config))
    people(estate)
    estate.put("ehr", order(on=DAY))
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    return estate


def line(estate: Estate, rule: str = SHORT) -> Line:
    rows = estate.bridge.store.all_shadows()
    found = report(rows, estate.bridge.calendar, estate.clock.now)
    return next(each for each in found if each.rule == rule)


def days(estate: Estate, count: int) -> None:
    for _ in range(count * 4):
        estate.later(hours=6)


def test_what_people_put_right_without_us_and_how_long_it_took(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    assert not estate.tasks()
    assert (line(estate).found, line(estate).standing) == (1, 1)
    days(estate, 1)
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    done = line(estate)
    assert (done.found, done.put_right, done.standing, done.on_the_day) == (1, 1, 0, 0)
    assert done.put_right_hours is not None
    assert 24 <= done.put_right_hours < 25
    assert done.passed_hours is None
    estate.close()


def test_what_was_still_wrong_on_the_day(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    days(estate, 6)  # the seventh of December
    assert line(estate).on_the_day == 0
    days(estate, 1)
    assert line(estate).on_the_day == 1
    days(estate, 60)
    after = line(estate)
    assert (after.on_the_day, after.found) == (1, 1)
    estate.close()


def test_news_that_change_nothing_and_a_second_look_are_no_second_finding(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    estate.put("ehr", visit(description="Ocrelizumab infusion, room 2"))
    estate.put("pharmacy", dispense(mg=450))
    estate.bridge.sweep(full=True)
    estate.work()
    assert line(estate).found == 1
    estate.close()


def test_a_trouble_that_comes_back_counts_again(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.work()
    days(estate, 1)
    estate.put("pharmacy", dispense("d-2", mg=300, status="entered-in-error"))
    estate.work()
    done = line(estate)
    assert (done.found, done.put_right, done.standing) == (2, 1, 1)
    estate.close()


def test_a_source_that_fails_makes_nothing_go_away(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    estate.servers["pharmacy"].down = 503
    estate.put("ehr", visit(description="Ocrelizumab infusion, room 2"))
    estate.work()
    assert line(estate).standing == 1
    estate.close()


def test_a_dose_that_is_called_off_ends_it(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    estate.put("ehr", visit(status="cancelled"))
    estate.put("ehr", order(on=DAY, status="stopped"))
    estate.work()
    assert (line(estate).ended, line(estate).put_right) == (1, 0)
    estate.close()


def test_what_does_not_last_through_the_settle_window_was_never_to_be_written(
    tmp_path: Path,
) -> None:
    estate = Estate(tmp_path, write="shadow", settle_seconds=900)
    people(estate)
    far = date(2026, 12, 18)
    estate.put("ehr", order(on=far))
    estate.put("ehr", visit(start=f"{far}T09:00:00-05:00"))
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    estate.put("pharmacy", dispense("d-2", mg=300))
    estate.later(minutes=20)
    assert SHORT not in {row.rule for row in estate.bridge.store.all_shadows()}
    estate.close()


def test_only_rules_in_shadow_and_when_one_is_switched_on_its_rows_end(tmp_path: Path) -> None:
    estate = hospital(tmp_path, write={"default": "on", "rules": {SHORT: "shadow"}})
    assert {row.rule for row in estate.bridge.store.all_shadows()} == {SHORT}
    assert SHORT not in estate.rules()
    estate.restart(write=WriteModes(default="shadow", rules={SHORT: "on"}))
    estate.bridge.sweep(full=True)
    estate.work()
    assert SHORT in estate.rules()
    assert (line(estate).written, line(estate).standing) == (1, 0)
    estate.close()


def test_by_time_of_finding_and_by_rule(tmp_path: Path) -> None:
    estate = hospital(tmp_path)
    store = estate.bridge.store
    assert store.all_shadows(SHORT)
    assert not store.all_shadows("dispense-over")
    assert not store.all_shadows(since=START + timedelta(days=1))
    assert store.all_shadows(since=START)
    estate.close()
