"""The files that are lists: what counts as an infusion visit, and how orders for premedication
and results that must be there before a dose are recognized.
"""

from __future__ import annotations

from collections.abc import Iterable

from fhirbridge.core.visits import Visits
from fhirbridge.yamlfile import Strict

from .codes import EMPTY, KnownCode, to_codes


class NamedClass(Strict):
    """How a record that belongs to this class is recognized: by code, or by words."""

    words: list[str] = EMPTY
    codes: list[KnownCode] = EMPTY


class PremedicationsFile(Strict):
    """`premedications.yaml`: classes of drugs by name (steroid, antihistamine …)."""

    classes: dict[str, NamedClass]


class PrerequisitesFile(Strict):
    """`prerequisites.yaml`: classes of results by name (hepatitis-b, immunoglobulins …)."""

    classes: dict[str, NamedClass]


class VisitList(Strict):
    words: list[str] = EMPTY
    codes: list[KnownCode] = EMPTY


class WordList(Strict):
    words: list[str] = EMPTY


class VisitsFile(Strict):
    """`visits.yaml`: what is an infusion visit, what is surely another visit, and what is another
    visit though it names an infusion."""

    infusion: VisitList = VisitList()
    beside: WordList = WordList()
    other: VisitList = VisitList()


def to_visits(files: Iterable[VisitsFile]) -> Visits:
    """The lists of several files, joined."""
    listed = list(files)
    return Visits(
        yes_codes=to_codes(code for file in listed for code in file.infusion.codes),
        no_codes=to_codes(code for file in listed for code in file.other.codes),
        yes_words=tuple(word for file in listed for word in file.infusion.words),
        no_words=tuple(word for file in listed for word in file.other.words),
        beside_words=tuple(word for file in listed for word in file.beside.words),
    )
