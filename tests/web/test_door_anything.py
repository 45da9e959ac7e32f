"""Whatever is sent to the door, and by whomever: never a 500, and strangers leave no trace."""

from __future__ import annotations

import gzip
import hmac
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
