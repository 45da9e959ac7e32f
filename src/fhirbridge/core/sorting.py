"""Sorting: whose drug each fact is about, before anything is booked.

The records name drugs in many ways (RxNorm, NDC, HCPCS, words); the formulary recognizes them.
A record that names nothing clearly is kept as `unclear`: it belongs to a therapy only where a
link to an order says so. One that names an ingredient alone, which is in several products, is of
the product of which its amount is a dose; else of the only one that the person's other records
name; else of the one that is called by the ingredient's name. Amounts are measured here, once,
and carried beside their fact.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .facts import (
    Administration,
    Authorization,
    Coverage,
    Evidence,
    Fact,
    Order,
    Requirement,
    State,
    Supply,
    Visit,
)
from .formulary import Formulary
from .granted import item_of, side_of
from .ledger import Item
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


#: A record that names an ingredient alone, and the products that have it.
Bare = tuple[Order | Supply | Administration, tuple[Therapy, ...]]


def sort(facts: Iterable[Fact], formulary: Formulary) -> Sorted:
    """Sort facts; what was entered in error is left out, as if it had never been written."""
    out = Sorted()
    bare: list[Bare] = []
    for fact in facts:
        if fact.state is State.WRONG:
            continue
        match fact:
            case Order(kind="service"):
                out.services.append(fact)
                # A protocol ordered as a procedure names what is given before, in its words.
                if classes := formulary.premedication(fact.codes, fact.text):
                    out.premedications.append((classes, fact))
            case Order() | Supply() | Administration():
                _sort_drug(fact, formulary, out, bare)
            case Authorization():
                out.items.append(item_of(fact, formulary))
            case Requirement():
                covers, therapy = side_of(fact, formulary)
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
    if bare:
        _sort_bare(bare, formulary, out)
    if out.services:
        _sort_services(formulary, out)
    return out


def _sort_services(formulary: Formulary, out: Sorted) -> None:
    """A procedure that is ordered by the code of the drug itself (J2350, 600 units) is the order
    for the drug, where no medication order is: some systems order infusions so."""
    ordered = {therapy.name for therapy, fact in out.drugs if isinstance(fact, Order)}
    found = []
    for fact in out.services:
        therapy = formulary.recognize(fact.codes, "").therapy
        if therapy is not None and therapy.name not in ordered:
            dose = fact.per_visit or (fact.total if (fact.visits or 1) == 1 else None)
            found.append((therapy, replace(fact, per_visit=dose)))
    if found:
        out.drugs = sorted([*out.drugs, *found], key=lambda each: each[1].ref)


def _sort_bare(bare: Iterable[Bare], formulary: Formulary, out: Sorted) -> None:
    """An ingredient alone says no product; the order that a supply or a dose names says it."""
    named = {therapy.name for therapy in out.therapies}
    for fact, among in bare:
        if isinstance(fact, Order) or not fact.links:
            amount = fact.per_visit if isinstance(fact, Order) else fact.amount
            others = [therapy for therapy in among if therapy.name in named]
            only = others[0] if len(others) == 1 else formulary.plain(among)
            if therapy := formulary.dosed(among, amount, fact.text) or only:
                out.drugs.append((therapy, fact))
                continue
        out.unclear.append(fact)
    out.drugs.sort(key=lambda each: each[1].ref)
    out.unclear.sort(key=lambda each: each.ref)


def _sort_drug(
    fact: Order | Supply | Administration, formulary: Formulary, out: Sorted, bare: list[Bare]
) -> None:
    recognition = formulary.recognize(fact.codes, fact.text)
    if recognition.therapy is not None:
        out.drugs.append((recognition.therapy, fact))
        return
    if recognition.trap is not None:
        out.traps.append((recognition.trap, fact))
        return
    if recognition.bare:
        bare.append((fact, recognition.among))
        return
    classes = formulary.premedication(fact.codes, fact.text)
    if classes and isinstance(fact, Order):
        out.premedications.append((classes, fact))
    elif recognition.unclear:
        out.unclear.append(fact)


def _sort_visit(visit: Visit, formulary: Formulary) -> tuple[str, Therapy | None, Visit]:
    location = visit.site.party.reference if visit.site.party else None
    kind = formulary.infusion_visit(visit.ref.source, visit.codes, visit.text, location)
    named = formulary.recognize(visit.codes, visit.text).therapy if kind != "no" else None
    return ("yes" if named else kind), named, visit
