"""MedicationRequest and ServiceRequest -> Order."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.core.facts import Code, Link, Order, Span, State
from fhirbridge.core.quantity import Amount
from tests.fhir.records import (
    INFUSION,
    OCREVUS,
    RXNORM,
    concept,
    dose,
    facts,
    in_mg,
    mg,
    quantity,
    reading,
    reasons,
)
from tests.fhir.records import medication_request as request
from tests.fhir.records import service_request as service


def order(resource: dict[str, Any], *others: Any) -> Order:
    fact = next(fact for fact in facts(resource, *others) if fact.ref.id == resource["id"])
    assert isinstance(fact, Order)
    return fact


def test_an_order_of_one_visit() -> None:
    body = request(
        meta={"versionId": "2", "lastUpdated": "2026-11-20T10:00:00Z"},
        identifier=[{"system": "urn:orders", "value": "77"}],
        dosageInstruction=[{"text": "600 mg IV once", **dose(600, count=1)}],
        dispenseRequest={
            "quantity": quantity(20, "mL"),
            "numberOfRepeatsAllowed": 1,
            "validityPeriod": {"start": "2026-11-01", "end": "2027-05-01"},
            "performer": {"reference": "Organization/ph", "display": "Specialty pharmacy"},
        },
        requester={"reference": "Practitioner/dr"},
        authoredOn="2026-11-19T08:00:00-05:00",
    )
    fact = order(body)
    assert str(fact.ref) == "ehr:MedicationRequest/o-1/_history/2"
    assert fact.patient is not None
    assert fact.patient.name == "ehr:Patient/p-7"
    assert fact.names == {"ehr:MedicationRequest/o-1", "urn:orders|77"}
    assert fact.codes == (Code(RXNORM, "1876380", "ocrelizumab 30 MG/ML"),)
    assert fact.text == "600 mg IV once"
    assert (fact.state, fact.kind) == (State.ACTIVE, "medication")
    assert (fact.per_visit, fact.visits) == (in_mg(600), 1)
    assert (fact.per_fill, fact.fills) == (Amount(Decimal(20), "mL"), 2)
    assert fact.window == Span(date(2026, 11, 1), date(2027, 5, 1))
    assert fact.dispenser is not None
    assert fact.dispenser.reference == "Organization/ph"
    assert fact.requester is not None
    assert fact.requester.reference == "Practitioner/dr"
    assert fact.problems == ()


@pytest.mark.parametrize(
    ("status", "intent", "state"),
    [
        ("active", "order", State.ACTIVE),
        ("active", "plan", State.PLANNED),
        ("active", "proposal", State.PLANNED),
        ("active", "option", State.PLANNED),
        ("on-hold", "order", State.HELD),
        ("completed", "order", State.DONE),
        ("stopped", "order", State.WITHDRAWN),
        ("cancelled", "order", State.WITHDRAWN),
        ("cancelled", "plan", State.WITHDRAWN),
        ("draft", "order", State.PLANNED),
        ("entered-in-error", "plan", State.WRONG),
        ("unknown", "order", State.UNKNOWN),
        ("aktiv", "order", State.UNKNOWN),
    ],
)
def test_status_and_intent_make_the_state(status: str, intent: str, state: State) -> None:
    assert order(request(status=status, intent=intent)).state is state


@pytest.mark.parametrize(
    ("substitution", "any_brand"),
    [
        ({}, False),
        ({"allowedBoolean": True}, True),
        ({"allowedBoolean": False}, False),
        ({"allowedBoolean": "yes"}, False),
        ({"allowedCodeableConcept": {"coding": [{"code": "N"}]}}, False),
        ({"allowedCodeableConcept": {"coding": [{"code": "TE"}]}}, True),
        ({"allowedCodeableConcept": {"text": "ask me"}}, False),
    ],
)
def test_another_brand_only_where_the_prescriber_says_so(
    substitution: dict[str, Any], any_brand: bool
) -> None:
    assert order(request(substitution=substitution)).any_brand is any_brand
    assert order(request()).any_brand is False


def test_do_not_perform_is_no_order() -> None:
    fact = order(request(doNotPerform=True))
    assert fact.state is State.WITHDRAWN
    assert "do-not-perform" in reasons(fact)


@pytest.mark.parametrize(
    ("instructions", "per_visit", "visits", "spacing"),
    [
        ([dose(300, count=2, frequency=1, period=14, periodUnit="d")], "300", 2, 14),
        ([dose(600)], "600", None, None),
        ([dose(600, frequency=1, period=24, periodUnit="wk")], "600", None, 168),
        (
            [
                dose(
                    600,
                    frequency=1,
                    period=6,
                    periodUnit="mo",
                    boundsDuration={"value": 12, "code": "mo"},
                )
            ],
            "600",
            2,
            183,
        ),
        (
            [
                dose(
                    300,
                    frequency=1,
                    period=2,
                    periodUnit="wk",
                    boundsPeriod={"start": "2026-12-01", "end": "2026-12-15"},
                )
            ],
            "300",
            2,
            14,
        ),
        ([{"sequence": 1, **dose(300)}, {"sequence": 2, **dose(300)}], "300", 2, None),
        (
            [{"sequence": 1, **dose(12, count=3)}, {"sequence": 2, **dose(12, count=2)}],
            "12",
            5,
            None,
        ),
    ],
)
def test_visits(
    instructions: list[Any], per_visit: str, visits: int | None, spacing: int | None
) -> None:
    fact = order(request(dosageInstruction=instructions))
    assert fact.per_visit == in_mg(per_visit)
    assert (fact.visits, fact.spacing_days) == (visits, spacing)
    assert fact.problems == ()


def test_events_are_days_and_visits() -> None:
    row = {
        "doseAndRate": [{"doseQuantity": mg(300)}],
        "timing": {"event": ["2026-12-22T03:00:00Z", "2026-12-07"]},
    }
    fact = order(request(dosageInstruction=[row]))
    assert fact.days == (date(2026, 12, 7), date(2026, 12, 21))  # the evening before in New York
    assert (fact.visits, fact.spacing_days) == (2, 14)


def test_different_doses_are_not_chosen_among() -> None:
    rows = [{"sequence": 1, **dose(150)}, {"sequence": 2, **dose(450)}]
    fact = order(request(dosageInstruction=rows))
    assert (fact.per_visit, fact.visits) == (None, None)
    assert fact.problems[0].reason == "doses-differ"
    assert fact.problems[0].readings == ("150 mg", "450 mg")


def test_equal_words_one_after_the_other_are_so_many_visits() -> None:
    rows = [
        {"sequence": n, "text": "300 mg IV", "timing": {"repeat": {"count": 1}}} for n in (1, 2)
    ]
    fact = order(request(dosageInstruction=rows))
    assert (fact.visits, fact.text) == (2, "300 mg IV")
    rows[1]["text"] = "Flush"
    assert order(request(dosageInstruction=rows)).visits is None


def test_the_routes_stand_after_the_words() -> None:
    rows = [{**dose(300), "text": "as told", "route": {"text": "IV infusion"}} for _ in (1, 2)]
    assert order(request(dosageInstruction=rows)).text.splitlines()[-2:] == [
        "as told",
        "intravenous",
    ]


def test_equal_doses_without_sequence_or_days_may_be_one_visit() -> None:
    fact = order(request(dosageInstruction=[dose(300), dose(300)]))
    assert (fact.per_visit, fact.visits) == (None, None)
    assert reasons(fact) == ["doses-unclear"]


def test_a_range_of_equal_ends_is_a_dose() -> None:
    same = {"doseAndRate": [{"doseRange": {"low": mg(600), "high": mg("600.0")}}]}
    wide = {"doseAndRate": [{"doseRange": {"low": mg(300), "high": mg(600)}}]}
    assert order(request(dosageInstruction=[same])).per_visit == in_mg(600)
    fact = order(request(dosageInstruction=[wide]))
    assert fact.per_visit is None
    assert reasons(fact) == ["not-exact"]


def test_an_ordered_dose_goes_before_a_calculated_one() -> None:
    rates = [
        {"type": concept("calculated"), "doseQuantity": mg(590)},
        {"type": concept("ordered"), "doseQuantity": mg(600)},
    ]
    assert order(request(dosageInstruction=[{"doseAndRate": rates}])).per_visit == in_mg(600)


def test_count_and_events_that_disagree() -> None:
    row = {**dose(300, count=1), "text": "300 mg x 2"}
    row["timing"]["event"] = ["2026-12-07", "2026-12-21"]
    fact = order(request(dosageInstruction=[row]))
    assert (fact.visits, fact.text) == (None, "300 mg x 2")
    assert reasons(fact) == ["visits-differ"]


def test_count_and_another_count_max() -> None:
    fact = order(request(dosageInstruction=[dose(300, count=1, countMax=2)]))
    assert fact.visits is None
    assert fact.problems[0].said == "1–2"


def test_the_bounds_stand_in_for_a_missing_validity_period() -> None:
    bounds = {"start": "2026-12", "end": "2026-12-15"}
    fact = order(request(dosageInstruction=[dose(300, boundsPeriod=bounds)]))
    assert fact.window == Span(date(2026, 12, 1), date(2026, 12, 15))


def test_links_of_an_order() -> None:
    body = request(
        intent="filler-order",
        basedOn=[{"reference": "MedicationRequest/o-0/_history/3"}],
        insurance=[
            {"reference": "https://payer.example/fhir/ClaimResponse/r"},
            {"identifier": {"system": "urn:auth", "value": "A1"}},
        ],
        priorPrescription={"reference": "MedicationRequest/old"},
        groupIdentifier={"system": "urn:req", "value": "9"},
    )
    found = reading(body, bases={"https://payer.example/fhir": "payer"}).facts[0]
    assert isinstance(found, Order)
    assert found.links == (
        Link("ehr:MedicationRequest/o-0", 0, "based on"),
        Link("payer:ClaimResponse/r", 0, "insurance"),
        Link("urn:auth|A1", 1, "insurance"),
        Link("ehr:MedicationRequest/old", 0, "prior prescription"),
    )
    assert found.parent == "ehr:MedicationRequest/o-0"
    assert found.chain == "ehr:MedicationRequest/old"
    assert found.requisition == "urn:req|9"


def test_a_medication_elsewhere_gives_its_codes_and_those_of_its_ingredients() -> None:
    ingredient = {"itemCodeableConcept": {"coding": [{"system": RXNORM, "code": "1876366"}]}}
    medication = {
        "resourceType": "Medication",
        "id": "m",
        "code": {**OCREVUS, "text": "Ocrevus"},
        "ingredient": [ingredient],
    }
    for body, others in (
        (request(medicationReference={"reference": "Medication/m"}), [medication]),
        (request(medicationReference={"reference": "#m"}, contained=[medication]), []),
    ):
        del body["medicationCodeableConcept"]
        fact = order(body, *others)
        assert [code.code for code in fact.codes] == ["1876380", "1876366"]
        assert fact.text == "Ocrevus"


def test_a_medication_that_was_not_read() -> None:
    body = request(medicationReference={"reference": "Medication/m", "display": "Ocrevus"})
    del body["medicationCodeableConcept"]
    fact = order(body)
    assert (fact.codes, fact.text) == ((), "Ocrevus")
    assert reasons(fact) == ["not-read"]


def test_an_order_for_the_administration() -> None:
    body = service(
        code=INFUSION,
        quantityQuantity=quantity(2, "visits"),
        occurrencePeriod={"start": "2026-12-01", "end": "2026-12-31"},
        locationCode=[concept("PTRES")],
        basedOn=[{"reference": "MedicationRequest/o-1"}],
        performer=[{"reference": "Organization/inf"}],
        requisition={"value": "R"},
    )
    fact = order(body)
    assert (fact.kind, fact.visits, fact.total) == ("service", 2, None)
    assert fact.window == Span(date(2026, 12, 1), date(2026, 12, 31))
    assert fact.site.kind == "home"
    assert fact.performer is not None
    assert fact.performer.reference == "Organization/inf"
    assert fact.requisition == "|R"
    assert Link("ehr:MedicationRequest/o-1", 0, "based on") in fact.links


def test_occurrences_of_a_service() -> None:
    assert order(service(occurrenceDateTime="2026-12-08")).days == (date(2026, 12, 8),)
    fact = order(service(occurrenceTiming={"repeat": {"count": 2}}))
    assert fact.visits == 2


def test_a_visit_count_that_is_no_whole_number() -> None:
    fact = order(service(quantityQuantity=quantity("1.5", "visits")))
    assert (fact.visits, fact.total) == (None, None)
    assert reasons(fact) == ["not-a-number"]


def test_an_inpatient_order_is_for_a_hospital() -> None:
    assert order(request(category=[concept("inpatient")])).site.kind == "hospital"
    assert order(request(category=[concept("community")])).site.kind == "unknown"


def test_all_texts_of_a_dosage() -> None:
    row = {
        "text": "600 mg IV",
        "patientInstruction": "arrive early",
        "additionalInstruction": [{"text": "premedicate"}, concept("x")],
        "timing": {"code": {"text": "every 24 weeks"}},
    }
    fact = order(request(dosageInstruction=[row], note=[{"text": "confirm"}]))
    assert fact.text.splitlines() == [
        *("600 mg IV", "arrive early", "premedicate", "every 24 weeks", "confirm")
    ]
    assert (fact.per_visit, fact.visits) == (None, None)


def test_timings_of_several_instructions_without_a_dose() -> None:
    rows = [
        {"timing": {"event": ["2026-12-08"]}, "sequence": 1},
        {"timing": {"event": ["2026-12-22"]}, "sequence": 2},
    ]
    fact = order(request(dosageInstruction=rows))
    assert fact.days == (date(2026, 12, 8), date(2026, 12, 22))
    assert (fact.per_visit, fact.visits, fact.spacing_days) == (None, None, 14)


def test_doses_that_differ_within_one_instruction() -> None:
    rates = [{"doseQuantity": mg(300)}, {"doseQuantity": mg(600)}]
    fact = order(request(dosageInstruction=[{"doseAndRate": rates}]))
    assert fact.per_visit is None
    assert reasons(fact) == ["doses-differ"]


def test_an_endless_rhythm_among_instructions_has_no_count() -> None:
    rows = [
        {"sequence": 1, **dose(300, count=2)},
        {"sequence": 2, **dose(300, frequency=1, period=6, periodUnit="mo")},
    ]
    fact = order(request(dosageInstruction=rows))
    assert (fact.per_visit, fact.visits, fact.spacing_days) == (in_mg(300), None, 183)


def test_a_single_day_as_bounds() -> None:
    bounds = {"start": "2026-12-08", "end": "2026-12-08"}
    fact = order(request(dosageInstruction=[dose(600, boundsPeriod=bounds)]))
    assert (fact.days, fact.visits) == ((date(2026, 12, 8),), 1)


def test_rhythms_that_are_no_number() -> None:
    for timing in (
        {"frequency": 1, "period": 2, "periodMax": 3, "periodUnit": "wk"},
        {"frequency": 1, "period": 2, "periodUnit": "fortnight"},
        {"frequency": 1, "period": 0, "periodUnit": "wk"},
    ):
        fact = order(request(dosageInstruction=[dose(600, **timing)]))
        assert (fact.visits, fact.spacing_days) == (None, None)


def test_the_first_fill_stands_in_for_the_fill() -> None:
    fact = order(request(dispenseRequest={"initialFill": {"quantity": quantity(4, "{each}")}}))
    assert (fact.per_fill, fact.fills) == (Amount(Decimal(4), "{each}"), None)


def test_what_is_damaged_is_said_once() -> None:
    body = request(intent=["order"], dosageInstruction=[{"text": "x", "timing": "q2w"}])
    problems = facts(body)[0].problems
    assert [(problem.reason, problem.at) for problem in problems] == [
        ("wrong-shape", "MedicationRequest.timing"),
        ("wrong-shape", "MedicationRequest.intent"),
        ("missing", "MedicationRequest.intent"),
    ]


def test_codings_of_which_not_all_is_text() -> None:
    codings = [
        {"system": 3, "code": " J2350 ", "display": None},
        {"system": "urn:s", "code": " ", "display": "no code"},
        {"system": " urn:s ", "code": "1 "},
    ]
    fact = order(request(medicationCodeableConcept={"coding": codings}))
    assert fact.codes == (Code("", "J2350"), Code("urn:s", "1"))
    assert reasons(fact) == ["wrong-shape"]
