"""The mappings: what is known about drugs and visits, read from data files.

    load([shipped(), *site_folders]) -> Mappings     frozen, ready for the core
    check(folders) -> list of complaints             also runs the examples in the files

    schema() -> JSON Schemas           of each kind of file, for editors

A folder holds `therapies/*.yaml` (one drug in one form each), `servers/*.yaml` (one make of
server each), `premedications.yaml`, `prerequisites.yaml`, `visits.yaml`, and the folders of
`FOLDERS` that other modules read. A later folder adds to the earlier ones: a therapy or a server
of the same file name, or a class of premedication or of results of the same name, replaces the
earlier one; the lists of `visits.yaml` are joined. The
shapes of the files: `files.py`. To add a drug: docs/how-to/add-a-therapy.md.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel

from fhirbridge import yamlfile
from fhirbridge.core.codes import keys
from fhirbridge.core.facts import Code
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.visits import AtSite
from fhirbridge.fhir.profile import Profile
from fhirbridge.yamlfile import Invalid

from . import examples
from .files import TherapyFile
from .lists import NamedClass, PremedicationsFile, PrerequisitesFile, VisitsFile, to_visits
from .schemas import schema
from .servers import ServerFile, profiles

__all__ = ["FILES", "FOLDERS", "Mappings", "check", "load", "schema", "shipped"]

#: What a folder of mappings may hold.
FOLDERS = frozenset({"therapies", "payers", "servers", "tasks"})
FILES = frozenset({"premedications.yaml", "prerequisites.yaml", "visits.yaml"})

M = TypeVar("M", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class Mappings:
    """Everything that the files say.

    `files` are the therapies as they are written, by name; `servers` the makes of servers;
    `folders` where the files of `payers` and `tasks` are found, the last one counting most.
    """

    formulary: Formulary
    servers: Mapping[str, Profile]
    files: Mapping[str, tuple[yamlfile.Node, TherapyFile]]
    folders: tuple[Path, ...]


def shipped() -> Path:
    """The folder that comes with the package: inside the wheel, else that of the repository."""
    inside = Path(__file__).parents[1] / "_data" / "mappings"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "mappings"


def load(folders: Sequence[Path], sites: Mapping[str, AtSite] | None = None) -> Mappings:
    """Read folders, the shipped one first. Raises `Invalid` with every complaint.

    `sites`: by source, what its configuration adds to what counts as an infusion visit.
    """
    read = _Read()
    for folder in folders:
        read.folder(folder)
    read.check_classes()
    read.check_products()
    if read.complaints:
        first, *rest = read.complaints
        raise Invalid(first.path, first.line, first.message, tuple(rest))
    therapies = [
        file.to_core(name, read.drugs, read.results)
        for name, (_, file) in sorted(read.files.items())
    ]
    visits = to_visits(read.visits)
    for source, site in (sites or {}).items():
        visits = visits.at(source, site)
    makes = profiles(read.servers.items())
    return Mappings(Formulary(therapies, visits), makes, read.files, tuple(folders))


def check(folders: Sequence[Path]) -> list[str]:
    """Every complaint about the files, and every example that does not come out; [] is well."""
    try:
        mappings = load(folders)
    except Invalid as invalid:
        return [str(Invalid(each.path, each.line, each.message)) for each in invalid.all]
    return list(examples.run(mappings.formulary, mappings.files))


@dataclass(slots=True)
class _Read:
    """What was read so far, and what is wrong with it."""

    files: dict[str, tuple[yamlfile.Node, TherapyFile]] = field(default_factory=dict)
    drugs: dict[str, NamedClass] = field(default_factory=dict)
    results: dict[str, NamedClass] = field(default_factory=dict)
    servers: dict[str, ServerFile] = field(default_factory=dict)
    visits: list[VisitsFile] = field(default_factory=list)
    complaints: list[Invalid] = field(default_factory=list)

    def folder(self, folder: Path) -> None:
        self.complaints += _strangers(folder)
        for path in sorted((folder / "therapies").glob("*.yaml")):
            if read := self._file(path, TherapyFile):
                self.files[path.stem] = read
        for path in sorted((folder / "servers").glob("*.yaml")):
            if server := self._file(path, ServerFile):
                self.servers[path.stem] = server[1]
        if drugs := self._file(folder / "premedications.yaml", PremedicationsFile):
            self.drugs |= drugs[1].classes
        if results := self._file(folder / "prerequisites.yaml", PrerequisitesFile):
            self.results |= results[1].classes
        if listed := self._file(folder / "visits.yaml", VisitsFile):
            self.visits.append(listed[1])

    def check_classes(self) -> None:
        """Each class that a therapy asks for must be known, where the list of them was read."""
        broken = {complaint.path.stem for complaint in self.complaints}
        lists = {"premedications": self.drugs, "prerequisites": self.results}
        for node, file in self.files.values():
            for key, known in ((key, lists[key]) for key in sorted(lists.keys() - broken)):
                for number, asked in enumerate(getattr(file, key)):
                    if asked.name not in known:
                        hint = yamlfile.nearest(asked.name, known)
                        message = f"“{asked.name}” is not in {key}.yaml{hint}"
                        self._complain(node, (key, number, "name"), message)

    def check_products(self) -> None:
        """A code can be the product of one therapy only, else it would name neither."""
        owners: dict[object, str] = {}
        for name, (node, file) in self.files.items():  # in the order of folders
            for where, code in _product_codes(file):
                other = owners.setdefault(keys(code), name)
                if other != name:
                    message = f"“{code.code}” is already a product of “{other}”"
                    self._complain(node, where, message)

    def _complain(self, node: yamlfile.Node, where: yamlfile.Where, message: str) -> None:
        self.complaints.append(Invalid(node.path, node.line(where), message))

    def _file(self, path: Path, model: type[M]) -> tuple[yamlfile.Node, M] | None:
        if not path.exists():
            return None
        try:
            node = yamlfile.load(path)
            return node, yamlfile.validate(node, model)
        except Invalid as invalid:
            self.complaints += invalid.all
        return None


def _strangers(folder: Path) -> Iterator[Invalid]:
    """What does not belong into a folder of mappings, and a folder that is not there."""
    if not folder.is_dir():
        said = "no such folder of mappings; a relative path begins where fhirbridge is started"
        yield Invalid(folder, 1, said)
        return
    for path in sorted(folder.iterdir()):
        if not path.name.startswith(".") and path.name not in FOLDERS | FILES:
            hint = yamlfile.nearest(path.name, FOLDERS | FILES)
            yield Invalid(path, 1, f"“{path.name}” is not part of mappings{hint}")
    for kind in ("therapies", "servers"):
        for path in sorted((folder / kind).glob("*")):
            if path.suffix != ".yaml" and not path.name.startswith("."):
                yield Invalid(path, 1, f"“{path.name}” is not read; a file here ends in .yaml")


def _product_codes(file: TherapyFile) -> Iterator[tuple[yamlfile.Where, Code]]:
    for number, product in enumerate(file.products):
        for place, code in enumerate(product.codes):
            yield ("products", number, "codes", place), code.to_core()
    for number, billing in enumerate(file.billing):
        yield ("billing", number), billing.to_core().code
