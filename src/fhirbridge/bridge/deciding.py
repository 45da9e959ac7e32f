"""From what was gathered to what shall be written: pure, and the same for files and servers.

    Decider.case(gathered, as_of) -> Case           facts, ledger, findings
    Decider.decide(gathered, as_of) -> Decision     and what to write about them

The bridge decides over servers; `audit`, which writes nothing, looks at cases over files.
"""

from __future__ import annotations

from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from functools import cached_property, partial

from fhirbridge.core.answering import (
    Accepted,
    accepted,
    contradicted,
    honored,
    once,
    settled,
    unanswered,
)
from fhirbridge.core.booking import book
from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Finding, Role
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.holding import Held, Opened, Patience, Wait, hold
from fhirbridge.core.ledger import Ledger
from fhirbridge.core.plan import Plan, Said, decide
from fhirbridge.core.reminding import Reminders, Schedule, afterwards, moments
from fhirbridge.core.roots import ROOT_RULE
from fhirbridge.core.rules import (
    ALL_RULES,
    LOOKING_BACK,
    Context,
    Judgement,
    judge,
    next_look,
)
from fhirbridge.fhir.replies import reply
from fhirbridge.fhir.said import said
from fhirbridge.store.records import Written

from . import memory
from .gathering import Gathered


@dataclass(frozen=True)
class Decision:
    """Why and what: everything between the records of a person and the transaction."""

    person: Ref
    home: str | None  # the source that holds the worklist
    owners: Mapping[Role, Party]  # as configured
    zone: tzinfo  # of the sites
    as_of: datetime
    gathered: Gathered
    ledger: Ledger
    judgement: Judgement
    answers: Accepted  # of people, to our questions, that were honored
    said: tuple[Said, ...]
    found: tuple[Written, ...]  # Tasks of ours of which the memory did not know
    plan: Plan
    allowed: Plan  # the part of the plan whose rules may write
    held: Held  # what is not written yet
    next_look: datetime | None
    shadowed: frozenset[str]  # the rules whose findings are shown and not written

    @property
    def watched(self) -> bool:
        """Is there a therapy that we know, or a Task of ours that may have to be closed?"""
        return bool(self.ledger.therapies) or any(each.alive for each in self.said)


@dataclass(frozen=True)
class Case:
    """What is wrong with one person."""

    person: Ref
    ledger: Ledger
    judgement: Judgement
    answers: Accepted  # of people, to our questions, that were honored
    said: tuple[Said, ...]


#: No source is silent.
NOBODY: Mapping[str, datetime] = {}
#: Nothing waits.
PATIENCE = Patience()


@dataclass(frozen=True)
class Recent:
    """What the store knows of the last looks: changes that wait, Tasks opened today by owner."""

    waits: tuple[Wait, ...] = ()
    opened: Opened = lambda _owner: 0


@dataclass(frozen=True)
class Decider:
    """What the site knows beside the records. `home` is the source that holds the worklist.

    `mode`: off · shadow · on; `rule_modes` for rules that have one of their own.
    """

    formulary: Formulary
    calendar: Calendar
    home: str | None = None
    instance: str | None = None  # None takes the Tasks of any installation for ours
    owners: Mapping[Role, Party] = field(default_factory=dict)
    supply: Mapping[str, str] = field(default_factory=dict)
    mode: str = "shadow"
    rule_modes: Mapping[str, str] = field(default_factory=dict)
    patience: Patience = PATIENCE
    reminders: tuple[int, ...] = ()  # business days before a Task is due
    patients: frozenset[str] = frozenset()  # the rules of which patients are told too

    @cached_property
    def shadowed(self) -> frozenset[str]:
        """The rules whose findings are shown and not written."""
        return frozenset(
            rule.code for rule in ALL_RULES if self.rule_modes.get(rule.code, self.mode) == "shadow"
        )

    @property
    def schedule(self) -> Schedule:
        """When the owner of a Task is reminded."""
        return Schedule(self.calendar, self.reminders)

    def case(
        self, gathered: Gathered, as_of: datetime, silent: Mapping[str, datetime] = NOBODY
    ) -> Case:
        """What is wrong with one person.

        `silent`: the sources that have been silent for longer than usual, and since when.
        """
        person = self.person(gathered)
        ledger = book(gathered.facts, self.formulary, self.calendar)
        told = tuple(
            each
            for task in gathered.ours
            if (each := said(task, self.home or person.source, self.instance)) is not None
        )
        context = Context(
            calendar=self.calendar,
            as_of=as_of,
            person=person.name,
            sight=gathered.sight,
            owners=self.owners,
            supply=self.supply,
            treated=gathered.treated,
            formulary=self.formulary,
            said=told,
            silent=silent,
        )
        judgement = judge(ledger, context)
        given = self._answers(gathered, person, judgement)
        refused = contradicted(gathered.facts, given)
        answers = [each for each in given if each[1].key not in refused]
        told = tuple(unanswered(each) if each.key in refused else each for each in told)
        if answers:
            # The questions are asked of the records as they stand; what they answer for is read
            # anew, and what is wrong with it is found like everything else.
            facts = honored(gathered.facts, answers)
            ledger = book(facts, self.formulary, self.calendar)
            judgement = judge(ledger, context)
            judgement = replace(judgement, findings=settled(judgement.findings, answers))
        judgement = replace(judgement, findings=self._heard(once(judgement.findings), person))
        return Case(person, ledger, judgement, answers, told)

    def decide(
        self,
        gathered: Gathered,
        as_of: datetime,
        recall: memory.Recall = memory.nothing,
        recent: Recent | None = None,
        silent: Mapping[str, datetime] = NOBODY,
    ) -> Decision:
        """What is wrong with one person, and what to write about it.

        `recall`: the memory of what we wrote, for what the worklist does not show any more.
        `recent`: what waits (`core.holding`); without it, nothing waits.
        """
        case = self.case(gathered, as_of, silent)
        ledger, judgement = case.ledger, case.judgement
        told, found = memory.complete(case.said, judgement.findings, recall)
        plan = partial(self._plan, judgement, told, as_of)
        wanted = plan("on", "shadow")
        held = self._hold(wanted, recent, as_of)
        shown = plan("on", "shadow", held=held.keys) if held.keys else wanted
        in_shadow = "shadow" in (self.mode, *self.rule_modes.values())
        allowed = plan("on", held=held.keys) if in_shadow else shown
        return Decision(
            person=case.person,
            home=self.home,
            owners=self.owners,
            zone=self.calendar.zone,
            as_of=as_of,
            gathered=gathered,
            ledger=ledger,
            judgement=judgement,
            answers=case.answers,
            said=told,
            found=found,
            plan=replace(shown, over=held.over),
            allowed=replace(allowed, over=held.over if self.mode == "on" else ()),
            held=held,
            next_look=self._next_look(ledger, told, allowed, held, as_of),
            shadowed=self.shadowed,
        )

    def _next_look(
        self, ledger: Ledger, told: Sequence[Said], plan: Plan, held: Held, as_of: datetime
    ) -> datetime | None:
        """When time alone could change what is found or said, also of what is written now."""
        after = afterwards(told, plan, as_of)
        looks = [next_look(ledger, as_of, after), held.until]
        looks += [at for at in moments(after, self.schedule) if at > as_of]
        if held.late:
            looks.append(self.calendar.begins(self.calendar.day(as_of) + timedelta(days=1)))
        return min((at for at in looks if at is not None), default=None)

    def _heard(self, findings: Sequence[Finding], person: Ref) -> tuple[Finding, ...]:
        """The findings, with the patient in the audience of those that patients are told of."""
        if not self.patients or person.source != self.home:
            return tuple(findings)
        party = {Role.PATIENT: Party(person.source, f"Patient/{person.id}")}
        return tuple(
            replace(
                each,
                audience=(*each.audience, Role.PATIENT),
                parties={**each.parties, **party},
            )
            if each.rule in self.patients
            else each
            for each in findings
        )

    def _answers(self, gathered: Gathered, person: Ref, judgement: Judgement) -> Accepted:
        """What people answered in our Tasks, of the facts as they stand."""
        home = self.home or person.source
        given = [reply(task, home, self.instance) for task in gathered.ours]
        return accepted([each for each in given if each], judgement.findings)

    def _hold(self, plan: Plan, recent: Recent | None, as_of: datetime) -> Held:
        if recent is None:
            return Held()
        return hold(plan, self.patience, recent.waits, recent.opened, as_of)

    def _plan(
        self,
        judgement: Judgement,
        told: Sequence[Said],
        as_of: datetime,
        *modes: str,
        held: Container[str] = (),
    ) -> Plan:
        """The plan as if only the rules of these write modes had been judged."""
        rules = {each.rule for each in judgement.findings} | {each.rule for each in told}
        rules -= {ROOT_RULE}
        silent = {rule for rule in rules if self.rule_modes.get(rule, self.mode) not in modes}
        if silent and silent == rules:
            return Plan()
        findings = [each for each in judgement.findings if each.rule not in silent]
        return decide(
            findings,
            told,
            cannot_tell=lambda occasion, rule: (
                rule in silent or judgement.cannot_tell(occasion, rule)
            ),
            standing=judgement.standing,
            given=lambda occasion, rule: (
                judgement.given.get(occasion) if rule in LOOKING_BACK else None
            ),
            recorded=judgement.recorded,
            held=held,
            reminders=Reminders(self.schedule, tuple(told), as_of),
        )

    def person(self, gathered: Gathered) -> Ref:
        """The record that names the person in keys: the worklist server's own, else the first.

        It depends on the servers alone, so a bridge that lost its store makes the same keys.
        """
        at_home = [ref for ref in gathered.records if ref.source == self.home]
        return replace(min(at_home or gathered.records), version=None)
