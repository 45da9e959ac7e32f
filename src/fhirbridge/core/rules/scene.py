"""One occasion as the rules look at it, and how they speak.

A check gets a `Scene` and yields findings. Everything in a scene follows from the ledger and the
moment; what several rules ask for is worked out once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime, time, timedelta

from fhirbridge.core.authorizing import IN_FORCE, speaks_of
from fhirbridge.core.facts import Order, Party, Ref, Visit
from fhirbridge.core.findings import (
    Finding,
    Role,
    Severity,
    digest_of,
    key_of,
    with_background,
)
from fhirbridge.core.ledger import Column, Item, Ledger, Occasion

from .base import Context, Rule
from .figures import column_of, common_words, compared, figures_for, figures_of

#: A deadline lies at the end of the working day at the site.
CLOSE_OF_BUSINESS = time(17)
#: Nobody is asked to act in less than this (docs/domain.md 3.1).
AT_LEAST = timedelta(hours=4)
#: Deadlines that are counted back from the visit, in business days (docs/domain.md 3.1).
BEFORE = {"authorization": 5, "supply": 2, "premedication": 2}

#: The name of a side of an authorization, its column, and the answers about it.
Side = tuple[str, Column, tuple[Item, ...]]


class Scene:
    """An occasion that rule after rule looks at; `rule` is the one that looks now."""

    def __init__(self, occasion: Occasion, ledger: Ledger, context: Context, today: date) -> None:
        self.occasion, self.ledger, self.context = occasion, ledger, context
        self.today = today
        self.order: Order | None = occasion.order
        self.visit: Visit | None = occasion.visit
        self.day = occasion.day
        #: Local calendar days until the occasion.
        self.lead = (self.day - today).days if self.day else None
        self.actionable = occasion.actionable
        #: What is authorized apart: the drug and, of an infusion, its administration.
        self.sides: tuple[Side, ...] = (("drug", occasion.authorized_drug, occasion.drug_items),)
        if occasion.therapy.infusion:
            administration = occasion.authorized_admin, occasion.admin_items
            self.sides += (("administration", *administration),)
        #: The occasion's name in everything that is written.
        self.name = key_of(context.person, occasion.therapy.name, occasion.key)
        self.rule: Rule
        self._siblings: tuple[Occasion, ...] | None = None
        self._in_force: dict[str, list[Item]] = {}

    @property
    def business_days_left(self) -> int | None:
        if self.day is None:
            return None
        return self.context.calendar.business_days_between(self.today, self.day)

    @property
    def siblings(self) -> tuple[Occasion, ...]:
        """All occasions of this therapy, this one too, in order of time."""
        if self._siblings is None:
            name = self.occasion.therapy.name
            self._siblings = tuple(o for o in self.ledger.occasions if o.therapy.name == name)
        return self._siblings

    def in_force(self, side: str) -> list[Item]:
        """The answers that the column of a side rests on, as far as they hold on the day."""
        if side not in self._in_force:
            occasion = self.occasion
            column, items = {
                "drug": (occasion.authorized_drug, occasion.drug_items),
                "administration": (occasion.authorized_admin, occasion.admin_items),
            }[side]
            self._in_force[side] = [
                item
                for item in items
                if item.fact.ref in column.refs
                and item.fact.decision in IN_FORCE
                and speaks_of(item.fact, self.day)
            ]
        return self._in_force[side]

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
        choices: Mapping[str, str] | None = None,
        **say: object,
    ) -> Finding:
        """A finding of this rule about this occasion; what is not given follows the rule.

        `part` tells several findings of one rule and occasion apart (it goes into the key).
        What it names (`focus`, `reason`) is among its `evidence`.
        `choices` make it a question: what was asked is not asked again for another day.
        """
        occasion, rule = self.occasion, self.rule
        figures = figures_of(occasion)
        shown = {name: figures_for(figures, name) for name in rule.columns}
        owner = owner or rule.owner
        # Whoever is asked is told, also where it is not the one whom the rule asks mostly.
        audience = rule.audience if owner in rule.audience else (owner, *rule.audience)
        parties = {role: self.party(role) for role in audience}
        due = self.due(rule.deadline)
        said = sorted((name, str(value)) for name, value in say.items())
        words = common_words(occasion, rule.columns)
        beside = [(name, str(words[name])) for name in rule.beside]
        known = [str(words[name]) for name in rule.known if words[name] is not None]
        return Finding(
            rule=rule.code,
            severity=severity or rule.severity,
            owner=owner,
            audience=audience,
            therapy=occasion.therapy.name,
            occasion=self.name,
            day=occasion.day,
            due=due,
            action=rule.action,
            variant=variant,
            say={**words, **say, "due": due},
            figures=figures,
            compared=compared(figures, rule.columns),
            evidence=self._evidence((*evidence, focus, reason)),
            focus=focus or (occasion.order.ref if occasion.order else None),
            based_on=occasion.order.ref if occasion.order else None,
            reason=reason,
            patient=_patient(occasion),
            parties={role: party for role, party in parties.items() if party},
            key=self.key(part),
            digest=with_background(
                digest_of(
                    [
                        rule.code,
                        variant,
                        part,
                        occasion.day,
                        shown,
                        said,
                        *beside,
                    ]
                ),
                known,
            ),
            lead=self._until_visit,
            choices=choices or {},
            asked=digest_of([rule.code, variant, part, shown, *said]) if choices else "",
        )

    def key(self, part: str = "") -> str:
        """The key of a trouble: person, therapy, occasion, rule (and part)."""
        parts = (self.context.person, self.occasion.therapy.name, self.occasion.key)
        return key_of(*parts, self.rule.code, *([part] if part else []))

    def _evidence(self, more: Sequence[Ref | None]) -> tuple[Ref, ...]:
        """What a finding rests on: the records of its columns, and what it names."""
        occasion = self.occasion
        refs = [ref for name in self.rule.columns for ref in column_of(occasion, name).refs]
        if occasion.order is not None:
            refs.insert(0, occasion.order.ref)
        if occasion.visit is not None:
            refs.append(occasion.visit.ref)
        return tuple(dict.fromkeys((*refs, *filter(None, more))))

    @property
    def _until_visit(self) -> timedelta | None:
        start = self.starts
        return start - self.context.as_of if start else None

    @property
    def starts(self) -> datetime | None:
        """When the visit starts, else when its day begins."""
        if self.visit is not None and self.visit.start is not None:
            return self.visit.start
        return self.context.calendar.begins(self.day) if self.day else None

    def due(self, deadline: str) -> datetime:
        """By when it matters (docs/domain.md 3.1): counted back from the visit in business days.

        At least four hours from now, but never after the visit starts.
        """
        calendar, now = self.context.calendar, self.context.as_of
        before = BEFORE.get(deadline)
        if before is None or self.day is None:
            last = calendar.business_days_after(self.today, 1)
        else:
            last = calendar.business_days_before(self.day, before)
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
        occasion, order, visit = self.occasion, self.order, self.visit
        if role is Role.PRESCRIBER and order:
            yield order.requester
        if role is Role.PHARMACY:
            yield order.dispenser if order else None
            yield from (supply.pharmacy for supply in occasion.supplies)
        if role is Role.INFUSION_CENTER:
            yield visit.performer if visit else None
            yield order.performer if order else None
            yield visit.site.party if visit else None  # a place: it cannot own a Task (R4)
        if role is Role.PAYER:
            yield from (item.fact.insurer for item in occasion.drug_items + occasion.admin_items)
            yield from (coverage.payor for coverage in self.ledger.coverages)


#: What a rule does: look at a scene and yield what is wrong.
Check = Callable[[Scene], Iterable[Finding]]


def _patient(occasion: Occasion) -> Ref | None:
    facts = (occasion.order, occasion.visit)
    return next((fact.patient for fact in facts if fact and fact.patient), None)
