"""The formulary: whose drug is this, how much of it, and what is the visit for?

    formulary.recognize(codes, text)              -> Recognition
    formulary.measure(therapy, codes, amount, on) -> Measured | Problem

Built once from the therapies of the mappings, then only read. Which drug a record is about is
decided in this order: product and billing codes; codes of a mere substance, with the route or a
brand in words; words. A code whose display names another drug is not believed (a public
generator gives every MS drug the same RxNorm code).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import date
from functools import lru_cache

from . import grammar
from .codes import Words
from .facts import Code, Problem, Ref
from .index import Index, Meaning, Named
from .quantity import Amount, Measured, Quantity
from .scale import Scale
from .therapy import Recognition, Therapy
from .visits import Visits
from .wording import dose_only, without_premedication

_ROUTES = {
    "intravenous": ("iv", "i.v", "intravenous", "intravenously"),
    "subcutaneous": ("sc", "subq", "sub-q", "subcut", "subcutaneous", "subcutaneously"),
}


_ANY = Ref("", "", "")


class Formulary:
    """All therapies that are known, with an index of their codes and words."""

    def __init__(self, therapies: Iterable[Therapy], visits: Visits | None = None) -> None:
        self.therapies: Mapping[str, Therapy] = {each.name: each for each in therapies}
        self._scales = {name: Scale(each) for name, each in self.therapies.items()}
        self._index = Index(self.therapies.values())
        # A drug that somebody added as a therapy is no longer another drug.
        self.visits = (visits or Visits()).without(self._index.of_text)
        prerequisites = [p for each in self.therapies.values() for p in each.prerequisites]
        self._results = Named((p.name, p.codes, (p.name, *p.aliases)) for p in prerequisites)
        programs = [each.rems for each in self.therapies.values() if each.rems]
        self._programs = Named((r.program, (), (r.program, *r.aliases)) for r in programs)
        self._brands = {
            name: Named((b.name, b.codes, b.words) for b in each.brands)
            for name, each in self.therapies.items()
        }
        self._routes = {route: Words(words) for route, words in _ROUTES.items()}
        # The same orders, amounts and visits come back with every patient: read once, looked up.
        remember = lru_cache(maxsize=8192)
        self._recognized, self._spoken = remember(self._recognize), remember(self._speak)
        self._measured, self._infused = remember(self._measure), remember(self._infusion_visit)
        self._classes, self._services = remember(self._premedication), remember(self._service)

    def recognize(self, codes: Sequence[Code], text: str) -> Recognition:
        """Whose drug a record with these codes and this text is about."""
        return self._recognized(tuple(codes), text)

    def measure(
        self,
        therapy: Therapy,
        codes: Sequence[Code],
        amount: Amount,
        on: date | None,
        *,
        context: str,
        ref: Ref,
        at: str,
    ) -> Measured | Problem:
        """An amount of a therapy in milligrams, or why it cannot be told and its readings.

        `codes` are those of the same record: they say which product or billing unit is meant.
        `on` is the day of the service (billing codes change). `context` says what is believed:
        dose · dispense · authorization (may be the total of a year) · limit (of a benefit, whose
        numbers have no unit) · given (may be a part).
        `ref` and `at` (FHIR path) go into the Problem. Its reason is `unit-ambiguous`,
        `implausible` or `not-a-number`.
        """
        found = self._measured(therapy.name, tuple(codes), amount, on, context)
        return found if isinstance(found, Measured) else replace(found, ref=ref, at=at)

    def dosed(self, among: Sequence[Therapy], amount: Amount | None, text: str) -> Therapy | None:
        """The one of several products of an ingredient of which an amount, or the dose that a
        text says, is a dose: 600 mg of ocrelizumab are none of the subcutaneous one."""
        fits = [each for each in among if self._is_dose(each, amount, text)]
        return fits[0] if len(fits) == 1 else None

    def plain(self, among: Sequence[Therapy]) -> Therapy | None:
        """The one of several products that is called by the name of the ingredient alone."""
        called = [t for t in among if any(t.name in m.products for m in self._named_as(t))]
        return called[0] if len(called) == 1 else None

    def brand(self, therapy: Therapy, codes: Sequence[Code], text: str) -> str | None:
        """The one brand of a therapy that a record names: by its codes, else in words."""
        brands = self._brands[therapy.name]
        named = brands.coded(codes) or brands.found(codes, text)
        return next(iter(named)) if len(named) == 1 else None

    def vials(self, therapy: Therapy, missing: Quantity) -> str | None:
        """A missing mass in whole packages ("1 vial"), where there is only one package."""
        mass, package = self._scales[therapy.name].package or (None, "")
        if mass is None or missing.value <= 0 or missing.value % mass:
            return None
        count = int(missing.value / mass)
        return f"{count} {package}" if count == 1 else f"{count} {package}s"

    def spoken(self, therapy: Therapy, text: str) -> grammar.Spoken | None:
        """The dose that a record's text says, or None. Each line is understood wholly or not.

        A line without the name of the drug counts before one with it (which may be the name of
        the package: "Ocrevus 300 mg vial"); one about another drug does not count. Lines that
        differ, or one with an amount that is not understood, make nothing understood.
        """
        return self._spoken(therapy.name, text)

    def service(self, codes: Sequence[Code]) -> str | None:
        """`administration` or `home-nursing`, where a procedure code of any therapy says so."""
        return self._services(tuple(codes))

    def is_foreign(self, code: Code) -> bool:
        """Whether a code surely names a drug or a procedure that is none of ours."""
        return self._index.foreign(code)

    def names_another(self, text: str) -> bool:
        """Whether words surely name something that is none of our drugs nor their giving.

        A drug for premedication, a product that resembles ours, another drug, a scan: what is
        merely not known is not another thing.
        """
        named = self._index.of_text(text)
        if named:
            return not any(each.therapies for each in named)
        return self.visits.infusion("", (), text, None) == "no"

    def premedication(self, codes: Sequence[Code], text: str) -> frozenset[str]:
        """The classes of premedication (steroid …) that codes, displays and text name."""
        return self._classes(tuple(codes), text)

    def prerequisite(self, codes: Sequence[Code], text: str) -> frozenset[str]:
        """The classes of results (hepatitis-b …) that a laboratory's record is about."""
        return self._results.found(codes, text)

    def rems(self, codes: Sequence[Code], text: str) -> frozenset[str]:
        """The safety programs (`Rems.program`) that a record names."""
        return self._programs.found(codes, text)

    def infusion_visit(
        self, source: str, codes: Sequence[Code], text: str, location: str | None = None
    ) -> str:
        """Whether an appointment is for an infusion: yes · no · unknown.

        `location` is the reference of its place as its source writes it ("Location/x"). The
        name of a drug that is infused counts like the word "infusion".
        """
        return self._infused(source, tuple(codes), text, location)

    def _premedication(self, codes: tuple[Code, ...], text: str) -> frozenset[str]:
        of_text = self._index.of_text
        said = (*self._index.of_codes(codes), *of_text(_displays(codes)), *of_text(text))
        return _union(each.premedications for each in said)

    def _service(self, codes: tuple[Code, ...]) -> str | None:
        said = (meaning.services for meaning in self._index.of_codes(codes) if meaning.services)
        return min(next(said, ()), default=None)

    def _infusion_visit(
        self, source: str, codes: tuple[Code, ...], text: str, location: str | None
    ) -> str:
        named = _union(
            each.therapies
            for words in (_displays(codes), text)
            for each in self._index.of_text(words)
        )
        infused = any(self.therapies[name].infusion for name in named)
        return self.visits.infusion(source, codes, text, location, infused=infused)

    def _measure(
        self, name: str, codes: tuple[Code, ...], amount: Amount, on: date | None, context: str
    ) -> Measured | Problem:
        """An amount of any record: a Problem names none yet."""
        scale = self._scales[name]
        return scale.measure(codes, amount, on, context=context, ref=_ANY, at="")

    def _named_as(self, therapy: Therapy) -> Sequence[Meaning]:
        return self._index.of_text(therapy.ingredient)

    def _is_dose(self, therapy: Therapy, amount: Amount | None, text: str) -> bool:
        if amount is None and (spoken := self.spoken(therapy, text)):
            amount = spoken.per_visit
        if amount is None:
            return False
        said = self._measured(therapy.name, (), amount, None, "given")
        return isinstance(said, Measured) and any(d.fits(said.mass) for d in therapy.doses)

    def _speak(self, name: str, text: str) -> grammar.Spoken | None:
        named, bare = [], []
        lines = map(without_premedication, text.splitlines())
        for line in filter(grammar.has_amount, lines):
            drugs = [each.therapies for each in self._index.of_text(line)]
            if not drugs:
                bare.append(line)
            elif any(name in each for each in drugs):
                named.append(line)
        scale = self._scales[name]
        said = {grammar.spoken(line, scale.names) for line in bare or named}
        once = said.pop() if len(said) == 1 else None
        if once is None or not scale.agrees(once):
            return None
        return once if bare else replace(once, named=True)

    def _recognize(self, codes: tuple[Code, ...], text: str) -> Recognition:
        found = self._index.of_codes(codes)
        displays = _displays(codes)
        if any(each.products for each in found):
            return self._coded(found, displays)
        if traps := _union(each.traps for each in found):
            return Recognition(trap=self.therapies[min(traps)])
        if any(each.premedications for each in found):
            return Recognition()
        said = self._said(codes, displays, text, [each for each in found if each.substance])
        if said:
            return self._named(said, f"{displays} {text}")
        return Recognition(unclear=self._names_nothing(codes, f"{displays} {text}"))

    def _coded(self, found: Sequence[Meaning], displays: str) -> Recognition:
        """The drug of a product or billing code, unless a display or another code objects."""
        products = _union(each.products for each in found)
        others = _union(
            each.names for each in self._index.of_text(displays) if not each.therapies & products
        )
        if len(products) == 1 and not others and not any(each.traps for each in found):
            return Recognition(self.therapies[min(products)])
        return self._unclear(products | others)

    def _said(
        self, codes: Sequence[Code], displays: str, text: str, substances: list[Meaning]
    ) -> list[Meaning]:
        """What substances and words name. A text only adds to what codes and displays say."""
        said = [*substances, *self._index.of_text(displays)]
        words = self._first_named(text)
        if said:
            named = _union(each.therapies for each in said)
            return [*said, *(each for each in words if each.therapies & named)]
        if displays and any(self._index.foreign(code) for code in codes):
            return []
        return list(words)

    def _first_named(self, text: str) -> Sequence[Meaning]:
        """The known words of the first line that has any: later lines may tell of other drugs."""
        lines = (self._index.of_text(line) for line in text.splitlines())
        return next((words for words in lines if words), ())

    def _named(self, said: Sequence[Meaning], text: str) -> Recognition:
        """The drug that substances and words mean: all of them together, with the route."""
        if said[0].premedications and not said[0].therapies:
            return Recognition()  # a text names its drug first: this orders another
        if traps := _union(each.traps for each in said):
            return Recognition(trap=self.therapies[min(traps)])
        drugs = [each for each in said if each.therapies]
        wide = frozenset.intersection(*(each.therapies for each in drugs))
        if not wide:
            return self._unclear(_union(each.therapies for each in drugs))
        routes = {route for route, words in self._routes.items() if words.found(text)}
        fits = {name for name in wide if not routes or self.therapies[name].route in routes}
        if len(fits) > 1:
            # "ocrelizumab" alone is the name of one product, though two contain it.
            exact = [each.products for each in drugs if each.products]
            fits &= frozenset.intersection(*exact) if exact else fits
        if len(fits) == 1:
            return Recognition(self.therapies[fits.pop()])
        return replace(self._unclear(fits or wide), bare=bool(fits))

    def _unclear(self, names: Iterable[str]) -> Recognition:
        among = tuple(self.therapies[name] for name in sorted(names) if name in self.therapies)
        return Recognition(unclear=True, among=among)

    def _names_nothing(self, codes: Sequence[Code], text: str) -> bool:
        """Whether a record names no drug: only services, only a dose, or nothing to read."""
        if any(each.services for each in self._index.of_codes(codes)):
            return True
        if any(self._index.foreign(code) for code in codes):
            return False
        return not dose_only(text) or grammar.spoken(text) is not None


def _union(sets: Iterable[frozenset[str]]) -> frozenset[str]:
    return frozenset().union(*sets)


def _displays(codes: Sequence[Code]) -> str:
    return " ; ".join(code.display for code in codes if code.display)
