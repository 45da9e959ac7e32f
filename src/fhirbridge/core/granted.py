"""What an answer of a payer grants, measured: per visit, number of visits and total, kept apart.

The third of the three is derived only when two are explicit, and only within one item of one
answer (docs/domain.md 3.5). Words count where they say a number of visits ("300 mg x 2"), and
never against a quantity: a text without one may be the name of a package.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .facts import Authorization, Code, Decision, Requirement
from .formulary import Formulary
from .grammar import has_amount
from .ledger import Item
from .quantity import Measured, Quantity
from .therapy import Therapy

#: How payers begin what they grant: "Approved: 300 mg x 2", "authorized for 600 mg once".
_GRANTED = re.compile(
    r"\s*(?:prior authorization )?(?:approved|authorized|certified)(?: for)?[:,]?[ \t]*"
)
#: Where the first sentence ends.
_STOP = re.compile(r"[\n;]|\.(?=\s|$)")
#: A HCPCS code or CPT code in words: "HCPCS J2350", "CPT 96413".
_WRITTEN = re.compile(r"(?<![\w.-])(?:[cjqs]\d{4}|\d{5})(?![\w.-])")
#: What may mean the giving of a drug, or anything.
_GIVING = re.compile(
    r"\b(?:infus|inject|intraven|subcut|admin|chemo|nurs|visit|home|chair|hour|per diem|treatment"
    r"|therap|service|procedure|outpatient|hospital|facility|office|clinic|medical|care\b|cpt|hcpcs"
    r"|i\.?v\b|s\.?c\b|as requested|request|all|item|line|code|see)"
)


def side_of(fact: Authorization | Requirement, formulary: Formulary) -> tuple[str, Therapy | None]:
    """What an answer is about, and which drug: drug · administration · home-nursing · other (a
    code or words of something that is none of ours) · unknown.

    The code of a procedure counts before any words: a payer's disposition stands beside every
    item of its answer, and names the drug for which the infusion is. Words that we do not know
    are not another thing: "Specialty medication" may well be ours.
    """
    codes, text = codes_of(fact, formulary), fact.text
    service = formulary.service(codes)
    if service:
        codes, text = tuple(c for c in codes if not formulary.service((c,))), ""
    therapy = _drug(fact, codes, text, formulary) if codes or text else None
    if therapy or service:
        return "drug" if therapy else service or "unknown", therapy
    if any(map(formulary.is_foreign, fact.codes)):
        return "other", None
    return "other" if formulary.names_another(subject_of(fact)) else "unknown", None


def _drug(
    fact: Authorization | Requirement, codes: tuple[Code, ...], text: str, formulary: Formulary
) -> Therapy | None:
    """The drug that codes and words name; of a mere ingredient, the product of its dose."""
    found = formulary.recognize(codes, text)
    if not found.bare or not isinstance(fact, Authorization):
        return found.therapy
    return formulary.dosed(found.among, fact.per_visit or fact.total, text)


def codes_of(fact: Authorization | Requirement, formulary: Formulary) -> tuple[Code, ...]:
    """The codes of an answer; where it has none, those in its words that we know."""
    if fact.codes:
        return fact.codes
    written = (Code("hcpcs", code) for code in _WRITTEN.findall(subject_of(fact)))
    return tuple(code for code in written if not formulary.is_foreign(code))


def subject_of(fact: Authorization | Requirement) -> str:
    """The words that say what an answer is about: displays, and its first line to the first stop.

    The lines after it are the payer's disposition and notes, which tell of other things too
    ("an MRI of the last year is needed").
    """
    line = _STOP.split(_GRANTED.sub("", fact.text.lower(), 1), 1)[0]
    return "; ".join((*(code.display for code in fact.codes if code.display), line)).strip()


def may_be_the_giving(item: Item) -> bool:
    """Whether a line that names nothing we know may be about giving the drug of another line."""
    subject = subject_of(item.fact)
    return not any(map(str.isalpha, subject)) or bool(_GIVING.search(subject))


def item_of(fact: Authorization, formulary: Formulary) -> Item:
    """Measure an answer of a payer."""
    covers, therapy = side_of(fact, formulary)
    if therapy is None or fact.decision in (Decision.DENIED, Decision.CANCELED):
        counted = therapy is None and covers != "unknown" and fact.visits is None
        visits = _times(fact, codes_of(fact, formulary)) if counted else fact.visits
        return Item(fact, covers, None, visits, None, therapy=therapy)
    on, codes = fact.span.start, codes_of(fact, formulary)
    masses: dict[str, Quantity] = {}
    steps, problems = [], []
    for name, amount in (("per_visit", fact.per_visit), ("total", fact.total)):
        if amount is None:
            continue
        result = formulary.measure(
            therapy, codes, amount, on, context="authorization", ref=fact.ref, at=name
        )
        if isinstance(result, Measured):
            masses[name] = result.mass
            steps.append(result.how)
        else:
            problems.append(result)
    per_visit, total, visits = masses.get("per_visit"), masses.get("total"), fact.visits
    if per_visit is None and not problems and (said := _in_words(fact, formulary, therapy)):
        each, count = said
        if visits in (None, count) and (total is None or total.same(each.mass * count)):
            per_visit, visits = each.mass, count
            steps.append(f"{each.how} × {count} visits, in words")
    if per_visit and visits and total is None:
        total = per_visit * visits
    elif total and visits and per_visit is None:
        per_visit = Quantity(total.value / visits, total.unit)
    elif per_visit and total and visits is None and total.value % per_visit.value == 0:
        visits = int(total.value / per_visit.value)
    return Item(
        fact, covers, per_visit, visits, total, tuple(steps), tuple(problems), therapy=therapy
    )


def _in_words(
    fact: Authorization, formulary: Formulary, therapy: Therapy
) -> tuple[Measured, int] | None:
    """A dose and its number of visits, where the words of an answer say both."""
    if not has_amount(fact.text):
        return None
    words = "\n".join(_GRANTED.sub("", line.lower(), 1) for line in fact.text.splitlines())
    spoken = formulary.spoken(therapy, words)
    if spoken is None or spoken.visits is None:
        return None
    each = formulary.measure(
        therapy,
        fact.codes,
        spoken.per_visit,
        fact.span.start,
        context="authorization",
        ref=fact.ref,
        at="text",
    )
    return (each, spoken.visits) if isinstance(each, Measured) else None


#: Billed once more for each further hour of a visit (CPT): their number counts no visits.
HOURLY = frozenset({"96415", "96366", "99602"})
#: Units that say no more than the code: so many times 96413. X12 "UN" and NCPDP "EA" too.
PLAIN = frozenset({"", "1", "un", "unit", "units", "{unit}", "{units}", "ea", "each", "{each}"})


def _times(fact: Authorization, codes: Sequence[Code]) -> int | None:
    """How often a service was granted: 96413 × 2 are two visits (docs/domain.md 3.2, 8)."""
    amount = fact.total
    if amount is None or amount.value is None or any(c.code in HOURLY for c in codes):
        return None
    whole = amount.value == amount.value.to_integral_value() and 0 <= amount.value < 10**6
    plain = (amount.code or amount.unit).strip().lower() in PLAIN
    return int(amount.value) if whole and plain else None
