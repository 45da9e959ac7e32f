"""Appointment -> Visit, MedicationDispense -> Supply, MedicationAdministration, Coverage."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.core.facts import Administration, Coverage, Link, Span, State, Supply, Visit
from fhirbridge.core.quantity import Amount
from tests.fhir.records import (
    CPT,
    PATIENT,
    administration,
    appointment,
    concept,
    dispense,
    facts,
    in_mg,
    mg,
    quantity,
    reasons,
)

SUITE = {"reference": "Location/suite"}


def visit(*others: Any, **elements: Any) -> Visit:
    fact = facts(appointment(**elements), *others)[0]
    assert isinstance(fact, Visit)
    return fact


def supply(*others: Any, **elements: Any) -> Supply:
    fact = facts(dispense(**elements), *others)[0]
    assert isinstance(fact, Supply)
    return fact


def given(**elements: Any) -> Administration:
    fact = facts(administration(**elements))[0]
    assert isinstance(fact, Administration)
    return fact


@pytest.mark.parametrize(
    ("route", "word"),
    [
        (concept("47625008", "http://snomed.info/sct"), "intravenous"),
        (
            concept("SQ", "http://terminology.hl7.org/CodeSystem/v3-RouteOfAdministration"),
            "subcutaneous",
        ),
        ({"text": "Sub-Q"}, "subcutaneous"),
        ({"coding": [{"system": "urn:x", "code": "7", "display": "IV push"}]}, "intravenous"),
        ({"text": "by mouth"}, ""),
        ({"text": "discussed"}, ""),
        ("IV", ""),
    ],
)
def test_a_route_is_one_word_beside_the_drug(route: Any, word: str) -> None:
    """It may be all that tells two products of an ingredient apart."""
    dosage = {"route": route}
    words = {
        given(dosage=dosage).text.removeprefix(given(dosage={}).text).strip(),
        supply(dosageInstruction=[dosage]).text.removeprefix(supply().text).strip(),
    }
    assert words == {word}


def test_a_visit() -> None:
    fact = visit(
        serviceType=[concept("96413", CPT), {"text": "Infusion therapy"}],
        reasonCode=[concept("G35")],
        description="Ocrevus infusion",
        comment="bring book",
        start="2026-12-09T02:30:00Z",
        end="2026-12-09T06:30:00Z",
        participant=[
            {"actor": {"reference": "Patient/p-7", "display": "A Person"}},
            {"actor": {"reference": "Practitioner/dr"}},
            {"actor": SUITE},
        ],
    )
    assert fact.patient is not None
    assert fact.patient.name == "ehr:Patient/p-7"
    assert fact.day == date(2026, 12, 8)  # in New York
    assert (fact.status, fact.state) == ("booked", State.ACTIVE)
    assert [code.code for code in fact.codes] == ["96413", "G35"]
    assert fact.text == "Ocrevus infusion\nbring book\nInfusion therapy"
    assert fact.performer is not None
    assert fact.performer.reference == "Practitioner/dr"
    assert fact.site.party is not None
    assert fact.site.party.reference == "Location/suite"
    assert fact.problems == ()


@pytest.mark.parametrize(
    ("status", "state"),
    [
        ("proposed", State.PLANNED),
        ("waitlist", State.PLANNED),
        ("booked", State.ACTIVE),
        ("checked-in", State.ACTIVE),
        ("fulfilled", State.DONE),
        ("noshow", State.WITHDRAWN),
        ("cancelled", State.WITHDRAWN),
        ("entered-in-error", State.WRONG),
    ],
)
def test_states_of_a_visit(status: str, state: State) -> None:
    fact = visit(status=status, cancelationReason=concept("meds-inc"))
    assert (fact.state, fact.reason) == (state, "meds-inc")


@pytest.mark.parametrize(
    ("location", "kind"),
    [
        ({"type": [concept("PTRES")]}, "home"),
        ({"type": [concept("OF")]}, "office"),
        ({"type": [concept("HOSP")]}, "hospital"),
        ({"physicalType": concept("ho")}, "home"),
        ({"address": {"use": "home"}}, "home"),
        ({"type": [concept("OF"), concept("HOSP")]}, "unknown"),
        ({}, "unknown"),
    ],
)
def test_kinds_of_site(location: dict[str, Any], kind: str) -> None:
    place = {"resourceType": "Location", "id": "suite", "name": "Suite", **location}
    fact = visit(place, participant=[{"actor": PATIENT}, {"actor": SUITE}])
    assert fact.site.kind == kind
    assert fact.site.party is not None
    assert fact.site.party.display == "Suite"


def test_links_of_a_visit() -> None:
    alternate = {
        "url": "http://hl7.org/fhir/StructureDefinition/alternate-reference",
        "valueReference": {"reference": "MedicationRequest/o-1"},
    }
    fact = visit(
        basedOn=[{"reference": "ServiceRequest/s-1"}, {"extension": [alternate]}],
        supportingInformation=[{"reference": "MedicationRequest/o-2"}],
        reasonReference=[{"reference": "Condition/ms"}],
    )
    assert fact.links == (
        Link("ehr:ServiceRequest/s-1", 0, "based on"),
        Link("ehr:MedicationRequest/o-1", 0, "based on"),
        Link("ehr:MedicationRequest/o-2", 0, "supporting information"),
        Link("ehr:Condition/ms", 0, "reason"),
    )


def test_a_visit_of_nobody_and_backwards() -> None:
    fact = visit(participant=[], end="2026-12-08T08:00:00-05:00")
    assert reasons(fact) == ["no-patient", "bad-period"]
    assert fact.end is None


@pytest.mark.parametrize(
    ("status", "state", "stage"),
    [
        ("preparation", State.ACTIVE, "promised"),
        ("in-progress", State.ACTIVE, "committed"),
        ("completed", State.DONE, "delivered"),
        ("on-hold", State.HELD, "none"),
        ("cancelled", State.WITHDRAWN, "none"),
        ("declined", State.WITHDRAWN, "none"),
        ("stopped", State.WITHDRAWN, "none"),
        ("entered-in-error", State.WRONG, "none"),
        ("unknown", State.UNKNOWN, "none"),
        ("shipped", State.UNKNOWN, "none"),
    ],
)
def test_stages_of_a_supply(status: str, state: State, stage: str) -> None:
    fact = supply(status=status)
    assert (fact.state, fact.stage) == (state, stage)


def test_a_part_fill() -> None:
    fact = supply(
        type=concept("FFP"),
        quantity={"value": Decimal("10.0"), "unit": "mL"},
        authorizingPrescription=[{"reference": "MedicationRequest/o-1"}],
        performer=[{"actor": {"reference": "Organization/ph"}}],
        destination={"reference": "Location/suite"},
        statusReasonCodeableConcept=concept("outofstock"),
    )
    assert fact.partial
    assert str(fact.amount) == "10 mL"
    assert fact.day == date(2026, 12, 1)
    assert fact.links == (Link("ehr:MedicationRequest/o-1", 0, "authorizing prescription"),)
    assert fact.pharmacy is not None
    assert fact.pharmacy.reference == "Organization/ph"
    assert fact.destination.party is not None
    assert fact.reason == "outofstock"


def test_prepared_but_not_handed_over() -> None:
    fact = supply(whenHandedOver=None, whenPrepared="2026-11-30", status="in-progress")
    assert (fact.day, fact.partial) == (date(2026, 11, 30), False)
    assert fact.expected == date(2026, 11, 30)


def test_a_supply_that_is_coming_is_expected_on_the_day_of_its_hand_over() -> None:
    coming = supply(whenHandedOver="2026-12-07", whenPrepared="2026-12-03", status="preparation")
    assert (coming.stage, coming.expected) == ("promised", date(2026, 12, 7))
    assert supply(whenHandedOver="2026-12-07").expected is None  # it is there
    assert supply(whenHandedOver=None, status="in-progress").expected is None


@pytest.mark.parametrize("status", ["completed", "stopped", "cancelled"])
@pytest.mark.parametrize(
    "why",
    [{"text": "Returned to stock"}, {"coding": [{"system": "http://x.example", "code": "return"}]}],
)
def test_a_supply_that_was_sent_back(status: str, why: dict[str, Any]) -> None:
    fact = supply(status=status, statusReasonCodeableConcept=why)
    assert fact.stage == "returned"
    wrong = supply(status="entered-in-error", statusReasonCodeableConcept=why)
    assert wrong.stage == "none"


@pytest.mark.parametrize(
    ("status", "state", "complete"),
    [
        ("completed", State.DONE, True),
        ("stopped", State.DONE, False),
        ("in-progress", State.ACTIVE, None),
        ("not-done", State.WITHDRAWN, None),
    ],
)
def test_administrations(status: str, state: State, complete: bool | None) -> None:
    fact = given(status=status, request={"reference": "MedicationRequest/o-1"})
    amount = None if status == "in-progress" else in_mg(600)  # how much it was is said at its end
    assert (fact.state, fact.complete, fact.amount) == (state, complete, amount)
    assert fact.day == date(2026, 12, 8)
    assert fact.links == (Link("ehr:MedicationRequest/o-1", 0, "request"),)


def test_an_administration_over_a_period() -> None:
    period = {"start": "2026-12-08T22:00:00-05:00", "end": "2026-12-09T02:00:00-05:00"}
    assert given(effectiveDateTime=None, effectivePeriod=period).day == date(2026, 12, 8)


@pytest.mark.parametrize(
    ("quantity", "amount", "reason"),
    [
        ({"value": "q12h"}, Amount(text="q12h"), "not-a-number"),
        ({"value": True, "unit": "mg"}, Amount(unit="mg"), "not-a-number"),
        ({"unit": "mg"}, Amount(unit="mg"), "not-a-number"),
        ({"value": Decimal("1E+999")}, Amount(), "not-a-number"),
        ("20 mL", Amount(text="20 mL"), "not-a-quantity"),
        (20, None, "not-a-quantity"),
        (
            {"value": 20, "comparator": "<", "unit": "mL"},
            Amount(unit="mL", text="< 20 mL"),
            "not-exact",
        ),
    ],
)
def test_amounts_that_are_none(quantity: Any, amount: Amount | None, reason: str) -> None:
    fact = supply(quantity=quantity)
    assert fact.amount == amount
    assert reasons(fact) == [reason]


def test_an_absent_or_empty_amount_is_none() -> None:
    assert supply(quantity=None).amount is None
    assert supply(quantity={}).amount is None


def test_a_coverage() -> None:
    body = {
        "resourceType": "Coverage",
        "id": "v",
        "status": "active",
        "beneficiary": PATIENT,
        "subscriberId": "M-1",
        "period": {"start": "2026-01-01", "end": "2026-12-31"},
        "payor": [{"reference": "Organization/payer"}],
        "order": 1,
    }
    (fact,) = facts(body)
    assert isinstance(fact, Coverage)
    assert fact.span == Span(date(2026, 1, 1), date(2026, 12, 31))
    assert fact.payor is not None
    assert fact.payor.reference == "Organization/payer"
    assert (fact.order, fact.state) == (1, State.ACTIVE)
    assert "M-1" not in repr(fact)


@pytest.mark.parametrize(
    ("name", "day", "problems"),
    [
        ("Asia/Tokyo", date(2026, 12, 9), []),
        ("Mars/Olympus", date(2026, 12, 8), ["unknown-code"]),
        ("../etc/passwd", date(2026, 12, 8), ["unknown-code"]),
        ("", date(2026, 12, 8), ["unknown-code"]),
    ],
)
def test_a_location_that_says_its_time_zone(name: str, day: date, problems: list[str]) -> None:
    url = "http://hl7.org/fhir/StructureDefinition/timezone"
    place = {
        "resourceType": "Location",
        "id": "suite",
        "extension": [{"url": url, "valueCode": name}],
    }
    fact = visit(
        place, participant=[{"actor": PATIENT}, {"actor": SUITE}], start="2026-12-08T20:00:00Z"
    )
    assert fact.day == day
    assert reasons(fact) == ["bad-period", *problems]


def test_a_prescription_inside_the_dispense_leads_to_the_original_by_its_number() -> None:
    number = {"system": "urn:orders", "value": "77"}
    inside = {"resourceType": "MedicationRequest", "id": "rx", "identifier": [number]}
    fact = supply(contained=[inside], authorizingPrescription=[{"reference": "#rx"}])
    assert ("urn:orders|77", 1) in [(link.to, link.tier) for link in fact.links]


def test_a_bag_says_how_much_of_the_drug_is_in_it() -> None:
    ratio = {"numerator": mg(600), "denominator": quantity(270, "mL")}
    drug = {"itemCodeableConcept": {"text": "ocrelizumab"}, "strength": ratio}
    bag = {"resourceType": "Medication", "id": "bag", "ingredient": [drug]}
    body = administration(contained=[bag], medicationReference={"reference": "#bag"})
    del body["medicationCodeableConcept"]
    fact = facts(body)[0]
    assert isinstance(fact, Administration)
    assert [str(strength) for strength in fact.strengths] == ["600 mg/270 mL"]
