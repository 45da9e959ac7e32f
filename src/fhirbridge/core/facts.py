"""Facts: what the records of one person say, restated in the words of infusion care.

A fact was *said* by a record; nothing here is derived. Every fact carries the `Ref` of its
record (with the version that was read), the names by which other records may mean it, the
links by which it means others, its codes and its state. Facts are values: frozen, hashable,
comparable, made by `fhir.read` and laid out by `booking`.

All days are calendar days at the site (`Span` is inclusive at both ends); instants carry
their zone. Where a record did not say something, the field is `None` or "unknown", never zero.
"""

from __future__ import annotations

from dataclasses import field
from datetime import date, datetime
from enum import StrEnum

from .quantity import Amount
from .value import value


@value(frozen=True, slots=True, order=True)
class Ref:
    """Where a fact comes from: `ehr:MedicationRequest/o-1/_history/2`."""

    source: str
    type: str
    id: str
    version: str | None = field(default=None, compare=False)

    def __hash__(self) -> int:
        """By the id alone: a string remembers its hash, and references are looked up most."""
        return hash(self.id)

    def __str__(self) -> str:
        return f"{self.name}/_history/{self.version}" if self.version else self.name

    @property
    def name(self) -> str:
        """Source, type and id without the version: how other records mean this one."""
        return f"{self.source}:{self.type}/{self.id}"


@value(frozen=True, slots=True)
class Span:
    """Calendar days, both ends included; an open end is `None`."""

    start: date | None = None
    end: date | None = None

    def covers(self, day: date) -> bool:
        return (self.start is None or self.start <= day) and (self.end is None or day <= self.end)


#: A span that no record limited.
ALWAYS = Span()


@value(frozen=True, slots=True)
class Code:
    """One coding of a concept: system URI, code, and what the sender displays for it."""

    system: str
    code: str
    display: str = ""


@value(frozen=True, slots=True)
class Party:
    """A person or organization that can act: the owner, the prescriber, the pharmacy, a payer.

    `reference` is relative to `source` ("Organization/x"); a party of another server is named
    by `identifier` ("system|value") and `display`.
    """

    source: str
    reference: str | None = None
    identifier: str | None = None
    display: str | None = None


@value(frozen=True, slots=True)
class Site:
    """Where care is given. `kind` compares sites: home · office · hospital · unknown."""

    kind: str = "unknown"
    party: Party | None = None


#: A site that no record named.
SOMEWHERE = Site()


class State(StrEnum):
    """What a record's status means for the ledger, whatever the resource type calls it."""

    PLANNED = "planned"  # proposal, plan, draft, option: said, not yet actionable
    ACTIVE = "active"
    HELD = "held"
    DONE = "done"
    WITHDRAWN = "withdrawn"  # stopped, canceled, declined: it was right once
    WRONG = "wrong"  # entered in error: it never was
    UNKNOWN = "unknown"


@value(frozen=True, slots=True)
class Link:
    """A pointer to another fact: one of the `names` of the fact that is meant.

    `tier` (0 explicit reference · 1 shared identifier · 2 matched by attributes) and `why`
    stay with the link, so that `--explain` can show them.
    """

    to: str
    tier: int
    why: str


@value(frozen=True, slots=True, kw_only=True)
class Fact:
    """What every fact carries.

    `names`: `ref.name` and the record's business identifiers ("system|value"), by which links
    of other facts may mean it. `text`: what the record says in words, for texts and grammar.
    """

    ref: Ref
    patient: Ref | None = None
    names: frozenset[str] = frozenset()
    links: tuple[Link, ...] = ()
    codes: tuple[Code, ...] = ()
    text: str = ""
    state: State = State.UNKNOWN
    updated: datetime | None = None  # meta.lastUpdated
    problems: tuple[Problem, ...] = ()


@value(frozen=True, slots=True)
class Problem:
    """Trouble in the data is data: what is wrong, in which record, and how it might be read.

    `reason` is a fixed word (unit-ambiguous · not-a-number · bad-date · unknown-code · …),
    `at` the FHIR path, `said` the raw value where it is no detail of the person, `readings`
    what it could mean. A reading is shown to people and never chosen.
    """

    ref: Ref
    reason: str
    at: str = ""
    said: str = ""
    readings: tuple[str, ...] = ()


@value(frozen=True, slots=True)
class Strength:
    """How much of an ingredient is in how much of what a record calls its medication.

    It is the record's own Medication that says so: a bag of 600 mg in 270 mL is no 30 mg/mL.
    """

    codes: tuple[Code, ...]
    text: str
    mass: Amount
    of: Amount

    def __str__(self) -> str:
        return f"{self.mass}/{self.of}"


@value(frozen=True, slots=True, kw_only=True)
class Order(Fact):
    """ORDERED: a MedicationRequest, or a ServiceRequest for the administration.

    `per_visit` is one dose, `visits` how many of them the order asks for (None: not said);
    `per_fill` and `fills` what the pharmacy may hand out (first fill included). `chain` is the
    name of the order that this one renews or replaces, `parent` of the order that it fills.
    """

    kind: str  # medication (MedicationRequest) · service (ServiceRequest)
    per_visit: Amount | None = None
    visits: int | None = None
    per_fill: Amount | None = None
    fills: int | None = None
    total: Amount | None = None
    days: tuple[date, ...] = ()  # days for which doses are ordered
    window: Span = ALWAYS  # in which the order may be filled or carried out
    spacing_days: int | None = None  # between two visits of this order
    authored: datetime | None = None
    site: Site = SOMEWHERE
    requester: Party | None = None
    dispenser: Party | None = None
    performer: Party | None = None
    requisition: str | None = None  # groupIdentifier shared by drug, premedication, administration
    chain: str | None = None
    parent: str | None = None
    strengths: tuple[Strength, ...] = ()
    any_brand: bool = False  # the prescriber said that another brand may be handed out
    answered: bool = False  # somebody said which of its doses is meant, figures or words


class Decision(StrEnum):
    """What a payer decided. `outcome` of a response is never the decision."""

    APPROVED = "approved"
    MODIFIED = "modified"  # approved otherwise than asked; the figures are the approved ones
    DENIED = "denied"
    PENDED = "pended"
    CANCELED = "cancelled"
    NOT_REQUIRED = "not-required"
    CONTACT = "contact"
    UNKNOWN = "unknown"


@value(frozen=True, slots=True, kw_only=True)
class Authorization(Fact):
    """AUTHORIZED: one item of a payer's answer (or a plain answer without items).

    Items of one answer share `document`. Per visit, number of visits and total are kept apart;
    what the item did not say stays None and is derived nowhere else (never across items).
    """

    decision: Decision
    document: str
    per_visit: Amount | None = None
    visits: int | None = None
    total: Amount | None = None
    span: Span = ALWAYS
    numbers: frozenset[str] = frozenset()
    issued: datetime | None = None
    site: Site = SOMEWHERE
    provider: Party | None = None
    insurer: Party | None = None
    requestor: Party | None = None  # who submitted the request and can amend it
    channel: str = "unknown"  # medical · pharmacy · unknown
    priority: str = ""  # stat · normal …, of the request
    reason: str = ""  # code or text of the decision
    reviewed: bool = False  # decided by a review action (PAS): an approval comes with a number


@value(frozen=True, slots=True, kw_only=True)
class Requirement(Fact):
    """Whether authorization is needed (eligibility response, CRD coverage-information)."""

    needed: str  # yes · no · conditional · unknown
    span: Span = ALWAYS
    limit: Amount | None = None  # benefit.allowed, nearly always without a unit
    used: Amount | None = None
    in_force: bool | None = None


@value(frozen=True, slots=True, kw_only=True)
class Visit(Fact):
    """SCHEDULED: an Appointment. It carries no drug: `codes` hold its service types and reasons."""

    start: datetime | None
    end: datetime | None
    day: date | None  # local calendar day at the site
    status: str  # the FHIR code: proposed · pending · booked · arrived · fulfilled · …
    site: Site = SOMEWHERE
    performer: Party | None = None
    reason: str = ""  # code of the cancelation


@value(frozen=True, slots=True, kw_only=True)
class Supply(Fact):
    """DISPENSED: a MedicationDispense."""

    amount: Amount | None
    stage: str  # promised · committed · delivered · returned · none (declined, canceled)
    partial: bool = False
    day: date | None = None  # handed over, else prepared
    expected: date | None = None
    pharmacy: Party | None = None
    destination: Site = SOMEWHERE
    reason: str = ""
    strengths: tuple[Strength, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Administration(Fact):
    """GIVEN: a MedicationAdministration."""

    amount: Amount | None
    day: date | None
    complete: bool | None  # False: stopped early; None: not known
    strengths: tuple[Strength, ...] = ()


@value(frozen=True, slots=True, kw_only=True)
class Coverage(Fact):
    """A person's insurance: a Coverage."""

    span: Span = ALWAYS
    payor: Party | None = None
    order: int | None = None  # 1 = primary


@value(frozen=True, slots=True, kw_only=True)
class Evidence(Fact):
    """What a therapy asks for before a dose: a laboratory result, or an enrollment (REMS).

    `what`: result · enrollment. `who` is enrolled: patient · prescriber · pharmacy · facility,
    or "" where the program answers as a whole. `ok`: the result is there, the enrollment stands.
    """

    what: str
    ok: bool
    who: str = ""
    day: date | None = None
    until: date | None = None  # its last day


@value(frozen=True, slots=True, kw_only=True)
class Answer(Fact):
    """A person's reply to a question Task of ours, with the digest of the facts it answers."""

    key: str
    choice: str
    digest: str
