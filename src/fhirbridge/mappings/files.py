"""The shapes of the mapping files: strict models, and how each becomes a shape of the core.

Every code and rule carries `source` and `verified` (somebody looked it up there). What a key
means for a reader of the files is said in docs/how-to/add-a-therapy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from fhirbridge.core import therapy as core
from fhirbridge.core.codes import keys
from fhirbridge.core.facts import Code, Span
from fhirbridge.core.quantity import Quantity
from fhirbridge.core.visits import Visits
from fhirbridge.yamlfile import Strict

SYSTEMS: Mapping[str, str] = {
    "rxnorm": "http://www.nlm.nih.gov/research/umls/rxnorm",
    "ndc": "http://hl7.org/fhir/sid/ndc",
    "hcpcs": "http://www.cms.gov/Medicare/Coding/HCPCSReleaseCodeSets",
    "cpt": "http://www.ama-assn.org/go/cpt",
    "snomed": "http://snomed.info/sct",
    "service-type": "http://terminology.hl7.org/CodeSystem/service-type",
}

Number = Annotated[
    Decimal,
    BeforeValidator(
        lambda value: Decimal(value) if isinstance(value, int) and value is not True else value
    ),
    Field(gt=0),
]
_EMPTY: Any = Field(default_factory=list)


class Known(Strict):
    """Where a fact comes from, and whether somebody looked it up there."""

    source: str
    verified: bool


class AnyCode(Strict):
    system: Literal["rxnorm", "ndc", "hcpcs", "cpt", "snomed", "service-type"]
    code: str
    display: str = ""

    def to_core(self) -> Code:
        return Code(SYSTEMS[self.system], self.code, self.display)


class KnownCode(AnyCode, Known):
    @field_validator("code")
    @classmethod
    def _unmistakable(cls, code: str, info: ValidationInfo) -> str:
        if info.data.get("system") == "ndc" and len(keys(Code(SYSTEMS["ndc"], code))) != 1:
            raise ValueError("an NDC is written with hyphens, or with 11 digits")
        return code


class Product(Strict):
    name: str
    package: Literal["vial", "pen", "syringe", "kit"] = "vial"
    mg_per_ml: Number | None = None
    mg_per_package: Number | None = None
    codes: list[KnownCode]

    def to_core(self) -> core.Product:
        return core.Product(
            self.name, to_codes(self.codes), self.mg_per_ml, self.mg_per_package, self.package
        )


class Billing(Known):
    """A HCPCS code; `from` and `to` are its first and last day."""

    code: str
    display: str = ""
    mg_per_unit: Number
    first: date | None = Field(None, alias="from")
    last: date | None = Field(None, alias="to")

    def to_core(self) -> core.Billing:
        code = Code(SYSTEMS["hcpcs"], self.code, self.display)
        return core.Billing(code, self.mg_per_unit, Span(self.first, self.last))


class Service(Known):
    code: str
    display: str = ""
    covers: Literal["administration", "home-nursing"]

    def to_core(self) -> core.Service:
        return core.Service(Code(SYSTEMS["hcpcs"], self.code, self.display), self.covers)


class Dose(Strict):
    mg: Number
    visits: int = Field(1, gt=0)
    spacing_days: int | None = Field(None, gt=0)

    def to_core(self) -> core.Dose:
        return core.Dose(Quantity(self.mg, "mg"), self.visits, self.spacing_days)


class Phase(Known):
    name: Literal["initial", "maintenance"]
    doses: list[Dose] = Field(min_length=1)
    every_weeks: int | None = Field(None, gt=0)
    every_months: int | None = Field(None, gt=0)

    def to_core(self) -> core.Phase:
        doses = tuple(dose.to_core() for dose in self.doses)
        return core.Phase(self.name, doses, self.every_weeks, self.every_months)


class Premedication(Known):
    """A class of `premedications.yaml` that a therapy asks for."""

    name: str
    required: bool

    def to_core(self, drugs: DrugClass) -> core.Premedication:
        aliases = tuple(word.lower() for word in drugs.words)
        return core.Premedication(self.name, self.required, to_codes(drugs.codes), aliases)


class DrugClass(Strict):
    """How an order for a drug of this class is recognized."""

    words: list[str] = _EMPTY
    codes: list[KnownCode] = _EMPTY


class PremedicationsFile(Strict):
    """`premedications.yaml`: classes of drugs by name."""

    classes: dict[str, DrugClass]


class Minimum(Known):
    days: int = Field(gt=0)


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

    codes: list[AnyCode] = _EMPTY
    text: str = ""
    amount: Said | None = None
    on: date | None = None
    context: Literal["dose", "dispense", "authorization", "given"] = "dose"
    expect: str = Field(
        pattern=r"^([0-9.]+ mg|this|other|unclear|unit-ambiguous|implausible|not-a-number)$"
    )


class TherapyFile(Strict):
    """One file of `therapies/`."""

    title: str
    ingredient: str
    route: Literal["intravenous", "subcutaneous"]
    aliases: list[str] = Field(min_length=1)
    infusion: bool = True
    ingredients: list[KnownCode] = _EMPTY
    products: list[Product] = _EMPTY
    billing: list[Billing] = _EMPTY
    services: list[Service] = _EMPTY
    phases: list[Phase] = _EMPTY
    minimum: Minimum | None = None
    premedications: list[Premedication] = _EMPTY
    traps: list[KnownCode] = _EMPTY
    trap_words: list[str] = _EMPTY
    examples: list[Example] = Field(min_length=1)

    def to_core(self, name: str, classes: Mapping[str, DrugClass]) -> core.Therapy:
        return core.Therapy(
            name=name,
            title=self.title,
            ingredient=self.ingredient.lower(),
            route=self.route,
            aliases=tuple(alias.lower() for alias in self.aliases),
            ingredients=to_codes(self.ingredients),
            products=tuple(each.to_core() for each in self.products),
            billing=tuple(each.to_core() for each in self.billing),
            services=tuple(each.to_core() for each in self.services),
            phases=tuple(each.to_core() for each in self.phases),
            premedications=tuple(each.to_core(classes[each.name]) for each in self.premedications),
            infusion=self.infusion,
            minimum_days=self.minimum.days if self.minimum else None,
            traps=to_codes(self.traps),
            trap_words=tuple(word.lower() for word in self.trap_words),
        )


class VisitList(Strict):
    words: list[str] = _EMPTY
    codes: list[KnownCode] = _EMPTY


class VisitsFile(Strict):
    """`visits.yaml`."""

    infusion: VisitList = VisitList()
    other: VisitList = VisitList()


def to_visits(files: Iterable[VisitsFile]) -> Visits:
    """The lists of several files, joined."""
    listed = list(files)
    return Visits(
        yes_codes=to_codes(code for file in listed for code in file.infusion.codes),
        no_codes=to_codes(code for file in listed for code in file.other.codes),
        yes_words=tuple(word for file in listed for word in file.infusion.words),
        no_words=tuple(word for file in listed for word in file.other.words),
    )


def to_codes(codes: Iterable[AnyCode]) -> tuple[Code, ...]:
    return tuple(code.to_core() for code in codes)
