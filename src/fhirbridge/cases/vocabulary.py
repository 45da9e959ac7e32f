"""The words and codes that may stand in a case: those of the mappings, and those of the grammar.

A text is masked word by word. A word that is here stays; every other is exchanged for one without
meaning, the same for the same word, so that what was different stays different. A number stays
only where the grammar can read it as an amount, a count or a time ("300 mg x 2", "every 24
weeks"): telephone numbers and numbers of people are none of these. A date stays a date, and is
the same one everywhere: it says nothing of a dose, but the words around it are understood.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from fhirbridge import yamlfile
from fhirbridge.core import units
from fhirbridge.core.days import DATE
from fhirbridge.core.wording import NUMBERS
from fhirbridge.fhir.read import authorizations, orders, rems, results, schedule, supply, timing
from fhirbridge.fhir.read.coverage_information import NEEDED
from fhirbridge.fhir.read.decisions import LEFT_OUT, PHRASES, REVIEW_ACTIONS, SAME, TURNS
from fhirbridge.fhir.read.decisions import WORDS as DECISIONS
from fhirbridge.fhir.read.places import KINDS as PLACES
from fhirbridge.fhir.read.places import VISITS
from fhirbridge.fhir.said import TOLD


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Files of a folder of mappings whose words may stand in records, and the keys that hold them.
_FILES = ("therapies/*.yaml", "premedications.yaml", "prerequisites.yaml", "visits.yaml")
_PHRASES = frozenset({"aliases", "display", "ingredient", "name", "program", "trap_words", "words"})

#: Words that an amount stands before: "300 mg", "10000 units".
_AMOUNTS = _set(
    """
    mg mgs milligram milligrams g gm gram grams mcg microgram micrograms ml mls milliliter
    milliliters iu i international units
    """
)
#: Words that a count or a time stands before: "2 visits", "24 weeks", "0.9% sodium chloride".
_COUNTED = _set(
    """
    vial vials pen pens syringe syringes kit kits carton cartons
    unit dose doses visit visits infusion infusions time times x day days week weeks wk wks
    month months mo mos d w hour hours hr hrs h minute minutes min mins sodium normal consecutive
    """
)
_MEASURES = _AMOUNTS | _COUNTED
#: Words that a number stands after: "every 24 weeks", "day 1", "x 2".
_BEFORE = _set("x q every each day days week weeks for of refills") | NUMBERS.keys()
#: What joins two numbers of which the first stays: "day 1 and 15".
_JOINS = frozenset({"and", "day", "week"})
#: The other words of `core.grammar` and `core.wording`, of questions and their answers, of
#: `fhir.read` (returned supplies, enrollments).
_OTHERS = _set(
    """
    a an as at before by in into on once one or over per pre premed premedicate premedication
    premedications prior repeat repeated single split the then to twice two via with after
    apart about approximately both can could daily weekly monthly yearly year years diluted divided
    dose each followed full give given administer infuse inject take total intravenous
    intravenously infusion therapy iv v ivpb piggyback subq sub sc subcut subcutaneous
    subcutaneously under skin injection protocol maintenance initial loading multiple sclerosis
    relapsing ms rrms saline sodium chloride nacl ns nss d5w route frequency sig directions monitor
    due scheduled dated next starting beginning from
    observe hold see later least may other half
    new start patient treatment naive first ever very
    return returned returns
    prescriber pharmacy pharmacist pharmacies pharmacists dispenser dispensers dispensing facility
    health care healthcare setting site enrollment enrolled expiration expires expiry expired
    rems etasu authorization required
    ordered planned change order move
    this approval certification determination notice guarantee payment coverage benefits does
    subject member eligibility time date service
    premeds reaction reactions reacted allergy allergic allergies intolerant intolerance
    contraindicated hypersensitivity anaphylaxis anaphylactic rescue prn needed if case upon no not
    without omit skip avoid do use need any routine antihistamine antihistamines cream ointment
    lotion topical topically eye drops ophthalmic nasal spray inhaled suppository enema
    refill refills vein directed instructed according titration bag bags
    mon monday tue tuesday wed wednesday thu thursday fri friday sat saturday sun sunday
    home residence patient's private nurse nursing
    """
)

#: Words of elements that are coded by a fixed list: those that a reader knows.
FIXED = frozenset().union(
    orders.STATES,
    orders.INTENTS,
    supply.STATES,
    supply.GIVEN_STATES,
    schedule.STATES,
    results.STATES,
    rems.STATES,
    authorizations.STATES,
    authorizations.CHANNELS,
    timing.UNIT_DAYS,
    NEEDED,
    TOLD,
    REVIEW_ACTIONS,
    _set(
        """
    claim preauthorization predetermination queued complete error partial covered not-covered
    conditional usual official temp secondary old home work billing replaced-by replaces refer
    seealso routine urgent asap stat ordered calculated
        """
    ),
)

#: Codes that a reader knows whatever their system.
_CODES = (
    FIXED
    | PLACES.keys()
    | supply.PARTIAL
    | results.NOT_OF_A_LABORATORY
    | _set("laboratory inpatient allowed-quantity allowed-period")
)

#: What stands for every date in words.
_ANY_DAY = "1/1/2000"
_NUMBER = r"\d{1,3}(?:,\d{3})+(?:\.\d{1,6})?|\d{1,7}(?:\.\d{1,6})?"
_TOKEN = re.compile(r"\d+(?:[.,:/\-–]\d+)*[^\W\d_]*|[^\W_]+")
_AMOUNT = re.compile(rf"(?:{_NUMBER})(?:-(?:{_NUMBER}))?(?P<unit>[^\W\d_]*)")
#: How large an amount and a count can be, so that longer numbers are somebody's: 160000 mg,
#: 1,200,000 units (nobody writes commas into the number of a person), 999 days.
_LARGE = re.compile(r"(?:[1-9]\d{0,2}(?:,\d{3}){1,2}|0|[1-9]\d{0,5})(?:\.\d{1,6})?")
_SMALL = re.compile(r"(?:0|[1-9]\d{0,2})(?:\.\d{1,3})?")
_SHORT = re.compile(r"[xq]\d{1,2}(?:d|w|wk|wks|weeks|mo|mos|months|h|hr|hrs|hours)?", re.IGNORECASE)

#: Code systems that are the same everywhere; others may name the site.
_PUBLIC = re.compile(
    r"(?:https?://)?(?:[a-z.]*hl7\.org(?!/fhir/sid/us-)|loinc\.org|snomed\.info|unitsofmeasure\.org"
    r"|www\.nlm\.nih\.gov|www\.cms\.gov|www\.ama-assn\.org|(?:codesystem\.)?x12\.org)(?:/|$)"
    r"|urn:oid:2\.16\.840\.1\.113883\.6\.\d+$|(?:hcpcs|cpt|ndc|rxnorm|loinc|snomed)$"
    r"|urn:fhirbridge:(?:action|rule|role|input|output|choice|business-status|tag)$",
    re.IGNORECASE,
)
#: What the codes of public systems look like, by a part of the system's name; a code of another
#: shape may be anything that somebody typed there. HCPCS and CPT codes may have modifiers.
_SHAPES = tuple(
    (re.compile(system, re.IGNORECASE), re.compile(code))
    for system, code in (
        (r"snomed|\.6\.96$", r"\d{6,18}"),
        (r"loinc|\.6\.1$", r"\d{1,5}-\d|L[AP]\d{1,6}-\d"),
        (r"rxnorm|\.6\.88$", r"\d{1,8}"),
        (r"\bndc\b|\.6\.69$", r"\d{4,5}-\d{3,4}-\d{1,2}|\d{10,11}"),
        (
            r"hcpcs|cpt|cms\.gov|ama-assn|\.6\.(?:12|14|285)$",
            r"[A-Z0-9]\d{3}[A-Z0-9](?:[ ][A-Z0-9]{2}){0,4}",
        ),
        (r"^urn:fhirbridge:", r"[a-z][a-z-]{0,39}"),
        (r"^$", r"[A-Z]\d{4}|\d{4,5}-\d{3,4}-\d{1,2}|[A-Z0-9]{1,2}"),
        (r"", r"[A-Za-z0-9]{1,4}"),  # those of HL7 and X12 are short, or are words that we know
    )
)


@lru_cache(maxsize=8)
def _read(folders: tuple[Path, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """The phrases and the codes of folders of mappings."""
    phrases: list[str] = []
    codes: list[str] = []
    for path in (each for folder in folders for form in _FILES for each in folder.glob(form)):
        data = yamlfile.load(path).data
        phrases += _strings(data, _PHRASES)
        codes += _strings(data, frozenset({"code"}))
        phrases += data.get("classes", ()) if isinstance(data, dict) else ()
    return frozenset(phrases), frozenset(codes)


class Vocabulary:
    """`folders`: of mappings; `codes`: what the configuration names besides."""

    def __init__(self, folders: Iterable[Path], codes: Iterable[str] = ()) -> None:
        said, known = _read(tuple(folders))
        phrases = [*said, *PHRASES, *VISITS]
        words = {word for phrase in phrases for word in re.findall(r"[^\W_]+", phrase.lower())}
        self.words = frozenset(
            {word for word in words if not word.isdigit()}
            | _MEASURES
            | _BEFORE
            | _JOINS
            | _OTHERS
            | DECISIONS.keys()
            | SAME.keys()
            | LEFT_OUT
            | TURNS
        )
        self.codes = known | set(codes) | _CODES

    def masked(self, text: str, other: Any) -> str:
        """A text with every word that is not known exchanged by `other(word)`."""
        text = DATE.sub(_ANY_DAY, "".join(each for each in text if not _is_mark(each)))
        tokens = list(_TOKEN.finditer(text))
        stays = self._stays([each[0].lower() for each in tokens])
        parts, end = [], 0
        for token, keep in zip(tokens, stays, strict=True):
            parts += [text[end : token.start()], token[0] if keep else other(token[0])]
            end = token.end()
        return "".join([*parts, text[end:]])

    def _stays(self, tokens: Sequence[str]) -> list[bool]:
        stays: list[bool] = []
        for place, token in enumerate(tokens):
            if not token[0].isdigit():
                stays.append(token in self.words or bool(_SHORT.fullmatch(token)))
                continue
            before = tokens[place - 1] if place else ""
            after = tokens[place + 1] if place + 1 < len(tokens) else ""
            match = _AMOUNT.fullmatch(token)
            if match is None:
                stays.append(token == _ANY_DAY)
            elif match["unit"]:
                stays.append(_may_be(token.removesuffix(match["unit"]), match["unit"]))
            else:
                small = len(token) <= 2
                joined = small and place > 1 and before in _JOINS and stays[place - 2]
                listed = small and before[:1].isdigit() and bool(stays) and stays[-1]
                said = small and before in _BEFORE
                stays.append(_may_be(token, after) or said or joined or listed)
        return stays

    def is_public(self, system: str) -> bool:
        """Whether a code system is the same everywhere."""
        return not system or bool(_PUBLIC.match(system.strip()))

    def keeps(self, system: str, code: str) -> bool:
        """Whether a code may stand as it is."""
        if code in self.codes or code.lower() in self.words:
            return True
        shape = next(shape for part, shape in _SHAPES if part.search(system))
        return self.is_public(system) and bool(shape.fullmatch(code))

    def is_unit(self, text: str) -> bool:
        """Whether a unit is one that is known, so that it may stand as it is written."""
        return units.word(text) is not None or text.strip().lower() in VISITS


def _may_be(number: str, word: str) -> bool:
    """Whether this number, or this range, can be as many of what the word says."""
    form = _LARGE if word in _AMOUNTS else _SMALL
    return word in _MEASURES and all(form.fullmatch(each) for each in number.split("-"))


def _is_mark(char: str) -> bool:
    """A vowel sign or an accent beside its letter: no part of a word to `re`, and yet of a name."""
    return unicodedata.category(char).startswith("M")


def _strings(data: Any, keys: frozenset[str], below: bool = False) -> Iterator[str]:
    """The strings that stand below one of these keys."""
    if isinstance(data, str):
        if below:
            yield data
    elif isinstance(data, dict):
        for key, each in data.items():
            yield from _strings(each, keys, below or key in keys)
    elif isinstance(data, list):
        for each in data:
            yield from _strings(each, keys, below)
