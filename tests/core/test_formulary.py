"""Whose drug a record is about, and what else its codes and words say."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.codes import keys
from fhirbridge.core.facts import Code
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.quantity import Amount, mg
from fhirbridge.core.therapy import Billing, Premedication, Product, Service, Therapy
from fhirbridge.core.visits import AtSite

from .drugs import CPT, HCPCS, LOINC, NDC, RXNORM, drug, formulary

LOCAL = "http://clinic.example/drugs"


def whose(*codes: Code, text: str = "", among: Formulary | None = None) -> str:
    """The recognition in one word: a name · trap of … · unclear [among …] · other."""
    found = (among or formulary()).recognize(codes, text)
    if found.unclear:
        return " ".join(["unclear", *(each.name for each in found.among)])
    if found.trap:
        return f"trap of {found.trap.name}"
    return found.therapy.name if found.therapy else "other"


@pytest.mark.parametrize(
    "code",
    [
        Code(RXNORM, "1876380"),
        Code("urn:oid:2.16.840.1.113883.6.88", "1876380"),
        Code(HCPCS, "J2350"),
        Code(HCPCS.replace("http:", "https:"), "j2350 "),
        Code("urn:oid:2.16.840.1.113883.6.285", "J2350"),
        Code(CPT, "J2350"),
        Code("HCPCS", "J2350"),
        Code("urn:oid:2.16.840.1.113883.6.14", "J2350"),
        Code(HCPCS, "J2350-JZ"),
        Code(HCPCS, "J2350 JW JZ"),
        Code("", "J2350"),
        Code("", "50242-150-01"),
        Code(NDC, "50242-150-01"),
        Code(NDC, "50242-0150-01"),
        Code(NDC, "50242015001"),
        Code(NDC, "5024215001"),
        Code(NDC, "50242-150"),
        Code(NDC, "50242-150-86"),
    ],
)
def test_a_product_is_recognized_by_its_code_however_it_is_written(code: Code) -> None:
    assert whose(code) == "ocrelizumab"


@pytest.mark.parametrize(
    "code",
    [
        Code(RXNORM, "1191", "aspirin"),
        Code(HCPCS, "J1234"),
        Code(NDC, "not a number"),
        Code(NDC, "1-2-3-4"),
        Code(NDC, "123456-1-1"),
        Code(NDC, "123"),
        Code(NDC, "9876543210"),
        Code(RXNORM, "1191", "low-ocrevuse tablets"),
        Code(HCPCS, "J2930"),
        Code(HCPCS, "J2350X"),
    ],
)
def test_a_drug_that_is_none_of_ours(code: Code) -> None:
    assert whose(code) == "other"


def test_a_code_without_a_system_must_be_unmistakable() -> None:
    assert whose(Code("", "1876380")) == "unclear"
    assert whose(Code("", "5024215001")) == "unclear"
    assert keys(Code("", "96413")) == (("", "96413"),)
    assert keys(Code("", "J1745")) == (("procedure", "J1745"),)


def test_a_number_that_fits_two_products_names_neither() -> None:
    assert whose(Code(NDC, "1234567801")) == "other"
    assert whose(Code(NDC, "01234-5678-01")) == "pen"


INGREDIENT = Code(RXNORM, "1876366")


def test_an_ingredient_alone_is_several_products_and_nothing_else_is() -> None:
    bare = formulary().recognize((INGREDIENT,), "")
    assert bare.bare
    assert {each.name for each in bare.among} == {"ocrelizumab", "zunovo"}
    assert formulary().plain(bare.among) is drug("ocrelizumab")
    assert formulary().plain([drug("zunovo")]) is None
    for codes, text in (
        ((INGREDIENT,), "intravenous"),
        ((Code(HCPCS, "J2350"), Code(HCPCS, "J2351")), ""),
        ((), "Ocrevus, was on Rituxan"),
        ((), ""),
    ):
        assert not formulary().recognize(codes, text).bare


@pytest.mark.parametrize(
    ("amount", "text", "name"),
    [
        (Amount(Decimal(600), "mg"), "", "ocrelizumab"),
        (Amount(Decimal("0.92"), "g"), "", "zunovo"),
        (Amount(Decimal(23), "mL"), "", "zunovo"),
        (None, "600 mg once", "ocrelizumab"),
        (None, "as directed", None),
        (None, "Zunovo 920 mg once", "zunovo"),
        (Amount(Decimal(450), "mg"), "", None),
        (Amount(Decimal(600)), "", None),
    ],
)
def test_a_dose_tells_two_products_apart(
    amount: Amount | None, text: str, name: str | None
) -> None:
    found = formulary().dosed((drug("ocrelizumab"), drug("zunovo")), amount, text)
    assert (found.name if found else None) == name


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("Ocrevus 600 mg", "ocrelizumab"),
        ("OCRELIZUMAB 600 mg IV", "ocrelizumab"),
        ("Ocrevus Zunovo", "zunovo"),
        ("ocrevus-zunovo", "zunovo"),
        ("ocrelizumab 920 mg subcutaneously", "zunovo"),
        ("Ocrevus 920 mg SC", "unclear ocrelizumab"),
        ("Ocrevus, was on Rituxan", "unclear ocrelizumab rituximab"),
        ("Rituxan Hycela", "trap of rituximab"),
        ("Hycela 1400 mg", "trap of rituximab"),
        ("methylprednisolone 100 mg before Ocrevus", "other"),
        ("Ocrevus after methylprednisolone", "ocrelizumab"),
        ("Ocrevus\nstop Rituxan", "ocrelizumab"),
        ("methylprednisolone\n100 mg before Ocrevus", "other"),
        ("aspirin 81 mg daily", "other"),
        ("600 mg IV every 24 weeks", "unclear"),
        ("", "unclear"),
        ("  ", "unclear"),
    ],
)
def test_words_without_a_code(text: str, name: str) -> None:
    assert whose(text=text) == name


@pytest.mark.parametrize(
    ("codes", "text", "name"),
    [
        # A substance needs the route, a brand, or to be the only therapy with it.
        ([Code(RXNORM, "1876366")], "", "unclear ocrelizumab zunovo"),
        ([Code(RXNORM, "1876366")], "600 mg IV", "ocrelizumab"),
        ([Code(RXNORM, "1876366")], "920 mg SC", "zunovo"),
        ([Code(RXNORM, "1876366")], "600 mg IV, was on Rituxan", "ocrelizumab"),
        ([Code(RXNORM, "1876366", "ocrelizumab")], "", "ocrelizumab"),
        ([Code(RXNORM, "1876366", "ocrelizumab")], "Ocrevus Zunovo", "zunovo"),
        # Codes and displays that contradict each other.
        ([Code(HCPCS, "J2350"), Code(HCPCS, "J2351")], "", "unclear ocrelizumab zunovo"),
        ([Code(HCPCS, "J2350", "rituximab")], "", "unclear ocrelizumab rituximab"),
        ([Code(HCPCS, "J2350", "methylprednisolone")], "", "unclear ocrelizumab"),
        ([Code(HCPCS, "J2350"), Code(RXNORM, "1927886")], "", "unclear ocrelizumab"),
        ([Code(HCPCS, "J2350", "Injection, ocrelizumab, 1 mg")], "", "ocrelizumab"),
        ([Code(HCPCS, "J2350")], "stop Rituxan", "ocrelizumab"),
        ([Code(RXNORM, "1927886")], "", "trap of rituximab"),
        # A code that we do not know: its display counts before the text.
        ([Code(RXNORM, "99", "Ocrevus 300 mg")], "", "ocrelizumab"),
        ([Code(RXNORM, "99", "aspirin")], "before Ocrevus", "other"),
        ([Code(RXNORM, "99")], "Ocrevus", "ocrelizumab"),
        ([Code(LOCAL, "1", "Ocrevus"), Code(LOCAL, "2", "vial")], "", "ocrelizumab"),
        ([Code(LOCAL, "77", "drug seven")], "Ocrevus", "ocrelizumab"),
        ([Code(LOCAL, "77")], "", "unclear"),
        ([Code(LOCAL, "77", "drug seven")], "", "other"),
        ([Code(HCPCS, "J3590", "Unclassified biologics")], "Ocrevus", "ocrelizumab"),
        # Orders for the premedication and for the administration.
        ([Code(HCPCS, "J2930")], "before Ocrevus", "other"),
        ([Code(CPT, "96413", "Chemotherapy infusion")], "", "unclear"),
        ([Code(CPT, "96413", "Chemotherapy infusion")], "Ocrevus", "ocrelizumab"),
    ],
)
def test_codes_and_words_together(codes: list[Code], text: str, name: str) -> None:
    assert whose(*codes, text=text) == name


def test_what_is_a_trap_without_its_own_therapy_is_none_with_it() -> None:
    alone = Formulary([drug("ocrelizumab")])
    assert whose(Code(HCPCS, "J2351"), among=alone) == "trap of ocrelizumab"
    assert whose(text="Ocrevus Zunovo", among=alone) == "trap of ocrelizumab"
    assert whose(Code(HCPCS, "J2351")) == "zunovo"


def test_a_substance_is_enough_where_one_therapy_has_it() -> None:
    alone = Formulary([drug("ocrelizumab")])
    assert alone.recognize([Code(RXNORM, "1876366")], "").therapy is drug("ocrelizumab")


def shared(name: str, covers: str, steroid: str) -> Therapy:
    """A therapy whose codes and words are those of another one, too."""
    return Therapy(
        name,
        name.title(),
        "sharemab",
        "intravenous",
        aliases=("shareva",),
        products=(Product("vial", (Code(NDC, "55555-666-01"),)),),
        billing=(Billing(Code(HCPCS, "Q5555"), Decimal(10)),),
        services=(Service(Code(CPT, "99601"), covers),),
        premedications=(Premedication(steroid, True, (Code(RXNORM, "6902"),), ("solu-medrol",)),),
        traps=(Code(HCPCS, "Q5556"),),
        trap_words=("sharenot",),
    )


@pytest.mark.parametrize(
    ("codes", "text", "name"),
    [
        ([Code(NDC, "55555-666-01")], "", "unclear first second"),
        ([Code(HCPCS, "Q5555")], "", "unclear first second"),
        ([], "shareva 300 mg", "unclear first second"),
        ([], "sharemab 300 mg", "unclear first second"),
        ([Code(HCPCS, "Q5556")], "", "trap of first"),
        ([], "sharenot", "trap of first"),
    ],
)
def test_what_names_two_therapies_names_neither(codes: list[Code], text: str, name: str) -> None:
    """Both products of a biosimilar and its original, under one code or one word."""
    both = Formulary(
        [
            shared("first", "administration", "steroid"),
            shared("second", "home-nursing", "corticosteroid"),
        ]
    )
    assert whose(*codes, text=text, among=both) == name
    assert both.service([Code(CPT, "99601")]) == "administration"
    for said in (([Code(RXNORM, "6902")], ""), ([], "Solu-Medrol 125 mg")):
        assert both.premedication(*said) == {"corticosteroid", "steroid"}


def test_no_therapies_no_recognition() -> None:
    assert whose(text="Ocrevus 600 mg", among=Formulary([])) == "other"


def test_whole_packages() -> None:
    assert formulary().vials(drug("ocrelizumab"), mg(300)) == "1 vial"
    assert formulary().vials(drug("ocrelizumab"), mg(600)) == "2 vials"
    assert formulary().vials(drug("ocrelizumab"), mg(100)) is None
    assert formulary().vials(drug("ocrelizumab"), mg(-300)) is None
    assert formulary().vials(drug("ocrelizumab"), mg(0)) is None
    assert formulary().vials(drug("rituximab"), mg(500)) is None
    assert formulary().vials(drug("pen"), mg(20)) == "1 pen"


def test_services_and_premedications() -> None:
    assert formulary().service([Code(HCPCS, "96413")]) == "administration"
    assert formulary().service([Code(RXNORM, "1876380"), Code(CPT, "99601")]) == "home-nursing"
    assert formulary().service([Code(HCPCS, "J2350")]) is None
    assert formulary().premedication([Code(HCPCS, "J2930")], "") == {"steroid"}
    assert formulary().premedication([Code(LOCAL, "1", "Diphenhydramine 50 mg")], "") == {
        "antihistamine"
    }
    both = "premedicate with methylprednisolone and an antihistamine"
    assert formulary().premedication([], both) == {"steroid", "antihistamine"}
    assert formulary().premedication([], "Ocrevus 600 mg") == frozenset()


@pytest.mark.parametrize(
    ("codes", "text", "names"),
    [
        ([Code(LOINC, "5195-3")], "", {"hepatitis-b"}),
        ([Code(LOCAL, "1", "HBsAg, serum")], "", {"hepatitis-b"}),
        ([Code(LOINC, "5195-3")], "QuantiFERON gold, HBsAg", {"hepatitis-b", "tuberculosis"}),
        ([Code(LOINC, "2093-3", "Cholesterol")], "lipids", set()),
        ([], "", set()),
    ],
)
def test_the_results_that_a_record_is_about(codes: list[Code], text: str, names: set[str]) -> None:
    assert formulary().prerequisite(codes, text) == names


def test_the_safety_programs_that_a_record_names() -> None:
    assert formulary().rems([], "Enrollment, Weight REMS") == {"Weight REMS"}
    assert formulary().rems([Code(LOCAL, "1", "Weightumab REMS form")], "") == {"Weight REMS"}
    assert formulary().rems([], "enrollment") == frozenset()


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("Ocrevus 300 mg x 2", "300 mg 2"),
        ("Ocrevus 300 mg/10 mL vial\n600 mg IV once", "600 mg 1"),
        ("Ocrevus 300 mg\n600 mg once", "600 mg 1"),
        ("Ocrevus\nInfuse 600 mg once\nby nurse", "600 mg 1"),
        ("600 mg once\n600 mg once", "600 mg 1"),
        ("Ocrevus 600 mg\nas directed", "600 mg None"),
        ("300 mg x 2\n600 mg once", "None"),
        ("600 mg once\nor 300 mg twice, see note", "None"),
        ("Rituxan 300 mg x 2", "None"),
        ("Ocrevus 600 mg once\nmethylprednisolone 125 mg IV", "600 mg 1"),
        ("as directed", "None"),
        ("Ocrevus 600 mg (20 mL) once", "600 mg 1"),
        ("Ocrevus 600 mg (10 mL) once", "None"),
    ],
)
def test_the_dose_in_the_lines_of_a_record(text: str, means: str) -> None:
    said = formulary().spoken(drug("ocrelizumab"), text)
    assert (f"{said.per_visit} {said.visits}" if said else "None") == means


@pytest.mark.parametrize(("text", "named"), [("300 mg IV", False), ("Ocrevus 300 mg IV", True)])
def test_an_amount_beside_the_name_of_the_drug_may_be_that_of_a_package(
    text: str, named: bool
) -> None:
    said = formulary().spoken(drug("ocrelizumab"), text)
    assert said is not None
    assert said.named is named


@pytest.mark.parametrize(
    ("codes", "text", "kind"),
    [
        ([], "Infusion, chair 4", "yes"),
        ([], "Ocrevus", "yes"),
        ([], "MRI of the head", "no"),
        ([], "MRI before the infusion", "unknown"),
        ([], "Ocrevus: office visit", "unknown"),
        ([], "penumab", "unknown"),  # nobody infuses a pen
        ([], "visit", "unknown"),
        ([Code(CPT, "96413")], "office visit", "yes"),
        ([Code("http://clinic.example", "DENT")], "", "no"),
        ([Code("http://clinic.example", "DENT"), Code(CPT, "96413")], "", "unknown"),
        ([Code("http://clinic.example", "X", "Infusion")], "", "yes"),
    ],
)
def test_what_a_visit_is_for(codes: list[Code], text: str, kind: str) -> None:
    assert formulary().infusion_visit("ehr", codes, text) == kind


def test_what_a_site_says_of_its_visits() -> None:
    site = AtSite(frozenset({"urn:x|7", "CHAIR", "Long visit"}), frozenset({"Location/suite"}))
    known = Formulary([drug("ocrelizumab")], formulary().visits.at("ehr", site))
    assert known.infusion_visit("ehr", [], "office visit", "Location/suite") == "yes"
    for code in (Code("urn:x", "7"), Code("urn:y", "CHAIR"), Code("", "", "Long visit")):
        assert known.infusion_visit("ehr", [code], "") == "yes"
        assert known.infusion_visit("other", [code], "") == "unknown"
    assert known.infusion_visit("ehr", [Code("urn:x", "8")], "", "Location/ward") == "unknown"


@settings(deadline=None)
@given(st.text(), st.text(), st.text(), st.text())
def test_no_code_and_no_text_is_an_error(system: str, code: str, display: str, text: str) -> None:
    for uri in (system, NDC, HCPCS):
        keys(Code(uri, code, display))
        formulary().recognize([Code(uri, code, display)], text)
        formulary().premedication([Code(uri, code, display)], text)
