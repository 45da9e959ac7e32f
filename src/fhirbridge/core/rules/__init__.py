"""The rules: what is wrong with an occasion, family by family.

    judge(ledger, context) -> Judgement

A new rule is one function and one row in the `RULES` of its family's module. A trouble that is
only the consequence of another is folded into it by the table `FOLDS`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from functools import lru_cache

from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding
from fhirbridge.core.ledger import Ledger, Occasion, is_open, is_past

from . import (
    amounts,
    authorization,
    changes,
    coverage,
    given,
    order,
    places,
    process,
    quality,
    readiness,
    schedule,
    supply,
)
from .base import FIRES, CannotTell, Context, Judgement, Outcome, Rule, cannot_tell
from .figures import records_of
from .looking import is_near, next_look
from .scene import Scene

__all__ = ["ALL_RULES", "RULES", "Context", "Judgement", "is_near", "judge", "next_look"]

#: Every rule that looks at an occasion, in the order in which `--explain` shows them.
RULES: tuple[Rule, ...] = (
    *order.RULES,
    *readiness.RULES,
    *schedule.RULES,
    *coverage.RULES,
    *authorization.RULES,
    *amounts.RULES,
    *changes.RULES,
    *places.RULES,
    *supply.RULES,
    *given.RULES,
    *quality.RULES,
)

#: Looks at what the other rules found at an occasion.
Afterthought = Callable[[Sequence[Finding], Scene], Iterable[Finding]]

#: What is judged after all others.
LAST: tuple[tuple[Rule, Afterthought], ...] = (
    (quality.NO_OWNER, quality.without_owner),
    (process.UNRESPONSIVE, process.unanswered),
    (process.STALE, process.silent),
)
#: Those of them that cannot tell where another rule cannot: what they rest on may come back.
RESTING = frozenset({quality.NO_OWNER.code, process.UNRESPONSIVE.code})

#: Every rule there is.
ALL_RULES: tuple[Rule, ...] = (*RULES, *(rule for rule, _ in LAST))

CODES = tuple(rule.code for rule in RULES)
#: The rules that look at doses that were given.
LOOKING_BACK = frozenset(rule.code for rule in RULES if rule.past)

#: No answer of a payer lets the dose be given.
_UNAUTHORIZED = (
    "auth-missing-drug",
    "auth-denied",
    "auth-pended-near-appt",
    "auth-expires-before-appt",
    "auth-not-yet-effective",
)
#: A trouble -> the troubles of the same occasion that cause it (docs/domain.md 3.5).
FOLDS: Mapping[str, tuple[str, ...]] = {
    # The pharmacy does not ship what the payer has not approved, or what is ordered no more.
    "dispense-missing": ("coverage-lapsed", *_UNAUTHORIZED, "order-not-active"),
    "dispense-late": ("dispense-missing", "dispense-short"),
    "dispense-short": ("unplanned-split-balance",),
    # Nobody authorizes anything for a person who is not insured.
    "auth-missing-drug": ("coverage-lapsed",),
    "auth-missing-admin": ("coverage-lapsed",),
    "auth-expires-before-appt": ("coverage-lapsed",),
    "auth-not-yet-effective": ("coverage-lapsed",),
    "payer-changed": ("coverage-lapsed",),
    # What is approved for another product says nothing about amounts of this one.
    "auth-per-visit-mismatch": ("auth-wrong-product", "duplicate-order"),
    "auth-short-total": ("auth-wrong-product", "duplicate-order"),
    "auth-benefit-limit": ("auth-short-total",),
    "auth-visits-short": ("unplanned-split-balance", "appt-count-mismatch", "duplicate-order"),
    "home-admin-auth-missing": ("auth-missing-admin", "coverage-lapsed"),
    # One visit to be booked, said by the rule that knows most about it.
    "order-without-appt": (
        "duplicate-order",
        "unplanned-split-balance",
        "admin-short",
        "appt-cancelled-unreplaced",
        "appt-count-mismatch",
        "interval-overdue",
    ),
    "appt-cancelled-unreplaced": ("duplicate-order", "unplanned-split-balance"),
    "appt-count-mismatch": ("duplicate-order",),
    "interval-overdue": ("duplicate-order", "unplanned-split-balance"),
    # The same difference, said by the rule that knows what it means for the dose.
    "order-changed-after-auth": (
        "auth-wrong-product",
        "auth-per-visit-mismatch",
        "auth-short-total",
        "site-of-care-mismatch",
        "dose-outside-label",
        "duplicate-order",
    ),
    "admin-short": ("unplanned-split-balance",),
}


def judge(ledger: Ledger, context: Context) -> Judgement:
    """Look at every open occasion, and at the doses given lately, with every rule for them."""
    if not context.treated:
        return Judgement()
    seen, today = context.seen(), context.calendar.day(context.as_of)
    blind = _blind(seen, frozenset(kind for _, kind in context.sight))
    sights = {past: _sight(seen, past) for past in (False, True)}
    findings: list[Finding] = []
    answers: dict[str, dict[str, Outcome]] = {}
    unsure: set[tuple[str, str]] = set()
    standing: dict[str, tuple[Ref, ...]] = {}
    given: dict[str, tuple[Ref, ...]] = {}
    recorded: dict[str, tuple[Ref, ...]] = {}
    spoken_of = {each.occasion for each in context.said}
    looked = []
    for occasion, past in _to_look_at(ledger, today):
        scene = Scene(occasion, ledger, context, today)
        if not past:
            looked.append(occasion.key)
            standing[scene.name] = records_of(occasion)
        elif scene.name in spoken_of:
            given[scene.name] = records_of(occasion)
            if occasion.administrations:
                recorded[scene.name] = tuple(each.ref for each in occasion.administrations)
        outcomes = answers.setdefault(occasion.key, {})
        outcomes.update(sights[past].blind)
        here: list[Finding] = []
        for rule in sights[past].rules:
            scene.rule = rule
            try:
                found = list(rule.check(scene))
            except CannotTell as reason:
                outcomes[rule.code] = cannot_tell(str(reason))
                unsure |= {(scene.name, code) for code in (rule.code, *RESTING)}
            else:
                if found:
                    outcomes[rule.code] = FIRES
                    here += found
        here = _fold(here)
        findings += here
        if here or not past:
            unfolded = [each for each in here if not each.folded_into]
            for scene.rule, look in LAST:
                findings += look(unfolded, scene)
    return Judgement(
        findings=tuple(findings),
        unsure=frozenset(unsure),
        blind=blind,
        standing=standing,
        given=given,
        recorded=recorded,
        answers=answers,
        looked=tuple(looked),
        rules=CODES,
    )


def _to_look_at(ledger: Ledger, today: date) -> list[tuple[Occasion, bool]]:
    """Occasions to come, and (True) doses given lately."""
    coming = [(occasion, False) for occasion in ledger.occasions if is_open(occasion, today)]
    return coming + [(each, True) for each in ledger.occasions if is_past(each, today)]


@dataclass(frozen=True, slots=True)
class Sight:
    """The rules that can look with what was seen; the blind ones, each with what is unseen."""

    rules: tuple[Rule, ...]
    blind: Mapping[str, Outcome]


@lru_cache(maxsize=128)
def _sight(seen: frozenset[str], past: bool) -> Sight:
    rules = [rule for rule in RULES if rule.past is past]
    return Sight(
        rules=tuple(rule for rule in rules if rule.needs <= seen),
        blind={rule.code: _unseen(rule, seen) for rule in rules if not rule.needs <= seen},
    )


@lru_cache(maxsize=128)
def _blind(seen: frozenset[str], held: frozenset[str]) -> frozenset[str]:
    """The rules that cannot look with what was seen; and those that rest on others, unless all
    that is unseen is what nobody is believed for: that was never judged, and cannot come back."""
    blind = [rule for rule in RULES if not rule.needs <= seen]
    resting = RESTING if any(rule.needs <= held for rule in blind) else frozenset()
    return resting.union(rule.code for rule in blind)


def _unseen(rule: Rule, seen: frozenset[str]) -> Outcome:
    return cannot_tell(f"not seen completely: {', '.join(sorted(rule.needs - seen))}")


def _fold(found: list[Finding]) -> list[Finding]:
    rules = {finding.rule for finding in found}
    return [
        replace(finding, folded_into=cause) if (cause := _cause(finding.rule, rules)) else finding
        for finding in found
    ]


def _cause(rule: str, present: set[str]) -> str | None:
    return next((cause for cause in FOLDS.get(rule, ()) if cause in present), None)
