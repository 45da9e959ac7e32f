"""The shape of a labeled story, and the patient for whom all is well."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from .drugs import OCRELIZUMAB, Drug
from .verbs import Verbs


class Story(NamedTuple):
    """`must`: rules that have to be found; `may`: that may be found besides. Any other is false.

    `fixed`: choices of the styles in which the story can be told at all.
    """

    name: str
    tell: Callable[[Verbs], None]
    must: frozenset[str]
    may: frozenset[str]
    drugs: tuple[Drug, ...]
    fixed: dict[str, tuple[str, ...]]


STORIES: list[Story] = []


def story(
    must: str = "",
    may: str = "",
    drugs: tuple[Drug, ...] = (OCRELIZUMAB,),
    **fixed: tuple[str, ...],
) -> Callable[[Callable[[Verbs], None]], Callable[[Verbs], None]]:
    def take(tell: Callable[[Verbs], None]) -> Callable[[Verbs], None]:
        sets = frozenset(must.split()), frozenset(may.split())
        STORIES.append(Story(tell.__name__, tell, *sets, drugs, fixed))
        return tell

    return take


def well(c: Verbs, *without: str, on: int = 7, order: dict[str, Any] | None = None) -> None:
    """A maintenance course, a week ahead, of which every party did its part; `without` some.

    `order`: what is unusual about the order.
    """
    if "history" not in without:
        c.history(on)
    if "coverage" not in without:
        c.cover()
    if "order" not in without:
        c.order(**{"on": on, **(order or {})})
    if "premeds" not in without:
        c.premedicate(on=on)
    if "visit" not in without:
        for n in range(c.drug.visits):
            of = f"order{n}" if n and f"order{n}" in c.made else "order"
            c.visit(f"visit{n or ''}", on=on + n * c.drug.spacing, order=of)
    if "auth" not in without:
        c.approve()
    if "dispense" not in without:
        c.dispense()
