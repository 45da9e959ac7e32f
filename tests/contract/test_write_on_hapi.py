"""What we write, on a server: written once, changed by version, and closed."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.plan import Said, Told, decide
from fhirbridge.core.quantity import mg
from fhirbridge.fhir import ours
from fhirbridge.fhir.desk import Desk
from fhirbridge.fhir.said import said
from fhirbridge.fhir.write import write
from fhirbridge.texts import load
from tests.contract.driver import Fhir, Json

TEXTS = load([Path(__file__).parents[2] / "mappings" / "tasks" / "en"])
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)


class Site:
    """One person's worklist on the server under test."""

    def __init__(self, fhir: Fhir) -> None:
        self.fhir = fhir
        self.instance = f"test-{fhir.u}"
        self.patient = Ref("ehr", "Patient", fhir.patient()["id"])
        subject = {"reference": f"Patient/{self.patient.id}"}
        pharmacy = {"resourceType": "Organization", "id": fhir.id("pharmacy"), "name": "Pharmacy"}
        order = {
            "resourceType": "MedicationRequest",
            "id": fhir.id("order"),
            "status": "active",
            "intent": "order",
            "subject": subject,
            "medicationCodeableConcept": {"text": "ocrelizumab"},
        }
        self.pharmacy = Party("ehr", f"Organization/{fhir.made(pharmacy)['id']}")
        self.order = Ref("ehr", "MedicationRequest", fhir.made(order)["id"], "1")
        self.dispense = Ref("pharmacy", "MedicationDispense", "d-1", "3")

    def finding(self, **more: Any) -> Finding:
        plain = Finding(
            rule="dispense-short",
            severity=Severity.S2,
            owner=Role.PHARMACY,
            audience=(Role.PHARMACY, Role.INFUSION_CENTER),
            therapy="ocrelizumab",
            occasion=f"o-{self.fhir.u}",
            day=date(2026, 12, 8),
            due=NOW + timedelta(days=3),
            action="fulfill",
            say={
                "drug": "Ocrelizumab",
                "day": date(2026, 12, 8),
                "due": NOW + timedelta(days=3),
                "ordered": mg(600),
                "dispensed": mg(300),
                "missing": mg(300),
                "packages": "1 vial",
            },
            figures={
                "ordered": {"per_visit": "600 mg", "visits": 1},
                "dispensed": {"total": "300.10 mg"},
            },
            evidence=(self.order, self.dispense),
            focus=self.order,
            based_on=self.order,
            reason=self.dispense,
            patient=self.patient,
            parties={Role.PHARMACY: self.pharmacy},
            key=f"k-{self.fhir.u}",
            digest="d0",
            lead=timedelta(days=7),
        )
        return replace(plain, **more)

    def tasks(self) -> list[Json]:
        pages = self.fhir.pages(f"Task?patient=Patient/{self.patient.id}")
        return [each["resource"] for page in pages for each in page.get("entry", [])]

    def letters(self) -> list[Json]:
        pages = self.fhir.pages(f"Communication?patient=Patient/{self.patient.id}")
        return [each["resource"] for page in pages for each in page.get("entry", [])]

    def said(self) -> list[Said]:
        return [one for task in self.tasks() if (one := said(task, "ehr", self.instance))]

    def bundle(self, *findings: Finding, minutes: int = 0, provenance: bool = False) -> Json | None:
        desk = Desk(
            instance=self.instance,
            home="ehr",
            as_of=NOW + timedelta(minutes=minutes),
            texts=TEXTS,
            patient=self.patient,
            tasks={task["id"]: task for task in self.tasks()},
            provenance=provenance,
        )
        return write(decide(findings, self.said(), standing={}), desk)

    def send(self, bundle: Json | None) -> list[str]:
        """The status of each entry."""
        assert bundle is not None
        answer = self.fhir.call("POST", "", bundle)
        assert answer.status == 200, answer.body
        return [entry["response"]["status"][:3] for entry in answer.body["entry"]]


@pytest.fixture
def site(fhir: Fhir) -> Site:
    return Site(fhir)


def test_sent_twice_written_once_and_nothing_is_left_to_write(site: Site) -> None:
    bundle = site.bundle(site.finding())
    assert site.send(bundle) == ["201"] * 4  # the root, the Task and two messages
    assert site.send(bundle) == ["200"] * 4
    root, task = sorted(site.tasks(), key=lambda each: "partOf" in each)
    assert task["partOf"] == [{"reference": f"Task/{root['id']}"}]
    assert task["owner"]["reference"] == site.pharmacy.reference
    assert {tuple(each["partOf"][0].values()) for each in site.letters()} == {
        (f"Task/{task['id']}",)
    }
    assert site.bundle(site.finding()) is None


def test_evidence_keeps_the_version_that_was_read(site: Site) -> None:
    site.send(site.bundle(site.finding()))
    task = next(each for each in site.tasks() if "partOf" in each)
    pins = [
        each["valueReference"]["identifier"]["value"]
        for code, each in ours.inputs(task)
        if code == ours.EVIDENCE
    ]
    assert pins == [str(site.order), str(site.dispense)]


def test_provenance_names_what_was_written_and_the_versions_it_rests_on(site: Site) -> None:
    bundle = site.bundle(site.finding(), provenance=True)
    assert bundle is not None
    assert site.send(bundle) == ["201"] * 5
    assert site.send(bundle) == ["200"] * 5  # sent twice, written once
    name = bundle["entry"][-1]["request"]["url"]
    kept = site.fhir.call("GET", name)
    assert kept.status == 200, kept.body
    targets = {each["reference"].partition("/_history")[0] for each in kept.body["target"]}
    written = [*site.tasks(), *site.letters()]
    assert targets == {f"{each['resourceType']}/{each['id']}" for each in written}
    pins = [each["what"]["identifier"]["value"] for each in kept.body["entity"]]
    assert pins == [str(site.order), str(site.dispense)]
    assert site.send(site.bundle(minutes=5, provenance=True))[-1] == "201"  # another act


def test_figures_change_and_a_person_s_additions_stay(site: Site) -> None:
    site.send(site.bundle(site.finding()))
    task = next(each for each in site.tasks() if "partOf" in each)
    by_hand = {"text": "called them", "time": "2026-12-01T10:00:00Z"}
    site.fhir.made(task | {"note": [by_hand]})
    assert site.send(site.bundle(site.finding(digest="d1"), minutes=5)) == ["200", "200"]
    after = next(each for each in site.tasks() if "partOf" in each)
    assert [note["text"] for note in after["note"]] == ["called them"]
    assert {each.digest for each in site.said() if not each.root} == {"d1"}
    assert len(site.letters()) == 2


def test_closed_when_it_is_gone_and_everybody_told_is_told_again(site: Site) -> None:
    site.send(site.bundle(site.finding()))
    site.send(site.bundle(minutes=5))
    assert {each.told for each in site.said()} == {Told.CLOSED_BY_US}
    assert len(site.letters()) == 4
    assert site.bundle(minutes=6) is None
    assert site.send(site.bundle(site.finding(), minutes=7))[:2] == ["201", "201"]
    assert sorted(each.episode for each in site.said() if not each.root) == [1, 2]


def test_a_person_s_edit_between_read_and_write_wins(site: Site) -> None:
    site.send(site.bundle(site.finding()))
    stale = site.bundle(site.finding(digest="d1"), minutes=5)
    task = next(each for each in site.tasks() if "partOf" in each)
    site.fhir.made(task | {"status": "in-progress"})
    refused = site.fhir.call("POST", "", stale)
    assert refused.status == site.fhir.profile.stale_if_match
    assert site.send(site.bundle(site.finding(digest="d1"), minutes=6)) == ["200", "200"]
    after = next(each for each in site.tasks() if "partOf" in each)
    assert (after["status"], len(after["note"])) == ("in-progress", 1)


def test_a_refusal_goes_to_the_coordinator_once(site: Site) -> None:
    site.send(site.bundle(site.finding()))
    task = next(each for each in site.tasks() if "partOf" in each)
    site.fhir.made(task | {"status": "rejected", "statusReason": {"text": "not ours"}})
    assert site.send(site.bundle(site.finding(), minutes=5)) == [
        "200",
        "200",
        "201",
    ]  # the root, too
    assert site.bundle(site.finding(), minutes=6) is None
    assert len(site.letters()) == 3


def test_of_a_task_and_its_copy_only_ours_is_touched(site: Site) -> None:
    site.send(site.bundle(site.finding()))
    task = next(each for each in site.tasks() if "partOf" in each)
    copied = {name: value for name, value in task.items() if name not in ("id", "meta")}
    answer = site.fhir.call("POST", "Task", copied)
    assert answer.status == 201, answer.body
    assert site.send(site.bundle(site.finding(digest="d1"), minutes=5)) == ["200", "200"]
    assert {said.ref.id: said.digest for said in site.said() if not said.root} == {
        task["id"]: "d1",
        answer.body["id"]: "d0",
    }
    revised = next(each for each in site.tasks() if each["id"] == task["id"])
    again = {name: value for name, value in revised.items() if name not in ("id", "meta")}
    assert site.fhir.call("POST", "Task", again).status == 201
    assert sorted(str(said.itself) for said in site.said() if not said.root) == [
        "False",
        "None",
        "True",
    ]
    site.send(site.bundle(minutes=6))
    assert site.bundle(minutes=7) is None
    assert site.send(site.bundle(site.finding(), minutes=8))[:2] == ["201", "201"]
