"""Findings: what is wrong, for whom, how bad, and the key that makes writing idempotent.

A finding is language-free: the rule, its variant and the figures in words (`say`). The
sentences are made from them by the templates in `mappings/tasks/`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum

from .facts import Party, Ref


class Severity(StrEnum):
    """S1 safety · S2 blocks the dose · S3 likely failure or rework · S4 information."""

    S1 = "S1"
    S2 = "S2"
    S3 = "S3"
    S4 = "S4"


class Role(StrEnum):
    """Who can put it right, or should know of it."""

    PRESCRIBER = "prescriber"
    INFUSION_CENTER = "infusion-center"
    PHARMACY = "pharmacy"
    PAYER = "payer"
    COORDINATOR = "coordinator"
    PATIENT = "patient"
    OPERATIONS = "operations"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One trouble of one dose occasion.

    `key` names the trouble for good (person, therapy, occasion, rule): it survives rescheduling
    and new figures. `digest` names the figures it rests on: another digest is "changed". After
    them it may name what stands behind them (`with_background`): only a Task that nobody has begun
    is rewritten for that.
    `figures` is the ledger's columns as they are printed for machines, `compared` the part of them
    that the digest names; `say` the values that the
    templates of the rule may use (Quantity, date, int, str, tuples of them: formatting them is
    the matter of a language); `variant` chooses among its templates.
    """

    rule: str
    severity: Severity
    owner: Role
    audience: tuple[Role, ...]
    therapy: str
    occasion: str
    day: date | None  # of the occasion
    due: datetime | None  # by when it matters
    action: str  # fulfill · change · … : the local action code
    variant: str = ""
    say: Mapping[str, object] = field(default_factory=dict)
    figures: Mapping[str, object] = field(default_factory=dict)
    compared: Mapping[str, object] = field(default_factory=dict)
    evidence: tuple[Ref, ...] = ()
    focus: Ref | None = None  # the record that must change
    based_on: Ref | None = None  # the order
    reason: Ref | None = None  # the record that contradicts it
    patient: Ref | None = None
    parties: Mapping[Role, Party] = field(default_factory=dict)  # who acts for owner, audience
    key: str = ""
    digest: str = ""
    lead: timedelta | None = None  # time to the visit
    folded_into: str | None = None  # rule whose trouble causes this one
    choices: Mapping[str, str] = field(default_factory=dict)  # of a question: code -> words
    asked: str = ""  # the digest of the facts that a question asks about

    @property
    def party(self) -> Party | None:
        """The owner, where the records or the configuration name one."""
        return self.parties.get(self.owner)


def key_of(*parts: str) -> str:
    """The key of a trouble: a short digest of its parts, in order."""
    return hashlib.sha256("\x1f".join(parts).encode()).hexdigest()[:24]


def digest_of(values: Iterable[object]) -> str:
    """A digest of figures: equal figures, equal digest, whatever their order."""
    return hashlib.sha256("\x1f".join(sorted(map(str, values))).encode()).hexdigest()[:16]


#: Between the digest of figures and that of what stands behind them.
_AND = "-"


def with_background(digest: str, known: Sequence[object]) -> str:
    """The digest of figures, and of what is said beside them: how we know, or what people do."""
    return f"{digest}{_AND}{digest_of(known)}" if known else digest


def figures_of(digest: str) -> str:
    """The part of a digest whose change is a change of the trouble."""
    return digest.partition(_AND)[0]


#: FHIR request-priority by severity: the first row whose lead time (days) is not exceeded.
PRIORITY: Mapping[Severity, tuple[tuple[float, str], ...]] = {
    Severity.S1: ((1, "stat"), (float("inf"), "asap")),
    Severity.S2: ((1, "stat"), (3, "asap"), (14, "urgent"), (float("inf"), "routine")),
    Severity.S3: ((7, "urgent"), (float("inf"), "routine")),
    Severity.S4: ((float("inf"), "routine"),),
}


def priority(severity: Severity, lead: timedelta | None) -> str:
    """The priority of a Task; without a visit there is no haste (the last row)."""
    rows = PRIORITY[severity]
    if lead is None:
        return rows[-1][1]
    return next(word for days, word in rows if days == float("inf") or lead <= timedelta(days=days))
