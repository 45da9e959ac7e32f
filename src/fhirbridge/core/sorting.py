"""Sorting: whose drug each fact is about, before anything is booked.

The records name drugs in many ways (RxNorm, NDC, HCPCS, words); the formulary recognizes them.
A record that names nothing clearly is kept as `unclear`: it belongs to a therapy only where a
link to an order says so. Amounts are measured here, once, and carried beside their fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from .facts import (
    Administration,
    Authorization,
    Coverage,
    Decision,
    Evidence,
    Fact,
    Order,
    Requirement,
    State,
    Supply,
    Visit,
)
from .formulary import Formulary
from .ledger import Item
from .quantity import Measured, Quantity
from .therapy import Therapy


@dataclass(slots=True)
class Sorted:
    """The facts of one person by what they are about. Lists keep the order of their refs."""

    drugs: list[tuple[Therapy, Fact]] = field(default_factory=list)
    unclear: list[Fact] = field(default_factory=list)  # names no drug clearly
    traps: list[tuple[Therapy, Fact]] = field(default_factory=list)  # what they resemble
    premedications: list[tuple[frozenset[str], Order]] = field(default_factory=list)
    services: list[Order] = field(default_factory=list)
    items: list[Item] = field(default_factory=list)
    requirements: list[tuple[str, Therapy | None, Requirement]] = field(default_factory=list)
    visits: list[tuple[str, Therapy | None, Visit]] = field(default_factory=list)
    coverages: list[Coverage] = field(default_factory=list)
    results: list[tuple[frozenset[str], Evidence]] = field(default_factory=list)
    enrollments: list[tuple[frozenset[str], Evidence]] = field(default_factory=list)

    @property
    def ordered(self) -> frozenset[str]:
        """The therapies for which an order is in force."""
        alive = (State.ACTIVE, State.HELD)
        return frozenset(
            therapy.name
            for therapy, fact in self.drugs
            if isinstance(fact, Order) and fact.state in alive
        )

    @property
    def therapies(self) -> tuple[Therapy, ...]:
        """The therapies that any record of this person is about, by name."""
        named = {therapy.name: therapy for therapy, _ in self.drugs}
        named |= {item.therapy.name: item.therapy for item in self.items if item.therapy}
        named |= {therapy.name: therapy for _, therapy, _ in self.visits if therapy}
        return tuple(named[name] for name in sorted(named))


def sort(facts: Iterable[Fact], formulary: Formulary) -> Sorted:
    """Sort facts; what was entered in error is left out, as if it had never been written."""
    out = Sorted()
    for fact in facts:
        if fact.state is State.WRONG:
            continue
        match fact:
            case Order(kind="service"):
                out.services.append(fact)
            case Order() | Supply() | Administration():
                _sort_drug(fact, formulary, out)
            case Authorization():
                out.items.append(item_of(fact, formulary))
            case Requirement():
                therapy = formulary.recognize(fact.codes, fact.text).therapy
                covers = "drug" if therapy else formulary.service(fact.codes) or "unknown"
                out.requirements.append((covers, therapy, fact))
            case Visit():
                out.visits.append(_sort_visit(fact, formulary))
            case Coverage():
                out.coverages.append(fact)
            case Evidence(what="result"):
                if classes := formulary.prerequisite(fact.codes, fact.text):
                    out.results.append((classes, fact))
            case Evidence():
                out.enrollments.append((formulary.rems(fact.codes, fact.text), fact))
    return out


def _sort_drug(fact: Order | Supply | Administration, formulary: Formulary, out: Sorted) -> None:
    recognition = formulary.recognize(fact.codes, fact.text)
    if recognition.therapy is not None:
        out.drugs.append((recognition.therapy, fact))
        return
    if recognition.trap is not None:
        out.traps.append((recognition.trap, fact))
        return
    classes = formulary.premedication(fact.codes, fact.text)
    if classes and isinstance(fact, Order):
        out.premedications.append((classes, fact))
    elif recognition.unclear:
        out.unclear.append(fact)


def _sort_visit(visit: Visit, formulary: Formulary) -> tuple[str, Therapy | None, Visit]:
    location = visit.site.party.reference if visit.site.party else None
    kind = formulary.infusion_visit(visit.ref.source, visit.codes, visit.text, location)
    named = formulary.recognize(visit.codes, visit.text).therapy
    return ("yes" if named and kind != "no" else kind), named, visit


def item_of(fact: Authorization, formulary: Formulary) -> Item:
    """Measure an answer of a payer; per visit, visits and total stay apart.

    The third of the three is derived only when two are explicit, and only within this item.
    """
    therapy = formulary.recognize(fact.codes, fact.text).therapy
    covers = "drug" if therapy else formulary.service(fact.codes) or "unknown"
    if therapy is None or fact.decision in (Decision.DENIED, Decision.CANCELED):
        counted = therapy is None and covers != "unknown" and fact.visits is None
        visits = _times(fact) if counted else fact.visits
        return Item(fact, covers, None, visits, None, therapy=therapy)
    on = fact.span.start
    masses: dict[str, Quantity] = {}
    steps, problems = [], []
    for name, amount in (("per_visit", fact.per_visit), ("total", fact.total)):
        if amount is None:
            continue
        result = formulary.measure(
            therapy, fact.codes, amount, on, context="authorization", ref=fact.ref, at=name
        )
        if isinstance(result, Measured):
            masses[name] = result.mass
            steps.append(result.how)
        else:
            problems.append(result)
    per_visit, total, visits = masses.get("per_visit"), masses.get("total"), fact.visits
    if per_visit and visits and total is None:
        total = per_visit * visits
    elif total and visits and per_visit is None:
        per_visit = Quantity(total.value / visits, total.unit)
    elif per_visit and total and visits is None and total.value % per_visit.value == 0:
        visits = int(total.value / per_visit.value)
    return Item(
        fact, covers, per_visit, visits, total, tuple(steps), tuple(problems), therapy=therapy
    )


#: Billed once more for each further hour of a visit (CPT): their number counts no visits.
HOURLY = frozenset({"96415", "96366", "99602"})
#: Units that say no more than the code: so many times 96413. X12 "UN" and NCPDP "EA" too.
PLAIN = frozenset({"", "1", "un", "unit", "units", "{unit}", "{units}", "ea", "each", "{each}"})


def _times(fact: Authorization) -> int | None:
    """How often a service was granted: 96413 × 2 are two visits (docs/domain.md 3.2, 8)."""
    amount = fact.total
    if amount is None or amount.value is None or any(c.code in HOURLY for c in fact.codes):
        return None
    whole = amount.value == amount.value.to_integral_value() and 0 <= amount.value < 10**6
    plain = (amount.code or amount.unit).strip().lower() in PLAIN
    return int(amount.value) if whole and plain else None
