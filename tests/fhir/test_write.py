"""A plan on the wire, and that what was written is read back as what was said."""

from __future__ import annotations

import copy
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirbridge.core.facts import Party, Ref
from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.plan import Plan, Told, decide
from fhirbridge.core.quantity import mg
from fhirbridge.fhir import ours
from fhirbridge.fhir.check import check
from fhirbridge.fhir.desk import Desk
from fhirbridge.fhir.errors import Rejected
from fhirbridge.fhir.jsonio import dumps
from fhirbridge.fhir.said import said
from fhirbridge.fhir.write import keys, write
from fhirbridge.texts import load

TEXTS = load([Path(__file__).parents[2] / "mappings" / "tasks" / "en"])
NOW = datetime(2026, 12, 1, 9, tzinfo=UTC)
ORDER = Ref("ehr", "MedicationRequest", "o-1", "2")
DISPENSE = Ref("pharmacy", "MedicationDispense", "d-1", "1")
PATIENT = Ref("ehr", "Patient", "p-7")
PHARMACY = Party("pharmacy", "Organization/x", "urn:npi|123", "Main Street Pharmacy")

Json = dict[str, Any]


def finding(**more: Any) -> Finding:
    plain = Finding(
        rule="dispense-short",
        severity=Severity.S2,
        owner=Role.PHARMACY,
        audience=(Role.PHARMACY, Role.PRESCRIBER),
        therapy="ocrelizumab",
        occasion="o-1",
        day=date(2026, 12, 8),
        due=NOW + timedelta(days=3),
        action="fulfill",
        say={"drug": "Ocrelizumab", "ordered": mg(600), "dispensed": mg("300.10")},
        compared={
            "ordered": {"per_visit": "600 mg", "visits": 1, "total": None},
            "authorized": {"drug": {"decision": "approved"}, "administration": None},
            "dispensed": {"total": "300.10 mg"},
        },
        evidence=(ORDER, DISPENSE),
        focus=ORDER,
        based_on=ORDER,
        reason=DISPENSE,
        patient=PATIENT,
        parties={Role.PHARMACY: PHARMACY},
        key="k1",
        digest="d0",
        lead=timedelta(days=7),
    )
    return replace(plain, **more)


class Shelf:
    """The worklist's server, as far as a transaction of ours needs it."""

    def __init__(self) -> None:
        self.tasks: dict[str, Json] = {}
        self.letters: dict[str, Json] = {}

    def desk(self, **more: Any) -> Desk:
        plain = Desk(
            instance="st-mary",
            home="ehr",
            as_of=NOW,
            texts=TEXTS,
            patient=PATIENT,
            tasks=self.tasks,
        )
        return replace(plain, **more)

    def plan(self, *findings: Finding, **known: Any) -> Plan:
        told = [one for task in self.tasks.values() if (one := said(task, "ehr", "st-mary"))]
        return decide(findings, told, **known)

    def write(self, *findings: Finding) -> Json | None:
        bundle = write(self.plan(*findings), self.desk())
        for entry in bundle["entry"] if bundle else ():
            self._put(copy.deepcopy(entry["resource"]), entry["request"])
        return bundle

    def _put(self, resource: Json, request: Json) -> None:
        shelf = self.tasks if resource["resourceType"] == "Task" else self.letters
        name = resource["identifier"][0]["value"]
        if request["method"] == "POST":
            if all(each["identifier"][0]["value"] != name for each in shelf.values()):
                id_ = str(len(shelf) + 1)
                meta = resource["meta"] | {"versionId": "1"}
                shelf[id_] = resource | {"id": id_, "meta": meta}
            return
        id_ = request["url"].removeprefix("Task/")
        version = shelf[id_]["meta"]["versionId"]
        assert request["ifMatch"] == f'W/"{version}"'
        shelf[id_] = resource | {"meta": resource["meta"] | {"versionId": str(int(version) + 1)}}

    @property
    def task(self) -> Json:
        """The latest Task that is no root."""
        return [each for each in self.tasks.values() if ours.name_of(each, "st-mary") != ""][-1]


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


def entries(bundle: Json | None) -> list[tuple[str, Json]]:
    assert bundle is not None
    return [(entry["request"]["method"], entry["resource"]) for entry in bundle["entry"]]


def test_a_trouble_becomes_a_root_a_task_and_a_message_to_each_audience(shelf: Shelf) -> None:
    bundle = shelf.write(finding())
    assert [resource["resourceType"] for _, resource in entries(bundle)] == [
        "Task",
        "Task",
        "Communication",
        "Communication",
    ]
    assert bundle is not None
    root, task, *letters = bundle["entry"]
    assert task["resource"]["partOf"] == [{"reference": root["fullUrl"]}]
    assert {each["resource"]["partOf"][0]["reference"] for each in letters} == {task["fullUrl"]}
    assert task["request"] == {
        "method": "POST",
        "url": "Task",
        "ifNoneExist": "identifier=urn:fhirbridge:st-mary:finding|k1.1",
    }
    assert keys(bundle)[1:] == ["k1", "k1", "k1"]


def test_the_same_plan_is_the_same_bundle(shelf: Shelf) -> None:
    plan, desk = shelf.plan(finding()), shelf.desk()
    assert dumps(write(plan, desk)) == dumps(write(plan, desk))


def test_the_task_carries_what_the_surface_promises(shelf: Shelf) -> None:
    shelf.write(finding())
    task = shelf.task
    assert task["status"] == "requested"
    assert task["intent"] == "proposal"  # the pharmacy is another organization
    assert task["priority"] == "urgent"
    assert task["for"] == {"reference": "Patient/p-7"}
    assert task["focus"] == task["basedOn"][0] == {"reference": "MedicationRequest/o-1"}
    assert task["owner"] == {
        "type": "Organization",
        "identifier": {"system": "urn:npi", "value": "123"},
        "display": "Main Street Pharmacy",
    }
    assert task["reasonReference"]["display"] == "MedicationDispense/d-1 on pharmacy"
    assert ours.code_of(task["reasonCode"], ours.RULE) == "dispense-short"
    assert task["restriction"]["period"]["end"] == "2026-12-04T09:00:00+00:00"
    assert task["meta"]["tag"] == [ours.TAG]
    assert task["authoredOn"] == task["lastModified"]
    assert "600 mg" in task["description"]


def test_figures_are_quantities_with_every_digit(shelf: Shelf) -> None:
    shelf.write(finding())
    told = dict(ours.inputs(shelf.task))
    assert told["ordered-per-visit"]["valueQuantity"] == {
        "value": Decimal(600),
        "unit": "mg",
        "system": "http://unitsofmeasure.org",
        "code": "mg",
    }
    assert told["dispensed-total"]["valueQuantity"]["value"] == Decimal("300.10")
    assert told["ordered-visits"]["valueInteger"] == 1
    assert told["authorized-drug-decision"]["valueString"] == "approved"
    assert "ordered-total" not in told
    pins = [
        each["valueReference"]["identifier"]["value"]
        for code, each in ours.inputs(shelf.task)
        if code == ours.EVIDENCE
    ]
    assert pins == ["ehr:MedicationRequest/o-1/_history/2", str(DISPENSE)]


def test_an_address_of_another_server_is_never_written(shelf: Shelf) -> None:
    far = finding(patient=replace(PATIENT, source="pharmacy"), focus=DISPENSE)
    bundle = write(shelf.plan(far), shelf.desk(patient=None))
    text = dumps(bundle).decode()
    assert '"reference":"Patient/' not in text
    assert '"reference":"MedicationDispense/' not in text
    assert '"reference":"http' not in text


def test_a_location_owns_nothing(shelf: Shelf) -> None:
    at = Party("ehr", "Location/room-1", None, "Infusion room")
    write_plan = shelf.plan(finding(parties={Role.PHARMACY: at}))
    task = entries(write(write_plan, shelf.desk()))[1][1]
    assert task["owner"] == {"display": "Infusion room"}
    assert task["intent"] == "order"


def test_a_system_that_is_no_uri_is_not_passed_on(shelf: Shelf) -> None:
    somebody = Party("pharmacy", "Organization/x", "npi|123", "Main Street Pharmacy")
    shelf.write(finding(parties={Role.PHARMACY: somebody}))
    assert shelf.task["owner"]["identifier"] == {"value": "123"}


def test_nobody_known_leaves_the_owner_open_and_names_the_role(shelf: Shelf) -> None:
    shelf.write(finding(parties={}))
    assert "owner" not in shelf.task
    assert ours.code_of(shelf.task["performerType"][0], ours.ROLE) == "pharmacy"
    assert shelf.letters["1"]["recipient"] == [{"display": "the pharmacy"}]


def test_a_configured_owner_stands_in(shelf: Shelf) -> None:
    owners = {Role.PHARMACY: Party("ehr", "Organization/own-pharmacy")}
    bundle = write(shelf.plan(finding(parties={})), shelf.desk(owners=owners))
    task = entries(bundle)[1][1]
    assert task["owner"]["reference"] == "Organization/own-pharmacy"
    assert task["intent"] == "order"


class TestProvenance:
    def wanted(self, shelf: Shelf, *findings: Finding, **more: Any) -> Json:
        bundle = write(shelf.plan(*findings, **more), shelf.desk(provenance=True))
        assert bundle is not None
        last: Json = bundle["entry"][-1]
        assert last["resource"]["resourceType"] == "Provenance"
        assert keys(bundle)[-1] == ""
        targets = [each["reference"] for each in last["resource"]["target"]]
        written = [each.get("fullUrl") or each["request"]["url"] for each in bundle["entry"][:-1]]
        assert targets == written
        return last

    def test_it_says_who_wrote_what_and_on_which_versions_it_rests(self, shelf: Shelf) -> None:
        entry = self.wanted(shelf, finding())
        resource = entry["resource"]
        assert resource["recorded"] == NOW.isoformat()
        (agent,) = resource["agent"]
        assert agent["who"] == {
            "type": "Device",
            "identifier": {"system": "urn:fhirbridge:instance", "value": "st-mary"},
            "display": "fhirbridge",
        }
        pins = [each["what"]["identifier"]["value"] for each in resource["entity"]]
        assert pins == [str(ORDER), str(DISPENSE)]
        assert resource["activity"]["coding"][0]["code"] == "CREATE"

    def test_the_same_transaction_has_the_same_one_and_another_version_another(
        self, shelf: Shelf
    ) -> None:
        assert self.wanted(shelf, finding()) == self.wanted(shelf, finding())
        shelf.write(finding())
        first = self.wanted(shelf, finding(digest="d1"))
        assert first["resource"]["activity"]["coding"][0]["code"] == "UPDATE"
        shelf.write(finding(digest="d1"))
        second = self.wanted(shelf, finding(digest="d2"))
        assert first["request"]["url"] != second["request"]["url"]

    def test_an_all_clear_rests_on_what_shows_that_it_is_gone(self, shelf: Shelf) -> None:
        shelf.write(finding())
        gone = self.wanted(shelf, standing={"o-1": (DISPENSE,)})
        (entity,) = gone["resource"]["entity"]
        assert entity["what"]["identifier"]["value"] == str(DISPENSE)

    def test_not_wanted_not_there(self, shelf: Shelf) -> None:
        bundle = write(shelf.plan(finding()), shelf.desk())
        assert {each["resourceType"] for _, each in entries(bundle)} == {"Task", "Communication"}


class TestChanges:
    @pytest.fixture(autouse=True)
    def _written(self, shelf: Shelf) -> None:
        shelf.write(finding())

    def by_hand(self, shelf: Shelf, **fields: Any) -> None:
        shelf.task.update(fields)

    def test_a_revision_keeps_what_people_added(self, shelf: Shelf) -> None:
        own = {"type": {"text": "ours here"}, "valueString": "ring twice"}
        self.by_hand(shelf, note=[{"text": "called"}], owner={"display": "Ms. Smith"})
        shelf.task["input"].insert(0, own)
        shelf.write(finding(digest="d1", severity=Severity.S1))
        assert shelf.task["note"] == [{"text": "called"}]
        assert shelf.task["owner"] == {"display": "Ms. Smith"}
        assert shelf.task["input"][0] == own
        assert shelf.task["priority"] == "asap"
        assert len(shelf.letters) == 2

    def test_a_person_at_work_gets_a_note_and_keeps_the_words(self, shelf: Shelf) -> None:
        before = shelf.task["description"]
        self.by_hand(shelf, status="in-progress")
        shelf.write(finding(digest="d1"))
        assert (shelf.task["status"], shelf.task["description"]) == ("in-progress", before)
        shelf.write()
        assert [note["authorString"] for note in shelf.task["note"]] == ["fhirbridge"] * 2
        assert "looks solved" in shelf.task["note"][-1]["text"]
        assert shelf.write() is None

    def test_solved_is_completed_with_evidence(self, shelf: Shelf) -> None:
        plan = shelf.plan(standing={"o-1": (ORDER,)})
        bundle = write(plan, shelf.desk())
        closed = [each for _, each in entries(bundle) if each["resourceType"] == "Task"]
        assert {each["status"] for each in closed} == {"completed"}
        assert closed[-1]["output"][1]["valueReference"]["identifier"]["value"] == str(ORDER)
        letters = [each for _, each in entries(bundle) if each["resourceType"] == "Communication"]
        assert {each["inResponseTo"][0]["identifier"]["value"] for each in letters} == {
            "k1.1.pharmacy",
            "k1.1.prescriber",
        }

    def test_who_was_told_is_told_when_it_is_over(self, shelf: Shelf) -> None:
        prescriber = Party("ehr", "Practitioner/dr", display="Dr. Example")
        parties = {Role.PHARMACY: PHARMACY, Role.PRESCRIBER: prescriber}
        shelf.write(finding(key="k2", parties=parties))
        opened = {each["recipient"][0].get("reference") for each in shelf.letters.values()}
        assert "Practitioner/dr" in opened
        before = set(shelf.letters)
        shelf.write()
        said = [each for id_, each in shelf.letters.items() if id_ not in before]
        assert "Practitioner/dr" in {each["recipient"][0].get("reference") for each in said}

    def test_when_the_dose_was_given_the_root_is_completed_and_the_rest_canceled(
        self, shelf: Shelf
    ) -> None:
        dose = Ref("ehr", "MedicationAdministration", "a-1", "1")
        bundle = write(shelf.plan(standing={}, recorded={"o-1": (dose,)}), shelf.desk())
        root, part = (each for _, each in entries(bundle) if each["resourceType"] == "Task")
        assert (root["status"], part["status"]) == ("completed", "cancelled")
        result, evidence = root["output"]
        assert result["valueString"].endswith("The dose was given. Nothing more to do.")
        assert evidence["valueReference"]["identifier"]["value"] == str(dose)
        assert part["statusReason"]["text"].endswith("The dose was given. Nothing more to do.")

    def test_who_works_on_what_is_not_needed_any_more_is_told_that(self, shelf: Shelf) -> None:
        self.by_hand(shelf, status="in-progress")
        dose = Ref("ehr", "MedicationAdministration", "a-1", "1")
        bundle = write(shelf.plan(standing={}, recorded={"o-1": (dose,)}), shelf.desk())
        (task,) = (each for _, each in entries(bundle) if each.get("note"))
        assert task["status"] == "in-progress"
        assert task["note"][-1]["text"].startswith("The dose was given in the meantime.")
        assert task["businessStatus"]["coding"][0]["code"] == "no-longer-needed"

    def test_withdrawn_is_canceled_with_a_reason(self, shelf: Shelf) -> None:
        bundle = write(shelf.plan(standing={}), shelf.desk())
        task = entries(bundle)[1][1]
        assert (task["status"], "output" in task) == ("cancelled", False)
        assert task["statusReason"]["text"].startswith("No longer needed: Ocrelizumab")

    def test_a_refusal_is_told_to_the_coordinator_once(self, shelf: Shelf) -> None:
        self.by_hand(shelf, status="failed")
        owners = {Role.COORDINATOR: Party("ehr", "Organization/care")}
        bundle = write(shelf.plan(finding()), shelf.desk(owners=owners))
        (_, root), (_, task), (_, letter) = entries(bundle)
        assert "The pharmacy declined or could not do it: " in root["description"]
        assert task["status"] == "failed"
        assert letter["recipient"][0]["reference"] == "Organization/care"
        assert "declined" in letter["payload"][0]["contentString"]

    def test_what_the_server_writes_itself_is_not_sent_back(self, shelf: Shelf) -> None:
        shelf.task["meta"]["lastUpdated"] = "2026-12-01T09:00:00Z"
        bundle = write(shelf.plan(finding(digest="d1")), shelf.desk())
        assert all(set(each["meta"]) == {"tag"} for _, each in entries(bundle))

    def test_a_new_part_hangs_below_the_root_that_stands(self, shelf: Shelf) -> None:
        root = next(id_ for id_, task in shelf.tasks.items() if "partOf" not in task)
        bundle = write(shelf.plan(finding(), finding(key="k2", digest="e")), shelf.desk())
        opened = [each for method, each in entries(bundle) if method == "POST"]
        assert opened[0]["partOf"] == [{"reference": f"Task/{root}"}]


def test_what_is_no_fhir_does_not_leave_and_is_not_quoted() -> None:
    with pytest.raises(Rejected) as refused:
        check({"resourceType": "Task", "status": "requested", "for": {"reference": 7}}, "ehr")
    assert "for.reference" in str(refused.value)
    task = {"resourceType": "Task", "status": "requested", "intent": "order", "SSN": "078-05-1120"}
    with pytest.raises(Rejected) as refused:
        check(task, "ehr")
    assert "078-05-1120" not in str(refused.value)


def test_nothing_to_do_is_nothing_to_send(shelf: Shelf) -> None:
    assert write(Plan(), shelf.desk()) is None


STATUSES = ["requested", "received", "accepted", "in-progress", "completed", "rejected", "failed"]


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_what_was_written_is_read_back_and_leaves_nothing_to_write(data: st.DataObject) -> None:
    shelf = Shelf()
    some = st.lists(
        st.tuples(st.sampled_from(["k1", "k2"]), st.sampled_from(["d0", "d1"])),
        unique_by=lambda each: each[0],
        max_size=2,
    )
    for _ in range(3):
        now = [finding(key=key, digest=digest) for key, digest in data.draw(some)]
        shelf.write(*now)
        assert shelf.write(*now) is None
        told = [one for task in shelf.tasks.values() if (one := said(task, "ehr", "st-mary"))]
        assert len(told) == len(shelf.tasks)
        alive = [one.key for one in told if one.alive]
        assert len(alive) == len(set(alive))
        for task in shelf.tasks.values():
            one = said(task, "ehr", "st-mary")
            if one and one.told in (Told.OPEN, Told.STARTED):
                task["status"] = data.draw(st.sampled_from(STATUSES))


def test_a_task_names_the_insurance_that_it_is_about(shelf: Shelf) -> None:
    here, there = Ref("ehr", "Coverage", "c-1", "1"), Ref("payer", "ClaimResponse", "a-1", "2")
    shelf.write(finding(evidence=(ORDER, here, there)))
    near, far = shelf.task["insurance"]
    assert near == {"reference": "Coverage/c-1"}
    assert (far["type"], far["identifier"]["value"]) == (
        "ClaimResponse",
        "payer:ClaimResponse/a-1/_history/2",
    )
    shelf.write(finding(evidence=(ORDER,), digest="d1"))
    assert "insurance" not in shelf.task


@pytest.mark.parametrize(
    ("rule", "variant", "alert"),
    [
        ("duplicate-order", "", "DUPTHPY"),
        ("dose-outside-label", "high", "DOSEH"),
        ("dose-outside-label", "low", "DOSEL"),
        ("interval-too-early", "minimum", "DOSEIVL"),
        ("dispense-short", "", None),
    ],
)
def test_hl7_s_own_alert_stands_beside_the_rule(
    shelf: Shelf, rule: str, variant: str, alert: str | None
) -> None:
    shelf.write(finding(rule=rule, variant=variant))
    first, *others = shelf.task["reasonCode"]["coding"]
    assert first == {"system": ours.RULE, "code": rule}
    system = "http://terminology.hl7.org/CodeSystem/v3-ActCode"
    assert others == ([{"system": system, "code": alert}] if alert else [])


def test_what_was_written_twice_is_canceled_and_nobody_is_told(shelf: Shelf) -> None:
    shelf.write(finding())
    again = {"id": "99", "authoredOn": "2026-12-01T15:00:01+00:00"}
    shelf.tasks["99"] = shelf.task | again | {"lastModified": again["authoredOn"]}
    ((method, task),) = entries(shelf.write(finding()))
    assert (method, task["id"], task["status"]) == ("PUT", "99", "cancelled")
    assert task["statusReason"]["text"].startswith("Written twice by mistake: ")
    assert not shelf.write(finding())
