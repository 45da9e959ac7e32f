"""What would have been written, and what became of it without us.

    seen(before, decision) -> the rows that are new or changed since the last look
    report(rows, calendar, now) -> one line for each rule

In shadow nobody was told, so a trouble that goes away was found by people, or time took it away.
Which of the two is seen at the records of the dose: another version or another record, and
somebody did something. Where neither happened before the day of the infusion, the trouble was
still there when it mattered: that is what a Task would have been for.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from statistics import median

from fhirbridge.core.calendar import Calendar
from fhirbridge.core.findings import Finding, digest_of
from fhirbridge.core.rules import LOOKING_BACK
from fhirbridge.store.records import Shadow

from .deciding import Decision

#: How a trouble went away: the records of the dose changed, or did not, or the dose is given or
#: called off, or another trouble stands for it now, or it may be written now.
RECORDS, TIME, DOSE, FOLDED, WRITTEN = "records", "time", "dose", "folded", "written"


def seen(subject: str, before: Sequence[Shadow], decision: Decision) -> list[Shadow]:
    """What a look changes. `before`: the person's troubles that were there at the last look.

    What waits for its settle window would not be written yet, and what stands as a Task was
    written before shadow began; neither counts.
    """
    judgement = decision.judgement
    told = {each.key for each in decision.said if each.alive}
    found = {
        each.key: each
        for each in judgement.findings
        if not each.folded_into and each.key not in decision.held.keys | told
    }
    shadowed = {key: each for key, each in found.items() if each.rule in decision.shadowed}
    known = {each.key: each for each in before}
    rows = [_new(subject, each, decision) for key, each in shadowed.items() if key not in known]
    for key, row in known.items():
        after = _still(row, shadowed[key], decision) if key in shadowed else _gone(row, decision)
        if after != row:
            rows.append(after)
    return rows


def _new(subject: str, finding: Finding, decision: Decision) -> Shadow:
    return Shadow(
        subject=subject,
        key=finding.key,
        since=decision.as_of,
        rule=finding.rule,
        day=finding.day,
        basis=_basis(finding.occasion, finding, decision),
    )


def _still(row: Shadow, finding: Finding, decision: Decision) -> Shadow:
    return replace(row, day=finding.day, basis=_basis(finding.occasion, finding, decision))


def _gone(row: Shadow, decision: Decision) -> Shadow:
    occasion, _, _ = row.basis.partition(" ")
    if row.key in decision.held.keys or decision.judgement.cannot_tell(occasion, row.rule):
        return row
    standing = {each.key: each for each in decision.judgement.findings}
    if row.key in standing:
        how = FOLDED if standing[row.key].folded_into else WRITTEN
    elif row.rule in LOOKING_BACK:
        how = RECORDS  # the dose was given before; nothing but a record puts it right
    elif occasion not in decision.judgement.standing:
        how = DOSE
    else:
        how = TIME if row.basis == _basis(occasion, None, decision) else RECORDS
    return replace(row, gone=decision.as_of, how=how)


def _basis(occasion: str, finding: Finding | None, decision: Decision) -> str:
    """The occasion, and a digest of the versions of its records."""
    refs = decision.judgement.standing.get(occasion)
    if refs is None:
        refs = finding.evidence if finding else ()
    return f"{occasion} {digest_of(refs)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """What became of the findings of one rule. Counts, and hours until half of them were gone.

    `put_right` by people, in their records; `passed` by time alone; `ended` with the dose, which
    was given or called off; `folded` into another trouble; `written` since; `standing` still.
    `on_the_day`: of all these, those that were still there on the day of the infusion.
    """

    rule: str
    found: int
    put_right: int
    put_right_hours: float | None
    passed: int
    passed_hours: float | None
    ended: int
    folded: int
    written: int
    standing: int
    on_the_day: int


def report(rows: Iterable[Shadow], calendar: Calendar, now: datetime) -> list[Line]:
    """One line for each rule, those first that were most often still there on the day."""
    by_rule: dict[str, list[Shadow]] = {}
    for row in rows:
        by_rule.setdefault(row.rule, []).append(row)
    lines = [_line(rule, found, calendar, now) for rule, found in by_rule.items()]
    return sorted(lines, key=lambda line: (-line.on_the_day, -line.found, line.rule))


def _line(rule: str, found: Sequence[Shadow], calendar: Calendar, now: datetime) -> Line:
    count = {how: sum(row.how == how for row in found) for how in (DOSE, FOLDED, WRITTEN)}
    put_right, passed = list(_hours(found, RECORDS)), list(_hours(found, TIME))
    return Line(
        rule=rule,
        found=len(found),
        put_right=len(put_right),
        put_right_hours=_half(put_right),
        passed=len(passed),
        passed_hours=_half(passed),
        ended=count[DOSE],
        folded=count[FOLDED],
        written=count[WRITTEN],
        standing=sum(row.gone is None for row in found),
        on_the_day=sum(was_there(row, calendar, now) for row in found),
    )


def was_there(row: Shadow, calendar: Calendar, now: datetime) -> bool:
    """Was the trouble there when the day of the infusion began?"""
    if row.day is None:
        return False
    begins = calendar.begins(row.day)
    return begins <= now and row.since < begins and (row.gone is None or row.gone > begins)


def _hours(found: Iterable[Shadow], how: str) -> Iterator[float]:
    for row in found:
        if row.how == how and row.gone is not None:
            yield (row.gone - row.since) / timedelta(hours=1)


def _half(hours: Sequence[float]) -> float | None:
    return round(median(hours), 1) if hours else None
