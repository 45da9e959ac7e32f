"""Whom an event concerns: which subject becomes due by it, and on what condition.

Only persons with a therapy that we know are watched (decision 11). What is recognized as ours
makes its patient due; what is clearly something else only when he is watched already; what does
not say costs one read of a person whom we have not looked at yet.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from fhirbridge.core.events import Event, Verb
from fhirbridge.core.facts import (
    Administration,
    Authorization,
    Evidence,
    Fact,
    Order,
    Requirement,
    Supply,
    Visit,
)
from fhirbridge.core.formulary import Formulary
from fhirbridge.fhir.kinds import kind_of
from fhirbridge.fhir.ours import is_tagged
from fhirbridge.fhir.read import OUR_TAG, Snapshot, read
from fhirbridge.fhir.told import Told
from fhirbridge.logs import get_logger, named
from fhirbridge.store.records import StoredEvent

from .sources import Source

log = get_logger("fhirbridge")

#: Stands for the type and the id of what changed when the sender did not say.
ANYTHING = "*"


def anything(source: Source, type_: str | None) -> str:
    """The subject that stands for what changed on a source: of one type, else of all."""
    known = type_ is not None and type_ in ("Patient", *source.types)
    return f"{source.name}:{type_}/{ANYTHING}" if known else f"{source.name}:{ANYTHING}"


class When(StrEnum):
    """The condition on which an event makes its subject due."""

    ALWAYS = "always"
    UNLESS_UNWATCHED = "unless-unwatched"  # not when we looked and found no therapy
    WATCHED = "watched"


class Concern(StrEnum):
    OURS = "ours"
    UNCLEAR = "unclear"
    OTHER = "other"


@dataclass(frozen=True)
class Concerns:
    """Sorts what a source told. `formulary` recognizes therapies and infusion visits."""

    formulary: Formulary

    def stored(self, source: Source, told: Told) -> StoredEvent:
        """The event as the journal keeps it, with the subject that it may raise."""
        subject, when = self.subject(source, told)
        event = told.event
        return StoredEvent(
            source=source.name,
            verb=event.verb.value,
            type=event.type or ANYTHING,
            id=event.id or ANYTHING,
            version=event.version,
            last_updated=event.last_updated,
            subject=subject,
            when=when.value,
        )

    def subject(self, source: Source, told: Told) -> tuple[str | None, When]:
        """Which subject the event raises, and when. None: journaled only."""
        event, resource = told
        if event.verb is Verb.TOUCHED or event.type is None or event.id is None:
            return f"{source.name}:{ANYTHING}", When.ALWAYS
        if resource is not None and not source.only.means(resource):
            return None, When.WATCHED  # a stranger's record on a server that is everybody's
        if event.type == "Patient":
            return f"{source.name}:Patient/{event.id}", When.WATCHED
        if event.type not in source.types:
            return None, When.WATCHED
        if resource is not None and event.type == "Task" and not is_tagged(resource, *OUR_TAG):
            return None, When.WATCHED  # somebody else's work
        if resource is None or event.patient is None:
            return _record(event), When.ALWAYS  # to be read: then we know more
        patient = f"{source.name}:Patient/{event.patient}"
        return patient, _when(self.concern(source, resource), event.type)

    def concern(self, source: Source, resource: Mapping[str, Any]) -> Concern:
        """Is a record about a therapy that we know?"""
        type_ = str(resource.get("resourceType"))
        if type_ == "Task":
            return Concern.OTHER
        try:
            facts = read(Snapshot(source.name, (resource,)), source.zone).facts
        except Exception as error:  # noqa: BLE001 - a defect of ours must not lose the delivery
            log.error("record_met_defect", source=source.name, type=type_, error=named(error))
            return Concern.UNCLEAR
        concerns = {self._of(fact) for fact in facts if not isinstance(fact, Evidence)}
        if Concern.OURS in concerns:
            return Concern.OURS
        if Concern.UNCLEAR in concerns or (not facts and kind_of(type_) == "authorizations"):
            return Concern.UNCLEAR
        return Concern.OTHER

    def _of(self, fact: Fact) -> Concern:
        if isinstance(fact, Visit):
            place = fact.site.party.reference if fact.site.party else None
            seen = self.formulary.infusion_visit(fact.ref.source, fact.codes, fact.text, place)
            return _VISIT[seen]
        if not isinstance(fact, Order | Supply | Administration | Authorization | Requirement):
            return Concern.OTHER
        found = self.formulary.recognize(fact.codes, fact.text)
        if found.therapy or found.trap or found.bare or self.formulary.service(fact.codes):
            return Concern.OURS
        return Concern.UNCLEAR if found.unclear else Concern.OTHER


_VISIT = {"yes": Concern.OURS, "no": Concern.OTHER, "unknown": Concern.UNCLEAR}

_MEDICATIONS = ("MedicationRequest", "MedicationDispense", "MedicationAdministration")


def _when(concern: Concern, type_: str) -> When:
    if concern is Concern.OURS:
        return When.ALWAYS
    if concern is Concern.OTHER:
        return When.WATCHED
    # Each unclear medication costs one read; other unclear records only for somebody unknown.
    return When.ALWAYS if type_ in _MEDICATIONS else When.UNLESS_UNWATCHED


def _record(event: Event) -> str:
    return f"{event.source}:{event.type}/{event.id}"
