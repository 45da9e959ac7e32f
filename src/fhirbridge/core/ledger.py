"""The ledger: what was ordered, authorized, scheduled, dispensed and given, dose by dose.

    book(facts, formulary, calendar, as_of) -> Ledger

A person's facts are sorted by therapy (`sorting`), the orders of a therapy are laid out as dose
*occasions*, and visits, administrations, supplies and authorizations are booked to the occasions
they belong to (`occasions`): by explicit reference, by a shared identifier, else one to one in
order of time. Each occasion then carries one `Column` for each side of the story.

What a column does not know is `None`. A column never adds what cannot be added: amounts that
have no milligrams stand among its `problems`, and `known` is False for what rests on them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from dataclasses import fields as dataclass_fields
from datetime import date, datetime, timedelta
from operator import attrgetter
from typing import Any

from .calendar import Calendar
from .facts import (
    Administration,
    Authorization,
    Coverage,
    Evidence,
    Fact,
    Order,
    Problem,
    Ref,
    Requirement,
    State,
    Supply,
    Visit,
)
from .linking import Copy, Tie
from .quantity import Quantity
from .therapy import Therapy
from .value import value


@value(frozen=True, slots=True)
class Column:
    """One side of an occasion.

    `per_visit` one dose, `visits` how many, `total` of all of them; each None when it was not
    said and cannot be derived. `refs` are the records it rests on, `steps` the conversions.
    """

    per_visit: Quantity | None = None
    visits: int | None = None
    total: Quantity | None = None
    decision: str = ""  # of a payer, on the authorized columns
    refs: tuple[Ref, ...] = ()
    steps: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()

    @property
    def known(self) -> bool:
        """Whether every amount of the column could be measured."""
        return not self.problems


@value(frozen=True, slots=True)
class Item:
    """An authorization as the ledger sees it: measured, and what it covers."""

    fact: Authorization
    covers: str  # drug · administration · home-nursing · other · unknown
    per_visit: Quantity | None
    visits: int | None
    total: Quantity | None
    steps: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    therapy: Therapy | None = None  # the product it names, where it names one


@value(frozen=True, slots=True)
class Dose:
    """A dose that was given: its day, and how much (None: not recorded, or not measured)."""

    day: date
    mass: Quantity | None = None


@value(frozen=True, slots=True, kw_only=True)
class Occasion:
    """One planned treatment event of one therapy.

    `key` stays the same when the visit is rescheduled: the name of the first order of the
    renewal chain and the ordinal (for a visit without any order: the visit's name). `due` is
    the day for which the order or the regimen asks; `visit` the booked appointment.
    """

    key: str
    chain: str  # the key without the ordinal
    therapy: Therapy
    ordinal: int
    due: date | None
    order: Order | None
    visit: Visit | None = None
    visits: tuple[Visit, ...] = ()  # every appointment for it, in order of time
    called_off: tuple[Visit, ...] = ()  # canceled, or the patient did not come
    history: tuple[Dose, ...] = ()  # every dose of this drug that was given, whatever its order
    ordered: Column = Column()
    authorized_drug: Column = Column()
    authorized_admin: Column = Column()
    scheduled: Column = Column()
    dispensed: Column = Column()
    administered: Column = Column()
    drug_items: tuple[Item, ...] = ()  # every answer of a payer about the drug, in force or not
    admin_items: tuple[Item, ...] = ()
    unclear_orders: tuple[Order, ...] = ()  # its visit names them, and they name no drug
    unclear_items: tuple[Item, ...] = ()  # answers that do not say what they cover
    supplies: tuple[Supply, ...] = ()
    foreign: tuple[Supply, ...] = ()  # of another product, handed out for this order
    contested: tuple[Supply, ...] = ()  # may be meant for this dose or for one of another order
    promised: Quantity | None = None  # announced, not committed by the pharmacy
    administrations: tuple[Administration, ...] = ()
    premedications: tuple[tuple[str, Order], ...] = ()  # (class, active order)
    services: tuple[Order, ...] = ()  # orders for the administration itself
    requirements: tuple[tuple[str, Requirement], ...] = ()  # (drug · administration, …)
    results: tuple[tuple[str, Evidence], ...] = ()  # (prerequisite of the therapy, result)
    enrollments: tuple[Evidence, ...] = ()  # in the safety program of the therapy
    ties: Mapping[Ref, Tie] = field(default_factory=dict)

    @property
    def columns(self) -> tuple[Column, ...]:
        """All sides of the story, in its order."""
        approved = self.authorized_drug, self.authorized_admin
        return (self.ordered, *approved, self.scheduled, self.dispensed, self.administered)

    @property
    def day(self) -> date | None:
        """The day of the visit where one is booked, else the day it is due."""
        return self.visit.day if self.visit and self.visit.day else self.due

    @property
    def given(self) -> bool:
        """The dose was given in full, as far as anybody can tell.

        Half a dose is not a dose. A fulfilled visit that nobody recorded a dose for counts.
        """
        if not self.administrations:
            return bool(self.visit and self.visit.status == "fulfilled")
        return is_whole(self.administrations, self.administered, self.ordered)

    @property
    def partly_given(self) -> bool:
        """Some of the dose was given, and the rest is still to come."""
        return bool(self.administrations) and not self.given

    @property
    def actionable(self) -> bool:
        """The order can be carried out as it stands."""
        return self.order is not None and self.order.state is State.ACTIVE


def is_whole(given: Iterable[Administration], administered: Column, ordered: Column) -> bool:
    """Whether what was given is the dose: by its amount, else unless all of it was stopped early.

    An infusion that was stopped when all of it was in is a dose.
    """
    mass, dose = administered.total, ordered.per_visit
    if mass is not None and dose is not None:
        return not mass < dose
    return any(fact.complete is not False for fact in given)


def changed(occasion: Occasion, **fields: Any) -> Occasion:
    """`dataclasses.replace`, in a quarter of the time: each occasion is completed step by step."""
    return Occasion(**{**dict(zip(_FIELDS, _values(occasion), strict=True)), **fields})


_FIELDS = tuple(each.name for each in dataclass_fields(Occasion))
_values: Callable[[Occasion], tuple[Any, ...]] = attrgetter(*_FIELDS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """All occasions of one person, in order of time, and what could not be booked."""

    calendar: Calendar
    occasions: tuple[Occasion, ...] = ()
    coverages: tuple[Coverage, ...] = ()
    loose: tuple[Fact, ...] = ()  # of a known therapy, but of no occasion
    therapies: tuple[Therapy, ...] = ()
    copies: tuple[Copy, ...] = ()  # records that stand on two servers

    def open(self, as_of: datetime) -> tuple[Occasion, ...]:
        """The occasions that still can go wrong: not given, not long past, not withdrawn."""
        today = self.calendar.day(as_of)
        return tuple(o for o in self.occasions if is_open(o, today))


#: How long a dose that was given is looked at (docs/domain.md 3.5, 42).
LOOK_BACK = timedelta(days=180)

#: An occasion that nobody gave, booked or touched for this long is history, not work.
FORGOTTEN = timedelta(days=60)


def is_past(occasion: Occasion, today: date) -> bool:
    """Whether an occasion was given not long ago, seen from a day."""
    day = occasion.day
    return occasion.given and day is not None and today - LOOK_BACK <= day <= today


def is_open(occasion: Occasion, today: date) -> bool:
    """Whether an occasion still has to happen, seen from a day."""
    if occasion.given:
        return False
    if occasion.visit is not None:
        return occasion.visit.day is None or occasion.visit.day >= today
    if occasion.order is None or occasion.order.state not in (State.ACTIVE, State.HELD):
        return False
    return occasion.due is None or occasion.due >= today - FORGOTTEN
