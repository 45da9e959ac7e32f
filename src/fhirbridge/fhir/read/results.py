"""Laboratory results: Observation and DiagnosticReport -> `Evidence`.

Only that a result is there counts, and of which day it is; what it means is for a clinician to
say. The identifiers of a laboratory often name the specimen, and so many results: they name none.
"""

from __future__ import annotations

from datetime import date

from fhirbridge.core.facts import Code, Evidence, Fact, State

from .page import Page
from .values import lines

#: Observation.status and DiagnosticReport.status -> state. What is preliminary is no result yet.
STATES = {
    "registered": State.PLANNED,
    "partial": State.ACTIVE,
    "preliminary": State.ACTIVE,
    "final": State.DONE,
    "amended": State.DONE,
    "corrected": State.DONE,
    "appended": State.DONE,
    "cancelled": State.WITHDRAWN,
    "entered-in-error": State.WRONG,
    "unknown": State.UNKNOWN,
}
#: http://terminology.hl7.org/CodeSystem/observation-category, without `laboratory`: a chart holds
#: thousands of these, and none is a result that a label asks for.
NOT_OF_A_LABORATORY = frozenset(
    {"vital-signs", "social-history", "survey", "activity", "exam", "imaging", "therapy"}
)
#: Where the content of a report may stand.
CONTENT = ("result", "conclusion", "conclusionCode", "presentedForm")


def observation(page: Page) -> list[Fact]:
    """R4 Observation: a value of its own, of its components, or of its members."""
    body = page.body
    categories = {code.code for row in page.rows(body, "category") for code in page.codes_of(row)}
    if categories & NOT_OF_A_LABORATORY and "laboratory" not in categories:
        return []
    codes: tuple[Code, ...] = ()
    valued = any(key.startswith("value") for key in body) or "hasMember" in body
    for part in page.rows(body, "component"):
        codes += page.codes(part, "code")
        valued = valued or any(key.startswith("value") for key in part)
    return [_result(page, codes, present=valued)]


def diagnostic_report(page: Page) -> list[Fact]:
    """R4 DiagnosticReport: with results, a conclusion, or the report itself as a document."""
    return [_result(page, (), present=any(key in page.body for key in CONTENT))]


def _result(page: Page, more: tuple[Code, ...], *, present: bool) -> Evidence:
    body = page.body
    page.person("subject")
    codes, words = page.concept(page.one(body, "code"))
    state = page.state(STATES)
    return Evidence(
        ref=page.ref,
        patient=page.patient,
        names=frozenset({page.name}),
        codes=codes + more,
        text=lines([words]),
        state=state,
        updated=page.updated,
        what="result",
        day=_day(page),
        ok=present and state is State.DONE,
        links=tuple(page.links),
        problems=tuple(page.problems),
    )


def _day(page: Page) -> date | None:
    """When the specimen was taken, else when the result was issued."""
    body = page.body
    period = page.span(body, "effectivePeriod")
    return (
        page.day(body, "effectiveDateTime")
        or page.local(page.moment(body, "effectiveInstant"))
        or (period and (period.end or period.start))
        or page.local(page.moment(body, "issued"))
    )
