"""The decorator of the values that are made by the thousand: facts, and what a ledger is made of.

    @value(frozen=True, slots=True)

To the type checker it *is* `dataclasses.dataclass`: who assigns to a field of a value fails
`mypy --strict`. At run time it makes the same class (slots, compared and hashed by its fields)
without the `__setattr__` that would refuse the assignment, because a frozen dataclass also has
to go around that guard for each field that its own `__init__` sets. Measured on CPython 3.11:
an `Order` of 27 fields takes 4.6 µs to make when frozen and 1.2 µs so, a `Code` 0.6 and 0.2.

What is made once for a decision (a finding, a plan) stays an ordinary frozen dataclass.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from dataclasses import dataclass as value
else:
    from dataclasses import dataclass

    def value(
        *, frozen: bool, slots: bool, kw_only: bool = False, order: bool = False
    ) -> Callable[[type], type]:
        """A frozen dataclass to the type checker, one without the guard at run time."""
        if not (frozen and slots):
            raise TypeError("a value is frozen and has slots")

        def made(class_: type) -> type:
            hashed = "__hash__" not in vars(class_)  # by its fields, unless it says how
            return dataclass(slots=True, unsafe_hash=hashed, kw_only=kw_only, order=order)(class_)

        return made


__all__ = ["value"]
