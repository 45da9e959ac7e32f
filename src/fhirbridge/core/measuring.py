"""Measuring: the amounts of one therapy's records, in milligrams of the drug.

An amount that cannot be measured becomes a Problem of its column, and the column has no total:
nothing is added that cannot be added.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import date
from decimal import Decimal
from typing import TypeVar

from . import units
from .chains import Asked
from .facts import Administration, Fact, Order, Problem, Ref, Strength, Supply
from .formulary import Formulary
from .grammar import Spoken
from .ledger import Column
from .linking import completed
from .quantity import Amount, Measured, Quantity
from .therapy import Therapy

F = TypeVar("F", Supply, Administration)


class Meter:
    """Measures the records of one therapy of one person."""

    def __init__(self, therapy: Therapy, formulary: Formulary) -> None:
        self.therapy, self.formulary = therapy, formulary
        # An order is asked for these at every step of its booking.
        self._words: dict[Ref, Spoken | None] = {}
        self._asked: dict[Ref, Asked] = {}
        self._ordered: dict[Ref, Column] = {}

    def words(self, order: Order) -> Spoken | None:
        """What the text of an order says, where it is understood."""
        if not order.text:
            return None
        if order.ref not in self._words:
            self._words[order.ref] = self.formulary.spoken(self.therapy, order.text)
        return self._words[order.ref]

    def asked(self, order: Order) -> Asked:
        """How many visits an order asks for: its timing, else its days, else its words say."""
        if order.ref not in self._asked:
            self._asked[order.ref] = self._ask(order)
        return self._asked[order.ref]

    def _ask(self, order: Order) -> Asked:
        words = self.words(order)
        counted = words.visits if words and self._agree(order, words) else None
        visits = order.visits or len(order.days) or counted
        return Asked(visits, order.spacing_days or (words.spacing_days if words else None))

    def _agree(self, order: Order, words: Spoken) -> bool:
        """Whether the words name the dose that the figures name: only then do they count visits.

        600 mg in the figures and "300 mg x 2" in the words are not 600 mg two times.
        """
        if order.per_visit is None:
            return True
        figures = self.amount(order, order.per_visit, "dose")
        said = self.amount(order, words.per_visit, "dose")
        if isinstance(figures, Problem) or isinstance(said, Problem):
            return True
        return figures.mass.same(said.mass)

    def _contradicted(self, order: Order, figures: Measured) -> Problem | None:
        """The words of an order name another dose than its figures, and nobody said which counts.

        Words that split the dose, or that name it for all visits together, name no other one. An
        amount beside the name of the drug may be that of a package, and a volume that of a bag.
        """
        words = self.words(order)
        if order.per_visit is None or order.answered or words is None:
            return None
        if words.named and words.visits is None and words.spacing_days is None:
            return None
        said = self._in_words(order, words.per_visit)
        if said is None:
            return None
        dose, count = figures.mass, order.visits or len(order.days) or 1
        alike = (said.mass, said.mass * (words.visits or 1))
        if any(each.same(dose) or each.same(dose * count) for each in alike):
            return None
        at = "dosageInstruction"
        return Problem(order.ref, "contradicted", at, readings=(figures.how, said.how))

    def _in_words(self, order: Order, amount: Amount) -> Measured | None:
        """A dose in words, also one that nobody believes: that is what it contradicts by."""
        unit = units.read(amount)
        if unit is None or unit.kind not in ("mass", "activity", "package"):
            return None
        said = self.amount(order, amount, "dose")
        if isinstance(said, Measured):
            return said
        if said.reason != "implausible" or unit.kind == "package" or amount.value is None:
            return None
        mass = Quantity(amount.value * unit.factor, self.therapy.unit)
        return Measured(mass, mass.unit, str(mass))

    def ordered(self, order: Order) -> Column:
        """The ordered column: the dose as the order says it, else as its words do."""
        if order.ref not in self._ordered:
            self._ordered[order.ref] = self._order(order)
        return self._ordered[order.ref]

    def _order(self, order: Order) -> Column:
        visits = self.asked(order).visits
        amount, words = order.per_visit, self.words(order)
        if amount is None and words is not None:
            amount = words.per_visit
        if amount is None and order.per_fill is not None and (visits or 1) == 1:
            amount = order.per_fill
        if amount is None:
            return Column(visits=visits, refs=(order.ref,))
        result = self.amount(order, amount, "dose")
        if isinstance(result, Problem):
            return Column(visits=visits, refs=(order.ref,), problems=(result,))
        if problem := self._contradicted(order, result):
            return Column(visits=visits, refs=(order.ref,), problems=(problem,))
        count = visits or 1
        return Column(
            per_visit=result.mass,
            visits=count,
            total=result.mass * count,
            refs=(order.ref,),
            steps=(result.how,),
        )

    def given(self, facts: Sequence[Administration]) -> Column:
        """The administered column: the sum, unless one of the amounts cannot be measured."""
        total: Quantity | None = None
        steps, problems = [], []
        for fact in facts:
            if fact.amount is None:
                continue
            result = self.amount(fact, fact.amount, "given")
            if isinstance(result, Problem):
                problems.append(result)
            else:
                total = result.mass if total is None else total + result.mass
                steps.append(result.how)
        refs = tuple(fact.ref for fact in facts)
        if problems:
            total = None
        return Column(
            visits=len(facts),
            total=total,
            refs=refs,
            steps=tuple(steps),
            problems=tuple(problems),
        )

    def supply(self, supply: Supply) -> Measured | Problem:
        """What was dispensed."""
        return self.amount(supply, supply.amount or Amount(), "dispense")

    def amount(self, fact: Fact, amount: Amount, context: str) -> Measured | Problem:
        """One amount of a record in mg. `context`: dose · dispense · given."""
        codes = fact.codes
        on = getattr(fact, "day", None)
        at = {"dose": "dose", "dispense": "quantity", "given": "dosage.dose"}[context]
        strength = self._strength(fact)
        said = _by_strength(amount, strength) if strength else None
        result = self.formulary.measure(
            self.therapy, codes, said or amount, on, context=context, ref=fact.ref, at=at
        )
        if said and isinstance(result, Measured):
            return replace(result, how=f"{amount} × {strength}")
        return result

    def _strength(self, fact: Fact) -> Strength | None:
        """How strong the record itself says that its medication is, in this drug."""
        if not isinstance(fact, Order | Supply | Administration) or not fact.strengths:
            return None
        named = [(s, self.formulary.recognize(s.codes, s.text).therapy) for s in fact.strengths]
        mine = [s for s, drug in named if drug and drug.ingredient == self.therapy.ingredient]
        if not mine and len(named) == 1 and named[0][1] is None:
            mine = [named[0][0]]
        return mine[0] if len(mine) == 1 else None

    def order_copies(self, orders: Sequence[Order]) -> dict[Ref, Ref]:
        """Orders that another server shows too, without a number in common -> the one they repeat.

        Written on one day for the same dose, as often and for the same days as far as both say
        them. The one that names its days counts, for it says more.
        """
        if len({order.ref.source for order in orders}) < 2:
            return {}
        shown: dict[object, list[list[Order]]] = {}  # each order with its copies
        for order in sorted(orders, key=lambda o: (not o.days, o.ref)):
            if order.authored is None or order.parent:
                continue
            dose, visits = self.ordered(order).per_visit, self.asked(order).visits
            said = (order.authored.date(), order.state, dose and dose.value, visits or 1)
            groups = shown.setdefault(said, [])
            for group in groups:
                if _lacks(group, order.ref.source) and _same_days(group[0], order):
                    group.append(order)
                    break
            else:
                groups.append([order])
        return {
            copy.ref: group[0].ref
            for groups in shown.values()
            for group in groups
            for copy in group[1:]
        }

    def without_copies(self, facts: list[F]) -> list[F]:
        """Drop what another server shows too, without an identifier in common.

        The same amount on the same day from two servers is one supply, or one dose: counted
        twice it would be a false alarm of the worst kind.
        """
        if len({fact.ref.source for fact in facts}) < 2:
            return facts
        shown: dict[tuple[date, Decimal], list[list[F]]] = {}  # each record with its copies
        kept: list[list[F]] = []
        for fact in facts:
            amount = self.amount(fact, fact.amount or Amount(), "given")
            alike: list[list[F]] = []
            if fact.day is not None and not isinstance(amount, Problem):
                alike = shown.setdefault((fact.day, amount.mass.value), [])
            elsewhere = next((each for each in alike if _lacks(each, fact.ref.source)), None)
            if elsewhere is not None:
                elsewhere.append(fact)
                continue
            kept.append([fact])
            alike.append(kept[-1])
        return [completed(*each) for each in kept]


def _by_strength(amount: Amount, strength: Strength) -> Amount | None:
    """An amount of a medication as the mass of its ingredient; None where the units say nothing."""
    mass, of, unit = units.read(strength.mass), units.read(strength.of), units.read(amount)
    if mass is None or of is None or unit is None or mass.kind != "mass":
        return None
    if amount.value is None or strength.mass.value is None or not strength.of.value:
        return None
    volumes = unit.kind == of.kind == "volume"
    packages = unit.kind == "package" and (of.kind == "none" or unit == of)
    if not (volumes or packages):
        return None
    times = amount.value * unit.factor / (strength.of.value * of.factor)
    return Amount(times * strength.mass.value * mass.factor, "mg")


def _same_days(one: Order, other: Order) -> bool:
    """Whether two orders are for the same days, as far as both say them."""
    if one.days and other.days:
        return one.days == other.days
    starts = {order.window.start for order in (one, other)} - {None}
    return len(starts) < 2


def _lacks(alike: Sequence[Fact], source: str) -> bool:
    return all(fact.ref.source != source for fact in alike)
