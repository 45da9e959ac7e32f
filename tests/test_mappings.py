"""The shipped data, and what is said about mistakes in a site's own files."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from fhirbridge import mappings
from fhirbridge.core.facts import Code
from fhirbridge.core.visits import AtSite
from fhirbridge.yamlfile import Invalid

SHIPPED = mappings.load([mappings.shipped()])

DRUG = """\
title: A drug of the site
ingredient: examplumab
route: intravenous
aliases: [Examplix]
billing:
  - {code: J9999, mg_per_unit: 5, source: made up, verified: false}
premedications:
  - {name: steroid, required: true, source: made up, verified: false}
examples:
  - {text: Examplix, expect: this}
"""
DOSES = """\
phases:
  - {name: initial, source: made up, verified: false, doses: [%s]}
billing:"""


@pytest.fixture
def site(tmp_path: Path) -> Path:
    (tmp_path / "therapies").mkdir()
    return tmp_path


def complaints(site: Path, text: str, name: str = "therapies/examplumab.yaml") -> list[str]:
    """What is said about a site's file beside a few of the shipped ones."""
    (site / name).write_text(text, encoding="utf-8")
    few = site / ".shipped"
    (few / "therapies").mkdir(parents=True, exist_ok=True)
    for each in ("therapies/ocrelizumab.yaml", *mappings.FILES):
        shutil.copy(mappings.shipped() / each, few / each)
    found = mappings.check([few, site])
    return [line.removeprefix(f"{site}/") for line in found]


def test_the_shipped_files_are_right_and_their_examples_come_out() -> None:
    assert mappings.check([mappings.shipped()]) == []


@pytest.mark.parametrize("name", sorted(SHIPPED.files))
def test_a_shipped_therapy_says_what_the_ledger_needs(name: str) -> None:
    therapy = SHIPPED.formulary.therapies[name]
    assert therapy.phases
    assert therapy.spacing_days
    assert therapy.products
    assert len(SHIPPED.files[name][1].examples) >= 5


def test_the_therapies_that_are_shipped() -> None:
    assert sorted(SHIPPED.files) == [
        "adalimumab",
        "alemtuzumab",
        "immune-globulin",
        "infliximab",
        "natalizumab",
        "ocrelizumab",
        "ocrelizumab-hyaluronidase",
        "ofatumumab",
        "rituximab",
        "ublituximab",
    ]


@pytest.mark.parametrize(
    ("name", "number", "minutes"),
    [
        ("ocrelizumab", 0, 30 + 150 + 60),
        ("ocrelizumab", 1, 30 + 120 + 60),
        ("ocrelizumab-hyaluronidase", 0, 30 + 10 + 15),
        ("alemtuzumab", 0, 240 + 120),
        ("natalizumab", 0, 60 + 60),
        ("ublituximab", 0, 30 + 240 + 60),
        ("ublituximab", 2, 30 + 60 + 60),
        ("infliximab", 0, 120),
        ("immune-globulin", 0, None),  # by rate and weight
        ("ofatumumab", 0, None),
    ],
)
def test_how_long_the_chair_is_taken(name: str, number: int, minutes: int | None) -> None:
    therapy = SHIPPED.formulary.therapies[name]
    assert therapy.chair_minutes(therapy.doses[number]) == minutes


def test_what_must_be_there_before_a_dose() -> None:
    formulary = SHIPPED.formulary
    asked = {
        name: {each.name for each in therapy.prerequisites}
        for name, therapy in formulary.therapies.items()
    }
    b_cells = {"hepatitis-b", "immunoglobulins", "liver"}
    assert asked["ocrelizumab"] == asked["ublituximab"] == b_cells
    assert asked["natalizumab"] == set()
    loinc = Code("http://loinc.org", "5195-3")
    assert formulary.prerequisite([loinc], "") == {"hepatitis-b"}
    assert formulary.prerequisite([Code("x", "1", "HBsAg, quantitative IgG")], "") == {
        "hepatitis-b",
        "immunoglobulins",
    }
    assert formulary.prerequisite([], "lipid panel") == frozenset()


def test_the_two_safety_programs() -> None:
    programs = {name: t.rems.program for name, t in SHIPPED.formulary.therapies.items() if t.rems}
    assert programs == {
        "alemtuzumab": "Lemtrada REMS",
        "natalizumab": "TOUCH Prescribing Program",
    }
    assert SHIPPED.formulary.rems([], "Enrolled in the Tysabri TOUCH program") == {
        "TOUCH Prescribing Program"
    }


def test_what_is_new_outside_multiple_sclerosis() -> None:
    therapies = SHIPPED.formulary.therapies
    assert therapies["infliximab"].waste
    assert not therapies["ocrelizumab"].waste
    assert therapies["adalimumab"].channel == therapies["ofatumumab"].channel == "pharmacy"
    assert therapies["ocrelizumab"].channel == "medical"
    assert therapies["natalizumab"].channel == "unknown"
    assert all(dose.per_kg for dose in therapies["immune-globulin"].doses)
    assert {p.route for t in therapies.values() for p in t.products if t.route[0] == "i"} == {
        "intravenous"
    }


def test_the_shipped_premedications_and_visits() -> None:
    formulary = SHIPPED.formulary
    order = "methylprednisolone 100 mg IV and diphenhydramine 25 mg PO, acetaminophen 650 mg PO"
    assert formulary.premedication([], order) == {"steroid", "antihistamine", "antipyretic"}
    for text, kind in (("Infusion, Ocrevus", "yes"), ("Dental cleaning", "no"), ("X", "unknown")):
        assert formulary.infusion_visit("ehr", [], text) == kind


def test_a_site_adds_a_drug_and_a_class(site: Path) -> None:
    (site / "premedications.yaml").write_text("classes:\n  antiviral: {words: [acyclovir]}\n")
    (site / "prerequisites.yaml").write_text("classes:\n  cortisol: {words: [cortisol]}\n")
    (site / "visits.yaml").write_text("infusion: {words: [long chair]}\n")
    (site / ".hidden").touch()
    asked = "prerequisites: [{name: cortisol, within_days: 30, source: x, verified: false}]\n"
    assert complaints(site, DRUG.replace("steroid", "antiviral") + asked) == []
    formulary = mappings.load([mappings.shipped(), site]).formulary
    assert len(formulary.therapies) == len(SHIPPED.files) + 1
    (result,) = formulary.therapies["examplumab"].prerequisites
    assert (result.name, result.within_days, result.first_only) == ("cortisol", 30, True)
    assert formulary.premedication([], "acyclovir") == {"antiviral"}
    assert formulary.infusion_visit("ehr", [], "long chair") == "yes"


def test_a_site_replaces_a_drug_by_the_name_of_its_file(site: Path) -> None:
    (site / "therapies" / "ocrelizumab.yaml").write_text(DRUG)
    formulary = mappings.load([mappings.shipped(), site]).formulary
    assert formulary.therapies["ocrelizumab"].ingredient == "examplumab"


def test_a_source_has_its_own_infusion_visits() -> None:
    suite = AtSite(locations=frozenset({"Location/suite"}))
    formulary = mappings.load([mappings.shipped()], {"ehr": suite}).formulary
    assert formulary.infusion_visit("ehr", [], "", "Location/suite") == "yes"
    assert formulary.infusion_visit("clinic", [], "", "Location/suite") == "unknown"


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("route: intravenous", "route: oral", "3: “route”: “oral” is not valid; valid: "),
        ("aliases:", "alias:", "4: unknown key “alias”; did you mean “aliases”?"),
        ("J9999, mg", "J9999, mgs", "6: unknown key “mgs_per_unit”; did you mean “mg_per_unit”?"),
        ("unit: 5", "unit: 0", "6: “billing.0.mg_per_unit”: should be greater than 0"),
        ("unit: 5", "unit: true", "6: “billing.0.mg_per_unit”: "),
        (
            "source: made up, verified: false}\npre",
            "verified: false}\npre",
            "6: “billing.0.source” ",
        ),
        ("name: steroid", "name: steriod", "8: “steriod” is not in premedications.yaml; did you"),
        (
            "premedications:\n  - {name: steroid, required: true,",
            "prerequisites:\n  - {name: hepatitis,",
            "8: “hepatitis” is not in prerequisites.yaml; did you mean “hepatitis-b”?",
        ),
        ("J9999", "J2350", "6: “J2350” is already a product of “ocrelizumab”"),
        (
            "billing:",
            DOSES % "{visits: 2}",
            "6: “phases.0.doses.0”: a dose has either mg or mg_per",
        ),
        ("billing:", DOSES % "{mg: 1, mg_per_kg: {least: 1, most: 2}}", "6: “phases.0.doses.0”: "),
        (
            "billing:",
            DOSES % "{mg_per_kg: {least: 1, most: 2}}",
            "1: “the file”: doses by weight (mg_per_kg) need ",
        ),
        (
            "billing:",
            "brands: [{name: Examplix, codes: [J9998]}]\nbilling:",
            "1: “the file”: brand “Examplix” names J9998, which is no product or billing code of",
        ),
        ("expect: this", "expect: 600mg", "10: “examples.0.expect”: "),
        ("expect: this", "expect: other", "10: expected “other”, came “this”"),
    ],
)
def test_a_mistake_is_named_by_file_and_line(site: Path, old: str, new: str, said: str) -> None:
    assert old in DRUG
    found = complaints(site, DRUG.replace(old, new))
    assert any(line.startswith(f"therapies/examplumab.yaml:{said}") for line in found), found


def test_an_ndc_must_be_unmistakable(site: Path) -> None:
    product = (
        "products:\n  - {name: x, codes: [{system: ndc, code: '%s', source: x, verified: true}]}\n"
    )
    assert complaints(site, DRUG + product % "1111-2222-33") == []
    (line,) = complaints(site, DRUG + product % "1111222233")
    assert "written with hyphens, or with 11 digits" in line


def test_examples_may_expect_what_is_unclear_or_wrong(site: Path) -> None:
    more = """\
  - {codes: [{system: hcpcs, code: J9999}], amount: {value: 10}, expect: 50 mg}
  - {codes: [{system: hcpcs, code: J9999}], amount: {text: some}, expect: unit-ambiguous}
  - {codes: [{system: hcpcs, code: J9999, display: ocrelizumab}], expect: unclear}
  - {text: aspirin, expect: this}
"""
    assert complaints(site, DRUG + more) == [
        "therapies/examplumab.yaml:14: expected “this”, came “other”"
    ]


def test_what_does_not_belong_there(site: Path) -> None:
    (site / "therapy").mkdir()
    (site / "therapies" / "notes.txt").touch()
    found = complaints(site, DRUG)
    assert found == [
        "therapy:1: “therapy” is not part of mappings; did you mean “therapies”?",
        "therapies/notes.txt:1: “notes.txt” is not read; a file here ends in .yaml",
    ]


def test_a_list_that_cannot_be_read_is_the_only_complaint(site: Path) -> None:
    (site / "premedications.yaml").write_text("classes: [\n")
    (line,) = complaints(site, DRUG.replace("steroid", "antiviral"))
    assert line.startswith("premedications.yaml:1: not YAML")


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(Invalid, match="no such folder of mappings"):
        mappings.load([tmp_path / "nowhere"])


def test_inside_the_wheel_the_data_lie_beside_the_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "_data" / "mappings").mkdir(parents=True)
    monkeypatch.setattr(mappings, "__file__", str(tmp_path / "mappings" / "__init__.py"))
    assert mappings.shipped() == tmp_path / "_data" / "mappings"


def test_every_code_says_where_it_comes_from() -> None:
    for _, file in SHIPPED.files.values():
        known = [code for product in file.products for code in product.codes]
        for each in (*known, *file.billing, *file.services, *file.ingredients, *file.traps):
            assert each.source
    assert SHIPPED.formulary.recognize([Code("http://hl7.org/fhir/sid/ndc", "50242015001")], "")


def test_the_file_that_the_how_to_shows_is_right(site: Path) -> None:
    page = Path(__file__).parents[1] / "docs" / "how-to" / "add-a-therapy.md"
    shown = page.read_text(encoding="utf-8").partition("```yaml\ntitle")[2].partition("```")[0]
    assert complaints(site, f"title{shown}") == []
