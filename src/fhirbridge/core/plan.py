"""The write policy: findings and what we already said -> what shall be written.

The policy is the table `NEXT`; `decide` walks it. Nothing here knows FHIR: an intent says what
shall be true of a Task, `fhir.write` says how that is put on the wire.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from .facts import Ref
from .findings import Finding


class Trouble(StrEnum):
    """The trouble now, compared with our latest Task about it."""

    GONE = "gone"
    SAME = "same"
    CHANGED = "changed"
    CANNOT_TELL = "cannot tell"


class Told(StrEnum):
    """What became of our latest Task about a trouble."""

    NONE = "none"
    OPEN = "open, not started"
    STARTED = "started by a person"
    CLOSED_BY_US = "closed by us"
    COMPLETED = "completed by a person"
    REFUSED = "rejected or failed"
    DELETED = "deleted by a person"


class Do(StrEnum):
    """What is done about it."""

    NOTHING = "-"
    OPEN = "open"
    CLOSE = "close"
    REVISE = "revise"
    ANNOTATE = "annotate"
    ESCALATE = "escalate"


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """A Task of ours as it stands on the server (`told` is the reading of its status).

    `digest` is the digest that the Task was written for; `noted` the one that was annotated or
    escalated last, so that each happens once. `root` Tasks stand for a whole occasion.
    """

    key: str
    episode: int
    ref: Ref
    told: Told
    digest: str
    noted: str = ""
    rule: str
    root: bool = False
    occasion: str = ""
    written: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """One thing to write. `finding` is None when the trouble is gone; `said` when it is new."""

    do: Do
    key: str
    episode: int
    finding: Finding | None = None
    said: Said | None = None
    why: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What shall be written for one person, in a stable order."""

    intents: tuple[Intent, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.intents)
