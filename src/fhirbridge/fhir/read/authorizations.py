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

from dataclasses import dataclass, field
from datetime import date, datetime
from typing import Any

from fhirbridge.core.facts import (
    ALWAYS,
    Authorization,
    Code,
    Decision,
    Fact,
    Link,
    Party,
    Site,
    Span,
    State,
)
from fhirbridge.core.quantity import Amount

from .answers import superseded
from .decisions import decision_in, grounds, review_of, reviewed
from .elements import NOTHING, NUMBER, Page, lines, tail
from .places import site_of, visits_in
from .snapshot import Json

STATES = {
    "active": State.ACTIVE,
    "cancelled": State.WITHDRAWN,
    "draft": State.PLANNED,
    "entered-in-error": State.WRONG,
}

#: Decisions that grant something.
GRANTS = frozenset({Decision.APPROVED, Decision.MODIFIED})


@dataclass(slots=True)
class Line:
    """One item or addItem of an answer, while the answer is weighed as a whole."""

    row: Json
    asked: Json  # the item of the Claim; empty when there is none
    sequences: frozenset[int]
    added: bool
    review: Json | None
    decision: Decision
    loose: bool = False  # no item of the Claim is named by its sequence
    codes: tuple[Code, ...] = ()
    parent: Line | None = None  # the item that an addItem answers
    parts: dict[str, Json] = field(default_factory=dict)  # extensions by name
    detail: dict[str, Json] = field(default_factory=dict)  # of itemAuthorizedDetail


@dataclass(frozen=True, slots=True)
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
    page.person(page.one(body, "patient"))
    answer = _answer(page)
    found = _lines(page, answer.claim)
    plain = all(line.review is None for line in found)
    if plain:
        found = _plainly(page, found, answer.claim)
    else:
        _modifications(found)
        found = _without_replaced(found)
    if body.get("status") == "cancelled" or answer.claim.get("status") == "cancelled":
        for line in found:
            line.decision = Decision.CANCELED
    facts = [_authorization(page, answer, line, position) for position, line in enumerate(found)]
    return list(facts)


def _answer(page: Page) -> Answer:
    body = page.body
    request = page.one(body, "request")
    claim = page.target(request) or NOTHING
    page.point([request], "request")
    number = page.word(body, "preAuthRef")
    state, reason = page.state(STATES), page.word(body, "disposition")
    if superseded(page):
        state, reason = State.WITHDRAWN, "superseded"
    urgent = any(
        tail(row) == "levelOfServiceCode"
        and page.code_in(page.one(row, "valueCodeableConcept")) in ("U", "E", "03")
        for row in page.rows(claim, "extension")
    )
    kind = page.code_in(page.one(claim or body, "type"))
    channel = {"pharmacy": "pharmacy", "professional": "medical", "institutional": "medical"}
    return Answer(
        claim=claim,
        state=state,
        names=page.names.union(page.identifiers(claim), [NUMBER + number] if number else ()),
        numbers=frozenset([number] if number else ()),
        span=page.span(body, "preAuthPeriod"),
        issued=page.moment(body, "created"),
        insurer=page.party(page.one(body, "insurer") or page.one(claim, "insurer")),
        requestor=page.party(page.one(body, "requestor") or page.one(claim, "provider")),
        channel=channel.get(kind, "unknown"),
        priority="stat" if urgent else page.code_in(page.one(claim, "priority")),
        reason=reason,
        links=tuple(page.links),
    )


# -- which lines there are, and what was decided on each -----------------------------------------


def _lines(page: Page, claim: Json) -> list[Line]:
    asked: dict[int, Json] = {}
    for row in page.rows(claim, "item"):
        sequence = page.count(row, "sequence")
        if sequence is not None:
            asked[sequence] = row
    found = []
    for row in page.rows(page.body, "item"):
        sequence = page.count(row, "itemSequence", "item.itemSequence")
        own = asked.get(sequence, NOTHING) if sequence is not None else NOTHING
        found.append(_line(page, row, own, {sequence} - {None}, added=False))
    for row in page.rows(page.body, "addItem"):
        sequences = _sequences(page, row)
        own = next((asked[number] for number in sorted(sequences) if number in asked), NOTHING)
        found.append(_line(page, row, own, sequences, added=True))
    answered = {number for line in found if not line.added for number in line.sequences}
    for line in found:
        line.loose = not line.sequences & asked.keys() if asked else line.added
        line.loose = line.loose and not (line.added and line.sequences & answered)
    return found


def _sequences(page: Page, row: Json) -> set[Any]:
    value = row.get("itemSequence")
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    found = {page.count({"itemSequence": number}, "itemSequence") for number in numbers}
    return found - {None}


def _line(page: Page, row: Json, asked: Json, sequences: set[Any], *, added: bool) -> Line:
    review = review_of(page, row)
    parts = {tail(part): part for part in page.rows(row, "extension")}
    detail = {
        tail(part): part
        for part in page.rows(parts.get("itemAuthorizedDetail", NOTHING), "extension")
    }
    line = Line(
        row=row,
        asked=asked,
        sequences=frozenset(sequences),
        added=added,
        review=review,
        decision=reviewed(page, review) if review is not None else Decision.UNKNOWN,
        parts=parts,
        detail=detail,
    )
    line.codes = _codes(page, line)
    if _cancelled(page, asked):
        line.decision = Decision.CANCELED
    return line


def _codes(page: Page, line: Line) -> tuple[Code, ...]:
    """What the line is about: what was granted where it says so, else what was asked."""
    codes = page.codes(page.one(line.row, "productOrService"))
    part = line.detail.get("productOrServiceCode", NOTHING)
    codes += page.codes(page.one(part, "valueCodeableConcept"))
    if codes:
        return codes
    codes = page.codes(page.one(line.asked, "productOrService"))
    for row in page.rows(line.asked, "detail"):
        codes += page.codes(page.one(row, "productOrService"))
    return codes


def _cancelled(page: Page, asked: Json) -> bool:
    """An updated Claim takes an item back: infoCancelled, or certification type 3 (PAS)."""
    for part in (*page.rows(asked, "modifierExtension"), *page.rows(asked, "extension")):
        name = tail(part).removeprefix("modifierextension-")
        if name in ("infoCancelled", "infoCancelledFlag") and part.get("valueBoolean") is True:
            return True
        if (
            name == "certificationType"
            and page.code_in(page.one(part, "valueCodeableConcept")) == "3"
        ):
            return True
    return False


def _modifications(found: list[Line]) -> None:
    """An addItem without a decision of its own follows from the item that it belongs to."""
    turned = (Decision.MODIFIED, Decision.DENIED)
    for line in found:
        if not line.added or line.decision not in (Decision.UNKNOWN, Decision.APPROVED):
            continue
        parents = [other for other in found if not other.added and _same(other, line)]
        line.parent = next((other for other in parents if other.decision in turned), None)
        if line.parent is not None:
            line.decision = Decision.MODIFIED
        elif line.review is None:
            line.decision = Decision.APPROVED


def _without_replaced(found: list[Line]) -> list[Line]:
    """Items whose grant stands in another line are not answers of their own."""
    extras = [line for line in found if line.decision in GRANTS and (line.added or line.loose)]
    kept = []
    for line in found:
        replaced = line.decision in (Decision.MODIFIED, Decision.DENIED) and any(
            extra is not line and _same(line, extra) for extra in extras
        )
        if replaced and not line.added:
            continue
        kept.append(line)
    for extra in extras:
        denied = (line for line in found if line.decision is Decision.DENIED)
        if any(_same(line, extra) for line in denied):
            extra.decision = Decision.MODIFIED
    return kept


def _same(item: Line, other: Line) -> bool:
    """Whether two lines answer one request: a common sequence; a common code only where the
    other one names no item by its sequence."""
    if item.sequences & other.sequences:
        return True
    if not other.loose:
        return False
    codes = {(code.system, code.code) for code in item.codes}
    return any((code.system, code.code) in codes for code in other.codes)


def _plainly(page: Page, found: list[Line], claim: Json) -> list[Line]:
    """An answer without review actions: its disposition decides for all of its lines."""
    outcome = page.word(page.body, "outcome")
    decision = decision_in(page.word(page.body, "disposition"))
    if outcome == "queued":
        decision = Decision.PENDED
    elif outcome == "error":
        decision = Decision.UNKNOWN
    if not found:
        rows = page.rows(claim, "item") or [NOTHING]
        found = [
            _line(page, NOTHING, row, {page.count(row, "sequence")} - {None}, added=False)
            for row in rows
        ]
    added = [line for line in found if line.added]
    for line in found:
        if line.decision is not Decision.CANCELED:
            line.decision = decision
        if line.added and decision in GRANTS:
            line.decision = Decision.MODIFIED
    if decision in GRANTS and added:
        return [line for line in found if line.added or not any(_same(line, a) for a in added)]
    return found


# -- the figures of one line ---------------------------------------------------------------------


def _authorization(page: Page, answer: Answer, line: Line, position: int) -> Authorization:
    known = len(page.problems)
    day, period = _serviced(page, line)
    amount = _amount(page, line)
    visits, amount = visits_in(page, amount, "item.quantity")
    single = day is not None and amount is not None
    numbers = answer.numbers | _numbers(page, line)
    links = _links(page, line)
    authorized = page.span(line.parts.get("itemPreAuthPeriod", NOTHING), "valuePeriod")
    service = Span(day, day) if line.added and day else period
    issued = page.moment(line.parts.get("itemPreAuthIssueDate", NOTHING), "valueDate")
    place = line.row if "locationCodeableConcept" in line.row else line.asked
    if "locationReference" in line.row:
        place = line.row
    review = line.review or (line.parent.review if line.parent else None)
    reason = grounds(page, review) if review else ""
    return Authorization(
        ref=page.ref,
        patient=page.patient,
        names=answer.names.union(
            (NUMBER + number for number in numbers), (f"{page.name}#{position}",)
        ),
        links=answer.links + links,
        codes=line.codes,
        text=lines(*_words(page, line), page.word(page.body, "disposition"), *_notes(page, line)),
        state=answer.state,
        updated=page.updated,
        problems=tuple(page.problems[known:]),
        decision=line.decision,
        document=page.name,
        per_visit=amount if single else None,
        visits=1 if single else visits,
        total=None if single else amount,
        span=authorized or answer.span or service or ALWAYS,
        numbers=numbers,
        issued=issued or answer.issued,
        site=_site(page, place),
        provider=_provider(page, line),
        insurer=answer.insurer,
        requestor=answer.requestor,
        channel=answer.channel,
        priority=answer.priority,
        reason="superseded" if answer.reason == "superseded" else reason or answer.reason,
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
    if detail and asked and detail.value != asked.value:
        page.doubt("amounts-differ", "item.quantity", "", str(detail), str(asked))
        return None
    # The one that names its unit tells more; in PAS neither need to.
    return asked if asked and (asked.unit or asked.code or not detail) else detail


def _serviced(page: Page, line: Line) -> tuple[date | None, Span | None]:
    """(one date, period) of service: of the line itself, else as it was asked."""
    for node in (line.row, line.asked):
        day = page.day(node, "servicedDate")
        period = page.span(node, "servicedPeriod")
        if period and period.start and period.start == period.end:
            day = period.start
        if day or period:
            return day, period
    part = line.parts.get("itemRequestedServiceDate", NOTHING)
    return page.day(part, "valueDate"), page.span(part, "valuePeriod")


def _numbers(page: Page, line: Line) -> frozenset[str]:
    """The numbers of the line; an addItem goes by those of the item that it answers too."""
    found = [page.word((line.review or NOTHING).get("number") or NOTHING, "valueString")]
    for name in ("authorizationNumber", "administrationReferenceNumber"):
        found.append(page.word(line.parts.get(name, NOTHING), "valueString"))
    inherited = _numbers(page, line.parent) if line.parent else frozenset()
    return inherited.union(number for number in found if number)


def _links(page: Page, line: Line) -> tuple[Link, ...]:
    """The order that the item asks to be authorized (requestedService: tier 0)."""
    asked = [
        part for part in page.rows(line.asked, "extension") if tail(part) == "requestedService"
    ]
    own = [line.parts.get("requestedService"), line.detail.get("authorizedService")]
    found = []
    for part in (*asked, *(part for part in own if part)):
        for name, tier in page.names_of(page.one(part, "valueReference")):
            found.append(Link(name, tier, "requested service"))
    return tuple(dict.fromkeys(found))


def _provider(page: Page, line: Line) -> Party | None:
    for part in page.rows(line.parts.get("itemAuthorizedProvider", NOTHING), "extension"):
        if tail(part) == "provider":
            return page.party(page.one(part, "valueReference"))
    return page.first_party(page.rows(line.row, "provider"))


def _site(page: Page, node: Json) -> Site:
    codes = page.one(node, "locationCodeableConcept")
    reference = page.one(node, "locationReference")
    return site_of(page, [codes] if codes else [], [reference] if reference else [])


def _words(page: Page, line: Line) -> list[str]:
    return [page.words(page.one(node, "productOrService")) for node in (line.row, line.asked)]


def _notes(page: Page, line: Line) -> list[str]:
    """The process notes that a line refers to."""
    wanted = line.row.get("noteNumber")
    if not isinstance(wanted, list):
        return []
    rows = page.rows(page.body, "processNote")
    return [page.word(row, "text") for row in rows if row.get("number") in wanted]
