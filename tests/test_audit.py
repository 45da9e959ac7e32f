"""Audit: the bridge's decisions over files, whatever the files look like."""

from __future__ import annotations

import csv
import gzip
import io
import multiprocessing
import os
import signal
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from fhirbridge import wiring
from fhirbridge.audit import Audit, Export, NotFound, Result, exports
from fhirbridge.audit.printing import show
from fhirbridge.audit.screen import Screen
from fhirbridge.audit.shapes import shape_of, telling
from fhirbridge.audit.summary import Summary
from fhirbridge.audit.taking import Taking
from fhirbridge.cli.main import app, main
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.read import Snapshot, read
from fhirbridge.fhir.read.fields import FIELDS
from fhirbridge.settings import Settings
from tests.exports import (
    AS_OF,
    EHR,
    FORMS,
    MRN,
    PHARMACY,
    Json,
    as_files_by_type,
    as_gzip,
    as_ndjson,
    dispense,
    ndjson,
    one_file,
    order,
    patient,
    service,
    visit,
)
from tests.fhir import records
from tests.fhir.records import OCREVUS, concept


@pytest.fixture(scope="module")
def audit() -> Audit:
    site = Settings()
    known = wiring.formulary(site)
    decider = wiring.decider(site, known, {}, today=AS_OF.date())
    return Audit(decider, wiring.words(site))


def found(result: Result) -> list[tuple[str, str]]:
    return sorted((f["patient"], f["rule"]) for f in result.findings())


def rules(result: Result) -> set[str]:
    return {rule for _, rule in found(result)}


def over(audit: Audit, *given: str, **holds: str) -> Result:
    sources = [
        Export(e.name, e.files, frozenset(holds[e.name].split()) if e.name in holds else None)
        for e in exports(given)
    ]
    return audit.over(sources, AS_OF)


# --- what is found


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.__name__)
def test_every_form_of_an_export_is_decided_alike(
    audit: Audit, tmp_path: Path, form: Callable[[Path, list[Json]], None]
) -> None:
    form(tmp_path / "ehr", EHR)
    form(tmp_path / "pharmacy", PHARMACY)
    with over(audit, str(tmp_path)) as result:
        assert ("ehr:Patient/p-7", "dispense-short") in found(result)
        assert result.summary.unread == {}
        assert (result.summary.persons, result.summary.joined) == (1, 1)


def test_a_finding_is_printed_as_promised(audit: Audit, tmp_path: Path) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", PHARMACY)
    with over(audit, str(tmp_path)) as result:
        finding = next(f for f in result.findings() if f["rule"] == "dispense-short")
    assert list(finding) == [
        "patient", "therapy", "rule", "severity", "owner", "occasion", "due", "summary",
        "figures", "evidence", "key", "digest",
    ]  # fmt: skip
    assert finding["therapy"] == "ocrelizumab"
    assert finding["occasion"]["date"] == "2026-12-08"
    assert "300 mg" in finding["summary"]
    assert finding["figures"]["ordered"] == {"per_visit": "600 mg", "visits": 1, "total": "600 mg"}
    assert "pharmacy:MedicationDispense/d-q-7" in finding["evidence"]


def test_a_source_is_believed_for_what_is_in_it_or_for_what_is_said(
    audit: Audit, tmp_path: Path
) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "payer", [patient("y-7")])
    with over(audit, str(tmp_path)) as result:
        assert "auth-missing-drug" not in rules(result)
        assert result.summary.cannot_tell["auth-missing-drug"] == 1
    with over(audit, str(tmp_path), payer="authorizations") as result:
        assert "auth-missing-drug" in rules(result)


def test_what_a_source_is_not_believed_for_is_not_read(audit: Audit, tmp_path: Path) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", [*PHARMACY, order("q-7")])
    with over(audit, str(tmp_path), pharmacy="dispenses") as result:
        assert result.summary.unused["pharmacy", "MedicationRequest"].count == 1
        assert "dispense-short" in rules(result)


def test_a_medication_of_its_own_names_the_drug(audit: Audit, tmp_path: Path) -> None:
    drug = {"resourceType": "Medication", "id": "m-1", "code": OCREVUS}
    by_reference = order(medicationReference={"reference": "Medication/m-1"})
    del by_reference["medicationCodeableConcept"]
    as_files_by_type(tmp_path / "ehr", [drug, patient(), by_reference, service(), visit()])
    as_ndjson(tmp_path / "pharmacy", PHARMACY)
    with over(audit, str(tmp_path)) as result:
        assert "dispense-short" in rules(result)


def test_persons_without_a_known_therapy_are_not_read(audit: Audit, tmp_path: Path) -> None:
    aspirin = concept("1191", records.RXNORM, "aspirin")
    as_ndjson(tmp_path / "ehr", [patient(), order(medicationCodeableConcept=aspirin), visit()])
    with over(audit, str(tmp_path)) as result:
        assert (result.summary.persons, found(result)) == (0, [])


# --- who is who


def test_relatives_with_one_number_are_not_joined(audit: Audit, tmp_path: Path) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    child = patient("q-7", born="2010-02-03")
    as_ndjson(tmp_path / "pharmacy", [child, dispense()])
    with over(audit, str(tmp_path)) as result:
        assert result.summary.joined == 0
        assert "dispense-short" not in rules(result)


def test_a_patient_named_by_identifier_alone(audit: Audit, tmp_path: Path) -> None:
    by_number = dispense(subject={"identifier": {"system": MRN, "value": "M-7"}})
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", [by_number])
    with over(audit, str(tmp_path)) as result:
        assert "dispense-short" in rules(result)
    as_ndjson(tmp_path / "ehr", [*EHR, patient("p-8", born="2010-02-03")])
    with over(audit, str(tmp_path)) as result:
        assert "dispense-short" not in rules(result)
        assert result.summary.unread["pharmacy", "two-patients"].count == 1
    stranger = dispense(subject={"identifier": {"system": MRN, "value": "M-9"}})
    as_ndjson(tmp_path / "pharmacy", [stranger])
    with over(audit, str(tmp_path)) as result:
        assert result.summary.unread["pharmacy", "nobody"].count == 1


def test_absolute_references(audit: Audit, tmp_path: Path) -> None:
    """An address means the source that alone has the patients, or whom somebody named it for."""
    far = order(subject={"reference": "https://ehr.example/fhir/Patient/p-7"})
    resources = [patient(), far, service(), visit(), dispense("p-7")]
    as_ndjson(tmp_path / "one", resources)
    with over(audit, f"ehr={tmp_path / 'one'}") as result:
        assert "dispense-short" in rules(result)
    as_ndjson(tmp_path / "one", resources[:-1])
    as_ndjson(tmp_path / "two", PHARMACY)
    both = [f"ehr={tmp_path / 'one'}", f"pharmacy={tmp_path / 'two'}"]
    with over(audit, *both) as result:
        assert result.summary.addresses == {"https://ehr.example/fhir": "ehr"}
        assert (result.summary.unread, "dispense-short" in rules(result)) == ({}, True)
    as_ndjson(tmp_path / "two", [*PHARMACY, patient("p-7", mrn="M-8")])
    with over(audit, *both) as result:  # either could be meant
        assert result.summary.unread["ehr", "unknown-server"].count == 1
        assert result.summary.unread["ehr", "unknown-server"].places == ["https://ehr.example/fhir"]
        assert "dispense-short" not in rules(result)
    named = Audit(audit.decider, audit.texts, bases={"https://ehr.example/fhir": "ehr"})
    with over(named, *both) as result:
        assert result.summary.unread == {}


def test_a_patient_that_is_only_pointed_at_is_said_so(audit: Audit, tmp_path: Path) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", PHARMACY[1:])
    with over(audit, str(tmp_path)) as result:
        assert result.summary.unnamed.places == ["pharmacy:Patient/q-7"]
        assert "pharmacy:Patient/q-7" in result.summary.text


# --- what cannot be read


def test_bad_lines_are_counted_with_their_place_and_the_rest_is_decided(
    audit: Audit, tmp_path: Path
) -> None:
    bad = [
        b"<html>Sign in, Canary</html>",
        b'<Patient xmlns="http://hl7.org/fhir"><id value="p"/></Patient>',
        b'{"resourceType": "MedicationRequest", "id": "x", ',
        b"[1, 2]",
        b'{"name": "Canary"}',
        b'{"resourceType": "MedicationRequest", "id": "y", "subject": [4]}',
        b'{"resourceType": "Condition", "id": "z"}',
        b"\xff\xfe\x00",
    ]
    path = ndjson(tmp_path / "ehr" / "all.ndjson", [*bad, *EHR, *[dispense("p-7")]])
    with over(audit, str(tmp_path / "ehr")) as result:
        assert "dispense-short" in rules(result)
        unread = {why: tally.places for (_, why), tally in result.summary.unread.items()}
        assert unread == {
            "html": [f"{path}:1"],
            "xml": [f"{path}:2"],
            "not-json": [f"{path}:3", f"{path}:8"],
            "not-a-resource": [f"{path}:4", f"{path}:5"],
            "no-patient": [f"{path}:6"],
        }
        assert result.summary.unused["ehr", "Condition"].count == 1
        assert "Canary" not in result.summary.text


def test_a_file_that_breaks_off_proves_no_absence(audit: Audit, tmp_path: Path) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    other = dispense("q-9", medicationCodeableConcept=concept("1191", records.RXNORM, "aspirin"))
    packed = gzip.compress(b"\n".join([jsonio.dumps(each) for each in (patient("q-7"), other)]))
    (tmp_path / "pharmacy").mkdir()
    (tmp_path / "pharmacy" / "d.ndjson.gz").write_bytes(packed[:-12])
    with over(audit, str(tmp_path), pharmacy="dispenses") as result:
        assert result.summary.unread["pharmacy", "cut-off"].count == 1
        assert "dispense-missing" not in rules(result)
        assert result.summary.cannot_tell["dispense-missing"] == 1


def test_a_path_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="no-such"):
        exports([f"ehr={tmp_path / 'no-such'}"])
    with pytest.raises(NotFound, match=r"\.ndjson"):
        exports([str(tmp_path)])


def test_names_of_sources(tmp_path: Path) -> None:
    for place in ("all/ehr/a.json", "all/payer/b.ndjson.gz", "flat/a.json", "flat/b.ndjson"):
        one_file(tmp_path / place, {})
    assert [e.name for e in exports([str(tmp_path / "all")])] == ["ehr", "payer"]
    assert [e.name for e in exports([str(tmp_path / "flat")])] == ["flat"]
    both = [str(tmp_path / "flat" / "a.json"), str(tmp_path / "flat" / "b.ndjson")]
    assert [(e.name, len(e.files)) for e in exports(both)] == [("flat", 2)]
    assert [e.name for e in exports([f"x={both[0]}", f"x={both[1]}"])] == ["x"]


# --- how it is shown


def test_the_order_of_files_and_lines_changes_nothing(audit: Audit, tmp_path: Path) -> None:
    everything = [*EHR, *[each for n in range(3) for each in people(n)]]
    shown = []
    for name, resources in (("a", everything), ("b", everything[::-1])):
        as_ndjson(tmp_path / name / "ehr", resources)
        with over(audit, f"ehr={tmp_path / name}") as result:
            shown.append(list(result.lines()))
    assert shown[0] == shown[1]
    assert len(shown[0]) >= 4


def people(number: int) -> list[Json]:
    id_ = f"r-{number}"
    day = f"2026-12-{3 + number:02}"
    return [
        patient(id_, mrn=f"M-{id_}"),
        order(id_),
        service(id_),
        visit(id_, start=f"{day}T14:00:00Z", end=f"{day}T15:00:00Z"),
        dispense(id_),
    ]


@pytest.mark.parametrize("form", ["text", "json", "ndjson", "csv"])
def test_no_form_of_output_names_a_person(audit: Audit, tmp_path: Path, form: str) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", PHARMACY)
    out, aside = io.StringIO(), io.StringIO()
    with over(audit, str(tmp_path)) as result:
        show(result, form, audit.texts, out, aside)
    said = out.getvalue() + aside.getvalue()
    assert "dispense-short" in said
    assert "patient record" in said or form == "json"
    for detail in ("Canary", "Yellow", "M-7", "1980"):
        assert detail not in said
    if form == "json":
        document = jsonio.loads(out.getvalue())
        assert document["summary"]["findings"]["dispense-short"] == 1
    if form == "csv":
        rows = list(csv.DictReader(io.StringIO(out.getvalue())))
        assert {row["ordered_total"] for row in rows} == {"600 mg"}


def test_the_index_goes_away(audit: Audit, tmp_path: Path) -> None:
    as_gzip(tmp_path / "ehr", EHR)
    with over(audit, str(tmp_path / "ehr")) as result:
        folder = result.shelf.files[0].parent
        assert folder.stat().st_mode & 0o077 == 0
    assert not folder.exists()


@pytest.mark.parametrize(
    "record",
    [
        {"code": {"text": "OCREVUS infusion"}},
        {"x": {"code": "50242-0150-01"}},
        {"x": {"code": "5024215001"}},
        {"x": {"code": "j2350"}},
        {"display": 'say "Natalizumab/sztn"'},
    ],
)
def test_the_quick_look_misses_no_drug(audit: Audit, record: Json) -> None:
    screen = Screen(audit.decider.formulary)
    assert screen.lets_through(jsonio.dumps(record))
    assert not screen.lets_through(b'{"code": {"text": "aspirin 81 mg"}}')


#: A drug, in the ways in which elements of FHIR name one.
NAMED: tuple[Any, ...] = (
    "Ocrevus 600 mg",
    OCREVUS,
    {"text": "Ocrevus 600 mg"},
    [OCREVUS],
    [{"text": "ocrelizumab"}],
    [{"productOrService": OCREVUS, "itemSequence": 1}],
    {"reference": "Medication/m-1", "display": "Ocrevus"},
    [{"reference": "Medication/m-1", "display": "Ocrevus"}],
    [{"resourceType": "Medication", "id": "m-1", "code": OCREVUS}],
    [
        {
            "coverage": {"reference": "Coverage/c-1"},
            "item": [{"category": OCREVUS, "productOrService": OCREVUS}],
        }
    ],
)


@pytest.mark.parametrize("type_", sorted(FIELDS))
def test_no_element_that_is_passed_over_makes_a_therapy(audit: Audit, type_: str) -> None:
    formulary = audit.decider.formulary
    screen = Screen(formulary)
    bare = {"resourceType": type_, "id": "x", "status": "active", "intent": "order"}
    bare["use"] = "preauthorization"
    seen = False
    for element in sorted(FIELDS[type_] - {"resourceType"}):
        for value in NAMED:
            record = {**bare, element: value}
            elements = telling(shape_of(jsonio.dumps(record))[1])
            looked = elements is None or screen.tells(elements)
            facts = read(Snapshot("ehr", (record,)), None).facts
            said = (formulary.recognize(fact.codes, getattr(fact, "text", "")) for fact in facts)
            if any(each.therapy for each in said):
                seen = True
                assert looked, (element, value)
    assert seen or type_ in {"Coverage", "Observation", "DiagnosticReport", "GuidanceResponse"}


# --- the command


def test_the_command(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    as_ndjson(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", PHARMACY)
    run = CliRunner()
    arguments = ["audit", "ehr=ehr", "pharmacy=pharmacy", "--as-of", "2026-12-01"]
    found_ = run.invoke(app, arguments)
    assert (found_.exit_code, "dispense-short" in found_.output) == (1, True)
    nothing = run.invoke(app, ["audit", "pharmacy=pharmacy", "--as-of", "2026-12-01T08:00-05:00"])
    assert nothing.exit_code == 0
    for wrong, said in (
        (["audit", "no-such"], "no-such"),
        ([*arguments, "--as-of", "soon"], "soon"),
        ([*arguments, "--holds", "ehr=order"], "orders"),
        ([*arguments, "--holds", "her=orders"], "ehr"),
        ([*arguments, "--config", "none.yaml"], "none.yaml"),
    ):
        monkeypatch.setattr("sys.argv", ["fhirbridge", *wrong])
        with pytest.raises(SystemExit) as ended:
            main()
        assert (ended.value.code, said in capsys.readouterr().err) == (2, True)


# --- several processes


def crowd(folder: Path) -> list[str]:
    """An export of many portions: every form, with faults, persons on several records."""
    ehr = [each for n in range(25) for each in people(n)]
    bad = [b"<html>Canary</html>", b'{"resourceType": "Condition", "id": "z"}', b"", b"[4]"]
    ndjson(folder / "ehr" / "one.ndjson", [*ehr[:60], *bad, *ehr[60:], *bad, *EHR])
    as_gzip(folder / "pharmacy", [*PHARMACY, *(patient(f"q-{n}", f"M-r-{n}") for n in range(9))])
    (folder / "payer").mkdir()
    FORMS[3](folder / "payer", [patient("y-7"), *(dispense("y-7", amount=n) for n in (1, 2))])
    whole = gzip.compress(jsonio.dumps(dispense("y-7")) * 99)
    (folder / "payer" / "z.ndjson.gz").write_bytes(whole[:-9])
    return [str(folder)]


def shown(audit: Audit, given: list[str]) -> str:
    out = io.StringIO()
    with over(audit, *given) as result:
        show(result, "json", audit.texts, out, out)
        out.write(result.summary.text)
    return out.getvalue()


def test_any_number_of_processes_gives_the_same(audit: Audit, tmp_path: Path) -> None:
    given = crowd(tmp_path / "all")
    alone = shown(replace(audit, part=700), given)
    assert "dispense-short" in alone
    assert "cut-off" in alone
    for jobs in (2, 3):
        assert shown(replace(audit, jobs=jobs, part=700), given) == alone
    # However it is divided, every line keeps its number.
    assert shown(audit, given) == alone


def test_a_long_chain_of_links_is_one_person_whoever_looks(audit: Audit, tmp_path: Path) -> None:
    """Where to stop depends on where one begins; the first record decides, as with one process."""
    chain = []
    for n in range(70):
        link = [{"other": {"reference": f"Patient/c-{n + 1}"}, "type": "seealso"}]
        chain += [patient(f"c-{n}", mrn=f"C-{n}", link=link), order(f"c-{n}")]
    as_ndjson(tmp_path / "ehr", chain)
    given = [str(tmp_path / "ehr")]
    assert shown(replace(audit, jobs=2), given) == shown(audit, given)


def test_a_process_that_is_killed_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    monkeypatch.setattr(Taking, "__call__", lambda *_: os.kill(os.getpid(), signal.SIGKILL))
    monkeypatch.setattr("sys.argv", ["fhirbridge", "audit", str(tmp_path), "--jobs", "2"])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr().err
    assert (ended.value.code, "--jobs 1" in said, "Traceback" in said) == (2, True, False)


def test_an_interrupt_leaves_nothing_behind(
    audit: Audit, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = crowd(tmp_path / "all")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()

    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    sources = exports(given)
    with pytest.raises(KeyboardInterrupt):
        replace(audit, jobs=2, part=700).over(sources, AS_OF, interrupt)
    assert list((tmp_path / "temporary").iterdir()) == []
    assert multiprocessing.active_children() == []


def test_an_audit_that_is_ended_takes_its_files_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temporary"))
    monkeypatch.setattr(Taking, "__call__", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    before = signal.getsignal(signal.SIGTERM)
    ended = CliRunner().invoke(app, ["audit", str(tmp_path / "ehr"), "--jobs", "1"])
    assert ended.exit_code == 128 + signal.SIGTERM
    assert list((tmp_path / "temporary").iterdir()) == []
    assert signal.getsignal(signal.SIGTERM) == before


def test_a_plain_file_that_breaks_off_proves_no_absence(audit: Audit, tmp_path: Path) -> None:
    as_ndjson(tmp_path / "ehr", EHR)
    lines = b"\n".join(map(jsonio.dumps, [patient("q-7"), dispense("q-9")]))
    (tmp_path / "pharmacy").mkdir()
    (tmp_path / "pharmacy" / "d.ndjson").write_bytes(lines[:-12])
    with over(audit, str(tmp_path), pharmacy="dispenses") as result:
        assert result.summary.unread["pharmacy", "cut-off"].places[0].endswith("d.ndjson:2")
        assert "dispense-missing" not in rules(result)
        assert result.summary.cannot_tell["dispense-missing"] == 1


def test_the_summary_says_when_how_many_and_for_what_nobody_is_believed(
    audit: Audit, tmp_path: Path
) -> None:
    as_gzip(tmp_path / "ehr", EHR)
    as_ndjson(tmp_path / "pharmacy", PHARMACY)
    with over(audit, str(tmp_path), pharmacy="dispenses coverage") as result:
        said = result.summary.text
    assert "Findings as of 2026-12-01T15:00:00+00:00" in said
    assert f"  {result.summary.found} altogether: " in said
    assert "no source is believed for: administrations, authorizations, rems, results" in said


def test_the_summary_sets_numbers_below_one_another() -> None:
    findings = Counter({"dispense-short": 1200, "auth-denied": 7})
    said = Summary(as_of="2026-12-01", findings=findings, cannot_tell=Counter(findings)).text
    assert said.count("\n      7  auth-denied\n  1,200  dispense-short") == 2
    assert "\nDoses that a rule could not judge" in said


def test_holds_gzip_and_folders_by_the_command(tmp_path: Path) -> None:
    as_gzip(tmp_path / "all" / "ehr", EHR)
    FORMS[3](tmp_path / "all" / "pharmacy", PHARMACY)
    ndjson(tmp_path / "all" / "payer" / "p.ndjson", [patient("y-7")])
    base = ["audit", str(tmp_path / "all"), "--as-of", "2026-12-01", "--format", "ndjson"]
    run = CliRunner()
    without = run.invoke(app, base)
    assert "auth-missing-drug" not in without.stdout
    said = [run.invoke(app, [*base, "--holds", "payer=authorizations", "--jobs", n]) for n in "12"]
    assert "auth-missing-drug" in said[0].stdout
    assert said[0].stdout == said[1].stdout
