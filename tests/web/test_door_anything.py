"""Whatever is sent to the door, and by whomever: never a 500, and strangers leave no trace."""

from __future__ import annotations

import gzip
import hmac
from dataclasses import replace
from hashlib import sha256
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.payload import MAX_BYTES
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate, order
from tests.fhir.test_notify_anything import ENVELOPES, JSON
from tests.web.test_door import HOOK, SECRET, Caller

TEXT = st.text(st.characters(min_codepoint=33, max_codepoint=126), max_size=20)
BODIES = st.binary(max_size=200) | (JSON | ENVELOPES).map(
    lambda document: jsonio.dumps(document)
)  # fmt: skip
PATHS = st.sampled_from(
    ["", "/Task/t-1", "/Task", "/%00", "/../..", "/Task/t-1/_history/2", "/%ff/%fe", "//"]
)
HEADERS = st.fixed_dictionaries(
    {},
    optional={
        "Content-Type": TEXT | st.sampled_from(["application/json; charset=utf-16", "text/xml"]),
        "Content-Encoding": st.sampled_from(["gzip", "deflate", "br", "gzip, gzip", "identity"]),
        "X-Signature": TEXT,
        "X-Medplum-Deleted-Resource": TEXT | st.just("Task/t-1"),
        "If-Match": TEXT,
        "Content-Length": st.just("0"),
    },
)


@pytest.fixture
def door(estate: Estate) -> Caller:
    return Caller(
        app(estate.bridge, Metrics(estate.bridge.store, estate.clock), Console(estate.bridge))
    )


@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    st.sampled_from(["PUT", "POST", "DELETE", "PATCH", "GET"]),
    PATHS,
    HEADERS,
    BODIES,
    st.booleans(),
)
def test_no_request_is_answered_with_500(
    door: Caller, method: str, path: str, headers: dict[str, Any], body: bytes, known: bool
) -> None:
    sent = {**headers, **(SECRET if known else {})}
    status = door(method, HOOK + path, content=body, headers=sent).status_code
    assert status in (200, 401, 404, 405, 413, 429)
    if status in (401, 429):
        assert not known or "X-Signature" in headers
    if status == 200:
        assert known
        assert "X-Signature" not in headers


def test_a_small_body_that_unpacks_to_a_large_one_is_bounded(estate: Estate, door: Caller) -> None:
    bomb = gzip.compress(b" " * (MAX_BYTES + 10**6), 9)
    headers = {**SECRET, "Content-Encoding": "gzip"}
    assert door("POST", HOOK, content=bomb, headers=headers).status_code == 200
    assert "larger than" in (estate.bridge.store.recent(1)[0].problem or "")
    many = {**SECRET, "Content-Encoding": ", ".join(["gzip"] * 50)}
    assert door("POST", HOOK, content=bomb, headers=many).status_code == 200
    assert "more than 2 times" in (estate.bridge.store.recent(1)[0].problem or "")


def test_a_body_nested_too_deep_is_kept_and_said_so(estate: Estate, door: Caller) -> None:
    deep = b'{"a":' * 100_000 + b"1" + b"}" * 100_000
    assert door("POST", HOOK, content=deep, headers=SECRET).status_code == 200
    assert estate.bridge.store.recent(1)[0].problem


def test_a_signature_is_enough_and_a_wrong_one_is_refused(estate: Estate, door: Caller) -> None:
    body = jsonio.dumps(estate.put("ehr", order(), tell=False))
    right = hmac.new(b"s3cret", body, sha256).hexdigest()
    assert door("POST", HOOK, content=body, headers={"X-Signature": right}).status_code == 200
    assert estate.bridge.store.mark("ehr:Patient/p-1")
    wrong = {**SECRET, "X-Signature": right}
    assert door("POST", HOOK, content=body + b" ", headers=wrong).status_code == 401


ELSEWHERE = "http://elsewhere.example/fhir"


def test_no_address_that_a_payload_names_is_called(estate: Estate, door: Caller) -> None:
    """In whatever place of whatever dialect: what is read, is read from its own server."""
    there = f"{ELSEWHERE}/MedicationRequest/o-9"
    mine = estate.put("ehr", order(), tell=False)
    resource = {
        **mine,
        "subject": {"reference": f"{ELSEWHERE}/Patient/p-1"},
        "instantiatesUri": [there],
        "contained": [{"resourceType": "Binary", "id": "b", "url": there}],
    }
    status = {
        "resourceType": "SubscriptionStatus",
        "type": "event-notification",
        "topic": there,
        "subscription": {"reference": f"{ELSEWHERE}/Subscription/s-1"},
        "notificationEvent": [
            {"eventNumber": 1, "focus": {"reference": there}},
            {"eventNumber": 2, "focus": {"reference": f"//elsewhere.example/{there}"}},
        ],
    }
    entry = {"fullUrl": there, "request": {"method": "PUT", "url": there}, "resource": resource}
    link = [{"relation": "next", "url": f"{ELSEWHERE}?page=2"}]
    bundle = {"resourceType": "Bundle", "type": "history", "link": link}
    bodies: list[Any] = [
        resource,
        {**bundle, "entry": [entry]},
        {**bundle, "entry": [{"fullUrl": there, "resource": status}, entry]},
        status,
    ]
    for body in bodies:
        headers = {**SECRET, "Location": there, "Content-Location": there, "Link": f"<{there}>"}
        assert door("POST", HOOK, content=jsonio.dumps(body), headers=headers).status_code == 200
    deleted = {**SECRET, "X-Medplum-Deleted-Resource": there}
    assert door("POST", HOOK, content=b"{}", headers=deleted).status_code == 200
    assert door("PUT", f"{HOOK}/{there}", content=b"", headers=SECRET).status_code == 200
    estate.work()
    asked = [target for fake in estate.servers.values() for _, target in fake.requests]
    assert asked
    assert not [target for target in asked if "elsewhere" in target or "://" in target]
    assert not [target for target in asked if "o-9" in target]


@pytest.mark.parametrize("signed", [True, False])
def test_a_secret_is_compared_in_constant_time_only(
    door: Caller, monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    """What decides is `hmac.compare_digest`: where it says no, the right secret is refused."""
    module = "fhirbridge.fhir.signature.hmac" if signed else "fhirbridge.bridge.intake"
    sent = {"X-Signature": hmac.new(b"s3cret", b"{}", sha256).hexdigest()} if signed else SECRET
    assert door("POST", HOOK, content=b"{}", headers=sent).status_code == 200
    monkeypatch.setattr(f"{module}.compare_digest", lambda _a, _b: False)
    assert door("POST", HOOK, content=b"{}", headers=sent).status_code == 401


def test_who_signs_is_known_by_the_old_secret_too_while_it_is_taken(
    estate: Estate, door: Caller
) -> None:
    row = estate.bridge.store.subscription("ehr", "MedicationRequest")
    assert row is not None
    estate.bridge.store.save_subscription(replace(row, secret="n3w", previous_secret="s3cret"))
    estate.bridge.intake.renew()
    for secret, status in ((b"n3w", 200), (b"s3cret", 200), (b"older", 401)):
        sent = {"X-Signature": hmac.new(secret, b"{}", sha256).hexdigest()}
        assert door("POST", HOOK, content=b"{}", headers=sent).status_code == status
