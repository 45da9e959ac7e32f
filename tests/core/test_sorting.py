"""Whose drug a record is that names an ingredient alone: by its dose, by others, by the name."""

from __future__ import annotations

from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.core import facts as f
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.granted import side_of
from fhirbridge.core.quantity import Amount
from fhirbridge.core.sorting import sort
from fhirbridge.core.visits import AtSite, Visits

from .drugs import CPT, HCPCS, NDC, RXNORM, drug, formulary

INGREDIENT = (f.Code(RXNORM, "1876366"),)
ZUNOVO = (f.Code(NDC, "50242-554-01"),)
ORDERED = f.Ref("ehr", "MedicationRequest", "o1")


def ref(name: str) -> f.Ref:
    return f.Ref("ehr", "X", name)


def order(mass: int | None, codes: tuple[f.Code, ...] = INGREDIENT, name: str = "o1") -> f.Order:
    dose = Amount(Decimal(mass), "mg") if mass else None
    return f.Order(ref=ref(name), kind="medication", codes=codes, per_visit=dose)


def given(mass: int, *links: f.Link) -> f.Administration:
    amount = Amount(Decimal(mass), "mg")
    return f.Administration(
        ref=ref("g1"),
        codes=INGREDIENT,
        amount=amount,
        day=date(2026, 6, 1),
        complete=True,
        links=links,
    )


def drugs_of(*facts: f.Fact) -> list[tuple[str, str]]:
    return [(fact.ref.id, therapy.name) for therapy, fact in sort(facts, formulary()).drugs]


@pytest.mark.parametrize(
    ("mass", "name"),
    [(600, "ocrelizumab"), (920, "zunovo"), (450, "ocrelizumab"), (None, "ocrelizumab")],
)
def test_an_order_of_an_ingredient_is_of_the_product_of_its_dose(
    mass: int | None, name: str
) -> None:
    assert drugs_of(order(mass)) == [("o1", name)]


def test_else_it_is_of_the_product_that_the_other_records_name() -> None:
    assert drugs_of(order(None), order(920, ZUNOVO, "o2")) == [("o1", "zunovo"), ("o2", "zunovo")]
    both = order(920, ZUNOVO, "o2"), order(600, (f.Code(HCPCS, "J2350"),), "o3")
    assert ("o1", "ocrelizumab") in drugs_of(order(None), *both)
    assert ("o1", "ocrelizumab") in drugs_of(order(600), order(920, ZUNOVO, "o2"))


def test_where_nothing_tells_it_stays_unclear() -> None:
    nameless = Formulary([replace(drug("ocrelizumab"), aliases=("ocrevus",)), drug("zunovo")])
    assert sort([order(None)], nameless).unclear == [order(None)]
    assert [drug.name for drug, _ in sort([order(600)], nameless).drugs] == ["ocrelizumab"]


def test_a_dose_given_is_of_the_order_that_it_names() -> None:
    assert drugs_of(given(920)) == [("g1", "zunovo")]
    linked = given(920, f.Link(ORDERED.name, 0, "request"))
    sorted_ = sort([linked], formulary())
    assert (sorted_.drugs, sorted_.unclear) == ([], [linked])


def test_the_lists_keep_the_order_of_their_refs() -> None:
    facts = [order(600, name="a"), order(920, ZUNOVO, "b")]
    assert [name for name, _ in drugs_of(*facts)] == ["a", "b"]
    unclear = [given(600, f.Link("x", 0, "")), order(None, (), "h1")]
    assert [fact.ref.id for fact in sort(unclear, formulary()).unclear] == ["g1", "h1"]


def test_each_of_several_orders_of_an_ingredient_is_sorted() -> None:
    assert drugs_of(order(600, name="a"), order(920, name="b")) == [
        ("a", "ocrelizumab"),
        ("b", "zunovo"),
    ]


def test_what_was_entered_in_error_was_never_written() -> None:
    wrong = replace(order(600, name="a"), state=f.State.WRONG)
    assert drugs_of(wrong, order(920, ZUNOVO, "b")) == [("b", "zunovo")]


def test_a_look_alike_is_kept_apart() -> None:
    alike = order(None, (f.Code(RXNORM, "1927886"),))
    sorted_ = sort([alike], formulary())
    assert (sorted_.drugs, [(each.name, fact) for each, fact in sorted_.traps]) == (
        [],
        [("rituximab", alike)],
    )


@pytest.mark.parametrize(
    ("source", "location", "kind"),
    [
        ("ehr", "Location/chairs", "yes"),
        ("ehr", "Location/x", "unknown"),
        ("clinic", "Location/chairs", "unknown"),
    ],
)
def test_where_a_visit_is_may_say_what_it_is(source: str, location: str, kind: str) -> None:
    at = AtSite(locations=frozenset({"Location/chairs"}))
    there = Formulary([drug("ocrelizumab")], Visits().at("ehr", at))
    visit = f.Visit(
        ref=f.Ref(source, "Appointment", "v1"),
        start=None,
        end=None,
        day=date(2026, 12, 8),
        status="booked",
        site=f.Site("office", f.Party(source, location)),
    )
    assert [each[0] for each in sort([visit], there).visits] == [kind]


J2350 = (f.Code(HCPCS, "J2350"),)


def procedure(
    codes: tuple[f.Code, ...] = J2350, name: str = "s1", text: str = "", **said: Any
) -> f.Order:
    return f.Order(ref=ref(name), kind="service", codes=codes, text=text, **said)


def test_a_procedure_by_the_code_of_the_drug_is_the_order_where_no_other_is() -> None:
    assert drugs_of(procedure()) == [("s1", "ocrelizumab")]
    assert drugs_of(procedure(), order(600)) == [("o1", "ocrelizumab")]
    assert drugs_of(procedure(), order(920, ZUNOVO)) == [("o1", "zunovo"), ("s1", "ocrelizumab")]
    assert drugs_of(given(600), procedure(), procedure(name="s0")) == [
        ("g1", "ocrelizumab"),
        ("s0", "ocrelizumab"),
        ("s1", "ocrelizumab"),
    ]


@pytest.mark.parametrize("codes", [(), (f.Code(CPT, "96413"),)])
def test_a_procedure_that_only_speaks_of_a_drug_is_no_order_for_it(
    codes: tuple[f.Code, ...],
) -> None:
    service = procedure(codes, text="infusion of ocrelizumab")
    sorted_ = sort([service], formulary())
    assert (sorted_.drugs, sorted_.services) == ([], [service])


UNITS, HALF = Amount(Decimal(600), "units"), Amount(Decimal(300), "units")


@pytest.mark.parametrize(
    ("said", "dose"),
    [
        ({"total": UNITS}, UNITS),
        ({"total": UNITS, "visits": 1}, UNITS),
        ({"total": UNITS, "visits": 2}, None),  # nobody says that both are alike
        ({"total": UNITS, "visits": 2, "per_visit": HALF}, HALF),
        ({"total": UNITS, "per_visit": HALF}, HALF),
        ({}, None),
    ],
)
def test_the_units_of_a_procedure_are_its_dose_where_it_is_done_once(
    said: dict[str, Any], dose: Amount | None
) -> None:
    ((_, found),) = sort([procedure(**said)], formulary()).drugs
    assert isinstance(found, f.Order)
    assert (found.ref.id, found.kind, found.per_visit) == ("s1", "service", dose)


def test_an_answer_about_an_ingredient_is_about_the_product_of_its_dose() -> None:
    answer = f.Authorization(
        ref=ref("a"), codes=INGREDIENT, decision=f.Decision.APPROVED, document="a"
    )
    assert side_of(answer, formulary()) == ("unknown", None)
    side, drug = side_of(replace(answer, total=Amount(Decimal(920), "mg")), formulary())
    assert (side, drug and drug.name) == ("drug", "zunovo")
    need = f.Requirement(ref=ref("n"), codes=INGREDIENT, needed="yes")
    assert side_of(need, formulary()) == ("unknown", None)
