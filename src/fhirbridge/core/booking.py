"""Booking: the facts of one person become a `Ledger`.

    book(facts, formulary, calendar) -> Ledger

It knows nothing of the present moment: the ledger is what the records say, and only the rules
look at the clock. The steps are those of `ledger`'s first paragraph, in that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from .authorizing import authorize
from .calendar import Calendar
from .dispensing import dispense
from .facts import (
    Administration,
    Fact,
    Order,
    Problem,
    Ref,
    Requirement,
    State,
    Supply,
    Visit,
)
from .formulary import Formulary
from .ledger import Column, Ledger, Occasion
from .linking import Tie, Web, without_mirrors
from .occasions import Chain, Event, Slot, chains, events, lay_out
from .quantity import Amount, Measured, Quantity
from .sorting import Sorted, sort
from .therapy import Therapy


def book(facts: Iterable[Fact], formulary: Formulary, calendar: Calendar) -> Ledger:
    """Book the facts of one person. The order and repetition of facts make no difference."""
    unique, mirrors = without_mirrors(tuple(dict.fromkeys(facts)))
    sorted_ = sort(unique, formulary)
    web = Web(unique)
    occasions: list[Occasion] = []
    loose: list[Fact] = []
    for therapy in sorted_.therapies:
        desk = Desk(therapy, sorted_, web, formulary)
        occasions += desk.occasions()
        loose += desk.loose
    return Ledger(
        occasions=tuple(sorted(occasions, key=lambda o: (o.day or date.max, o.key))),
        coverages=tuple(sorted_.coverages),
        problems=tuple(problem for fact in unique for problem in fact.problems),
        loose=tuple(loose),
        therapies=sorted_.therapies,
        mirrors=mirrors,
        calendar=calendar,
    )


class Desk:
    """The booking of one therapy of one person."""

    def __init__(self, therapy: Therapy, sorted_: Sorted, web: Web, formulary: Formulary) -> None:
        self.therapy, self.sorted, self.web, self.formulary = therapy, sorted_, web, formulary
        own = [fact for drug, fact in sorted_.drugs if drug is therapy]
        self.orders = {
            f.ref: f for f in own if isinstance(f, Order) and f.state is not State.PLANNED
        }
        # A record that names no drug belongs here when a link ties it to one of these orders.
        own += [f for f in sorted_.unclear if web.ties(f, self.orders) and f.ref not in self.orders]
        self.supplies = [f for f in own if isinstance(f, Supply)]
        self.given = [
            f for f in own if isinstance(f, Administration) and f.state is not State.WITHDRAWN
        ]
        self.ties: dict[Ref, tuple[Tie, ...]] = {}
        self.loose: list[Fact] = []

    def occasions(self) -> list[Occasion]:
        self.asked = {ref: self._visits_asked(order) for ref, order in self.orders.items()}
        laid, child_of = chains(list(self.orders.values()), self.asked)
        visits = [v for kind, named, v in self.sorted.visits if self._mine(kind, named, v)]
        for fact in (*visits, *self.given, *self.supplies):
            self.ties[fact.ref] = self.web.ties(fact, self.orders)
        left = lay_out(self.therapy, laid, events(visits, self.given, self.ties), child_of)
        for event in left:
            if event.visit is None:
                self.loose += event.given
        alone = [_without_order(event, event.visit) for event in left if event.visit]
        made = [
            self._occasion(chain, number, slot)
            for chain in (*laid, *alone)
            for number, slot in enumerate(chain.slots, start=1)
        ]
        home = {ref: chain.key for chain in laid for ref in chain.refs}
        home |= {child: home[parent] for child, parent in child_of.items() if parent in home}
        made, spare = dispense(made, self.supplies, self._measure_supply, self.ties, home.get)
        self.loose += spare
        return authorize(made, self.sorted.items, self.web, self.therapy)

    def _mine(self, kind: str, named: Therapy | None, visit: Visit) -> bool:
        """Whether an appointment is for this therapy: by link, by name, or as the only one."""
        if named is not None:
            return named is self.therapy
        if self.web.ties(visit, self.orders):
            return True
        infused = [therapy for therapy in self.sorted.therapies if therapy.infusion]
        return kind == "yes" and infused == [self.therapy]

    # --- ordered, scheduled, administered

    def _occasion(self, chain: Chain, number: int, slot: Slot) -> Occasion:
        visits = tuple(event.visit for event in slot.events if event.visit)
        coming = [v for v in visits if v.status != "fulfilled"]
        given = tuple(fact for event in slot.events for fact in event.given)
        order = slot.order
        ordered = self._ordered(order) if order else Column()
        return Occasion(
            key=f"{chain.key}#{number}" if order else chain.key,
            chain=chain.key,
            therapy=self.therapy,
            ordinal=number,
            due=slot.due,
            order=order,
            visit=coming[0] if coming and not _complete(given) else (visits[-1:] or (None,))[0],
            visits=visits,
            ordered=ordered,
            scheduled=Column(visits=len(visits), refs=tuple(v.ref for v in visits)),
            administered=self._sum(given) if given else Column(),
            administrations=given,
            premedications=self._premedications(order, slot) if order else (),
            services=self._services(order) if order else (),
            requirements=self._requirements(),
            ties={ref: ties[0] for ref, ties in self.ties.items() if ties},
        )

    def _ordered(self, order: Order) -> Column:
        visits = self.asked[order.ref]
        amount = order.per_visit
        words = self.formulary.spoken(self.therapy, order.text) if order.text else None
        if amount is None and words is not None:
            amount = words.per_visit
        if amount is None and order.per_fill is not None and (visits or 1) == 1:
            amount = order.per_fill
        if amount is None:
            return Column(visits=visits, refs=(order.ref,))
        result = self._measure(order, amount, "dose")
        if isinstance(result, Problem):
            return Column(visits=visits, refs=(order.ref,), problems=(result,))
        count = visits or 1
        return Column(
            per_visit=result.mass,
            visits=count,
            total=result.mass * count,
            refs=(order.ref,),
            steps=(result.how,),
        )

    def _visits_asked(self, order: Order) -> int | None:
        """How many visits an order asks for; None when neither its timing nor its words say."""
        if order.visits is not None:
            return order.visits
        if order.days:
            return len(order.days)
        words = self.formulary.spoken(self.therapy, order.text) if order.text else None
        return words.visits if words else None

    def _measure(self, fact: Fact, amount: Amount, context: str) -> Measured | Problem:
        codes = fact.codes
        on = getattr(fact, "day", None)
        at = {"dose": "dose", "dispense": "quantity", "given": "dosage.dose"}[context]
        return self.formulary.measure(
            self.therapy, codes, amount, on, context=context, ref=fact.ref, at=at
        )

    def _sum(self, facts: Sequence[Administration]) -> Column:
        total: Quantity | None = None
        steps, problems = [], []
        for fact in facts:
            if fact.amount is None:
                continue
            result = self._measure(fact, fact.amount, "given")
            if isinstance(result, Problem):
                problems.append(result)
            else:
                total = result.mass if total is None else total + result.mass
                steps.append(result.how)
        refs = tuple(fact.ref for fact in facts)
        if problems:
            total = None
        return Column(
            visits=len(facts),
            total=total,
            refs=refs,
            steps=tuple(steps),
            problems=tuple(problems),
        )

    def _premedications(self, order: Order, slot: Slot) -> tuple[tuple[str, Order], ...]:
        """Active orders for premedication that serve this dose.

        Tied to this order, or to none at all and in force on the day (a standing order). The
        words of the main order may name the classes too ("with methylprednisolone 100 mg").
        """
        day = slot.events[0].day if slot.events else slot.due
        found = [(name, order) for name in self.formulary.premedication((), order.text)]
        for classes, fact in self.sorted.premedications:
            if fact.state is not State.ACTIVE:
                continue
            ties = self.web.ties(fact, self.orders)
            tied = any(tie.order == order.ref for tie in ties)
            standing = not ties and (day is None or _on(fact, day))
            if tied or standing:
                found += [(name, fact) for name in sorted(classes)]
        return tuple(found)

    def _services(self, order: Order) -> tuple[Order, ...]:
        return tuple(
            fact
            for fact in self.sorted.services
            if any(tie.order == order.ref for tie in self.web.ties(fact, self.orders))
        )

    def _requirements(self) -> tuple[tuple[str, Requirement], ...]:
        """What payers require, with the side it is about: by its codes, else by its order."""
        found = []
        for covers, therapy, fact in self.sorted.requirements:
            if therapy is not None and therapy is not self.therapy:
                continue
            if covers == "unknown":
                kinds = {other.kind for other in self.web.answered(fact)}
                covers = "drug" if kinds == {"medication"} else "administration" if kinds else ""
            found.append((covers, fact))
        return tuple(found)

    # --- dispensed and authorized

    def _measure_supply(self, supply: Supply) -> Measured | Problem:
        return self._measure(supply, supply.amount or Amount(), "dispense")


def _without_order(event: Event, visit: Visit) -> Chain:
    """A chain of one visit that no order asks for; its key is the visit's."""
    return Chain(visit.ref.name, [], {}, [Slot(None, event.day, events=[event])])


def _complete(given: Sequence[Administration]) -> bool:
    return bool(given) and all(fact.complete is not False for fact in given)


def _on(order: Order, day: date) -> bool:
    """Whether an order is in force on a day: by its days, else by its window."""
    return day in order.days if order.days else order.window.covers(day)
