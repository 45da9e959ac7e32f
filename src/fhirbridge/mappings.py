"""The mappings: what is known about drugs and visits, read from data files.

    load([shipped(), *site_folders]) -> Mappings     frozen, ready for the core
    check(folders) -> list of complaints             also runs the examples in the files

A folder holds `therapies/*.yaml` (one drug in one form each), `visits.yaml`, and the folders of
`FOLDERS` that other modules read. A later folder adds to the earlier ones: a therapy of the same
file name replaces the earlier one, the lists of `visits.yaml` are joined. Every code carries its
source and whether it was verified there. To add a drug: docs/how-to/add-a-therapy.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, BeforeValidator, Field

from . import yamlfile
from .core import therapy as core
from .core.facts import Code, Problem, Ref, Span
from .core.formulary import Formulary
from .core.quantity import Amount, Quantity, mg
from .core.visits import Visits
from .yamlfile import Invalid, Strict

#: What a folder of mappings may hold.
FOLDERS = frozenset({"therapies", "payers", "servers", "tasks"})
FILES = frozenset({"visits.yaml"})

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
M = TypeVar("M", bound=BaseModel)


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
    pass


class Product(Strict):
    name: str
    package: Literal["vial", "pen", "syringe", "kit"] = "vial"
    mg_per_ml: Number | None = None
    mg_per_package: Number | None = None
    codes: list[KnownCode]

    def to_core(self) -> core.Product:
        return core.Product(
            self.name, _codes(self.codes), self.mg_per_ml, self.mg_per_package, self.package
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
    name: str
    required: bool
    aliases: list[str] = _EMPTY
    codes: list[KnownCode] = _EMPTY

    def to_core(self) -> core.Premedication:
        aliases = tuple(alias.lower() for alias in self.aliases)
        return core.Premedication(self.name, self.required, _codes(self.codes), aliases)


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

    def to_core(self, name: str) -> core.Therapy:
        return core.Therapy(
            name=name,
            title=self.title,
            ingredient=self.ingredient.lower(),
            route=self.route,
            aliases=tuple(alias.lower() for alias in self.aliases),
            ingredients=_codes(self.ingredients),
            products=tuple(each.to_core() for each in self.products),
            billing=tuple(each.to_core() for each in self.billing),
            services=tuple(each.to_core() for each in self.services),
            phases=tuple(each.to_core() for each in self.phases),
            premedications=tuple(each.to_core() for each in self.premedications),
            infusion=self.infusion,
            minimum_days=self.minimum.days if self.minimum else None,
            traps=_codes(self.traps),
            trap_words=tuple(word.lower() for word in self.trap_words),
        )


class VisitList(Strict):
    words: list[str] = _EMPTY
    codes: list[KnownCode] = _EMPTY


class VisitsFile(Strict):
    """`visits.yaml`."""

    infusion: VisitList = VisitList()
    other: VisitList = VisitList()


@dataclass(frozen=True, slots=True)
class Mappings:
    """Everything that the files say; `files` are the therapies as they are written."""

    formulary: Formulary
    files: Mapping[str, tuple[yamlfile.Node, TherapyFile]]
    folders: tuple[Path, ...]


def shipped() -> Path:
    """The folder that comes with the package: inside the wheel, else that of the repository."""
    inside = Path(__file__).parent / "_data" / "mappings"
    return inside if inside.is_dir() else Path(__file__).parents[2] / "mappings"


def load(folders: Sequence[Path]) -> Mappings:
    """Read folders, the shipped one first. Raises `Invalid` with every complaint."""
    files: dict[str, tuple[yamlfile.Node, TherapyFile]] = {}
    visits: list[VisitsFile] = []
    complaints: list[Invalid] = []
    for folder in folders:
        complaints += _strangers(folder)
        for path in sorted((folder / "therapies").glob("*.yaml")):
            if read := _read(path, TherapyFile, complaints):
                files[path.stem] = read
        if (path := folder / "visits.yaml").exists() and (
            listed := _read(path, VisitsFile, complaints)
        ):
            visits.append(listed[1])
    if complaints:
        first, *rest = complaints
        raise Invalid(first.path, first.line, first.message, tuple(rest))
    therapies = [file.to_core(name) for name, (_, file) in sorted(files.items())]
    return Mappings(Formulary(therapies, _visits(visits)), files, tuple(folders))


def check(folders: Sequence[Path]) -> list[str]:
    """Every complaint about the files, and every example that does not come out; [] is well."""
    try:
        mappings = load(folders)
    except Invalid as invalid:
        return [str(Invalid(each.path, each.line, each.message)) for each in invalid.all]
    return [
        f"{node.path}:{node.line(('examples', number))}: {wrong}"
        for name, (node, file) in mappings.files.items()
        for number, example in enumerate(file.examples)
        if (wrong := _try(mappings.formulary, name, example))
    ]


def _read(path: Path, model: type[M], complaints: list[Invalid]) -> tuple[yamlfile.Node, M] | None:
    try:
        node = yamlfile.load(path)
        return node, yamlfile.validate(node, model)
    except Invalid as invalid:
        complaints += invalid.all
    return None


def _strangers(folder: Path) -> Iterator[Invalid]:
    """What does not belong into a folder of mappings, and a folder that is not there."""
    if not folder.is_dir():
        yield Invalid(folder, 1, "no such folder of mappings")
        return
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name not in FOLDERS | FILES:
            hint = yamlfile.nearest(path.name, FOLDERS | FILES)
            yield Invalid(path, 1, f"“{path.name}” is not part of mappings{hint}")
    for path in sorted((folder / "therapies").glob("*")):
        if path.suffix != ".yaml" and not path.name.startswith("."):
            yield Invalid(path, 1, f"“{path.name}” is not read; a therapy's file ends in .yaml")


def _visits(files: Iterable[VisitsFile]) -> Visits:
    listed = list(files)
    return Visits(
        yes_codes=tuple(code.to_core() for file in listed for code in file.infusion.codes),
        no_codes=tuple(code.to_core() for file in listed for code in file.other.codes),
        yes_words=tuple(word for file in listed for word in file.infusion.words),
        no_words=tuple(word for file in listed for word in file.other.words),
    )


def _try(formulary: Formulary, name: str, example: Example) -> str | None:
    """What is wrong with an example, or None."""
    came = _outcome(formulary, name, example)
    return None if came == example.expect else f"expected “{example.expect}”, came “{came}”"


def _outcome(formulary: Formulary, name: str, example: Example) -> str:
    codes = _codes(example.codes)
    whose = formulary.recognize(codes, example.text)
    if whose.unclear:
        return "unclear"
    if whose.therapy is None or whose.therapy.name != name:
        return "other"
    if example.amount is None:
        return "this"
    said = example.amount
    amount = Amount(said.value, said.unit, code=said.code, text=said.text)
    ref = Ref("example", "Example", name)
    came = formulary.measure(
        whose.therapy, codes, amount, example.on, context=example.context, ref=ref, at="amount"
    )
    return came.reason if isinstance(came, Problem) else str(mg(came.mass.value))


def _codes(codes: Iterable[Any]) -> tuple[Code, ...]:
    return tuple(code.to_core() for code in codes)
