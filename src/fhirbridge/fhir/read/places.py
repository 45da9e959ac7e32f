"""Places, and amounts that count visits: what the sides of the story have in common.

Sites are compared by kind only: home · office (also an infusion suite) · hospital · unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from datetime import tzinfo
from zoneinfo import ZoneInfo

from fhirbridge.core.facts import SOMEWHERE, Site
from fhirbridge.core.quantity import Amount

from .elements import NOTHING
from .page import Page
from .snapshot import Json
from .values import tail

#: Kind of site by code. CMS place of service: 11 office, 12 home, 19 and 22 hospital outpatient,
#: 21 inpatient, 49 independent clinic (an infusion suite). v3-RoleCode, location-physical-type.
KINDS = {
    "11": "office",
    "49": "office",
    "12": "home",
    "19": "hospital",
    "21": "hospital",
    "22": "hospital",
    "PTRES": "home",
    "OF": "office",
    "HOSP": "hospital",
    "INPHARM": "hospital",
    "ho": "home",
}

#: Units that count visits: the words, UCUM annotations, X12 673 "VS".
VISITS = frozenset({"visit", "visits", "{visit}", "{visits}", "vs"})


def kind_of(page: Page, concepts: Sequence[Json]) -> str:
    """The kind that coded concepts agree on; unknown when they name none, or several."""
    kinds = {
        KINDS[code.code]
        for row in concepts
        for code in page.codes_of(row)
        if code.code in KINDS and (not code.code.isdecimal() or is_place_of_service(code.system))
    }
    return kinds.pop() if len(kinds) == 1 else "unknown"


def is_place_of_service(system: str) -> bool:
    """Two digits mean a place only in the CMS code set and in R4's example of it."""
    name = system.lower().replace("-", "").replace("_", "")
    return not system or "placeofservice" in name or "serviceplace" in name


def site_of(page: Page, codes: Sequence[Json], references: Sequence[Json]) -> Site:
    """A site from its codes (place of service) and from the Location that is referred to."""
    kind = kind_of(page, codes) if codes else "unknown"
    party = page.first_party(references)
    for reference in references if kind == "unknown" else ():
        location = page.target(reference)
        if kind == "unknown" and location is not None:
            concepts = [*page.rows(location, "type"), page.one(location, "physicalType")]
            kind = kind_of(page, concepts)
            if kind == "unknown" and page.word(page.one(location, "address"), "use") == "home":
                kind = "home"
    return SOMEWHERE if kind == "unknown" and party is None else Site(kind, party)


#: Words that say that a visit is at the patient's home: what the service is called, and the place.
_HOME_SERVICE = re.compile(
    r"\b(?:home|in-home) (?:infusion|health|nurs(?:e|ing)|visit|administration|therapy|care)\b"
    r"|\binfusion (?:at|in) (?:the )?(?:patient'?s )?home\b",
    re.IGNORECASE,
)
_HOME_PLACE = re.compile(
    r"\s*(?:the )?(?:(?:patient|pt|member)(?:['\u2019]?s)? )?(?:private )?(?:home|residence)\s*",
    re.IGNORECASE,
)


def at_home(services: Iterable[str], places: Iterable[str]) -> bool:
    """Whether words, where no code does, say that a visit is at home."""
    return any(map(_HOME_SERVICE.search, services)) or any(map(_HOME_PLACE.fullmatch, places))


def zone_of(page: Page, references: Sequence[Json]) -> tzinfo | None:
    """The time zone that a Location says it is in (extension `timezone`), else the usual one."""
    for reference in references:
        location = page.target(reference) or NOTHING
        for extension in page.rows(location, "extension"):
            if tail(extension) == "timezone":
                name = page.word(extension, "valueCode")
                try:
                    return ZoneInfo(name)
                except (ValueError, OSError, LookupError):
                    page.doubt("unknown-code", "location.timezone", name)
    return page.zone


def visits_in(page: Page, amount: Amount | None, at: str) -> tuple[int | None, Amount | None]:
    """(visits, other amount): an amount counts visits only when its unit says so."""
    if amount is None or (amount.code or amount.unit).lower() not in VISITS:
        return None, amount
    value = amount.value
    if value is None or value != value.to_integral_value() or not 0 <= value < 10**6:
        page.doubt("not-a-number", at, "" if value is None else value)
        return None, None
    return int(value), None
