"""Chains: the orders that renew or replace one another, and the doses that they ask for.

A chain has one *slot* for each dose that was given or is still asked for; a slot holds the
*events* that were booked to it (`occasions`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import pairwise

from .facts import Administration, Order, Ref, State, Visit
from .linking import Tie


@dataclass(slots=True)
class Event:
    """What happens, or happened, on one day: a booked visit and the administrations of it."""

    day: date
    visit: Visit | None = None
    given: list[Administration] = field(default_factory=list)
    ties: tuple[Tie, ...] = ()

    @property
    def done(self) -> bool:
        """The treatment took place."""
        fulfilled = self.visit is not None and self.visit.status == "fulfilled"
        return fulfilled or any(fact.complete is not False for fact in self.given)


@dataclass(slots=True)
class Slot:
    """One dose that a chain asks for, or that was given under it.

    It has several `events` when more visits were made of it than the order asks for: a dose
    that was split because half of it was missing, or one booking too many.
    """

    order: Order | None
    due: date | None = None
    fixed: bool = False  # the order itself names the day
    events: list[Event] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Asked:
    """What an order asks for: so many visits (None: not said), so many days apart."""

    visits: int | None = None
    spacing_days: int | None = None


@dataclass(slots=True)
class Chain:
    """An order with the orders that it renews or replaces. `key` names it for good."""

    key: str
    orders: list[Order]  # oldest first
    asked: Mapping[Ref, Asked]
    slots: list[Slot] = field(default_factory=list)

    @property
    def current(self) -> Order:
        """The order in force: the newest that is active or on hold, else the newest."""
        alive = [o for o in self.orders if o.state in (State.ACTIVE, State.HELD)]
        return (alive or self.orders)[-1]

    def wants(self, order: Order) -> int:
        """How many visits an order asks for; an order that does not say asks for one dose."""
        return self.asked[order.ref].visits or 1

    @property
    def goes_on(self) -> bool:
        """The order in force says no number of visits, so that it may ask for one more."""
        order = self.current
        return order.state is State.ACTIVE and self.asked[order.ref].visits is None


def chains(
    orders: Sequence[Order], asked: Mapping[Ref, Asked], copies: Mapping[Ref, Ref]
) -> tuple[list[Chain], Mapping[Ref, Ref]]:
    """Group orders into chains, children with their parents.

    `copies`: orders that repeat another one, on another server. Returns the chains, oldest
    first, and for each child (a copy, or an instance or filler order, which says the same dose
    again) the order that it repeats or fills.
    """
    if len(orders) == 1 and not copies:  # most people have one
        return [Chain(_chain_key(orders[0]), list(orders), asked)], {}
    by_name = {name: order for order in orders for name in (order.ref.name, *sorted(order.names))}
    child_of = dict(copies)
    prior: dict[Ref, Ref] = {}
    for order in orders:
        parent = by_name.get(order.parent or "")
        if parent is not None and parent.ref != order.ref:
            child_of[order.ref] = copies.get(parent.ref, parent.ref)
        before = by_name.get(order.chain or "")
        if before is not None and before.ref != order.ref:
            prior[order.ref] = copies.get(before.ref, before.ref)
    prior = _replaced([order for order in orders if order.ref not in child_of]) | prior
    grouped: dict[Ref, list[Order]] = {}
    for order in sorted(orders, key=_age):
        if order.ref not in child_of:
            grouped.setdefault(_root(order.ref, prior), []).append(order)
    named = {order.ref: order for order in orders}
    made = [Chain(_chain_key(named[root]), members, asked) for root, members in grouped.items()]
    return made, child_of


#: An order that was called off is replaced by one for a day this close to its own; where one of
#: them names no day, by one that was written this soon.
_SAME_DOSE, _SOON = timedelta(days=21), timedelta(days=183)


def _replaced(orders: Sequence[Order]) -> dict[Ref, Ref]:
    """Orders that nobody links and that replace one another: the later one -> the one before.

    An order was stopped or canceled, and the one order in force of that server asks for the same
    dose: prescribers write it anew and seldom say so (priorPrescription), and the visit and the
    supply still name the old one.
    """
    alive = [order for order in orders if order.state is State.ACTIVE]
    row = [order for order in orders if order.state is State.WITHDRAWN]
    if len(alive) != 1 or not row:
        return {}
    new = alive[0]
    row = sorted([*(order for order in row if _stands_in(new, order)), new], key=_age)
    return {later.ref: before.ref for before, later in pairwise(row)}


def _stands_in(new: Order, old: Order) -> bool:
    if new.ref.source != old.ref.source:
        return False
    if new.days and old.days:
        return any(abs(day - other) <= _SAME_DOSE for day in new.days for other in old.days)
    if new.authored is None or old.authored is None:
        return False
    return timedelta(0) <= new.authored - old.authored <= _SOON


def homes(laid: Sequence[Chain], child_of: Mapping[Ref, Ref]) -> Mapping[Ref, Chain]:
    """The chain of each order; of a child that of its parent."""
    home = {order.ref: chain for chain in laid for order in chain.orders}
    return home | {child: home[parent] for child, parent in child_of.items() if parent in home}


def _root(ref: Ref, prior: Mapping[Ref, Ref]) -> Ref:
    seen = {ref}
    while ref in prior:
        ref = prior[ref]
        if ref in seen:
            return min(seen)  # each renews the other: no record came first
        seen.add(ref)
    return ref


def _chain_key(first: Order) -> str:
    """The business identifier of the first order, else the reference it renews, else its own."""
    if first.chain:
        return first.chain
    return min((name for name in first.names if name != first.ref.name), default=first.ref.name)


def _age(order: Order) -> tuple[str, Ref]:
    started = order.authored.isoformat() if order.authored else str(order.window.start or "")
    return started, order.ref
