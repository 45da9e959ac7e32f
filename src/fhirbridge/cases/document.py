"""A recorded case as a file: one JSON document, checked when it is read."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import AfterValidator, Field, model_validator

from fhirbridge import yamlfile
from fhirbridge.fhir import jsonio
from fhirbridge.keytypes import Name

Json = dict[str, Any]
#: The form of the document; another one is refused.
FORM = 1
CAVEATS = (
    "Dates were moved by whole weeks: holidays and parts of dates (a month) fall otherwise.",
    "Texts hold known words only: what rested on another word is not understood as it was.",
    "What the store remembers (Tasks deleted by a person, changes that wait) is not in it.",
)


def _typed(resource: Json) -> Json:
    kind = resource.get("resourceType")
    if not isinstance(kind, str) or not re.fullmatch("[A-Z][A-Za-z]{1,63}", kind):
        raise ValueError("a record here has no resourceType")
    return resource


class Source(yamlfile.Strict):
    """What one source said. `cut`: types of which there may be more; `failed`: it did not
    answer."""

    resources: list[Annotated[Json, AfterValidator(_typed)]] = Field(default=[])
    cut: list[str] = Field(default=[])
    failed: bool = False


class Decided(yamlfile.Strict):
    """What was decided of one person: see `outcomes.outcome`."""

    subject: str
    findings: list[dict[str, Any]] = Field(default=[])
    cannot_tell: list[str] = Field(default=[])
    plan: list[str] = Field(default=[])


class Case(yamlfile.Strict):
    """`settings` is a configuration, of the keys that a decision depends on. `mappings`: a digest
    of the files that were read; `own_mappings`: whether some of them were the site's."""

    fhirbridge_case: int = FORM
    software: str
    mappings: str
    own_mappings: bool
    as_of: yamlfile.Moment
    settings: dict[str, Any]
    silent: dict[str, yamlfile.Moment] = Field(default={})
    sources: dict[Name, Source]
    decided: list[Decided]
    differs: list[str] = Field(default=[])
    caveats: list[str] = Field(default=list(CAVEATS))

    @model_validator(mode="after")
    def _each_server_said_something(self) -> Self:
        servers = self.settings.get("servers")
        if not isinstance(servers, dict) or servers.keys() != self.sources.keys():
            raise ValueError("the servers of its settings are not those of its sources")
        return self


def dumps(case: Case) -> bytes:
    """The file."""
    return (
        jsonio.pretty(
            case.model_dump(mode="python")
            | {
                "as_of": case.as_of.isoformat(),
                "silent": {name: since.isoformat() for name, since in case.silent.items()},
            }
        )
        + b"\n"
    )


def read(path: Path) -> Case:
    """The case of a file. Raises `yamlfile.Invalid`, which names the file."""
    try:
        data = jsonio.loads(path.read_bytes())
    except jsonio.NotJson as error:
        raise yamlfile.Invalid(path, 1, f"not a recorded case: {error}") from None
    form = data.get("fhirbridge_case") if isinstance(data, dict) else None
    if form != FORM:
        why = "it says no fhirbridge_case" if form is None else f"its form is {form}"
        raise yamlfile.Invalid(
            path, 1, f"not a recorded case of this version ({why}); `fhirbridge record` makes one"
        )
    return yamlfile.validate(yamlfile.Node(path, data), Case)


def software() -> str:
    """The version of this program."""
    return version("fhirbridge")


def digest(folders: Iterable[Path]) -> str:
    """A digest of all files of mappings."""
    made = hashlib.sha256()
    for folder in folders:
        for path in sorted(folder.rglob("*.yaml")):
            made.update(path.relative_to(folder).as_posix().encode() + b"\0" + path.read_bytes())
    return made.hexdigest()[:16]
