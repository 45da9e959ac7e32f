"""Occasions: visits and administrations booked to the doses that orders ask for.

For one therapy: visits and administrations are *events* of a day; each event goes to the slot
(`chains`) that its links name, else one to one in order of time within the windows of
docs/domain.md 1.3, tier 2. What remains is said, never forced.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, timedelta

from .chains import Chain, Event, Slot
from .courses import NEAR, course_in_parts, course_of, near, open_slots
from .facts import Administration, Order, Ref, State, Visit
from .linking import Tie
from .quantity import Quantity
from .therapy import Therapy

#: Appointments that will not or did not take place.
OFF = frozenset({"cancelled", "noshow", "entered-in-error"})
#: A visit and an administration of the same treatment lie at most this many days apart.
SAME_EVENT = timedelta(days=3)


def events(
    visits: Iterable[Visit], given: Iterable[Administration], ties: Mapping[Ref, tuple[Tie, ...]]
) -> list[Event]:
    """Pair appointments with the administrations of the same treatment, in order of time."""
    made: list[Event] = []
    for visit in sorted(
        (v for v in visits if v.day and v.status not in OFF), key=lambda v: (v.day, v.ref)
    ):
        made.append(Event(visit.day or date.min, visit, ties=ties[visit.ref]))
    for fact in sorted((g for g in given if g.day), key=lambda g: (g.day, g.ref)):
        day = fact.day or date.min
        close = [e for e in made if abs(e.day - day) <= SAME_EVENT]
        event = min(close, key=lambda e: abs(e.day - day), default=None)
        if event is None:
            made.append(event := Event(day))
        event.given.append(fact)
        event.ties = event.ties or ties[fact.ref]
    return sorted(made, key=lambda e: e.day)


def lay_out(
    therapy: Therapy,
    laid: list[Chain],
    happening: list[Event],
    home: Mapping[Ref, Chain],
    dose: Callable[[Order], Quantity | None],
    is_short: Callable[[Slot], bool],
    filled: Sequence[date] = (),
) -> list[Event]:
    """Give every chain its slots and every event its slot; returns the events without one.

    `home`: the chain of each order (`chains.homes`). `dose`: what it asks for at each visit.
    `is_short`: whether only a part of a dose was given. `filled`: days that stand in for doses
    given, where nobody records those.
    """
    loose: list[Event] = []
    torn: list[tuple[Event, list[Chain]]] = []  # tied to several orders: one of a course of them
    for event in happening:
        tied = {home[tie.order].key: home[tie.order] for tie in event.ties if tie.order in home}
        named = list(tied.values())
        if len(named) == 1:
            _book(therapy, named[0], _order_on(named[0], event), event, is_short)
        elif named:
            torn.append((event, named))
        else:
            loose.append(event)
    history = [*(event.day for event in happening if event.done), *filled]
    alive = [chain for chain in laid if chain.current.state is State.ACTIVE]
    course = course_in_parts(therapy, alive, dose)
    for chain in laid:
        # An older order that nobody ended does not ask for the doses of a newer one.
        whole = course if chain in alive else 1
        open_slots(therapy, chain, history, newest=chain in alive[-1:], course=whole)
    for event, named in torn:
        if _book_near(therapy, named, [event]):
            _book(therapy, named[0], _order_on(named[0], event), event, is_short)
    left = _book_near(therapy, laid, loose)
    left = [event for event in left if not _book_rest(therapy, laid, event, dose)]
    left = [event for event in left if not _book_extra(therapy, laid, event)]
    left = [event for event in left if not _book_balance(therapy, laid, event, is_short)]
    return [event for event in left if not _book_once_more(laid, event)]


def _book(
    therapy: Therapy,
    chain: Chain,
    order: Order,
    event: Event,
    is_short: Callable[[Slot], bool],
) -> None:
    """Book an event that a link ties to an order; one too many joins the dose beside it.

    Of a dose that was given in part it is the rest, wherever it is moved to: nearer to the next
    dose than to this one it is the next.
    """
    mine = [slot for slot in chain.slots if slot.order is order]
    free = next((slot for slot in mine if not slot.events), None)
    if free is not None:
        free.events.append(event)
        return
    if len(mine) >= chain.wants(order):
        beside = [s for s in mine if abs(s.events[0].day - event.day) <= course_of(therapy)]
        beside = beside or [s for s in mine if _is_rest(therapy, s, event) and is_short(s)]
        if beside:
            beside[-1].events.append(event)
            return
    chain.slots.append(Slot(order, event.day, events=[event]))


def _is_rest(therapy: Therapy, slot: Slot, event: Event) -> bool:
    after = event.day - slot.events[0].day
    return timedelta(0) < after <= _half(therapy)


def _half(therapy: Therapy) -> timedelta:
    """Half of the way to the next dose."""
    return timedelta(days=therapy.spacing_days // 2) if therapy.spacing_days else NEAR


def _order_on(chain: Chain, event: Event) -> Order:
    """The order of a chain under which something happened: the one its links name."""
    named = next((o for tie in event.ties for o in chain.orders if o.ref == tie.order), None)
    return named if named is not None and event.done else chain.current


def _book_near(therapy: Therapy, laid: list[Chain], loose: list[Event]) -> list[Event]:
    """Book what no link names: one to one, in order of time, within the windows."""
    left = []
    half = _half(therapy)
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
            if not other.events or not near(other.events[0].day, event.day, course_of(therapy)):
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


def _book_balance(
    therapy: Therapy, laid: list[Chain], event: Event, is_short: Callable[[Slot], bool]
) -> bool:
    """A visit that fits no other dose is for the rest of the one that was given in part."""
    short = [
        slot
        for chain in laid
        for slot in chain.slots
        if slot.events and _is_rest(therapy, slot, event) and is_short(slot)
    ]
    if len(short) == 1:
        short[0].events.append(event)
    return len(short) == 1


def _book_once_more(laid: list[Chain], event: Event) -> bool:
    """A visit that fits no dose may be the next one of an order that says no number of visits."""
    for chain in laid:
        order = chain.current
        free = any(not slot.events for slot in chain.slots)
        if chain.goes_on and not free and order.window.covers(event.day) and _since(order, event):
            chain.slots.append(Slot(order, event.day, events=[event]))
            return True
    return False


def _fits(slot: Slot, event: Event, half: timedelta) -> bool:
    order = slot.order
    if order is not None and not _since(order, event):
        return False
    if slot.due is None:
        return True
    return near(slot.due, event.day, min(NEAR, half) if slot.fixed else half)


def _active(slot: Slot) -> bool:
    return slot.order is not None and slot.order.state is State.ACTIVE


def _since(order: Order | None, event: Event) -> bool:
    """Whether an event may have been meant by an order that was written when it was."""
    return (
        order is None or order.authored is None or event.day >= order.authored.date() - SAME_EVENT
    )
