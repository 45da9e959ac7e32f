"""ClaimResponse and Claim -> Authorization, in the meanings of PAS 2.0.1 and 2.2.1 and plain."""

from datetime import date
from decimal import Decimal
from typing import Any

import pytest

from fhirbridge.core.facts import ALWAYS, Authorization, Decision, Link, Span, State
from fhirbridge.core.quantity import Amount
from tests.fhir.records import (
    INFUSION,
    J2350,
    PAS,
    POS,
    claim,
    claim_item,
    claim_response,
    concept,
    detail,
    facts,
    quantity,
    reasons,
    review,
)

DRUG = claim_item(1, J2350, quantity(600), "MedicationRequest/o-1")
VISITS = claim_item(2, INFUSION, quantity(1, "visits"), "ServiceRequest/s-1")
YEAR = {"start": "2026-11-01", "end": "2027-10-31"}


def answers(*resources: dict[str, Any]) -> list[Authorization]:
    found = facts(*resources)
    assert all(isinstance(fact, Authorization) for fact in found)
    return [fact for fact in found if isinstance(fact, Authorization)]


def test_the_number_of_an_answer_may_be_an_extension_of_it() -> None:
    number = {"url": f"{PAS}authorizationNumber", "valueString": "N1"}
    body = claim_response({"itemSequence": 1}, extension=[number])
    (fact,) = answers(claim(DRUG), body)
    assert fact.numbers == {"N1"}
    assert "number|N1" in fact.names


def answer(*resources: dict[str, Any]) -> Authorization:
    (fact,) = answers(*resources)
    return fact


def item(sequence: int, code: str, *extension: Any, **more: Any) -> dict[str, Any]:
    row = {"itemSequence": sequence, "adjudication": review(code, **more)}
    return {**row, "extension": list(extension)} if extension else row


def added(*sequence: int, units: int = 300, **more: Any) -> dict[str, Any]:
    row = {"itemSequence": list(sequence), "productOrService": J2350, "quantity": quantity(units)}
    return {**row, **more}


def test_certified_in_total_is_what_was_asked() -> None:
    body = claim_response(item(1, "A1", number="AUTH0001"), preAuthPeriod=YEAR)
    drug = claim_item(
        1,
        J2350,
        quantity(600),
        "MedicationRequest/o-1",
        locationCodeableConcept=concept("12", POS),
    )
    fact = answer(claim(drug, priority=concept("stat"), provider={"display": "Office"}), body)
    assert (fact.decision, fact.state) == (Decision.APPROVED, State.ACTIVE)
    assert (fact.total, fact.per_visit, fact.visits) == (Amount(Decimal(600)), None, None)
    assert [code.code for code in fact.codes] == ["J2350"]
    assert fact.span == Span(date(2026, 11, 1), date(2027, 10, 31))
    assert fact.numbers == {"AUTH0001"}
    assert fact.names >= {"ehr:ClaimResponse/r-1", "number|AUTH0001"}
    assert fact.links == (
        Link("ehr:Claim/c-1", 0, "request"),
        Link("ehr:MedicationRequest/o-1", 0, "requested service"),
    )
    assert (fact.site.kind, fact.priority, fact.channel) == ("home", "stat", "medical")
    assert fact.requestor is not None
    assert fact.requestor.display == "Office"


@pytest.mark.parametrize("nested", [True, False])
@pytest.mark.parametrize(
    ("code", "decision"),
    [
        ("A1", Decision.APPROVED),
        ("A2", Decision.MODIFIED),
        ("A3", Decision.DENIED),
        ("A4", Decision.PENDED),
        ("A5", Decision.UNKNOWN),
        ("A6", Decision.MODIFIED),
        ("C", Decision.CANCELED),
        ("CT", Decision.CONTACT),
        ("NA", Decision.NOT_REQUIRED),
        ("ZZ", Decision.UNKNOWN),
    ],
)
def test_review_actions(code: str, decision: Decision, nested: bool) -> None:
    """The outcome is `complete` in all of them: it is never the decision."""
    fact = answer(claim(DRUG), claim_response(item(1, code, nested=nested)))
    assert fact.decision is decision
    if decision is not Decision.APPROVED:
        assert (fact.per_visit, fact.visits, fact.total) == (None, None, None)


def test_an_unknown_review_action_says_so() -> None:
    fact = answer(claim(DRUG), claim_response(item(1, "ZZ")))
    assert [(problem.reason, problem.said) for problem in fact.problems] == [("unknown-code", "ZZ")]


def test_modified_into_two_dates() -> None:
    """Right total, wrong visits: 600 asked, 300 on each of two dates granted (A6, 2.2.1)."""
    first, second = answers(
        claim(DRUG),
        claim_response(
            item(1, "A6", number="AUTH7"),
            addItem=[added(1, servicedDate="2026-12-08"), added(1, servicedDate="2026-12-22")],
        ),
    )
    for fact, day in ((first, date(2026, 12, 8)), (second, date(2026, 12, 22))):
        assert fact.decision is Decision.MODIFIED
        assert (fact.per_visit, fact.visits, fact.total) == (Amount(Decimal(300)), 1, None)
        assert fact.span == Span(day, day)
        assert fact.numbers == {"AUTH7"}
        assert Link("ehr:MedicationRequest/o-1", 0, "requested service") in fact.links
    assert first.document == second.document == "ehr:ClaimResponse/r-1"


def test_an_added_item_of_a_period_is_a_total() -> None:
    row = added(1, units=600, servicedPeriod=YEAR)
    fact = answer(claim(DRUG), claim_response(item(1, "A6"), addItem=[row]))
    assert (fact.per_visit, fact.visits, fact.total) == (None, None, Amount(Decimal(600)))
    assert fact.span == Span(date(2026, 11, 1), date(2027, 10, 31))


@pytest.mark.parametrize("code", ["A2", "A6"])
def test_modified_without_added_items_is_the_item_detail(code: str) -> None:
    """PAS 2.0.1: itemAuthorizedDetail is what was authorized, where it differs."""
    row = item(1, code, detail(concept("J2351"), quantity(920)))
    fact = answer(claim(DRUG), claim_response(row))
    assert fact.decision is Decision.MODIFIED
    assert [entry.code for entry in fact.codes] == ["J2351"]
    assert fact.total == Amount(Decimal(920))


def test_modified_with_added_items_repeats_the_request_in_the_item_detail() -> None:
    """PAS 2.2.1: the detail of the item is then the request, and not authorized."""
    row = item(1, "A6", detail(J2350, quantity(600)))
    fact = answer(claim(DRUG), claim_response(row, addItem=[added(1)]))
    assert fact.total == Amount(Decimal(300))


def test_a_denied_item_with_a_granted_addition_is_a_modification() -> None:
    found = answers(claim(DRUG), claim_response(item(1, "A3"), addItem=[added(1)]))
    assert [fact.decision for fact in found] == [Decision.MODIFIED]


def test_a_denied_item_with_an_extra_granted_item_of_the_same_code() -> None:
    extra = item(2, "A1", detail(J2350, quantity(300)))
    found = answers(claim(DRUG), claim_response(item(1, "A3"), extra))
    assert [fact.decision for fact in found] == [Decision.MODIFIED]
    assert found[0].total == Amount(Decimal(300))


def test_a_loose_addition_of_the_same_code_modifies() -> None:
    found = answers(claim(DRUG), claim_response(item(1, "A3"), addItem=[added(9)]))
    assert [fact.decision for fact in found] == [Decision.MODIFIED]


def test_a_denial_stands_beside_the_modification_of_another_item() -> None:
    other = claim_item(2, J2350, quantity(600))
    body = claim_response(item(1, "A3"), item(2, "A6"), addItem=[added(2)])
    found = answers(claim(DRUG, other), body)
    assert sorted(fact.decision for fact in found) == [Decision.DENIED, Decision.MODIFIED]


def test_a_denied_addition_grants_nothing() -> None:
    row = added(1, adjudication=review("A3"))
    found = answers(claim(DRUG), claim_response(item(1, "A3"), addItem=[row]))
    assert {fact.decision for fact in found} == {Decision.DENIED}


def test_two_items_without_the_claim_are_two_answers() -> None:
    found = answers(claim_response(item(1, "A3"), item(2, "A1")))
    assert [fact.decision for fact in found] == [Decision.DENIED, Decision.APPROVED]


def test_drug_and_administration_are_decided_apart() -> None:
    drug, visit = answers(claim(DRUG, VISITS), claim_response(item(1, "A4"), item(2, "A1")))
    assert (drug.decision, drug.total) == (Decision.PENDED, None)
    assert (visit.decision, visit.visits, visit.total) == (Decision.APPROVED, 1, None)
    assert [code.code for code in visit.codes] == ["96413"]
    assert Link("ehr:ServiceRequest/s-1", 0, "requested service") in visit.links
    assert Link("ehr:ServiceRequest/s-1", 0, "requested service") not in drug.links


def test_item_extensions() -> None:
    row = item(
        1,
        "A1",
        {"url": f"{PAS}itemPreAuthPeriod", "valuePeriod": {"start": "2026-12-01"}},
        {"url": f"{PAS}itemPreAuthIssueDate", "valueDate": "2026-11-03"},
        {"url": f"{PAS}authorizationNumber", "valueString": "N1"},
        {"url": f"{PAS}administrationReferenceNumber", "valueString": "N2"},
        {
            "url": f"{PAS}itemAuthorizedProvider",
            "extension": [{"url": "provider", "valueReference": {"reference": "Organization/x"}}],
        },
        reason="needs more",
    )
    fact = answer(claim(DRUG), claim_response(row, preAuthPeriod=YEAR, preAuthRef="N0"))
    assert fact.span == Span(date(2026, 12, 1), None)
    assert fact.numbers == {"N0", "N1", "N2"}
    assert fact.issued is not None
    assert fact.issued.date() == date(2026, 11, 3)
    assert fact.provider is not None
    assert fact.provider.reference == "Organization/x"
    assert fact.reason == "needs more"


def test_asked_for_one_date_is_the_amount_of_that_visit() -> None:
    drug = claim_item(1, J2350, quantity(600), servicedDate="2026-12-08")
    fact = answer(claim(drug), claim_response(item(1, "A1")))
    assert (fact.per_visit, fact.visits, fact.total) == (Amount(Decimal(600)), 1, None)
    assert fact.span == ALWAYS  # a date that was asked for limits nothing


def test_certified_in_total_but_with_another_amount_is_not_chosen() -> None:
    row = item(1, "A1", detail(J2350, quantity(300)))
    fact = answer(claim(DRUG), claim_response(row))
    assert fact.total is None
    assert reasons(fact) == ["amounts-differ"]
    assert fact.problems[0].readings == ("300", "600")


def test_an_item_taken_back_by_the_claim() -> None:
    by_flag = {"url": f"{PAS}modifierextension-infoCancelled", "valueBoolean": True}
    by_type = {"url": f"{PAS}certificationType", "valueCodeableConcept": concept("3")}
    for more in ({"modifierExtension": [by_flag]}, {"extension": [by_type]}):
        drug = claim_item(1, J2350, quantity(600), **more)
        assert answer(claim(drug), claim_response(item(1, "A1"))).decision is Decision.CANCELED


def test_a_cancelled_claim_or_answer() -> None:
    body = claim_response(item(1, "A1"))
    assert answer(claim(DRUG, status="cancelled"), body).decision is Decision.CANCELED
    fact = answer(claim(DRUG), {**body, "status": "cancelled"})
    assert (fact.decision, fact.state) == (Decision.CANCELED, State.WITHDRAWN)


def test_the_newest_answer_counts() -> None:
    old = claim_response(item(1, "A4"), created="2026-11-01")
    new = {**claim_response(item(1, "A1"), created="2026-11-02"), "id": "r-2"}
    first, second = answers(claim(DRUG), new, old)
    assert (first.state, first.reason) == (State.WITHDRAWN, "superseded")
    assert second.state is State.ACTIVE


def test_answers_of_the_same_age_both_stand() -> None:
    twin = {**claim_response(item(1, "A1")), "id": "r-2"}
    found = answers(claim(DRUG), claim_response(item(1, "A3")), twin)
    assert [fact.state for fact in found] == [State.ACTIVE, State.ACTIVE]


def test_an_updated_claim_supersedes_the_answer_to_the_prior_one() -> None:
    prior = {"relationship": concept("prior"), "claim": {"reference": "Claim/c-1"}}
    update = {**claim(DRUG, related=[prior]), "id": "c-2"}
    new = claim_response(
        item(1, "A1"), id="r-2", created="2026-11-09", request={"reference": "Claim/c-2"}
    )
    first, second = answers(claim(DRUG), update, claim_response(item(1, "A3")), new)
    assert (first.state, second.state) == (State.WITHDRAWN, State.ACTIVE)


def test_claims_that_name_each_other_as_prior() -> None:
    loop = {"relationship": concept("prior"), "claim": {"reference": "Claim/c-1"}}
    assert answer(claim(DRUG, related=[loop]), claim_response(item(1, "A1"))).total is not None


def test_a_claim_for_money_is_no_authorization() -> None:
    assert answers(claim_response(item(1, "A1"), use="claim")) == []


@pytest.mark.parametrize(
    ("disposition", "decision"),
    [
        ("Approved", Decision.APPROVED),
        ("Prior authorization approved.", Decision.APPROVED),
        ("Denied: not medically necessary", Decision.DENIED),
        ("Denied", Decision.DENIED),
        ("Not approved: step therapy", Decision.DENIED),
        ("Not required. Approved.", Decision.UNKNOWN),
        ("Approved. Subject to coverage", Decision.UNKNOWN),
        ("Approved; not a guarantee of payment", Decision.APPROVED),
        ("This approval is not a guarantee of coverage or payment. Approved", Decision.APPROVED),
        ("Approved, subject to the patient's eligibility", Decision.APPROVED),
        ("Approved, subject to eligibility review by 12/1", Decision.UNKNOWN),
        ("Not a guarantee of payment", Decision.UNKNOWN),
        ("Denied. This is not a guarantee of payment", Decision.DENIED),
        ("PA not needed", Decision.NOT_REQUIRED),
        ("No prior auth is required", Decision.NOT_REQUIRED),
        ("Auth required", Decision.UNKNOWN),
        ("Not approved", Decision.DENIED),
        ("Not yet approved", Decision.UNKNOWN),
        ("Approved unless denied", Decision.UNKNOWN),
        ("Approved, pending records", Decision.UNKNOWN),
        ("Partially approved", Decision.MODIFIED),
        ("Pended for review", Decision.PENDED),
        ("No prior authorization required", Decision.NOT_REQUIRED),
        ("Claim settled as per contract.", Decision.UNKNOWN),
        ("", Decision.UNKNOWN),
    ],
)
def test_plain_answers(disposition: str, decision: Decision) -> None:
    body = claim_response(disposition=disposition, preAuthRef="A1", preAuthPeriod=YEAR)
    fact = answer(claim(DRUG), body)
    assert fact.decision is decision
    assert fact.numbers == {"A1"}
    assert fact.total == (Amount(Decimal(600)) if decision is Decision.APPROVED else None)


def in_words(sequence: int, *categories: str) -> dict[str, Any]:
    """An item whose adjudications have these categories, as R4 alone has them."""
    rows = [{"category": {"coding": [{"code": each}]}} for each in categories]
    return {"itemSequence": sequence, "adjudication": rows}


@pytest.mark.parametrize(
    ("categories", "decision"),
    [
        (("denied",), Decision.DENIED),
        (("submitted", "approved"), Decision.APPROVED),
        (("submitted", "benefit"), Decision.PENDED),
        (("approved", "denied"), Decision.PENDED),
    ],
)
def test_words_of_an_item_count_before_those_of_the_answer(
    categories: tuple[str, ...], decision: Decision
) -> None:
    body = claim_response(
        in_words(1, *categories), in_words(2, "submitted"), outcome="partial", disposition="Pended"
    )
    drug, visits = answers(claim(DRUG, VISITS), body)
    assert (drug.decision, visits.decision) == (decision, Decision.PENDED)


def test_of_a_queued_answer_no_item_is_decided() -> None:
    body = claim_response(in_words(1, "approved"), outcome="queued", disposition="Approved")
    assert answer(claim(DRUG), body).decision is Decision.PENDED


def test_a_plain_item_that_is_denied_and_added_smaller_is_modified() -> None:
    body = claim_response(
        in_words(1, "denied"),
        addItem=[added(1, adjudication=in_words(1, "approved")["adjudication"])],
        outcome="complete",
        disposition="See items",
    )
    (fact,) = answers(claim(DRUG), body)
    assert fact.decision is Decision.MODIFIED


def test_a_plain_answer_without_its_claim_says_nothing_of_the_drug() -> None:
    fact = answer(claim_response(disposition="Approved"))
    assert (fact.decision, fact.codes, fact.total) == (Decision.APPROVED, (), None)


def test_a_queued_answer_is_pended() -> None:
    assert answer(claim_response(outcome="queued")).decision is Decision.PENDED


def test_a_plain_answer_with_an_added_item() -> None:
    body = claim_response(disposition="Approved", addItem=[added(1)])
    fact = answer(claim(DRUG), body)
    assert (fact.decision, fact.total) == (Decision.MODIFIED, Amount(Decimal(300)))


def test_a_contained_claim() -> None:
    body = claim_response(
        item(1, "A1"), contained=[{**claim(DRUG), "id": "c"}], request={"reference": "#c"}
    )
    assert answer(body).total == Amount(Decimal(600))


def test_a_quantity_that_is_no_number() -> None:
    drug = claim_item(1, J2350, {"value": "q12h"})
    fact = answer(claim(drug), claim_response(item(1, "A1")))
    assert fact.total == Amount(text="q12h")
    assert [(problem.reason, problem.said) for problem in fact.problems] == [
        ("not-a-number", "q12h")
    ]


def test_the_words_of_process_notes() -> None:
    row = {**item(1, "A3"), "noteNumber": [2]}
    notes = [{"number": 1, "text": "other"}, {"number": 2, "text": "step therapy"}]
    assert "step therapy" in answer(claim(DRUG), claim_response(row, processNote=notes)).text


def test_a_claim_that_is_meant_by_its_identifier() -> None:
    """PAS and CDex use logical references: the answer still finds what was asked."""
    number = {"system": "urn:plac", "value": "7"}
    asked = claim(DRUG, identifier=[number])
    other = {**claim(DRUG), "id": "c-2", "identifier": [{**number, "value": "8"}]}
    body = claim_response(item(1, "A1"), request={"identifier": number, "type": "Claim"})
    newer = {**claim_response(item(1, "A3"), created="2026-11-03"), "id": "r-2"}
    first, second = answers(asked, other, body, newer)
    assert first.total == Amount(Decimal(600))
    assert Link("urn:plac|7", 1, "request") in first.links
    assert (first.state, second.state) == (State.WITHDRAWN, State.ACTIVE)


def test_an_identifier_of_two_claims_means_neither() -> None:
    number = {"system": "urn:plac", "value": "7"}
    twins = [{**claim(DRUG, identifier=[number]), "id": name} for name in ("c-1", "c-2")]
    body = claim_response(item(1, "A1"), request={"identifier": number})
    assert answer(*twins, body).total is None


def test_a_request_marked_urgent() -> None:
    urgent = {"url": f"{PAS}levelOfServiceCode", "valueCodeableConcept": concept("U")}
    assert answer(claim(DRUG, extension=[urgent]), claim_response(item(1, "A1"))).priority == "stat"


def test_the_location_of_an_added_item() -> None:
    row = added(1, locationCodeableConcept=concept("12", POS))
    assert answer(claim(DRUG), claim_response(item(1, "A6"), addItem=[row])).site.kind == "home"
    place = {"resourceType": "Location", "id": "x", "type": [concept("OF")]}
    row = added(1, locationReference={"reference": "Location/x"})
    body = claim_response(item(1, "A6"), addItem=[row])
    assert answer(claim(DRUG), body, place).site.kind == "office"


def test_codes_of_the_details_of_an_item() -> None:
    drug = claim_item(1, concept("bundle"), None, detail=[{"productOrService": J2350}])
    fact = answer(claim(drug), claim_response(item(1, "A1")))
    assert [code.code for code in fact.codes] == ["bundle", "J2350"]


def test_a_service_of_one_day_as_a_period() -> None:
    day = {"start": "2026-12-08", "end": "2026-12-08"}
    fact = answer(
        claim(DRUG), claim_response(item(1, "A6"), addItem=[added(1, servicedPeriod=day)])
    )
    assert (fact.per_visit, fact.visits) == (Amount(Decimal(300)), 1)


def test_an_addition_that_restates_an_approved_item_counts_once() -> None:
    restated = claim_response(item(1, "A1"), addItem=[added(1, units=600)])
    fact = answer(claim(DRUG), restated)
    assert (fact.decision, fact.total) == (Decision.APPROVED, Amount(Decimal(600)))
    other = {"itemSequence": [1], "productOrService": INFUSION, "quantity": quantity(1, "visit")}
    found = answers(claim(DRUG), claim_response(item(1, "A1"), addItem=[other]))
    assert [(fact.decision, fact.visits) for fact in found] == [
        (Decision.APPROVED, None),
        (Decision.APPROVED, 1),
    ]


def test_the_same_number_in_two_units_is_not_chosen_among() -> None:
    row = item(1, "A1", detail(J2350, quantity(600, "mL")))
    drug = claim_item(1, J2350, quantity(600, "mg"))
    assert answer(claim(drug), claim_response(row)).total is None


def test_a_review_action_among_codings_of_the_payer() -> None:
    def decided(*codes: str) -> Decision:
        row = item(1, "A1")
        (part,) = row["adjudication"][0]["extension"][0]["extension"]
        part["valueCodeableConcept"] = {"coding": [{"code": code} for code in codes]}
        return answer(claim(DRUG), claim_response(row)).decision

    assert decided("APPROVED", "A1") is Decision.APPROVED
    assert decided("A1", "A3") is Decision.UNKNOWN


def test_the_facility_of_the_claim_stands_in_for_the_location() -> None:
    place = {"resourceType": "Location", "id": "x", "type": [concept("HOSP")]}
    asked = claim(DRUG, facility={"reference": "Location/x"})
    assert answer(asked, claim_response(item(1, "A1")), place).site.kind == "hospital"


def test_two_digits_are_a_place_only_in_the_code_set_of_places() -> None:
    for system, kind in ((POS, "home"), ("", "home"), ("https://nubc.org/bills", "unknown")):
        drug = claim_item(1, J2350, None, locationCodeableConcept=concept("12", system))
        assert answer(claim(drug), claim_response(item(1, "A1"))).site.kind == kind
