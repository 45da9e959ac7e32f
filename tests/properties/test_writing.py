"""What we write, on an embedded server, whatever is found and whatever people do in between.

After a plan was delivered nothing is left to write; delivering it again changes nothing; no trouble
has two open Tasks; every open Task is true of what is found now.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Sequence
from contextlib import suppress
from datetime import date, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.facts import Ref
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.plan import Said, Told, decide
from fhirbridge.core.quantity import mg
from fhirbridge.fhir.client import Server
from fhirbridge.fhir.desk import Desk
from fhirbridge.fhir.errors import Conflict
from fhirbridge.fhir.said import said
from fhirbridge.fhir.write import write
from tests.bridge.estate import START, Fake, Json, patient
from tests.properties.hospital_life import alive
from tests.scenarios.golden_texts import english

PATIENT = Ref("ehr", "Patient", "p-1")
TEXTS = english()
OCCASIONS = ("o-1", "o-2")
MANY = int(os.environ.get("FHIRBRIDGE_EXAMPLES", "20"))
RULES = ("dispense-short", "dispense-late")


def _finding(rule: str, occasion: str, missing: int, folded: bool) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.S2,
        owner=Role.PHARMACY,
        audience=(Role.PHARMACY, Role.INFUSION_CENTER),
        therapy="ocrelizumab",
        occasion=occasion,
        day=date(2026, 12, 8),
        due=START + timedelta(days=3),
        action="fulfill",
        say={
            "drug": "Ocrelizumab",
            "day": date(2026, 12, 8),
            "due": START + timedelta(days=3),
            "ordered": mg(600),
            "dispensed": mg(600 - missing),
            "missing": mg(missing),
        },
        compared={"dispensed": {"total": f"{600 - missing} mg"}},
        patient=PATIENT,
        key=f"{occasion}-{rule}",
        digest=f"missing {missing}",
        folded_into="order-not-active" if folded else None,
    )


found = st.lists(
    st.builds(
        _finding,
        st.sampled_from(RULES),
        st.sampled_from(OCCASIONS),
        st.sampled_from((100, 200, 300)),
        st.sampled_from((False, False, False, True)),
    ),
    max_size=4,
    unique_by=lambda each: each.key,
)
unsure = st.sampled_from((None, None, *RULES))
hands = st.lists(
    st.tuples(
        st.integers(0, 7),
        st.sampled_from(
            ("received", "in-progress", "completed", "cancelled", "rejected", "entered-in-error",
             "note")
        ),
    ),
    max_size=3,
)  # fmt: skip


class Worklist:
    """The embedded server, our client of it, and people."""

    def __init__(self) -> None:
        ticks = itertools.count()
        self.fake = Fake("ehr", lambda: START + timedelta(seconds=next(ticks)))
        self.server = Server("ehr", self.fake.base_url, transport=self.fake, retries=0)
        shelf = self.fake.shelf
        with shelf.unit(checked=False):
            shelf.update("Patient", "p-1", patient())

    def tasks(self) -> list[Json]:
        return list(self.server.search("Task", {"patient": "Patient/p-1"}))

    def said(self) -> list[Said]:
        return [one for task in self.tasks() if (one := said(task, "ehr", "test"))]

    def bundle(self, findings: Sequence[Finding], blind: str | None, at: int) -> Json | None:
        desk = Desk(
            instance="test",
            home="ehr",
            as_of=START + timedelta(minutes=at),
            texts=TEXTS,
            patient=PATIENT,
            tasks={task["id"]: task for task in self.tasks()},
        )
        plan = decide(findings, self.said(), cannot_tell=lambda _, rule: rule == blind, standing={})
        return write(plan, desk)

    def stands(self) -> list[Json]:
        """Everything that stands here, versions too."""
        return [
            each.resource
            for type_ in ("Task", "Communication")
            for each in self.fake.shelf.current(type_)
            if each.resource
        ]

    def act(self, number: int, act: str) -> None:
        # Who opens a Task again that is closed has two of them, if we have opened another since.
        tasks = [task for task in self.tasks() if alive(task)]
        if not tasks:
            return
        task = tasks[number % len(tasks)]
        shelf = self.fake.shelf
        with shelf.unit(checked=False):
            if act == "note":
                shelf.update("Task", task["id"], {**task, "note": [{"text": "called them"}]})
            else:
                shelf.update("Task", task["id"], {**task, "status": act})


@settings(max_examples=MANY, deadline=None, derandomize=True)
@given(st.lists(st.tuples(found, unsure, hands), min_size=1, max_size=4))
def test_any_course_of_troubles(
    course: list[tuple[list[Finding], str | None, list[tuple[int, str]]]],
) -> None:
    here = Worklist()
    for at, (findings, blind, acts) in enumerate(course):
        if bundle := here.bundle(findings, blind, at):
            here.server.transact(bundle)
            stands = here.stands()
            with suppress(Conflict):  # a change of what has changed since is refused as a whole
                here.server.transact(bundle)
            assert here.stands() == stands, "delivering it again changed something"
        left = here.bundle(findings, blind, at)
        assert left is None, [entry["request"] for entry in left["entry"]]
        _open_tasks_are_true(here, findings, blind)
        for number, act in acts:
            here.act(number, act)


def _open_tasks_are_true(here: Worklist, findings: list[Finding], blind: str | None) -> None:
    digests = {each.key: each.digest for each in findings if not each.folded_into}
    ours = [each for each in here.said() if each.alive]
    keys = [each.key for each in ours]
    assert len(keys) == len(set(keys)), "two open Tasks for one trouble"
    for each in ours:
        if each.root or (each.rule == blind and each.key not in digests):
            continue
        told = each.digest if each.told is Told.OPEN else each.noted or each.digest
        assert told == digests.get(each.key, "gone" if each.told is Told.STARTED else None)
