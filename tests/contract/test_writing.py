"""Create, read, update, delete; conditional create; what is refused."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from fhirbridge.fhir.jsonio import dumps
from tests.contract.driver import Fhir


def test_a_client_chosen_id_is_created_then_updated(fhir: Fhir) -> None:
    task = fhir.task()
    created = fhir.put(task)
    assert created.status == 201
    assert created.headers["etag"] == 'W/"1"'
    assert created.body["meta"]["versionId"] == "1"
    updated = fhir.put(task | {"status": "accepted"}, If_Match='W/"1"')
    assert (updated.status, updated.headers["etag"]) == (200, 'W/"2"')
    read = fhir.get(f"Task/{task['id']}")
    assert (read.status, read.headers["etag"]) == (200, 'W/"2"')
    assert read.headers["last-modified"].endswith("GMT")
    assert read.headers["content-type"].startswith("application/fhir+json")
    assert read.body["status"] == "accepted"


def test_a_server_chosen_id_stands_in_location(fhir: Fhir) -> None:
    created = fhir.call("POST", "Task", fhir.task())
    assert created.status == 201
    place = f"{fhir.base_url}/Task/{created.body['id']}/_history/1"
    assert created.headers["location"] == place
    assert fhir.get(place).body == created.body


def test_an_old_version_can_be_read_by_its_number(fhir: Fhir) -> None:
    task = fhir.made(fhir.task())
    fhir.made(fhir.task(status="accepted"))
    assert fhir.get(f"Task/{task['id']}/_history/1").body["status"] == "requested"
    assert fhir.get(f"Task/{task['id']}/_history/9").status == 404


def test_an_update_that_changes_nothing_makes_no_version(fhir: Fhir) -> None:
    task = fhir.made(fhir.task())
    again = fhir.put(dict(reversed(fhir.task().items())))
    same = again.body["meta"]["lastUpdated"] == task["meta"]["lastUpdated"]
    expected = (200, 'W/"1"', True) if fhir.profile.skips_unchanged else (200, 'W/"2"', False)
    assert (again.status, again.headers["etag"], same) == expected


def test_what_is_deleted_is_gone_until_it_is_written_again(fhir: Fhir) -> None:
    task = fhir.made(fhir.task())
    place = f"Task/{task['id']}"
    assert fhir.call("DELETE", place).status in (200, 204)
    assert fhir.get(place).status == 410
    assert fhir.get(f"{place}/_history/1").status == 200
    assert fhir.call("DELETE", place).status in (200, 204)
    again = fhir.put(fhir.task())
    assert (again.status, again.headers["etag"]) == (201, 'W/"3"')


def test_what_never_was_is_not_found(fhir: Fhir) -> None:
    answer = fhir.get(f"Task/{fhir.id('none')}")
    assert fhir.refused(answer, 404, "HAPI-2001")


def test_a_stale_if_match_is_a_conflict(fhir: Fhir) -> None:
    fhir.made(fhir.task())
    fhir.made(fhir.task(status="accepted"))
    answer = fhir.put(fhir.task(status="rejected"), If_Match='W/"1"')
    assert fhir.refused(answer, fhir.profile.stale_if_match, "HAPI-0550: HAPI-0989")
    assert fhir.get(f"Task/{fhir.id('t')}").body["status"] == "accepted"


def test_conditional_create_writes_once(fhir: Fhir) -> None:
    condition = f"identifier={fhir.system}|t"
    task = {k: v for k, v in fhir.task().items() if k != "id"}
    first = fhir.call("POST", "Task", task, If_None_Exist=condition)
    again = fhir.call("POST", "Task", task | {"status": "draft"}, If_None_Exist=condition)
    assert (first.status, again.status) == (201, 200)
    assert again.headers["location"] == first.headers["location"]
    assert again.body["status"] == "requested"


def test_conditional_create_does_not_choose_among_several(fhir: Fhir) -> None:
    for name in ("a", "b"):
        fhir.made(fhir.task(name, identifier=[{"system": fhir.system, "value": "same"}]))
    task = {k: v for k, v in fhir.task().items() if k != "id"}
    answer = fhir.call("POST", "Task", task, If_None_Exist=f"identifier={fhir.system}|same")
    assert fhir.refused(answer, 412, "HAPI-0958")


def test_eight_first_writes_at_once_make_one_resource(fhir: Fhir) -> None:
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: fhir.put(fhir.task()), range(8)))
    statuses = [answer.status for answer in answers]
    assert statuses.count(201) == 1
    assert set(statuses) <= {200, 201, 409}
    last = 1 if fhir.profile.skips_unchanged else 8 - statuses.count(409)
    assert fhir.get(f"Task/{fhir.id('t')}").headers["etag"] == f'W/"{last}"'


@pytest.mark.parametrize("body", [b"hello", b"[]", b'{"resourceType": "Task"', b"<html/>"])
def test_what_is_no_json_resource_is_refused(fhir: Fhir, body: bytes) -> None:
    answer = fhir.call("POST", "Task", body)
    assert answer.status in (400, 422)
    assert answer.body["resourceType"] == "OperationOutcome"


def test_a_resource_of_another_type_is_refused(fhir: Fhir) -> None:
    answer = fhir.call("POST", "Patient", fhir.task())
    assert fhir.refused(answer, 400, "HAPI-1814")


def test_an_unknown_type_is_not_found(fhir: Fhir) -> None:
    assert fhir.get("Nonsense").status == 404
    assert fhir.get("Nonsense/1").status == 404


@pytest.mark.parametrize("id_", ["other", None])
def test_the_id_in_body_and_address_must_agree(fhir: Fhir, id_: str | None) -> None:
    task = fhir.task() | {"id": id_}
    task = {k: v for k, v in task.items() if v is not None}
    assert fhir.call("PUT", f"Task/{fhir.id('t')}", task).status in (400, 422)


def test_clients_may_not_choose_plain_numbers_as_ids(fhir: Fhir) -> None:
    number = str(int(fhir.u, 16))
    answer = fhir.put(fhir.task() | {"id": number})
    assert fhir.refused(answer, fhir.profile.numeric_ids, "HAPI-0960")


def test_a_reference_to_nothing_is_refused(fhir: Fhir) -> None:
    answer = fhir.put(fhir.task(patient=f"Patient/{fhir.id('none')}"))
    assert fhir.refused(answer, fhir.profile.absent_reference, "HAPI-1094")


def test_a_reference_to_another_server_is_refused(fhir: Fhir) -> None:
    answer = fhir.put(fhir.task(focus={"reference": "http://pharmacy.example/fhir/Claim/1"}))
    assert fhir.refused(answer, fhir.profile.absolute_reference, "HAPI-0507")


def test_an_owner_of_a_type_that_cannot_own_is_refused(fhir: Fhir) -> None:
    fhir.made({"resourceType": "Location", "id": fhir.id("l")})
    answer = fhir.put(fhir.task(owner={"reference": f"Location/{fhir.id('l')}"}))
    assert fhir.refused(answer, fhir.profile.wrong_target, "HAPI-0931")


def test_a_logical_reference_is_stored_as_it_is(fhir: Fhir) -> None:
    owner = {"type": "Organization", "identifier": {"value": "o"}, "display": "Pharmacy"}
    assert fhir.made(fhir.task(owner=owner))["owner"] == owner


def test_versions_are_stripped_from_references(fhir: Fhir) -> None:
    patient = f"Patient/{fhir.patient()['id']}"
    versioned = {"reference": f"{patient}/_history/1"}
    evidence = {"type": {"text": "evidence"}, "valueReference": versioned}
    task = fhir.task(input=[evidence], reasonReference=versioned) | {"for": versioned}
    stored = fhir.made(task)
    found = [stored["for"], stored["input"][0]["valueReference"], stored["reasonReference"]]
    expected = patient if fhir.profile.strips_versions else versioned["reference"]
    assert [reference["reference"] for reference in found] == [expected] * 3


def test_a_version_in_an_identifier_survives(fhir: Fhir) -> None:
    patient = f"Patient/{fhir.patient()['id']}"
    reference = {"reference": patient, "identifier": {"value": f"{patient}/_history/1"}}
    stored = fhir.made(fhir.task() | {"for": reference})
    assert stored["for"]["identifier"]["value"] == f"{patient}/_history/1"


def test_decimals_keep_their_digits(fhir: Fhir) -> None:
    quantity = b'"valueQuantity":{"value":300.10,"unit":"mg"}'
    task = dumps(fhir.task(input=[{"type": {"text": "ordered"}, "x": 1}]))
    task = task.replace(b'"x":1', quantity)
    assert fhir.call("PUT", f"Task/{fhir.id('t')}", task).status == 201
    read = dumps(fhir.get(f"Task/{fhir.id('t')}").body)
    assert (b"300.10" in read) == fhir.profile.keeps_decimals
    changed = fhir.call("PUT", f"Task/{fhir.id('t')}", task.replace(b"300.10", b"300.1"))
    assert changed.headers["etag"] == 'W/"2"'


def test_an_update_adds_tags_and_removes_none(fhir: Fhir) -> None:
    first, second = ({"system": fhir.system, "code": code} for code in "ab")
    fhir.made(fhir.task(meta={"tag": [first]}))
    stored = fhir.made(fhir.task(meta={"tag": [second]}))
    expected = ["a", "b"] if fhir.profile.keeps_tags else ["b"]
    assert sorted(tag["code"] for tag in stored["meta"]["tag"]) == expected  # in any order


def test_what_is_pointed_to_cannot_be_deleted(fhir: Fhir) -> None:
    patient = fhir.patient()
    fhir.made(fhir.task(patient=f"Patient/{patient['id']}"))
    answer = fhir.call("DELETE", f"Patient/{patient['id']}")
    assert answer.status in ((409,) if fhir.profile.refuses_referenced_delete else (200, 204))


def test_the_capability_statement_is_true(fhir: Fhir) -> None:
    statement = fhir.get("metadata").body
    assert statement["fhirVersion"] == "4.0.1"
    types = {one["type"]: one for one in statement["rest"][0]["resource"]}
    for type_, name in (("Task", "identifier"), ("Claim", "patient"), ("Coverage", "payor")):
        assert name in {one["name"] for one in types[type_]["searchParam"]}
        assert fhir.get(f"{type_}?{name}=none").status == 200
    assert {one["code"] for one in statement["rest"][0]["interaction"]} >= {"transaction"}
