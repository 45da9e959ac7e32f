"""Codes and words of drugs, brought to the one form in which they can be compared.

    keys(code)   the comparable forms of a coding: ("rxnorm", "1876380"), ("ndc", "50242015001")
    Words        finds known phrases as whole words in a text, longest first

Sources: docs/domain.md 1.5 (system URIs; HCPCS is published under http and https, NDC is written
with 10 digits in three ways and with 11 digits in one).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from .facts import Code

Key = tuple[str, str]

#: HCPCS level I is CPT, and senders put either under the other's URI: one namespace.
_SYSTEMS = {
    "www.cms.gov/medicare/coding/hcpcsreleasecodesets": "procedure",
    "urn:oid:2.16.840.1.113883.6.285": "procedure",
    "urn:oid:2.16.840.1.113883.6.14": "procedure",
    "hcpcs": "procedure",
    "cpt": "procedure",
    "www.ama-assn.org/go/cpt": "procedure",
    "urn:oid:2.16.840.1.113883.6.12": "procedure",
    "hl7.org/fhir/sid/ndc": "ndc",
    "urn:oid:2.16.840.1.113883.6.69": "ndc",
    "ndc": "ndc",
    "www.nlm.nih.gov/research/umls/rxnorm": "rxnorm",
    "urn:oid:2.16.840.1.113883.6.88": "rxnorm",
    "rxnorm": "rxnorm",
}
#: Systems whose codes say which drug is meant, whether we know the code or not.
DRUG_SYSTEMS = frozenset({"procedure", "ndc", "rxnorm"})
#: A HCPCS code with its modifiers behind it, as claims write it: "J2350-JZ", "J2350 JW".
_WITH_MODIFIERS = re.compile(r"([A-Z]\d{4}|\d{5})(?:[ :-][A-Z0-9]{2}){1,4}")
#: Codes that cannot be mistaken where their sender left out the system.
_UNMISTAKABLE = (
    ("procedure", re.compile(r"[A-Z]\d{4}")),
    ("ndc", re.compile(r"\d{5}-\d{4}-\d{2}|\d{5}-\d{3}-\d{2}|\d{4}-\d{4}-\d{2}|\d{5}-\d{4}-\d")),
)
#: Sizes of the three segments (labeler, product, package) in which NDCs are written.
_NDC_SEGMENTS = (5, 4, 2)


@lru_cache(maxsize=4096)
def keys(code: Code) -> tuple[Key, ...]:
    """The comparable forms of a coding; an NDC of ten digits without hyphens has three."""
    value = code.code.strip()
    system = namespace(code.system) or _by_shape(value)
    if system == "ndc":
        return tuple((system, form) for form in _ndc(value))
    if system in DRUG_SYSTEMS:
        value = value.upper()
    if system == "procedure" and (modified := _WITH_MODIFIERS.fullmatch(value)):
        value = modified[1]
    return ((system, value),)


def _by_shape(value: str) -> str:
    """The system of a code without one, where only one writes its codes so; else none."""
    return next((system for system, shape in _UNMISTAKABLE if shape.fullmatch(value)), "")


def namespace(system: str) -> str:
    """The short name of a code system that we know, else its URI as it is."""
    bare = system.strip().lower().removeprefix("https://").removeprefix("http://").rstrip("/")
    return _SYSTEMS.get(bare, system)


def _ndc(text: str) -> tuple[str, ...]:
    """NDC in 11 digits (5-4-2), or the 9 digits (5-4) of a product without its package."""
    parts = text.replace(" ", "").split("-")
    if not all(part.isascii() and part.isdigit() for part in parts):
        return ()
    if 2 <= len(parts) <= 3 and all(
        len(part) <= size for part, size in zip(parts, _NDC_SEGMENTS, strict=False)
    ):
        return (
            "".join(part.zfill(size) for part, size in zip(parts, _NDC_SEGMENTS, strict=False)),
        )
    if len(parts) > 1 or len(text) not in (10, 11):
        return ()
    if len(text) == 11:
        return (text,)
    # Ten digits without hyphens: 4-4-2, 5-3-2 or 5-4-1. Only a known product tells which.
    return (f"0{text}", f"{text[:5]}0{text[5:]}", f"{text[:9]}0{text[9:]}")


class Words:
    """Known phrases, found in texts as whole words, whatever their case and spacing.

    A phrase inside a longer known phrase is not found: "Ocrevus Zunovo" is not "Ocrevus".
    """

    def __init__(self, phrases: Iterable[str]) -> None:
        # Backward in the alphabet, so that a phrase stands before its own beginning.
        known = sorted({plain_words(phrase) for phrase in phrases}, reverse=True)
        parts = (r"[\s\-/,]+".join(map(re.escape, phrase.split())) for phrase in known)
        pattern = "|".join(parts) or r"(?!)"
        self._pattern = re.compile(rf"(?<!\w)(?:{pattern})(?!\w)", re.IGNORECASE)

    def found(self, text: str) -> tuple[str, ...]:
        """The phrases in a text, in order, as `plain_words` writes them."""
        return tuple(plain_words(match) for match in self._pattern.findall(text))

    def without(self, text: str) -> str:
        """The text with the phrases taken out."""
        return self._pattern.sub(" ", text)


def plain_words(text: str) -> str:
    """Lower case, with one space between words: "Ocrelizumab-ocsq" -> "ocrelizumab ocsq"."""
    return " ".join(re.split(r"[\s\-/,]+", text.lower())).strip()
