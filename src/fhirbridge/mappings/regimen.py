"""How a drug is given: the parts of a therapy's file about doses, times and conditions."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fhirbridge.core import therapy as core
from fhirbridge.core.quantity import Quantity
from fhirbridge.yamlfile import Strict

from .codes import EMPTY, Known, Number, lower, to_codes
from .lists import NamedClass


class PerKg(Strict):
    """What the label gives for each kg of body weight, in mg or IU."""

    least: Number
    most: Number

    def to_core(self) -> core.PerKg:
        return core.PerKg(self.least, self.most)


class Dose(Strict):
    """So many mg (or IU) at each visit, or so many for each kg of body weight: one of these."""

    mg: Number | None = None
    mg_per_kg: PerKg | None = None
    iu: Number | None = None
    iu_per_kg: PerKg | None = None
    visits: int = Field(1, gt=0)
    spacing_days: int | None = Field(None, gt=0)
    infusion_minutes: int | None = Field(None, ge=0)

    @model_validator(mode="after")
    def _one_of_two(self) -> Dose:
        said = [self.mg, self.mg_per_kg, self.iu, self.iu_per_kg]
        if sum(each is not None for each in said) != 1:
            raise PydanticCustomError(
                "one_of_two", "a dose has either mg or mg_per_kg (in IU: iu or iu_per_kg)"
            )
        return self

    def to_core(self, unit: str) -> core.Dose:
        value, per_kg = self.mg or self.iu, self.mg_per_kg or self.iu_per_kg
        return core.Dose(
            Quantity(value, unit) if value else None,
            self.visits,
            self.spacing_days,
            per_kg.to_core() if per_kg else None,
            self.infusion_minutes,
        )


class Phase(Known):
    name: Literal["initial", "maintenance"]
    doses: list[Dose] = Field(min_length=1)
    every_weeks: int | None = Field(None, gt=0)
    every_months: int | None = Field(None, gt=0)

    def to_core(self, unit: str) -> core.Phase:
        doses = tuple(dose.to_core(unit) for dose in self.doses)
        return core.Phase(self.name, doses, self.every_weeks, self.every_months)


class Minimum(Known):
    """The least time between two courses: `days` is hard, below `months` a person confirms."""

    days: int | None = Field(None, gt=0)
    months: int | None = Field(None, gt=0)


class Observation(Known):
    """Minutes that the patient stays after a dose; `first` limits them to the first doses."""

    minutes: int = Field(gt=0)
    first: int | None = Field(None, gt=0)

    def to_core(self) -> core.Observation:
        return core.Observation(self.minutes, self.first)


class Premedication(Known):
    """A class of `premedications.yaml` that a therapy asks for."""

    name: str
    required: bool
    minutes_before: int | None = Field(None, gt=0)

    def to_core(self, drugs: NamedClass) -> core.Premedication:
        return core.Premedication(
            self.name,
            self.required,
            to_codes(drugs.codes),
            lower(drugs.words),
            self.minutes_before,
        )


class Prerequisite(Known):
    """A class of `prerequisites.yaml` of which a result must be there before a dose."""

    name: str
    before: Literal["first-dose", "every-course"] = "first-dose"
    within_days: int | None = Field(None, gt=0)

    def to_core(self, results: NamedClass) -> core.Prerequisite:
        return core.Prerequisite(
            self.name,
            to_codes(results.codes),
            lower(results.words),
            self.within_days,
            first_only=self.before == "first-dose",
        )


class Rems(Known):
    """A safety program, and who must be enrolled in it before a dose."""

    program: str
    enrolled: list[Literal["prescriber", "pharmacy", "facility", "patient"]] = Field(min_length=1)
    words: list[str] = EMPTY

    def to_core(self) -> core.Rems:
        return core.Rems(self.program, tuple(self.enrolled), lower(self.words))


class Waste(Known):
    """Whether the rest of an opened vial may be thrown away (and is billed apart)."""

    allowed: bool


class Believed(Known):
    """Where doses go by weight: the least of one dose, the most of one course."""

    least_mg: Number | None = None
    most_mg: Number | None = None
    least_iu: Number | None = None
    most_iu: Number | None = None

    @model_validator(mode="after")
    def _both_ends(self) -> Believed:
        if not (self._least and self._most):
            raise PydanticCustomError(
                "both_ends", "“believed” has least_mg and most_mg (in IU: least_iu and most_iu)"
            )
        return self

    @property
    def _least(self) -> Number | None:
        return self.least_mg or self.least_iu

    @property
    def _most(self) -> Number | None:
        return self.most_mg or self.most_iu

    def to_core(self) -> core.Believed:
        least, most = self._least, self._most
        assert least is not None  # `_both_ends`
        assert most is not None
        return core.Believed(least, most)


class Benefit(Known):
    """The benefit that usually pays: of a pharmacy benefit no authorization may ever be seen."""

    channel: Literal["medical", "pharmacy"]
