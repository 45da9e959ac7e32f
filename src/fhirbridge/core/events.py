"""Events: what a source told us about one of its records, before anything was read again.

A notification, a page of a poll and an entry of a history all become the same `Event`. It is a
hint and carries no wire data: what is true is read from the server afterwards (decision 1).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Verb(StrEnum):
    """What happened, as far as the sender says."""

    CHANGED = "changed"  # created or updated: which of the two makes no difference here
    DELETED = "deleted"
    TOUCHED = "touched"  # something of this type (or on this server) changed; which is unknown


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that a source said. `None` means that it did not say.

    `source` is the name of the server in the configuration, `patient` the id of the Patient on
    that server, `number` the event number of a topic subscription (never a key by itself:
    servers restart it). `version` is opaque; newer is what has the later `last_updated`.
    """

    source: str
    verb: Verb
    type: str | None = None
    id: str | None = None
    version: str | None = None
    last_updated: datetime | None = None
    patient: str | None = None
    number: int | None = None
