"""Urgent first: news of a person whose infusion is tomorrow is worked on before others'."""

from __future__ import annotations

from datetime import date

from fhirbridge.bridge.story import Decided
from tests.bridge.estate import Estate, order, patient, visit


def test_whose_infusion_is_tomorrow_is_read_before_others(estate: Estate) -> None:
    """The estate's first day is a Tuesday."""
    for name, day in (("p-1", 20), ("soon", 2), ("p-3", 21)):
        if name == "soon":
            estate.put("ehr", patient(name, mrn="soon"))
        elif name == "p-3":
            estate.put("ehr", patient(name, mrn="three"))
        estate.put("ehr", order(f"o-{name}", on=date(2026, 12, day), who=name))
        estate.put("ehr", visit(f"v-{name}", f"2026-12-{day:02}T09:00:00-05:00", who=name))
    estate.work()
    before = len(estate.told(Decided))
    for name in ("p-1", "p-3", "soon"):  # who is urgent comes last
        estate.put("ehr", order(f"o-{name}", mg=300, who=name))
    estate.work()
    read = [each.subject for each in estate.told(Decided)[before:]]
    assert read == ["ehr:Patient/soon", "ehr:Patient/p-1", "ehr:Patient/p-3"]
