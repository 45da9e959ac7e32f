"""ORDERED: MedicationRequest and ServiceRequest -> `Order`, and what a payer wrote onto them.

Only orders that somebody may act on are ACTIVE: a plan, a proposal or an option is PLANNED
whatever its status says (R4 request-intent). Orders that fill or carry out another one
(`filler-order`, `instance-order`) name it as `parent`, so that one dose is not counted twice.

`window` is MedicationRequest.dispenseRequest.validityPeriod, the days in which the order may be
filled. Only where that is absent, the bounds of the timing stand in for it.

`text` holds one text of the record on each line: the words of the drug, then each dosage text,
then the notes.
"""

from __future__ import annotations

from datetime import date

from fhirbridge.core.facts import ALWAYS, SOMEWHERE, Fact, Order, Site, Span, State
from fhirbridge.core.quantity import Amount

from .coverage_information import coverage_information
from .page import Page
from .places import site_of, visits_in
from .snapshot import Json
from .timing import Times, doses, times
from .values import lines

#: MedicationRequest.status (medicationrequest-status) and ServiceRequest.status (request-status).
STATES = {
    "active": State.ACTIVE,
    "on-hold": State.HELD,
    "completed": State.DONE,
    "cancelled": State.WITHDRAWN,
    "stopped": State.WITHDRAWN,
    "revoked": State.WITHDRAWN,
    "draft": State.PLANNED,
    "entered-in-error": State.WRONG,
    "unknown": State.UNKNOWN,
}

#: Intents that say a thought, not an instruction.
THOUGHTS = frozenset({"proposal", "plan", "option"})

#: Intents of an order that carries out another one.
CHILDREN = frozenset({"filler-order", "instance-order"})

INTENTS = THOUGHTS | CHILDREN | {"order", "original-order", "reflex-order", "directive"}


def medication_request(page: Page) -> list[Fact]:
    """R4 MedicationRequest. `fills` counts the first fill (numberOfRepeatsAllowed does not)."""
    body = page.body
    page.person("subject")
    codes, drug = page.medication()
    dose = doses(page, page.rows(body, "dosageInstruction"))
    supply = page.one(body, "dispenseRequest")
    per_fill, fills = _fills(page, supply)
    valid = page.span(supply, "validityPeriod", "dispenseRequest.validityPeriod")
    point_at_requests(page)
    prior = page.point_to("priorPrescription", "prior prescription")
    intent = page.word(body, "intent")
    state = _state(page, intent)
    order = Order(
        ref=page.ref,
        patient=page.patient,
        names=page.names,
        codes=codes,
        text=lines([drug, dose.text, *_notes(page)]),
        state=state,
        updated=page.updated,
        kind="medication",
        per_visit=dose.per_visit,
        strengths=page.strengths(),
        any_brand=_any_brand(page),
        visits=dose.times.visits,
        per_fill=per_fill,
        fills=fills,
        days=dose.times.days,
        window=valid or dose.times.bounds or ALWAYS,
        spacing_days=dose.times.spacing_days,
        authored=page.moment(body, "authoredOn"),
        site=_ward(page) if "category" in body else SOMEWHERE,
        requester=page.party(body, "requester"),
        dispenser=page.party(supply, "performer"),
        performer=page.party(body, "performer"),
        requisition=next(iter(page.identifiers(body, "groupIdentifier")), None),
        chain=prior,
        parent=_parent(page) if intent in CHILDREN else None,
        links=tuple(page.links),
        problems=tuple(page.problems),
    )
    return [order, *coverage_information(page, order.codes, state, drug)]


def service_request(page: Page) -> list[Fact]:
    """R4 ServiceRequest: the order for the administration itself."""
    body = page.body
    page.person("subject")
    codes, words = page.concept(page.one(body, "code"))
    details = page.rows(body, "orderDetail")
    for detail in details:
        codes += page.codes_of(detail)
    when, window = _occurrence(page)
    amount = page.amount(body, "quantityQuantity")
    visits, total = visits_in(page, amount, "quantityQuantity")
    point_at_requests(page)
    prior = page.point_to_all("replaces", "replaces")
    performers = page.rows(body, "performer")
    intent = page.word(body, "intent")
    state = _state(page, intent)
    order = Order(
        ref=page.ref,
        patient=page.patient,
        names=page.names,
        codes=codes,
        text=lines(
            [
                words,
                *map(page.words_of, details),
                page.word(body, "patientInstruction"),
                *_notes(page),
            ]
        ),
        state=state,
        updated=page.updated,
        kind="service",
        visits=visits or when.visits,
        total=total,
        days=when.days,
        window=window or when.bounds or ALWAYS,
        spacing_days=when.spacing_days,
        authored=page.moment(body, "authoredOn"),
        site=site_of(page, page.rows(body, "locationCode"), page.rows(body, "locationReference")),
        requester=page.party(body, "requester"),
        performer=page.first_party(performers),
        requisition=next(iter(page.identifiers(body, "requisition")), None),
        chain=prior,
        parent=_parent(page) if intent in CHILDREN else None,
        links=tuple(page.links),
        problems=tuple(page.problems),
    )
    return [order, *coverage_information(page, order.codes, state, words)]


def point_at_requests(page: Page) -> None:
    """The links that every request has: what it rests on and what pays for it."""
    page.point_to_all("basedOn", "based on")
    page.point_to_all("insurance", "insurance")


def _state(page: Page, intent: str) -> State:
    state = page.state(STATES)
    if intent not in INTENTS:
        page.doubt("unknown-code" if intent else "missing", "intent", intent)
    if "doNotPerform" in page.body and page.flag(page.body, "doNotPerform"):
        page.doubt("do-not-perform", "doNotPerform")
        return State.WITHDRAWN
    if intent in THOUGHTS and state in (State.ACTIVE, State.HELD, State.DONE):
        return State.PLANNED
    return state


def _parent(page: Page) -> str | None:
    for reference in page.rows(page.body, "basedOn"):
        for name, _ in page.names_of(reference):
            return name
    return None


def _fills(page: Page, supply: Json) -> tuple[Amount | None, int | None]:
    per_fill = page.amount(supply, "quantity", "dispenseRequest.quantity")
    if per_fill is None:
        first = page.one(supply, "initialFill")
        per_fill = page.amount(first, "quantity", "dispenseRequest.initialFill.quantity")
    repeats = page.count(supply, "numberOfRepeatsAllowed")
    return per_fill, None if repeats is None else repeats + 1


def _notes(page: Page) -> list[str]:
    if "note" not in page.body:
        return []
    return [page.word(note, "text") for note in page.rows(page.body, "note")]


#: Codes of v3-substanceAdminSubstitution that allow no other product.
_NO_SUBSTITUTION = frozenset({"N"})


def _any_brand(page: Page) -> bool:
    """Whether the prescriber says that another brand may be handed out.

    R4 MedicationRequest.substitution says that nothing said allows it. Biologics are the other
    way around: only an interchangeable one is handed out without asking (FDA, Purple Book).
    """
    if "substitution" not in page.body:
        return False
    said = page.one(page.body, "substitution")
    if "allowedCodeableConcept" in said:
        codes, _ = page.concept(page.one(said, "allowedCodeableConcept"))
        return bool(codes) and not _NO_SUBSTITUTION.intersection(code.code for code in codes)
    return page.flag(said, "allowedBoolean") is True


def _ward(page: Page) -> Site:
    """The category says where the drug is taken; "community" may be home or an office."""
    for category in page.rows(page.body, "category"):
        if any(code.code == "inpatient" for code in page.codes_of(category)):
            return Site("hospital")
    return SOMEWHERE


def _occurrence(page: Page) -> tuple[Times, Span | None]:
    body = page.body
    if "occurrenceTiming" in body:
        return times(page, page.one(body, "occurrenceTiming")), None
    day: date | None = page.day(body, "occurrenceDateTime")
    if day:
        return Times(days=(day,)), None
    return Times(), page.span(body, "occurrencePeriod")
