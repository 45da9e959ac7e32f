"""Readying: what must be ready for a dose, besides the drug and the answer of the payer.

Orders for premedication and for the administration itself belong to the order that they are tied
to; what payers require, the results and the enrollments to the therapy.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from datetime import date

from .authorizing import UNSAID, side_answered
from .beforehand import beforehand, is_at_need
from .facts import Evidence, Fact, Order, Ref, Requirement, State, Visit
from .formulary import Formulary
from .linking import Tie, Web
from .sorting import Sorted
from .therapy import Therapy


class Readiness:
    """What must be ready for the doses of one therapy of one person.

    `tied`: the orders of the therapy that a record belongs to; `strangers`: orders of others.
    """

    def __init__(
        self,
        therapy: Therapy,
        sorted_: Sorted,
        web: Web,
        formulary: Formulary,
        tied: Callable[[Fact], tuple[Tie, ...]],
        strangers: Collection[Ref] = (),
    ) -> None:
        self.therapy, self.sorted, self.web, self.formulary = therapy, sorted_, web, formulary
        self._tied, self._strangers = tied, strangers
        self.requirements = self._requirements()
        self.results = self._results()
        self.enrollments = self._enrollments()

    def premedications(self, order: Order, day: date | None) -> tuple[tuple[str, Order], ...]:
        """Active orders for premedication that serve this dose.

        Tied to this order, or to none at all and in force on the day (a standing order). The
        words of the main order may name the classes too ("with methylprednisolone 100 mg").
        """
        said = self.formulary.premedication((), order.text)
        if said:
            said = self.formulary.premedication((), beforehand(order.text))
        found = [(name, order) for name in said]
        for classes, fact in self.sorted.premedications:
            if fact.state is not State.ACTIVE or is_at_need(fact.text):
                continue
            ties = self._tied(fact)
            tied = any(tie.order == order.ref for tie in ties)
            standing = not ties and (day is None or _on(fact, day))
            if tied or standing:
                found += [(name, fact) for name in classes]
        return tuple(sorted(found, key=lambda each: (each[0], each[1].ref)))

    def services(self, order: Order) -> tuple[Order, ...]:
        return tuple(
            fact
            for fact in self.sorted.services
            if any(tie.order == order.ref for tie in self._tied(fact))
        )

    def _requirements(self) -> tuple[tuple[str, Requirement], ...]:
        """What payers require, with the side it is about: by its codes, else by its order."""
        found = []
        for covers, therapy, fact in self.sorted.requirements:
            if therapy is not None and therapy is not self.therapy:
                continue
            if fact.state is State.WITHDRAWN:
                continue
            if covers in UNSAID:
                covers = side_answered(self.web.answered(fact), self._strangers)
            found.append((covers, fact))
        return tuple(found)

    def required(self, visits: Sequence[Visit]) -> tuple[tuple[str, Requirement], ...]:
        """What payers require for a dose: what stands on its visit is about its administration."""
        if not self.requirements:
            return ()
        here = {visit.ref for visit in visits}
        return tuple(
            (covers or ("administration" if fact.ref in here else ""), fact)
            for covers, fact in self.requirements
        )

    def _results(self) -> tuple[tuple[str, Evidence], ...]:
        """The results that this therapy asks for, each with the name of the class."""
        asked = {each.name for each in self.therapy.prerequisites}
        found = [(name, fact) for classes, fact in self.sorted.results for name in classes & asked]
        return tuple(sorted(found, key=lambda each: (each[0], each[1].ref)))

    def _enrollments(self) -> tuple[Evidence, ...]:
        """What says who is enrolled in this therapy's safety program: by the name of the program
        or of the drug, by its order, else because the person has no other such drug."""
        rems = self.therapy.rems
        if rems is None:
            return ()
        only = [each for each in self.sorted.therapies if each.rems] == [self.therapy]
        found = []
        for programs, fact in self.sorted.enrollments:
            drug = self.formulary.recognize(fact.codes, fact.text).therapy
            if programs or drug is not None:
                mine = rems.program in programs or drug is self.therapy
            else:
                mine = bool(self._tied(fact)) or (only and not fact.links)
            if mine:
                found.append(fact)
        return tuple(found)


def _on(order: Order, day: date) -> bool:
    """Whether an order is in force on a day: by its days, else by its window."""
    return day in order.days if order.days else order.window.covers(day)
