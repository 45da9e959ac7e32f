"""Attaching: records that stand beside a dose and say that something went wrong with it.

A visit that was called off is remembered with the dose that it was for; a supply of another
product, handed out for this order, with the dose that is next. Neither changes a column.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta

from .dispensing import precedes
from .facts import Ref, Supply, Visit
from .ledger import Occasion
from .linking import Tie

#: A visit that was called off and names no order was meant for a dose this close to its day.
NEAR = timedelta(days=21)

Ties = Mapping[Ref, tuple[Tie, ...]]
ChainOf = Callable[[Ref], str | None]


def add_called_off(
    doses: Sequence[Occasion], visits: Sequence[Visit], ties: Ties, chain_of: ChainOf
) -> list[Occasion]:
    """Each canceled visit with the dose still to be given that it was nearest to."""
    out = list(doses)
    for visit in sorted(visits, key=lambda v: (v.day or date.max, v.ref)):
        keys = {chain_of(tie.order) for tie in ties.get(visit.ref, ())}
        mine = [
            n
            for n, dose in enumerate(out)
            if dose.order and not dose.given and (dose.chain in keys or _close(visit, dose, keys))
        ]
        if mine:
            best = min(mine, key=lambda n: _distance(visit, out[n]))
            out[best] = replace(out[best], called_off=(*out[best].called_off, visit))
    return out


def add_foreign(
    doses: Sequence[Occasion], supplies: Sequence[Supply], ties: Ties, chain_of: ChainOf
) -> list[Occasion]:
    """Each supply of another product with the next dose of the order that it was made for, else
    with the next dose in force that it precedes."""
    out = list(doses)
    for supply in sorted(supplies, key=lambda s: (s.day or date.max, s.ref)):
        keys = {chain_of(tie.order) for tie in ties.get(supply.ref, ())}
        for number, dose in enumerate(out):
            meant = dose.chain in keys if keys else dose.actionable and precedes(supply.day, dose)
            if meant and not dose.given:
                out[number] = replace(dose, foreign=(*dose.foreign, supply))
                break
    return out


def _close(visit: Visit, dose: Occasion, keys: set[str | None]) -> bool:
    if keys or visit.day is None or dose.due is None:
        return False
    return abs(visit.day - dose.due) <= NEAR


def _distance(visit: Visit, dose: Occasion) -> tuple[int, str]:
    if visit.day is None or dose.due is None:
        return 0, dose.key
    return abs((visit.day - dose.due).days), dose.key
