"""What happens in the bridge, told as it happens: small frozen events for whoever watches.

The demo narrates them, the console and the metrics count them. They hold references and counts;
findings and Bundles are passed on as objects, so a watcher that prints must print references.
A watcher runs in the thread that tells it, so it should be quick; its faults are not caught.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from fhirbridge.store.records import Written

from .deciding import Decision


@dataclass(frozen=True, slots=True)
class Arrived:
    """A delivery was kept. `outcome`: due · journaled · duplicate · older · empty."""

    source: str
    dialect: str
    outcome: str
    events: tuple[str, ...]  # "changed MedicationRequest/o-1"
    due: tuple[str, ...]  # the subjects that it made due
    received: datetime
    newest: datetime | None = None  # the latest lastUpdated in it


@dataclass(frozen=True, slots=True)
class Read:
    """A person was read. `requests` by source; `unread`: the sources that did not answer, and the
    class of the error."""

    subject: str
    records: tuple[str, ...]
    requests: Mapping[str, int]
    unread: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Decided:
    """What the ledger says and what shall be written. `bundle`: None when nothing. `waited`: since
    the first news that it answers came in."""

    subject: str
    decision: Decision
    bundle: Mapping[str, Any] | None = field(repr=False)
    waited: timedelta


@dataclass(frozen=True, slots=True)
class Wrote:
    """A transaction was sent."""

    subject: str
    done: tuple[Written, ...]
    bundle: Mapping[str, Any] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Conflicted:
    """Somebody else wrote at the same time: the person is read and decided anew."""

    subject: str


@dataclass(frozen=True, slots=True)
class NotWatched:
    """A person without a therapy that we know: nothing more is read of them."""

    subject: str


@dataclass(frozen=True, slots=True)
class Failed:
    """Work was not finished. `parked`: it waits for a person, else it is tried again."""

    subject: str
    error: str  # the class of the error
    parked: bool


@dataclass(frozen=True, slots=True)
class Link:
    """A Subscription changed its state."""

    source: str
    type: str
    state: str


Story = Arrived | Read | Decided | Wrote | Conflicted | NotWatched | Failed | Link
Watcher = Callable[[Story], None]


def all_of(*watchers: Watcher) -> Watcher:
    """One that tells them all, in this order."""

    def watch(story: Story) -> None:
        for each in watchers:
            each(story)

    return watch


def nobody(_: Story) -> None:
    """The watcher of a bridge that nobody watches."""
