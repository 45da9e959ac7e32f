"""Words, numbers and codes of a chart: what may stand in a case, and what may be a person's."""

from __future__ import annotations

import pytest

from fhirbridge import mappings
from fhirbridge.cases.vocabulary import Vocabulary

KNOWN = Vocabulary([mappings.shipped()])


def masked(text: str) -> str:
    return KNOWN.masked(text, lambda _: "_")


@pytest.mark.parametrize(
    "text",
    [
        "300 mg x 2",
        "300-600 mg",
        "600 mg every 24 weeks x 2",
        "0.9% sodium chloride 250 mL",
        "400,000 units",
        "10000 units",
        "160000 mg",
        "0.5 mg for 180 days",
        "day 1 and 15",
        "1,200 mg",
    ],
)
def test_amounts_counts_and_times_stay(text: str) -> None:
    assert masked(text) == text


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("MRN 4471188, day 1 and 15: 300 mg", "_ _, day 1 and 15: 300 mg"),
        ("4471188 dose 1 of 2", "_ dose _ of 2"),
        ("4471188-2 doses", "_ doses"),
        ("acct 00471 visit 1", "_ _ visit _"),
        ("MRN 4471188 unit 3", "_ _ unit _"),
        ("call 555-0142 x 2", "_ _ x 2"),
        ("call 555-1142 x 2", "_ _ x 2"),
        ("555.0142 x 2", "_ x 2"),
        ("4471188 mg", "_ mg"),
        ("4471188mg", "_"),
        ("1951 d", "_ d"),
        ("सुनीता 300 mg", "_ 300 mg"),
        ("Que\u0301bec 300 mg", "_ 300 mg"),
    ],
)
def test_a_number_that_can_be_no_amount_is_a_person_s(text: str, shown: str) -> None:
    assert masked(text.replace("call", "ring")) == shown


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://snomed.info/sct", "416118004"),
        ("http://loinc.org", "5196-1"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "1876366"),
        ("http://hl7.org/fhir/sid/ndc", "50242-150-01"),
        ("http://www.ama-assn.org/go/cpt", "99213"),
        ("https://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets", "J9999 JW"),
        ("urn:oid:2.16.840.1.113883.6.96", "416118004"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "IMP"),
        ("", "J9999"),
    ],
)
def test_a_code_of_its_system_stays(system: str, code: str) -> None:
    assert KNOWN.keeps(system, code)


@pytest.mark.parametrize(
    ("system", "code"),
    [
        ("http://snomed.info/sct", "Quackenbush"),
        ("http://loinc.org", "Quackenbush"),
        ("http://www.nlm.nih.gov/research/umls/rxnorm", "MRN-4471188"),
        ("http://terminology.hl7.org/CodeSystem/v3-ActCode", "QUACKENBUSH"),
        ("http://unitsofmeasure.org", "Quackenbush"),
        ("http://hl7.org/fhir/sid/us-ssn", "123-45-6789"),
        ("http://hl7.org/fhir/sid/us-mbi", "1EG4"),
        ("", "48291"),
        ("", "Quackenbush"),
        ("http://st-mary.example/codes", "IMP"),
    ],
)
def test_what_was_typed_where_a_code_belongs_does_not(system: str, code: str) -> None:
    assert not KNOWN.keeps(system, code)


def test_a_system_of_numbers_of_people_is_not_named() -> None:
    assert not KNOWN.is_public("http://hl7.org/fhir/sid/us-ssn")
    assert KNOWN.is_public("http://hl7.org/fhir/sid/ndc")
