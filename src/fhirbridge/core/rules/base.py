"""What a rule is, what it may look at, and how it speaks.

A rule looks at one open occasion (`Scene`) and yields findings. It declares what it `needs`
(orders, authorizations, schedule, dispenses, administrations, coverage): where a source of that
kind was not read, is stale or was cut, absence proves nothing, the rule *cannot tell*, and what
it said before stays as it is. A rule that meets an amount it cannot measure raises `CannotTell`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta

from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import Order, Party, Ref, Visit
from fhirbridge.core.findings import Finding, Role, Severity, digest_of, key_of
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.ledger import Ledger, Occasion, lead

from .figures import column_of, common_words, figures_for, figures_of

COMPLETE = "complete"

#: A deadline lies at the end of the working day at the site.
CLOSE_OF_BUSINESS = time(17)
#: Nobody is asked to act in less than this (domain §3.1, due).
AT_LEAST = timedelta(hours=4)


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a rule may know besides the ledger.

    `sight`: for each (source, kind) complete · stale · cut · unread. `owners`: who acts for a
    role where no record says so. `supply`: therapy -> white-bag · brown-bag · home ·
    buy-and-bill. `treated`: False for a person who died or whose record is inactive.
    """

    as_of: datetime
    calendar: Calendar
    person: str
    formulary: Formulary
    sight: Mapping[tuple[str, str], str]
    owners: Mapping[Role, Party] = field(default_factory=dict)
    supply: Mapping[str, str] = field(default_factory=dict)
    treated: bool = True

    def sees(self, kind: str) -> bool:
        """Whether every source that is believed for a kind was read completely."""
        states = [state for (_, held), state in self.sight.items() if held == kind]
        return bool(states) and all(state == COMPLETE for state in states)


class CannotTell(Exception):
    """The rule has no answer; the reason is for `--explain`. No findings open or close."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule of the catalog. `columns` are the sides whose figures its findings rest on."""

    code: str
    title: str
    needs: frozenset[str]
    columns: tuple[str, ...]
    severity: Severity
    owner: Role
    audience: tuple[Role, ...]
    action: str
    deadline: str  # authorization · supply · premedication · clarification
    check: Check


@dataclass(frozen=True, slots=True)
class Scene:
    """One rule looking at one occasion."""

    rule: Rule
    occasion: Occasion
    ledger: Ledger
    context: Context

    @property
    def today(self) -> date:
        return self.context.calendar.day(self.context.as_of)

    @property
    def lead(self) -> int | None:
        """Local calendar days until the occasion."""
        return lead(self.occasion, self.context.as_of, self.context.calendar)

    @property
    def business_days_left(self) -> int | None:
        day = self.occasion.day
        return self.context.calendar.business_days_between(self.today, day) if day else None

    @property
    def order(self) -> Order | None:
        return self.occasion.order

    @property
    def visit(self) -> Visit | None:
        return self.occasion.visit

    def finding(
        self,
        *,
        focus: Ref | None = None,
        reason: Ref | None = None,
        variant: str = "",
        severity: Severity | None = None,
        owner: Role | None = None,
        part: str = "",
        evidence: Sequence[Ref] = (),
        folded_into: str | None = None,
        **say: object,
    ) -> Finding:
        """A finding of this rule about this occasion; what is not given follows the rule.

        `part` tells several findings of one rule and occasion apart (it goes into the key).
        """
        occasion, rule = self.occasion, self.rule
        figures = figures_of(occasion)
        shown = {name: figures_for(figures, name) for name in rule.columns}
        owner = owner or rule.owner
        due = self.due(rule.deadline)
        columns = [column_of(occasion, name) for name in rule.columns]
        refs = [ref for column in columns for ref in column.refs]
        if occasion.order is not None:
            refs.insert(0, occasion.order.ref)
        if occasion.visit is not None:
            refs.append(occasion.visit.ref)
        told = {**common_words(occasion), **say, "due": due}
        return Finding(
            rule=rule.code,
            severity=severity or rule.severity,
            owner=owner,
            audience=rule.audience,
            therapy=occasion.therapy.name,
            occasion=self.name,
            day=occasion.day,
            due=due,
            action=rule.action,
            variant=variant,
            say=told,
            figures=figures,
            evidence=tuple(dict.fromkeys((*refs, *evidence))),
            focus=focus or (occasion.order.ref if occasion.order else None),
            based_on=occasion.order.ref if occasion.order else None,
            reason=reason,
            patient=_patient(occasion),
            party=self.party(owner),
            key=self.key(part),
            digest=digest_of(
                [
                    rule.code,
                    variant,
                    part,
                    occasion.day,
                    shown,
                    sorted((name, str(value)) for name, value in say.items()),
                ]
            ),
            lead=self.until_visit,
            folded_into=folded_into,
        )

    @property
    def name(self) -> str:
        """The occasion's name in everything that is written."""
        return key_of(self.context.person, self.occasion.therapy.name, self.occasion.key)

    def key(self, part: str = "") -> str:
        """The key of a trouble: person, therapy, occasion, rule (and part)."""
        parts = (self.context.person, self.occasion.therapy.name, self.occasion.key)
        return key_of(*parts, self.rule.code, *([part] if part else []))

    @property
    def until_visit(self) -> timedelta | None:
        start = self.starts
        return start - self.context.as_of if start else None

    @property
    def starts(self) -> datetime | None:
        """When the visit starts, else when its day begins."""
        if self.visit is not None and self.visit.start is not None:
            return self.visit.start
        day = self.occasion.day
        return self.context.calendar.begins(day) if day else None

    def due(self, deadline: str) -> datetime:
        """By when it matters (domain §3.1): counted back from the visit in business days.

        At least four hours from now, but never after the visit starts.
        """
        calendar, now = self.context.calendar, self.context.as_of
        before = {"authorization": 5, "supply": 2, "premedication": 2}.get(deadline)
        day = self.occasion.day
        if before is None or day is None:
            last = calendar.business_days_after(self.today, 1)
        else:
            last = calendar.business_days_before(day, before)
        due = datetime.combine(last, CLOSE_OF_BUSINESS, calendar.zone)
        due = max(due, now + AT_LEAST)
        start = self.starts
        return min(due, start) if start and start > now else due

    def party(self, role: Role) -> Party | None:
        """Who acts for a role: as the records say, else as the configuration says."""
        return next(
            (party for party in self._recorded(role) if party), self.context.owners.get(role)
        )

    def _recorded(self, role: Role) -> Iterator[Party | None]:
        occasion, order, visit = self.occasion, self.occasion.order, self.occasion.visit
        if role is Role.PRESCRIBER and order:
            yield order.requester
        if role is Role.PHARMACY:
            yield order.dispenser if order else None
            yield from (supply.pharmacy for supply in occasion.supplies)
        if role is Role.INFUSION_CENTER:
            yield visit.performer if visit else None
            yield visit.site.party if visit else None
            yield order.performer if order else None
        if role is Role.PAYER:
            yield from (item.fact.insurer for item in occasion.drug_items + occasion.admin_items)
            yield from (coverage.payor for coverage in self.ledger.coverages)


#: What a rule does: look at a scene and yield what is wrong.
Check = Callable[[Scene], Iterable[Finding]]


def _patient(occasion: Occasion) -> Ref | None:
    facts = (occasion.order, occasion.visit)
    return next((fact.patient for fact in facts if fact and fact.patient), None)


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one rule at one occasion: fires · quiet · cannot tell, and why."""

    rule: str
    occasion: str
    outcome: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings of a person, and what could not be judged.

    `unsure`: (occasion, rule) that could not be told apart now. `blind`: the rules that could
    not look at all, for want of a source. `standing`: the occasions that still have to happen,
    each with the records that it rests on.
    """

    findings: tuple[Finding, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    unsure: frozenset[tuple[str, str]] = frozenset()
    blind: frozenset[str] = frozenset()
    standing: Mapping[str, tuple[Ref, ...]] = field(default_factory=dict)

    def cannot_tell(self, occasion: str, rule: str) -> bool:
        """Whether the absence of a finding proves nothing."""
        return rule in self.blind or (occasion, rule) in self.unsure
