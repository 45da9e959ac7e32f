"""What a payer's answer decided: X12 review actions, and the words of plain answers.

`ClaimResponse.outcome` says that the answer was processed, never what was decided: the examples
of Da Vinci PAS for "not certified" and "pended" both carry `complete`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from fhirbridge.core.facts import Decision

from .page import Page
from .snapshot import Json
from .values import tail

#: X12 306, review action. A5 is listed as "upheld", which tells nothing about this request.
REVIEW_ACTIONS = {
    "A1": Decision.APPROVED,
    "A2": Decision.MODIFIED,
    "A3": Decision.DENIED,
    "A4": Decision.PENDED,
    "A5": Decision.UNKNOWN,
    "A6": Decision.MODIFIED,
    "C": Decision.CANCELED,
    "CT": Decision.CONTACT,
    "NA": Decision.NOT_REQUIRED,
}

#: What is written for one word of a phrase, and what is left out.
SAME = {
    **dict.fromkeys(
        ("auth", "pa", "preauthorization", "preauth", "precertification", "precert"),
        "authorization",
    ),
    **dict.fromkeys(("needed", "necessary"), "required"),
}
LEFT_OUT = frozenset({"is", "was", "prior", "pre"})

#: What stands below most approvals and takes nothing back.
_BOILERPLATE = re.compile(
    r"(?:\b(?:this|the|an?) )?(?:\b(?:authorization|approval|certification|determination|notice)"
    r"\b )?\b(?:is |are )?(?:not a guarantee of|does not guarantee)"
    r" (?:payment|coverage|benefits)(?: or (?:payment|coverage|benefits))?"
    r"|\b(?:payment is )?subject to (?:the )?(?:member|patient)?(?:'s)? ?(?:eligibility|benefits)"
    r"(?: and (?:eligibility|benefits))?(?: (?:at|on) the (?:time|date) of service)?"
    r"(?=\s*(?:[.,;)]|$))"
)

#: Dispositions of payers without review actions: whole phrases, lower case, by `SAME`.
PHRASES = {
    "not approved": Decision.DENIED,
    "not authorized": Decision.DENIED,
    "not certified": Decision.DENIED,
    "non certified": Decision.DENIED,
    "adverse determination": Decision.DENIED,
    "adverse benefit determination": Decision.DENIED,
    "unfavorable determination": Decision.DENIED,
    "favorable determination": Decision.APPROVED,
    "approval granted": Decision.APPROVED,
    "authorization granted": Decision.APPROVED,
    **dict.fromkeys(
        (
            *("pend", "in review", "under review", "under clinical review", "in clinical review"),
            *("under medical review", "in process", "in progress", "awaiting documentation"),
            *("awaiting clinical documentation", "awaiting clinicals", "awaiting information"),
            *("more information required", "additional information required"),
            *("additional information requested", "more information requested"),
            *("additional documentation required", "additional documentation requested"),
            "clinical information required",
        ),
        Decision.PENDED,
    ),
    "not required": Decision.NOT_REQUIRED,
    "no authorization required": Decision.NOT_REQUIRED,
    "authorization not required": Decision.NOT_REQUIRED,
    "certified in total": Decision.APPROVED,
    "certified partial": Decision.MODIFIED,
    "partially approved": Decision.MODIFIED,
    "partially certified": Decision.MODIFIED,
    "partial approval": Decision.MODIFIED,
    "approved with changes": Decision.MODIFIED,
    "approved with modifications": Decision.MODIFIED,
    "approved as modified": Decision.MODIFIED,
}

#: Single words that decide when nothing around them takes it back.
WORDS = {
    "approved": Decision.APPROVED,
    "authorized": Decision.APPROVED,
    "certified": Decision.APPROVED,
    "modified": Decision.MODIFIED,
    "denied": Decision.DENIED,
    "rejected": Decision.DENIED,
    "disapproved": Decision.DENIED,
    "pended": Decision.PENDED,
    "pending": Decision.PENDED,
    "cancelled": Decision.CANCELED,
    "canceled": Decision.CANCELED,
}

#: Words that turn or condition what stands beside them.
TURNS = {
    *("not", "no", "cannot", "never", "non", "without", "unless", "if", "until", "may", "might"),
    *("previously", "partially", "partial", "except", "subject", "additional"),
}

_WORD = re.compile(r"[a-z]+")
_CLAUSE = re.compile(r"[.,:;()–—\n]| - ")

#: Decisions that grant something.
GRANTS = frozenset({Decision.APPROVED, Decision.MODIFIED})


def decision_in(text: str) -> Decision:
    """The decision that a disposition states in so many words, else UNKNOWN.

    A whole phrase of the table decides; otherwise exactly one kind of decision must be named.
    Nothing may turn it within its clause ("not yet approved" is unknown, not denied), and
    nothing at all may condition a grant ("approved, if …"); a denial may give its reason.
    """
    said = _BOILERPLATE.sub(" ", text.lower())
    clauses = [_words(clause) for clause in _CLAUSE.split(said)]
    words = [word for clause in clauses for word in clause]
    for phrase in (words, clauses[0]):
        if decision := PHRASES.get(" ".join(phrase)):
            others = {WORDS[word] for word in words[len(phrase) :] if word in WORDS}
            return decision if others <= {decision} else Decision.UNKNOWN
    named = {WORDS[word] for word in words if word in WORDS}
    if len(named) != 1:
        return Decision.UNKNOWN
    decision = named.pop()
    for clause in clauses:
        decides = decision in GRANTS or not WORDS.keys().isdisjoint(clause)
        if decides and not TURNS.isdisjoint(clause):
            return Decision.UNKNOWN
    return decision


def _words(clause: str) -> list[str]:
    return [SAME.get(word, word) for word in _WORD.findall(clause) if word not in LEFT_OUT]


def adjudicated(page: Page, item: Json) -> Decision:
    """What the categories of an item's adjudications say in so many words, where no guide gave
    the payer a review action; UNKNOWN where they are amounts only, or of two minds."""
    said = set()
    for row in page.rows(item, "adjudication"):
        codes, words = page.concept(page.one(row, "category"))
        said |= {decision_in(each) for each in (words, *(code.code for code in codes))}
    said.discard(Decision.UNKNOWN)
    return said.pop() if len(said) == 1 else Decision.UNKNOWN


def review_of(page: Page, item: Json) -> Mapping[str, Json] | None:
    """The parts of an item's review action by name (code, number, reasonCode), or None.

    The guide has it on `adjudication`; older drafts on the item itself.
    """
    for holder in (*page.rows(item, "adjudication"), item):
        if "extension" in holder:
            for extension in page.rows(holder, "extension"):
                if tail(extension) == "reviewAction":
                    return page.parts(extension)
    return None


def reviewed(page: Page, review: Mapping[str, Json]) -> Decision:
    """The decision of a review action; an unknown code is UNKNOWN and said so."""
    part = review.get("reviewActionCode") or review.get("code") or {}
    codes = [code.code for code in page.codes(part, "valueCodeableConcept")]
    codes = codes or [page.word(part, "valueCode") or page.word(part, "valueString")]
    # Payers add codings of their own beside the one of X12.
    found = {REVIEW_ACTIONS[code] for code in codes if code in REVIEW_ACTIONS}
    if len(found) == 1:
        return found.pop()
    said = " ".join(codes)
    page.doubt("unknown-code" if said else "missing", "item.reviewAction.code", said)
    return Decision.UNKNOWN


def grounds(page: Page, review: Mapping[str, Json]) -> str:
    """The reason code of a review action, in the payer's words where it has them."""
    if "reasonCode" not in review:
        return ""
    codes, words = page.concept(page.one(review["reasonCode"], "valueCodeableConcept"))
    return words or " ".join(code.display or code.code for code in codes)
