"""Playing a journey: each step is done, the bridge comes to rest, and what stands is compared.

    result = play(journey, estate, tell)

`tell` is called as it happens: `Opened`, `Stepped` before a step is done, `Compared` after it.
What the bridge does in between is told by the bridge itself (`bridge.story`).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from fhirbridge.fhir import ours

from . import compare
from .compare import Found
from .estate import Estate
from .hosts import Host, Record, Written
from .script import Expected, Journey, Step, common

_POLL = 0.05


@dataclass(frozen=True, slots=True)
class Opened:
    """A journey begins."""

    journey: Journey


@dataclass(frozen=True, slots=True)
class Stepped:
    """A step is about to be done."""

    at: datetime
    says: str


@dataclass(frozen=True, slots=True)
class Compared:
    """What stands was compared; no differences: as expected."""

    differences: tuple[str, ...]
    found: Found


@dataclass(frozen=True, slots=True)
class Result:
    """How a journey ended: what differed, by step (counted from 1)."""

    journey: Journey
    differences: tuple[tuple[int, str], ...]
    seconds: float
    tasks: int
    messages: int

    @property
    def ok(self) -> bool:
        return not self.differences


Told = Opened | Stepped | Compared


def prepare(folder: Path, estate: Estate) -> None:
    """Put what all journeys of a folder share on the servers."""
    for name, host in estate.hosts.items():
        for record in common(folder, name):
            host.share(record)


def play(journey: Journey, estate: Estate, tell: Callable[[Told], None]) -> Result:
    """Play one journey to its end, whatever differs on the way.

    A server that does not notify, or a bridge that does not come to rest, is a difference too.
    """
    began = time.monotonic()
    tell(Opened(journey))
    found: list[tuple[int, str]] = []
    last = Compared((), Found())
    for number, step in enumerate(journey.script.steps, 1):
        try:
            if number == 1:
                estate.at(journey.script.as_of)
            reads = _do(journey, step, estate, tell)
            last = _compare(journey, step.expect or Expected(), estate, reads, last.found)
        except TimeoutError as late:
            last = Compared((str(late),), last.found)
        found += [(number, difference) for difference in last.differences]
        tell(last)
    return Result(
        journey,
        tuple(found),
        time.monotonic() - began,
        len(last.found.tasks),
        len(last.found.messages),
    )


def _do(
    journey: Journey, step: Step, estate: Estate, tell: Callable[[Told], None]
) -> dict[str, int | None]:
    """Do one step and wait for the bridge; answers how often each server was read for it."""
    tell(Stepped(step.at or estate.clock(), step.says))
    before = estate.reads()
    if step.at:
        estate.at(step.at)
    if step.put or step.delete or step.resend or step.person:
        before = estate.reads()  # what time alone made due is not the doing of this step
    for host, written in list(_acts(journey, step, estate)):
        estate.heard(host, written)
    estate.notice()
    estate.rest()
    after = estate.reads()
    return {
        name: None if count is None else count - (before[name] or 0)
        for name, count in after.items()
    }


def _acts(journey: Journey, step: Step, estate: Estate) -> Iterator[tuple[Host, Written]]:
    hosts = estate.hosts
    for name, status in step.fail.items():
        hosts[name].fail(status)
    for name in step.heal:
        hosts[name].heal()
    for name, files in step.put.items():
        for written in hosts[name].put([journey.record(name, file) for file in files]):
            yield hosts[name], written
    for name, references in step.delete.items():
        for reference in references:
            yield hosts[name], hosts[name].delete(reference)
    for name, versions in step.resend.items():
        for version in versions:
            row = estate.store.subscription(name, version.partition("/")[0])
            if row is None or row.server_id is None:
                raise LookupError(f"{name}: there is no Subscription to send {version} by")
            yield hosts[name], hosts[name].resend(version, row.server_id)
    if step.person:
        home = hosts[estate.home]
        for task in _about(journey, estate, "Task"):
            if compare.stands(task).rule == step.person.rule:
                yield home, home.change({**task, "status": step.person.status})


def _compare(
    journey: Journey,
    expected: Expected,
    estate: Estate,
    reads: dict[str, int | None],
    before: Found,
) -> Compared:
    """Compare what stands; where a real server may still deliver, again until it fits."""
    certain = all(host.embedded for host in estate.hosts.values())
    end = time.monotonic() + (0.0 if certain else estate.patience)
    while True:
        tasks, messages = (
            tuple(each for each in _about(journey, estate, type_) if ours.name_of(each))
            for type_ in ("Task", "Communication")
        )
        found = Found(tasks, messages, reads)
        differences = compare.differences(expected, found, before)
        if not differences or time.monotonic() >= end:
            return Compared(tuple(differences), found)
        time.sleep(_POLL)


def _about(journey: Journey, estate: Estate, type_: str) -> list[Record]:
    """What stands on the EHR about the patients of the journey."""
    home = estate.hosts[estate.home]
    patients = journey.patients(estate.home)
    return [record for patient in patients for record in home.about(type_, patient)]
