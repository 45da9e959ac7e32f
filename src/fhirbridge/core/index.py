"""The index of all codes and words of the therapies: what each of them stands for.

A code means exactly one of: this very product, this substance, a class of premedication, a
service, or a product that is easily taken for one of ours (a trap). What is a product of one
therapy is no trap of another: once "Ocrevus Zunovo" is known itself, it is recognized.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from .codes import DRUG_SYSTEMS, Key, Words, keys, namespace, plain_words
from .facts import Code
from .therapy import Therapy

#: HCPCS codes for what has no code of its own: they name no drug (docs/domain.md 2.1, Kesimpta).
_UNCLASSIFIED = frozenset({"J3490", "J3590", "C9399"})
#: CPT of infusions and injections: those that no therapy lists may still be the giving of a drug.
_GIVING = re.compile(r"963[67]\d|964\d\d|965[0-4]\d")


@dataclass(slots=True)
class Meaning:
    """What a code or a phrase stands for, in names of therapies and classes."""

    products: frozenset[str] = frozenset()  # it is this very product
    substance: frozenset[str] = frozenset()  # it has this ingredient
    traps: frozenset[str] = frozenset()
    premedications: frozenset[str] = frozenset()  # classes
    services: frozenset[str] = frozenset()

    @property
    def therapies(self) -> frozenset[str]:
        return self.products | self.substance

    @property
    def names(self) -> frozenset[str]:
        """All drugs that it names, ours or not."""
        return self.therapies | self.traps | self.premedications


class Named:
    """Names of things that are no drugs (results, programs, brands), with their codes and words."""

    def __init__(self, entries: Iterable[tuple[str, Sequence[Code], Sequence[str]]]) -> None:
        self._codes: dict[Key, set[str]] = {}
        self._phrases: dict[str, set[str]] = {}
        for name, codes, words in entries:
            for key in (key for code in codes for key in keys(code)):
                self._codes.setdefault(key, set()).add(name)
            for word in words:
                self._phrases.setdefault(plain_words(word), set()).add(name)
        self._words = Words(self._phrases)

    def found(self, codes: Sequence[Code], text: str) -> frozenset[str]:
        """The names that codes, their displays and a text name."""
        texts = [text, *(code.display for code in codes)]
        said = [self._phrases[phrase] for each in texts for phrase in self._words.found(each)]
        return self.coded(codes).union(*said)

    def coded(self, codes: Sequence[Code]) -> frozenset[str]:
        """The names that codes alone name."""
        said = [self._codes.get(key, set()) for code in codes for key in keys(code)]
        return frozenset().union(*said)


class Index:
    """Built once; `of_codes` and `of_text` are look-ups."""

    def __init__(self, therapies: Iterable[Therapy]) -> None:
        self._codes: dict[Key, Meaning] = {}
        self._phrases: dict[str, Meaning] = {}
        for therapy in therapies:
            self._add(therapy)
        for meaning in (*self._codes.values(), *self._phrases.values()):
            if meaning.products:
                meaning.traps = frozenset()
        self._words = Words(self._phrases)
        self.of_text = lru_cache(maxsize=8192)(self._of_text)

    def of_codes(self, codes: Sequence[Code]) -> list[Meaning]:
        """What the codes mean that are known, in their order."""
        return [meaning for code in codes if (meaning := self.of_code(code))]

    def of_code(self, code: Code) -> Meaning | None:
        """What a code means. Another package of a known NDC product is that product."""
        forms = keys(code)
        products = [(system, value[:9]) for system, value in forms if system == "ndc"]
        for group in (forms, products):
            known = [self._codes[key] for key in group if key in self._codes]
            if known:  # ten digits that fit two products name neither
                return known[0] if len(known) == 1 else None
        return None

    def foreign(self, code: Code) -> bool:
        """Whether a code names a drug that is none of ours."""
        value = code.code.strip()
        if namespace(code.system) not in DRUG_SYSTEMS or value in _UNCLASSIFIED:
            return False
        if _GIVING.match(value):
            return False
        meaning = self.of_code(code)
        return meaning is None or not (meaning.therapies or meaning.services)

    def _of_text(self, text: str) -> tuple[Meaning, ...]:
        """What the known words of a text mean, in their order."""
        return tuple(self._phrases[phrase] for phrase in self._words.found(text))

    def _add(self, therapy: Therapy) -> None:
        name = frozenset({therapy.name})
        for product in therapy.products:
            for meaning in self._meanings(product.codes):
                meaning.products |= name
        for meaning in self._meanings(billing.code for billing in therapy.billing):
            meaning.products |= name
        for meaning in self._meanings(therapy.ingredients):
            meaning.substance |= name
        for meaning in self._meanings(therapy.traps):
            meaning.traps |= name
        for service in therapy.services:
            for meaning in self._meanings((service.code,)):
                meaning.services |= {service.covers}
        self._phrase(therapy.ingredient).substance |= name
        for alias in therapy.aliases:
            self._phrase(alias).products |= name
        for word in therapy.trap_words:
            self._phrase(word).traps |= name
        for premedication in therapy.premedications:
            kind = frozenset({premedication.name})
            for meaning in self._meanings(premedication.codes):
                meaning.premedications |= kind
            for word in (premedication.name, *premedication.aliases):
                self._phrase(word).premedications |= kind

    def _meanings(self, codes: Iterable[Code]) -> Iterable[Meaning]:
        """Where codes are kept: an NDC also without its package."""
        for code in codes:
            for system, value in keys(code):
                places = (
                    {(system, value), (system, value[:9])} if system == "ndc" else {(system, value)}
                )
                for key in places:
                    yield self._codes.setdefault(key, Meaning())

    def _phrase(self, phrase: str) -> Meaning:
        return self._phrases.setdefault(plain_words(phrase), Meaning())
