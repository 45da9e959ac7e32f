"""An old copy of the store is put back: what was done since is known again, and work goes on."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

from fhirbridge import wiring
from fhirbridge.store import upkeep
from tests.bridge.estate import Estate, dispense, order, patient, people, visit


def goes_on_after(
    estate: Estate, url: str, copy: Callable[[], object], put_back: Callable[[], object]
) -> None:
    """`copy` is taken while the bridge works; `put_back` finds it stopped."""
    people(estate)
    estate.restart(store=url)
    estate.put("ehr", order(), tell=False)
    estate.put("ehr", visit(), tell=False)
    estate.bridge.start()
    estate.work()
    copy()
    estate.put("pharmacy", dispense(mg=300), tell=False)  # after the copy: written, and forgotten
    estate.put("ehr", patient("p-2", mrn="777"), tell=False)
    estate.put("ehr", order("o-2", who="p-2"), tell=False)
    estate.later(minutes=20)
    estate.put("pharmacy", dispense("d-2", mg=300), tell=False)
    estate.later(minutes=20)
    before = {task["identifier"][0]["value"]: task["status"] for task in estate.tasks()}
    assert "dispense-short" not in estate.rules()
    assert len({task["for"]["reference"] for task in estate.tasks()}) == 2

    wiring.unwire(estate.bridge)
    put_back()
    estate.restart(store=url)
    estate.bridge.start()
    estate.work()
    estate.later(minutes=20)
    after = [(task["identifier"][0]["value"], task["status"]) for task in estate.tasks()]
    assert len(after) == len(before)  # nothing is said a second time
    assert dict(after) == before

    estate.remove("pharmacy", "MedicationDispense/d-2", tell=False)
    estate.later(minutes=20)
    assert "dispense-short" in estate.rules()
    assert not estate.bridge.store.parked()
    wiring.unwire(estate.bridge)


def test_sqlite(tmp_path: Path) -> None:
    url, kept = f"sqlite:///{tmp_path}/restored.db", tmp_path / "copy.db"

    def put_back() -> None:
        for path in tmp_path.glob("restored.db*"):
            path.unlink()
        shutil.copy(kept, tmp_path / "restored.db")

    estate = Estate(tmp_path)
    goes_on_after(estate, url, lambda: upkeep.backup(url, kept), put_back)
    estate.close()
