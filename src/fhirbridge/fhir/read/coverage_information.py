"""What a payer wrote onto an order: the CRD coverage-information extension.

Da Vinci CRD puts it on MedicationRequest, ServiceRequest and Appointment:
`http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information`. Each one says
whether authorization is needed (a `Requirement`); `satisfied` and `not-covered` are decisions
besides (an `Authorization`). This is the one place where an authorized quantity comes with a
unit and already attached to its order (detail `allowed-quantity`, `allowed-period`).
"""

from __future__ import annotations

from fhirbridge.core.facts import (
    ALWAYS,
    Authorization,
    Code,
    Decision,
    Fact,
    Link,
    Party,
    Requirement,
    Span,
    State,
)
from fhirbridge.core.quantity import Amount

from .page import NUMBER, Page
from .places import visits_in
from .snapshot import Json
from .values import tail

URL = "http://hl7.org/fhir/us/davinci-crd/StructureDefinition/ext-coverage-information"

#: pa-needed -> whether authorization is needed. `satisfied` says that it was, and is there.
NEEDED = {
    "no-auth": "no",
    "auth-needed": "yes",
    "performpa": "yes",
    "satisfied": "yes",
    "conditional": "conditional",
    "indeterminate": "unknown",
}

#: States of the order in which what was written onto it still stands.
STANDING = frozenset({State.ACTIVE, State.HELD, State.PLANNED, State.DONE, State.UNKNOWN})


def coverage_information(
    page: Page, codes: tuple[Code, ...], state: State, text: str = ""
) -> list[Fact]:
    """Facts of the extensions on the record; its `codes` and the words `text` for what it orders
    stand in where an extension names no billing code."""
    if "extension" not in page.body:
        return []
    facts: list[Fact] = []
    for extension in page.rows(page.body, "extension"):
        if extension.get("url") == URL:
            facts += _assertion(page, extension, (codes, text), state, len(facts))
    return facts


def _assertion(
    page: Page, extension: Json, what: tuple[tuple[Code, ...], str], state: State, position: int
) -> list[Fact]:
    known = len(page.problems)
    parts: dict[str, list[Json]] = {}
    for part in page.rows(extension, "extension"):
        parts.setdefault(tail(part), []).append(part)

    def said(name: str, key: str = "valueCode") -> str:
        return page.word(parts[name][0], key) if name in parts else ""

    needed, covered = said("pa-needed"), said("covered")
    if needed and needed not in NEEDED:
        page.doubt("unknown-code", "extension.pa-needed", needed)
    billing = page.codes_of(
        {"coding": [p.get("valueCoding") for p in parts.get("billingCode", ())]}
    )
    codes, text = (billing, "") if billing else what
    amount, period = _allowed(page, parts.get("detail", []))
    number = said("satisfied-pa-id", "valueString")
    assertion = said("coverage-assertion-id", "valueString") or str(position)
    issued = page.moment(parts["date"][0], "valueDate") if "date" in parts else None
    expires = page.day(parts["expiry-date"][0], "valueDate") if "expiry-date" in parts else None
    links = [Link(page.name, 0, "coverage information on the order")]
    coverage = page.one(parts["coverage"][0], "valueReference") if "coverage" in parts else {}
    links += [Link(name, tier, "coverage") for name, tier in page.names_of(coverage)]
    if number:
        links.append(Link(NUMBER + number, 1, "authorization number"))
    document = f"{page.name}#coverage-{assertion}"
    span = period or (Span(None, expires) if expires else ALWAYS)
    stands = state if state is State.WRONG or state not in STANDING else State.ACTIVE
    problems = tuple(page.problems[known:])
    requirement = Requirement(
        ref=page.ref,
        patient=page.patient,
        names=frozenset({document}),
        links=tuple(links),
        codes=codes,
        text=text,
        state=stands,
        updated=page.updated,
        problems=problems,
        needed=NEEDED.get(needed, "unknown"),
        span=span,
        limit=amount,
        in_force=None,
    )
    decision = _decision(needed, covered)
    if decision is None:
        return [requirement]
    visits, total = visits_in(page, amount, "extension.detail")
    authorization = Authorization(
        ref=page.ref,
        patient=page.patient,
        names=frozenset({document, NUMBER + number} if number else {document}),
        links=tuple(links),
        codes=codes,
        text=text,
        state=stands,
        updated=page.updated,
        problems=problems,
        decision=decision,
        document=document,
        visits=visits,
        total=total,
        span=span,
        numbers=frozenset({number} if number else ()),
        issued=issued,
        insurer=_payor(page, coverage),
        reason="not-covered" if decision is Decision.DENIED else "",
    )
    return [requirement, authorization]


def _decision(needed: str, covered: str) -> Decision | None:
    if covered == "not-covered":
        return Decision.DENIED
    return Decision.APPROVED if needed == "satisfied" else None


def _allowed(page: Page, details: list[Json]) -> tuple[Amount | None, Span | None]:
    amount: Amount | None = None
    period: Span | None = None
    for detail in details:
        parts = page.parts(detail)
        value = parts.get("value", {})
        name = page.code_in(parts.get("code", {}), "valueCodeableConcept")
        if name == "allowed-quantity":
            amount = page.amount(value, "valueQuantity", "extension.detail.allowed-quantity")
            text = page.word(value, "valueString")
            amount = Amount(text=text) if amount is None and text else amount
        elif name == "allowed-period":
            period = page.span(value, "valuePeriod", "extension.detail.allowed-period")
    return amount, period


def _payor(page: Page, coverage: Json) -> Party | None:
    resource = page.target(coverage)
    return page.first_party(page.rows(resource, "payor")) if resource else None
