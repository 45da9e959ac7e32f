"""No bytes, no JSON and no almost right notification makes the door fall."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fhirbridge.core.events import Event, Verb
from fhirbridge.fhir.notify import Heard, hear

BASE = "https://fhirserver.org/fhir"
SECRET = "Zoltan-Quux-19700102"  # stands for whatever names a patient


@pytest.mark.parametrize(
    ("body", "headers"),
    [
        (b"not json " + SECRET.encode(), {}),
        (b"[" * 100_000, {}),
        (b'{"resourceType":"Task","id":"t","x":1e99999999999999999999}', {}),
        (f'["{SECRET}"]'.encode(), {}),
        (f'{{"name":"{SECRET}"}}'.encode(), {}),
        (b'{"resourceType":"Bundle"}', {}),
        (b"\xff\xfe", {"Content-Type": "application/json; charset=utf-8"}),
        (b"{}", {"Content-Type": "application/json; charset=klingon"}),
        (b"{}", {"Content-Encoding": "br"}),
        (b"no gzip", {"Content-Encoding": "gzip"}),
    ],
)
def test_what_is_not_understood_is_kept_and_answered_with_the_reason(
    body: bytes, headers: dict[str, str]
) -> None:
    found = hear("ehr", (BASE,), "POST", "", headers, body, subscribed="Task")
    assert (found.dialect, found.kind) == ("unknown", "unknown")
    assert found.events == (Event("ehr", Verb.TOUCHED, "Task"),)
    assert found.answer.status == 200
    assert json.loads(found.answer.body)["issue"][0]["diagnostics"] == found.problem
    assert found.problem is not None
    assert SECRET not in found.problem


def words(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from(text.split())


NAMES = words(
    "resourceType id meta versionId lastUpdated entry resource fullUrl request response method url "
    "parameter name part valueString valueReference valueCode reference type status subscription "
    "notificationEvent eventNumber focus eventsSinceSubscriptionStart subject participant actor "
    "identifier etag lastModified"
)
WORDS = words(
    "Bundle Parameters SubscriptionStatus Task Patient Patient/1 Task/t/_history/2 urn:uuid:a "
    "history handshake event-notification notification-event event-number focus subscription "
    "DELETE PUT 17 2026-12-01T10:00:00Z 0001-01-01T00:00:00+14:00 "
    f"{BASE}/Task/1 http:// :// /"
)
LEAVES = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text() | WORDS
JSON = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=6),
    max_leaves=40,
)
ENVELOPES = st.builds(
    lambda type_, entries, more: {**more, "resourceType": type_, "entry": entries},
    st.sampled_from(["Bundle", "SubscriptionStatus", "Parameters"]),
    st.lists(
        st.builds(
            lambda resource, more: {**more, "resource": resource},
            st.builds(
                lambda type_, more: {**more, "resourceType": type_},
                st.sampled_from(["SubscriptionStatus", "Parameters", "Bundle", "Task"]),
                st.dictionaries(NAMES, JSON, max_size=6),
            ),
            st.dictionaries(NAMES, JSON, max_size=4),
        ),
        max_size=3,
    ),
    st.dictionaries(NAMES, JSON, max_size=3),
)
METHODS = st.sampled_from(["POST", "PUT", "DELETE"])
PATHS = st.sampled_from(["", "Task/t-1", "Task", "/Task/t-1/_history/2", "../..", "%00"])


def check(found: Heard) -> None:
    assert found.answer.status == 200
    assert found.events or found.kind in ("handshake", "heartbeat", "query")
    for event in found.events:
        assert event.source == "ehr"
        assert event.last_updated is None or event.last_updated.tzinfo is UTC
        if event.verb is not Verb.TOUCHED:
            assert event.type
            assert event.id


@settings(max_examples=80, deadline=None)
@given(METHODS, PATHS, JSON | ENVELOPES)
def test_any_json_is_heard(method: str, path: str, document: Any) -> None:
    body = json.dumps(document).encode()
    check(hear("ehr", (BASE,), method, path, {}, body))


@settings(max_examples=80, deadline=None)
@given(METHODS, PATHS, st.binary(), st.text(), st.sampled_from(["", "gzip", "deflate", "a, b"]))
def test_any_bytes_are_heard(
    method: str, path: str, body: bytes, content_type: str, encoding: str
) -> None:
    headers = {"Content-Type": content_type, "Content-Encoding": encoding}
    check(hear("ehr", (BASE,), method, path, headers, body))
