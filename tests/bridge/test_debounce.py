"""A burst of news about one person is one read of the servers."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fhirbridge.settings import Settings
from fhirbridge.wiring import debounce
from tests.bridge.estate import Estate, dispense, order, people, visit

FAR = date(2026, 12, 18)


def test_what_comes_together_is_read_once(tmp_path: Path) -> None:
    estate = Estate(tmp_path, debounce_seconds=2)
    people(estate)
    estate.later(seconds=3)
    estate.put("ehr", order("o-1", on=FAR))
    for step in range(3):
        estate.put("ehr", visit("v-1", f"2026-12-18T{9 + step:02}:00:00-05:00"))
        estate.put("pharmacy", dispense(mg=100 * (step + 1)))
        assert estate.later(seconds=1) == 0
    assert estate.later(seconds=2) == 1
    assert "dispense-short" in estate.rules()
    estate.close()


def test_a_wait_longer_than_the_longest_is_refused() -> None:
    with pytest.raises(ValueError, match=r"debounce_seconds: 60 is more than .* \(30\)"):
        Settings.model_validate({"debounce_seconds": 60})


def test_none_where_tasks_stay_on_this_machine_unless_it_is_said() -> None:
    def quiet(url: str, **more: object) -> float:
        server = {"base_url": url, "holds": ["worklist"]}
        said = Settings.model_validate({"servers": {"ehr": server}, **more})
        return debounce(said).quiet.total_seconds()

    assert quiet("https://ehr.example/fhir") == 2
    assert quiet("https://ehr.example/fhir", debounce_seconds=0) == 0
    assert quiet("http://127.0.0.1:8080/fhir") == 0
    assert quiet("http://127.0.0.1:8080/fhir", debounce_seconds=5) == 5
