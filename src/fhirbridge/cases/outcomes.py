"""What was decided, as values that can be compared between the original and its case.

Sentences are left out: they are made from these values, and from words that are not in a case.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any

from fhirbridge.bridge.deciding import Decision
from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding

from .document import Decided
from .masking import Masker

#: Parts of a finding's figures that are dates: they are compared by the occasion's.
_DATES = frozenset({"start", "end", "date"})


class AsItIs:
    """How an outcome is told that needs no translation: a case's own."""

    def ref(self, ref: Ref) -> str:
        return str(ref)

    def moment(self, moment: datetime) -> datetime:
        return moment

    def text(self, text: str) -> str:
        return text


class Translated(AsItIs):
    """How an original's outcome is told in the names and dates of its case."""

    def __init__(self, masker: Masker, decision: Decision) -> None:
        self._masker, self._zone = masker, decision.zone

    def ref(self, ref: Ref) -> str:
        path = str(ref).removeprefix(f"{ref.source}:")
        return f"{ref.source}:{self._masker.naming.reference(path)}"

    def moment(self, moment: datetime) -> datetime:
        return self._masker.shift.moment(moment, self._zone)

    def text(self, text: str) -> str:
        return str(self._masker.naming.text(text))


def outcome(subject: str, decision: Decision, told: AsItIs) -> Decided:
    """The findings, what could not be told, and what is to be written."""
    judgement = decision.judgement
    return Decided(
        subject=subject,
        findings=sorted((row(each, decision, told) for each in judgement.findings), key=str),
        cannot_tell=sorted({v.rule for v in judgement.verdicts if v.outcome == "cannot tell"}),
        plan=sorted(
            f"{each.do.value} {rule} {each.why}".strip()
            for each in decision.plan.intents
            if (about := each.finding or each.said) and (rule := about.rule)
        ),
    )


def row(finding: Finding, decision: Decision, told: AsItIs) -> dict[str, Any]:
    """One finding."""
    zone = decision.zone
    due = told.moment(finding.due).astimezone(zone).date() if finding.due else None
    day = None
    if finding.day:
        noon = datetime(finding.day.year, finding.day.month, finding.day.day, 12, tzinfo=zone)
        day = told.moment(noon).date()
    return {
        "rule": finding.rule,
        "variant": finding.variant,
        "severity": finding.severity.value,
        "owner": finding.owner.value,
        "therapy": finding.therapy,
        "date": day.isoformat() if day else None,
        "due": due.isoformat() if due else None,
        "folded_into": finding.folded_into,
        "figures": _figures(finding.figures, told.text),
        "evidence": sorted(told.ref(ref) for ref in finding.evidence),
    }


def _figures(value: Any, text: Callable[[str], str]) -> Any:
    if isinstance(value, Mapping):
        return {key: _figures(each, text) for key, each in value.items() if key not in _DATES}
    if isinstance(value, list | tuple):
        return [_figures(each, text) for each in value]
    return text(value) if isinstance(value, str) else value


def differences(one: Iterable[Decided], other: Iterable[Decided]) -> list[str]:
    """What is otherwise in `other`, a sentence each."""
    found = []
    others = {each.subject: each for each in other}
    for was in one:
        now = others.get(was.subject)
        if now is None:
            found.append(f"{was.subject}: nothing was decided")
            continue
        gone = [each for each in was.findings if each not in now.findings]
        new = [each for each in now.findings if each not in was.findings]
        found += [f"{was.subject}: not found now: {_named(each)}" for each in gone]
        found += [f"{was.subject}: found now only: {_named(each)}" for each in new]
        for name in ("cannot_tell", "plan"):
            before, after = getattr(was, name), getattr(now, name)
            if before != after:
                said = f"{', '.join(before) or 'nothing'}; now: {', '.join(after) or 'nothing'}"
                found.append(f"{was.subject}: {name.replace('_', ' ')}: {said}")
    return found


def _named(row: Mapping[str, Any]) -> str:
    folded = f", part of {row['folded_into']}" if row.get("folded_into") else ""
    what = f"{row['rule']} ({row['owner']}, {row['severity']}"
    return f"{what}, dose {row['date']}, due {row['due']}{folded})"
