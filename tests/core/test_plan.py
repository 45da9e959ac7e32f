"""The write policy: every cell of NEXT, and that a plan carried out leaves nothing to do."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding, Role, Severity, figures_of, with_background
from fhirbridge.core.plan import (
    NEXT,
    CannotTell,
    Do,
    Intent,
    Over,
    Plan,
    Said,
    Told,
    Trouble,
    Why,
    decide,
)
from fhirbridge.core.roots import GONE, ROOT_RULE, Part, root_key, roots

T0 = datetime(2026, 12, 1, 9, tzinfo=UTC)
HOUR = timedelta(hours=1)
KEY = "k-short"


def blind_to(rules: Container[str]) -> CannotTell:
    """Nothing can be told of these rules at the first occasion."""
    return lambda occasion, rule: occasion == "o-1" and rule in rules


def finding(digest: str = "d0", key: str = KEY, **more: Any) -> Finding:
    base = Finding(
        rule="dispense-short",
        severity=Severity.S2,
        owner=Role.PHARMACY,
        audience=(Role.PHARMACY,),
        therapy="ocrelizumab",
        occasion="o-1",
        day=date(2026, 12, 8),
        due=T0 + timedelta(days=3),
        action="fulfill",
        key=key,
        digest=digest,
        say={"drug": "Ocrelizumab"},
    )
    return replace(base, **more)


def said(told: Told, digest: str = "d0", key: str = KEY, **more: Any) -> Said:
    base = Said(
        key=key,
        episode=1,
        ref=Ref("ehr", "Task", "1", "1"),
        told=told,
        digest=digest,
        rule="dispense-short",
        occasion="o-1",
        written=T0,
    )
    return replace(base, **more)


def subs(plan: Plan) -> list[Do]:
    return [each.do for each in plan.intents if each.key == KEY]


@pytest.mark.parametrize(
    ("trouble", "told"), [cell for cell in NEXT if cell != (Trouble.CHANGED, Told.NONE)]
)
def test_each_cell_of_the_table(trouble: Trouble, told: Told) -> None:
    before = [] if told is Told.NONE else [said(told)]
    now = {
        Trouble.GONE: [],
        Trouble.SAME: [finding()],
        Trouble.CHANGED: [finding("d1")],
        Trouble.CANNOT_TELL: [],
    }[trouble]
    unsure = {"dispense-short"} if trouble is Trouble.CANNOT_TELL else set()
    do = NEXT[trouble, told]
    assert subs(decide(now, before, cannot_tell=blind_to(unsure))) == (
        [] if do is Do.NOTHING else [do]
    )


def test_the_table_is_the_one_of_the_design() -> None:
    rows = {
        Trouble.GONE: "- close annotate - - - -",
        Trouble.SAME: "open - - open - escalate -",
        Trouble.CHANGED: "open revise annotate open open escalate open",
        Trouble.CANNOT_TELL: "- - - - - - -",
    }
    for trouble, row in rows.items():
        assert [NEXT[trouble, told] for told in Told] == row.split()


def test_a_plan_is_empty_where_nothing_is_written_and_nobody_told() -> None:
    assert not Plan()
    assert decide([finding()], [])
    assert Plan(over=(Over(Role.PHARMACY, "pharmacy", 3),))


def test_a_trouble_that_comes_back_is_a_new_episode() -> None:
    (intent,) = (i for i in decide([finding()], [said(Told.CLOSED_BY_US)]).intents if i.key == KEY)
    assert (intent.do, intent.episode) == (Do.OPEN, 2)


@pytest.mark.parametrize("told", [Told.STARTED, Told.REFUSED])
def test_a_person_is_told_once_for_each_digest(told: Told) -> None:
    assert subs(decide([finding("d1")], [said(told, noted="d1")])) == []
    assert len(subs(decide([finding("d2")], [said(told, noted="d1")]))) == 1


def test_solved_while_a_person_works_is_noted_once_and_so_is_its_return() -> None:
    assert subs(decide([], [said(Told.STARTED, noted=GONE)])) == []
    assert subs(decide([finding("d0")], [said(Told.STARTED, noted=GONE)])) == [Do.ANNOTATE]


def test_of_two_with_one_identifier_the_oldest_is_ours() -> None:
    copy = said(Told.OPEN, ref=Ref("ehr", "Task", "10"), digest="d0")
    ours = said(Told.OPEN, ref=Ref("ehr", "Task", "9"), digest="d0")
    plan = decide([finding("d1")], [copy, ours])
    assert [i.said.ref.id for i in plan.intents if i.key == KEY and i.said] == ["9"]


@pytest.mark.parametrize(
    ("of_copy", "of_ours"),
    [
        ({"itself": False}, {"itself": True, "updated": T0 + timedelta(hours=1)}),
        ({"itself": None}, {"itself": True, "updated": T0 + timedelta(hours=1)}),
        ({"itself": False}, {"itself": None, "updated": T0 + timedelta(hours=1)}),
        ({"updated": T0 + timedelta(hours=1)}, {"updated": T0}),
    ],
)
def test_a_copy_is_not_ours_whatever_its_id(of_copy: Any, of_ours: Any) -> None:
    copy = said(Told.OPEN, ref=Ref("ehr", "Task", "1"), digest="d0", **of_copy)
    ours = said(Told.OPEN, ref=Ref("ehr", "Task", "9"), digest="d0", **of_ours)
    for order in ([copy, ours], [ours, copy]):
        plan = decide([finding("d1")], order)
        assert [i.said.ref.id for i in plan.intents if i.key == KEY and i.said] == ["9"]


def twice() -> list[Said]:
    """The same Task, written again a minute later."""
    first = said(Told.OPEN, untouched=True)
    ref, written = Ref("ehr", "Task", "10"), T0 + timedelta(minutes=1)
    return [replace(first, ref=ref, written=written), first]


def test_what_we_wrote_twice_is_closed_once() -> None:
    plan = decide([finding()], twice())
    (close,) = [each for each in plan.intents if each.key == KEY]
    assert (close.do, close.why, close.episode) == (Do.CLOSE, Why.DOUBLE, 1)
    assert close.said is not None
    assert close.said.ref.id == "10"


@pytest.mark.parametrize(
    "more",
    [
        {"written": T0},  # a copy, by a person
        {"untouched": False},
        {"told": Told.STARTED},
        {"told": Told.DELETED},
        {"episode": 2},
    ],
)
def test_what_may_be_a_persons_is_no_double(more: dict[str, Any]) -> None:
    again, first = twice()
    plan = decide([finding()], [replace(again, **more), first])
    assert Why.DOUBLE not in {each.why for each in plan.intents}


def test_of_a_rule_that_may_not_write_nothing_is_taken_back() -> None:
    assert not subs(decide([], twice(), cannot_tell=blind_to({"dispense-short"})))


def test_figures_that_changed_are_said_in_the_one_that_stays() -> None:
    plan = decide([finding("d1")], twice())
    mine = {(each.do, each.said.ref.id) for each in plan.intents if each.key == KEY and each.said}
    assert mine == {(Do.CLOSE, "10"), (Do.REVISE, "1")}


def test_a_folded_finding_opens_no_task_and_closes_the_one_that_stands() -> None:
    folded = finding(folded_into="auth-missing-drug")
    assert not decide([folded], [])
    (close,) = decide([folded], [said(Told.OPEN)]).intents
    assert (close.do, close.why) == (Do.CLOSE, Why.FOLDED)


@pytest.mark.parametrize("told", [Told.NONE, Told.OPEN, Told.STARTED, Told.REFUSED])
def test_only_what_is_closed_says_why(told: Told) -> None:
    before = [] if told is Told.NONE else [said(told)]
    assert {each.why for each in decide([finding("d1")], before).intents} == {""}


def test_why_a_task_is_closed() -> None:
    record = Ref("ehr", "MedicationRequest", "o-1", "2")
    (solved,) = decide([], [said(Told.OPEN)], standing={"o-1": (record,)}).intents
    assert (solved.why, solved.evidence) == (Why.SOLVED, (record,))
    (withdrawn,) = decide([], [said(Told.OPEN)], standing={}).intents
    assert (withdrawn.why, withdrawn.evidence) == (Why.WITHDRAWN, ())


class TestRoot:
    ROOT = root_key("o-1")

    def root(self, told: Told, digest: str) -> Said:
        return said(told, digest, key=self.ROOT, rule=ROOT_RULE, root=True)

    @pytest.mark.parametrize(("digest", "why"), [("d0", [Why.RETRACTED]), ("d1", [])])
    def test_of_what_was_taken_back_no_root_speaks(self, digest: str, why: list[str]) -> None:
        """Until its figures change: then it is a trouble again, and the root stays."""
        back = said(Told.CLOSED_BY_US, retracted=True)
        root = replace(self.root(Told.OPEN, "whatever"), ref=Ref("ehr", "Task", "2", "1"))
        plan = decide([finding(digest)], [back, root])
        closed = [each.why for each in plan.intents if each.key == self.ROOT and not each.finding]
        assert closed == why

    def test_opens_with_the_first_trouble_and_stands_first(self) -> None:
        first, second = decide([finding()], []).intents
        assert (first.do, first.key) == (Do.OPEN, self.ROOT)
        assert (second.do, second.key, second.parent) == (Do.OPEN, KEY, None)
        assert (first.episode, second.episode) == (1, 1)

    def test_changes_with_its_parts_and_closes_with_the_last(self) -> None:
        other = finding("p0", "k-premed", rule="premed-order-missing", severity=Severity.S1)
        world = carry_out(decide([finding(), other], []), [])
        intents = decide([finding()], world).intents
        assert {i.key: i.do for i in intents} == {self.ROOT: Do.REVISE, "k-premed": Do.CLOSE}
        last = decide([], world).intents
        assert {i.do for i in last} == {Do.CLOSE}
        assert len(last) == 3

    @pytest.mark.parametrize(
        ("told", "state"),
        [
            (Told.STARTED, "started"),
            (Told.REFUSED, "refused"),
            (Told.COMPLETED, "completed"),
            (Told.DELETED, ""),
        ],
    )
    def test_says_what_became_of_its_parts(self, told: Told, state: str) -> None:
        world = carry_out(decide([finding()], []), [])
        mine = [each if each.root else replace(each, told=told) for each in world]
        plan = decide([finding()], mine)
        roots_ = [each for each in plan.intents if each.key == self.ROOT]
        assert [each.do for each in roots_] == ([Do.REVISE] if state else [])
        for each in roots_:
            assert each.finding is not None
            assert each.finding.say["parts"] == (Part(finding(), state),)
        assert not decide([finding()], carry_out(plan, mine))

    @pytest.mark.parametrize("told", [Told.STARTED, Told.COMPLETED, Told.DELETED])
    def test_what_others_do_is_no_news_for_who_works_on_the_whole(self, told: Told) -> None:
        world = carry_out(decide([finding()], []), [])
        mine = [replace(each, told=told if each.root else Told.STARTED) for each in world]
        assert not decide([finding()], mine)
        assert self.ROOT in {each.key for each in decide([finding("d1")], mine).intents}

    def test_a_part_that_somebody_works_on_may_be_hidden_for_a_while(self) -> None:
        other = finding("p0", "k-premed", rule="premed-order-missing")
        world = carry_out(decide([finding(), other], []), [])
        world = [replace(each, told=Told.STARTED) if each.key == KEY else each for each in world]
        world = carry_out(decide([finding(), other], world), world)
        deaf = blind_to({"dispense-short"})
        assert not decide([other], world, cannot_tell=deaf)
        assert not decide([finding(), other], world)

    def test_a_new_task_instead_of_the_completed_one_is_nobodys_yet(self) -> None:
        world = carry_out(decide([finding()], []), [])
        mine = [each if each.root else replace(each, told=Told.COMPLETED) for each in world]
        plan = decide([finding("d1")], mine)
        (root,) = [each.finding for each in plan.intents if each.key == self.ROOT]
        assert root is not None
        assert root.say["parts"] == (Part(finding("d1")),)
        assert not decide([finding("d1")], carry_out(plan, mine))

    def test_is_as_bad_and_as_urgent_as_the_worst(self) -> None:
        other = finding(
            "p0",
            "k-premed",
            rule="premed-order-missing",
            severity=Severity.S1,
            due=T0,
            lead=timedelta(hours=5),
        )
        root = decide([finding(lead=timedelta(days=7)), other], []).intents[0].finding
        assert root is not None
        assert (root.severity, root.due, root.lead) == (Severity.S1, T0, timedelta(hours=5))
        parts: Any = root.say["parts"]
        assert [part.finding.key for part in parts] == ["k-premed", KEY]

    def test_stays_while_a_part_cannot_be_judged(self) -> None:
        other = finding("p0", "k-premed", rule="premed-order-missing")
        world = carry_out(decide([finding(), other], []), [])
        assert not decide([other], world, cannot_tell=blind_to({"dispense-short"}))

    def test_says_what_is_new_and_keeps_what_cannot_be_judged(self) -> None:
        """The payer is deaf, and something new is found: the root says both."""
        world = carry_out(decide([finding()], []), [])
        world = [each if each.root else replace(each, priority="urgent", due=T0) for each in world]
        late = finding(
            "p0", "k-premed", rule="premed-order-missing", severity=Severity.S3, due=T0 + HOUR
        )
        deaf = blind_to({"dispense-short"})
        plan = decide([late], world, cannot_tell=deaf)
        intents = {intent.key: intent for intent in plan.intents}
        root = intents[root_key("o-1")]
        assert (root.do, intents["k-premed"].do, len(intents)) == (Do.REVISE, Do.OPEN, 2)
        assert root.finding is not None
        assert root.finding.say["hidden"] == ("dispense-short",)
        assert root.finding.say["troubles"] == 2
        # As urgent as the hidden part was, at least.
        assert (root.finding.severity, root.finding.due) == (Severity.S2, T0)
        # The payer is back, and nothing has changed there: nothing is written.
        world = carry_out(plan, world)
        assert not decide([finding(), late], world)
        assert not decide([late], world, cannot_tell=deaf)

    def test_it_is_made_of_its_worst_part(self) -> None:
        order, visit = Ref("ehr", "MedicationRequest", "o"), Ref("ehr", "Appointment", "v")
        patient = Ref("ehr", "Patient", "p")
        worst = finding(
            severity=Severity.S1,
            say={"drug": "Ocrelizumab"},
            figures={"ordered": "600 mg"},
            evidence=(order, visit),
            based_on=order,
            focus=visit,
            patient=patient,
            day=date(2026, 12, 8),
            due=T0 + HOUR,
        )
        other = finding("p0", "k-premed", severity=Severity.S2, evidence=(visit,), due=T0)
        root = roots([other, worst], [])[root_key("o-1")]
        assert root.say == {
            "drug": "Ocrelizumab",
            "day": date(2026, 12, 8),
            "due": T0,
            "troubles": 2,
            "parts": (Part(worst), Part(other)),
            "hidden": None,
        }
        assert (root.key, root.rule, root.action) == (root_key("o-1"), ROOT_RULE, "coordinate")
        assert (root.owner, root.audience) == (Role.COORDINATOR, ())
        assert (root.therapy, root.occasion, root.day) == (worst.therapy, "o-1", worst.day)
        assert (root.focus, root.based_on, root.patient) == (order, order, patient)
        assert (root.figures, root.evidence) == (worst.figures, (order, visit))
        alone = roots([finding(focus=visit)], [])[root_key("o-1")]
        assert alone.focus == visit

    @pytest.mark.parametrize(
        ("priority", "severity"),
        [("", "S3"), ("routine", "S3"), ("urgent", "S2"), ("stat", "S2")],
    )
    def test_a_hidden_part_is_as_urgent_as_it_was(self, priority: str, severity: str) -> None:
        late = finding("p0", "k-premed", severity=Severity.S3)
        root = roots([late], [said(Told.OPEN, priority=priority)])[root_key("o-1")]
        assert root.severity == severity

    def test_a_hidden_part_that_looked_solved_is_no_part(self) -> None:
        world = carry_out(decide([finding()], []), [])
        world = [each if each.root else replace(each, told=Told.STARTED) for each in world]
        late = finding("p0", "k-premed", rule="premed-order-missing")
        world = carry_out(decide([late], world), world)  # annotated: gone
        assert not decide([late], world, cannot_tell=blind_to({"dispense-short"}))

    def test_a_later_trouble_becomes_part_of_the_root_that_stands(self) -> None:
        world = carry_out(decide([finding()], []), [])
        late = finding("p0", "k-premed", rule="premed-order-missing")
        intents = {i.key: i for i in decide([finding(), late], world).intents}
        assert intents["k-premed"].parent == next(each for each in world if each.root)
        gone = [replace(each, told=Told.DELETED) if each.root else each for each in world]
        (alone,) = (i for i in decide([finding(), late], gone).intents if i.key == "k-premed")
        assert alone.parent is None

    def test_without_a_deadline_of_its_parts_it_has_none(self) -> None:
        root = roots([finding(due=None)], [])[root_key("o-1")]
        assert (root.due, root.say["due"]) == (None, None)

    def test_its_digest_is_that_of_its_figures_until_somebody_acts(self) -> None:
        name, found = root_key("o-1"), [finding()]
        plain, acted = roots(found, [])[name], roots(found, [], {KEY: "started"})[name]
        assert plain.digest == figures_of(plain.digest) == figures_of(acted.digest)
        assert acted.digest != plain.digest


def carry_out(plan: Plan, world: list[Said]) -> list[Said]:
    """What stands on the server after a plan was written."""
    after = {(each.key, each.episode, each.ref): each for each in world}
    for number, intent in enumerate(plan.intents, len(world) + 1):
        done = _carried(intent, number)
        after[done.key, done.episode, done.ref] = done
    return list(after.values())


def _carried(intent: Intent, number: int) -> Said:
    now = intent.finding.digest if intent.finding else GONE
    if intent.do is Do.OPEN:
        assert intent.finding is not None
        return Said(
            key=intent.key,
            episode=intent.episode,
            ref=Ref("ehr", "Task", str(number)),
            told=Told.OPEN,
            digest=now,
            rule=intent.finding.rule,
            root=intent.finding.rule == ROOT_RULE,
            occasion=intent.finding.occasion,
            written=T0,
        )
    assert intent.said is not None
    if intent.do is Do.CLOSE:
        return replace(intent.said, told=Told.CLOSED_BY_US)
    if intent.do is Do.REVISE:
        return replace(intent.said, digest=now, noted="")
    return replace(intent.said, noted=now)


RULES = ("dispense-short", "premed-order-missing", "auth-missing-drug")
some_findings = st.lists(
    st.builds(
        lambda rule, occasion, digest, folded: finding(
            digest,
            f"{occasion}/{rule}",
            rule=rule,
            occasion=occasion,
            folded_into=folded,
        ),
        st.sampled_from(RULES),
        st.sampled_from(("o-1", "o-2")),
        st.sampled_from(("d0", "d1", "d2")),
        st.sampled_from((None, None, "auth-missing-drug")),
    ),
    max_size=5,
    unique_by=lambda each: each.key,
)
some_unsure = st.frozensets(st.sampled_from(RULES), max_size=2)
a_hand = st.sampled_from([told for told in Told if told is not Told.NONE])


@settings(deadline=None)
@given(st.data())
def test_after_writing_nothing_is_left_to_write(data: st.DataObject) -> None:
    world: list[Said] = []
    for _ in range(4):
        findings, unsure = data.draw(some_findings), data.draw(some_unsure)
        plan = decide(findings, world, cannot_tell=blind_to(unsure))
        opened = [intent.key for intent in plan.intents if intent.do is Do.OPEN]
        assert len(opened) == len(set(opened))
        world = carry_out(plan, world)
        open_keys = [each.key for each in world if each.alive]
        assert len(open_keys) == len(set(open_keys)), "two open Tasks for one trouble"
        assert not decide(findings, world, cannot_tell=blind_to(unsure))
        assert not decide(reversed(findings), reversed(world), cannot_tell=blind_to(unsure))
        # A person does something to each Task, or nothing.
        world = [replace(each, told=data.draw(a_hand)) if each.alive else each for each in world]


def test_what_concerned_a_dose_that_was_given_is_solved_by_its_records() -> None:
    record = Ref("ehr", "MedicationAdministration", "a-1", "1")

    def closed(rule: str) -> tuple[str, tuple[Ref, ...]]:
        before = [said(Told.OPEN, rule=rule)]
        plan = decide(
            [],
            before,
            standing={},
            given=lambda o, r: (record,) if (o, r) == ("o-1", "late") else None,
        )
        (intent,) = plan.intents
        return intent.why, intent.evidence

    assert closed("late") == (Why.SOLVED, (record,))
    assert closed("dispense-short") == (Why.WITHDRAWN, ())


def test_what_was_still_open_when_the_dose_was_given_says_so() -> None:
    record = Ref("ehr", "MedicationAdministration", "a-1", "1")
    before = [said(Told.OPEN), said(Told.OPEN, key=root_key("o-1"), rule=ROOT_RULE, root=True)]
    plan = decide([], before, standing={}, recorded={"o-1": (record,)})
    assert [(each.why, each.evidence) for each in plan.intents] == [(Why.GIVEN, (record,))] * 2
    still = decide([], before, standing={"o-1": ()}, recorded={"o-1": (record,)})
    assert {each.why for each in still.intents} == {Why.SOLVED}


def test_a_root_is_about_the_trouble_that_is_due_first() -> None:
    never = finding(key="a", due=None, day=date(2026, 12, 9))
    soon = finding(key="b")
    for found in ([never, soon], [soon, never]):
        assert roots(found, [])[root_key("o-1")].day == soon.day


@pytest.mark.parametrize(
    ("told", "done"),
    [
        (Told.OPEN, [Do.REVISE]),
        (Told.STARTED, []),
        (Told.COMPLETED, []),
        (Told.DELETED, []),
    ],
)
def test_how_we_know_is_mended_where_nobody_has_begun(told: Told, done: list[Do]) -> None:
    """The same 300 mg, first as ten milliliters and then as a vial."""
    before, now = with_background("d0", ["10 mL × 30 mg/mL"]), with_background("d0", ["1 vial"])
    assert subs(decide([finding(now)], [said(told, before)])) == done


def test_who_refused_is_told_of_once_whatever_others_do() -> None:
    """Also the root: that its parts move on is no new refusal."""
    root = said(Told.REFUSED, "d0", root_key("o-1"), root=True, rule=ROOT_RULE)
    first = decide([finding()], [said(Told.OPEN), root])
    (intent,) = [each for each in first.intents if each.key == root.key]
    assert intent.do is Do.ESCALATE
    assert intent.finding is not None
    noted = replace(root, noted=intent.finding.digest)
    after = decide([finding()], [said(Told.STARTED), noted])
    assert not [each for each in after.intents if each.key == root.key]
