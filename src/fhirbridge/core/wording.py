"""Orders as people word them, reduced to the dose and its times, for `grammar`.

    dose_only("600 mg IV in 500 mL NS over 3.5 hours, every 24 weeks") -> "600 mg every 24 weeks"

Taken away is what says nothing of the dose: names, routes, labels, rates, durations, diluents, the
indication, the day on which it is given (`days`). Said once is what is said twice: "six (6)".
Everything else stays, so that the grammar refuses it; nothing is taken away that holds a number of
its own.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache

from .codes import Words
from .days import without_days
from .quantity import plain

_FEW = ("one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten")
NUMBERS: dict[str, int] = {word: number for number, word in enumerate(_FEW, start=1)} | {
    "twelve": 12,
    "fourteen": 14,
    "twenty-four": 24,
    "twenty-eight": 28,
}
_NOTHING = Words(
    (
        *("intravenous infusion", "iv infusion", "by intravenous infusion", "by iv infusion"),
        *("via iv", "as an iv infusion", "iv", "i.v", "intravenous", "intravenously"),
        *("ivpb", "iv piggyback", "subq", "sub-q", "sc", "subcut", "subcutaneous"),
        *("subcutaneously", "under the skin", "by subcutaneous injection"),
        *("into the vein", "into a vein", "as directed", "as ordered", "as instructed"),
        *("give", "administer", "infuse", "inject", "take", "total dose", "a dose of"),
        *("maintenance dose", "maintenance", "initial dose", "loading dose", "per protocol"),
        *("for multiple sclerosis", "for relapsing multiple sclerosis", "for ms", "for rrms"),
    )
)
_NUMBER = r"\d{1,9}(?:\.\d{1,6})?"
_SAYS_NO_DOSE = (
    # what it is diluted in: "in 500 mL 0.9% sodium chloride"
    re.compile(
        r"\b(?:diluted )?in \d{1,4} ?ml (?:of )?(?:0\.9 ?% )?"
        r"(?:normal saline|sodium chloride|nacl|nss?|d5w|saline)(?: 0\.9 ?%)?(?![\w.])"
    ),
    re.compile(
        r"\b(?:diluted )?in (?:0\.9 ?% )?(?:normal saline|sodium chloride|nacl|d5w|saline)"
        r"(?: 0\.9 ?%)?(?: \d{1,4} ?ml| \(\d{1,4} ?ml\))?(?![\w.])"
    ),
    # how long the prescription holds
    re.compile(r"[x×] ?\d{1,2} (?:years?|months?)\b|\bfor \d{1,2} (?:years?|months?)\b"),
    re.compile(r"\b(?:no|with \d{1,2}|\d{1,2}) refills?\b|\brefills? ?:? ?\d{1,2}\b"),
    re.compile(r"\b(?:per|by|according to) (?:the )?(?:\w+ )?(?:titration |infusion )?protocol\b"),
    # how long it runs, and how fast: "over 3.5-4 hours", "at 171.4 mL/hr"
    re.compile(
        rf"\bover (?:at least |about |approximately |~ ?)?{_NUMBER}(?: ?(?:-|to) ?{_NUMBER})?"
        r" ?(?:hours?|hrs?|h|minutes?|mins?)\b"
    ),
    re.compile(rf"\bat {_NUMBER} ?ml ?/ ?(?:hours?|hr|h)\b"),
    # labels of a form, and a remark without a number in a sentence of its own
    re.compile(r"\b(?:dose|route|frequency|sig|directions) ?:"),
    re.compile(r"(?<=[.;]) (?:monitor|observe|hold|see)\b[^.;\d]*(?=[.;]|$)"),
    re.compile(r"\(\s*\)"),
)
_WORD_AND_NUMBER = re.compile(rf"\b({'|'.join(NUMBERS)}) ?\((\d\d?)\)")
_NUMBER_AND_WORD = re.compile(rf"\b(\d\d?) ?\(({'|'.join(NUMBERS)})\)")
_TIMES_IN_BRACKETS = re.compile(r"\(((?:on |at )?(?:days?|weeks?|every|once)\b[^()]*)\)")
_OF_VIALS = re.compile(rf"\((\d\d?) ?[x×] ?({_NUMBER}) ?mg (vial|pen|syringe)s?\)")
_VIALS_OF = re.compile(rf"\b(\d\d?) (vial|pen|syringe)(s?) \(({_NUMBER}) ?mg each\)")
_ONCE_FOR_ONE = re.compile(r"\bonce,?(?: ,)? (?:for )?(?:1|one) dose\b")


#: A sentence about what is given before, with its own doses; none that comes back to the drug.
_BEFORE = re.compile(
    r"(?<=[.;])\s+pre-?med(?:icat\w+|s?)\b(?:(?!\b(?:then|second|repeat\w*|follow\w*)\b)"
    r"(?:[^.;\n]|\.(?=\d)))*(?=[.;\n]|$)",
    re.IGNORECASE,
)


def without_premedication(text: str) -> str:
    """The text without sentences that tell what is given before: "Premedicate with …"."""
    return _BEFORE.sub(" ", text) if "pre" in text.lower() else text


def dose_only(text: str, names: tuple[str, ...] = ()) -> str:
    """The text in lower case without what says no dose. `names`: names of the drug."""
    text = without_premedication(text)
    for words in (_names(names), _NOTHING):
        text = words.without(text)
    low = without_days(said_once(" ".join(text.lower().split())))
    for pattern in _SAYS_NO_DOSE:
        low = pattern.sub(" ", low)
    low = _ONCE_FOR_ONE.sub("once", " ".join(low.split()))
    low = _TIMES_IN_BRACKETS.sub(r"\1", low)
    return " ".join(re.sub(r"[,;:.](?=\s|$)", " ", low).split())


def said_once(low: str) -> str:
    """Numbers and amounts that are written twice, once; what contradicts itself stays."""
    low = _WORD_AND_NUMBER.sub(lambda m: _agreed(m[0], m[1], m[2]), low)
    low = _NUMBER_AND_WORD.sub(lambda m: _agreed(m[0], m[2], m[1]), low)
    low = _OF_VIALS.sub(lambda m: f"({_times(m[1], m[2])} mg)", low)
    low = _VIALS_OF.sub(lambda m: f"{m[1]} {m[2]}{m[3]} ({_times(m[1], m[4])} mg)", low)
    return _ONCE_FOR_ONE.sub("once", low)


def _agreed(written: str, word: str, number: str) -> str:
    return number if NUMBERS[word] == int(number) else written


def _times(count: str, each: str) -> str:
    return plain(int(count) * Decimal(each))


@lru_cache(maxsize=256)
def _names(names: tuple[str, ...]) -> Words:
    return Words(names)
