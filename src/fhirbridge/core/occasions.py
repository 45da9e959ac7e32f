"""Occasions: orders laid out in time, and the records booked to them.

For one therapy: orders form *chains* (a renewal or a revision names what it replaces); a chain
has one *slot* for each visit that was given or is still asked for. Visits and administrations
are *events* of a day; each event goes to the slot that its links name, else one to one in order
of time within the windows of `domain` tier 2. What remains is said, never forced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from .facts import Administration, Order, Ref, State, Visit
from .linking import Tie
from .quantity import Quantity
from .therapy import Therapy

#: Appointments that will not or did not take place.
OFF = frozenset({"cancelled", "noshow", "entered-in-error"})
#: A visit and an administration of the same treatment lie at most this many days apart.
SAME_EVENT = timedelta(days=3)
#: How far from an ordered day an appointment may lie and still be meant (upper bound).
NEAR = timedelta(days=21)


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

    @property
    def refs(self) -> frozenset[Ref]:
        return frozenset(order.ref for order in self.orders)


def chains(
    orders: Sequence[Order], asked: Mapping[Ref, Asked]
) -> tuple[list[Chain], Mapping[Ref, Ref]]:
    """Group orders into chains, children with their parents.

    Returns the chains, oldest first, and for each child (an instance or filler order, which
    says the same dose again) the order that it fills.
    """
    by_name = {name: order for order in orders for name in (order.ref.name, *sorted(order.names))}
    child_of: dict[Ref, Ref] = {}
    prior: dict[Ref, Ref] = {}
    for order in orders:
        parent = by_name.get(order.parent or "")
        if parent is not None and parent.ref != order.ref:
            child_of[order.ref] = parent.ref
        before = by_name.get(order.chain or "")
        if before is not None and before.ref != order.ref:
            prior[order.ref] = before.ref
    grouped: dict[Ref, list[Order]] = {}
    for order in sorted(orders, key=_age):
        if order.ref not in child_of:
            grouped.setdefault(_root(order.ref, prior), []).append(order)
    named = {order.ref: order for order in orders}
    made = [Chain(_chain_key(named[root]), members, asked) for root, members in grouped.items()]
    return made, child_of


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


def events(
    visits: Iterable[Visit], given: Iterable[Administration], ties: Mapping[Ref, tuple[Tie, ...]]
) -> list[Event]:
    """Pair appointments with the administrations of the same treatment, in order of time."""
    made: list[Event] = []
    for visit in sorted(
        (v for v in visits if v.day and v.status not in OFF), key=lambda v: (v.day, v.ref)
    ):
        made.append(Event(visit.day or date.min, visit, ties=ties.get(visit.ref, ())))
    for fact in sorted((g for g in given if g.day), key=lambda g: (g.day, g.ref)):
        day = fact.day or date.min
        near = [e for e in made if abs(e.day - day) <= SAME_EVENT]
        event = min(near, key=lambda e: abs(e.day - day), default=None)
        if event is None:
            made.append(event := Event(day))
        event.given.append(fact)
        event.ties = event.ties or ties.get(fact.ref, ())
    return sorted(made, key=lambda e: e.day)


def lay_out(
    therapy: Therapy,
    laid: list[Chain],
    happening: list[Event],
    child_of: Mapping[Ref, Ref],
    dose: Callable[[Order], Quantity | None],
) -> list[Event]:
    """Give every chain its slots and every event its slot; returns the events without one.

    `dose`: what an order asks for at each visit.
    """
    home = {ref: chain for chain in laid for ref in chain.refs}
    home |= {child: home[parent] for child, parent in child_of.items() if parent in home}
    loose: list[Event] = []
    torn: list[tuple[Event, list[Chain]]] = []  # tied to several orders: one of a course of them
    for event in happening:
        tied = {home[tie.order].key: home[tie.order] for tie in event.ties if tie.order in home}
        named = list(tied.values())
        if len(named) == 1:
            _book(therapy, named[0], _order_on(named[0], event), event)
        elif named:
            torn.append((event, named))
        else:
            loose.append(event)
    history = [event.day for event in happening if event.done]
    alive = [chain for chain in laid if chain.current.state is State.ACTIVE]
    course = _course_in_parts(therapy, alive, dose)
    for chain in laid:
        # An older order that nobody ended does not ask for the doses of a newer one.
        whole = course if chain in alive else 1
        _open_slots(therapy, chain, history, newest=chain in alive[-1:], course=whole)
    for event, named in torn:
        if _book_near(therapy, named, [event]):
            _book(therapy, named[0], _order_on(named[0], event), event)
    left = _book_near(therapy, laid, loose)
    left = [event for event in left if not _book_rest(therapy, laid, event, dose)]
    left = [event for event in left if not _book_extra(therapy, laid, event)]
    return [event for event in left if not _book_once_more(laid, event)]


def _book(therapy: Therapy, chain: Chain, order: Order, event: Event) -> None:
    """Book an event that a link ties to an order; one too many joins the dose beside it."""
    mine = [slot for slot in chain.slots if slot.order is order]
    if len(mine) >= chain.wants(order):
        beside = [s for s in mine if abs(s.events[0].day - event.day) <= course_of(therapy)]
        if beside:
            beside[-1].events.append(event)
            return
    chain.slots.append(Slot(order, event.day, events=[event]))


def _book_rest(
    therapy: Therapy,
    laid: list[Chain],
    event: Event,
    dose: Callable[[Order], Quantity | None],
) -> bool:
    """A visit close to one half of a course is for the other half, if an order for it waits.

    Such an order that names no day would be due half a year after the course began.
    """
    slots = [slot for chain in laid for slot in chain.slots if slot.order is not None]
    for free in slots:
        if free.events or free.fixed or not _active(free) or not _since(free.order, event):
            continue
        for other in slots:
            if not other.events or not _near(other.events[0].day, event.day, course_of(therapy)):
                continue
            masses = [dose(slot.order) for slot in (free, other) if slot.order is not None]
            known = [mass for mass in masses if mass is not None]
            if len(known) == 2 and therapy.is_course(known):
                free.events.append(event)
                return True
    return False


def _book_extra(therapy: Therapy, laid: list[Chain], event: Event) -> bool:
    """A visit that no order asks for, close to one that is booked, is one booking too many."""
    for chain in laid:
        for slot in chain.slots:
            if slot.events and abs(slot.events[0].day - event.day) <= course_of(therapy):
                slot.events.append(event)
                return True
    return False


def _book_once_more(laid: list[Chain], event: Event) -> bool:
    """A visit that fits no dose may be the next one of an order that says no number of visits."""
    for chain in laid:
        order = chain.current
        free = any(not slot.events for slot in chain.slots)
        if chain.goes_on and not free and order.window.covers(event.day) and _since(order, event):
            chain.slots.append(Slot(order, event.day, events=[event]))
            return True
    return False


def _order_on(chain: Chain, event: Event) -> Order:
    """The order of a chain under which something happened: the one its links name."""
    named = next((o for tie in event.ties for o in chain.orders if o.ref == tie.order), None)
    return named if named is not None and event.done else chain.current


def _course_in_parts(
    therapy: Therapy, alive: Sequence[Chain], dose: Callable[[Order], Quantity | None]
) -> int:
    """How many visits the orders in force ask for, where they are one course and name no day."""
    masses = [
        mass
        for chain in alive
        if not chain.current.days and (mass := dose(chain.current)) is not None
        for _ in range(chain.wants(chain.current))
    ]
    return len(masses) if len(masses) > 1 and therapy.is_course(masses) else 1


def _open_slots(
    therapy: Therapy, chain: Chain, history: Sequence[date], *, newest: bool, course: int
) -> None:
    """Add the slots that the current order still asks for, each with the day it is due."""
    order = chain.current
    booked = [slot for slot in chain.slots if slot.order is order]
    missing = chain.wants(order) - len(booked)
    again = newest and chain.goes_on and chain.asked[order.ref].spacing_days
    if again and all(event.done for slot in booked for event in slot.events):
        missing = max(missing, 1)
    if missing <= 0 or order.state is State.DONE:
        return
    fixed = [day for day in order.days if not any(_near(s.due, day, NEAR) for s in booked)]
    for day in fixed[:missing]:
        chain.slots.append(Slot(order, day, fixed=True))
    for _ in range(missing - len(fixed[:missing])):
        wants = max(course, chain.wants(order))
        chain.slots.append(Slot(order, _next_due(therapy, chain, order, history, wants)))
    chain.slots.sort(key=lambda slot: slot.due or date.max)


def _next_due(
    therapy: Therapy, chain: Chain, order: Order, history: Sequence[date], wants: int
) -> date | None:
    """The day for which the next dose of an order is due.

    After a dose of the same order: its own spacing. Else the regimen's spacing from the first
    infusion of the last course. A person never treated is due when the order begins.
    """
    mine = [slot.due for slot in chain.slots if slot.order is order and slot.due]
    begins = order.window.start or (order.authored.date() if order.authored else None)
    if mine:
        course = _dose_spacing(therapy, chain.wants(order))
        step = chain.asked[order.ref].spacing_days or course or therapy.spacing_days
        return max(mine) + timedelta(days=step) if step else None
    begun = [day for day in history if order.authored and day >= order.authored.date()]
    if begun and len(begun) < wants:
        return min(begun)  # a course that no link ties to its order, and that is not done yet
    if not (chain.goes_on and chain.asked[order.ref].spacing_days):
        # An order for one dose is due after those that were given before it was written.
        history = [day for day in history if day not in begun] or history
    if history and therapy.spacing_days:
        regular = course_start(therapy, history) + timedelta(days=therapy.spacing_days)
        return max(regular, begins) if begins else regular
    return begins


def _dose_spacing(therapy: Therapy, visits: int) -> int | None:
    """Days between the visits of a course, where the regimen has one with as many visits."""
    return next((dose.spacing_days for dose in therapy.doses if dose.visits == visits), None)


def course_of(therapy: Therapy) -> timedelta:
    """Infusions this close are one course; spacing counts from its first (docs/domain.md 2.2)."""
    return timedelta(days=therapy.course_days)


def course_start(therapy: Therapy, history: Sequence[date]) -> date:
    """The first day of the last course."""
    days = sorted(history)
    start = days[-1]
    for day in reversed(days):
        if start - day > course_of(therapy):
            break
        start = day
    return start


def _book_near(therapy: Therapy, laid: list[Chain], loose: list[Event]) -> list[Event]:
    """Book what no link names: one to one, in order of time, within the windows."""
    left = []
    half = timedelta(days=therapy.spacing_days // 2) if therapy.spacing_days else NEAR
    for event in loose:
        free = [
            (not _active(slot), slot.due or date.min, n, slot)
            for n, chain in enumerate(laid)
            for slot in chain.slots
            if not slot.events and _fits(slot, event, half)
        ]
        if not free:
            left.append(event)
            continue
        min(free, key=lambda row: row[:3])[3].events.append(event)
    return left


def _active(slot: Slot) -> bool:
    return slot.order is not None and slot.order.state is State.ACTIVE


def _fits(slot: Slot, event: Event, half: timedelta) -> bool:
    order = slot.order
    if order is not None and not _since(order, event):
        return False
    if slot.due is None:
        return True
    return _near(slot.due, event.day, min(NEAR, half) if slot.fixed else half)


def _since(order: Order | None, event: Event) -> bool:
    """Whether an event may have been meant by an order that was written when it was."""
    return (
        order is None or order.authored is None or event.day >= order.authored.date() - SAME_EVENT
    )


def _near(first: date | None, second: date, within: timedelta) -> bool:
    return first is not None and abs(first - second) <= within
