"""Therapies: what a drug is, how its amounts become milligrams, how it is given.

The facts about drugs are data (`mappings/therapies/*.yaml`, each with its source); this module
is the shape that they take and the few sums that rules ask of it. What is done with codes and
amounts: `formulary.Formulary`. Amounts are in the therapy's `unit`: what is named `mg_…` here is IU
in a drug that is dosed in IU. No dose is ever computed here: the order's own is compared.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal

from .facts import ALWAYS, Code, Span
from .quantity import Quantity

#: A dose by body weight is rounded to what the vials hold: 10 % either way is the same dose
#: (recommendation on dose rounding of the Hematology/Oncology Pharmacy Association, 2018).
ROUNDING = Decimal("0.1")
#: A dose earlier than four fifths of its spacing is early, where no source names a minimum
#: (docs/domain.md 3.5, 29).
EARLY = Decimal("0.8")
#: Doses of one course lie at most this many days further apart than the regimen says.
_COURSE_SLACK = 7


@dataclass(frozen=True, slots=True)
class Product:
    """A package that can be handed out: strength and size, by its product codes."""

    name: str
    codes: tuple[Code, ...]
    mg_per_ml: Decimal | None = None
    mg_per_package: Decimal | None = None  # one vial, pen or syringe
    package: str = "vial"
    per_kit: int = 1  # how many of these are in the kit or carton that the codes name
    route: str = ""  # where it is not given as the therapy's other products are


@dataclass(frozen=True, slots=True)
class Billing:
    """A HCPCS code: how much one billing unit is, and when the code was valid."""

    code: Code
    mg_per_unit: Decimal
    valid: Span = ALWAYS


@dataclass(frozen=True, slots=True)
class Brand:
    """A brand or biosimilar of a therapy: an answer of a payer about one is none about another.

    Only the codes and words that name this brand and no other.
    """

    name: str
    codes: tuple[Code, ...] = ()
    words: tuple[str, ...] = ()  # lower case


@dataclass(frozen=True, slots=True)
class PerKg:
    """What the label gives for each kg of body weight, in mg: from `least` to `most`."""

    least: Decimal
    most: Decimal


@dataclass(frozen=True, slots=True)
class Dose:
    """A dose of a phase of the regimen: so much at each of so many visits.

    `per_visit` is None for a dose by body weight (`per_kg`).
    """

    per_visit: Quantity | None
    visits: int
    spacing_days: int | None = None  # between these visits, or to the next dose
    per_kg: PerKg | None = None
    infusion_minutes: int | None = None  # the shortest infusion that the source allows

    def fits(self, mass: Quantity, weight_kg: Decimal | None = None) -> bool | None:
        """Whether a mass (mg) is this dose; None where only an unknown weight could tell."""
        if self.per_visit is not None:
            return mass.same(self.per_visit)
        if self.per_kg is None or weight_kg is None:
            return None
        least = self.per_kg.least * weight_kg * (1 - ROUNDING)
        return least <= mass.value <= self.per_kg.most * weight_kg * (1 + ROUNDING)


@dataclass(frozen=True, slots=True)
class Phase:
    """initial or maintenance; `every_weeks` is the spacing of the courses of the phase.

    Phases of one name are alternatives.
    """

    name: str
    doses: tuple[Dose, ...]
    every_weeks: int | None = None
    every_months: int | None = None

    def after(self, day: date) -> date | None:
        """When the next course is due after one that began on `day`: the later of both rules."""
        weeks = [day + timedelta(weeks=self.every_weeks)] if self.every_weeks else []
        months = [_months_after(day, self.every_months)] if self.every_months else []
        return max(weeks + months, default=None)

    def holds(self, masses: Iterable[Quantity]) -> bool:
        """Whether these doses can all be of one course (150 mg and 450 mg, in any order)."""
        left = [dose for dose in self.doses for _ in range(dose.visits)]
        for mass in masses:
            mine = next((dose for dose in left if dose.fits(mass) is not False), None)
            if mine is None:
                return False
            left.remove(mine)
        return True


@dataclass(frozen=True, slots=True)
class Observation:
    """How long the patient stays after an infusion, for the `first` doses or (None) for others."""

    minutes: int
    first: int | None = None


@dataclass(frozen=True, slots=True)
class Premedication:
    """A class of premedication, and how an order for it is recognized."""

    name: str  # steroid · antihistamine · antipyretic
    required: bool
    codes: tuple[Code, ...] = ()
    aliases: tuple[str, ...] = ()  # words in the text of an order, lower case
    minutes_before: int | None = None  # the least time before the infusion


@dataclass(frozen=True, slots=True)
class Prerequisite:
    """A result that must be there before a dose, and how a record of it is recognized."""

    name: str  # hepatitis-b · immunoglobulins · liver …
    codes: tuple[Code, ...] = ()
    aliases: tuple[str, ...] = ()
    within_days: int | None = None  # how old it may be; None: any age
    first_only: bool = True  # before the first dose of all, else before every course


@dataclass(frozen=True, slots=True)
class Rems:
    """A risk evaluation and mitigation strategy: who must be enrolled before a dose."""

    program: str
    enrolled: tuple[str, ...]  # prescriber · pharmacy · facility · patient
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Service:
    """A procedure code that a payer authorizes: `administration` or `home-nursing`."""

    code: Code
    covers: str


@dataclass(frozen=True, slots=True)
class Believed:
    """The least of one dose and the most of one course (mg) that is believed of an amount.

    Only where the regimen does not tell: for doses by body weight.
    """

    least: Decimal
    most: Decimal


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
    minimum_months: int | None = None  # calendar months below which a person confirms
    observations: tuple[Observation, ...] = ()
    prerequisites: tuple[Prerequisite, ...] = ()
    rems: Rems | None = None
    waste: bool = False  # part of a vial may be thrown away (billed apart: JW, JZ)
    believed: Believed | None = None
    channel: str = "unknown"  # the benefit that usually pays: medical · pharmacy
    unit: str = "mg"  # mg · IU: in which its doses are compared
    brands: tuple[Brand, ...] = ()

    # Worked out once: every decision asks for them.
    doses: tuple[Dose, ...] = field(init=False, repr=False, compare=False)
    #: The usual distance between two courses of maintenance, in days.
    spacing_days: int | None = field(init=False, repr=False, compare=False)
    #: Doses that lie no further apart than this are one course; never half a spacing.
    course_days: int = field(init=False, repr=False, compare=False)
    #: How long before the infusion the first of the required premedications is given.
    minutes_before: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        doses = tuple(dose for phase in self.phases for dose in phase.doses)
        weeks = [phase.every_weeks for phase in self.phases if phase.every_weeks]
        months = [phase.every_months for phase in self.phases if phase.every_months]
        spacing = weeks[-1] * 7 if weeks else months[-1] * 30 if months else None
        inner = [dose.spacing_days for dose in doses if dose.spacing_days]
        within = max(inner, default=0) + _COURSE_SLACK
        before = [p.minutes_before for p in self.premedications if p.required and p.minutes_before]
        object.__setattr__(self, "minutes_before", max(before, default=0))
        object.__setattr__(self, "doses", doses)
        object.__setattr__(self, "spacing_days", spacing)
        object.__setattr__(self, "course_days", min(within, spacing // 2) if spacing else within)

    def phase_doses(self, name: str) -> tuple[Dose, ...]:
        """The doses of all alternatives of a phase."""
        return tuple(d for phase in self.phases if phase.name == name for d in phase.doses)

    def is_course(self, masses: Collection[Quantity]) -> bool:
        """Whether these doses may be one course of a phase, each at its own visit."""
        return any(phase.holds(masses) for phase in self.phases)

    def due_after(self, day: date) -> date | None:
        """When the course after one that began on `day` is due at the latest (rule 30)."""
        return max(self._nexts(day), default=None)

    def earliest_after(self, day: date) -> date | None:
        """The first day that the hard minimum allows (rule 29); None where no source has one."""
        return day + timedelta(days=self.minimum_days) if self.minimum_days else None

    def usual_after(self, day: date) -> date | None:
        """The first day on which nobody needs to confirm the spacing (rule 29)."""
        if self.minimum_months:
            return _months_after(day, self.minimum_months)
        spacings = [(due - day).days for due in self._nexts(day)]
        return day + timedelta(days=int(min(spacings) * EARLY)) if spacings else None

    def chair_minutes(self, dose: Dose, number: int | None = None) -> int | None:
        """The shortest visit for a dose: premedication, infusion, observation (rule 28).

        `number` counts the person's doses from 1; None (not known): the shortest observation.
        None where the infusion's own length is not known.
        """
        if dose.infusion_minutes is None:
            return None
        return self.minutes_before + dose.infusion_minutes + self._observation(number)

    def is_waste(self, ordered: Quantity, supplied: Quantity) -> bool:
        """Whether an excess is the rest of an opened vial: less than one of the smallest."""
        vials = [each.mg_per_package for each in self.products if each.mg_per_package]
        excess = (supplied - ordered).value
        return self.waste and Decimal(0) < excess < min(vials, default=Decimal(0))

    def _observation(self, number: int | None) -> int:
        """Minutes for the dose with this number: of the rows that fit, the narrowest."""
        if number is None:
            return min((each.minutes for each in self.observations), default=0)
        fits = [each for each in self.observations if each.first is None or number <= each.first]
        return min(fits, key=_width).minutes if fits else 0

    def _nexts(self, day: date) -> Iterable[date]:
        return [due for phase in self.phases if (due := phase.after(day))]


@dataclass(frozen=True, slots=True)
class Recognition:
    """Whose drug a record is about. `therapy` is None when it is not one that we know.

    `unclear`: the record names no drug at all (or only a reference, or an administration), so
    it may be any; or what it says contradicts itself.
    `among`: where it is unclear but not open, the therapies that it may be.
    `bare`: it names the ingredient alone, which is in all of these, and no route.
    `trap`: the therapy that the codes resemble but are not.
    """

    therapy: Therapy | None = None
    unclear: bool = False
    trap: Therapy | None = None
    among: tuple[Therapy, ...] = ()
    bare: bool = False


def _width(row: Observation) -> float:
    return float("inf") if row.first is None else row.first


def _months_after(day: date, months: int) -> date:
    """The same day of a later month, or the last one of a shorter month."""
    years, month = divmod(day.month - 1 + months, 12)
    year = day.year + years
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))
