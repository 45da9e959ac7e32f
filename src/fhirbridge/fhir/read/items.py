"""The lines of a payer's answer, and what was decided on each of them.

A line is one item or one addItem of a ClaimResponse. Its decision cannot be told from itself
alone: payers modify a request by denying its item and adding another one, so the answer is
weighed as a whole before any line is believed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from fhirbridge.core.facts import Code, Decision, Problem

from .decisions import GRANTS, adjudicated, decision_in, review_of, reviewed
from .elements import NOTHING
from .page import Page
from .snapshot import Json
from .values import tail


@dataclass(slots=True)
class Line:
    """One item or addItem of an answer, while the answer is weighed as a whole."""

    row: Json
    asked: Json  # the item of the Claim; empty when there is none
    sequences: frozenset[int]
    added: bool
    review: Mapping[str, Json] | None  # the parts of its review action by name
    decision: Decision
    parts: Mapping[str, Json]  # its extensions by name
    detail: Mapping[str, Json]  # those of its itemAuthorizedDetail
    loose: bool = False  # no item of the Claim is named by its sequence
    codes: tuple[Code, ...] = ()
    parent: Line | None = None  # the item that an addItem answers
    problems: tuple[Problem, ...] = ()

    def part(self, name: str) -> Json:
        """An extension by its name; empty when the line has none of that name."""
        return self.parts.get(name, NOTHING)


def decided_lines(page: Page, claim: Json) -> list[Line]:
    """The lines of an answer that count, decided; `claim` is what was asked (or empty)."""
    found = _lines(page, claim)
    if (review := review_of(page, page.body)) and all(line.review is None for line in found):
        found = _as_a_whole(page, found, claim, review)
    if all(line.review is None for line in found):
        found = _plainly(page, found, claim)
    else:
        _modifications(found)
        found = _without_replaced(found)
    if page.body.get("status") == "cancelled" or claim.get("status") == "cancelled":
        for line in found:
            line.decision = Decision.CANCELED
    return found


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
        line.loose = asked.keys().isdisjoint(line.sequences) if asked else line.added
        line.loose = line.loose and not (line.added and line.sequences & answered)
    return found


def _sequences(page: Page, row: Json) -> set[Any]:
    value = row.get("itemSequence")
    numbers = value if isinstance(value, list) else [] if value is None else [value]
    found = {page.count({"itemSequence": number}, "itemSequence") for number in numbers}
    return found - {None}


def _line(page: Page, row: Json, asked: Json, sequences: set[Any], *, added: bool) -> Line:
    known = len(page.problems)
    review = review_of(page, row)
    parts = page.parts(row)
    line = Line(
        row=row,
        asked=asked,
        sequences=frozenset(sequences),
        added=added,
        review=review,
        decision=reviewed(page, review) if review is not None else Decision.UNKNOWN,
        parts=parts,
        detail=page.parts(parts.get("itemAuthorizedDetail", NOTHING)),
    )
    line.codes = _codes(page, line)
    line.problems = tuple(page.problems[known:])
    if _cancelled(page, asked):
        line.decision = Decision.CANCELED
    return line


def _codes(page: Page, line: Line) -> tuple[Code, ...]:
    """What the line is about: what was granted where it says so, else what was asked."""
    codes = page.codes(line.row, "productOrService")
    if "productOrServiceCode" in line.detail:
        codes += page.codes(line.detail["productOrServiceCode"], "valueCodeableConcept")
    if codes:
        return codes
    codes = page.codes(line.asked, "productOrService")
    if "detail" in line.asked:
        for row in page.rows(line.asked, "detail"):
            codes += page.codes(row, "productOrService")
    return codes


def _cancelled(page: Page, asked: Json) -> bool:
    """An updated Claim takes an item back: infoCancelled, or certification type 3 (PAS)."""
    if "modifierExtension" not in asked and "extension" not in asked:
        return False
    for part in (*page.rows(asked, "modifierExtension"), *page.rows(asked, "extension")):
        name = tail(part).removeprefix("modifierextension-")
        if name in ("infoCancelled", "infoCancelledFlag") and part.get("valueBoolean") is True:
            return True
        if name == "certificationType" and page.code_in(part, "valueCodeableConcept") == "3":
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
        if line.added or not any(extra is not line and _replaces(extra, line) for extra in extras):
            kept.append(line)
    for extra in extras:
        denied = (line for line in found if line.decision is Decision.DENIED)
        if any(_same(line, extra) for line in denied):
            extra.decision = Decision.MODIFIED
    return kept


def _replaces(extra: Line, item: Line) -> bool:
    """Whether what was granted on an item stands in another line.

    An addItem that restates an approved item, with its sequence and its code, is the same grant
    told in more detail; counting both would double it.
    """
    if item.decision in (Decision.MODIFIED, Decision.DENIED):
        return _same(item, extra)
    codes = {(code.system, code.code) for code in item.codes}
    restated = any((code.system, code.code) in codes for code in extra.codes)
    return (
        item.decision is Decision.APPROVED and bool(item.sequences & extra.sequences) and restated
    )


def _same(item: Line, other: Line) -> bool:
    """Whether two lines answer one request: a common sequence; a common code only where the
    other one names no item by its sequence."""
    if item.sequences & other.sequences:
        return True
    if not other.loose:
        return False
    codes = {(code.system, code.code) for code in item.codes}
    return any((code.system, code.code) in codes for code in other.codes)


def _as_a_whole(
    page: Page, found: list[Line], claim: Json, review: Mapping[str, Json]
) -> list[Line]:
    """An answer with one review action for the request as a whole (X12 278, loop 2000E)."""
    found = found or _asked(page, claim)
    decision = reviewed(page, review)
    for line in found:
        line.review = review
        if line.decision is not Decision.CANCELED:
            line.decision = decision
    return found


def _asked(page: Page, claim: Json) -> list[Line]:
    """What was asked, as the lines of an answer that has none; one where nothing was."""
    return [
        _line(page, NOTHING, row, {page.count(row, "sequence")} - {None}, added=False)
        for row in page.rows(claim, "item") or [NOTHING]
    ]


def _plainly(page: Page, found: list[Line], claim: Json) -> list[Line]:
    """An answer without review actions: the words of each line decide, else its disposition."""
    outcome = page.word(page.body, "outcome")
    decision = decision_in(page.word(page.body, "disposition"))
    if outcome == "queued":
        decision = Decision.PENDED
    elif outcome == "error":
        decision = Decision.UNKNOWN
    found = found or _asked(page, claim)
    added = [line for line in found if line.added]
    for line in found:
        own = Decision.UNKNOWN if outcome == "queued" else adjudicated(page, line.row)
        if line.decision is not Decision.CANCELED:
            line.decision = decision if own is Decision.UNKNOWN else own
        if line.added and line.decision in GRANTS:
            line.decision = Decision.MODIFIED
    if any(line.decision in GRANTS for line in added):
        return [line for line in found if line.added or not any(_same(line, a) for a in added)]
    return found
