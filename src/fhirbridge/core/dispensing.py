"""Dispensing: supplies poured over the doses that they are meant for.

A supply that a link ties to an order serves that order's doses in order of time: two vials that
arrive together serve both halves of an initial phase. A supply without any link serves the one
order whose dose it precedes by at most `BEFORE`; when two orders could be meant it stays loose.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from .facts import Problem, Ref, Supply
from .ledger import Column, Occasion
from .linking import Tie
from .quantity import Measured, Quantity

#: A supply that names no order is meant for a dose at most this long after it (domain, tier 2).
BEFORE, AFTER = timedelta(days=45), timedelta(days=3)

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
    loose = []
    for supply in sorted(supplies, key=lambda s: (s.day or date.max, s.ref)):
        if supply.stage in NOTHING:
            continue
        tied = [key for tie in ties.get(supply.ref, ()) if (key := chain_of(tie.order))]
        key = tied[0] if tied else _meant_for(supply, doses)
        if key is None:
            loose.append(supply)
        else:
            by_chain.setdefault(key, []).append(supply)
    out: list[Occasion] = []
    for key in dict.fromkeys(dose.chain for dose in doses):
        mine = [dose for dose in doses if dose.chain == key]
        out += _fill(mine, by_chain.get(key, []), measure)
    return out, loose


def _meant_for(supply: Supply, doses: Sequence[Occasion]) -> str | None:
    """The chain that a supply without any link is meant for: exactly one, or None."""
    if supply.day is None:
        keys = {dose.chain for dose in doses if dose.order and not dose.given}
    else:
        keys = {dose.chain for dose in doses if dose.day and _precedes(supply.day, dose)}
    return keys.pop() if len(keys) == 1 else None


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
        [(ref, result.mass) for ref, result in measured.items()],
        [dose.ordered.per_visit for dose in doses],
    )
    # What cannot be measured makes the next dose uncertain, not the ones already given.
    doubtful = next((n for n, dose in enumerate(doses) if not dose.given), len(doses) - 1)
    for number, (dose, glass) in enumerate(zip(doses, glasses, strict=True)):
        mine = problems if number == doubtful else []
        refs = tuple(dict.fromkeys([ref for ref, _ in glass] + [p.ref for p in mine]))
        yield replace(
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


def pour(
    shares: Sequence[tuple[Ref, Quantity]], wants: Sequence[Quantity | None]
) -> list[list[tuple[Ref, Quantity]]]:
    """Give shares, in order, to wants, in order; what is left over stays with the last want."""
    glasses: list[list[tuple[Ref, Quantity]]] = [[] for _ in wants]
    level, filled = 0, None
    for ref, rest in shares:
        while rest.value > 0:
            want = wants[level]
            last = level == len(wants) - 1
            room = rest if last or want is None else want - filled if filled else want
            part = room if room < rest else rest
            glasses[level].append((ref, part))
            filled = filled + part if filled else part
            rest = rest - part
            if not last and want is not None and not filled < want:
                level, filled = level + 1, None
    return glasses


def _total(masses: Iterable[Quantity]) -> Quantity | None:
    """The sum, or None when nothing was dispensed: absence is not a quantity."""
    total: Quantity | None = None
    for mass in masses:
        total = mass if total is None else total + mass
    return total
