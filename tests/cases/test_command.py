"""`fhirbridge replay`; and the cases in `kept/`, each of which is decided again here."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.cases import document
from fhirbridge.cases.replaying import replay
from fhirbridge.fhir import jsonio
from tests.bridge.estate import Estate, dispense, order, people, visit
from tests.cases.taking import recorded
from tests.command import Call

KEPT = sorted((Path(__file__).parent / "kept").glob("*.json"))


@pytest.fixture
def case(tmp_path: Path) -> Path:
    """Half of a dose was dispensed."""
    estate = Estate(tmp_path)
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    path = tmp_path / "case.json"
    path.write_bytes(document.dumps(recorded(estate)))
    estate.close()
    return path


@pytest.mark.parametrize("path", KEPT, ids=lambda path: path.stem)
def test_a_kept_case_is_decided_as_it_was_recorded(path: Path) -> None:
    assert KEPT
    assert replay(document.read(path)).differences == []


def test_it_says_that_it_is_the_same(fhirbridge: Call, case: Path) -> None:
    code, out, _ = fhirbridge("replay", str(case))
    assert code == 0
    assert "dispense-short (pharmacy): 300 mg dispensed of 600 mg ordered" in out
    assert out.endswith("the same as was recorded\n")
    _, out, _ = fhirbridge("replay", str(case), "--explain")
    assert "rules" in out
    assert "Looks again" in out


def test_it_says_what_is_otherwise(fhirbridge: Call, case: Path) -> None:
    data = jsonio.loads(case.read_bytes())
    data["decided"][0]["findings"][0]["severity"] = "S1"
    case.write_bytes(jsonio.dumps(data))
    code, out, _ = fhirbridge("replay", str(case), "--format", "json")
    assert code == 1
    report = jsonio.loads(out)
    assert not report["same"]
    assert len(report["differences"]) == 2


def test_it_is_audited(fhirbridge: Call, case: Path, tmp_path: Path) -> None:
    """The unpacked records are what `audit` takes, and it finds the same."""
    _, _, err = fhirbridge("replay", str(case), "--into", str(tmp_path / "there"))
    command = err.strip().rpartition("fhirbridge ")[2].split()
    code, out, _ = fhirbridge(*command, "--format", "ndjson")
    assert code == 1
    audited = {jsonio.loads(line)["rule"] for line in out.splitlines()}
    decided = document.read(case).decided[0].findings
    assert audited == {each["rule"] for each in decided if not each["folded_into"]}
    code, _, err = fhirbridge("replay", str(case), "--into", str(tmp_path / "there"))
    assert code == 2
    assert "is not empty: name a new folder" in err


def _a_way_out(data: dict[str, Any]) -> None:
    data["sources"]["../out"] = data["sources"].pop("ehr")
    data["settings"]["servers"]["../out"] = data["settings"]["servers"].pop("ehr")


def _a_type_that_is_a_path(data: dict[str, Any]) -> None:
    data["sources"]["ehr"]["resources"][0]["resourceType"] = "../../out"


def _another_server(data: dict[str, Any]) -> None:
    del data["sources"]["payer"]


@pytest.mark.parametrize("harm", [_a_way_out, _a_type_that_is_a_path, _another_server])
def test_a_case_that_somebody_tampered_with_is_refused(
    fhirbridge: Call, case: Path, tmp_path: Path, harm: Callable[[dict[str, Any]], None]
) -> None:
    data = jsonio.loads(case.read_bytes())
    harm(data)
    case.write_bytes(jsonio.dumps(data))
    before = sorted(tmp_path.rglob("*"))
    code, _, err = fhirbridge("replay", str(case), "--into", str(tmp_path / "a" / "b"))
    assert (code, "case.json" in err) == (2, True)
    assert sorted(tmp_path.rglob("*")) == before


def test_an_id_that_is_a_path_is_none_in_the_folder(
    fhirbridge: Call, case: Path, tmp_path: Path
) -> None:
    data = jsonio.loads(case.read_bytes())
    data["sources"]["ehr"]["resources"].append({"resourceType": "Basic", "id": "/../../../out"})
    case.write_bytes(jsonio.dumps(data))
    (tmp_path / "a" / "ehr" / "Basic-").mkdir(parents=True)
    (tmp_path / "b" / "ehr").mkdir(parents=True)
    fhirbridge("replay", str(case), "--into", str(tmp_path / "c"))
    assert not list(tmp_path.rglob("out*"))
    assert list((tmp_path / "c" / "ehr").glob("Basic-*.json"))


def test_a_file_that_is_no_case_is_named(fhirbridge: Call, tmp_path: Path) -> None:
    code, _, err = fhirbridge("replay", str(tmp_path / "no.json"))
    assert code == 2
    assert err.endswith("no.json: there is no such file; `fhirbridge record` makes one\n")
    (tmp_path / "bad.json").write_text("{}")
    code, _, err = fhirbridge("replay", str(tmp_path / "bad.json"))
    assert code == 2
    assert "not a recorded case of this version" in err


def test_a_file_is_not_written_over(fhirbridge: Call, case: Path) -> None:
    before = case.read_bytes()
    code, _, err = fhirbridge("record", "ehr:Patient/p-1", "-o", str(case))
    assert code == 2
    assert "is there already: name another file, or write over it with --force" in err
    assert case.read_bytes() == before
