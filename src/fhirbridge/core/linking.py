"""Linking: which records mean one another.

A fact is known by `names` and points at others by `links`; both directions count (an order may
name its authorization, an authorization its order). From these the `Web` answers one question:
*which drug orders does this record belong to, and why do we think so?*

Tiers: 0 explicit reference · 1 shared identifier (order number, authorization number,
requisition) · 2 attributes, which is not decided here but where records meet dose occasions.
Never is a candidate chosen because it makes the ledger agree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypeVar

from .facts import Authorization, Coverage, Fact, Link, Order, Ref, Requirement, Site, State
from .value import value

F = TypeVar("F", bound=Fact)

#: How far a chain of references is followed: visit -> service request -> medication request.
REACH = 3
SAME_REQUISITION = "same requisition"


@value(frozen=True, slots=True)
class Tie:
    """A fact tied to an order: the order's ref, the weakest tier on the way, and the words."""

    order: Ref
    tier: int
    why: str


@dataclass(frozen=True, slots=True)
class Copy:
    """A record that another server shows too: the one that is believed, and its copy."""

    fact: Fact
    copy: Fact


@dataclass(slots=True, eq=False)
class Record:
    """A record and what it points at or is pointed at by, the strongest link first."""

    ref: Ref
    near: list[tuple[Record, Link]] = field(default_factory=list)


class Web:
    """The links among the facts of one person."""

    def __init__(self, facts: Iterable[Fact]) -> None:
        # Everything may name its insurance; following that would tie every record to every other.
        self.facts = tuple(fact for fact in facts if not isinstance(fact, Coverage))
        linked = [(fact, link) for fact in self.facts for link in _links(fact)]
        #: The facts that go by a name (a reference, or "system|value") to which a link points.
        self._named: dict[str, list[Fact]] = {link.to: [] for _, link in linked}
        for fact in self.facts:
            for name in _known_by(fact):
                if name in self._named:
                    self._named[name].append(fact)
        self._records = {fact.ref: Record(fact.ref) for fact in self.facts}
        for fact, link in linked:
            here = self._records[fact.ref]
            for meant in self._named[link.to]:
                there = self._records[meant.ref]
                if there is not here:
                    here.near.append((there, link))
                    there.near.append((here, link))
        for record in self._records.values():
            if len(record.near) > 1:
                record.near.sort(key=_weakness)

    def answered(self, fact: Fact, also: Iterable[str] = ()) -> list[Order]:
        """The orders that a payer's answer names, or that name it (by `also`, too)."""
        orders = [other for link in fact.links for other in self._named[link.to]]
        names = {fact.ref.name, *fact.names, *also}
        orders += [f for f in self.facts if any(link.to in names for link in f.links)]
        return [order for order in orders if isinstance(order, Order)]

    def ties(self, fact: Fact, orders: Mapping[Ref, Order]) -> tuple[Tie, ...]:
        """The orders that a fact belongs to, nearest first; the way stops at the first order."""
        start = self._records.get(fact.ref)
        if start is None or not start.near or (len(orders) == 1 and fact.ref in orders):
            return ()
        seen, ring = {start}, [(start, 0, "")]
        for _ in range(REACH):
            found: list[Tie] = []
            following: list[tuple[Record, int, str]] = []
            for here, tier, why in ring:
                for other, link in here.near:
                    if other in seen:
                        continue
                    seen.add(other)
                    way = f"{why}, {link.why}" if why else link.why
                    if other.ref in orders:
                        found.append(Tie(other.ref, max(tier, link.tier), way))
                    else:
                        following.append((other, max(tier, link.tier), way))
            if found:
                return _strongest(found)
            ring = following
        return ()


def _weakness(near: tuple[Record, Link]) -> tuple[bool, int]:
    """The strongest of several links to one record comes first."""
    link = near[1]
    return link.why == SAME_REQUISITION, link.tier


def _strongest(found: list[Tie]) -> tuple[Tie, ...]:
    """The orders that are named themselves; those of the same requisition only if none is.

    A requisition is shared by all orders of a course, so it says less than an order's number.
    """
    named = [tie for tie in found if SAME_REQUISITION not in tie.why]
    return tuple(named or found)


def _requisition(fact: Fact) -> tuple[str, ...]:
    """The name that all orders of one requisition share (MedicationRequest.groupIdentifier)."""
    if isinstance(fact, Order) and fact.requisition:
        return (f"requisition:{fact.requisition}",)
    return ()


def _known_by(fact: Fact) -> Iterable[str]:
    """The names by which a link may mean a fact: its own, and the one of its requisition."""
    return {fact.ref.name, *fact.names, *_requisition(fact)}


def _links(fact: Fact) -> tuple[Link, ...]:
    """What a fact points at: orders of one requisition at one another, too."""
    shared = _requisition(fact)
    return (*fact.links, Link(shared[0], 1, SAME_REQUISITION)) if shared else fact.links


def without_mirrors(facts: Iterable[Fact]) -> tuple[tuple[Fact, ...], tuple[Copy, ...]]:
    """Drop copies of one record that stand on several servers.

    Two records of one type on *different* sources that share a business identifier are one
    (domain: mirrored copies are recognized by identifier first; else a dispense that the EHR
    also shows counts twice). The copy that was updated last is kept, then the lower reference.
    Returns the facts that remain, and each copy with the fact that stands for it.
    """
    facts = in_order(facts)
    copies: list[Copy] = []
    if not _share_a_name(facts):
        return tuple(facts), ()
    # By kind of fact, too: an order and what a payer says on it are of one record.
    owner: dict[tuple[type, str, str], list[Fact]] = {}  # what is believed, and its copies
    for fact in sorted(facts, key=_freshest_first):
        own = fact.ref.name
        kind = type(fact)
        names = [(kind, fact.ref.type, name) for name in sorted(fact.names) if name != own]
        alike = next((owner[name] for name in names if name in owner), None)
        if alike is not None and alike[0].ref.source != fact.ref.source:
            alike.append(fact)
            copies.append(Copy(alike[0], fact))
            continue
        alike = [fact]
        owner.update((name, alike) for name in names)
    dropped = {id(copy.copy) for copy in copies}
    whole = {id(alike[0]): completed(*alike) for alike in owner.values() if len(alike) > 1}
    return tuple(whole.get(id(f), f) for f in facts if id(f) not in dropped), tuple(copies)


def _share_a_name(facts: Iterable[Fact]) -> bool:
    """Whether any name is used on two sources."""
    source_of: dict[str, str] = {}
    for fact in facts:
        source = fact.ref.source
        for name in fact.names:
            if source_of.setdefault(name, source) != source:
                return True
    return False


#: Fields that a copy never fills: whose record it is and what became of it are its own.
_OWN = frozenset({"ref", "patient", "names", "links", "state", "updated", "problems"})


def completed(fact: F, *copies: Fact) -> F:
    """A record with what only its copies say: their links, and what it leaves empty.

    A hospital's copy of a dispense seldom says for which prescription it was or where it went.
    Items of one answer share its names, so that an item's copy cannot be told: they stay as
    they are.
    """
    if isinstance(fact, Authorization | Requirement):
        return fact
    for copy in copies:
        if type(copy) is not type(fact) or copy.state is not fact.state:
            continue
        says: dict[str, Any] = {}
        for each in fields(fact):
            if each.name not in _OWN and _is_silent(getattr(fact, each.name), each.default):
                says[each.name] = getattr(copy, each.name)
        links = tuple(dict.fromkeys((*fact.links, *copy.links)))
        fact = replace(fact, names=fact.names | copy.names, links=links, **says)
    return fact


def _is_silent(said: object, default: object) -> bool:
    """Whether a field says nothing; a place whose kind nobody knows does not."""
    return said == default or (isinstance(said, Site) and said.kind == "unknown")


def in_order(facts: Iterable[Fact]) -> list[Fact]:
    """Facts by their reference, each once: the same for any order and repetition.

    The items of one record are told apart by their names. Two versions of one record should
    never meet here; they are told apart by all they say.
    """
    out: list[Fact] = []
    for items in _grouped(facts, _address):
        out += items if len(items) == 1 else _told_apart(items)
    return out


def _told_apart(items: list[Fact]) -> Iterator[Fact]:
    """The items of one record, each once; only items of the same names are compared wholly."""
    for same in _grouped(items, _names):
        yield from same if len(same) == 1 else sorted(dict.fromkeys(same), key=repr)


def _grouped(facts: Iterable[Fact], key: Callable[[Fact], tuple[str, ...]]) -> Iterator[list[Fact]]:
    """Facts with the same key together, in the order of the keys."""
    groups: dict[tuple[str, ...], list[Fact]] = {}
    for fact in facts:
        groups.setdefault(key(fact), []).append(fact)
    return (groups[each] for each in sorted(groups))


def _address(fact: Fact) -> tuple[str, ...]:
    ref = fact.ref
    return ref.source, ref.type, ref.id


def _names(fact: Fact) -> tuple[str, ...]:
    return tuple(sorted(fact.names))


def _freshest_first(fact: Fact) -> tuple[bool, float, tuple[str, ...]]:
    wrong = fact.state is State.WRONG
    return wrong, -(fact.updated.timestamp() if fact.updated else 0.0), _address(fact)
