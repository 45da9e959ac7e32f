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
from dataclasses import dataclass
from datetime import date
from functools import lru_cache

from . import grammar
from .codes import DRUG_SYSTEMS, Key, Words, keys, namespace, plain_words
from .facts import Code, Problem, Ref
from .quantity import Amount, Measured, Quantity
from .scale import Scale
from .therapy import Recognition, Therapy
from .visits import Visits

_ROUTES = {
    "intravenous": ("iv", "i.v", "intravenous", "intravenously"),
    "subcutaneous": ("sc", "subq", "sub-q", "subcut", "subcutaneous", "subcutaneously"),
}


@dataclass(slots=True)
class _Meaning:
    """What a code or a phrase stands for, in names of therapies."""

    products: frozenset[str] = frozenset()  # it is this very product
    substance: frozenset[str] = frozenset()  # it has this ingredient
    traps: frozenset[str] = frozenset()
    premedications: frozenset[str] = frozenset()  # classes
    services: frozenset[str] = frozenset()

    @property
    def therapies(self) -> frozenset[str]:
        return self.products | self.substance


class Formulary:
    """All therapies that are known, with an index of their codes and words."""

    def __init__(self, therapies: Iterable[Therapy], visits: Visits | None = None) -> None:
        self.therapies: Mapping[str, Therapy] = {each.name: each for each in therapies}
        self.visits = visits or Visits()
        self._scales = {name: Scale(each) for name, each in self.therapies.items()}
        self._codes: dict[Key, _Meaning] = {}
        self._phrases: dict[str, _Meaning] = {}
        for therapy in self.therapies.values():
            self._index(therapy)
        self._words = Words(self._phrases)
        self._routes = {route: Words(words) for route, words in _ROUTES.items()}
        self._recognized = lru_cache(maxsize=8192)(self._recognize)

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
        dose · dispense · authorization (may be the total of a year) · given (may be a part).
        `ref` and `at` (FHIR path) go into the Problem. Its reason is `unit-ambiguous`,
        `implausible` or `not-a-number`.
        """
        scale = self._scales[therapy.name]
        return scale.measure(codes, amount, on, context=context, ref=ref, at=at)

    def vials(self, therapy: Therapy, missing: Quantity) -> str | None:
        """A missing mass in whole packages ("1 vial"), where there is only one package."""
        mass, package = self._scales[therapy.name].package or (None, "")
        if mass is None or missing.value <= 0 or missing.value % mass:
            return None
        count = int(missing.value / mass)
        return f"{count} {package}" if count == 1 else f"{count} {package}s"

    def spoken(self, therapy: Therapy, text: str) -> grammar.Spoken | None:
        """The dose that a text says wholly, the names of the drug left out; or None."""
        return grammar.spoken(text, (therapy.ingredient, *therapy.aliases))

    def service(self, codes: Sequence[Code]) -> str | None:
        """`administration` or `home-nursing`, where a procedure code of any therapy says so."""
        for meaning in self._meanings(codes):
            for covers in meaning.services:
                return covers
        return None

    def premedication(self, codes: Sequence[Code], text: str) -> frozenset[str]:
        """The classes of premedication (steroid …) that codes, displays and text name."""
        meanings = [*self._meanings(codes), *self._said(_displays(codes)), *self._said(text)]
        return frozenset().union(*(each.premedications for each in meanings))

    def infusion_visit(
        self, source: str, codes: Sequence[Code], text: str, location: str | None = None
    ) -> str:
        """Whether an appointment is for an infusion: yes · no · unknown.

        `location` is the reference of its place as its source writes it ("Location/x"). A drug
        that is named makes it one; then what the site configured; then the shipped list.
        """
        said = self._said(f"{_displays(codes)} {text}")
        if any(self.therapies[name].infusion for each in said for name in each.therapies):
            return "yes"
        return self.visits.infusion(source, codes, text, location)

    def _recognize(self, codes: tuple[Code, ...], text: str) -> Recognition:
        found = self._meanings(codes)
        displays = _displays(codes)
        by = ", ".join(each.code for each in codes if any(key in self._codes for key in keys(each)))
        products = frozenset().union(*(each.products for each in found))
        if products:
            others = frozenset().union(
                *(each.therapies | each.premedications | each.traps for each in self._said(displays)
                  if not each.therapies & products)
            )  # fmt: skip
            if len(products) == 1 and not others and not any(each.traps for each in found):
                return Recognition(self.therapies[next(iter(products))], by)
            return self._unclear(products | others, by)
        if traps := frozenset().union(*(each.traps for each in found)):
            return Recognition(by=by, trap=self.therapies[min(traps)])
        substances = [each for each in found if each.substance]
        named = self._said(displays) or (
            () if self._foreign(codes) and displays else self._said(text)
        )
        if substances or named:
            return self._named([*substances, *named], f"{displays} {text}", by)
        return Recognition(unclear=self._names_nothing(codes, f"{displays} {text}"), by=by)

    def _named(self, said: list[_Meaning], text: str, by: str) -> Recognition:
        """The drug that substances and words mean: all of them together, with the route."""
        if said[0].premedications and not said[0].therapies:
            return Recognition(by=by)  # a text names its drug first: this is an order for another
        drugs = [each for each in said if each.therapies or each.traps]
        if trapped := frozenset().union(*(each.traps for each in drugs)):
            return Recognition(by=by, trap=self.therapies[min(trapped)])
        wide = frozenset.intersection(*(each.therapies for each in drugs))
        if not wide:
            return self._unclear(frozenset().union(*(each.therapies for each in drugs)), by)
        routes = {route for route, words in self._routes.items() if words.found(text)}
        fits = {name for name in wide if not routes or self.therapies[name].route in routes}
        if len(fits) > 1:
            exact = [each.products for each in drugs if each.products]
            fits &= frozenset.intersection(*exact) if exact else fits
        if len(fits) == 1:
            return Recognition(self.therapies[fits.pop()], by or "words")
        return self._unclear(fits or wide, by)

    def _unclear(self, names: Iterable[str], by: str) -> Recognition:
        among = tuple(self.therapies[name] for name in sorted(names) if name in self.therapies)
        return Recognition(by=by, unclear=True, among=among)

    def _names_nothing(self, codes: tuple[Code, ...], text: str) -> bool:
        """Whether a record names no drug: only services, only a dose, or nothing to read."""
        if any(each.services for each in self._meanings(codes)):
            return True
        if self._foreign(codes):
            return False
        return not text.strip() or grammar.spoken(text) is not None

    def _foreign(self, codes: Sequence[Code]) -> bool:
        """Whether a code of a drug system names a drug that is not one of ours."""
        return any(
            namespace(code.system) in DRUG_SYSTEMS
            and not any(meaning.therapies for meaning in self._meanings((code,)))
            for code in codes
        )

    def _meanings(self, codes: Sequence[Code]) -> list[_Meaning]:
        found = []
        for code in codes:
            forms = keys(code)
            known = [self._codes[key] for key in forms if key in self._codes]
            known = known or [
                self._codes[key] for key in (("ndc", form[1][:9]) for form in forms
                if form[0] == "ndc") if key in self._codes
            ]  # fmt: skip
            if len(known) == 1:  # ten digits that fit two products name neither
                found += known
        return found

    def _said(self, text: str) -> list[_Meaning]:
        return [self._phrases[phrase] for phrase in self._words.found(text)]

    def _index(self, therapy: Therapy) -> None:
        name = frozenset({therapy.name})
        for product in therapy.products:
            for code in product.codes:
                self._code(code).products |= name
                for system, value in keys(code):
                    if system == "ndc":  # another package of this product
                        self._codes.setdefault((system, value[:9]), _Meaning()).products |= name
        for billing in therapy.billing:
            self._code(billing.code).products |= name
        for code in therapy.ingredients:
            self._code(code).substance |= name
        for code in therapy.traps:
            self._code(code).traps |= name
        for service in therapy.services:
            self._code(service.code).services |= {service.covers}
        self._phrase(therapy.ingredient).substance |= name
        for alias in therapy.aliases:
            self._phrase(alias).products |= name
        for word in therapy.trap_words:
            self._phrase(word).traps |= name
        for premedication in therapy.premedications:
            kind = frozenset({premedication.name})
            for code in premedication.codes:
                self._code(code).premedications |= kind
            for word in (premedication.name, *premedication.aliases):
                self._phrase(word).premedications |= kind

    def _code(self, code: Code) -> _Meaning:
        meaning = _Meaning()
        for key in keys(code):
            meaning = self._codes.setdefault(key, meaning)
        return meaning

    def _phrase(self, phrase: str) -> _Meaning:
        return self._phrases.setdefault(plain_words(phrase), _Meaning())


def _displays(codes: Sequence[Code]) -> str:
    return " ; ".join(code.display for code in codes if code.display)
