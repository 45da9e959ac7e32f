"""Which answer of a payer still stands: of several to one request, the newest.

A request may be asked again: PAS updates a Claim by a new one whose `related` names the prior.
All Claims of such a chain are one request; its newest ClaimResponse is what counts.
"""

from __future__ import annotations

from .page import Page
from .snapshot import Json

#: (created, last updated) as timestamps: the later is the newer answer.
Age = tuple[float, float]
NEVER: Age = (0.0, 0.0)


def superseded(page: Page) -> bool:
    """Whether the snapshot holds a newer answer to the request of this ClaimResponse.

    Two answers of the same age both stand: choosing between them is a person's matter.
    """
    book = page.book
    if book.answers is None:
        book.answers = _newest(page)
    if not book.answers:
        return False
    newest = book.answers.get(request_of(page) or "", NEVER)
    return _age(page) < newest


def _newest(page: Page) -> dict[str, Age]:
    """The age of the newest answer to each request; empty when there is but one answer."""
    book = page.book
    found: dict[str, Age] = {}
    answers = [place for place in book.resources if place.startswith("ClaimResponse/")]
    for place in answers if len(answers) > 1 else ():
        body = book.resources[place]
        other = Page(book, body, page.zone)
        request = request_of(other)
        if request and body.get("status") == "active":
            found[request] = max(found.get(request, NEVER), _age(other))
    return found


def request_of(page: Page) -> str | None:
    """The name of the first Claim of the chain that a ClaimResponse answers."""
    reference = page.one(page.body, "request")
    name = next((name for name, _ in page.names_of(reference)), None)
    seen: set[str | None] = set()
    while name not in seen:
        seen.add(name)
        claim = page.target(reference)
        if claim and "reference" not in reference:
            name = f"{page.ref.source}:Claim/{claim.get('id')}"
        earlier = _prior(page, claim) if claim else None
        if earlier is None:
            return name
        reference = earlier
        name = next((name for name, _ in page.names_of(reference)), name)
    return name


def _prior(page: Page, claim: Json) -> Json | None:
    for row in page.rows(claim, "related"):
        if page.code_in(row, "relationship") == "prior":
            earlier = page.one(row, "claim")
            if earlier:
                return earlier
    return None


def _age(page: Page) -> Age:
    created = page.moment(page.body, "created")
    return (
        created.timestamp() if created else 0.0,
        page.updated.timestamp() if page.updated else 0.0,
    )
