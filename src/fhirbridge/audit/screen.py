"""Which records may be about a therapy that we know: a quick look that never misses one.

A record that names none of the known drugs by any code or word is not about one; what the look
lets through is read in full and decided by `core.formulary`. So a false alarm costs only time.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from fhirbridge.core.codes import keys, plain_words
from fhirbridge.core.facts import Code
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.therapy import Therapy
from fhirbridge.fhir import jsonio

#: The elements in which `fhir.read` looks for codes and words, with what they hold: code · display
#: · text · name · description · comment · patientInstruction · disposition. Most strings of a
#: record fail at their first letter, which is quicker than eight words.
_SAID = re.compile(
    rb'"[cdtnp](?:ode|isplay|ext|ame|escription|omment|atientInstruction|isposition)'
    rb'"\s*:\s*"([^"\\]*(?:\\.[^"\\]*)*)"'
)
#: So many words, and elements of so many bytes at most, are remembered.
_KEPT = 65_536
_LONG = 1024
_ESCAPED = b"\\u"  # letters that JSON need not escape, and somebody did
#: The parts of a phrase are written with blanks, hyphens or slashes between them.
_PARTS = re.compile(r"[\s\-/,]+")


class Screen:
    """Looks for the codes and words of a formulary in the bytes of records."""

    def __init__(self, formulary: Formulary) -> None:
        needles = {
            needle.lower().encode()
            for therapy in formulary.therapies.values()
            for needle in (*_codes(therapy), *_words(therapy))
        }
        # One that contains another is found by it.
        self.needles = tuple(
            sorted(
                each
                for each in needles
                if not any(other != each and other in each for other in needles)
            )
        )

        # What was looked at before, by the answer: records say much the same.
        self._known: tuple[set[bytes], set[bytes]] = set(), set()
        self._elements: dict[bytes, bool] = {}

    def tells(self, elements: Iterable[jsonio.Raw]) -> bool:
        """Whether one of these elements of a record says any of the codes and words."""
        known = self._elements
        for element in map(bytes, filter(None, elements)):
            told = known.get(element)
            if told or (told is None and self._told(element)):
                return True
        return False

    def _told(self, element: bytes) -> bool:
        """The same of an element that was not looked at before."""
        told = self.lets_through(b'"text":' + element)  # it may be a string by itself
        if len(element) <= _LONG:
            if len(self._elements) >= _KEPT:
                self._elements.clear()
            self._elements[element] = told
        return told

    def lets_through(self, record: bytes) -> bool:
        """Whether a record says any of the codes and words, in any case."""
        said = _SAID.findall(record)
        harmless, telling = self._known
        if harmless.issuperset(said):
            return False
        if not telling.isdisjoint(said):
            return True
        for each in said:
            self._known[self._look(each)].add(each)
        found = not telling.isdisjoint(said)
        for known in self._known:
            if len(known) > _KEPT:
                known.clear()
        return found

    def _look(self, said: bytes) -> bool:
        plain = said.lower()
        return any(needle in plain for needle in self.needles) or _ESCAPED in plain


def _codes(therapy: Therapy) -> Iterator[str]:
    codes = [*therapy.ingredients, *(each.code for each in therapy.billing)]
    codes += [code for product in therapy.products for code in product.codes]
    for code in codes:
        yield from _forms(code)


def _forms(code: Code) -> Iterator[str]:
    """What every way to write a code has in common."""
    for system, value in keys(code):
        # An NDC is written with and without hyphens and leading zeros: its labeler remains.
        yield value[:5].removeprefix("0") if system == "ndc" else value


def _words(therapy: Therapy) -> Iterator[str]:
    for phrase in (therapy.ingredient, *therapy.aliases):
        yield max(_PARTS.split(plain_words(phrase)), key=len)
