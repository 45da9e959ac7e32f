"""Names and words of a case: ids, references, identifiers, codes, texts.

What is the same in two records of whatever source is the same in the case.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from fhirbridge.fhir import ours
from fhirbridge.fhir.read.places import is_place_of_service
from fhirbridge.fhir.read.snapshot import is_id

from .pseudonyms import Pseudonyms
from .vocabulary import Vocabulary

#: The name of the installation in a case: real ones are in every identifier that we write.
INSTANCE = "case"
_PATH = re.compile(r"(?:[A-Z][A-Za-z]*/)+(?P<id>[^/#?]+)(?:/_history/(?P<version>[^/]+))?")
_OURS = re.compile(r"urn:fhirbridge:[^:]+:(finding|occasion)")


@dataclass
class Naming:
    """`bases`: address of a server -> its source. `told`: identifiers, keys and digests of our
    own Tasks as they are in the case (they are made of names and dates, so they are made anew).
    """

    names: Pseudonyms
    vocabulary: Vocabulary
    bases: Mapping[str, str]
    told: dict[str, str] = field(default_factory=dict)

    def reference(self, text: str) -> str:
        """What a literal reference means, by numbers."""
        if text.startswith("#"):
            return f"#{self.names.name('id', text[1:])}"
        if text.startswith("urn:"):
            return f"urn:uuid:{self.names.name('id', text.rpartition(':')[2])}"
        base = next((b for b in self.bases if text.startswith(f"{b}/")), None)
        path, prefix = text, ""
        if base is not None:
            path, prefix = text[len(base) + 1 :], f"{base_of(self.bases[base])}/"
        elif "://" in text:
            at = _PATH.search(text)
            path = at[0] if at else ""
            host = self.names.name("host", text[: at.start()] if at else text)
            prefix = f"https://{host}.example/fhir/"
        match = _PATH.fullmatch(path)
        if match is None:
            return prefix + self.names.word(path)
        types = path[: match.start("id")]
        version = f"/_history/{self.version(match['version'])}" if match["version"] else ""
        return f"{prefix}{types}{self.id(match['id'])}{version}"

    def id(self, value: Any) -> Any:
        if not isinstance(value, str):
            return True
        return self.names.name("id", value) if is_id(value) else "not an id"

    def version(self, value: Any) -> Any:
        if not isinstance(value, str):
            return True
        if not is_id(value):
            return "not a version"
        short = value.isascii() and value.isdecimal() and len(value) <= 6
        return value if short else self.names.name("version", value)

    def number(self, value: Any) -> Any:
        """A number by which records are joined."""
        if not isinstance(value, str):
            return True
        value = value.strip()
        return (self.told.get(value) or self.names.name("number", value)) if value else ""

    def system(self, value: Any) -> Any:
        """The system of an identifier: it may name the site."""
        if not isinstance(value, str):
            return True
        if ours_too := _OURS.fullmatch(value):
            return f"urn:fhirbridge:{INSTANCE}:{ours_too[1]}"
        return f"urn:case:{self.names.name('system', value)}" if value else ""

    def text(self, value: Any) -> Any:
        return self.vocabulary.masked(value, self.names.word) if isinstance(value, str) else True

    def code(self, system: Any, code: Any) -> tuple[Any, Any]:
        """A code with its system."""
        if not isinstance(system, str) or not isinstance(code, str):
            return (system if system is None else True), (code if code is None else True)
        bare, plain = system.strip(), code.strip()
        if not plain or self.vocabulary.keeps(bare, plain):
            shown = plain
        elif bare == ours.CHOICES:
            shown = self.text(plain)
        else:
            shown = self.names.name("code", plain)
        if self.vocabulary.is_public(bare):
            return bare, shown
        if is_place_of_service(bare):
            return "urn:case:place-of-service", shown
        return f"urn:case:{self.names.name('system', bare)}", shown


def base_of(source: str) -> str:
    """The address under which a source stands in a case."""
    return f"https://{source}.case.example/fhir"
