"""Quality: what cannot be told from the records, and who should say it.

These rules make the doubt itself visible: an amount that cannot be converted goes to the party
that wrote it, with the readings it admits, and none of them is chosen.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from fhirbridge.core.answering import masses
from fhirbridge.core.facts import Administration, Fact, Order, Problem, Supply
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.quantity import Measured, Quantity
from fhirbridge.core.scale import EACH_KG

from .base import Rule
from .coverage import measured_limit, visits_of
from .figures import column_of, records_of
from .rows import APPROVED
from .scene import Scene

#: A doubt blocks the dose when the visit is this close (docs/domain.md 3.2, 44).
CLOSE_DAYS = 7

#: Troubles that have sentences of their own.
SPOKEN_OF = frozenset({"no-amount", "contradicted", "implausible"})

#: Whose amount it is: the party that can say what was meant.
WRITERS = {
    "ordered": Role.PRESCRIBER,
    "authorized drug": Role.PAYER,
    "authorized administration": Role.PAYER,
    "dispensed": Role.PHARMACY,
    "administered": Role.INFUSION_CENTER,
}


def _ambiguous(scene: Scene) -> Iterable[Finding]:
    close = scene.lead is not None and scene.lead <= CLOSE_DAYS
    for name, writer in WRITERS.items():
        for problem in column_of(scene.occasion, name).problems:
            yield _doubt(scene, name, writer, problem, close)
    yield from _unclear_limits(scene, close)
    order, ordered = scene.order, scene.occasion.ordered
    if scene.actionable and order and ordered.known and ordered.per_visit is None:
        nothing = Problem(order.ref, "no-amount")
        yield _doubt(scene, "ordered", Role.PRESCRIBER, nothing, close)


def _unclear_limits(scene: Scene, close: bool) -> Iterable[Finding]:
    """A benefit allows "2" of the drug, and no approval says how much (docs/domain.md 3.3).

    Once a payer has approved the drug, what it approved counts and the benefit decides no more.
    """
    if not scene.actionable or scene.occasion.authorized_drug.decision in APPROVED:
        return
    for covers, fact in scene.occasion.requirements:
        limit = fact.limit
        if covers != "drug" or limit is None or visits_of(limit) is not None:
            continue
        if scene.day is not None and not fact.span.covers(scene.day):
            continue
        problem = measured_limit(scene, fact, limit)
        if isinstance(problem, Problem):
            yield _doubt(scene, "allowed", Role.PAYER, problem, close)


def _doubt(scene: Scene, column: str, writer: Role, problem: Problem, close: bool) -> Finding:
    return scene.finding(
        focus=problem.ref,
        part=problem.ref.name,
        variant=_variant(problem),
        severity=Severity.S2 if close else None,
        owner=writer,
        column=column,
        said=problem.said or None,
        readings=problem.readings or None,
        record=f"{problem.ref.type}/{problem.ref.id}",
        choices=masses(problem.readings) if column in WRITERS else None,
    )


def _variant(problem: Problem) -> str:
    """What is to be done about a doubt, where it is more than to add a unit."""
    if any(reading.endswith(EACH_KG) for reading in problem.readings):
        return "by-weight"
    lacks_unit = problem.reason == "implausible" and problem.said.replace(".", "").isdigit()
    return problem.reason if problem.reason in SPOKEN_OF and not lacks_unit else ""


def without_owner(findings: Sequence[Finding], scene: Scene) -> Iterable[Finding]:
    """One finding for all troubles of an occasion whose owner nobody knows."""
    waiting = [f for f in findings if f.party is None and f.owner is not Role.COORDINATOR]
    if waiting:
        yield scene.finding(
            focus=waiting[0].focus,
            role=tuple(sorted({f.owner.value for f in waiting})),
            rules=tuple(sorted({f.rule for f in waiting})),
        )


def _ambiguous_link(scene: Scene) -> Iterable[Finding]:
    """A supply may be meant for this dose or for a dose of another order."""
    contested = scene.occasion.contested
    if contested and scene.actionable:
        yield scene.finding(
            focus=contested[0].ref,
            record=f"{contested[0].ref.type}/{contested[0].ref.id}",
            evidence=[supply.ref for supply in contested],
        )


#: How the amounts of a kind of record are measured.
CONTEXTS = {Order: "dose", Supply: "dispense", Administration: "given"}


def _conflict(scene: Scene) -> Iterable[Finding]:
    """Two servers show one record with different amounts."""
    for pair in scene.ledger.copies:
        if pair.fact.ref not in records_of(scene.occasion):
            continue
        believed, other = _mass(scene, pair.fact), _mass(scene, pair.copy)
        if believed is not None and other is not None and not believed.same(other):
            yield scene.finding(
                focus=pair.fact.ref,
                reason=pair.copy.ref,
                part=pair.fact.ref.name,
                record=f"{pair.fact.ref.type}/{pair.fact.ref.id}",
                each=(str(believed), str(other)),
            )


def _mass(scene: Scene, fact: Fact) -> Quantity | None:
    if not isinstance(fact, Order | Supply | Administration):
        return None
    amount = fact.per_visit if isinstance(fact, Order) else fact.amount
    if amount is None:
        return None
    context, therapy = CONTEXTS[type(fact)], scene.occasion.therapy
    result = scene.context.formulary.measure(
        therapy, fact.codes, amount, None, context=context, ref=fact.ref, at="amount"
    )
    return result.mass if isinstance(result, Measured) else None


RULES = (
    Rule(
        code="unit-ambiguous",
        title="Amount cannot be read",
        why="An amount that a decision needs has no unit, a unit that contradicts, or a size that "
        "nobody believes. Its readings are shown and none is chosen.",
        source="44 UNIT_AMBIGUOUS",
        needs=frozenset({"orders"}),
        columns=(),
        beside=("ordered_total",),
        severity=Severity.S3,
        owner=Role.PRESCRIBER,
        audience=(Role.PRESCRIBER,),
        action="change",
        deadline="clarification",
        check=_ambiguous,
    ),
    Rule(
        code="link-ambiguous",
        title="Record may belong to two orders",
        why="A supply names no order, and doses of several orders could be meant.",
        source="45 LINK_AMBIGUOUS",
        needs=frozenset({"orders", "dispenses"}),
        severity=Severity.S3,
        owner=Role.COORDINATOR,
        audience=(Role.COORDINATOR, Role.PHARMACY),
        action="change",
        deadline="clarification",
        check=_ambiguous_link,
    ),
    Rule(
        code="conflicting-copies",
        title="Two servers disagree about one record",
        why="One record stands on two servers with different amounts. The one that was changed "
        "last is believed until somebody says which is right.",
        source="46 CONFLICTING_COPIES",
        needs=frozenset({"orders"}),
        severity=Severity.S3,
        owner=Role.COORDINATOR,
        audience=(Role.COORDINATOR,),
        action="change",
        deadline="clarification",
        check=_conflict,
    ),
)

#: Judged after all others: it looks at their findings.
NO_OWNER = Rule(
    code="no-owner",
    title="Nobody is named who can put it right",
    why="An open trouble belongs to a role for which neither the records nor the configuration "
    "name anybody (E4).",
    source="47 NO_OWNER",
    needs=frozenset(),
    columns=(),
    severity=Severity.S3,
    owner=Role.COORDINATOR,
    audience=(Role.COORDINATOR,),
    action="assign",
    deadline="clarification",
    check=lambda _scene: (),
)
