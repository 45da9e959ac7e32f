"""What a benchmark reports: a figure and, where there is one, the goal."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple


class Row(NamedTuple):
    """`reached` ≥ 1 when the goal is reached; None where there is no goal, and a note may stand."""

    what: str
    figure: str
    goal: str
    reached: float | None = None
    note: str = ""


def show(title: str, rows: Iterable[Row]) -> None:
    """One table, aligned."""
    print(title, flush=True)
    for row in rows:
        mark = "" if row.reached is None else "reached" if row.reached >= 1 else "NOT reached"
        goal = f"goal {row.goal}" if row.goal else ""
        print(
            f"  {row.what:46} {row.figure:>12}   {row.note or goal:16} {mark}".rstrip(), flush=True
        )
