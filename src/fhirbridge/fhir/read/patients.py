"""Who it is about and who pays: Patient -> `PatientRecord`, Coverage -> `Coverage`."""

from __future__ import annotations

import re

from fhirbridge.core.facts import ALWAYS, Coverage, Fact, State
from fhirbridge.core.identity import PatientRecord

from .page import Page
from .values import day_in

COVERAGE_STATES = {
    "active": State.ACTIVE,
    "cancelled": State.WITHDRAWN,
    "draft": State.PLANNED,
    "entered-in-error": State.WRONG,
}


def patient(page: Page) -> PatientRecord:
    """What a Patient says that matters for joining records of one person."""
    body = page.body
    identifiers = [
        (page.word(row, "system"), page.word(row, "value"), page.word(row, "use"))
        for row in page.rows(body, "identifier")
    ]
    links = []
    for row in page.rows(body, "link"):
        for name, tier in page.names_of(page.one(row, "other")):
            if tier == 0:
                links.append((name, page.word(row, "type")))
    return PatientRecord(
        ref=page.ref,
        identifiers=tuple(identifiers),
        birth_date=_birth_date(page),
        links=tuple(links),
        active=page.flag(body, "active") is not False,
        deceased=page.flag(body, "deceasedBoolean") is True or "deceasedDateTime" in body,
    )


def coverage(page: Page) -> list[Fact]:
    """R4 Coverage. The member's number is a detail of the person and is not kept."""
    body = page.body
    page.person("beneficiary")
    if _pays_for_other_care(page):
        return []
    return [
        Coverage(
            ref=page.ref,
            patient=page.patient,
            names=page.names,
            codes=page.codes(body, "type"),
            state=page.state(COVERAGE_STATES),
            updated=page.updated,
            span=page.span(body, "period") or ALWAYS,
            payor=page.first_party(page.rows(body, "payor")),
            order=page.count(body, "order"),
            links=tuple(page.links),
            problems=tuple(page.problems),
        )
    ]


#: Insurance that pays for no infusion, by code (v3-ActCode ActCoverageTypeCode) or in words.
_OTHER_CARE = re.compile(
    r"(?:dental|vision)(?: care)?|dentprg|vispol|optical|eyewear|hearing aid|long[ -]term care|ltc"
    r"|life(?: insurance)?|disability|travel|pet"
)


def _pays_for_other_care(page: Page) -> bool:
    """A dental plan says neither that somebody is insured for the infusion nor that nobody is."""
    codes, words = page.concept(page.one(page.body, "type"))
    said = [words, *(code.display or code.code for code in codes)]
    named = [
        re.split(r" (?:plan|program|insurance|policy|coverage|benefits?)\b", each.lower())[0]
        for each in said
        if each
    ]
    return bool(named) and all(_OTHER_CARE.fullmatch(each.strip()) for each in named)


def _birth_date(page: Page) -> str | None:
    """A full birth date; a part of one joins nobody. It is never quoted in a Problem."""
    text = page.body.get("birthDate")
    if text is None:
        return None
    try:
        if type(text) is str:
            return day_in(text).isoformat()
    except ValueError:
        pass
    page.doubt("bad-date", "birthDate")
    return None
