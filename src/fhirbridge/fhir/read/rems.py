"""Enrollment in a safety program: the GuidanceResponse of `$rems-etasu` -> `Evidence`.

Source: HL7 Medication REMS guide, `$rems-etasu` output. The answer as a whole is `success` when
every element to assure safe use is met; its output parameters hold one GuidanceResponse for each
element, whose name says whom it concerns ("Prescriber Enrollment"). A parameter whose name says
that something expires holds the last day of the enrollment.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from fhirbridge.core.facts import Evidence, Fact, State

from .page import Page
from .snapshot import Json
from .values import lines

SUCCESS = "success"
#: GuidanceResponse.status -> state.
STATES = {
    "success": State.DONE,
    "data-requested": State.ACTIVE,
    "data-required": State.ACTIVE,
    "in-progress": State.ACTIVE,
    "failure": State.ACTIVE,
    "entered-in-error": State.WRONG,
}
#: Words in the name of an element -> who has to be enrolled.
WHO = {
    "patient": "patient",
    "prescriber": "prescriber",
    "pharmac": "pharmacy",
    "dispens": "pharmacy",
    "facility": "facility",
    "infusion site": "facility",
    "health care setting": "facility",
    "healthcare setting": "facility",
}


def guidance_response(page: Page) -> list[Fact]:
    """R4 GuidanceResponse: the answer as a whole, and one fact for each who it speaks of."""
    body = page.body
    page.person("subject")
    page.point_to_all("reasonReference", "reason")
    codes, module = page.concept(page.one(body, "moduleCodeableConcept"))
    for concept in page.rows(body, "reasonCode"):
        codes += page.codes_of(concept)
    words = [module, page.word(body, "moduleUri"), page.word(body, "moduleCanonical")]
    words += [page.word(row, "text") for row in page.rows(body, "note")]
    words += [page.word(row, "display") for row in page.rows(body, "reasonReference")]
    state = page.state(STATES)
    parameters = page.rows(page.target(page.one(body, "outputParameters")) or {}, "parameter")
    met: dict[str, bool] = {"": page.word(body, "status") == SUCCESS}
    until: date | None = None
    for parameter in parameters:
        until = until or _expires(page, parameter)
        for who, ok in _elements(page, parameter):
            met[who] = met.get(who, True) and ok
    return [
        Evidence(
            ref=page.ref,
            patient=page.patient,
            names=frozenset({f"{page.name}#{who}" if who else page.name}),
            codes=codes,
            text=lines(words),
            state=state,
            updated=page.updated,
            what="enrollment",
            who=who,
            day=page.day(body, "occurrenceDateTime"),
            until=until,
            ok=ok,
            links=tuple(page.links),
            problems=tuple(page.problems),
        )
        for who, ok in met.items()
    ]


def _elements(page: Page, parameter: Json) -> Iterator[tuple[str, bool]]:
    """Whom an element concerns, and whether it is met."""
    name = page.word(parameter, "name").lower()
    answer = page.one(parameter, "resource")
    if answer.get("resourceType") != "GuidanceResponse":
        return
    for word, who in WHO.items():
        if word in name:
            yield who, page.word(answer, "status") == SUCCESS
            return


def _expires(page: Page, parameter: Json) -> date | None:
    if "expir" not in page.word(parameter, "name").lower():
        return None
    return page.day(parameter, "valueDate") or page.day(parameter, "valueDateTime")
