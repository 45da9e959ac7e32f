"""A recorded case is decided as the person was, and holds nothing of the person."""

from __future__ import annotations

import os
import re
from datetime import date, datetime
from pathlib import Path
from random import Random
from typing import Any

import pytest

from fhirbridge import wiring
from fhirbridge.bridge.ports import Server
from fhirbridge.cases import document
from fhirbridge.cases.recording import NoSuchPatient, record
from fhirbridge.cases.replaying import replay
from fhirbridge.cases.shelved import Shelved, Tape
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.kinds import kind_of
from fhirbridge.settings import Settings
from fhirbridge.yamlfile import Invalid, Node, validate
from tests.bridge.estate import MRN, Estate, dispense, order, patient, people, visit
from tests.bridge.makes import OPENEMR, behave
from tests.cases.taking import recorded
from tests.labeled.test_labeled import ALL, Journey, neighbor, told

pytestmark = pytest.mark.lives

NAME, NUMBER, PHONE, BORN = "Quackenbush", "CANARY-4711", "555-0142", "1951-02-03"
IDS = ("p-1-canary", "m-1-canary", "x-1-canary")


@pytest.fixture
def estate(tmp_path: Path) -> Any:
    made = Estate(tmp_path, holidays="US")
    people(made)
    yield made
    made.close()


# --- decided alike


#: `make labeled` records every story.
ALL_STORIES = "FHIRBRIDGE_TEST_FORMS" in os.environ


def stories() -> list[Journey]:
    """Each story once, in a form that a server can give out; the fast suite takes every third."""
    once = {each.story.name: each for each in ALL if each.style.link != "uuid"}
    return [each for _, each in sorted(once.items())][:: 1 if ALL_STORIES else 3]


@pytest.mark.parametrize("journey", stories(), ids=lambda each: each.story.name)
def test_a_story_is_decided_alike(journey: Journey, tmp_path: Path) -> None:
    case = taken(journey, tmp_path)
    assert case.differs == []
    assert {row["rule"] for each in case.decided for row in each.findings} >= journey.story.must
    again = replay(document.read(saved(case, tmp_path)))
    assert (again.differences, again.notes) == ([], [])


def taken(journey: Journey, folder: Path) -> document.Case:
    """The person of a story, recorded."""
    sources = {
        name: document.Source(resources=jsonio.loads(jsonio.dumps(records)))
        for name, records in told(journey).sources.items()
    }
    home = "ehr" if "ehr" in sources else min(sources)
    servers = {}
    others = neighbor(journey.style.estate, journey.today).sources
    for name, source in sources.items():
        types = {each["resourceType"] for each in (*source.resources, *others.get(name, ()))}
        kinds = {kind for type_ in types if (kind := kind_of(type_))}
        holds = sorted(kinds | ({"worklist"} if name == home else set()))
        url = f"https://{name}.example/fhir"
        servers[name] = {"base_url": url, "holds": holds or ["rems"], "profile": "hapi"}
    store = f"sqlite:///{folder}/store.db"
    data = {"servers": servers, "store": store, "timezone": "America/New_York", "holidays": "US"}
    settings = validate(Node(Path("test"), data), Settings)
    now = wiring.now().replace(
        year=journey.today.year, month=journey.today.month, day=journey.today.day, hour=15
    )
    tapes: dict[str, Tape] = {}

    def around(server: Server) -> Server:
        url = server.base_url
        shelved: Any = Shelved(server.name, url, sources[server.name], now)
        tapes[server.name] = Tape(shelved)
        return tapes[server.name]

    bridge = wiring.wire(settings, clock=lambda: now, around=around)
    person = next(each for each in sources[home].resources if each["resourceType"] == "Patient")
    try:
        subject = f"{home}:Patient/{person['id']}"
        return record(settings, bridge, tapes, [subject], Random(journey.number))
    finally:
        wiring.unwire(bridge)


def saved(case: document.Case, folder: Path) -> Path:
    path = folder / "case.json"
    path.write_bytes(document.dumps(case))
    return path


def test_our_own_tasks_mean_the_same(estate: Estate) -> None:
    """Open, changed and gone troubles: their Tasks are known again, so nothing else is planned."""
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    case = recorded(estate)
    assert case.differs == []
    assert case.decided[0].plan == []
    assert [each["rule"] for each in case.decided[0].findings].count("dispense-short") == 1

    estate.put("pharmacy", dispense("d-2", mg=300))
    case = recorded(estate)
    assert case.differs == []
    assert "close dispense-short solved" in case.decided[0].plan


def test_a_day_in_words_is_another_day_and_the_dose_is_read(estate: Estate) -> None:
    estate.put("ehr", order(dosageInstruction=[{"text": "600 mg IV once on 12/8/2026"}]))
    estate.put("ehr", visit())
    case = recorded(estate)
    assert case.differs == []
    assert "600 mg" in str(case.decided[0].findings)
    assert "12/8/2026" not in document.dumps(case).decode()


@pytest.mark.parametrize("answer", ["Two infusions.", "one infusion", "whatever she wants"])
def test_an_answer_to_a_question_means_the_same(estate: Estate, answer: str) -> None:
    estate.put("ehr", order(dosageInstruction=[{"text": "300 mg x 2"}]))
    estate.put("ehr", visit())
    estate.work()
    asked = [task for task in estate.tasks() if "single-vs-split" in str(task["reasonCode"])][-1]
    output = [{"type": {"text": "answer"}, "valueString": answer}]
    estate.put("ehr", {**asked, "status": "completed", "output": output}, tell=False)
    case = recorded(estate)
    assert case.differs == []
    rules = {row["rule"] for row in case.decided[0].findings}
    assert ("single-vs-split-unclear" in rules) == (answer == "whatever she wants")
    assert "wants" not in document.dumps(case).decode()


def test_our_own_worklist_is_recorded_too(tmp_path: Path) -> None:
    """Where the server takes no Tasks, those that we keep ourselves are known again."""
    estate = Estate(tmp_path)
    behave(estate.servers["ehr"], OPENEMR)
    people(estate)
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    estate.work()
    case = recorded(estate)
    assert case.differs == []
    assert case.decided[0].plan == []
    assert any(each["resourceType"] == "Task" for each in case.sources["ehr"].resources)
    estate.close()


def test_dates_are_moved_again_where_a_holiday_falls_otherwise(tmp_path: Path) -> None:
    """A due day that steps over Thanksgiving would be another one in most other weeks."""
    estate = Estate(tmp_path, holidays="US")
    people(estate)
    estate.clock.now = estate.clock.now.replace(month=11, day=23)
    estate.put("ehr", order(on=date(2026, 12, 1)))
    estate.put("ehr", visit(start="2026-12-01T09:00:00-05:00"))
    cases = [recorded(estate, seed=seed) for seed in range(4)]
    estate.close()
    for case in cases:
        again = replay(case)
        assert again.differences == case.differs  # it never claims more than it shows


def test_a_source_that_is_down_is_recorded_as_down(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.servers["payer"].down = 503
    case = recorded(estate)
    assert case.differs == []
    assert case.sources["payer"].failed
    assert "auth-missing-drug" in case.decided[0].cannot_tell


def test_two_persons_in_one_case(estate: Estate) -> None:
    estate.put("ehr", patient("p-2", mrn="777", born="1990-01-01"))
    estate.put("ehr", order("o-2", who="p-2"))
    estate.put("ehr", order())
    case = recorded(estate, ("ehr:Patient/p-1", "ehr:Patient/p-2"))
    assert case.differs == []
    assert len(case.decided) == 2


def test_nobody_there_is_said(estate: Estate) -> None:
    with pytest.raises(NoSuchPatient, match="ehr:Patient/nobody: there is no such patient"):
        recorded(estate, ("ehr:Patient/nobody",))


def test_the_same_chance_makes_the_same_case(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.clock.now = estate.clock.now.replace(microsecond=0)
    one = document.dumps(recorded(estate, seed=7))
    estate.clock.now = estate.clock.now.replace(microsecond=0)
    assert document.dumps(recorded(estate, seed=7)) == one
    estate.clock.now = estate.clock.now.replace(microsecond=0)
    assert document.dumps(recorded(estate, seed=8)) != one


def test_weekdays_and_intervals_stay(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    case = recorded(estate)
    records = {each["resourceType"]: each for each in case.sources["ehr"].resources}
    start = datetime.fromisoformat(records["Appointment"]["start"])
    assert (start.weekday(), start.hour) == (1, 9)  # Tuesday at nine, as it was
    assert (start.date() - case.as_of.date()).days == 7


# --- nothing of the person


def poisoned(resource: dict[str, Any]) -> dict[str, Any]:
    """A record with a person's details wherever a record may have them."""
    person = f"{NAME}, {NUMBER}, call {PHONE}, born {BORN}"
    return {
        **resource,
        "text": {"status": "generated", "div": f"<div>{person}</div>"},
        "language": NAME,
        "note": [{"text": f"{person}: give 600 mg", "authorString": NAME, "time": BORN}],
        "extension": [
            {"url": f"http://{NAME}.example/x", "valueString": person},
            {"url": "http://hl7.org/fhir/x/pa-needed", "valueString": person, "valueCode": NAME},
        ],
        NAME: {"deep": person},
        "_status": {"extension": [{"url": NAME, "valueString": person}]},
        "contained": [
            {"resourceType": "Practitioner", "id": NAME, "name": [{"family": NAME}]},
            {"resourceType": "Organization", "id": f"{NAME}2", "name": f"{NAME} Pharmacy"},
            {"resourceType": "Person", "id": "1", "name": [{"family": NAME}]},
        ],
    }


@pytest.mark.parametrize("seed", range(5))
def test_nothing_of_the_person_is_in_the_file(tmp_path: Path, seed: int) -> None:
    estate = Estate(tmp_path)
    for server, id_ in zip(("ehr", "payer", "pharmacy"), IDS, strict=True):
        estate.put(
            server,
            poisoned(
                {
                    **patient(id_, mrn=NUMBER, born=BORN),
                    "identifier": [
                        {
                            "system": MRN,
                            "value": NUMBER,
                            "assigner": {"display": NAME},
                            "type": {"text": NAME},
                        },
                        {"system": f"http://{NAME}.example/n", "value": PHONE, "use": NAME},
                    ],
                    "name": [{"family": NAME, "text": NAME}],
                    "telecom": [{"system": "phone", "value": PHONE}],
                    "address": [{"line": [NAME], "city": NAME, "postalCode": NUMBER}],
                    "photo": [{"title": NAME}],
                    "contact": [{"name": {"family": NAME}}],
                    "generalPractitioner": [{"display": NAME}],
                    "maritalStatus": {"text": NAME},
                }
            ),
        )
    local = {"coding": [{"system": f"http://{NAME}.example", "code": NUMBER, "display": NAME}]}
    estate.put(
        "ehr",
        poisoned(
            order(
                f"o-{NUMBER}",
                who=IDS[0],
                identifier=[{"system": "urn:x", "value": f"{NAME}-{NUMBER}"}],
                requester={"reference": f"Practitioner/{NAME}", "display": f"Dr. {NAME}"},
                reasonCode=[local],
                category=[local],
                groupIdentifier={"value": NUMBER},
            )
        ),
    )
    estate.put(
        "ehr",
        poisoned(
            visit(
                f"v-{NUMBER}",
                who=IDS[0],
                description=f"Infusion of {NAME} ({BORN}), {PHONE}",
                comment=f"MRN {NUMBER} 4711 {NAME.upper()} {NAME.lower()}'s husband",
                serviceType=[local],
                patientInstruction=NAME,
            )
        ),
    )
    estate.put(
        "pharmacy",
        poisoned(dispense(f"d-{NUMBER}", mg=300, who=IDS[2], location={"display": NAME})),
    )
    originals = "".join(
        jsonio.dumps(each.resource).decode()
        for fake in estate.servers.values()
        for type_ in ("Patient", "MedicationRequest", "Appointment", "MedicationDispense")
        for each in fake.shelf.current(type_)
    )
    assert NAME in originals
    estate.work()
    case = recorded(estate, (f"ehr:Patient/{IDS[0]}",), seed)
    text = document.dumps(case).decode()
    estate.close()

    assert {row["rule"] for row in case.decided[0].findings} >= {"dispense-short"}
    low = text.lower()
    for secret in (NAME, NUMBER, PHONE, BORN, MRN, "4711", "5550142", *IDS, "hospital.example"):
        assert secret.lower() not in low, secret
    for fake in estate.servers.values():
        assert fake.base_url not in text
    days = set(re.findall(r"\d{4}-\d\d-\d\d", originals))
    assert len(days) > 3
    assert not [day for day in days if day in text]


# --- the file


def test_another_file_is_no_case(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    for content, why in (
        (b"nothing", "not a recorded case"),
        (b'{"resourceType": "Patient"}', "`fhirbridge record` makes one"),
        (b'{"fhirbridge_case": 99}', "its form is 99"),
        (b'{"fhirbridge_case": 1, "softwar": "1"}', "software"),
    ):
        path.write_bytes(content)
        with pytest.raises(Invalid, match=why):
            document.read(path)


def test_other_software_and_mappings_are_said(estate: Estate) -> None:
    estate.put("ehr", order())
    case = recorded(estate).model_copy(update={"software": "0.0.1", "mappings": "other"})
    assert [each.partition(" ")[0] for each in replay(case).notes] == ["recorded", "recorded"]


def test_an_outcome_that_differs_is_said(estate: Estate) -> None:
    estate.put("ehr", order())
    estate.put("ehr", visit())
    estate.put("pharmacy", dispense(mg=300))
    case = recorded(estate)
    resources = case.sources["pharmacy"].resources
    resources[:] = [each for each in resources if each["resourceType"] == "Patient"]
    said = replay(case).differences
    assert any("not found now: dispense-short" in each for each in said), said
