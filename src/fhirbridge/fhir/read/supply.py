"""DISPENSED and GIVEN: MedicationDispense and MedicationAdministration.

Only a completed dispense is on hand; `in-progress` is the pharmacy's commitment, `preparation`
a promise; what is on hold (out of stock, to be clarified) is neither. A part fill (FFP, RFP: v3
ActPharmacySupplyType) says so itself. What was sent back has no status of its own in R4: the reason
of the status says it.
"""

from __future__ import annotations

from fhirbridge.core.facts import SOMEWHERE, Administration, Fact, Site, State, Supply

from .page import Page
from .places import site_of
from .routes import routes_in
from .values import lines

#: MedicationDispense.status -> state and stage.
STAGES = {
    "preparation": (State.ACTIVE, "promised"),
    "in-progress": (State.ACTIVE, "committed"),
    "completed": (State.DONE, "delivered"),
    "on-hold": (State.HELD, "none"),
    "cancelled": (State.WITHDRAWN, "none"),
    "declined": (State.WITHDRAWN, "none"),
    "stopped": (State.WITHDRAWN, "none"),
    "entered-in-error": (State.WRONG, "none"),
    "unknown": (State.UNKNOWN, "none"),
}
STATES = {status: state for status, (state, _) in STAGES.items()}

#: Stages in which the drug is not there yet.
COMING = frozenset({"promised", "committed"})

#: First fill, refill: part (also with an emergency supply code).
PARTIAL = frozenset({"FFP", "FFPS", "RFP", "RFPS"})

#: Of a MedicationAdministration: the end is to come.
RUNNING = frozenset({"in-progress", "on-hold"})

#: MedicationAdministration.status -> state and whether the dose was given completely.
GIVEN = {
    "in-progress": (State.ACTIVE, None),
    "completed": (State.DONE, True),
    "stopped": (State.DONE, False),
    "on-hold": (State.HELD, None),
    "not-done": (State.WITHDRAWN, None),
    "entered-in-error": (State.WRONG, None),
    "unknown": (State.UNKNOWN, None),
}
GIVEN_STATES = {status: state for status, (state, _) in GIVEN.items()}


def medication_dispense(page: Page) -> list[Fact]:
    """R4 MedicationDispense. `day`: handed over, else prepared (local days).

    Of a supply that is not handed over yet, that is the day on which it is expected.
    """
    body = page.body
    page.person("subject")
    codes, drug = page.medication()
    page.point_to_all("authorizingPrescription", "authorizing prescription")
    day = page.day(body, "whenHandedOver") or page.day(body, "whenPrepared")
    state, stage = STAGES.get(page.word(body, "status"), (State.UNKNOWN, "none"))
    reason = page.one(body, "statusReasonCodeableConcept")
    code, words = page.code_of(reason), page.words_of(reason)
    if state is not State.WRONG and "return" in f"{code} {words}".lower():
        stage = "returned"
    instructions = page.rows(body, "dosageInstruction")
    supply = Supply(
        ref=page.ref,
        patient=page.patient,
        names=page.names,
        codes=codes,
        text=lines(
            [
                drug,
                *[page.word(row, "text") for row in instructions],
                *routes_in(page, instructions),
            ]
        ),
        state=page.state(STATES),
        updated=page.updated,
        amount=page.amount(body, "quantity"),
        strengths=page.strengths(),
        stage=stage,
        partial=not PARTIAL.isdisjoint([code.code for code in page.codes(body, "type")]),
        day=day,
        expected=day if stage in COMING else None,
        pharmacy=page.first_party([page.one(row, "actor") for row in page.rows(body, "performer")]),
        destination=_destination(page) if "destination" in body else SOMEWHERE,
        reason=code or words,
        links=tuple(page.links),
        problems=tuple(page.problems),
    )
    return [supply]


def _destination(page: Page) -> Site:
    reference = page.one(page.body, "destination")
    return site_of(page, (), [reference] if reference else [])


def medication_administration(page: Page) -> list[Fact]:
    """R4 MedicationAdministration. `amount` is the whole dose given, not the rate."""
    body = page.body
    page.person("subject")
    codes, drug = page.medication()
    page.point_to("request", "request")
    dosage = page.one(body, "dosage")
    day = page.day(body, "effectiveDateTime")
    if day is None and (period := page.span(body, "effectivePeriod")):
        day = period.start
    dose = page.amount(dosage, "dose", "dosage.dose")
    administration = Administration(
        ref=page.ref,
        patient=page.patient,
        names=page.names,
        codes=codes,
        text=lines([drug, page.word(dosage, "text"), *routes_in(page, [dosage])]),
        state=page.state(GIVEN_STATES),
        updated=page.updated,
        # What runs, or is paused, was not given yet: another record says how much was in the end.
        amount=None if page.word(body, "status") in RUNNING else dose,
        strengths=page.strengths(),
        day=day,
        complete=GIVEN.get(page.word(body, "status"), (State.UNKNOWN, None))[1],
        links=tuple(page.links),
        problems=tuple(page.problems),
    )
    return [administration]
