"""A drug that is dosed in IU, by one YAML file of a site and no code."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from fhirbridge import mappings
from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import (
    Administration,
    Authorization,
    Code,
    Decision,
    Fact,
    Link,
    Order,
    Problem,
    Ref,
    State,
    Supply,
)
from fhirbridge.core.quantity import Amount, Measured, Quantity
from fhirbridge.core.rules import Context, judge
from fhirbridge.yamlfile import Invalid

HCPCS = "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets"
NDC = "http://hl7.org/fhir/sid/ndc"

FACTOR = """\
title: Antihemophilic factor, example (Factorix)
ingredient: antihemophilic factor example
route: intravenous
aliases: [Factorix]
products:
  - name: Factorix 1000 IU/10 mL vial
    package: vial
    iu_per_ml: 100
    iu_per_package: 1000
    codes:
      - {system: ndc, code: 99999-111-01, source: an example, verified: false}
billing:
  - {code: J9990, display: per IU, iu_per_unit: 1, source: an example, verified: false}
phases:
  - name: maintenance
    doses: [{iu: 3000}]
    every_weeks: 4
    source: an example
    verified: false
examples:
  - {text: Factorix, amount: {value: 3000, unit: "[iU]"}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000, code: "[IU]"}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000, unit: IU}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000, unit: I.U.}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000, unit: iu, code: "[iU]"}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3, unit: "k[IU]"}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000, unit: F2}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000, unit: units}, expect: 3000 IU}
  - {text: Factorix, amount: {value: 3000}, expect: unit-ambiguous}
  - {text: Factorix, amount: {value: 3000, unit: mg}, expect: unit-ambiguous}
  - {text: Factorix, amount: {value: 40, unit: IU/kg}, expect: unit-ambiguous}
  - {text: Factorix, amount: {value: 20, unit: IU}, expect: implausible}
  - {text: Factorix, amount: {text: Factorix 3000 IU every 4 weeks}, expect: 3000 IU}
  - {text: Factorix, amount: {text: "3,000 international units (3 vials)"}, expect: 3000 IU}
  - {text: Factorix, amount: {text: "3000 IU (2 vials)"}, expect: unit-ambiguous}
  - {codes: [{system: ndc, code: 99999-111-01}], amount: {value: 30, unit: ML}, expect: 3000 IU}
  - {codes: [{system: ndc, code: 99999-111-01}], amount: {value: 3, unit: EA}, expect: 3000 IU}
  - {codes: [{system: ndc, code: 99999-111-01}], amount: {value: 3, unit: UN}, expect: 3000 IU}
  - {codes: [{system: ndc, code: 99999-111-01}], amount: {value: 3, unit: vials}, expect: 3000 IU}
  - {codes: [{system: hcpcs, code: J9990}], amount: {value: 3000}, on: 2026-12-08, expect: 3000 IU}
"""

BY_WEIGHT = """\
    doses: [{iu_per_kg: {least: 25, most: 50}}]
"""


def site(folder: Path, text: str = FACTOR) -> list[Path]:
    """The shipped mappings without their therapies (half a second to read), and this one."""
    for shipped in mappings.shipped().iterdir():
        if shipped.name != "therapies":
            (folder / shipped.name).symlink_to(shipped)
    (folder / "therapies").mkdir()
    (folder / "therapies" / "factor.yaml").write_text(text, encoding="utf-8")
    return [folder]


def test_its_examples_come_out(tmp_path: Path) -> None:
    assert mappings.check(site(tmp_path)) == []


def test_every_step_of_its_arithmetic_names_its_unit(tmp_path: Path) -> None:
    formulary = mappings.load(site(tmp_path)).formulary
    found = formulary.measure(
        formulary.therapies["factor"],
        [Code(NDC, "99999-111-01")],
        Amount(Decimal(3), "vials"),
        None,
        context="dose",
        ref=Ref("ehr", "MedicationRequest", "o1"),
        at="dose",
    )
    assert isinstance(found, Measured)
    assert found.how == "3 vials × 1000 IU = 3000 IU"
    bare = formulary.measure(
        formulary.therapies["factor"],
        [Code(HCPCS, "J9990")],
        Amount(Decimal(30), "mL", code="kg"),
        None,
        context="dose",
        ref=Ref("ehr", "MedicationRequest", "o1"),
        at="dose",
    )
    assert isinstance(bare, Problem)
    assert bare.readings[0] == "30 IU"


def test_it_is_reconciled_like_any_other(tmp_path: Path) -> None:
    """Ordered 3000 IU, authorized in billing units, dispensed 2 vials: 1000 IU are missing."""
    formulary = mappings.load(site(tmp_path)).formulary
    patient, order = Ref("ehr", "Patient", "p1"), Ref("ehr", "MedicationRequest", "o1")
    tied = (Link(order.name, 0, "authorizing prescription"),)
    facts: list[Fact] = [
        Order(
            ref=order,
            patient=patient,
            names=frozenset({order.name}),
            text="Factorix",
            state=State.ACTIVE,
            kind="medication",
            per_visit=Amount(Decimal(3000), "IU"),
            visits=1,
            days=(date(2026, 12, 8),),
        ),
        Authorization(
            ref=Ref("payer", "ClaimResponse", "a1"),
            patient=patient,
            codes=(Code(HCPCS, "J9990"),),
            state=State.ACTIVE,
            decision=Decision.APPROVED,
            document="a1",
            total=Amount(Decimal(3000)),
        ),
        Supply(
            ref=Ref("pharmacy", "MedicationDispense", "d1"),
            patient=patient,
            codes=(Code(NDC, "99999-111-01"),),
            state=State.DONE,
            stage="delivered",
            amount=Amount(Decimal(2), "EA"),
            day=date(2026, 12, 1),
            links=tied,
        ),
        Administration(
            ref=Ref("ehr", "MedicationAdministration", "g1"),
            patient=patient,
            text="Factorix",
            state=State.DONE,
            amount=Amount(Decimal(3000), "[iU]"),
            day=date(2026, 11, 10),
            complete=True,
        ),
    ]
    calendar = Calendar(UTC)
    ledger = book(facts, formulary, calendar)
    kinds = ("orders", "dispenses", "authorizations", "administrations", "schedule", "coverage")
    context = Context(
        as_of=datetime(2026, 12, 3, tzinfo=UTC),
        calendar=calendar,
        person="ehr:Patient/p1",
        formulary=formulary,
        sight={("ehr", kind): "complete" for kind in kinds},
    )
    found = {each.rule: each for each in judge(ledger, context).findings}
    short = found["dispense-short"]
    assert short.say["missing"] == Quantity(Decimal(1000), "IU")
    assert short.say["packages"] == "1 vial"
    assert "unit-ambiguous" not in found
    assert "auth-short-total" not in found


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("iu: 3000", "mg: 3000", "mg or in IU"),
        ("iu: 3000", "mg: 3000, iu: 3000", "either mg or mg_per_kg"),
        ("iu_per_unit: 1", "mg_per_unit: 1, iu_per_unit: 1", "either mg_per_unit or iu_per_unit"),
        ("    doses: [{iu: 3000}]\n", BY_WEIGHT, "need “believed”"),
        ("phases:", "believed: {least_iu: 5, source: x, verified: false}\nphases:", "most_iu"),
    ],
)
def test_a_file_that_mixes_units_is_refused(
    tmp_path: Path, old: str, new: str, complaint: str
) -> None:
    assert old in FACTOR
    with pytest.raises(Invalid, match=complaint):
        mappings.load(site(tmp_path, FACTOR.replace(old, new)))


def test_a_dose_by_weight_in_iu(tmp_path: Path) -> None:
    text = FACTOR.replace("    doses: [{iu: 3000}]\n", BY_WEIGHT).replace(
        "examples:",
        "believed: {least_iu: 500, most_iu: 10000, source: x, verified: false}\nexamples:",
    )
    text = text.replace("unit: IU}, expect: implausible", "unit: IU}, expect: implausible")
    assert mappings.check(site(tmp_path, text)) == []
