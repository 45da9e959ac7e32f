"""Booking: the facts of one person become a `Ledger`.

    book(facts, formulary, calendar) -> Ledger

It knows nothing of the present moment: the ledger is what the records say, and only the rules
look at the clock. The steps are those of `ledger`'s first paragraph, in that order.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date

from .attaching import add_called_off, add_foreign
from .authorizing import UNSAID, answers_about, authorized, in_force
from .calendar import Calendar
from .chains import Chain, Event, Slot, chains, homes
from .dispensing import NOTHING, dispense
from .facts import (
    Administration,
    Fact,
    Order,
    Ref,
    State,
    Supply,
    Visit,
)
from .formulary import Formulary
from .ledger import Column, Dose, Ledger, Occasion, is_whole
from .linking import Tie, Web, without_mirrors
from .measuring import Meter
from .occasions import OFF, SAME_EVENT, events, lay_out
from .quantity import Quantity
from .readying import Readiness
from .sorting import Sorted, sort
from .therapy import Therapy


def book(facts: Iterable[Fact], formulary: Formulary, calendar: Calendar) -> Ledger:
    """Book the facts of one person. The order and repetition of facts make no difference."""
    unique, copies = without_mirrors(facts)
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
        loose=tuple(loose),
        therapies=sorted_.therapies,
        copies=copies,
        calendar=calendar,
    )


class Desk:
    """The booking of one therapy of one person."""

    def __init__(self, therapy: Therapy, sorted_: Sorted, web: Web, formulary: Formulary) -> None:
        self.therapy, self.sorted, self.web, self.formulary = therapy, sorted_, web, formulary
        self.meter = Meter(therapy, formulary)
        own = [fact for drug, fact in sorted_.drugs if drug is therapy]
        self.orders = {
            f.ref: f for f in own if isinstance(f, Order) and f.state is not State.PLANNED
        }
        self.ties: dict[Ref, tuple[Tie, ...]] = {}
        # A record that names no drug belongs here when a link ties it to one of these orders.
        own += [f for f in sorted_.unclear if f.ref not in self.orders and self._tied(f)]
        self.strangers = self._orders_of_others(own)
        # Of a record and its copy, the one that names its order is the one to keep.
        own.sort(key=lambda fact: not self._tied(fact))
        self.supplies = self.meter.without_copies([f for f in own if isinstance(f, Supply)])
        self.given = self.meter.without_copies(
            [f for f in own if isinstance(f, Administration) and f.state is not State.WITHDRAWN]
        )
        self.loose: list[Fact] = []

    def _orders_of_others(self, own: Iterable[Fact]) -> frozenset[Ref]:
        """Orders that surely are of another drug: what is said about them is not said here.

        Nobody asks where every answer of a payer says itself what it is about.
        """
        said = [item.covers for item in self.sorted.items]
        said += [covers for covers, _, _ in self.sorted.requirements]
        if not UNSAID.intersection(said):
            return frozenset()
        drug = self.therapy.ingredient
        maybe = {fact.ref for fact in (*own, *self.sorted.unclear)}
        maybe |= {fact.ref for other, fact in self.sorted.drugs if other.ingredient == drug}
        return frozenset(
            fact.ref
            for fact in self.web.facts
            if isinstance(fact, Order) and fact.kind == "medication" and fact.ref not in maybe
        )

    def occasions(self) -> list[Occasion]:
        asked = {ref: self.meter.asked(order) for ref, order in self.orders.items()}
        orders = list(self.orders.values())
        laid, child_of = chains(orders, asked, self.meter.order_copies(orders))
        home = homes(laid, child_of)
        visits = [v for kind, named, v in self.sorted.visits if self._mine(kind, named, v)]
        for fact in (*visits, *self.given, *self.supplies):
            self._tied(fact)
        happening = events(visits, self.given, self.ties)
        self.history = self._history(happening)
        left = lay_out(
            self.therapy, laid, happening, home, self._dose, self._is_short, self._filled()
        )
        for event in left:
            if event.visit is None:
                self.loose += event.given
        alone = [_without_order(event, event.visit) for event in left if event.visit]
        for chain in laid:
            chain.slots += [extra for slot in chain.slots if (extra := self._too_much(slot))]
        self.answers = answers_about(self.therapy, self.sorted.items, self.web, self.strangers)
        self.ready = Readiness(
            self.therapy, self.sorted, self.web, self.formulary, self._tied, self.strangers
        )
        self.first_ties = {ref: ties[0] for ref, ties in self.ties.items() if ties}
        made = [
            self._occasion(chain, number, slot)
            for chain in (*laid, *alone)
            for number, slot in enumerate(chain.slots, start=1)
        ]
        key_of = {ref: chain.key for ref, chain in home.items()}.get
        made, spare = dispense(made, self.supplies, self.meter.supply, self.ties, key_of)
        self.loose += spare
        made = add_called_off(made, [v for v in visits if v.status in OFF], self.ties, key_of)
        return add_foreign(made, self._foreign(), self.ties, key_of)

    def _history(self, happening: Iterable[Event]) -> tuple[Dose, ...]:
        """The doses that were given, of other products of the same ingredient too: an infusion
        ten weeks after the injection is as early as after an infusion."""
        mine = [
            Dose(event.day, self.meter.given(event.given).total)
            for event in happening
            if event.done
        ]
        others = [
            Dose(fact.day, Meter(drug, self.formulary).given([fact]).total)
            for drug, fact in self.sorted.drugs
            if drug is not self.therapy
            and drug.ingredient == self.therapy.ingredient
            and isinstance(fact, Administration)
            and fact.day is not None
            and fact.complete is not False
            and fact.state is not State.WITHDRAWN
        ]
        if not others:
            return tuple(mine)
        return tuple(sorted([*mine, *others], key=lambda dose: dose.day))

    def _filled(self) -> list[date]:
        """The days on which a drug was handed out that nobody is seen to inject: the next dose is
        due after them, as after doses that were given."""
        if self.therapy.infusion:
            return []
        return [s.day for s in self.supplies if s.day and s.stage == "delivered"]

    def _dose(self, order: Order) -> Quantity | None:
        return self.meter.ordered(order).per_visit

    def _is_short(self, slot: Slot) -> bool:
        """Whether a part of the dose was given, and not the whole."""
        given = [fact for event in slot.events for fact in event.given]
        if not given or slot.order is None:
            return False
        return not is_whole(given, self.meter.given(given), self.meter.ordered(slot.order))

    def _too_much(self, slot: Slot) -> Slot | None:
        """Visits that are still booked after the dose was given are of a dose of their own.

        The place, and with it the key, stays with what was booked first. A visit that a link
        names comes before a dose that no link names, however near the two are.
        """
        given = [fact for event in slot.events for fact in event.given]
        if not given or slot.order is None or self._is_short(slot):
            return None
        last = max(event.day for event in slot.events if event.given)
        after = [e for e in slot.events if e.day > last and not e.given and not e.done]
        if not after:
            return None
        upto = [event for event in slot.events if event not in after]
        slot.events, apart = (after, upto) if slot.events[0] in after else (upto, after)
        return Slot(slot.order, apart[0].day, events=apart)

    def _tied(self, fact: Fact) -> tuple[Tie, ...]:
        """The orders of this drug that a record belongs to; followed once for each record."""
        ties = self.ties.get(fact.ref)
        if ties is None:
            ties = self.ties[fact.ref] = self.web.ties(fact, self.orders)
        return ties

    def _mine(self, kind: str, named: Therapy | None, visit: Visit) -> bool:
        """Whether an appointment is for this therapy: by link, by name, or as the only one."""
        if named is not None:
            return named is self.therapy
        if self._tied(visit):
            return True
        if kind != "yes" or any(_same_event(visit, fact) for fact in self._given_of_others()):
            return False
        infused = [therapy for therapy in self.sorted.therapies if therapy.infusion]
        ordered = [therapy for therapy in infused if therapy.name in self.sorted.ordered]
        return (ordered or infused) == [self.therapy]

    def _given_of_others(self) -> list[Administration]:
        return [
            fact
            for drug, fact in self.sorted.drugs
            if drug is not self.therapy and isinstance(fact, Administration)
        ]

    def _foreign(self) -> list[Supply]:
        """What was handed out for orders of this drug and is another product.

        Without any link that is a product of the same ingredient which nobody ordered.
        """
        drugs = [(drug, fact) for drug, fact in self.sorted.drugs if drug is not self.therapy]
        alike = [fact for drug, fact in drugs if self._strays(drug)]
        alike += [fact for trap, fact in self.sorted.traps if trap is self.therapy]
        tied = [fact for _, fact in drugs if self._tied(fact)]
        return [
            fact
            for fact in dict.fromkeys((*alike, *tied))
            if isinstance(fact, Supply) and fact.stage not in NOTHING
        ]

    def _orders_of_no_drug(self, visits: Sequence[Visit]) -> tuple[Order, ...]:
        """The orders in force that these visits name and whose drug nobody can read."""
        silent = {
            fact.ref: fact
            for fact in self.sorted.unclear
            if isinstance(fact, Order) and fact.state is State.ACTIVE
        }
        ties = (tie for visit in visits for tie in self.web.ties(visit, silent))
        return tuple(dict.fromkeys(silent[tie.order] for tie in ties))

    def _strays(self, drug: Therapy) -> bool:
        return drug.ingredient == self.therapy.ingredient and drug.name not in self.sorted.ordered

    def _occasion(self, chain: Chain, number: int, slot: Slot) -> Occasion:
        visits = tuple(event.visit for event in slot.events if event.visit)
        given = tuple(fact for event in slot.events for fact in event.given)
        order = slot.order
        unclear = () if order else self._orders_of_no_drug(visits)
        asked_for = slot.events[0].day if slot.events else slot.due
        ordered = self.meter.ordered(order) if order else Column()
        administered = self.meter.given(given) if given else Column()
        visit = _visit(slot, given, is_whole(given, administered, ordered))
        day = visit.day if visit and visit.day else slot.due
        answers, dose = self.answers, ordered.per_visit
        of_visit = answers.at(visits)
        return Occasion(
            key=f"{chain.key}#{number}" if order else chain.key,
            chain=chain.key,
            therapy=self.therapy,
            ordinal=number,
            due=slot.due,
            order=order,
            visit=visit,
            visits=visits,
            history=self.history,
            ordered=ordered,
            scheduled=Column(visits=len(visits), refs=tuple(v.ref for v in visits)),
            authorized_drug=authorized(answers.drug, self.therapy, day, dose),
            authorized_admin=authorized(of_visit, self.therapy, day, dose),
            drug_items=answers.drug,
            admin_items=of_visit,
            unclear_orders=unclear,
            unclear_items=tuple(item for item in answers.unclear if in_force(item, day)),
            administered=administered,
            administrations=given,
            premedications=self.ready.premedications(order, asked_for) if order else (),
            services=self.ready.services(order) if order else (),
            requirements=self.ready.required(visits),
            results=self.ready.results,
            enrollments=self.ready.enrollments,
            ties=self.first_ties,
        )


def _without_order(event: Event, visit: Visit) -> Chain:
    """A chain of one visit that no order asks for; its key is the visit's."""
    return Chain(visit.ref.name, [], {}, [Slot(None, event.day, events=[event])])


def _same_event(visit: Visit, fact: Administration) -> bool:
    return bool(visit.day and fact.day and abs(visit.day - fact.day) <= SAME_EVENT)


def _visit(slot: Slot, given: Sequence[Administration], whole: bool) -> Visit | None:
    """The appointment that counts: the one to come, else the last one.

    Of a dose that was given in part, the one for the rest of it, or none.
    """
    coming = [event for event in slot.events if not event.given and not event.done]
    visits = [event.visit for event in (slot.events if whole else coming) if event.visit]
    if visits:
        return visits[-1] if whole else visits[0]
    return None if given else next((e.visit for e in reversed(slot.events) if e.visit), None)
