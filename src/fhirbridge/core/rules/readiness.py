"""Readiness: are the results there and the enrollments made that the label asks for?

Whether a result permits the dose is for a clinician to say; here it only has to be there. Both
rules look only where somebody is believed for such records (`holds: [results]`, `[rems]`).
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date

from fhirbridge.core.facts import Evidence
from fhirbridge.core.findings import Finding, Severity
from fhirbridge.core.ledger import Dose
from fhirbridge.core.therapy import Prerequisite

from .base import Rule
from .rows import BOTH, INFUSION_CENTER, PHARMACY, PRESCRIBER
from .scene import Scene

#: A missing result is said this close to the dose, a missing enrollment this close
#: (docs/domain.md 3.5, 25 and 26).
RESULT_DAYS, ENROLLMENT_DAYS = 14, 21


def _prerequisite(scene: Scene) -> Iterable[Finding]:
    """A result that must be there before this dose is not, or is too old."""
    if not scene.actionable or scene.day is None or (scene.lead or 0) > RESULT_DAYS:
        return
    if not _begins_course(scene, scene.day):
        return
    asked = [
        each
        for each in scene.occasion.therapy.prerequisites
        if not (each.first_only and _treated(scene))
    ]
    missing = [each for each in asked if not _valid(scene, each)]
    if missing:
        had = [fact.ref for name, fact in scene.occasion.results if name in _names(missing)]
        yield scene.finding(
            variant="old" if len({n for n, _ in _done(scene, missing)}) == len(missing) else "",
            classes=tuple(sorted(_names(missing))),
            evidence=had,
        )


def _names(asked: Iterable[Prerequisite]) -> set[str]:
    return {each.name for each in asked}


def _done(scene: Scene, asked: Iterable[Prerequisite]) -> list[tuple[str, Evidence]]:
    """The results of these classes that are final."""
    names = _names(asked)
    return [(name, fact) for name, fact in scene.occasion.results if name in names and fact.ok]


def _valid(scene: Scene, asked: Prerequisite) -> bool:
    """A result of this class in its window; one without a day counts where any age does."""
    since = _since(scene, asked)
    return any(
        since is None or (fact.day is not None and fact.day >= since)
        for _, fact in _done(scene, [asked])
    )


def _since(scene: Scene, asked: Prerequisite) -> date | None:
    """The first day that counts: of its window, else after the course before."""
    if asked.within_days is not None and scene.day is not None:
        return date.fromordinal(scene.day.toordinal() - asked.within_days)
    return max((d.day for d in _earlier(scene)), default=None)


def _earlier(scene: Scene) -> list[Dose]:
    """The doses given before this one."""
    return [dose for dose in scene.occasion.history if scene.day and dose.day < scene.day]


def _treated(scene: Scene) -> bool:
    return bool(_earlier(scene))


def _begins_course(scene: Scene, day: date) -> bool:
    """Whether no dose of the same course lies before this one, given or still to be given."""
    within = scene.occasion.therapy.course_days
    before = [dose.day for dose in scene.occasion.history]
    before += [o.day for o in scene.siblings if o.day and o.actionable and not o.given]
    return not any(0 < (day - other).days <= within for other in before)


def _enrollment(scene: Scene) -> Iterable[Finding]:
    """Nothing shows that all who must be enrolled in the safety program are."""
    rems, occasion = scene.occasion.therapy.rems, scene.occasion
    if rems is None or not scene.actionable:
        return
    if scene.lead is None or scene.lead > ENROLLMENT_DAYS:
        return
    latest = _latest(occasion.enrollments)
    standing = {who for who, fact in latest.items() if fact.ok and _lasts(fact, scene.day)}
    missing = [who for who in rems.enrolled if who not in standing]
    if "" in standing or not missing:
        return
    ended = [f.until for f in latest.values() if f.ok and not _lasts(f, scene.day) and f.until]
    yield scene.finding(
        variant="ended" if ended else "" if latest else "nothing",
        program=rems.program,
        enrolled=tuple(missing),
        until=max(ended, default=None),
        reason=latest[""].ref if "" in latest else None,
        evidence=[fact.ref for fact in latest.values()],
    )


def _latest(facts: Iterable[Evidence]) -> dict[str, Evidence]:
    """The latest word about each who must be enrolled, and ("") of the program as a whole."""
    return {fact.who: fact for fact in sorted(facts, key=_age)}


def _age(fact: Evidence) -> tuple[date, float, str]:
    updated = fact.updated.timestamp() if fact.updated else 0.0
    return fact.day or date.min, updated, fact.ref.name


def _lasts(fact: Evidence, day: date | None) -> bool:
    return fact.until is None or day is None or day <= fact.until


RULES = (
    Rule(
        code="prereq-not-met",
        title="Result missing before the dose",
        why="Two weeks before the first dose (or a course, where the drug's file says so), a "
        "result that the label asks for is not there, or is too old.",
        source="25 PREREQ_NOT_MET",
        needs=frozenset({"orders", "administrations", "results"}),
        severity=Severity.S3,
        owner=PRESCRIBER,
        audience=BOTH,
        action="order-result",
        deadline="premedication",
        check=_prerequisite,
    ),
    Rule(
        code="rems-not-ready",
        title="Safety program not ready",
        why="The drug is given only under a safety program (REMS), and nothing shows that "
        "prescriber, pharmacy, facility and patient are enrolled.",
        source="26 REMS_NOT_READY",
        needs=frozenset({"orders", "rems"}),
        severity=Severity.S2,
        owner=PRESCRIBER,
        audience=(PRESCRIBER, INFUSION_CENTER, PHARMACY),
        action="fulfill",
        deadline="authorization",
        check=_enrollment,
    ),
)
