"""Rows of words as aligned columns: plain text, the same on a terminal and in a pipe."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def aligned(rows: Iterable[Sequence[object]]) -> list[str]:
    """One line for each row, all of one length; None is an empty cell, numbers stand right."""
    cells = [["" if cell is None else cell for cell in row] for row in rows]
    widths = [max(len(str(cell)) for cell in column) for column in zip(*cells, strict=True)]
    return ["  ".join(map(_padded, row, widths)).rstrip() for row in cells]


def _padded(cell: object, width: int) -> str:
    if isinstance(cell, bool):
        cell = "yes" if cell else "no"
    return f"{cell:>{width}}" if isinstance(cell, int) else f"{cell!s:<{width}}"
