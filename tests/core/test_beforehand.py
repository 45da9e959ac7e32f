"""Which words order a drug to be given before the infusion."""

from __future__ import annotations

import pytest

from fhirbridge.core.beforehand import beforehand, is_at_need


@pytest.mark.parametrize(
    ("text", "orders"),
    [
        ("Give methylprednisolone 100 mg IV 30 minutes before.", True),
        ("Premedicate with diphenhydramine 50 mg to prevent an infusion reaction", True),
        ("No known allergies. Premedicate with methylprednisolone", True),
        ("Do not start the infusion before methylprednisolone is given", True),
        ("Premedicate with cetirizine; acetaminophen as needed before", True),
        ("No premedication with methylprednisolone", False),
        ("Hold routine steroids", False),
        ("Allergic to diphenhydramine", False),
        ("Patient had a reaction to methylprednisolone in 2019", False),
        ("For infusion reaction: diphenhydramine 50 mg IV", False),
        ("Diphenhydramine 50 mg IV PRN", False),
        ("If a reaction occurs give methylprednisolone 125 mg", False),
        ("Hydrocortisone 1% cream", False),
    ],
)
def test_a_sentence_orders_premedication_or_does_not(text: str, orders: bool) -> None:
    assert bool(beforehand(text)) is orders


def test_each_sentence_is_looked_at_by_itself() -> None:
    text = "Methylprednisolone 100 mg before.\n\nDiphenhydramine PRN for reaction; cetirizine 10 mg"
    assert beforehand(text) == "Methylprednisolone 100 mg before\n cetirizine 10 mg"


@pytest.mark.parametrize(
    ("text", "at_need"),
    [
        ("diphenhydramine\nas needed for infusion reaction", True),
        ("ketotifen eye drops", True),
        ("diphenhydramine\nas needed\n30 minutes before infusion", False),
        ("diphenhydramine 50 mg IV", False),
    ],
)
def test_an_order_of_its_own_may_be_for_at_need_only(text: str, at_need: bool) -> None:
    assert is_at_need(text) is at_need
