"""What rules may know, and what comes of judging: the nouns around a rule.

A rule declares what it `needs` (orders, authorizations, schedule, dispenses, administrations,
coverage, results, rems): where a source of that kind was not read, is stale or was cut, absence
proves nothing, the rule *cannot tell*, and what it said before stays as it is. A rule that meets an
amount it cannot measure raises `CannotTell`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from fhirbridge.core.calendar import Calendar
from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.formulary import Formulary
from fhirbridge.core.plan import Said

if TYPE_CHECKING:
    from .scene import Check

COMPLETE = "complete"


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """What a rule may know besides the ledger.

    `sight`: for each (source, kind) complete · stale · cut · unread. `owners`: who acts for a
    role where no record says so. `supply`: therapy -> white-bag · brown-bag · home ·
    buy-and-bill. `treated`: False for a person who died or whose record is inactive. `said`: our
    Tasks about the person. `silent`: each source that has been silent for longer than it usually
    is, and since when: what it does not show proves nothing.
    """

    as_of: datetime
    calendar: Calendar
    person: str
    formulary: Formulary
    sight: Mapping[tuple[str, str], str]
    owners: Mapping[Role, Party] = field(default_factory=dict)
    supply: Mapping[str, str] = field(default_factory=dict)
    treated: bool = True
    said: Sequence[Said] = ()
    silent: Mapping[str, datetime] = field(default_factory=dict)

    def seen(self) -> frozenset[str]:
        """The kinds of records for which every source that is believed was read completely."""
        kinds = {kind for _, kind in self.sight}
        dim = {
            kind
            for (source, kind), state in self.sight.items()
            if state != COMPLETE or source in self.silent
        }
        return frozenset(kinds - dim)


class CannotTell(Exception):
    """The rule has no answer; the reason is for `--explain`. No findings open or close."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the catalog (docs/domain.md 3.2).

    `why` says in a sentence what it looks for, `source` where that is laid down. `columns` are
    the sides of the occasion whose figures its findings rest on. `beside`: the words of
    `figures.common_words` that its sentences show of other sides; a change of these is one, too.
    `known`: those by which they say how we know; an open Task is rewritten when these change, and
    nobody is told.
    """

    code: str
    title: str
    why: str
    source: str
    needs: frozenset[str]
    columns: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    severity: Severity
    owner: Role
    audience: tuple[Role, ...]
    action: str
    deadline: str  # authorization · supply · premedication · clarification
    check: Check
    past: bool = False  # looks at doses that were given, instead of those still to be given


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of one rule at one occasion: fires · quiet · cannot tell, and why."""

    rule: str
    occasion: str
    outcome: str
    why: str = ""


#: What became of a rule at an occasion, and why: quiet · fires · cannot tell.
Outcome = tuple[str, str]
QUIET: Outcome = ("quiet", "")
FIRES: Outcome = ("fires", "")


def cannot_tell(why: str) -> Outcome:
    return "cannot tell", why


@dataclass(frozen=True, slots=True)
class Judgement:
    """All findings of a person, and what could not be judged.

    `unsure`: (occasion, rule) that could not be told apart now. `blind`: the rules that could
    not look at all, for want of a source. `standing`: the occasions that still have to happen,
    each with the records that it rests on; `given`: those that were given lately, if we have said
    anything about them; `recorded`: of these, those of which a record says so, not only a visit
    that took place. `answers`: what was not quiet, by occasion and rule, with the reason;
    `looked`: the keys of the occasions still to be given, `rules` the codes of all rules.
    """

    findings: tuple[Finding, ...] = ()
    unsure: frozenset[tuple[str, str]] = frozenset()
    blind: frozenset[str] = frozenset()
    standing: Mapping[str, tuple[Ref, ...]] = field(default_factory=dict)
    given: Mapping[str, tuple[Ref, ...]] = field(default_factory=dict)
    recorded: Mapping[str, tuple[Ref, ...]] = field(default_factory=dict)
    answers: Mapping[str, Mapping[str, Outcome]] = field(default_factory=dict)
    looked: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()

    @property
    def verdicts(self) -> Iterable[Verdict]:
        """What became of every rule at every occasion, in the order of the rules."""
        for occasion in self.looked:
            here = self.answers[occasion]
            for rule in self.rules:
                yield Verdict(rule, occasion, *here.get(rule, QUIET))
        for occasion, here in self.answers.items():
            if occasion not in self.looked:
                yield from (Verdict(rule, occasion, *said) for rule, said in here.items())

    def cannot_tell(self, occasion: str, rule: str) -> bool:
        """Whether the absence of a finding proves nothing."""
        return rule in self.blind or (occasion, rule) in self.unsure
