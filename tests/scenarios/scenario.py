"""Scenarios: `tests/scenarios/<rule>/<name>.yaml`, one journey in the words of infusion care each.

    title: Half of the dose arrives
    as_of: 3 December 2026 15:00
    facts: |
      order      o1  ocrelizumab 600 mg, 1 visit, by Dr Example
      visit      v1  8 December 2026 09:00, infusion, booked
      dispensed  d1  10 mL, part fill, 3 December 2026, for o1
      not read   payer
    expect:
      - {rule: dispense-short, severity: S2, owner: pharmacy, missing: 300 mg}

`expect` is the exact set of open findings (`among: true`: they are among them); each may name
any value that the rule says, and the records: `about` the one that must change, `because` the one
that contradicts it, `records` all that it rests on; `choices` are the answers that it offers.
`cannot_tell` names rules that must have no
answer, each with its reason. The records of `SOURCES` are read completely unless a line
`not read <source>` says otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time
from functools import cache
from pathlib import Path
from typing import Literal
from zoneinfo import ZoneInfo

from pydantic import Field

from fhirbridge import mappings, yamlfile
from fhirbridge.core.answering import accepted, honored, settled
from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import Answer, Fact, Party, Ref
from fhirbridge.core.findings import Finding, Role
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.ledger import Ledger
from fhirbridge.core.plan import Said
from fhirbridge.core.plan import Told as Told_
from fhirbridge.core.quantity import Quantity
from fhirbridge.core.rules import Context, Judgement, judge
from fhirbridge.yamlfile import Invalid, Node, Strict

from .phrases import Told, Unknown, day, read
from .telling import Teller

FOLDER = Path(__file__).parent

#: What each source is believed for.
SOURCES = {
    "ehr": ("orders", "schedule", "administrations"),
    "payer": ("authorizations", "coverage"),
    "pharmacy": ("dispenses",),
}
#: Sources that are only there where a story says so (`also: [laboratory]`).
EXTRA = {"laboratory": ("results",), "registry": ("rems",)}


class Expected(Strict):
    """One finding; `day` and every other name is compared with what the finding says."""

    model_config = Strict.model_config | {"extra": "allow"}

    rule: str
    severity: str | None = None
    owner: str | None = None
    variant: str | None = None
    folded: str | None = None


class Task(Strict):
    """A Task that we wrote about this story's findings of a rule: when, and by when it is due."""

    rule: str
    written: str
    due: str
    told: Told_ = Field(default=Told_.OPEN, strict=False)
    owner: str = ""  # another than the finding's


class Story(Strict):
    """The file as it is written."""

    title: str
    as_of: str
    facts: str
    expect: list[Expected]
    among: bool = False
    cannot_tell: dict[str, str] = Field(default={})
    drug: str = "ocrelizumab"
    zone: str = "America/New_York"
    holidays: tuple[date, ...] = Field(default=(), strict=False)
    supply: dict[str, str] = Field(default={})
    answers: dict[str, str] = Field(default={})  # what a person answered to a rule's question
    owners: bool = True  # whether the configuration names somebody for every role
    treated: bool = True
    tasks: list[Task] = Field(default=[])
    silent: dict[str, str] = Field(default={})  # source -> since when
    also: tuple[Literal["laboratory", "registry"], ...] = Field(default=(), strict=False)


@dataclass(frozen=True)
class Scenario:
    """A story with its facts, ready to be judged."""

    path: Path
    story: Story
    facts: tuple[Fact, ...]
    sight: Mapping[tuple[str, str], str]

    @property
    def name(self) -> str:
        return f"{self.path.parent.name}/{self.path.stem}"

    @property
    def fires(self) -> bool:
        """Whether the rule that the folder is named after is expected."""
        return any(each.rule == self.path.parent.name for each in self.story.expect)

    @property
    def zone(self) -> ZoneInfo:
        return ZoneInfo(self.story.zone)

    @property
    def calendar(self) -> Calendar:
        return Calendar(self.zone, frozenset(self.story.holidays))

    @property
    def as_of(self) -> datetime:
        return moment(self.story.as_of, self.zone)

    def ledger(self) -> Ledger:
        return book(self.facts, formulary(), self.calendar)

    def context(self, as_of: datetime | None = None) -> Context:
        owners = {role: _somebody(role) for role in Role} if self.story.owners else {}
        return Context(
            as_of=as_of or self.as_of,
            calendar=self.calendar,
            person="ehr:Patient/p1",
            formulary=formulary(),
            sight=self.sight,
            owners=owners,
            supply=self.story.supply,
            treated=self.story.treated,
            silent={name: moment(at, self.zone) for name, at in self.story.silent.items()},
        )

    def judged(self) -> Judgement:
        asked = judge(self.ledger(), self._told())
        answers = accepted(list(self._answers(asked.findings)), asked.findings)
        if not answers:
            return asked
        ledger = book(honored(self.facts, answers), formulary(), self.calendar)
        judged = judge(ledger, self._told())
        return replace(judged, findings=settled(judged.findings, answers))

    def _answers(self, findings: Iterable[Finding]) -> Iterator[Answer]:
        for each in findings:
            if choice := self.story.answers.get(each.rule):
                yield Answer(
                    ref=Ref("ehr", "Task", each.key), key=each.key, choice=choice, digest=each.asked
                )

    def _told(self) -> Context:
        """What we know, with the Tasks that we wrote."""
        context = self.context()
        if not self.story.tasks:
            return context
        found = judge(self.ledger(), context).findings
        return replace(context, said=tuple(self._said(found)))

    def _said(self, findings: Sequence[Finding]) -> Iterator[Said]:
        """Our Tasks, as the server shows them."""
        for number, task in enumerate(self.story.tasks, start=1):
            (finding,) = (each for each in findings if each.rule == task.rule)
            yield Said(
                key=finding.key,
                episode=1,
                ref=Ref("ehr", "Task", f"t{number}"),
                told=task.told,
                digest=finding.digest,
                rule=task.rule,
                occasion=finding.occasion,
                written=moment(task.written, self.zone),
                owner=task.owner or finding.owner,
                due=moment(task.due, self.zone),
            )


@cache
def formulary() -> Formulary:
    return mappings.load([mappings.shipped()]).formulary


def load(path: Path) -> Scenario:
    """Read one scenario. Raises `Invalid` with the line of the word that is not understood."""
    node = yamlfile.load(path)
    story = yamlfile.validate(node, Story)
    try:
        moment(story.as_of, ZoneInfo(story.zone))
    except ValueError as error:
        raise Invalid(path, node.line(("as_of",)), str(error)) from None
    told: dict[str, Told] = {}
    where: dict[str, int] = {}
    unread: set[str] = set()
    for number, line in enumerate(story.facts.splitlines(), start=node.line(("facts",)) + 1):
        if not line.strip():
            continue
        if line.startswith("not read"):
            unread.add(_source(path, number, line.removeprefix("not read").strip()))
            continue
        one = _told(path, number, line)
        if one.name in told:
            raise Invalid(path, number, f"“{one.name}” is told twice")
        told[one.name], where[one.name] = one, number
    facts = _facts(node, story, told, where)
    sight = {
        (source, kind): "unread" if source in unread else "complete"
        for source, kinds in (SOURCES | {name: EXTRA[name] for name in story.also}).items()
        for kind in kinds
    }
    return Scenario(path, story, facts, sight)


@cache
def every() -> tuple[Scenario, ...]:
    """All scenarios, in order of their names."""
    return tuple(load(path) for path in sorted(FOLDER.glob("*/*.yaml")))


def differences(story: Story, found: tuple[Finding, ...]) -> list[str]:
    """What was expected and did not come, and what came unexpected; [] is well."""
    left = list(found)
    wrong = []
    for wanted in story.expect:
        match = next((each for each in left if not _unlike(wanted, each)), None)
        if match is not None:
            left.remove(match)
            continue
        near = [each for each in left if each.rule == wanted.rule]
        about = "; ".join(_unlike(wanted, near[0])) if near else "no such finding"
        wrong.append(f"expected {wanted.rule}: {about}")
    if not story.among:
        wrong += [f"unexpected {each.rule} {shown(each)}" for each in left]
    return wrong


def _unlike(wanted: Expected, finding: Finding) -> list[str]:
    came = shown(finding)
    asked = {k: v for k, v in wanted.model_dump().items() if v is not None}
    asked.setdefault("folded", None)
    return [
        f"{name} {came.get(name)} instead of {value}"
        for name, value in asked.items()
        if str(came.get(name)) != str(value)
    ]


def shown(finding: Finding) -> dict[str, object]:
    """What a finding says, as scenarios write it."""
    return {
        **{name: written(value) for name, value in finding.say.items()},
        "rule": finding.rule,
        "severity": finding.severity.value,
        "owner": finding.owner.value,
        "variant": finding.variant,
        "folded": finding.folded_into,
        "about": finding.focus.id if finding.focus else None,
        "because": finding.reason.id if finding.reason else None,
        "choices": ", ".join(finding.choices),
        "records": ", ".join(ref.id for ref in finding.evidence),
    }


def written(value: object) -> object:
    """A value as a scenario writes it: a tuple as a list with commas, a day in words."""
    match value:
        case tuple():
            return ", ".join(str(written(each)) for each in value)
        case datetime():
            return f"{value.day} {value:%B %Y %H:%M}"
        case date():
            return f"{value.day} {value:%B %Y}"
        case Quantity():
            return str(value)
    return value


def moment(text: str, zone: ZoneInfo) -> datetime:
    """A moment as a scenario writes it: 3 December 2026 15:00, local time at the site."""
    words, _, clock = text.rpartition(" ")
    try:
        return datetime.combine(day(words), time.fromisoformat(clock), zone)
    except ValueError:
        raise Unknown(f"“{text}” is no moment; write 3 December 2026 15:00") from None


def _told(path: Path, number: int, line: str) -> Told:
    try:
        return read(line)
    except Unknown as error:
        raise Invalid(path, number, str(error)) from None


def _source(path: Path, number: int, source: str) -> str:
    known = SOURCES | EXTRA
    if source not in known:
        raise Invalid(path, number, f"“{source}” is no source{yamlfile.nearest(source, known)}")
    return source


def _facts(
    node: Node, story: Story, told: Mapping[str, Told], where: Mapping[str, int]
) -> tuple[Fact, ...]:
    teller = Teller(told, story.drug, ZoneInfo(story.zone))
    facts = []
    for name, one in told.items():
        try:
            facts.append(teller.fact(one))
        except (Unknown, KeyError) as error:
            raise Invalid(node.path, where[name], f"{one.kind} {name}: {error}") from None
    return tuple(facts)


def _somebody(role: Role) -> Party:
    return Party("ehr", f"Organization/{role.value}", display=f"the configured {role.value}")
