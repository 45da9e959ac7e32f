"""Any life of a hospital; then one sweep, and the worklist is as if the bridge had seen it all.

Records change on three servers; notifications are lost, doubled, late and out of order; workers
are killed, hang and are overtaken; a server is down; the store's disk is full; people work on our
Tasks, copy and delete them; time goes on. Whatever happened: after one sweep the Tasks are those of
a bridge that saw everything, each is true of the records as they stand, no trouble has two, nothing
is left to write, a person's word stands, and nothing of others was ever written.

In the fast suite the same few lives each time; `FHIRBRIDGE_EXAMPLES=2000` makes a night of it,
with longer lives and others each time. The model of the hospital is `hospital_life`.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from fhirbridge.bridge.bridge import Pace
from fhirbridge.bridge.deciding import Decision
from fhirbridge.core.findings import digest_of, figures_of
from fhirbridge.core.plan import Intent, Said, Told
from fhirbridge.core.roots import GONE, root_key
from fhirbridge.fhir.said import said

from . import hospital_life as h

pytestmark = pytest.mark.lives

Json = dict[str, Any]
NIGHTLY = os.environ.get("FHIRBRIDGE_EXAMPLES")
telling = st.sampled_from(("told", "told", "told", "twice", "later", "lost"))
WORK = ("well", "well", "well", "well", "well", "not yet", *h.FAULTS)
OURS = (Told.CLOSED_BY_US,)


class AnyLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.folder = tempfile.TemporaryDirectory(dir=h.MEMORY)
        self.life = h.Life(Path(self.folder.name))
        self.estate = self.life.estate

    def teardown(self) -> None:
        try:
            if sys.exc_info()[0] is None:
                self.one_sweep()
                self.as_one_that_saw_everything()
        finally:
            self.life.close()
            self.folder.cleanup()

    # --- what may happen

    @initialize(told=st.booleans(), mg=st.sampled_from((300, 600)), integrity=st.booleans())
    def two_are_treated(self, told: bool, mg: int, integrity: bool) -> None:
        self.life.integrity(integrity)
        for who in ("1", "2"):
            for change in h.treatment(who, mg):
                self.life.put(*change, "told" if told else "later")
        self.life.work()

    @rule(
        changes=st.lists(st.tuples(h.changes, telling), min_size=1, max_size=3),
        work=st.sampled_from(WORK),
        act=h.acts,
        number=h.pick,
    )
    def records_change(
        self, changes: list[tuple[h.Change, str]], work: str, act: str, number: int
    ) -> None:
        for change, told in changes:
            self.life.put(*change, told)
        self.work(work, act, number)

    @rule(number=st.integers(0, 20), told=telling, work=st.sampled_from(WORK))
    def a_record_is_deleted(self, number: int, told: str, work: str) -> None:
        found = [
            (server, f"{each['resourceType']}/{each['id']}")
            for server, each in self.life.others()
            if each["resourceType"] not in ("Patient", "Claim")
        ]
        if found:
            self.life.remove(*found[number % len(found)], told)
        self.work(work, "note", 0)

    @rule(
        doings=st.lists(st.tuples(h.acts, h.pick, telling), min_size=1, max_size=3),
        work=st.sampled_from(WORK),
    )
    def people_act(self, doings: list[tuple[str, int, str]], work: str) -> None:
        for act, number, told in doings:
            self.life.act(act, number, told)
        self.work(work, "note", 0)

    @rule(number=h.pick, work=st.sampled_from(WORK))
    def what_was_on_its_way_arrives(self, number: int, work: str) -> None:
        if self.life.late:
            self.life.arrive()
        for _ in range(min(number, len(self.life.post))):
            self.estate.notify(*self.life.post.pop(number % len(self.life.post)))
        self.work(work, "note", 0)

    @rule(server=st.sampled_from(h.SERVERS), down=st.booleans())
    def a_server_fails_or_heals(self, server: str, down: bool) -> None:
        self.estate.servers[server].down = 503 if down else None

    @rule(
        by=st.sampled_from((6, 200, 3600, 86400, 3 * 86400)),
        restart=st.booleans(),
        work=st.sampled_from(WORK),
    )
    def time_goes_on(self, by: int, restart: bool, work: str) -> None:
        self.estate.clock.now += timedelta(seconds=by)
        if restart:
            self.life.restart()
        self.estate.bridge.tick()
        self.work(work, "note", 0)

    def work(self, how: str, act: str, number: int) -> None:
        """Not at all, well, or with a fault (and what a quicker person does then)."""
        if how != "not yet":
            self.life.fault, self.life.quick = how, (act, number)
            self.life.work()

    # --- what always holds

    @invariant()
    def what_people_wrote_is_still_there(self) -> None:
        hands = self.life.hands
        for task in self.life.tasks():
            texts = [note["text"] for note in task.get("note", [])]
            assert [t for t in texts if t in hands.notes.get(task["id"], ())] == hands.notes.get(
                task["id"], []
            ), task["id"]

    @invariant()
    def a_persons_word_stands(self) -> None:
        for task in self.life.tasks():
            word = self.life.hands.words.get(task["id"])
            # "received" is no start yet: such a Task is still ours to close.
            if word and word != "received":
                assert task["status"] == word, task["id"]

    @invariant()
    def what_a_person_ended_is_not_opened_for_the_same_figures(self) -> None:
        opened = [task for task in self.life.tasks() if task["id"] not in self.life.hands.copies]
        ended = [each for each in opened if each["status"] in ("completed", "cancelled")]
        for task in (*ended, *self.life.hands.remembered):
            stand = said(task, "ehr", "test")
            if stand is None or stand.told is Told.CLOSED_BY_US:
                continue
            # A write that hung while the Task was deleted may bring back the same episode.
            again = {stand.episode + 1} | (set() if self.life.came_late else {stand.episode})
            for after in opened:
                same = _key(after) == stand.key and _episode(after) in again
                if same and after["id"] != task["id"]:
                    first = figures_of(_digest(self.life.first_version(after["id"])))
                    last = figures_of(stand.noted or stand.digest)
                    assert first != last, (stand.rule, task["id"])

    # --- what one sweep makes of it

    def one_sweep(self) -> None:
        """What was on its way is lost; all servers answer; then one sweep, and the work of it."""
        self.life.post, self.life.late = [], []
        for fake in self.estate.servers.values():
            fake.down = None
        self.estate.clock.now += Pace().lease  # of those who were killed
        self.estate.bridge.sweep()
        for _ in range(20):
            self.estate.bridge.tick()
            self.life.work()
            counts = self.estate.bridge.store.counts(self.estate.clock())
            if not (counts.due or counts.leased or counts.waiting):
                break
            self.estate.clock.now += timedelta(hours=1)  # the longest that is waited
        else:
            raise AssertionError("the bridge does not come to rest")
        parked = self.estate.bridge.store.parked()
        assert not parked, [mark.last_error for mark in parked]
        for decision in self.decisions():
            left = [(each.do.value, _rule(each)) for each in decision.plan.intents]
            assert not left, ("left to write", decision.person.name, left)
            self.is_true(decision)
        names = [
            each.resource["identifier"][0]["value"]
            for each in self.estate.servers["ehr"].shelf.current("Communication")
            if each.resource
        ]
        assert len(names) == len(set(names))

    def decisions(self) -> Iterator[Decision]:
        """Everybody, looked at again without writing."""
        store = self.estate.bridge.store
        for person in {*store.persons(), "ehr:Patient/p-1", "ehr:Patient/p-2"}:
            outcome = self.estate.bridge.reconcile(person, dry_run=True)
            if outcome.decision is not None:
                yield outcome.decision

    def is_true(self, decision: Decision) -> None:
        """The Tasks of a person are the findings, but for what a person has said."""
        findings = _figures(decision)
        who = f"Patient/{decision.person.id}"
        tasks = _latest([task for task in self.life.tasks() if task["for"].get("reference") == who])
        for key, task in tasks.items():
            stand = said(task, "ehr", "test")
            assert stand is not None
            last = figures_of(stand.noted or stand.digest)
            if self.cannot_tell(stand, decision):
                continue
            if stand.told is Told.OPEN:
                now = findings.get(key)
                doing = _doing(decision, tasks).get(key)
                expected = f"{now}-{digest_of(doing)}" if now and doing else now
                assert stand.digest == expected, (stand.rule, "is not true")
            if stand.told is Told.STARTED:
                assert last == figures_of(findings.get(key, GONE)), (stand.rule, "is not noted")
        for key, digest in findings.items():
            if key in tasks and h.alive(tasks[key]):
                continue
            heard = self.words_about(key, tasks.get(key))
            assert figures_of(digest) in heard, "a trouble without a Task"

    def cannot_tell(self, stand: Said, decision: Decision) -> bool:
        """What cannot be judged now stays as it is, and so does the root above it."""
        return any(
            decision.judgement.cannot_tell(each.occasion, each.rule)
            for each in decision.said
            if each.key == stand.key or (stand.root and each.occasion == stand.occasion)
        )

    def words_about(self, key: str, task: Json | None) -> set[str]:
        """The figures about which a person has spoken the last word."""
        heard = [each for each in self.life.hands.deleted if _key(each) == key]
        if task is not None:
            stand = said(task, "ehr", "test")
            if stand is not None and stand.told not in OURS:
                heard.append(task)
        found = set()
        for each in heard:
            stand = said(each, "ehr", "test")
            if stand is not None:
                found |= {figures_of(stand.digest), figures_of(stand.noted)}
        return found

    def as_one_that_saw_everything(self) -> None:
        """A bridge without a past, before the same records, finds the same troubles."""
        fresh = self.life.fresh()
        everybody = [
            f"{server}:Patient/{each['id']}"
            for server, each in self.life.others()
            if each["resourceType"] == "Patient"
        ]
        expected: dict[str, str] = {}
        for person in everybody:
            outcome = fresh.reconcile(person, dry_run=True)
            assert outcome.decision is not None
            expected |= _figures(outcome.decision)
        fresh.close()
        found: dict[str, str] = {}
        for decision in self.decisions():
            found |= _figures(decision)
        assert found == expected


def _figures(decision: Decision) -> dict[str, str]:
    """Key -> digest of every trouble that shall have a Task; of a root, by what is under it."""
    shown = [each for each in decision.judgement.findings if not each.folded_into]
    parts: dict[str, list[str]] = {}
    for each in shown:
        parts.setdefault(root_key(each.occasion), []).append(
            f"{each.key} {figures_of(each.digest)}"
        )
    return {each.key: each.digest for each in shown} | {
        key: digest_of(found) for key, found in parts.items()
    }


#: What became of a Task -> what its root says of that.
_DOING = {Told.STARTED: "started", Told.REFUSED: "refused", Told.COMPLETED: "completed"}


def _doing(decision: Decision, tasks: Mapping[str, Json]) -> dict[str, list[str]]:
    """By the key of a root, what people do about the troubles under it."""
    found: dict[str, list[str]] = {}
    for each in decision.judgement.findings:
        stand = said(tasks[each.key], "ehr", "test") if each.key in tasks else None
        if stand is not None and stand.told in _DOING and not each.folded_into:
            done = f"{each.key} {_DOING[stand.told]}"
            found.setdefault(root_key(each.occasion), []).append(done)
    return found


def _rule(intent: Intent) -> str:
    about = intent.finding or intent.said
    return about.rule if about else ""


def _latest(tasks: list[Json]) -> Mapping[str, Json]:
    """By key the Task of the last episode; of copies the first."""
    found: dict[str, Json] = {}
    for task in tasks:  # the oldest first
        if (key := _key(task)) not in found or _episode(task) > _episode(found[key]):
            found[key] = task
    return found


def _key(task: Json) -> str:
    return str(task["identifier"][0]["value"]).partition(".")[0]


def _episode(task: Json) -> int:
    return int(str(task["identifier"][0]["value"]).partition(".")[2])


def _digest(task: Json) -> str:
    stand = said(task, "ehr", "test")
    assert stand is not None
    return stand.digest


TestAnyLife = AnyLife.TestCase
TestAnyLife.settings = settings(
    max_examples=int(NIGHTLY or 10),
    stateful_step_count=40 if NIGHTLY else 12,
    derandomize=not NIGHTLY,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)
