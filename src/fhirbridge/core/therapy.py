"""Therapies: what a drug is, how its amounts become milligrams, how it is given.

The facts about drugs are data (`mappings/therapies/*.yaml`, each with its source); this module
is the shape that they take. What is done with them: `formulary.Formulary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from .facts import ALWAYS, Code, Span
from .quantity import Quantity


@dataclass(frozen=True, slots=True)
class Product:
    """A package that can be handed out: strength and size, by its product codes."""

    name: str
    codes: tuple[Code, ...]
    mg_per_ml: Decimal | None = None
    mg_per_package: Decimal | None = None  # one vial, pen or kit
    package: str = "vial"


@dataclass(frozen=True, slots=True)
class Billing:
    """A HCPCS code: how much one billing unit is, and when the code was valid."""

    code: Code
    mg_per_unit: Decimal
    valid: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose of a phase of the regimen: so much at each of so many visits."""

    per_visit: Quantity
    visits: int
    spacing_days: int | None = None  # between these visits


@dataclass(frozen=True, slots=True)
class Phase:
    """initial or maintenance; `every_weeks` is the spacing of the courses of the phase."""

    name: str
    doses: tuple[Dose, ...]
    every_weeks: int | None = None
    every_months: int | None = None


@dataclass(frozen=True, slots=True)
class Premedication:
    """A class of premedication, and how an order for it is recognized."""

    name: str  # steroid · antihistamine · antipyretic
    required: bool
    codes: tuple[Code, ...] = ()
    aliases: tuple[str, ...] = ()  # words in the text of an order, lower case


@dataclass(frozen=True, slots=True)
class Service:
    """A procedure code that a payer authorizes: `administration` or `home-nursing`."""

    code: Code
    covers: str


@dataclass(frozen=True, slots=True)
class Therapy:
    """One drug in one form (intravenous and subcutaneous are two therapies)."""

    name: str  # the name of its file
    title: str
    ingredient: str
    route: str
    aliases: tuple[str, ...] = ()
    ingredients: tuple[Code, ...] = ()  # codes of the substance: the drug, but no strength
    products: tuple[Product, ...] = ()
    billing: tuple[Billing, ...] = ()
    services: tuple[Service, ...] = ()
    phases: tuple[Phase, ...] = ()
    premedications: tuple[Premedication, ...] = ()
    infusion: bool = True  # given at a visit
    minimum_days: int | None = None  # hard minimum between courses, with a source in the data
    traps: tuple[Code, ...] = ()  # codes that look like this therapy and are another product
    trap_words: tuple[str, ...] = ()  # names of such products, lower case

    @property
    def doses(self) -> tuple[Dose, ...]:
        return tuple(dose for phase in self.phases for dose in phase.doses)

    @property
    def spacing_days(self) -> int | None:
        """The usual distance between two courses of maintenance, in days."""
        weeks = [phase.every_weeks for phase in self.phases if phase.every_weeks]
        months = [phase.every_months for phase in self.phases if phase.every_months]
        return weeks[-1] * 7 if weeks else months[-1] * 30 if months else None


@dataclass(frozen=True, slots=True)
class Recognition:
    """Whose drug a record is about. `therapy` is None when it is not one that we know.

    `unclear`: the record names no drug at all (or only a reference, or an administration), so
    it may be any; or what it says contradicts itself.
    `among`: where it is unclear but not open, the therapies that it may be.
    `trap`: the therapy that the codes resemble but are not.
    """

    therapy: Therapy | None = None
    by: str = ""  # the code or the word that decided
    unclear: bool = False
    trap: Therapy | None = None
    among: tuple[Therapy, ...] = ()
