"""Dispensing: supplies poured over the doses that they are meant for.

A supply that a link ties to an order serves that order's doses in order of time: two vials that
arrive together serve both halves of an initial phase. A supply without any link serves the one
order whose dose it precedes by at most `BEFORE`; when two orders could be meant it stays loose.
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
    by_chain: dict[str, list[Supply]] = {}
    contested: list[tuple[Supply, set[str]]] = []
    loose = []
    for supply in sorted(supplies, key=lambda s: (s.day or date.max, s.ref)):
        if supply.stage in NOTHING:
            continue
        tied = [key for tie in ties.get(supply.ref, ()) if (key := chain_of(tie.order))]
        keys = {tied[0]} if tied else _meant_for(supply, doses)
        if len(keys) == 1:
            by_chain.setdefault(keys.pop(), []).append(supply)
            continue
        loose.append(supply)
        if keys:
            contested.append((supply, keys))
    out: list[Occasion] = []
    for key in dict.fromkeys(dose.chain for dose in doses):
        mine = [dose for dose in doses if dose.chain == key]
        out += _fill(mine, by_chain[key], measure) if key in by_chain else mine
    return _add_contested(out, contested), loose


def _meant_for(supply: Supply, doses: Sequence[Occasion]) -> set[str]:
    """The chains that a supply without any link may be meant for."""
    if supply.day is None:
        return {dose.chain for dose in doses if dose.order and not dose.given}
    return {dose.chain for dose in doses if dose.day and _precedes(supply.day, dose)}


def _add_contested(
    doses: list[Occasion], contested: Sequence[tuple[Supply, set[str]]]
) -> list[Occasion]:
    """Each supply that may be meant for doses of several orders, with all of those doses."""
    for supply, keys in contested:
        doses = [
            changed(dose, contested=(*dose.contested, supply))
            if dose.chain in keys
            and not dose.given
            and (supply.day is None or _precedes(supply.day, dose))
            else dose
            for dose in doses
        ]
    return doses


def _precedes(day: date, dose: Occasion) -> bool:
    half = timedelta(days=(dose.therapy.spacing_days or 90) // 2)
    return dose.day is not None and -AFTER <= dose.day - day <= min(BEFORE, half)


def _fill(
    doses: Sequence[Occasion], supplies: Sequence[Supply], measure: Measure
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
    glasses = pour(
        [Share(ref, measured[ref].mass, *_reach(by_ref[ref], doses)) for ref in measured],
        [dose.ordered.per_visit for dose in doses],
    )
    # What cannot be measured makes the dose uncertain that it may be for, not the ones before.
    doubtful = {problem.ref: _reach(by_ref[problem.ref], doses)[0] for problem in problems}
    for number, (dose, glass) in enumerate(zip(doses, glasses, strict=True)):
        mine = [problem for problem in problems if doubtful[problem.ref] == number]
        refs = tuple(dict.fromkeys([ref for ref, _ in glass] + [p.ref for p in mine]))
        yield changed(
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


def _reach(supply: Supply, doses: Sequence[Occasion]) -> tuple[int, int]:
    """The first and the last dose (positions) that a supply may serve.

    Never a dose that was given before it came; and what is more than the first of them needs
    serves only doses that follow soon.
    """
    day, last = supply.day, len(doses) - 1
    first = next((n for n, dose in enumerate(doses) if not _over(dose, day)), last)
    for number in range(first + 1, last + 1):
        coming = doses[number].day
        if day is not None and coming is not None and coming - day > STORED:
            return first, number - 1
    return first, last


def _over(dose: Occasion, day: date | None) -> bool:
    """Whether a dose was given before a supply came; of a supply without a day, at all."""
    return dose.given and (day is None or dose.day is None or dose.day + AFTER < day)


@dataclass(frozen=True, slots=True)
class Share:
    """A supply to be poured, and the first and last dose (positions) that it may serve."""

    ref: Ref
    mass: Quantity
    first: int
    last: int


def pour(
    shares: Sequence[Share], wants: Sequence[Quantity | None]
) -> list[list[tuple[Ref, Quantity]]]:
    """Give shares, in order, to the doses in order; what is too much stays with the last.

    `wants`: what each dose needs; one that nobody knows (None) takes all.
    """
    glasses: list[list[tuple[Ref, Quantity]]] = [[] for _ in wants]
    for share in shares:
        rest = share.mass
        for number in range(share.first, share.last + 1):
            want, part = wants[number], rest
            if want is not None and number < share.last:
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
