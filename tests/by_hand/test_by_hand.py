"""The charts written by hand, through the audit: what is there is found, and nothing else."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path

import pytest

from fhirbridge import wiring
from fhirbridge.audit import Audit, exports
from fhirbridge.fhir import jsonio
from fhirbridge.settings import Settings

from . import (  # noqa: F401 - each adds its charts
    drugs,
    everyday,
    makes,
    orders,
    payers,
    requirements,
    states,
    visits,
    words,
)
from .charts import CHARTS, Chart


@pytest.mark.parametrize("chart", CHARTS, ids=lambda chart: chart.name)
def test_what_a_careful_reader_would_find(chart: Chart, tmp_path: Path) -> None:
    site, now = Settings(), datetime.fromisoformat(chart.as_of)
    decider = wiring.decider(site, wiring.formulary(site), {}, today=now.date())
    given = []
    for source, records in chart.sources.items():
        file = tmp_path / f"{source}.ndjson"
        file.write_bytes(b"\n".join(map(jsonio.dumps, records)))
        given.append(f"{source}={file}")
    with Audit(decider, wiring.words(site)).over(exports(given), now) as answer:
        found = {row["rule"]: row["summary"] for row in answer.findings()}
    assert not chart.must - found.keys(), f"missed; found {found}"
    assert not found.keys() - chart.must - chart.may, f"false alarm: {found}"


def test_every_chart_has_its_own_name() -> None:
    assert len({chart.name for chart in CHARTS}) == len(CHARTS)
