"""Authorizing: the answers of payers booked to the doses that they speak about.

An answer joins by person and ingredient; its period, product and site are compared afterwards,
never joined on (docs/domain.md 3.5). The drug and its administration are two columns: one says
nothing about the other. An answer that does not say what it covers stays `unclear`.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import date, timedelta

from .courses import course_of
from .facts import Authorization, Decision, Order, Ref, State, Visit
from .granted import HOURLY, may_be_the_giving
from .ledger import Column, Item
from .linking import Web
from .quantity import Quantity
from .therapy import Therapy
from .value import value

#: Decisions that let a dose be given.
IN_FORCE = frozenset({Decision.APPROVED, Decision.MODIFIED, Decision.NOT_REQUIRED})
#: A decision without a period speaks for doses at most this far from its day (docs/domain.md 3.5).
SPEAKS = timedelta(days=90)
#: An approval without a period is believed for a year.
BELIEVED = timedelta(days=365)

ADMINISTRATION = frozenset({"administration", "home-nursing"})
#: What the codes of an answer leave to the order that it is about.
UNSAID = frozenset({"unknown", "other"})


@value(frozen=True, slots=True)
class Answers:
    """The answers of payers that may be about doses of one therapy, by what they cover."""

    drug: tuple[Item, ...]
    administration: tuple[Item, ...]
    unclear: tuple[Item, ...]
    on_visits: tuple[Item, ...] = ()  # they stand on a visit, and are about no other

    def at(self, visits: Sequence[Visit]) -> tuple[Item, ...]:
        """The answers about the administration at these visits."""
        if not self.on_visits:
            return self.administration
        here = {visit.ref for visit in visits}
        own = (item for item in self.on_visits if item.fact.ref in here)
        return (*self.administration, *own)


def answers_about(
    therapy: Therapy, items: Sequence[Item], web: Web, strangers: Collection[Ref] = ()
) -> Answers:
    """What payers answered about one therapy, and still stands. `strangers`: orders of others.

    Where a line of an answer names the drug, another line in other words is about its giving or
    about something else.
    """
    sides = [(i, covers(i, web, strangers)) for i in items if i.fact.state is not State.WITHDRAWN]
    drug = tuple(i for i, side in sides if side == "drug" and _same_ingredient(i, therapy))
    named = {item.fact.document for item in drug}
    unclear = tuple(
        i
        for i, side in sides
        if side == "unknown" and (i.fact.document not in named or may_be_the_giving(i))
    )
    visits = {f.ref for f in web.facts if isinstance(f, Visit)} if unclear else set()
    return Answers(
        drug=drug,
        administration=tuple(
            i for i, side in sides if side in ADMINISTRATION and not _more_hours(i)
        ),
        unclear=tuple(i for i in unclear if i.fact.ref not in visits),
        on_visits=tuple(i for i in unclear if i.fact.ref in visits),
    )


def _more_hours(item: Item) -> bool:
    """A grant of further hours alone (96415): it lets no infusion begin, and counts none."""
    codes = item.fact.codes
    return item.fact.decision in IN_FORCE and bool(codes) and all(c.code in HOURLY for c in codes)


def covers(item: Item, web: Web, strangers: Collection[Ref] = ()) -> str:
    """What an answer covers: by its codes, else by the order that it answers."""
    if item.covers not in UNSAID:
        return item.covers
    return side_answered(web.answered(item.fact, item.fact.numbers), strangers) or item.covers


def side_answered(orders: Sequence[Order], strangers: Collection[Ref]) -> str:
    """The side of the orders that an answer is about; nothing where they are of both, or none."""
    kinds = {order.kind for order in orders if order.ref not in strangers}
    if orders and not kinds:
        return "other"
    if len(kinds) != 1:
        return ""
    return "drug" if kinds == {"medication"} else "administration"


def in_force(item: Item, day: date | None) -> bool:
    """Whether an answer lets a dose be given on a day (its last day is covered)."""
    return item.fact.decision in IN_FORCE and speaks_of(item.fact, day)


def speaks_of(fact: Authorization, day: date | None) -> bool:
    """Whether an answer is about doses of a day: by its period, else by when it was given."""
    if day is None:
        return True
    if fact.span.start or fact.span.end:
        return fact.span.covers(day)
    if fact.issued is None:
        return True
    reach = BELIEVED if fact.decision in IN_FORCE else SPEAKS
    return abs(day - fact.issued.date()) <= reach


def authorized(
    items: Sequence[Item], therapy: Therapy, day: date | None, want: Quantity | None
) -> Column:
    """One authorized column of a dose: what is in force on its day. `want`: what was ordered.

    Where one answer fits the dose exactly it is the one that will be used; an older approval
    of other figures beside it does no harm.
    """
    valid = [item for item in items if in_force(item, day)]
    if not valid:
        return Column(decision=_standing(items, day), refs=_refs(items))
    fitting = [i for i in valid if want and i.per_visit and i.per_visit.same(want)]
    waived = [i for i in valid if i.fact.decision is Decision.NOT_REQUIRED]
    used = fitting or waived or _whole(valid, items, therapy, day)
    each = used[0].per_visit
    visits = [i.visits for i in used if i.visits is not None]
    totals = [i.total for i in used if i.total is not None]
    total: Quantity | None = None
    if len(totals) == len(used):
        for one in totals:
            total = one if total is None else total + one
    return Column(
        per_visit=each if all(i.per_visit == each for i in used) else None,
        visits=sum(visits) if len(visits) == len(used) else None,
        total=total,
        decision=used[0].fact.decision.value,
        refs=_refs(used),
        steps=tuple(dict.fromkeys(step for item in used for step in item.steps)),
        problems=tuple(problem for item in used for problem in item.problems),
    )


def _whole(
    valid: list[Item], items: Sequence[Item], therapy: Therapy, day: date | None
) -> list[Item]:
    """Answers in force, with the items of the same answer for other days of the same course.

    A payer may split one dose into items with a date each (E6): together they are what it
    approved.
    """
    documents = {item.fact.document for item in valid}
    return valid + [
        item
        for item in items
        if item not in valid
        and item.fact.decision in IN_FORCE
        and item.fact.document in documents
        and day is not None
        and item.fact.span.start is not None
        and abs(item.fact.span.start - day) <= course_of(therapy)
    ]


#: When nothing is in force, the state that a person would name first.
_STANDING = (Decision.PENDED, Decision.DENIED, Decision.CONTACT, Decision.UNKNOWN)


def _standing(items: Sequence[Item], day: date | None) -> str:
    speaking = {i.fact.decision for i in items if speaks_of(i.fact, day)}
    return next((decision.value for decision in _STANDING if decision in speaking), "")


def _same_ingredient(item: Item, therapy: Therapy) -> bool:
    other = item.therapy
    return other is None or (other.ingredient, other.unit) == (therapy.ingredient, therapy.unit)


def _refs(items: Sequence[Item]) -> tuple[Ref, ...]:
    return tuple(dict.fromkeys(item.fact.ref for item in items))
