"""The root of an occasion: one Task that says how the whole dose stands, above those of the owners.

Its "finding" is made here, from the findings of the occasion, and then goes through the table of
the plan like any other.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .findings import (
    Finding,
    Role,
    Severity,
    digest_of,
    figures_of,
    key_of,
    with_background,
)

if TYPE_CHECKING:
    from .plan import Said

#: The rule of root Tasks: no trouble of its own, but the state of the occasion.
ROOT_RULE = "occasion"

#: Stands in place of a digest for "the trouble is gone".
GONE = "gone"


@dataclass(frozen=True, slots=True)
class Part:
    """A trouble below a root, and what its owner did with the Task: `started`, `refused`,
    `completed` though the records are the same, or nothing yet ("")."""

    finding: Finding
    state: str = ""


def root_key(occasion: str) -> str:
    """The key of the root Task of an occasion."""
    return key_of(occasion, ROOT_RULE)


def roots(
    troubles: Iterable[Finding], hidden: Iterable[Said], states: Mapping[str, str] | None = None
) -> dict[str, Finding]:
    """The root of every occasion in which trouble is seen, by its key.

    `states`: by the key of a trouble, the state of its part (`Part`).
    `hidden`: our living Tasks whose troubles cannot be judged now. The root keeps them as they
    were last seen; an occasion of which nothing else is known has no root here: it stays as it is.
    """
    seen: dict[str, list[Finding]] = {}
    unseen: dict[str, list[Said]] = {}
    for finding in troubles:
        seen.setdefault(finding.occasion, []).append(finding)
    for said in hidden:
        if said.noted != GONE:  # it looked solved when it was seen last
            unseen.setdefault(said.occasion, []).append(said)
    return {
        root_key(name): _root(name, parts, unseen.get(name, ()), states or {})
        for name, parts in seen.items()
    }


def _root(
    occasion: str, parts: Sequence[Finding], hidden: Sequence[Said], states: Mapping[str, str]
) -> Finding:
    """The state of an occasion as a finding: as bad and as urgent as the worst of its parts.

    A part that is hidden counts in the digest as what was said of it last, so that a source which
    fails and comes back changes nothing.
    """
    parts = sorted(parts, key=lambda each: (each.severity, each.due is None, each.due, each.key))
    worst = parts[0]
    dues = [due for due in (*(p.due for p in parts), *(h.due for h in hidden)) if due is not None]
    urgent = any(each.priority not in ("", "routine") for each in hidden)
    leads = [each.lead for each in parts if each.lead is not None]
    return Finding(
        rule=ROOT_RULE,
        severity=min(worst.severity, Severity.S2) if urgent else worst.severity,
        owner=Role.COORDINATOR,
        audience=(),
        therapy=worst.therapy,
        occasion=occasion,
        day=worst.day,
        due=min(dues, default=None),
        action="coordinate",
        say={
            "drug": worst.say.get("drug"),
            "day": worst.day,
            "due": min(dues, default=None),
            "troubles": len(parts) + len(hidden),
            "parts": tuple(Part(each, states.get(each.key, "")) for each in parts),
            "hidden": tuple(sorted(each.rule for each in hidden)) or None,
        },
        figures=worst.figures,
        compared=_merged(each.compared for each in parts),
        evidence=tuple(dict.fromkeys(ref for each in parts for ref in each.evidence)),
        focus=worst.based_on or worst.focus,
        based_on=worst.based_on,
        patient=worst.patient,
        key=root_key(occasion),
        digest=_digest(parts, hidden, states),
        lead=min(leads, default=None),
    )


def _merged(figures: Iterable[Mapping[str, object]]) -> dict[str, object]:
    """What all parts compare, side by side."""
    found: dict[str, object] = {}
    for side, value in (item for each in figures for item in each.items()):
        before = found.get(side)
        if isinstance(before, Mapping) and isinstance(value, Mapping):
            value = {**before, **value}
        found[side] = value
    return found


def _digest(parts: Sequence[Finding], hidden: Sequence[Said], states: Mapping[str, str]) -> str:
    figures = digest_of(
        [f"{each.key} {figures_of(each.digest)}" for each in parts]
        + [f"{each.key} {figures_of(each.noted or each.digest)}" for each in hidden]
    )
    keys = [*(each.key for each in parts), *(each.key for each in hidden)]
    done = [f"{key} {states[key]}" for key in keys if key in states]
    return with_background(figures, done)
