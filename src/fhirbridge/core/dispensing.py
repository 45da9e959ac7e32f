"""Dispensing: supplies poured over the doses that they are meant for.

A supply that a link ties to orders serves their doses in order of time: two vials that arrive
together serve both halves of an initial phase. A supply without any link serves the order whose
dose it precedes by at most `BEFORE`, or the orders that are one course together; where two other
orders could be meant it stays loose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

from .facts import Problem, Ref, Supply
from .ledger import Column, Occasion, changed
from .linking import Tie
from .quantity import Measured, Quantity

#: A supply that names no order is meant for a dose at most this long after it (docs/domain.md 1.3).
BEFORE, AFTER = timedelta(days=45), timedelta(days=3)

#: What is more than one dose needs is kept for doses of the next quarter: the longest supply that
#: is handed out at once.
STORED = timedelta(days=100)

#: Stages in which nothing is on hand or on its way: declined, canceled, sent back.
NOTHING = frozenset({"none", "returned"})

Measure = Callable[[Supply], Measured | Problem]


def dispense(
    doses: Sequence[Occasion],
    supplies: Sequence[Supply],
    measure: Measure,
    ties: Mapping[Ref, tuple[Tie, ...]],
    chain_of: Callable[[Ref], str | None],
) -> tuple[list[Occasion], list[Supply]]:
    """Book supplies to the doses of one therapy; returns the doses and the loose supplies.

    `chain_of` gives the chain that an order belongs to, as `Occasion.chain` names it.
    """
    serves: dict[Ref, frozenset[str]] = {}  # the chains that a supply is for
    mine: list[Supply] = []
    contested: list[tuple[Supply, frozenset[str]]] = []
    loose = []
    for supply in sorted(supplies, key=lambda s: (s.day or date.max, s.ref)):
        if supply.stage in NOTHING:
            continue
        tied = [key for tie in ties[supply.ref] if (key := chain_of(tie.order))]
        keys = frozenset(tied) or _meant_for(supply, doses)
        if tied or len(keys) == 1 or (keys and _in_turn(supply, keys, doses)):
            serves[supply.ref] = keys
            mine.append(supply)
            continue
        loose.append(supply)
        if keys:
            contested.append((supply, keys))
    out = list(doses)
    for chains in _together(serves.values()):
        places = [n for n, dose in enumerate(doses) if dose.chain in chains]
        if not places:
            continue  # of an order that is done, or that asks for no dose any more
        if len(chains) > 1:
            places.sort(key=lambda n: (doses[n].day or date.max, n))
        supplied = [supply for supply in mine if serves[supply.ref] <= chains]
        filled = _fill([doses[n] for n in places], supplied, serves, measure)
        for n, dose in zip(places, filled, strict=True):
            out[n] = dose
    return _add_contested(out, contested), loose


def _together(sets: Iterable[frozenset[str]]) -> list[frozenset[str]]:
    """Chains that share a supply, joined."""
    joined: list[frozenset[str]] = []
    for one in sets:
        apart = [other for other in joined if not other & one]
        for other in joined:
            if other & one:
                one |= other
        joined = [*apart, one]
    return joined


def _in_turn(supply: Supply, keys: frozenset[str], doses: Sequence[Occasion]) -> bool:
    """Whether the doses that a supply may be for are one course: it serves them in order of time.

    The halves of an initial phase, each ordered by itself, are no ambiguity (docs/domain.md 1.3).
    """
    if supply.day is None:
        return False
    near = [d for d in doses if d.chain in keys and precedes(supply.day, d)]
    masses = [dose.ordered.per_visit for dose in near]
    known = [mass for mass in masses if mass is not None]
    days = {dose.day for dose in near}
    return len(known) == len(days) == len(near) and near[0].therapy.is_course(known)


def _meant_for(supply: Supply, doses: Sequence[Occasion]) -> frozenset[str]:
    """The chains that a supply without any link may be meant for.

    A stopped order counts only where no order in force could be meant.
    """
    day = supply.day
    if day is None:
        near = [dose for dose in doses if dose.order and not dose.given]
    else:
        near = [dose for dose in doses if precedes(day, dose)]
    in_force = [dose for dose in near if dose.actionable]
    return frozenset(dose.chain for dose in in_force or near)


def _add_contested(
    doses: list[Occasion], contested: Sequence[tuple[Supply, frozenset[str]]]
) -> list[Occasion]:
    """Each supply that may be meant for doses of several orders, with all of those doses."""
    for supply, keys in contested:
        doses = [
            changed(dose, contested=(*dose.contested, supply))
            if dose.chain in keys
            and not dose.given
            and (supply.day is None or precedes(supply.day, dose))
            else dose
            for dose in doses
        ]
    return doses


def precedes(day: date | None, dose: Occasion) -> bool:
    """Whether a supply of that day may be meant for a dose, by the days alone."""
    half = timedelta(days=(dose.therapy.spacing_days or 90) // 2)
    if day is None or dose.day is None:
        return False
    return -AFTER <= dose.day - day <= min(BEFORE, half)


def _fill(
    doses: Sequence[Occasion],
    supplies: Sequence[Supply],
    serves: Mapping[Ref, frozenset[str]],
    measure: Measure,
) -> Iterable[Occasion]:
    by_ref = {supply.ref: supply for supply in supplies}
    measured: dict[Ref, Measured] = {}
    problems: list[Problem] = []
    for supply in supplies:
        if supply.amount is not None:
            result = measure(supply)
            if isinstance(result, Problem):
                problems.append(result)
            else:
                measured[supply.ref] = result
    reach = {ref: _reach(by_ref[ref], serves[ref], doses) for ref in by_ref}
    glasses = pour(
        [Share(ref, measured[ref].mass, reach[ref]) for ref in measured],
        [dose.ordered.per_visit for dose in doses],
    )
    # What cannot be measured makes the dose uncertain that it may be for, not the ones before.
    doubtful = {problem.ref: reach[problem.ref][0] for problem in problems}
    for number, (dose, glass) in enumerate(zip(doses, glasses, strict=True)):
        mine = [problem for problem in problems if doubtful[problem.ref] == number]
        refs = tuple(dict.fromkeys([ref for ref, _ in glass] + [p.ref for p in mine]))
        yield (
            dose
            if not refs
            else changed(
                dose,
                supplies=tuple(by_ref[ref] for ref in refs),
                promised=_total(m for ref, m in glass if by_ref[ref].stage == "promised"),
                dispensed=Column(
                    total=_total(m for ref, m in glass if by_ref[ref].stage != "promised"),
                    refs=refs,
                    steps=tuple(measured[ref].how for ref in refs if ref in measured),
                    problems=tuple(mine),
                ),
            )
        )


def _reach(supply: Supply, chains: frozenset[str], doses: Sequence[Occasion]) -> list[int]:
    """The doses (positions) that a supply may serve: those of its orders, in order.

    Never a dose that was given before it came; and what is more than the first of them needs
    serves only doses that follow soon.
    """
    day = supply.day
    own = [n for n, dose in enumerate(doses) if dose.chain in chains]
    ahead = [n for n in own if not _over(doses[n], day)] or own[-1:]
    for place, number in enumerate(ahead[1:], start=1):
        coming = doses[number].day
        if day is not None and coming is not None and coming - day > STORED:
            return ahead[:place]
    return ahead


def _over(dose: Occasion, day: date | None) -> bool:
    """Whether a dose was given before a supply came; of a supply without a day, at all."""
    return dose.given and (day is None or dose.day is None or dose.day + AFTER < day)


@dataclass(frozen=True, slots=True)
class Share:
    """A supply to be poured, and the doses (positions) that it may serve, in order."""

    ref: Ref
    mass: Quantity
    serves: Sequence[int]


def pour(
    shares: Sequence[Share], wants: Sequence[Quantity | None]
) -> list[list[tuple[Ref, Quantity]]]:
    """Give shares, in order, to the doses in order; what is too much stays with the last.

    `wants`: what each dose needs; one that nobody knows (None) takes all.
    """
    glasses: list[list[tuple[Ref, Quantity]]] = [[] for _ in wants]
    for share in shares:
        rest = share.mass
        for number in share.serves:
            want, part = wants[number], rest
            if want is not None and number != share.serves[-1]:
                poured = _total(mass for _, mass in glasses[number])
                room = want - poured if poured is not None else want
                part = min(rest, room, key=lambda mass: mass.value)
            if part.value > 0:
                glasses[number].append((share.ref, part))
                rest = rest - part
    return glasses


def _total(masses: Iterable[Quantity]) -> Quantity | None:
    """The sum, or None when nothing was dispensed: absence is not a quantity."""
    total: Quantity | None = None
    for mass in masses:
        total = mass if total is None else total + mass
    return total
