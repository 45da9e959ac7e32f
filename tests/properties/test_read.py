"""Whatever stands in a record becomes facts or Problems; order and copies make no difference."""

import copy
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.identity import join
from fhirbridge.fhir.read import Reading, Snapshot, read
from tests.fhir import records as r

ZONE = ZoneInfo("America/New_York")
VISIT = {"extension": [r.coverage_information(pa_needed="conditional", covered="covered")]}
PERIOD = {"start": "2026-11-01", "end": "2027-05"}

#: Every reader's resources with most of the elements that are read.
CHART: list[dict[str, Any]] = [
    {
        "resourceType": "Patient",
        "id": "p-7",
        "meta": {"versionId": "1", "lastUpdated": "2026-11-01T00:00:00Z"},
        "birthDate": "1980-02-01",
        "active": True,
        "identifier": [{"system": "urn:mrn", "value": "1", "use": "usual"}],
        "link": [{"other": {"reference": "Patient/p-8"}, "type": "seealso"}],
    },
    r.medication_request(
        identifier=[{"system": "urn:order", "value": "1"}],
        dosageInstruction=[
            {"sequence": 1, "text": "300 mg", **r.dose(300, count=1, boundsPeriod=PERIOD)},
            {"sequence": 2, **r.dose(300, frequency=1, period=14, periodUnit="d")},
        ],
        dispenseRequest={
            "quantity": r.quantity(20, "mL"),
            "numberOfRepeatsAllowed": 1,
            "validityPeriod": PERIOD,
            "performer": {"reference": "Organization/ph"},
        },
        extension=[
            r.coverage_information(
                coverage={"reference": "Coverage/v"},
                covered="covered",
                pa_needed="satisfied",
                satisfied_pa_id="AUTH1",
                date="2026-11-01",
                billingCode=r.J2350["coding"][0],
                detail=r.allowed("allowed-quantity", valueQuantity=r.quantity(600, "mg")),
            )
        ],
        insurance=[{"reference": "ClaimResponse/r-1"}],
        groupIdentifier={"system": "urn:req", "value": "9"},
        note=[{"text": "premedicate"}],
    ),
    r.service_request(
        code=r.INFUSION,
        occurrenceTiming={"event": ["2026-12-08"], "repeat": {"count": 1}},
        quantityQuantity=r.quantity(1, "visit"),
        locationCode=[r.concept("PTRES")],
        basedOn=[{"reference": "MedicationRequest/o-1"}],
    ),
    r.claim(
        r.claim_item(
            1,
            r.J2350,
            r.quantity(600),
            "MedicationRequest/o-1",
            locationCodeableConcept=r.concept("12", r.POS),
            servicedPeriod=PERIOD,
        ),
        r.claim_item(2, r.INFUSION, r.quantity(1, "visits"), servicedDate="2026-12-08"),
        related=[{"relationship": r.concept("prior"), "claim": {"reference": "Claim/c-0"}}],
        priority=r.concept("stat"),
    ),
    r.claim_response(
        {"itemSequence": 1, "adjudication": r.review("A6", "AUTH1"), "noteNumber": [1]},
        {
            "itemSequence": 2,
            "adjudication": r.review("A1", nested=False, reason="ok"),
            "extension": [
                r.detail(r.INFUSION, r.quantity(1)),
                {"url": f"{r.PAS}itemPreAuthPeriod", "valuePeriod": PERIOD},
                {"url": f"{r.PAS}itemPreAuthIssueDate", "valueDate": "2026-11-02"},
            ],
        },
        addItem=[
            {"itemSequence": [1], "productOrService": r.J2350, "quantity": r.quantity(300)},
        ],
        preAuthRef="AUTH1",
        preAuthPeriod=PERIOD,
        processNote=[{"number": 1, "text": "see letter"}],
    ),
    {**r.claim_response(disposition="Approved"), "id": "r-2", "request": {"reference": "Claim/x"}},
    r.eligibility(
        {
            "coverage": {"reference": "Coverage/v"},
            "inforce": True,
            "benefitPeriod": PERIOD,
            "item": [
                {
                    "productOrService": r.J2350,
                    "authorizationRequired": True,
                    "benefit": [{"type": r.concept("visit"), "allowedUnsignedInt": 2}],
                }
            ],
        },
        preAuthRef="AUTH1",
    ),
    r.appointment(
        participant=[{"actor": r.PATIENT}, {"actor": {"reference": "Location/l"}}],
        serviceType=[r.concept("infusion")],
        basedOn=[{"reference": "ServiceRequest/s-1"}],
        **VISIT,
    ),
    {
        "resourceType": "Location",
        "id": "l",
        "type": [r.concept("OF")],
        "physicalType": r.concept("ho"),
        "address": {"use": "home"},
        "extension": [
            {
                "url": "http://hl7.org/fhir/StructureDefinition/timezone",
                "valueCode": "America/Chicago",
            }
        ],
    },
    {
        **r.dispense(id="d-2", contained=[{"resourceType": "Medication", "id": "m"}]),
        "medicationCodeableConcept": None,
        "medicationReference": {"reference": "Medication/m"},
        "subject": {"identifier": {"system": "urn:mrn", "value": "1"}, "type": "Patient"},
    },
    {
        "resourceType": "Medication",
        "id": "m",
        "code": r.OCREVUS,
        "ingredient": [{"itemCodeableConcept": r.J2350}],
    },
    r.dispense(type=r.concept("FFP"), performer=[{"actor": {"reference": "Organization/ph"}}]),
    r.administration(request={"reference": "MedicationRequest/o-1"}),
    {
        "resourceType": "Coverage",
        "id": "v",
        "status": "active",
        "beneficiary": r.PATIENT,
        "period": PERIOD,
        "payor": [{"identifier": {"system": "urn:payer", "value": "1"}}],
        "order": 1,
    },
]

ANYTHING = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.decimals(allow_nan=True, allow_infinity=True)
    | st.text(max_size=12)
    | st.sampled_from(["2026-13-45", "9999-12-31T23:59:59-14:00", "q12h", "#", "a/b", "urn:uuid:x"])
    | st.sampled_from(
        ["2026-11", "0001-01-01", "2026-11-02T10:00:00", "active", "ClaimResponse/r-1"]
    )
    | st.just(Decimal("1E+999999")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["reference", "value", "code", "coding", "url", "extension", "start", "x"]
            ),
            inner,
            max_size=3,
        )
    ),
    max_leaves=5,
)


def places(node: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """The paths of all elements of a JSON document."""
    found = [path]
    if isinstance(node, dict):
        for key, value in node.items():
            found += places(value, (*path, key))
    elif isinstance(node, list):
        for index, value in enumerate(node):
            found += places(value, (*path, index))
    return found


PLACES = [place for place in places(CHART) if place]


def said(snapshot: list[Any]) -> Reading:
    return read(Snapshot("ehr", snapshot), ZONE)


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.sampled_from(PLACES), ANYTHING), min_size=1, max_size=3))
def test_anything_in_place_of_an_element_is_facts_or_problems(changes: list[Any]) -> None:
    chart = copy.deepcopy(CHART)
    for path, value in changes:
        node: Any = chart
        try:
            for step in path[:-1]:
                node = node[step]
            node[path[-1]] = value
        except (KeyError, IndexError, TypeError):
            continue  # an earlier change took the place away
    result = said(chart)
    assert hash(result.facts) is not None
    assert all(len(problem.said) <= 48 and str(problem) for problem in result.problems)
    assert repr(result)
    join(result.patients)


@settings(max_examples=100, deadline=None)
@given(st.lists(ANYTHING, max_size=4))
def test_anything_as_a_snapshot(resources: list[Any]) -> None:
    said(resources)


@settings(max_examples=50, deadline=None)
@given(st.permutations(CHART), st.lists(st.sampled_from(CHART), max_size=3))
def test_order_and_copies_make_no_difference(chart: list[Any], copies: list[Any]) -> None:
    assert said([*chart, *copies]) == said(CHART)


def test_the_chart_itself_is_sound() -> None:
    result = said(CHART)
    assert [problem.reason for problem in result.problems] == []
    assert len(result.facts) == 14
