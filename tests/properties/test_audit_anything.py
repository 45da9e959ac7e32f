"""Whatever stands in a file, an audit comes to its end and counts every line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from fhirbridge import wiring
from fhirbridge.audit import Audit, Export
from fhirbridge.fhir import jsonio
from fhirbridge.settings import Settings
from tests.exports import AS_OF, EHR, PHARMACY

SITE = Settings()
KEYS = [
    "resourceType",
    "id",
    "subject",
    "patient",
    "reference",
    "identifier",
    "value",
    "system",
    "participant",
    "actor",
    "entry",
    "resource",
    "fullUrl",
    "code",
    "birthDate",
    "link",
]
WORDS = [
    "Patient",
    "Bundle",
    "MedicationRequest",
    "Appointment",
    "Patient/p-7",
    "J2350",
    "urn:uuid:1",
    "#p",
    "ocrelizumab",
    "https://x.example/Patient/1",
]
leaves = st.none() | st.booleans() | st.integers() | st.sampled_from(WORDS) | st.text(max_size=5)
anything = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=5)
    ),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def audit() -> Audit:
    decider = wiring.decider(SITE, wiring.formulary(SITE), {}, today=AS_OF.date())
    return Audit(decider, wiring.words(SITE))


@st.composite
def damaged(draw: st.DrawFn) -> Any:
    """A good record with anything in place of one of its elements."""
    record = dict(draw(st.sampled_from([*EHR, *PHARMACY])))
    record[draw(st.sampled_from(sorted(record)))] = draw(anything)
    return record


lines = st.lists(
    anything.map(jsonio.dumps) | damaged().map(jsonio.dumps) | st.binary(max_size=20), max_size=6
)


@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(lines)
@example([b"\x1f\x8b"])  # gzip that ends where it begins
def test_any_file_is_read_to_its_end(audit: Audit, tmp_path: Path, lines: list[bytes]) -> None:
    path = tmp_path / "any.ndjson"
    path.write_bytes(b"\n".join(lines))
    with audit.over([Export("ehr", (path,)), Export("x", (path,))], AS_OF) as result:
        list(result.findings())
        assert result.summary.text
        jsonio.dumps(result.summary.as_json)
