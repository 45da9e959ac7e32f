"""Short names for the rows of the rule tables, and what several families ask of a scene."""

from __future__ import annotations

from fhirbridge.core.facts import Decision, Site
from fhirbridge.core.findings import Role
from fhirbridge.core.ledger import Item, Occasion

PRESCRIBER, INFUSION_CENTER, PHARMACY = Role.PRESCRIBER, Role.INFUSION_CENTER, Role.PHARMACY
PAYER, COORDINATOR = Role.PAYER, Role.COORDINATOR

#: Those who plan and give a dose.
BOTH = (PRESCRIBER, INFUSION_CENTER)
#: Everybody who handles a dose.
EVERYBODY = (PAYER, PRESCRIBER, INFUSION_CENTER, PHARMACY)

ORDERED, DISPENSED, SCHEDULED = "ordered", "dispensed", "scheduled"
DRUG, ADMINISTRATION = "authorized drug", "authorized administration"

#: Appointment statuses in which a chair is held for the patient.
BOOKED = frozenset({"booked", "arrived", "checked-in"})
#: Decisions that approve a quantity.
APPROVED = frozenset({Decision.APPROVED, Decision.MODIFIED})


def booked(occasion: Occasion) -> bool:
    """Whether a chair is held for this dose."""
    return occasion.visit is not None and occasion.visit.status in BOOKED


def differ(one: Site, other: Site) -> bool:
    """Whether two sites are known to be of different kinds."""
    return "unknown" not in (one.kind, other.kind) and one.kind != other.kind


def number_of(item: Item) -> str | None:
    """The number by which a payer knows its answer; the lowest of several."""
    return min(item.fact.numbers, default=None)
