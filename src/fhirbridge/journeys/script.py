"""The script of a journey: `fixtures/<journey>/journey.yaml`, and the records beside it.

    load(folder)             -> Journey
    journeys(fixtures())     -> every journey, in the order of `as_of`

A record is named by its server and its file: `ehr: [order]` is `ehr/order.json`. The folder
`common` holds what all journeys share: the staff and the organizations.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from fhirbridge import yamlfile
from fhirbridge.fhir import jsonio

COMMON = "common"
_SCRIPT = "journey.yaml"


Server = Literal["ehr", "payer", "pharmacy"]


class ExpectedTask(yamlfile.Strict):
    """A Task of ours that must stand. `says`: a phrase of its description; `note`: of a note to
    it; `evidence`: the records that it names as the proof that it is solved."""

    rule: str
    owner: str
    status: str = "requested"
    says: str = ""
    note: str = ""
    evidence: list[str] = Field(default=[])
    patient: str | None = None  # its id on the EHR, in a journey of several patients
    due: date | None = None
    episode: int = 1


class ExpectedMessage(yamlfile.Strict):
    """A Communication that must stand. `to`: a phrase of its recipient's name."""

    to: str
    says: str


class Expected(yamlfile.Strict):
    """What must be so after a step.

    `tasks`: all Tasks of ours about the patients of the journey, no more and no fewer.
    `messages`: how many Communications about them stand by now. `unchanged`: the step made the
    bridge write nothing at all. `reads`: how often it made the bridge read a patient, as each
    server counts it.
    """

    tasks: list[ExpectedTask] | None = None
    told: list[ExpectedMessage] = Field(default=[])
    messages: int | None = None
    unchanged: bool = False
    reads: dict[Server, int] = Field(default={})


class TaskAct(yamlfile.Strict):
    """A person's doing with our Task of this rule, on the EHR."""

    rule: str
    status: str


class Step(yamlfile.Strict):
    """One thing that happens: first the clock, then the servers' state, then the records.

    `resend`: the server sends the notification of an older version (`MedicationRequest/o-1/2`)
    once more, as servers do.
    """

    says: str
    at: yamlfile.Moment | None = None
    fail: dict[Server, int] = Field(default={})
    heal: list[Server] = Field(default=[])
    put: dict[Server, list[str]] = Field(default={})
    delete: dict[Server, list[str]] = Field(default={})
    resend: dict[Server, list[str]] = Field(default={})
    person: TaskAct | None = None
    expect: Expected | None = None


class Script(yamlfile.Strict):
    title: str
    story: str
    as_of: yamlfile.Moment
    steps: list[Step] = Field(min_length=1)


@dataclass(frozen=True, slots=True)
class Journey:
    """A script and the folder that its records are in."""

    folder: Path
    script: Script

    @property
    def name(self) -> str:
        return self.folder.name

    def record(self, server: str, name: str) -> dict[str, Any]:
        """One resource. Raises ValueError that names the file."""
        return _record(self.folder / server / f"{name}.json")

    def records(self) -> list[tuple[str, dict[str, Any]]]:
        """Every record of the journey with its server."""
        paths = sorted(self.folder.glob("*/*.json"))
        return [(path.parent.name, _record(path)) for path in paths]

    def patients(self, server: str) -> list[str]:
        """The ids of the patients of this journey on a server."""
        return [
            record["id"]
            for name, record in self.records()
            if name == server and record["resourceType"] == "Patient"
        ]


def fixtures() -> Path:
    """The folder of journeys: inside the wheel, else that of the repository."""
    inside = Path(__file__).parents[1] / "_data" / "fixtures"
    return inside if inside.is_dir() else Path(__file__).parents[3] / "fixtures"


def load(folder: Path) -> Journey:
    """One journey. Raises `yamlfile.Invalid` (file and line), also for a record that is missing."""
    path = folder / _SCRIPT
    node = yamlfile.load(path)
    script = yamlfile.validate(node, Script)
    complaints = [
        yamlfile.Invalid(path, node.line(("steps", number, "put", server)), f"there is no {file}")
        for number, step in enumerate(script.steps)
        for server, names in step.put.items()
        for file in (f"{server}/{name}.json" for name in names)
        if not (folder / file).is_file()
    ]
    if complaints:
        first, *rest = complaints
        raise yamlfile.Invalid(path, first.line, first.message, tuple(rest))
    return Journey(folder, script)


def journeys(folder: Path, names: Iterable[str] = ()) -> list[Journey]:
    """Every journey of a folder (or those named), in the order in which they are played."""
    wanted = set(names)
    found = [load(path.parent) for path in sorted(folder.glob(f"*/{_SCRIPT}"))]
    return sorted(
        (each for each in found if not wanted or each.name in wanted),
        key=lambda each: (each.script.as_of, each.name),
    )


def common(folder: Path, server: str) -> list[dict[str, Any]]:
    """What all journeys share on a server; organizations and people before places."""
    records = [_record(path) for path in sorted((folder / COMMON / server).glob("*.json"))]
    order = ("Organization", "Practitioner", "Location", "HealthcareService")
    return sorted(records, key=lambda record: order.index(record["resourceType"]))


def _record(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = jsonio.loads(path.read_bytes())
    except (OSError, jsonio.NotJson) as error:
        raise ValueError(f"{path}: {error}") from None
    return found
