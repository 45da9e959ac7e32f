"""The shape of a therapy's file: strict models, and how they become a shape of the core.

Every code and rule carries `source` and `verified` (somebody looked it up there). What a key
means for a reader of the files is said in docs/how-to/add-a-therapy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from typing import Annotated, Literal

from pydantic import Field, model_validator
from pydantic_core import PydanticCustomError

from fhirbridge.core import therapy as core
from fhirbridge.core.facts import Code, Span
from fhirbridge.yamlfile import Strict

from .codes import EMPTY, SYSTEMS, AnyCode, Known, KnownCode, Number, lower, to_codes
from .lists import NamedClass
from .regimen import (
    Believed,
    Benefit,
    Minimum,
    Observation,
    Phase,
    Premedication,
    Prerequisite,
    Rems,
    Waste,
)

Route = Literal["intravenous", "subcutaneous"]


class Product(Strict):
    """A package that can be handed out; `per_kit` of them are in what the codes name."""

    name: str
    package: Literal["vial", "pen", "syringe", "kit"] = "vial"
    mg_per_ml: Number | None = None
    mg_per_package: Number | None = None
    iu_per_ml: Number | None = None
    iu_per_package: Number | None = None
    per_kit: int = Field(1, gt=0)
    route: Route | None = None
    codes: list[KnownCode]

    def to_core(self, route: str) -> core.Product:
        return core.Product(
            self.name,
            to_codes(self.codes),
            self.mg_per_ml or self.iu_per_ml,
            self.mg_per_package or self.iu_per_package,
            self.package,
            self.per_kit,
            self.route or route,
        )


class Billing(Known):
    """A HCPCS code; `from` and `to` are its first and last day."""

    code: str
    display: str = ""
    mg_per_unit: Number | None = None
    iu_per_unit: Number | None = None
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")

    @model_validator(mode="after")
    def _measured(self) -> Billing:
        if (self.mg_per_unit is None) == (self.iu_per_unit is None):
            raise PydanticCustomError(
                "one_of_two", "a billing code has either mg_per_unit or iu_per_unit"
            )
        return self

    def to_core(self) -> core.Billing:
        code = Code(SYSTEMS["hcpcs"], self.code, self.display)
        each = self.mg_per_unit or self.iu_per_unit
        assert each is not None  # `_measured`
        return core.Billing(code, each, Span(self.first, self.last))


class Brand(Strict):
    """A brand or biosimilar; `codes` are those of this file that name it and no other."""

    name: str
    codes: list[str] = EMPTY
    words: list[str] = EMPTY

    def to_core(self, known: Iterable[Code]) -> core.Brand:
        mine = tuple(code for code in known if code.code in self.codes)
        return core.Brand(self.name, mine, lower([self.name, *self.words]))


class Service(Known):
    """A procedure that a payer authorizes apart from the drug."""

    code: str
    display: str = ""
    covers: Literal["administration", "home-nursing"]

    def to_core(self) -> core.Service:
        return core.Service(Code(SYSTEMS["hcpcs"], self.code, self.display), self.covers)


class Said(Strict):
    """An amount in an example, as a record would say it."""

    value: Annotated[Number, Field(gt=-1)] | None = None
    unit: str = ""
    code: str = ""
    text: str = ""


class Example(Strict):
    """What a record says, and what must come of it.

    `expect`: "600 mg", or the reason of the Problem; without an amount whose drug it is:
    `this`, `other` (another therapy, a trap, or none that we know) or `unclear`.
    """

    codes: list[AnyCode] = EMPTY
    text: str = ""
    amount: Said | None = None
    on: date | None = None
    context: Literal["dose", "dispense", "authorization", "limit", "given"] = "dose"
    expect: str = Field(
        pattern=r"^([0-9.]+ (mg|IU)|this|other|unclear|unit-ambiguous|implausible|not-a-number)$"
    )


class TherapyFile(Strict):
    """One file of `therapies/`: one drug in one form."""

    title: str
    ingredient: str
    route: Route
    aliases: list[str] = Field(min_length=1)
    infusion: bool = True
    benefit: Benefit | None = None
    ingredients: list[KnownCode] = EMPTY
    products: list[Product] = EMPTY
    billing: list[Billing] = EMPTY
    brands: list[Brand] = EMPTY
    services: list[Service] = EMPTY
    phases: list[Phase] = EMPTY
    minimum: Minimum | None = None
    believed: Believed | None = None
    waste: Waste | None = None
    observation: list[Observation] = EMPTY
    premedications: list[Premedication] = EMPTY
    prerequisites: list[Prerequisite] = EMPTY
    rems: Rems | None = None
    traps: list[KnownCode] = EMPTY
    trap_words: list[str] = EMPTY
    examples: list[Example] = Field(min_length=1)

    @model_validator(mode="after")
    def _bounded(self) -> TherapyFile:
        by_weight = any(
            dose.mg_per_kg or dose.iu_per_kg for phase in self.phases for dose in phase.doses
        )
        if by_weight and self.believed is None:
            raise PydanticCustomError("unbounded", "doses by weight (mg_per_kg) need “believed”")
        return self

    @model_validator(mode="after")
    def _one_unit(self) -> TherapyFile:
        if len(self._units) > 1:
            raise PydanticCustomError(
                "mixed_units", "a drug is measured in mg or in IU: its file has both (mg…, iu…)"
            )
        return self

    @model_validator(mode="after")
    def _of_this_file(self) -> TherapyFile:
        known = {code.code for code in self._product_codes()}
        for brand in self.brands:
            for code in brand.codes:
                if code not in known:
                    raise PydanticCustomError(
                        "foreign_code",
                        "brand “{brand}” names {code}, which is no product or billing code "
                        "of this file",
                        {"brand": brand.name, "code": code},
                    )
        return self

    def _product_codes(self) -> list[Code]:
        """The codes of products and of billing."""
        products = [code.to_core() for product in self.products for code in product.codes]
        return products + [each.to_core().code for each in self.billing]

    @property
    def _units(self) -> set[str]:
        """The units in which anything of this file is said: by the names of its keys."""
        said = [*self.products, *self.billing, *(d for phase in self.phases for d in phase.doses)]
        names = {name for each in said for name in each.model_fields_set}
        names |= self.believed.model_fields_set if self.believed else set()
        parts = {part for name in names for part in name.split("_")}
        return {unit for key, unit in (("mg", "mg"), ("iu", "IU")) if key in parts}

    def to_core(
        self, name: str, drugs: Mapping[str, NamedClass], results: Mapping[str, NamedClass]
    ) -> core.Therapy:
        """The therapy; `drugs` and `results` are the classes that it may ask for."""
        unit = next(iter(self._units), "mg")
        return core.Therapy(
            name=name,
            title=self.title,
            ingredient=self.ingredient.lower(),
            route=self.route,
            aliases=lower(self.aliases),
            ingredients=to_codes(self.ingredients),
            products=tuple(each.to_core(self.route) for each in self.products),
            billing=tuple(each.to_core() for each in self.billing),
            services=tuple(each.to_core() for each in self.services),
            phases=tuple(each.to_core(unit) for each in self.phases),
            premedications=tuple(each.to_core(drugs[each.name]) for each in self.premedications),
            infusion=self.infusion,
            minimum_days=self.minimum.days if self.minimum else None,
            traps=to_codes(self.traps),
            trap_words=lower(self.trap_words),
            minimum_months=self.minimum.months if self.minimum else None,
            observations=tuple(each.to_core() for each in self.observation),
            prerequisites=tuple(each.to_core(results[each.name]) for each in self.prerequisites),
            rems=self.rems.to_core() if self.rems else None,
            waste=self.waste is not None and self.waste.allowed,
            believed=self.believed.to_core() if self.believed else None,
            channel=self.benefit.channel if self.benefit else "unknown",
            unit=unit,
            brands=tuple(each.to_core(self._product_codes()) for each in self.brands),
        )
