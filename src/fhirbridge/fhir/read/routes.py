"""Routes: a dosage's route in the one word that tells two products of an ingredient apart.

An order that is coded by its ingredient alone says no product (ocrelizumab is infused, and with
hyaluronidase injected); its route does. Other routes (by mouth) tell no two products apart.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from .page import Page
from .snapshot import Json

#: SNOMED CT (the binding of R4 Dosage.route), v3-RouteOfAdministration, v2 table 0162, NCI
#: Thesaurus (SPL).
CODES = {
    "47625008": "intravenous",
    "IV": "intravenous",
    "IVPB": "intravenous",
    "IVDRIP": "intravenous",
    "C38276": "intravenous",
    "C38279": "intravenous",  # drip
    "34206005": "subcutaneous",
    "SC": "subcutaneous",
    "SQ": "subcutaneous",
    "SUBCUT": "subcutaneous",
    "C38299": "subcutaneous",
}
_WORDS = {
    "intravenous": re.compile(r"\bintraven|\bi\.?v\b", re.IGNORECASE),
    "subcutaneous": re.compile(r"\bsub-?cut|\bsub-?q\b|\bs\.?[cq]\b", re.IGNORECASE),
}


def routes_in(page: Page, dosages: Sequence[Json]) -> list[str]:
    """intravenous · subcutaneous, as far as these dosages name one of them; else nothing."""
    found: list[str] = []
    for dosage in dosages:
        if "route" not in dosage:
            continue
        codes, words = page.concept(page.one(dosage, "route"))
        said = " ; ".join([words, *(code.display for code in codes)])
        found += [CODES[code.code.upper()] for code in codes if code.code.upper() in CODES]
        found += [route for route, pattern in _WORDS.items() if pattern.search(said)]
    return list(dict.fromkeys(found))
