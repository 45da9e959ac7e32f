"""SCHEDULED: Appointment -> `Visit`.

An Appointment carries no drug and no dose. What kind of visit it is, is told by its codes and
words or by the orders that it points at; deciding that is the formulary's matter. Many servers
(Oracle Health among them) return none of the pointers.
"""

from __future__ import annotations

from collections.abc import Sequence

from fhirbridge.core.facts import SOMEWHERE, Code, Fact, Party, Site, State, Visit

from .coverage_information import coverage_information
from .elements import NOTHING
from .page import Page
from .places import at_home, site_of, zone_of
from .snapshot import Json
from .values import lines

STATES = {
    "proposed": State.PLANNED,
    "pending": State.PLANNED,
    "waitlist": State.PLANNED,
    "booked": State.ACTIVE,
    "arrived": State.ACTIVE,
    "checked-in": State.ACTIVE,
    "fulfilled": State.DONE,
    "cancelled": State.WITHDRAWN,
    "noshow": State.WITHDRAWN,
    "entered-in-error": State.WRONG,
}

#: CRD lets basedOn, which R4 ties to ServiceRequest, name a MedicationRequest by this extension.
ALTERNATE = "http://hl7.org/fhir/StructureDefinition/alternate-reference"

#: Elements that say what the visit is for.
CONCEPTS = ("serviceCategory", "serviceType", "specialty", "reasonCode")

#: Participants who carry out the visit, by resource type.
PERFORMERS = frozenset({"Practitioner", "PractitionerRole", "HealthcareService", "Organization"})


def appointment(page: Page) -> list[Fact]:
    """R4 Appointment. `text`: description, comment and the words of its concepts, one a line.

    `day` is the local day at the Location, where that says its time zone.
    """
    body = page.body
    places, performers = _participants(page)
    _point(page)
    codes, words = _about(page)
    start, end = page.moment(body, "start"), page.moment(body, "end")
    if start and end and end < start:
        page.doubt("bad-period", "end", f"{start.isoformat()} – {end.isoformat()}")
        end = None
    state = page.state(STATES)
    visit = Visit(
        ref=page.ref,
        patient=page.patient,
        names=page.names,
        codes=codes,
        text=lines(words),
        state=state,
        updated=page.updated,
        start=start,
        end=end,
        day=page.local(start, zone_of(page, places) if places else None),
        status=page.word(body, "status"),
        site=_site(page, places, words[:1] + words[2:], codes),
        performer=performers[0] if performers else None,
        reason=page.code_in(body, "cancelationReason"),
        links=tuple(page.links),
        problems=tuple(page.problems),
    )
    return [visit, *coverage_information(page, (), state)]


def _site(page: Page, places: Sequence[Json], words: Sequence[str], codes: Sequence[Code]) -> Site:
    """The place of the visit: by its codes, else in words; a comment may tell of anything."""
    site = site_of(page, (), places) if places else SOMEWHERE
    if site.kind != "unknown":
        return site
    actors = [page.one(row, "actor") for row in page.rows(page.body, "participant")]
    named = [page.word(actor, "display") for actor in actors]
    named += [page.word(page.target(place) or NOTHING, "name") for place in places]
    services = (*words, *(code.display for code in codes))
    return Site("home", site.party) if at_home(services, named) else site


def _about(page: Page) -> tuple[tuple[Code, ...], list[str]]:
    """What the visit is for, in codes and in words."""
    body = page.body
    codes: tuple[Code, ...] = ()
    words = [page.word(body, "description"), page.word(body, "comment")]
    concepts = [row for key in CONCEPTS if key in body for row in page.rows(body, key)]
    if "appointmentType" in body:
        concepts.append(page.one(body, "appointmentType"))
    for concept in concepts:
        own, text = page.concept(concept)
        codes += own
        words.append(text)
    return codes, words


def _participants(page: Page) -> tuple[list[Json], list[Party]]:
    places: list[Json] = []
    performers: list[Party] = []
    for participant in page.rows(page.body, "participant"):
        actor = page.one(participant, "actor")
        kind = _kind(page, actor)
        if kind == "Patient" and page.patient is None:
            page.person_of(actor)
        elif kind == "Location":
            places.append(actor)
        elif kind in PERFORMERS and (party := page.party_of(actor)):
            performers.append(party)
    if page.patient is None and not page.links:
        page.doubt("no-patient", "participant")
    return places, performers


def _kind(page: Page, actor: Json) -> str:
    """The type of a participant: of its literal reference, else Reference.type."""
    text = actor.get("reference")
    place = page.book.locate(text) if isinstance(text, str) else None
    if place:
        return place[1].partition("/")[0]
    resource = page.target(actor)
    kind = resource.get("resourceType") if resource else actor.get("type")
    return kind if isinstance(kind, str) else ""


def _point(page: Page) -> None:
    page.point_to_all("basedOn", "based on")
    for reference in page.rows(page.body, "basedOn"):
        if "extension" in reference:
            for extension in page.rows(reference, "extension"):
                if extension.get("url") == ALTERNATE:
                    page.point([page.one(extension, "valueReference")], "based on")
    page.point_to_all("supportingInformation", "supporting information")
    page.point_to_all("reasonReference", "reason")
