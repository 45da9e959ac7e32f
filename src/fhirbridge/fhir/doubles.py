"""One thing written twice at one moment, on a server without conditional create.

There, two writers may both look, find nothing and create. So whoever has created looks again: if
somebody was quicker, he takes his own back, and the other's stands. Both see the same order, so
one of them stays. What is seen only later (`core.plan`) is closed then. What a person copied is no
double.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from . import ours
from .ours import Json
from .told import instant

#: What can be taken back: a Provenance has no status, and two that say the same are both true.
TYPES = frozenset({"Task", "Communication"})
#: What somebody changes who works on a Task.
_TOUCHED = ("status", "owner", "note", "output", "businessStatus")


def standing(found: Iterable[Json]) -> list[Json]:
    """What a search by identifier finds, the first one first, without what was taken back."""
    return sorted((each for each in found if not is_withdrawn(each)), key=_age)


def first(found: Sequence[Json], mine: Json) -> Json:
    """Which of several that `standing` found stays: one on which somebody works already, else the
    one that the server took first."""
    return next((each for each in found if _differs(each, mine)), found[0])


def withdrawn(mine: Json, words: Callable[[str], str]) -> dict[str, Any]:
    """What we have just created, taken back; `words` say why, for its title."""
    after = ours.to_change(mine)
    named = mine.get("code" if mine.get("resourceType") == "Task" else "topic")
    title = named.get("text") if isinstance(named, Mapping) else None
    why = words(title if isinstance(title, str) else "")
    if mine.get("resourceType") == "Task":
        # Not entered-in-error: few makes take it, and to the policy it is a person's.
        after |= {"status": "cancelled", "statusReason": {"text": why}}
        after["businessStatus"] = ours.concept(ours.STATUS, ours.DOUBLE, "Double")
    else:
        reason = ours.concept(ours.STATUS, ours.DOUBLE, why)
        after |= {"status": "entered-in-error", "statusReason": reason}
    return after


def is_withdrawn(resource: Json) -> bool:
    """Was it taken back as the double of another?"""
    reasons = (resource.get("businessStatus"), resource.get("statusReason"))
    return any(ours.code_of(each, ours.STATUS) == ours.DOUBLE for each in reasons)


def _differs(other: Json, mine: Json) -> bool:
    return any(other.get(name) != mine.get(name) for name in _TOUCHED)


def _age(resource: Json) -> tuple[float, int, str]:
    meta, id_ = resource.get("meta"), str(resource.get("id"))
    taken = instant(meta.get("lastUpdated")) if isinstance(meta, dict) else None
    return taken.timestamp() if taken else float("inf"), len(id_), id_
