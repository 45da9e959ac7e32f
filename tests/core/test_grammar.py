"""Doses in words: understood wholly, or not at all."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.grammar import Spoken, admits_both, spoken
from fhirbridge.core.quantity import Amount

NAMES = ("ocrelizumab", "ocrevus")
MG600 = Amount(Decimal(600), "mg")


def dose(value: str, unit: str = "mg", **rest: Any) -> Spoken:
    return Spoken(Amount(Decimal(value), unit), **rest)


@pytest.mark.parametrize(
    ("text", "means"),
    [
        ("600mg", dose("600")),
        ("2 vials", dose("2", "vials")),
        ("0.6 g", dose("0.6", "g")),
        ("20 mL", dose("20", "ml")),
        ("600 units", dose("600", "units")),
        ("300 mg x 2", dose("300", visits=2)),
        ("300 mg × 2", dose("300", visits=2)),
        ("300 mg x2 doses", dose("300", visits=2)),
        ("2 x 300 mg", dose("300", visits=2)),
        ("300 mg two times", dose("300", visits=2)),
        ("300 mg twice", dose("300", visits=2)),
        ("300 mg at each of 2 visits", dose("300", visits=2)),
        ("600 mg once", dose("600", visits=1)),
        ("600 mg as a single infusion", dose("600", visits=1)),
        ("600 mg for 1 dose", dose("600", visits=1)),
        ("600 mg IV every 24 weeks", dose("600", spacing_days=168)),
        ("600 mg IV q24w", dose("600", spacing_days=168)),
        ("600 mg every six months", dose("600", spacing_days=180)),
        ("600 mg every 1 year", dose("600", spacing_days=365)),
        ("300 mg every 28 days", dose("300", spacing_days=28)),
        ("300 mg on day 1 and day 15", dose("300", visits=2, days=(1, 15))),
        ("300 mg IV on days 1 and 15", dose("300", visits=2, days=(1, 15))),
        ("300 mg x 2, 14 days apart", dose("300", visits=2, spacing_days=14)),
        ("Ocrevus 600 mg intravenous infusion once.", dose("600", visits=1)),
        ("Infuse ocrelizumab 600 mg IV over 3.5 hours", dose("600")),
        ("1,000 mg IV", dose("1000")),
        ("0.6 gm", dose("0.6", "gm")),
        ("600 mg (20 mL)", dose("600", also=Amount(Decimal(20), "ml"))),
        ("600 mg = 2 vials once", dose("600", visits=1, also=Amount(Decimal(2), "vials"))),
        (
            "2 vials (600 mg) IV every 24 weeks",
            dose("600", spacing_days=168, also=Amount(Decimal(2), "vials")),
        ),
        (
            "2 vials (3000 iu) once",
            dose("3000", "iu", visits=1, also=Amount(Decimal(2), "vials")),
        ),
        ("2 vials (300 mg each) once", dose("600", visits=1, also=Amount(Decimal(2), "vials"))),
        ("600 mg (2 x 300 mg vials)", dose("600", also=MG600)),
        ("300 mg on day 1, then 300 mg on day 15", dose("300", visits=2, days=(1, 15))),
        ("300 mg on day 1 then day 15", dose("300", visits=2, days=(1, 15))),
        ("300 mg IV followed by 300 mg IV 2 weeks later", dose("300", visits=2, spacing_days=14)),
        (
            "300 mg on day 1, then 300 mg 2 weeks later",
            dose("300", visits=2, spacing_days=14),
        ),
        ("300 mg IV, repeat in two weeks", dose("300", visits=2, spacing_days=14)),
        ("600 mg as a single IV infusion", dose("600", visits=1)),
        ("600 mg, Intravenous, ONCE, 1 dose", dose("600", visits=1)),
        ("600 mg once every 24 weeks", dose("600", spacing_days=168)),
        ("40 mg every other week", dose("40", spacing_days=14)),
        ("40 mg once weekly", dose("40", spacing_days=7)),
        ("20 mg monthly", dose("20", spacing_days=30)),
        ("1 kit every month", dose("1", "kit", spacing_days=30)),
        ("35 g IV daily x 5 days", dose("35", "g", visits=5, spacing_days=1)),
        ("35 g every day for 2 consecutive days", dose("35", "g", visits=2, spacing_days=1)),
        ("400 mg at weeks 0, 2, and 6", dose("400", visits=3, days=(1, 15, 43))),
        ("600 mg IVPB", dose("600")),
        ("300 mg IV every 2 weeks x 2 doses", dose("300", visits=2, spacing_days=14)),
        ("20 mg SC weekly x 3 doses", dose("20", visits=3, spacing_days=7)),
        ("300 mg at week 0 and week 2", dose("300", visits=2, days=(1, 15))),
        ("600 mg IV twice yearly", dose("600", spacing_days=182)),
        ("600 mg twice a year", dose("600", spacing_days=182)),
        ("20 mg SC once a month", dose("20", spacing_days=30)),
        ("600 mg q 6 mos", dose("600", spacing_days=180)),
        ("Maintenance: 600 mg IV every 6 months", dose("600", spacing_days=180)),
        ("600 mg in 500 mL 0.9% sodium chloride IV over 3.5 hours", dose("600")),
        ("600 mg IV diluted in 500 mL of normal saline, over approximately 3.5-4 hrs", dose("600")),
        ("600 mg IV in 500 mL NS every 24 weeks", dose("600", spacing_days=168)),
        ("Ocrevus 600 mg IV once on 12/8/2026", dose("600", visits=1)),
        ("300 mg IV on 12/8/2026 and 300 mg IV on 12/22/2026", dose("300", visits=2)),
    ],
)
def test_what_is_understood(text: str, means: Spoken) -> None:
    assert spoken(text, NAMES) == means


@pytest.mark.parametrize(
    "text",
    [
        "",
        "as directed",
        "q12h",
        "600",  # no unit
        "take 600",
        "300-600 mg",
        "300 mg or 600 mg",
        "300 mg/10 mL",
        "600 mg/kg",
        "1,00 mg",
        "0,600 g",  # a comma parts thousands (ISMP), never decimals
        "600 mg (20 mL",
        "600 mg 20 mL)",
        "600 mg (with food)",
        "40 mg every week for 5 days",
        "35 g over 2 days",
        "600 mg in 500 mL",  # of what?
        "150 mg on day 1, then 450 mg on day 15",  # two doses, not one
        "300 mg, repeat in 2 weeks, then 600 mg every 24 weeks",
        "600 mg every six (8) months",
        "600 mg on day 15",
        "300 mg x 2 every 2 weeks x 3",
        "300 mg x 2 vials",
        "2 x 300 mg x 3",
        "300 mg x 0",
        "300 mg on day 1 and day 15 x 3",
        "300 mg day 1 and day 15, then 600 mg every 6 months",
        "natalizumab 300 mg",  # not one of the names given
    ],
)
def test_what_is_not_understood(text: str) -> None:
    assert spoken(text, NAMES) is None


@pytest.mark.parametrize(
    ("text", "both"),
    [
        ("300 mg x 2", True),
        ("300 mg two times", True),
        ("2 x 300 mg", True),
        ("300 mg twice", True),
        ("600 mg in one or two infusions", True),
        ("600 mg, 1-2 visits", True),
        ("single 600 mg dose or split", True),
        ("600 mg, may be split", True),
        ("600 mg once", False),
        ("600 mg every 24 weeks", False),
        ("300 mg x 2, 14 days apart", False),
        ("300 mg x 2 visits", False),
        ("300 mg on day 1 and day 15", False),
        ("300 mg x 2 every 24 weeks", True),
        ("300 mg every 2 weeks x 2 doses", False),
        ("300 mg q2w x 2", False),
        ("300 mg x 2 on 12/8/2026 and 12/22/2026", False),
        ("300 mg x 2 on 12/8/2026", True),
        ("600 mg twice yearly", False),
        ("600 mg (2 x 300 mg vials) every 6 months", False),
        ("600 mg two times a year", False),
        ("", False),
    ],
)
def test_whether_a_text_admits_one_visit_and_two(text: str, both: bool) -> None:
    assert admits_both(text) is both


def test_no_number_is_too_long() -> None:
    """Python refuses to read a number of more than 4,300 digits: none is tried."""
    long = "9" * 5000
    for text in (
        f"{long} mg",
        f"600 mg on day 1 and day {long}",
        f"600 mg at weeks 0 and {long}",
        f"600 mg every six ({long}) months",
        f"600 mg ({long} x 300 mg vials)",
        f"600 mg in {long} mL NS",
    ):
        assert spoken(text, NAMES) is None


@settings(deadline=None)
@given(st.text())
def test_no_text_is_an_error(text: str) -> None:
    spoken(text, NAMES)
    admits_both(text)
