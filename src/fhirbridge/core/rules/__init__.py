"""The rules: what is wrong with an occasion, family by family.

    judge(ledger, context) -> Judgement

A new rule is one function and one row in the `RULES` of its family's module. A trouble that is
only the consequence of another is folded into it by the table `FOLDS`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding
from fhirbridge.core.ledger import Ledger

from . import authorization, order, quality, supply
from .base import CannotTell, Context, Judgement, Rule, Scene, Verdict
from .figures import records_of
from .looking import next_look

__all__ = ["ALL_RULES", "RULES", "Context", "Judgement", "judge", "next_look"]

#: Every rule that looks at an occasion, in the order in which `--explain` shows them.
RULES: tuple[Rule, ...] = (
    *order.RULES,
    *authorization.RULES,
    *supply.RULES,
    *quality.RULES,
)

#: Every rule there is.
ALL_RULES: tuple[Rule, ...] = (*RULES, quality.NO_OWNER)

#: A trouble -> the troubles of the same occasion that cause it.
FOLDS: Mapping[str, tuple[str, ...]] = {
    # The pharmacy does not ship what the payer has not approved (domain §3.5, 33).
    "dispense-missing": (
        "auth-missing-drug",
        "auth-denied",
        "auth-pended-near-appt",
        "auth-expires-before-appt",
        "order-not-active",
    ),
}


def judge(ledger: Ledger, context: Context) -> Judgement:
    """Look at every open occasion with every rule."""
    if not context.treated:
        return Judgement()
    findings: list[Finding] = []
    verdicts: list[Verdict] = []
    unsure: set[tuple[str, str]] = set()
    standing: dict[str, tuple[Ref, ...]] = {}
    blind = frozenset(
        rule.code for rule in RULES if not all(context.sees(kind) for kind in rule.needs)
    )
    if blind:
        blind |= {quality.NO_OWNER.code}
    for occasion in ledger.open(context.as_of):
        here: list[Finding] = []
        name = Scene(quality.NO_OWNER, occasion, ledger, context).name
        standing[name] = records_of(occasion)
        for rule in RULES:
            scene = Scene(rule, occasion, ledger, context)
            found, verdict = _look(scene, rule.code in blind)
            verdicts.append(verdict)
            here += found
            if verdict.outcome == "cannot tell":
                unsure |= {(name, rule.code), (name, quality.NO_OWNER.code)}
        here = _fold(here)
        lonely = Scene(quality.NO_OWNER, occasion, ledger, context)
        open_ = [f for f in here if f.folded_into is None]
        findings += here + list(quality.without_owner(open_, lonely))
    return Judgement(tuple(findings), tuple(verdicts), frozenset(unsure), blind, standing)


def _look(scene: Scene, blind: bool) -> tuple[list[Finding], Verdict]:
    code, key = scene.rule.code, scene.occasion.key
    if blind:
        unseen = sorted(kind for kind in scene.rule.needs if not scene.context.sees(kind))
        return [], Verdict(code, key, "cannot tell", f"not seen completely: {', '.join(unseen)}")
    try:
        found = list(scene.rule.check(scene))
    except CannotTell as reason:
        return [], Verdict(code, key, "cannot tell", str(reason))
    return found, Verdict(code, key, "fires" if found else "quiet")


def _fold(found: Sequence[Finding]) -> list[Finding]:
    rules = {finding.rule for finding in found}
    return [
        replace(finding, folded_into=cause) if (cause := _cause(finding.rule, rules)) else finding
        for finding in found
    ]


def _cause(rule: str, present: set[str]) -> str | None:
    return next((cause for cause in FOLDS.get(rule, ()) if cause in present), None)
