"""The narrator: what happens in a journey, told while it happens.

`Printer` prints for people, `Recorder` one JSON object a line for machines. A `Narrator` hears
both the journey's play and the bridge (from several threads), leaves out what concerns patients
of other journeys, and joins deliveries that come in one breath.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from textwrap import wrap
from typing import Any, Protocol, TextIO
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.rule import Rule
from rich.text import Text

from fhirbridge.bridge.story import Arrived, Decided, Link, Read, Story, Wrote
from fhirbridge.columns import aligned
from fhirbridge.fhir import jsonio
from fhirbridge.journeys.play import Opened, Result, Stepped, Told
from fhirbridge.journeys.script import Journey

from .lines import Line, arrived, lines_of

_ZONE = ZoneInfo("America/New_York")
_WIDTH = 120
_INDENT = 18  # the column of kinds
_FIGURE = re.compile(r"(?<=\d) (?=[A-Za-z])|(?<=[a-z]) (?=–)")  # not torn apart by a line's end
_STYLES = {
    "arrived": "cyan",
    "ledger": "blue",
    "decided": "yellow",
    "written": "bold magenta",
    "told": "magenta",
    "closed": "bold green",
    "waits": "red",
    "as expected": "green",
    "differs": "bold red",
}


@dataclass(frozen=True)
class Site:
    """What plays. `servers`: their addresses by name; `unheld`: rules whose records none holds."""

    servers: Mapping[str, str]
    console: str
    subscriptions: int
    unheld: Collection[str] = ()


@dataclass
class Tally:
    """What one journey cost: for the table at the end."""

    decisions: int = 0
    transactions: int = 0
    requests: dict[str, int] = field(default_factory=dict)

    def add(self, story: Story) -> None:
        """Count one event of the bridge."""
        if isinstance(story, Read):
            self.decisions += 1
            for server, count in story.requests.items():
                self.requests[server] = self.requests.get(server, 0) + count
        elif isinstance(story, Wrote):
            self.transactions += 1


@dataclass(frozen=True)
class Ending:
    """How all journeys ended. `tallies` are theirs, one each; `decisions` is the number of all,
    also of those that time made due between two journeys; `reads` counts the requests by which
    patients were read, as the servers themselves count, by server."""

    results: Sequence[Result]
    tallies: Sequence[Tally]
    decisions: int
    reads: Mapping[str, int]

    @property
    def ok(self) -> bool:
        return all(result.ok for result in self.results)


class Output(Protocol):
    """Where lines go."""

    def began(self, site: Site) -> None: ...
    def opened(self, journey: Journey, number: int, of: int) -> None: ...
    def stepped(self, step: Stepped) -> None: ...
    def line(self, line: Line) -> None: ...
    def ended(self, ending: Ending) -> None: ...


class Narrator:
    """Hears everything, and lets `output` tell what concerns the journey that is played."""

    def __init__(self, output: Output, of: int) -> None:
        self.output, self.tallies = output, [Tally() for _ in range(of)]
        self.decisions = 0
        self._of, self._number = of, 0
        self._lock = threading.Lock()
        self._cast: set[str] = set()
        self._waiting: list[Arrived] = []
        self._shown: dict[str, Line] = {}

    def watch(self, story: Story) -> None:
        """The bridge's watcher."""
        with self._lock:
            self.decisions += isinstance(story, Read)
            if self._number and not isinstance(story, Link) and self._concerns(story):
                self._story(story)

    def tell(self, told: Told) -> None:
        """The play's teller."""
        with self._lock:
            self._flush()
            if isinstance(told, Opened):
                self._number += 1
                self._cast = _cast(told.journey)
                self._shown.clear()
                self.output.opened(told.journey, self._number, self._of)
            elif isinstance(told, Stepped):
                self.output.stepped(told)
            else:
                for line in lines_of(told):
                    self.output.line(line)

    def _story(self, story: Story) -> None:
        self.tallies[self._number - 1].add(story)
        if isinstance(story, Arrived):
            self._waiting.append(story)
            return
        if isinstance(story, Wrote):
            self._cast |= {f"{each.source}:{each.type}/{each.id}" for each in story.done}
        lines = list(lines_of(story))
        if isinstance(story, Decided):
            lines = [line for line in lines if self._is_new(line)]
        if lines:
            self._flush()
        for line in lines:
            self.output.line(line)

    def _flush(self) -> None:
        """Tell what arrived: one line for each source and outcome."""
        groups: dict[tuple[str, str], list[Arrived]] = {}
        for story in self._waiting:
            groups.setdefault((story.source, story.outcome), []).append(story)
        self._waiting.clear()
        for group in groups.values():
            self.output.line(arrived(group))

    def _is_new(self, line: Line) -> bool:
        """A line of the ledger that was told in the same words already is left out."""
        if line.kind != "ledger":
            return True
        key = f"{line.data['subject']} {line.data['occasion']}"
        before, self._shown[key] = self._shown.get(key), line
        return before != line

    def _concerns(self, story: Story) -> bool:
        if isinstance(story, Arrived):
            names = {f"{story.source}:{event.partition(' ')[2]}" for event in story.events}
            return bool(self._cast & (names | set(story.due)))
        return getattr(story, "subject", None) in self._cast


def _cast(journey: Journey) -> set[str]:
    """All records of a journey, as the bridge names them: `ehr:Patient/p-7`."""
    return {
        f"{server}:{record['resourceType']}/{record['id']}" for server, record in journey.records()
    }


class Printer:
    """For people: colored on a terminal, plain in a pipe."""

    def __init__(self, stream: TextIO) -> None:
        width = None if stream.isatty() else _WIDTH
        self._console = Console(file=stream, width=width, highlight=False, emoji=False)

    def began(self, site: Site) -> None:
        rows = [(name, url, "an embedded FHIR R4 server") for name, url in site.servers.items()]
        rows.append(("bridge", site.console, "the console, also /metrics and /readyz"))
        for line in aligned(rows):
            self._console.print(line)
        self._console.print(
            f"{site.subscriptions} Subscriptions are active. All patients are made up."
        )
        if site.unheld:
            names = ", ".join(sorted(site.unheld))
            self._console.print(
                f"Not judged, because no server here holds what they need: {names}."
            )

    def opened(self, journey: Journey, number: int, of: int) -> None:
        self._console.print()
        title = Text(f"{number}/{of}  {journey.script.title}", style="bold")
        self._console.print(Rule(title, align="left", style="bright_black"))
        for line in wrap(" ".join(journey.script.story.split()), self._console.width):
            self._console.print(Text(line, style="italic"))

    def stepped(self, step: Stepped) -> None:
        at = step.at.astimezone(_ZONE)
        self._console.print()
        self._row(f"{at:%a %b} {at.day} {at:%H:%M}", step.says, "bold", bold=True)

    def line(self, line: Line) -> None:
        where = f"{line.where}: " if line.where else ""
        self._row(line.kind, where + line.text, _STYLES.get(line.kind, ""))

    def ended(self, ending: Ending) -> None:
        servers = sorted(ending.reads)
        counted = (
            "Tasks",
            "messages",
            "decisions",
            "transactions",
            *(f"reads {s}" for s in servers),
        )
        rows: list[tuple[object, ...]] = [("", "journey", *counted)]
        for result, tally in zip(ending.results, ending.tallies, strict=True):
            verdict = "ok" if result.ok else "DIFFERS"
            numbers = (result.tasks, result.messages, tally.decisions, tally.transactions)
            asked = (tally.requests.get(server, 0) for server in servers)
            rows.append((verdict, result.journey.script.title, *numbers, *asked))
        self._console.print()
        self._console.print(Rule(style="bright_black"))
        for line in aligned(rows):
            style = "green" if line.startswith("ok ") else "bold"
            self._console.print(Text(line, style=style), soft_wrap=True)
        self._console.print()
        self._console.print(Text(_verdict(ending)), soft_wrap=True)

    def _row(self, kind: str, text: str, style: str, *, bold: bool = False) -> None:
        """A kind in its column, and words that wrap beside it (rich would pad lines in a pipe)."""
        together = _FIGURE.sub("\u00a0", text)
        for number, line in enumerate(wrap(together, self._console.width - _INDENT) or [""]):
            head = Text(f" {kind if number == 0 else '':<{_INDENT - 1}}", style=style)
            self._console.print(
                head.append(
                    line.replace("\u00a0", " "), style="bold" if bold else "not bold default"
                )
            )


class Recorder:
    """For machines: one JSON object a line."""

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._journey = stream, ""

    def began(self, site: Site) -> None:
        data = {
            "servers": site.servers,
            "bridge": site.console,
            "subscriptions": site.subscriptions,
            "not_judged": sorted(site.unheld),
        }
        self._write("began", data)

    def opened(self, journey: Journey, number: int, of: int) -> None:
        self._journey = journey.name
        self._write("opened", {"title": journey.script.title, "number": number, "of": of})

    def stepped(self, step: Stepped) -> None:
        self._write("happens", {"at": step.at.isoformat(), "says": step.says})

    def line(self, line: Line) -> None:
        self._write(line.kind.replace(" ", "-"), line.data)

    def ended(self, ending: Ending) -> None:
        self._journey = ""
        rows = [
            {
                "journey": result.journey.name,
                "ok": result.ok,
                "differences": [{"step": step, "what": what} for step, what in result.differences],
                "seconds": round(result.seconds, 3),
                "decisions": tally.decisions,
                "transactions": tally.transactions,
                "requests": tally.requests,
            }
            for result, tally in zip(ending.results, ending.tallies, strict=True)
        ]
        counted = {"decisions": ending.decisions, "reads": dict(ending.reads)}
        self._write("ended", {"ok": ending.ok, "journeys": rows, **counted})

    def _write(self, event: str, data: Mapping[str, Any]) -> None:
        named = {"journey": self._journey} if self._journey else {}
        self._stream.write(jsonio.dumps({"event": event, **named, **data}).decode() + "\n")
        self._stream.flush()


def _verdict(ending: Ending) -> str:
    reads, decisions = sum(ending.reads.values()), ending.decisions
    each = f"{reads / decisions:.1f}" if decisions else "0"
    seconds = sum(result.seconds for result in ending.results)
    good = sum(result.ok for result in ending.results)
    return (
        f"{good} of {len(ending.results)} journeys ended as expected in {seconds:.1f} s."
        f" For {decisions} decisions the servers counted {reads} reads: {each} each."
    )
