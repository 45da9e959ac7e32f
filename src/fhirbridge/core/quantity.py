"""Quantities: a number never travels without its unit.

Three nouns, in the order in which a quantity is understood:

- `Amount`   what a record *said*: a value, a unit as it was written, a code system, perhaps
             only text. Nothing is believed yet.
- `Quantity` a number with a unit that the ledger can calculate with. Adding or comparing two
             units is refused: 2 vials and 600 mg are not "602".
- `Measured` an `Amount` restated in the unit of the drug, with how it was converted: milligrams, or
             IU for a drug that is dosed in them.
"""

from __future__ import annotations

from decimal import Decimal

from .value import value

#: Two masses are the same dose when they differ by half a percent or less: rounding in
#: concentrations and transport, never a vial (reconciliation rule of the project).
TOLERANCE = Decimal("0.005")


class UnitMismatch(Exception):
    """Two quantities of different units met in one calculation: a defect of the caller."""


@value(frozen=True, slots=True)
class Quantity:
    """A decimal number of one unit, for example `Quantity(Decimal(600), "mg")`."""

    value: Decimal
    unit: str

    def __add__(self, other: Quantity) -> Quantity:
        return Quantity(self.value + self._like(other), self.unit)

    def __sub__(self, other: Quantity) -> Quantity:
        return Quantity(self.value - self._like(other), self.unit)

    def __mul__(self, times: int | Decimal) -> Quantity:
        return Quantity(self.value * times, self.unit)

    def __lt__(self, other: Quantity) -> bool:
        """Less by more than the tolerance."""
        return self.value < self._like(other) and not self.same(other)

    def __gt__(self, other: Quantity) -> bool:
        """More by more than the tolerance."""
        return self.value > self._like(other) and not self.same(other)

    @property
    def floored(self) -> Quantity:
        """Itself, or nothing where it is less than nothing: what is left of something."""
        return self if self.value > 0 else Quantity(Decimal(0), self.unit)

    def same(self, other: Quantity) -> bool:
        """Equal within `TOLERANCE`, relative to the larger of the two."""
        mine, theirs = self.value, self._like(other)
        return abs(mine - theirs) <= TOLERANCE * max(abs(mine), abs(theirs))

    def _like(self, other: Quantity) -> Decimal:
        if other.unit != self.unit:
            raise UnitMismatch(f"{self.unit} and {other.unit} cannot be compared or added")
        return other.value

    def __str__(self) -> str:
        return f"{plain(self.value)} {self.unit}"


def mg(value: Decimal | int | str) -> Quantity:
    """A mass in milligrams, the unit of the ledger."""
    return Quantity(Decimal(value), "mg")


def plain(value: Decimal) -> str:
    """A decimal for people: no exponent, no trailing zeros (`6.00E+2` -> `600`)."""
    text = format(value, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text


@value(frozen=True, slots=True)
class Amount:
    """A quantity exactly as a record said it; any part may be missing.

    `unit` is the unit for people, `code` the coded one (UCUM where `system` says so). `text`
    is a free text that stands in place of a number ("300 mg x 2").
    """

    value: Decimal | None = None
    unit: str = ""
    system: str = ""
    code: str = ""
    text: str = ""

    def __str__(self) -> str:
        if self.value is None:
            return f"“{self.text}”" if self.text else "no amount"
        return " ".join(part for part in (plain(self.value), self.unit or self.code) if part)

    @property
    def as_said(self) -> str:
        """With both of its units where they are not the same."""
        both = self.unit and self.code and self.unit != self.code
        return f"{self} (code {self.code})" if both else str(self)


@value(frozen=True, slots=True)
class Measured:
    """An `Amount` in the unit of the drug (mg, or IU).

    `basis` is what was converted from (mg · mL · vial · billing-unit · …); `how` is the
    arithmetic step in words, for the sentence that rests on it ("20 mL × 30 mg/mL").
    """

    mass: Quantity
    basis: str
    how: str
