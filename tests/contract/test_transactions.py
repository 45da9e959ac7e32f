"""Transactions stand as a whole or not at all; batches entry by entry."""

from __future__ import annotations

from typing import Any

import pytest

from tests.contract.driver import Fhir, Json

URN = "urn:uuid:6c1ee5a2-4a2a-4a8e-9a0e-000000000001"


def _post(resource: Json, full_url: str = URN, **request: str) -> Json:
    content = {k: v for k, v in resource.items() if k != "id"}
    asked = {"method": "POST", "url": resource["resourceType"]} | request
    return {"fullUrl": full_url, "resource": content, "request": asked}


def _put(resource: Json, **request: str) -> Json:
    url = f"{resource['resourceType']}/{resource['id']}"
    return {"resource": resource, "request": {"method": "PUT", "url": url} | request}


def _letter(fhir: Fhir, about: str, **fields: Any) -> Json:
    plain: Json = {"resourceType": "Communication", "id": fhir.id("c"), "status": "completed"}
    return plain | {"about": [{"reference": about}], "partOf": [{"reference": about}]} | fields


def test_entries_may_point_to_one_another_in_any_order(fhir: Fhir) -> None:
    answer = fhir.bundle("transaction", _put(_letter(fhir, URN)), _post(fhir.task()))
    assert answer.status == 200, answer.body
    assert answer.body["type"] == "transaction-response"
    responses = [entry["response"] for entry in answer.body["entry"]]
    assert [one["status"][:3] for one in responses] == ["201", "201"]
    assert responses[0]["location"].endswith(f"Communication/{fhir.id('c')}/_history/1")
    task = responses[1]["location"].split("/_history")[0]
    letter = fhir.get(f"Communication/{fhir.id('c')}").body
    assert letter["about"] == [{"reference": task[task.index("Task/") :]}]
    assert responses[1]["etag"].strip('W/"') == "1"


def test_a_conditional_create_points_to_what_exists(fhir: Fhir) -> None:
    task = fhir.made(fhir.task())
    once = _post(fhir.task(), ifNoneExist=f"identifier={fhir.system}|t")
    answer = fhir.bundle("transaction", once, _put(_letter(fhir, URN)))
    assert [e["response"]["status"][:3] for e in answer.body["entry"]] == ["200", "201"]
    letter = fhir.get(f"Communication/{fhir.id('c')}").body
    assert letter["partOf"] == [{"reference": f"Task/{task['id']}"}]


def test_one_stale_entry_refuses_the_whole(fhir: Fhir) -> None:
    fhir.made(fhir.task())
    fhir.made(fhir.task(status="accepted"))
    stale = _put(fhir.task(status="failed"), ifMatch='W/"1"')
    answer = fhir.bundle("transaction", _post(fhir.task("new")), stale)
    assert answer.status == fhir.profile.stale_if_match
    assert fhir.ids(f"Task?identifier={fhir.system}|new") == []
    assert fhir.get(f"Task/{fhir.id('t')}").headers["etag"] == 'W/"2"'


def test_one_reference_to_nothing_refuses_the_whole(fhir: Fhir) -> None:
    if fhir.profile.absent_reference == 201:
        pytest.skip("this server checks no references")
    bad = _put(fhir.task("bad", patient=f"Patient/{fhir.id('none')}"))
    answer = fhir.bundle("transaction", _post(fhir.task("new")), bad)
    assert answer.status == fhir.profile.absent_reference
    assert fhir.ids(f"Task?identifier={fhir.system}|new") == []


def test_reads_and_deletes_may_be_entries(fhir: Fhir) -> None:
    fhir.made(fhir.task("old"))
    read = {"request": {"method": "GET", "url": f"Task?identifier={fhir.system}|new"}}
    delete = {"request": {"method": "DELETE", "url": f"Task/{fhir.id('old')}"}}
    answer = fhir.bundle("transaction", read, _put(fhir.task("new")), delete)
    assert answer.status == 200, answer.body
    found = answer.body["entry"][0]["resource"]
    assert [entry["resource"]["id"] for entry in found["entry"]] == [fhir.id("new")]
    assert fhir.get(f"Task/{fhir.id('old')}").status == 410


def test_in_a_batch_each_entry_stands_alone(fhir: Fhir) -> None:
    task = fhir.made(fhir.task())
    good = {"request": {"method": "GET", "url": f"Task/{task['id']}"}}
    bad = {"request": {"method": "GET", "url": f"Task/{fhir.id('none')}"}}
    answer = fhir.bundle("batch", good, bad, _put(fhir.task(status="failed"), ifMatch='W/"7"'))
    assert (answer.status, answer.body["type"]) == (200, "batch-response")
    statuses = [entry["response"]["status"][:3] for entry in answer.body["entry"]]
    assert statuses == ["200", "404", str(fhir.profile.stale_if_match)]
    assert answer.body["entry"][0]["resource"]["id"] == task["id"]
    assert answer.body["entry"][1]["response"]["outcome"]["resourceType"] == "OperationOutcome"


def test_a_bad_reference_in_a_batch_spoils_its_own_entry_only(fhir: Fhir) -> None:
    bad = _put(fhir.task("bad", patient=f"Patient/{fhir.id('none')}"))
    answer = fhir.bundle("batch", bad, _put(fhir.task()))
    statuses = [int(entry["response"]["status"][:3]) for entry in answer.body["entry"]]
    assert statuses == [fhir.profile.absent_reference, 201]


def test_a_bundle_of_another_kind_is_refused(fhir: Fhir) -> None:
    assert fhir.bundle("collection").status in (400, 422)
