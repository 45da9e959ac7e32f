"""Amounts in milligrams: every row of the table in `core/scale.py`, and what is not believed."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.facts import Code, Problem, Ref
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.quantity import Amount, Measured, mg
from fhirbridge.core.therapy import Therapy

from .drugs import HCPCS, NDC, RXNORM, UCUM, drug, formulary

REF = Ref("ehr", "MedicationRequest", "o-1")
DAY = date(2026, 12, 8)
VIAL = Code(RXNORM, "1876380")
J2350 = Code(HCPCS, "J2350")


def measure(
    amount: Amount,
    *codes: Code,
    therapy: str = "ocrelizumab",
    on: date | None = DAY,
    context: str = "dose",
) -> Measured | Problem:
    return formulary().measure(
        drug(therapy), codes, amount, on, context=context, ref=REF, at="dosageInstruction"
    )


def how(amount: Amount, *codes: Code, **rest: Any) -> str:
    """The arithmetic step, or the reason of the problem."""
    came = measure(amount, *codes, **rest)
    return came.reason if isinstance(came, Problem) else came.how


def n(value: str, unit: str = "", code: str = "", system: str = "") -> Amount:
    return Amount(Decimal(value), unit, system, code)


@pytest.mark.parametrize(
    ("amount", "codes", "step"),
    [
        (n("600", "mg"), [], "600 mg"),
        (n("600", "MG"), [], "600 mg"),
        (n("600", "mgs"), [], "600 mg"),
        (n("600", "milligram(s)"), [], "600 mg"),
        (n("600", "mg", "mg", UCUM), [], "600 mg"),
        (n("600", "", "MG", UCUM), [], "600 mg"),  # nobody gives megagauss
        (n("600", "foo", "mg", UCUM), [], "600 mg"),
        (n("600", "mg", "C28253"), [], "600 mg"),
        (n("0.6", "g"), [], "0.6 g = 600 mg"),
        (n("0.6", "GM"), [], "0.6 g = 600 mg"),
        (n("600000", "mcg"), [], "600000 mcg = 600 mg"),
        (n("0.0006", "kg"), [], "0.0006 kg = 600 mg"),
        (n("600", "mg"), [J2350], "600 mg"),  # a mass stays one beside a billing code
        (n("20", "mL"), [VIAL], "20 mL × 30 mg/mL = 600 mg"),
        (n("20", "ml"), [], "20 mL × 30 mg/mL = 600 mg"),
        (n("20", "ML", "milliliter (iso1000)"), [], "20 mL × 30 mg/mL = 600 mg"),
        (n("0.02", "L"), [], "20 mL × 30 mg/mL = 600 mg"),
        (n("20", "mL"), [Code(NDC, "50242-150-86")], "20 mL × 30 mg/mL = 600 mg"),
        (n("2", "vials"), [], "2 vials × 300 mg = 600 mg"),
        (n("1", "", "{Vial}", UCUM), [VIAL], "1 vial × 300 mg = 300 mg"),
        (n("2", "vials", "1", UCUM), [], "2 vials × 300 mg = 600 mg"),
        (n("2", "EA"), [], "2 vials × 300 mg = 600 mg"),
        (n("2", "", "C64933"), [], "2 vials × 300 mg = 600 mg"),
        (n("2", "vial", "C64933"), [], "2 vials × 300 mg = 600 mg"),
        (n("2", "EA", "{vial}", UCUM), [VIAL], "2 vials × 300 mg = 600 mg"),
        (n("600", "Units", "UN"), [J2350], "600 units of J2350 × 1 mg = 600 mg"),
        (n("600"), [J2350], "600 units of J2350 × 1 mg = 600 mg"),
        (n("600", "UN"), [J2350], "600 units of J2350 × 1 mg = 600 mg"),
        (n("600", "units"), [J2350, VIAL], "600 units of J2350 × 1 mg = 600 mg"),
        (n("600", "", "{unit}", UCUM), [J2350], "600 units of J2350 × 1 mg = 600 mg"),
        (n("600", "", "1", UCUM), [J2350], "600 units of J2350 × 1 mg = 600 mg"),
        (Amount(text="Ocrevus 600 mg once"), [], "600 mg"),
        (Amount(text="2 vials"), [], "2 vials × 300 mg = 600 mg"),
    ],
)
def test_what_becomes_milligrams(amount: Amount, codes: list[Code], step: str) -> None:
    assert how(amount, *codes) == step


@pytest.mark.parametrize(
    ("amount", "codes"),
    [
        (n("600"), []),
        (n("2"), [VIAL]),
        (n("600", "units"), [VIAL]),
        (n("600", "UN"), []),
        (n("600", "[iU]"), [J2350]),
        (n("600", "U"), [J2350]),
        (n("600", "IU"), []),
        (n("2", "{dose}"), []),
        (n("2", "tablet"), []),
        (n("2", "tbl", "tbl"), []),
        (n("2", "visits"), [J2350]),
        (n("2", "pen"), []),
        (n("1", "kit"), [VIAL]),
        (n("600", "mg/mL"), []),
        (n("20", "mL", "mg", UCUM), [VIAL]),  # two units that disagree
        (n("2", "pen", "C64933"), []),
        (n("2", "vial", "{pen}"), []),
        (n("600", "", "foo"), []),
        (n("600", "foo"), [J2350]),
        (Amount(text="300 mg x 2"), []),
        (Amount(text="as directed"), []),
    ],
)
def test_what_is_never_guessed(amount: Amount, codes: list[Code]) -> None:
    assert how(amount, *codes) == "unit-ambiguous"


def test_no_amount_at_all() -> None:
    assert how(Amount()) == "not-a-number"


def test_a_billing_code_counts_on_its_days_only() -> None:
    c9494 = Code(HCPCS, "C9494")
    assert how(n("600"), J2350, on=date(2017, 6, 1)) == "unit-ambiguous"
    assert how(n("600"), c9494, on=date(2017, 6, 1)) == "600 units of C9494 × 1 mg = 600 mg"
    assert how(n("600"), c9494, on=DAY) == "unit-ambiguous"
    assert how(n("600"), J2350, on=None) == "600 units of J2350 × 1 mg = 600 mg"
    assert how(n("600"), c9494, on=None) == "unit-ambiguous"


def test_billing_codes_of_two_sizes_say_nothing_together() -> None:
    small, large = Code(HCPCS, "J9312"), Code(HCPCS, "J9310")
    step = "100 units of J9312 × 10 mg = 1000 mg"
    assert how(n("100"), small, therapy="rituximab") == step
    assert how(n("10"), large, therapy="rituximab") == "10 units of J9310 × 100 mg = 1000 mg"
    assert how(n("100"), small, large, therapy="rituximab") == "unit-ambiguous"
    assert how(n("100"), J2350, therapy="rituximab") == "unit-ambiguous"


def test_packages_need_a_product_where_there_are_several() -> None:
    small, large = Code(NDC, "50242-0051-21"), Code(NDC, "50242005306")
    assert how(n("2", "vials"), therapy="rituximab") == "unit-ambiguous"
    assert how(n("2", "vials"), large, therapy="rituximab") == "2 vials × 500 mg = 1000 mg"
    assert how(n("2", "vials"), small, large, therapy="rituximab") == "unit-ambiguous"
    assert how(n("2", "vials"), Code(RXNORM, "2105831"), therapy="rituximab") == "unit-ambiguous"
    assert how(n("100", "mL"), therapy="rituximab") == "100 mL × 10 mg/mL = 1000 mg"


def test_volumes_need_a_product_where_there_are_several_strengths() -> None:
    low, high = Code(NDC, "11111-222-01"), Code(NDC, "11111-223-77")
    assert how(n("2", "mL"), therapy="pen") == "unit-ambiguous"
    assert how(n("2", "mL"), low, therapy="pen") == "2 mL × 10 mg/mL = 20 mg"
    assert how(n("2", "mL"), high, therapy="pen") == "2 mL × 50 mg/mL = 100 mg"
    assert how(n("2", "mL"), low, high, therapy="pen") == "unit-ambiguous"
    assert how(n("1", "pen"), therapy="pen") == "1 pen × 20 mg = 20 mg"


NDC_VIAL = Code(NDC, "50242-150-01")


@pytest.mark.parametrize(
    ("amount", "codes", "step"),
    [
        (n("20", "ML"), [NDC_VIAL], "20 mL × 30 mg/mL = 600 mg"),
        (n("2", "EA"), [NDC_VIAL], "2 vials × 300 mg = 600 mg"),
        (n("2", "UN"), [NDC_VIAL], "2 vials × 300 mg = 600 mg"),
        (n("0.6", "GM"), [NDC_VIAL], "0.6 g = 600 mg"),
        (n("0.6", "GR"), [NDC_VIAL], "0.6 g = 600 mg"),
        (n("600", "ME"), [NDC_VIAL], "600 mg"),
        (n("600", "F2"), [NDC_VIAL], "unit-ambiguous"),
        (n("600", "UN"), [NDC_VIAL], "implausible"),  # 600 vials
        (n("600", "UN"), [NDC_VIAL, J2350], "600 units of J2350 × 1 mg = 600 mg"),
        (n("2", "UN"), [NDC_VIAL, VIAL], "unit-ambiguous"),  # not an NDC alone
        (n("2", "UN"), [Code(NDC, "50242-150-86")], "unit-ambiguous"),  # a package not known
        (n("2", "units"), [NDC_VIAL], "unit-ambiguous"),
        (n("2"), [NDC_VIAL], "unit-ambiguous"),
        (n("600", "gr"), [NDC_VIAL], "unit-ambiguous"),  # grains
        (n("2", "cartons"), [NDC_VIAL], "2 vials × 300 mg = 600 mg"),
        (n("2", "kits"), [NDC_VIAL], "unit-ambiguous"),
    ],
)
def test_qualifiers_beside_an_ndc(amount: Amount, codes: list[Code], step: str) -> None:
    assert how(amount, *codes) == step


@pytest.mark.parametrize(
    ("amount", "therapy", "step"),
    [
        (n("1", "kit"), "carton", "1 kit × 2 pens × 40 mg = 80 mg"),
        (n("1", "carton"), "carton", "1 kit × 2 pens × 40 mg = 80 mg"),
        (n("2", "pens"), "carton", "2 pens × 40 mg = 80 mg"),
        (n("2", "EA"), "carton", "unit-ambiguous"),  # two pens, or two cartons of two
        (n("2", "vials"), "carton", "unit-ambiguous"),
        (n("3", "kits"), "kit", "3 kits × 50 mg = 150 mg"),
        (n("3", "EA"), "kit", "3 kits × 50 mg = 150 mg"),
        (n("3", "vials"), "kit", "unit-ambiguous"),
        (n("3", "kits"), "ocrelizumab", "unit-ambiguous"),
    ],
)
def test_kits_and_cartons(amount: Amount, therapy: str, step: str) -> None:
    assert how(amount, therapy=therapy) == step


def test_each_of_a_carton_is_shown_with_both_readings() -> None:
    came = measure(n("2", "EA"), therapy="carton")
    assert isinstance(came, Problem)
    assert came.readings[2:] == ("2 pens × 40 mg = 80 mg", "2 kits × 2 pens × 40 mg = 160 mg")


@pytest.mark.parametrize(
    "unit",
    ["milligramme", "Mg", "MGS", "mg.", " mg ", "Milligrams", "milligram(s)", "mgm", "{mg}", "ME"],
)
def test_misspelled_milligrams(unit: str) -> None:
    assert how(n("600", unit)) == "600 mg"


@pytest.mark.parametrize("unit", ["[iU]", "IU", "iu", "i.U.", "International Units", "[USP'U]"])
def test_units_of_activity_never_become_a_mass(unit: str) -> None:
    assert how(n("600", unit), J2350, NDC_VIAL) == "unit-ambiguous"


@pytest.mark.parametrize(
    ("text", "step"),
    [
        ("600 mg (20 mL)", "600 mg"),
        ("2 vials (600 mg) IV", "600 mg"),
        ("600 mg (2 x 300 mg vials)", "600 mg"),
        ("600 mg (2 x 150 mg vials)", "unit-ambiguous"),
        ("600 mg (2 vials)", "600 mg"),
        ("600 mg (10 mL)", "unit-ambiguous"),  # says two different doses
        ("600 mg (600 units)", "unit-ambiguous"),  # units of what?
    ],
)
def test_a_text_that_says_its_dose_twice_must_agree_with_itself(text: str, step: str) -> None:
    assert how(Amount(text=text)) == step


@pytest.mark.parametrize(
    ("text", "therapy", "step"),
    [
        # No code says which product: one of them must make the two amounts the same.
        ("1000 mg (2 vials)", "rituximab", "1000 mg"),
        ("1000 mg (10 vials)", "rituximab", "1000 mg"),
        ("1000 mg (5 vials)", "rituximab", "unit-ambiguous"),
        ("1000 mg (2 pens)", "rituximab", "unit-ambiguous"),
        ("20 mg (0.4 mL)", "pen", "20 mg"),
        ("20 mg (1 mL)", "pen", "unit-ambiguous"),
        ("0.4 mL = 2 mL", "pen", "unit-ambiguous"),  # two volumes of neither strength
    ],
)
def test_where_no_code_says_which_product_it_is(text: str, therapy: str, step: str) -> None:
    assert how(Amount(text=text), therapy=therapy) == step


@pytest.mark.parametrize(
    ("amount", "step"),
    [
        (n("600"), "unit-ambiguous"),  # a benefit's numbers have no unit
        (n("2"), "unit-ambiguous"),
        (n("600", "", "1", UCUM), "unit-ambiguous"),
        (n("600", "mg"), "600 mg"),
        (n("1800", "UN"), "1800 units of J2350 × 1 mg = 1800 mg"),
        (n("2", "visits"), "unit-ambiguous"),
        (Amount(text="600 mg"), "600 mg"),
    ],
)
def test_the_limit_of_a_benefit(amount: Amount, step: str) -> None:
    assert how(amount, J2350, context="limit") == step


@pytest.mark.parametrize(
    ("value", "context", "believed"),
    [
        ("100", "dose", True),
        ("99", "dose", False),  # "J7777 × 5" is not 50 mg: it may be five vials
        ("2500", "dispense", True),
        ("2501", "dispense", False),
        ("20000", "authorization", True),  # eight courses in a year
        ("20001", "authorization", False),
        ("50", "given", True),
        ("2501", "given", False),
    ],
)
def test_what_is_believed_of_doses_by_weight(value: str, context: str, believed: bool) -> None:
    came = how(n(value, "mg"), therapy="by-weight", context=context)
    assert came == (f"{value} mg" if believed else "implausible")


@pytest.mark.parametrize(
    ("value", "context", "believed"),
    [
        ("149", "dose", False),
        ("150", "dose", True),
        ("1200", "dose", True),
        ("1201", "dose", False),
        ("1200", "dispense", True),
        ("1201", "dispense", False),
        ("2", "authorization", False),
        ("2400", "authorization", True),  # four courses in a year, the first one included
        ("2401", "authorization", False),
        ("20", "given", True),  # stopped early
        ("0", "given", True),
        ("-1", "given", False),
        ("1201", "given", False),
    ],
)
def test_what_is_believed(value: str, context: str, believed: bool) -> None:
    came = how(n(value, "mg"), context=context)
    assert came == (f"{value} mg" if believed else "implausible")


def test_without_a_regimen_everything_but_nothing_is_believed() -> None:
    assert how(n("5000", "mg"), therapy="pen") == "5000 mg"
    assert how(n("5000", "mg"), therapy="pen", context="given") == "5000 mg"
    assert how(n("0", "mg"), therapy="pen") == "implausible"


def test_without_a_spacing_an_authorization_is_for_two_courses() -> None:
    once = Therapy("x", "X", "x", "intravenous", phases=drug("ocrelizumab").phases[:1])
    scale = Formulary([once])
    for value, believed in (("1200", True), ("1201", False)):
        came = scale.measure(once, (), n(value, "mg"), DAY, context="authorization", ref=REF, at="")
        assert isinstance(came, Measured) is believed


def test_a_problem_shows_its_readings_and_chooses_none() -> None:
    assert measure(n("600"), VIAL) == Problem(
        REF,
        "unit-ambiguous",
        "dosageInstruction",
        "600",
        ("600 mg", "600 mL × 30 mg/mL = 18000 mg", "600 vials × 300 mg = 180000 mg"),
    )
    came = measure(n("1"), J2350, context="authorization")
    assert isinstance(came, Problem)
    assert came.readings == (
        "1 mg",
        "1 mL × 30 mg/mL = 30 mg",
        "1 vial × 300 mg = 300 mg",
        "1 unit of J2350 × 1 mg = 1 mg",
        "1 visit",
    )
    came = measure(n("2.5"), therapy="rituximab", context="authorization")
    assert isinstance(came, Problem)
    assert came.readings == ("2.5 mg", "2.5 mL × 10 mg/mL = 25 mg")
    came = measure(n("2"), therapy="pen", context="authorization")
    assert isinstance(came, Problem)
    assert came.readings == ("2 mg", "2 pens × 20 mg = 40 mg", "2 visits")


@pytest.mark.parametrize(
    ("amount", "reading"),
    [
        (n("5", "mg/kg"), "5 mg for each kg of body weight"),
        (n("2", "g/kg", "g/kg", UCUM), "2000 mg for each kg of body weight"),
    ],
)
def test_a_dose_for_each_kg_is_no_dose(amount: Amount, reading: str) -> None:
    came = measure(amount, therapy="by-weight")
    assert isinstance(came, Problem)
    assert (came.reason, came.readings) == ("unit-ambiguous", (reading,))


def test_a_problem_repeats_what_was_said() -> None:
    came = measure(n("20", "mL", "mg"), VIAL)
    assert isinstance(came, Problem)
    assert came.said == "20 mL (code mg)"
    came = measure(Amount(text="300 mg x 2"))
    assert isinstance(came, Problem)
    assert (came.said, came.readings) == ("300 mg x 2", ("300 mg at each of 2 visits",))


def test_the_basis_says_what_was_converted() -> None:
    said = [(n("600", "mg"), "mg"), (n("20", "mL"), "mL"), (n("2", "EA"), "vial")]
    for amount, basis in (*said, (n("600"), "billing-unit")):
        came = measure(amount, J2350)
        assert isinstance(came, Measured)
        assert (came.basis, came.mass) == (basis, mg(600))


@settings(deadline=None)
@given(
    st.decimals(allow_nan=False, allow_infinity=False, min_value=-10000, max_value=10**9),
    st.text(),
    st.text(),
    st.sampled_from(["dose", "dispense", "authorization", "limit", "given"]),
)
def test_any_amount_is_measured_or_a_problem(
    value: Decimal, unit: str, code: str, context: str
) -> None:
    for therapy in ("ocrelizumab", "zunovo", "pen", "by-weight", "carton", "kit"):
        came = measure(Amount(value, unit, UCUM, code), J2350, therapy=therapy, context=context)
        assert isinstance(came, Measured | Problem)
