"""Is authorization needed? CoverageEligibilityResponse -> `Requirement`.

Limits here are unit-less by design: `allowedUnsignedInt` 2 may be visits, vials or fills
(`unit` of an item is individual or family, no measure). A limit gets a unit only where the type
of the benefit is visits. `outcome` is how the question was processed, no decision.
"""

from __future__ import annotations

from decimal import Decimal

from fhirbridge.core.facts import ALWAYS, Code, Fact, Link, Requirement, Span, State
from fhirbridge.core.quantity import Amount

from .elements import NOTHING
from .page import NUMBER, Page
from .snapshot import Json
from .values import lines

STATES = {
    "active": State.ACTIVE,
    "cancelled": State.WITHDRAWN,
    "draft": State.PLANNED,
    "entered-in-error": State.WRONG,
}


def coverage_eligibility_response(page: Page) -> list[Fact]:
    """R4 CoverageEligibilityResponse: one `Requirement` for each item of each insurance."""
    body = page.body
    page.person("patient")
    number = page.word(body, "preAuthRef")
    page.point_to("request", "request")
    if number:
        page.links.append(Link(NUMBER + number, 1, "authorization number"))
    shared = tuple(page.links)
    request = page.target(page.one(body, "request")) or NOTHING
    state = page.state(STATES)
    if page.word(body, "outcome") in ("queued", "error"):
        state = State.UNKNOWN if state is State.ACTIVE else state
    served = page.span(body, "servicedPeriod")
    facts: list[Fact] = []
    for insurance in page.rows(body, "insurance"):
        span = page.span(insurance, "benefitPeriod") or served or ALWAYS
        in_force = page.flag(insurance, "inforce")
        page.links = list(shared)
        page.point((page.one(insurance, "coverage"),), "coverage")
        common = tuple(page.links)
        for item in page.rows(insurance, "item") or [NOTHING]:
            facts.append(_requirement(page, item, request, state, span, in_force, common))
    return facts


def _requirement(
    page: Page,
    item: Json,
    request: Json,
    state: State,
    span: Span,
    in_force: bool | None,
    links: tuple[Link, ...],
) -> Requirement:
    known = len(page.problems)
    required = page.flag(item, "authorizationRequired")
    codes, words = page.concept(page.one(item, "productOrService"))
    codes += page.codes(item, "category")
    for modifier in page.rows(item, "modifier"):
        codes += page.codes_of(modifier)
    limit, used = _limits(page, item)
    return Requirement(
        ref=page.ref,
        patient=page.patient,
        names=page.names,
        links=links + _orders(page, request, codes),
        codes=codes,
        text=lines([words, page.word(item, "name"), page.word(item, "description")]),
        state=state,
        updated=page.updated,
        problems=tuple(page.problems[known:]),
        needed="unknown" if required is None else "yes" if required else "no",
        span=span,
        limit=limit,
        used=used,
        in_force=in_force,
    )


def _limits(page: Page, item: Json) -> tuple[Amount | None, Amount | None]:
    """The first benefit that counts something; money counts no drug."""
    for benefit in page.rows(item, "benefit"):
        unit = "visit" if page.code_in(benefit, "type") == "visit" else ""
        allowed, used = (_limit(page, benefit, key, unit) for key in ("allowed", "used"))
        if allowed or used:
            return allowed, used
    return None, None


def _limit(page: Page, benefit: Json, key: str, unit: str) -> Amount | None:
    count = page.count(benefit, f"{key}UnsignedInt", f"insurance.item.benefit.{key}UnsignedInt")
    if count is not None:
        return Amount(Decimal(count), unit)
    text = page.word(benefit, f"{key}String")
    return Amount(text=text) if text else None


def _orders(page: Page, request: Json, codes: tuple[Code, ...]) -> tuple[Link, ...]:
    """The orders that the question was about: CoverageEligibilityRequest.item.detail.

    Of several items those with a code of this answer; one item alone is what was asked.
    """
    items = page.rows(request, "item")
    wanted = {(code.system, code.code) for code in codes}
    found = []
    for item in items:
        asked = page.codes(item, "productOrService")
        if len(items) > 1 and not any((code.system, code.code) in wanted for code in asked):
            continue
        for reference in page.rows(item, "detail"):
            for name, tier in page.names_of(reference):
                found.append(Link(name, tier, "eligibility request"))
    return tuple(found)
