"""Whether words that name a drug for premedication order it to be given before the infusion.

    beforehand("Give methylprednisolone 100 mg IV 30 minutes before.") -> the text itself
    beforehand("No premedication. Diphenhydramine 50 mg IV PRN reaction.") -> ""

An order set names these drugs also where they are to be ready for a reaction, or are not to be
given at all; and a cream is a steroid too. Each sentence is looked at by itself.
"""

from __future__ import annotations

import re
from functools import lru_cache

_SENTENCE = re.compile(r"[\n;]|[.](?=\s|$)")
#: Not to be given, or told as history.
_REFUSED = re.compile(
    r"\b(?:no|without|omit|skip|avoid|hold|do not|don't|not) (?:give |use |need |require |any )?"
    r"(?:routine )?(?:pre-?med\w*|steroids?|antihistamines?|methylpred\w*|solu-?medrol|dexameth\w*"
    r"|diphenhydr\w*|benadryl|cetirizine)"
    r"|\ballerg(?:y|ic|ies) to\b|\breact(?:ion|ed) to\b|\bintoleran\w*|\bcontraindicat\w*"
)
#: Ready for a reaction, or taken at need.
_AT_NEED = re.compile(
    r"\bprn\b|\bas needed\b|\b(?:for|if|in case of|upon)\b.{0,30}\breactions?\b"
    r"|\bhypersensitivity\b|\banaphyla\w*|\brescue\b"
)
#: A form that no infusion is prepared with.
_LOCAL = re.compile(
    r"\b(?:cream|ointment|lotion|topical\w*|shampoo|foam|eye|ophthalmic|otic|ear|nasal|spray"
    r"|inhal\w*|suppositor\w*|enema|mouthwash|intra-?articular)\b"
)
_BEFORE = re.compile(r"\bpre-?med\w*|\bpre-?infusion\b|\bbefore\b|\bprior\b")


@lru_cache(1024)  # order sets say the same of everybody
def beforehand(text: str) -> str:
    """What of a text may order something to be given before: its sentences without those that
    refuse it, keep it ready for a reaction, or name a form for the skin."""
    said = (sentence for sentence in _SENTENCE.split(text) if sentence.strip())
    return "\n".join(sentence for sentence in said if _orders(sentence.lower()))


@lru_cache(1024)
def is_at_need(text: str) -> bool:
    """Whether an order of its own is not for before the infusion: at need, or for the skin."""
    low = text.lower()
    if _LOCAL.search(low):
        return True
    return bool(_AT_NEED.search(low)) and not _BEFORE.search(low)


def _orders(low: str) -> bool:
    return not _REFUSED.search(low) and not is_at_need(low)
