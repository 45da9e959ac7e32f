"""How the systems of a hospital write: one choice of each dimension makes a `Style`."""

from __future__ import annotations

from random import Random
from typing import NamedTuple

ESTATES = {  # estate -> kind of record -> source
    "one": {},
    "three": {"authorizations": "payer", "dispenses": "pharmacy"},
    "center": {
        "authorizations": "payer",
        "dispenses": "pharmacy",
        "schedule": "center",
        "administrations": "center",
    },
    "mirrored": {"authorizations": "payer", "dispenses": "pharmacy"},
}

CHOICES: dict[str, tuple[str, ...]] = {
    "estate": tuple(ESTATES),
    # What names the drug of an order.
    "product": (
        "rxnorm", "ndc10", "ndc11", "ndc11plain", "hcpcs", "hcpcs-https", "text",
        "contained", "reference", "both",
    ),
    # In what an order's dose is written.
    "dose": ("mg", "mg-bare-code", "g", "mL", "package", "text", "misspelt", "range"),
    # When it is planned.
    "when": ("event", "bounds", "service", "none"),
    # A course of several visits: one order with a count, an order each, a dosage each.
    "course": ("count", "orders", "dosages", "events"),
    # A granted authorization.
    "granted": (
        "pas20", "pas22", "added", "added-a2", "detail", "denied-added", "extra", "plain", "crd",
    ),
    "billed": ("bare", "UN", "units", "mg", "annotated"),
    "supplied": ("mL", "ML", "milliliter", "package", "EA", "mg", "g"),
    "link": ("explicit", "absolute", "logical", "contained", "numbers", "attributes", "uuid",
        "versioned"),
    "visit": ("basedOn", "supporting", "alternate", "words", "reason", "description", "code"),
    "premeds": ("orders", "group", "text", "note", "set", "standing", "contained", "hcpcs"),
    "zone": ("offset", "utc"),
    "house": ("us-core", "cerner", "epic"),
    # How a record names its person.
    "subject": ("reference", "identifier", "both", "reference", "reference"),
}  # fmt: skip


class Style(NamedTuple):
    estate: str
    product: str
    dose: str
    when: str
    course: str
    granted: str
    billed: str
    supplied: str
    link: str
    visit: str
    premeds: str
    zone: str
    house: str
    subject: str

    def __str__(self) -> str:
        return " ".join(self)


#: Everything said as plainly as FHIR allows.
PLAIN = Style(
    "three", "rxnorm", "mg", "event", "count", "pas22", "UN", "mL", "explicit", "basedOn",
    "orders", "offset", "us-core", "reference",
)  # fmt: skip


def styles(count: int, seed: str, **fixed: tuple[str, ...]) -> list[Style]:
    """The plain style, and others of which each dimension takes all its choices in turn."""
    random = Random(seed)
    columns = []
    for name in Style._fields:
        choices = fixed.get(name, CHOICES[name])
        column = [choices[n % len(choices)] for n in range(count)]
        random.shuffle(column)
        columns.append(column)
    plain = PLAIN._replace(**{k: v[0] for k, v in fixed.items() if getattr(PLAIN, k) not in v})
    return [plain, *(Style(*row) for row in zip(*columns, strict=True))]
