"""The scale of one therapy: how its amounts become milligrams, or IU where it is dosed in IU.

Conversion is by code, never by guess. A bare 2, 20 or 600 stays unknown and its possible
readings are shown to a person; the reading that would make the ledger agree is never chosen for
that reason. The rules are docs/domain.md 2.3; the bounds of belief 3.5, 44.

| said | becomes the unit of the therapy |
|---|---|
| mg, g, mcg | always; never in a therapy that is dosed in IU |
| IU, U, kIU | in a therapy that is dosed in IU; else never |
| mL | by the strength of the product coded, or the only strength of the therapy |
| vial, pen, syringe | by the package coded, or the only package of the therapy |
| kit, carton | by what the kit holds; one that is itself the package like a vial |
| carton | beside an NDC of one package, as that package |
| EA | as a vial, unless it may also mean a kit of several |
| "units" or no unit | as billing units of a HCPCS code of the therapy, valid on the day |
| UN beside an NDC alone | as EA (beside a HCPCS code: as billing units) |
| "units" beside no code | as IU, if a billing unit of the therapy is 1 IU too: readings agree |
| mg/kg, IU/kg | never: no dose is computed, and a weight in a chart may be an old one |
| visits, days, doses, anything else | never |

A benefit limit (context "limit") has no unit by its nature, whatever its code is: a bare number
stays unknown there even beside a HCPCS code (CoverageEligibilityResponse, docs/domain.md 1.1).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from decimal import Decimal
from math import ceil

from . import grammar, units
from .codes import Key, keys
from .facts import Code, Problem, Ref
from .quantity import Amount, Measured, Quantity, plain
from .therapy import Billing, Phase, Product, Therapy

#: What one package holds, what it is called, and how many of them a kit or carton holds.
Package = tuple[Decimal, str, int]

#: Ends the one reading of a dose by body weight.
EACH_KG = "for each kg of body weight"


class Scale:
    """What is computed once for a therapy, so that measuring is a few look-ups."""

    def __init__(self, therapy: Therapy) -> None:
        self.therapy = therapy
        self.names = (therapy.ingredient, *therapy.aliases)
        self.unit = therapy.unit
        self._products: dict[Key, Product] = {}
        self._strengths: dict[Key, Decimal | None] = {}  # an NDC also without its package
        for product in therapy.products:
            for key in (key for code in product.codes for key in keys(code)):
                self._products[key] = product
                self._strengths[key] = self._strengths[_bare(key)] = product.mg_per_ml
        self._billing: dict[Key, list[Billing]] = {}
        for billing in therapy.billing:
            for key in keys(billing.code):
                self._billing.setdefault(key, []).append(billing)
        strengths = {each.mg_per_ml for each in therapy.products if each.mg_per_ml}
        packages = {
            (each.mg_per_package, each.package, each.per_kit)
            for each in therapy.products
            if each.mg_per_package
        }
        self._strength = strengths.pop() if len(strengths) == 1 else None
        self._package = packages.pop() if len(packages) == 1 else None
        #: What the only package of the therapy holds, and its name; None where there are several.
        self.package = self._package[:2] if self._package else None
        self._billed_alike = all(each.mg_per_unit == 1 for each in therapy.billing)
        self._least, self._most, self._most_in_all = _bounds(therapy)

    def measure(
        self,
        codes: Sequence[Code],
        amount: Amount,
        on: date | None,
        *,
        context: str,
        ref: Ref,
        at: str,
    ) -> Measured | Problem:
        """See `Formulary.measure`."""
        found: list[Key] = [key for code in codes for key in keys(code)]
        if amount.value is None:
            spoken = grammar.spoken(amount.text, self.names)
            if spoken is None or (spoken.visits or 1) > 1 or not self.agrees(spoken, codes, on):
                reason = "unit-ambiguous" if amount.text else "not-a-number"
                return Problem(ref, reason, at, amount.text, _counts(spoken))
            amount = spoken.per_visit
        value, unit = amount.value or Decimal(0), units.read(amount)
        limit = context == "limit" and unit is not None and unit.kind == "none"
        measured = None if limit else self._convert(value, unit, found, on)
        if measured and self._believed(measured.mass.value, context):
            return measured
        if unit is not None and unit.kind == "by-weight":
            each = f"{plain(value * unit.factor)} {unit.word or 'mg'} {EACH_KG}"
            return Problem(ref, "unit-ambiguous", at, amount.as_said, (each,))
        reason = "implausible" if measured else "unit-ambiguous"
        return Problem(ref, reason, at, amount.as_said, self._readings(value, found, on, context))

    def agrees(
        self, said: grammar.Spoken, codes: Sequence[Code] = (), on: date | None = None
    ) -> bool:
        """Whether a text that says its amount twice, in two units, says the same twice."""
        if said.also is None:
            return True
        found = [key for code in codes for key in keys(code)]
        first = self._convert(
            said.per_visit.value or Decimal(0), units.read(said.per_visit), found, on
        )
        if first is None:
            return False
        value, unit = said.also.value or Decimal(0), units.read(said.also)
        second = self._convert(value, unit, found, on)
        ways = [second] if second else self._ways(value, unit)
        return any(way.mass.same(first.mass) for way in ways)

    def _ways(self, value: Decimal, unit: units.Unit | None) -> list[Measured]:
        """What an amount would be of each product, where no code says which product it is."""
        products = self.therapy.products
        if unit is not None and unit.kind == "volume":
            strengths = (each.mg_per_ml for each in products if each.mg_per_ml)
            return [self._volume(value * unit.factor, strength) for strength in strengths]
        if unit is not None and unit.kind == "package":
            sizes = (p.mg_per_package for p in products if p.package == unit.word)
            return [self._packages(value, size, unit.word) for size in sizes if size]
        return []

    def _convert(
        self, value: Decimal, unit: units.Unit | None, found: Sequence[Key], on: date | None
    ) -> Measured | None:
        if unit is None:
            return None
        match unit.kind:
            case "mass" | "activity":
                same = (unit.kind == "mass") == (self.unit == "mg")
                return self._plain(value, unit.factor) if same else None
            case "volume":
                strength = self._strength_of(found)
                return self._volume(value * unit.factor, strength) if strength else None
            case "package" | "kit" | "count":
                return self._counted(value, unit, found)
            case "billing" | "none":
                billing = self._billing_of(found, on)
                if billing is None and unit.word == "un" and self._only_ndc(found):
                    return self._counted(value, unit, found)
                if billing is None and unit.kind == "billing" and self._one_to_one(unit):
                    return self._plain(value, unit.factor)
                return self._billed(value, billing) if billing else None
        return None

    def _counted(self, value: Decimal, unit: units.Unit, found: Sequence[Key]) -> Measured | None:
        """Packages, or kits of them. EA and UN name no package; of a kit they may mean either."""
        package = self._package_of(found)
        if package is None:
            return None
        mass, word, pieces = package
        if unit.kind == "kit" and word != "kit":
            if pieces > 1:
                return self._kits(value, mass, word, pieces)
            # A carton is what the NDC names; a kit may hold what no table tells.
            coded = unit.word == "carton" and self._only_ndc(found)
            return self._packages(value, mass, word) if coded else None
        fits = unit.word == word or (unit.kind != "package" and pieces == 1)
        return self._packages(value, mass, word) if fits else None

    def _one_to_one(self, unit: units.Unit) -> bool:
        """Whether "units" can only be IU: a billing unit of this therapy is 1 IU as well."""
        return self.unit == "IU" and not unit.word and self._billed_alike

    def _only_ndc(self, found: Sequence[Key]) -> bool:
        return any(key in self._products for key in found) and all(
            system == "ndc" for system, _ in found
        )

    def _strength_of(self, found: Sequence[Key]) -> Decimal | None:
        known = (self._strengths.get(key) or self._strengths.get(_bare(key)) for key in found)
        coded = {strength for strength in known if strength}
        if not coded:
            return self._strength
        return coded.pop() if len(coded) == 1 else None

    def _package_of(self, found: Sequence[Key]) -> Package | None:
        coded = {
            (each.mg_per_package, each.package, each.per_kit)
            for key in found
            if (each := self._products.get(key)) and each.mg_per_package
        }
        if not coded:
            return self._package
        return coded.pop() if len(coded) == 1 else None

    def _billing_of(self, found: Sequence[Key], on: date | None) -> Billing | None:
        """The billing code among the codes that was valid on a day (no day: still is)."""
        valid = [
            each
            for key in found
            for each in self._billing.get(key, ())
            if (each.valid.covers(on) if on else each.valid.end is None)
        ]
        return valid[0] if len({each.mg_per_unit for each in valid}) == 1 else None

    def _believed(self, mass: Decimal, context: str) -> bool:
        if context == "given":  # an infusion may be stopped early
            return Decimal(0) <= mass <= (self._most or mass)
        if self._least is None or self._most is None:
            return mass > 0
        most = self._most_in_all if context in ("authorization", "limit") else self._most
        return self._least <= mass <= (most or self._most)

    def _readings(
        self, value: Decimal, found: Sequence[Key], on: date | None, context: str
    ) -> tuple[str, ...]:
        """What a bare number could mean, each with its arithmetic; shown, never chosen."""
        said = [f"{plain(value)} {self.unit}"]
        if strength := self._strength_of(found):
            said.append(self._volume(value, strength).how)
        if package := self._package_of(found):
            mass, word, pieces = package
            said.append(self._packages(value, mass, word).how)
            if pieces > 1:
                said.append(self._kits(value, mass, word, pieces).how)
        if billing := self._billing_of(found, on):
            said.append(self._billed(value, billing).how)
        if context in ("authorization", "limit") and value == value.to_integral_value():
            said.append(_counted(value, "visit"))
        return tuple(said)

    def _plain(self, value: Decimal, factor: Decimal) -> Measured:
        mass = Quantity(value * factor, self.unit)
        if factor == 1:
            return Measured(mass, self.unit, str(mass))
        return Measured(mass, self.unit, f"{plain(value)} {_NAMES[self.unit][factor]} = {mass}")

    def _volume(self, value: Decimal, strength: Decimal) -> Measured:
        mass = Quantity(value * strength, self.unit)
        how = f"{plain(value)} mL × {plain(strength)} {self.unit}/mL = {mass}"
        return Measured(mass, "mL", how)

    def _packages(self, value: Decimal, each: Decimal, package: str) -> Measured:
        mass = Quantity(value * each, self.unit)
        how = f"{_counted(value, package)} × {plain(each)} {self.unit} = {mass}"
        return Measured(mass, package, how)

    def _kits(self, value: Decimal, each: Decimal, package: str, pieces: int) -> Measured:
        mass = Quantity(value * pieces * each, self.unit)
        said = f"{_counted(value, 'kit')} × {pieces} {package}s × {plain(each)} {self.unit}"
        return Measured(mass, "kit", f"{said} = {mass}")

    def _billed(self, value: Decimal, billing: Billing) -> Measured:
        each = billing.mg_per_unit
        mass = Quantity(value * each, self.unit)
        said = f"{_counted(value, 'unit')} of {billing.code.code}"
        return Measured(mass, "billing-unit", f"{said} × {plain(each)} {self.unit} = {mass}")


#: How larger and smaller units are named, by their factor.
_NAMES = {
    "mg": {Decimal(1000): "g", Decimal("0.001"): "mcg", Decimal(1000000): "kg"},
    "IU": {Decimal(1000): "thousand IU", Decimal(1000000): "million IU"},
}


def _bare(key: Key) -> Key:
    """The product of an NDC without its package; other codes as they are."""
    return (key[0], key[1][:9]) if key[0] == "ndc" else key


def _counts(spoken: grammar.Spoken | None) -> tuple[str, ...]:
    return (f"{spoken.per_visit} at each of {spoken.visits} visits",) if spoken else ()


def _counted(value: Decimal, word: str) -> str:
    return f"{plain(value)} {word}" if value == 1 else f"{plain(value)} {word}s"


def _bounds(therapy: Therapy) -> tuple[Decimal | None, Decimal | None, Decimal | None]:
    """The least and the most that is believed of one amount, and the most of a total.

    Half of the smallest dose; twice the largest course; what the data say of doses by weight. An
    authorization may be the total of a year: the largest course as often as it fits, and the
    first one.
    """
    masses = [dose.per_visit.value for dose in therapy.doses if dose.per_visit is not None]
    if therapy.believed:
        least, course, most = therapy.believed.least, therapy.believed.most, therapy.believed.most
    elif masses:
        course = max(sum(_masses(phase), Decimal(0)) for phase in therapy.phases)
        least, most = min(masses) / 2, course * 2
    else:
        return None, None, None
    courses = 1 + ceil(365 / therapy.spacing_days) if therapy.spacing_days else 1
    return least, most, course * max(courses, 2)


def _masses(phase: Phase) -> Iterable[Decimal]:
    """The masses of a course whose doses do not go by weight."""
    return (dose.per_visit.value * dose.visits for dose in phase.doses if dose.per_visit)
