"""AUTHORIZED: ClaimResponse (preauthorization) with its Claim -> one `Authorization` an item.

Da Vinci PAS, where its versions differ:

- A1: what was asked is granted: the figures are the Claim's item, or `itemAuthorizedDetail`.
- A2, A6 with addItem of the same sequence: what is granted stands in addItem (2.2).
- A2, A6 without: `itemAuthorizedDetail` of the item is what is granted (2.0.1).
- A3 with a granted addItem, or a granted extra item, for the same sequence or code: payers'
  X12 systems answer so when they *modify*; it is no denial (2.2.1 specification.md).
- addItem with no sequence in common: a grant besides.

Figures: a quantity with one date of service is that visit's amount (`per_visit`, `visits` 1); with
a period, or no date, it is the `total`; in units of visits it is `visits`. An addItem without any
period of authorization is limited to its own date or period of service.

A plain answer without review actions is believed only when its disposition names a decision
(`decisions`); else it is UNKNOWN, which is no denial.

Of several answers to one request (also by way of updated Claims, `related` prior), the newest
counts; the others are WITHDRAWN with the reason "superseded".
"""

from __future__ import annotations

from datetime import date, datetime

from fhirbridge.core.facts import (
    ALWAYS,
    Authorization,
    Decision,
    Fact,
    Link,
    Party,
    Site,
    Span,
    State,
)
from fhirbridge.core.quantity import Amount
from fhirbridge.core.value import value

from .answers import superseded
from .decisions import GRANTS, grounds
from .elements import NOTHING
from .items import Line, decided_lines
from .page import NUMBER, Page
from .places import site_of, visits_in
from .snapshot import Json
from .values import lines, tail

STATES = {
    "active": State.ACTIVE,
    "cancelled": State.WITHDRAWN,
    "draft": State.PLANNED,
    "entered-in-error": State.WRONG,
}


#: What is billed with a Claim of this type; others tell nothing.
CHANNELS = {"pharmacy": "pharmacy", "professional": "medical", "institutional": "medical"}


@value(frozen=True, slots=True)
class Answer:
    """What the items of one answer share."""

    claim: Json
    state: State
    names: frozenset[str]
    numbers: frozenset[str]
    span: Span | None
    issued: datetime | None
    insurer: Party | None
    requestor: Party | None
    channel: str
    priority: str
    reason: str
    links: tuple[Link, ...]


def claim_response(page: Page) -> list[Fact]:
    """R4 ClaimResponse with use preauthorization; anything else is no authorization."""
    body = page.body
    use = page.word(body, "use")
    if use in ("claim", "predetermination"):
        return []
    if use != "preauthorization":
        page.doubt("unknown-code" if use else "missing", "use", use)
    page.person("patient")
    answer = _answer(page)
    found = decided_lines(page, answer.claim)
    return [_authorization(page, answer, line, position) for position, line in enumerate(found)]


def _answer(page: Page) -> Answer:
    body = page.body
    request = page.one(body, "request")
    claim = page.target(request) or NOTHING
    page.point((request,), "request")
    numbers = _numbers_of_all(page)
    state, reason = page.state(STATES), page.word(body, "disposition")
    if state is State.ACTIVE and superseded(page):
        state, reason = State.WITHDRAWN, "superseded"
    return Answer(
        claim=claim,
        state=state,
        names=page.names.union(
            page.identifiers(claim, "identifier"), [NUMBER + number for number in numbers]
        ),
        numbers=numbers,
        span=page.span(body, "preAuthPeriod"),
        issued=page.moment(body, "created"),
        insurer=page.party_of(page.one(body, "insurer") or page.one(claim, "insurer")),
        requestor=page.party_of(page.one(body, "requestor") or page.one(claim, "provider")),
        channel=CHANNELS.get(page.code_in(claim or body, "type"), "unknown"),
        priority="stat" if _is_urgent(page, claim) else page.code_in(claim, "priority"),
        reason=reason,
        links=tuple(page.links),
    )


def _numbers_of_all(page: Page) -> frozenset[str]:
    """The numbers of the answer as a whole: preAuthRef, and PAS's authorizationNumber."""
    part = page.parts(page.body).get(NUMBERED[0], NOTHING)
    found = page.word(page.body, "preAuthRef"), page.word(part, "valueString")
    return frozenset(filter(None, found))


def _is_urgent(page: Page, claim: Json) -> bool:
    if "extension" not in claim:
        return False
    return any(
        tail(row) == "levelOfServiceCode" and page.code_in(row, "valueCodeableConcept") == "U"
        for row in page.rows(claim, "extension")
    )


def _authorization(page: Page, answer: Answer, line: Line, position: int) -> Authorization:
    known = len(page.problems)
    day, period = _serviced(page, line)
    amount = _amount(page, line)
    visits, amount = visits_in(page, amount, "item.quantity")
    single = day is not None and amount is not None
    numbers = answer.numbers | _numbers(page, line)
    names = [NUMBER + number for number in numbers]
    links = _links(page, line)
    authorized = page.span(line.part("itemPreAuthPeriod"), "valuePeriod")
    service = Span(day, day) if line.added and day else period
    issued = page.moment(line.part("itemPreAuthIssueDate"), "valueDate")
    review = line.review or (line.parent.review if line.parent else None)
    reason = grounds(page, review) if review else ""
    return Authorization(
        ref=page.ref,
        patient=page.patient,
        names=answer.names.union(names, (f"{page.name}#{position}",)),
        links=answer.links + links,
        codes=line.codes,
        text=lines([*_words(page, line), page.word(page.body, "disposition"), *_notes(page, line)]),
        state=answer.state,
        updated=page.updated,
        problems=(*line.problems, *page.problems[known:]),
        decision=line.decision,
        document=page.name,
        per_visit=amount if single else None,
        visits=1 if single else visits,
        total=None if single else amount,
        span=authorized or answer.span or service or ALWAYS,
        numbers=numbers,
        issued=issued or answer.issued,
        site=_site(page, answer, line),
        provider=_provider(page, line),
        insurer=answer.insurer,
        requestor=answer.requestor,
        channel=answer.channel,
        priority=answer.priority,
        reason="superseded" if answer.reason == "superseded" else reason or answer.reason,
        reviewed=review is not None,
    )


def _amount(page: Page, line: Line) -> Amount | None:
    """The granted quantity; None where nothing says what was granted."""
    if line.decision not in GRANTS:
        return None
    if line.added:
        own = page.amount(line.row, "quantity", "addItem.quantity")
        return own or page.amount(line.detail.get("quantity", NOTHING), "valueQuantity")
    detail = page.amount(line.detail.get("quantity", NOTHING), "valueQuantity", "item.quantity")
    if line.decision is Decision.MODIFIED:
        return detail
    asked = page.amount(line.asked, "quantity", "Claim.item.quantity")
    if detail and asked and _differ(detail, asked):
        page.doubt("amounts-differ", "item.quantity", "", str(detail), str(asked))
        return None
    # The one that names its unit tells more; in PAS neither need to.
    return asked if asked and (asked.unit or asked.code or not detail) else detail


def _differ(one: Amount, other: Amount) -> bool:
    units = {(amount.code or amount.unit).lower() for amount in (one, other)} - {""}
    return one.value != other.value or len(units) > 1


def _serviced(page: Page, line: Line) -> tuple[date | None, Span | None]:
    """(one date, period) of service: of the line itself, else as it was asked."""
    for node in (line.row, line.asked):
        if "servicedDate" not in node and "servicedPeriod" not in node:
            continue
        day = page.day(node, "servicedDate")
        period = page.span(node, "servicedPeriod")
        if period and period.start and period.start == period.end:
            day = period.start
        if day or period:
            return day, period
    if "itemRequestedServiceDate" not in line.parts:
        return None, None
    part = line.parts["itemRequestedServiceDate"]
    return page.day(part, "valueDate"), page.span(part, "valuePeriod")


#: Extensions of an item that give a number of its authorization.
NUMBERED = ("authorizationNumber", "administrationReferenceNumber")


def _numbers(page: Page, line: Line) -> frozenset[str]:
    """The numbers of the line; an addItem goes by those of the item that it answers too."""
    review, parts = line.review or NOTHING, line.parts
    holders = (review.get("number"), parts.get(NUMBERED[0]), parts.get(NUMBERED[1]))
    found = [page.word(holder, "valueString") for holder in holders if holder]
    inherited = _numbers(page, line.parent) if line.parent else frozenset()
    return inherited.union(filter(None, found))


def _links(page: Page, line: Line) -> tuple[Link, ...]:
    """The order that the item asks to be authorized (requestedService: tier 0)."""
    parts = []
    if "extension" in line.asked:
        for part in page.rows(line.asked, "extension"):
            if tail(part) == "requestedService":
                parts.append(part)
    if "requestedService" in line.parts:
        parts.append(line.parts["requestedService"])
    if "authorizedService" in line.detail:
        parts.append(line.detail["authorizedService"])
    found = []
    for part in parts:
        for name in page.names_of(page.one(part, "valueReference")):
            if name not in found:
                found.append(name)
    return tuple([Link(name, tier, "requested service") for name, tier in found])


def _provider(page: Page, line: Line) -> Party | None:
    for part in page.rows(line.part("itemAuthorizedProvider"), "extension"):
        if tail(part) == "provider":
            return page.party(part, "valueReference")
    return page.first_party(page.rows(line.row, "provider"))


def _site(page: Page, answer: Answer, line: Line) -> Site:
    """Where it was granted; else where it was asked for, by item or by the Claim's facility."""
    own = "locationCodeableConcept" in line.row or "locationReference" in line.row
    node = line.row if own else line.asked
    codes = page.one(node, "locationCodeableConcept")
    reference = page.one(node, "locationReference")
    if not (codes or reference):
        reference = page.one(answer.claim, "facility")
    return site_of(page, [codes] if codes else [], [reference] if reference else [])


def _words(page: Page, line: Line) -> list[str]:
    return [page.words(line.row, "productOrService"), page.words(line.asked, "productOrService")]


def _notes(page: Page, line: Line) -> list[str]:
    """The process notes that a line refers to."""
    wanted = line.row.get("noteNumber")
    if not isinstance(wanted, list):
        return []
    rows = page.rows(page.body, "processNote")
    return [page.word(row, "text") for row in rows if row.get("number") in wanted]
