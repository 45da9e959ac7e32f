"""Every dialect through one door; whatever comes, an answer and nothing lost."""

from __future__ import annotations

import gzip
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.core.events import Event, Verb
from fhirbridge.fhir import notify
from fhirbridge.fhir.notify import Heard, hear

BASE = "https://fhirserver.org/fhir"
EXAMPLES = Path(__file__).parent / "notifications"
ENCOUNTER = "86009987-eabe-42bf-8c02-b112b18cb616"
SECRET = "Zoltan-Quux-19700102"


def heard(
    document: Any = None,
    *,
    method: str = "POST",
    path: str = "",
    body: bytes | None = None,
    subscribed: str | None = None,
    bases: tuple[str, ...] = (BASE,),
    **headers: str,
) -> Heard:
    if body is None:
        body = b"" if document is None else json.dumps(document).encode()
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return hear("ehr", bases, method, path, names, body, subscribed=subscribed)


def example(name: str, **options: Any) -> Heard:
    return heard(body=(EXAMPLES / f"inferno_{name}.json").read_bytes(), **options)


def only(found: Heard) -> Event:
    (event,) = found.events
    return event


def order(id_: str = "m-1", **more: Any) -> dict[str, Any]:
    meta = {"versionId": "2", "lastUpdated": "2026-12-01T10:00:00.500-05:00"}
    subject = {"reference": "Patient/p-7"}
    return {
        "resourceType": "MedicationRequest",
        "id": id_,
        "meta": meta,
        "subject": subject,
        **more,
    }


# --- classic R4 rest-hook, as HAPI sends it


def test_put_of_a_resource() -> None:
    found = heard(order(), method="PUT", path="MedicationRequest/m-1")
    assert (found.dialect, found.kind, found.problem) == ("rest-hook", "event", None)
    assert only(found) == Event(
        source="ehr",
        verb=Verb.CHANGED,
        type="MedicationRequest",
        id="m-1",
        version="2",
        last_updated=datetime(2026, 12, 1, 15, 0, 0, 500_000, tzinfo=UTC),
        patient="p-7",
    )
    assert found.told[0].resource == order()
    assert found.answer == notify.NOTHING


def test_delete() -> None:
    found = heard(method="DELETE", path="/MedicationRequest/m-1")
    assert only(found) == Event("ehr", Verb.DELETED, "MedicationRequest", "m-1")
    assert found.answer.status == 200


def test_an_empty_post_touches_the_type_that_was_subscribed_to() -> None:
    found = heard(subscribed="Appointment", content_type="application/x-www-form-urlencoded")
    assert only(found) == Event("ehr", Verb.TOUCHED, "Appointment")
    assert (found.dialect, found.problem) == ("empty", None)
    assert only(heard()).type is None


def test_the_address_tells_the_record_when_the_body_cannot_be_read() -> None:
    found = heard(body=b"<MedicationRequest/>", method="PUT", path="MedicationRequest/m-1")
    assert only(found) == Event("ehr", Verb.CHANGED, "MedicationRequest", "m-1")
    assert found.problem is not None
    assert "XML" in found.problem
    assert b"OperationOutcome" in found.answer.body


def test_a_body_that_is_not_the_record_of_the_address() -> None:
    found = heard(order("m-2"), method="PUT", path="MedicationRequest/m-1")
    assert (only(found).id, found.told[0].resource) == ("m-1", None)
    assert found.problem is not None


@pytest.mark.parametrize("version", ["", "1\x00", "\ud800", "9" * 257, 3, None])
def test_a_version_that_no_database_takes_is_none(version: object) -> None:
    """Else the delivery could never be kept, and would be sent again and again."""
    body = json.dumps(order(meta={"versionId": version})).encode()
    found = heard(body=body)
    assert all(each.version is None for each in found.events)
    assert only(heard(order(meta={"versionId": "MTU4NDM3=="}))).version == "MTU4NDM3=="


# --- bare resources


def test_a_bare_resource_by_post() -> None:
    found = heard(order())
    assert (found.dialect, only(found).id) == ("resource", "m-1")


def test_medplum_says_deletes_in_a_header() -> None:
    found = heard({}, X_Medplum_Deleted_Resource="Coverage/c-1")
    assert only(found) == Event("ehr", Verb.DELETED, "Coverage", "c-1")


# --- topic notifications: the published examples


@pytest.mark.parametrize(
    ("name", "kind", "status", "total"),
    [
        ("handshake_bundle_example", "handshake", "requested", 0),
        ("heartbeat_bundle_example", "heartbeat", "active", 2),
    ],
)
def test_handshake_and_heartbeat(name: str, kind: str, status: str, total: int) -> None:
    found = example(name)
    assert (found.kind, found.status, found.total) == (kind, status, total)
    assert (found.subscription, found.events, found.problem) == ("123", (), None)
    assert (found.answer.status, found.answer.content_type) == (200, "application/fhir+json")


@pytest.mark.parametrize(
    "name",
    [
        "empty_notification_bundle_example",
        "empty_notification_bundle_non_conformant_example",
        "preset_empty",
    ],
)
def test_an_empty_notification_touches(name: str) -> None:
    found = example(name, subscribed="Encounter")
    assert only(found) == Event("ehr", Verb.TOUCHED, "Encounter", number=1)
    assert (found.dialect, found.kind, found.total) == ("topic", "event", 1)


def test_id_only() -> None:
    found = example("id_only_notification_bundle_example")
    assert only(found) == Event("ehr", Verb.CHANGED, "Encounter", ENCOUNTER, number=1)
    assert found.told[0].resource is None


def test_full_resource() -> None:
    found = example("full_resource_notification_bundle_example")
    event = only(found)
    assert (event.verb, event.type, event.id, event.number) == (
        Verb.CHANGED,
        "Encounter",
        ENCOUNTER,
        1,
    )
    resource = found.told[0].resource
    assert resource is not None
    assert resource["status"]


def test_an_answer_to_status_is_read_too() -> None:
    found = example("subscription_status_example", bases=("https://example.org/fhir",))
    assert (found.total, only(found).id, only(found).number) == (2, ENCOUNTER, 2)


@pytest.mark.parametrize("name", ["id_only", "full_resource"])
def test_a_focus_on_another_host_is_never_taken_for_ours(name: str) -> None:
    found = example(f"{name}_notification_bundle_example", bases=("https://ehr.example/fhir",))
    assert only(found) == Event("ehr", Verb.TOUCHED, "Encounter", number=1)
    assert found.problem == "event 1: its focus names no record of this server by reference"


# --- topic notifications: what servers make of it


def status(*events: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "resourceType": "SubscriptionStatus",
        "status": "active",
        "type": "event-notification",
        "subscription": {"reference": "Subscription/s-1"},
        "notificationEvent": list(events),
        **more,
    }


def bundle(*entries: dict[str, Any], type_: str = "history") -> dict[str, Any]:
    return {"resourceType": "Bundle", "type": type_, "entry": list(entries)}


@pytest.mark.parametrize("fhir", ["R4B", "R5"])
@pytest.mark.parametrize(
    ("what", "verb", "id_", "version", "patient", "number"),
    [
        ("create_full-resource", Verb.CHANGED, "m-1", "1", "p-7", 1),
        ("update_id-only", Verb.CHANGED, "m-1", None, None, 2),
        ("delete_id-only", Verb.DELETED, "m-1", None, None, 3),
        ("delete_empty", Verb.TOUCHED, None, None, None, 3),
    ],
)
def test_what_a_real_hapi_sent(
    fhir: str,
    what: str,
    verb: Verb,
    id_: str | None,
    version: str | None,
    patient: str | None,
    number: int,
) -> None:
    """Numbers are strings in R4B, integers in R5; a delete is an entry with a request only."""
    body = (EXAMPLES / f"hapi_{fhir}_{what}.json").read_bytes()
    found = heard(body=body, subscribed="MedicationRequest")
    event = only(found)
    assert (event.verb, event.type, event.id) == (verb, "MedicationRequest", id_)
    assert (event.version, event.patient, event.number) == (version, patient, number)
    assert (found.dialect, found.problem, found.total) == ("topic", None, number)
    assert found.answer == notify.BUNDLE


def test_several_events_gaps_and_deletes_in_one_bundle() -> None:
    events = [
        {"eventNumber": "21", "focus": {"reference": "MedicationRequest/m-1/_history/4"}},
        {"eventNumber": "23", "focus": {"reference": f"{BASE}/MedicationRequest/m-2"}},
        {"eventNumber": "24", "focus": {"reference": "Patient/Patient/1"}},
    ]
    deleted = {
        "fullUrl": f"{BASE}/MedicationRequest/m-2",
        "request": {"method": "DELETE", "url": "MedicationRequest/m-2"},
    }
    found = heard(bundle({"resource": status(*events)}, deleted))
    assert [(e.verb, e.type, e.id, e.version, e.number) for e in found.events] == [
        (Verb.CHANGED, "MedicationRequest", "m-1", "4", 21),
        (Verb.DELETED, "MedicationRequest", "m-2", None, 23),
        (Verb.CHANGED, "Patient", "1", None, 24),
    ]


@pytest.mark.parametrize("type_", ["handshake", "heartbeat", "query-status"])
def test_events_in_a_handshake_or_heartbeat_are_events(type_: str) -> None:
    """They may carry some (Backport 1.1.0, notifications): who skips them loses data."""
    event = {"eventNumber": "1", "focus": {"reference": "Coverage/c-1"}}
    found = heard(bundle({"resource": status(event, type=type_)}))
    assert only(found).id == "c-1"


def test_an_identifier_alone_is_looked_for() -> None:
    focus = {"type": "Appointment", "identifier": {"value": SECRET}}
    found = heard(status({"eventNumber": 1, "focus": focus}, eventsInNotification=1))
    assert only(found) == Event("ehr", Verb.TOUCHED, "Appointment", number=1)
    assert found.problem is not None
    assert SECRET not in found.problem


def test_entries_without_any_focus_are_events() -> None:
    found = heard(bundle({"resource": status()}, {"fullUrl": "Coverage/c-1/_history/2"}))
    assert only(found) == Event("ehr", Verb.CHANGED, "Coverage", "c-1", version="2")


def test_urn_focus_and_a_bundle_inside_as_pas_sends_it() -> None:
    response = {"resourceType": "ClaimResponse", "id": "cr-1", "patient": {"reference": "#p"}}
    inner = {
        "resourceType": "Bundle",
        "type": "collection",
        "entry": [{"fullUrl": "urn:uuid:b", "resource": response}],
    }
    event = {"eventNumber": 5, "focus": {"reference": "urn:uuid:a"}}
    found = heard(bundle({"resource": status(event)}, {"fullUrl": "urn:uuid:a", "resource": inner}))
    assert only(found) == Event("ehr", Verb.CHANGED, "ClaimResponse", "cr-1", number=5)
    assert found.told[0].resource == response


def test_an_error_of_the_subscription_is_told() -> None:
    found = heard(bundle({"resource": status(status="error", type="heartbeat")}))
    assert (found.kind, found.status, found.events) == ("heartbeat", "error", ())


# --- other Bundles


def test_a_search_criteria_bundle_of_hapi() -> None:
    found = heard(bundle({"resource": order()}, {"resource": order("m-2")}, type_="transaction"))
    assert [each.id for each in found.events] == ["m-1", "m-2"]
    assert (found.dialect, found.answer) == ("bundle", notify.BUNDLE)


def test_the_good_entries_of_a_bundle_count() -> None:
    foreign = {"fullUrl": "http://elsewhere.example/Coverage/1", "resource": order()}
    found = heard(bundle({"resource": {"resourceType": "x"}}, foreign, {"resource": order()}))
    assert only(found).id == "m-1"
    assert found.problem == (
        "entry 1 names no record of this server; entry 2 names no record of this server"
    )


def test_a_great_bundle_is_polled_for_instead() -> None:
    found = heard(bundle(*({"resource": order(str(n))} for n in range(1001))), subscribed="Task")
    assert only(found) == Event("ehr", Verb.TOUCHED, "Task")
    assert found.problem == "more than 1000 entries"


# --- wrapping and limits


def test_gzip_and_character_sets() -> None:
    text = json.dumps(order(note=[{"text": "Ärztin"}]), ensure_ascii=False)
    assert only(heard(body=gzip.compress(text.encode()), Content_Encoding="gzip")).id == "m-1"
    assert only(heard(body=b"\xef\xbb\xbf" + text.encode())).id == "m-1"
    latin = heard(
        body=text.encode("latin-1"), Content_Type="application/fhir+json; charset=ISO-8859-1"
    )
    assert latin.told[0].resource is not None
    assert latin.told[0].resource["note"][0]["text"] == "Ärztin"


def test_a_gzip_bomb_stays_small() -> None:
    found = heard(body=gzip.compress(b" " * 50_000_000), Content_Encoding="gzip")
    assert found.problem is not None
    assert "larger than" in found.problem
