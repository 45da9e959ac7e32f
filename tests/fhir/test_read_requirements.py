"""CoverageEligibilityResponse and the CRD extension -> Requirement (and Authorization)."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.core.facts import (
    ALWAYS,
    Authorization,
    Decision,
    Link,
    Order,
    Requirement,
    Span,
    State,
    Visit,
)
from fhirbridge.core.quantity import Amount
from tests.fhir.records import (
    J2350,
    allowed,
    appointment,
    concept,
    coverage_information,
    eligibility,
    facts,
    medication_request,
    quantity,
    reading,
)

BILLING = {"system": J2350["coding"][0]["system"], "code": "J2350"}


def requirement(*insurance: Any, others: tuple[Any, ...] = (), **elements: Any) -> Requirement:
    fact = next(
        fact
        for fact in facts(eligibility(*insurance, **elements), *others)
        if isinstance(fact, Requirement)
    )
    assert isinstance(fact, Requirement)
    return fact


@pytest.mark.parametrize(("required", "needed"), [(True, "yes"), (False, "no"), (None, "unknown")])
def test_whether_authorization_is_needed(required: bool | None, needed: str) -> None:
    item = {"productOrService": J2350, "authorizationRequired": required}
    fact = requirement({"inforce": True, "item": [item]})
    assert (fact.needed, fact.in_force, fact.state) == (needed, True, State.ACTIVE)
    assert [code.code for code in fact.codes] == ["J2350"]


@pytest.mark.parametrize(
    ("benefit", "limit", "used"),
    [
        (
            {"allowedUnsignedInt": 2, "usedUnsignedInt": 1},
            Amount(Decimal(2)),
            Amount(Decimal(1)),
        ),
        ({"allowedString": "300 mg x 2"}, Amount(text="300 mg x 2"), None),
        ({"type": concept("visit"), "allowedUnsignedInt": 2}, Amount(Decimal(2), "visit"), None),
        ({"allowedMoney": {"value": 5000}}, None, None),
    ],
)
def test_limits_have_no_unit(benefit: Any, limit: Amount | None, used: Amount | None) -> None:
    money = {"allowedMoney": {"value": 20}}
    fact = requirement({"item": [{"benefit": [money, benefit]}]})
    assert (fact.limit, fact.used) == (limit, used)


def test_a_lapsed_coverage_without_items() -> None:
    fact = requirement(
        {
            "inforce": False,
            "benefitPeriod": {"start": "2026"},
            "coverage": {"reference": "Coverage/v"},
        }
    )
    assert (fact.in_force, fact.needed) == (False, "unknown")
    assert fact.span == Span(date(2026, 1, 1), None)
    assert fact.links == (Link("ehr:Coverage/v", 0, "coverage"),)


def test_the_period_that_was_asked_for_stands_in() -> None:
    served = {"start": "2026-12-01", "end": "2026-12-31"}
    assert requirement({}, servicedPeriod=served).span == Span(
        date(2026, 12, 1), date(2026, 12, 31)
    )
    assert requirement({}).span == ALWAYS


def test_an_answer_that_is_not_there_yet() -> None:
    assert requirement({}, outcome="queued").state is State.UNKNOWN


def test_the_orders_that_were_asked_about() -> None:
    request = {
        "resourceType": "CoverageEligibilityRequest",
        "id": "q",
        "item": [
            {"productOrService": J2350, "detail": [{"reference": "MedicationRequest/o-1"}]},
            {"productOrService": concept("96413"), "detail": [{"reference": "ServiceRequest/s"}]},
        ],
    }
    fact = requirement(
        {"item": [{"productOrService": J2350}]},
        others=(request,),
        request={"reference": "CoverageEligibilityRequest/q"},
        preAuthRef="A1",
    )
    assert fact.links == (
        Link("ehr:CoverageEligibilityRequest/q", 0, "request"),
        Link("number|A1", 1, "authorization number"),
        Link("ehr:MedicationRequest/o-1", 0, "eligibility request"),
    )


@pytest.mark.parametrize(
    ("code", "needed"),
    [
        ("no-auth", "no"),
        ("auth-needed", "yes"),
        ("performpa", "yes"),
        ("conditional", "conditional"),
        ("indeterminate", "unknown"),
        ("perhaps", "unknown"),
    ],
)
def test_what_a_payer_wrote_onto_an_order(code: str, needed: str) -> None:
    extension = coverage_information(covered="covered", pa_needed=code)
    order, fact = facts(medication_request(extension=[extension]))
    assert isinstance(order, Order)
    assert isinstance(fact, Requirement)
    assert fact.needed == needed
    assert fact.codes == order.codes
    assert Link(order.ref.name, 0, "coverage information on the order") in fact.links


def test_a_satisfied_requirement_is_an_authorization_with_its_unit() -> None:
    extension = coverage_information(
        coverage={"reference": "Coverage/v"},
        covered="covered",
        pa_needed="satisfied",
        billingCode=BILLING,
        detail=allowed("allowed-quantity", valueQuantity=quantity(600, "mg")),
        date="2026-11-02",
        coverage_assertion_id="T1",
        satisfied_pa_id="AUTH1",
        expiry_date="2027-05-01",
    )
    coverage = {
        "resourceType": "Coverage",
        "id": "v",
        "status": "active",
        "beneficiary": {"reference": "Patient/p-7"},
        "payor": [{"identifier": {"system": "urn:payer", "value": "1"}}],
    }
    found = facts(medication_request(extension=[extension]), coverage)
    (fact,) = (fact for fact in found if isinstance(fact, Authorization))
    assert fact.decision is Decision.APPROVED
    assert fact.total == Amount(Decimal(600), "mg")
    assert fact.span == Span(None, date(2027, 5, 1))
    assert fact.numbers == {"AUTH1"}
    assert fact.names == {"ehr:MedicationRequest/o-1#coverage-T1", "number|AUTH1"}
    assert [code.code for code in fact.codes] == ["J2350"]
    assert fact.insurer is not None
    assert fact.insurer.identifier == "urn:payer|1"


def test_an_allowed_number_of_visits_and_period() -> None:
    extension = coverage_information(pa_needed="satisfied", satisfied_pa_id="A")
    extension["extension"] += [
        {
            "url": "detail",
            "extension": allowed("allowed-quantity", valueQuantity=quantity(2, "visits")),
        },
        {
            "url": "detail",
            "extension": allowed("allowed-period", valuePeriod={"end": "2027-01-31"}),
        },
    ]
    fact = facts(medication_request(extension=[extension]))[2]
    assert isinstance(fact, Authorization)
    assert (fact.visits, fact.total, fact.span) == (2, None, Span(None, date(2027, 1, 31)))


def test_a_limit_in_words() -> None:
    words = allowed("allowed-quantity", valueString="300 mg x 2")
    extension = coverage_information(pa_needed="auth-needed", detail=words)
    fact = facts(medication_request(extension=[extension]))[1]
    assert isinstance(fact, Requirement)
    assert fact.limit == Amount(text="300 mg x 2")


def test_not_covered_is_a_denial() -> None:
    extension = coverage_information(covered="not-covered")
    fact = facts(medication_request(extension=[extension]))[2]
    assert isinstance(fact, Authorization)
    assert (fact.decision, fact.reason) == (Decision.DENIED, "not-covered")


def test_what_was_written_onto_a_stopped_order_is_withdrawn_with_it() -> None:
    extension = coverage_information(pa_needed="auth-needed")
    found = facts(medication_request(status="stopped", extension=[extension]))
    assert [fact.state for fact in found] == [State.WITHDRAWN, State.WITHDRAWN]


def test_the_extension_on_an_appointment() -> None:
    extension = coverage_information(pa_needed="no-auth", billingCode=BILLING)
    visit, fact = facts(appointment(extension=[extension, {"url": "urn:other"}]))
    assert isinstance(visit, Visit)
    assert isinstance(fact, Requirement)
    assert fact.needed == "no"


def test_an_unknown_code_is_a_problem() -> None:
    result = reading(medication_request(extension=[coverage_information(pa_needed="perhaps")]))
    assert [(problem.reason, problem.said) for problem in result.problems] == [
        ("unknown-code", "perhaps")
    ]


def test_coverage_information_on_an_order_whose_drug_is_named_in_words() -> None:
    denied = coverage_information(covered="not-covered")
    order = medication_request(
        medicationCodeableConcept={"text": "Ocrevus 600 mg IV"}, extension=[denied]
    )
    texts = {fact.text for fact in facts(order) if not isinstance(fact, Order)}
    assert texts == {"Ocrevus 600 mg IV"}
