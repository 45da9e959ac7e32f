"""The gate: console and metrics are closed to everybody who is not surely on this machine."""

from __future__ import annotations

import base64
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from fhirbridge.settings import Settings
from fhirbridge.web.app import app
from fhirbridge.web.console import Console
from fhirbridge.web.gate import Management
from fhirbridge.web.metrics import Metrics
from tests.bridge.estate import Estate
from tests.web.test_door import Caller

TOKEN = "0123456789abcdef-canary"
CLOSED = ("/", "/metrics", "/docs", "/openapi.json", "/admin", "//metrics", "/fhirbridge")
PUBLIC = ("/healthz", "/readyz", "/.well-known/jwks.json")
BEARER = {"Authorization": f"Bearer {TOKEN}"}
ELSEWHERE = "198.51.100.7"


def door(estate: Estate, management: Management) -> Caller:
    bridge = estate.bridge
    meter, console = Metrics(bridge.store, estate.clock), Console(bridge)
    return Caller(app(bridge, meter, console, management=management))


#: Requests that look as if they came from this machine, and did not.
DISGUISED: tuple[dict[str, Any], ...] = (
    {"caller": ELSEWHERE},
    {"caller": "2001:db8::1"},
    {"caller": ""},
    {"headers": {"X-Forwarded-For": "127.0.0.1"}},
    {"headers": {"Forwarded": "for=127.0.0.1"}},
    {"headers": {"Via": "1.1 proxy"}},
    {"headers": {"X-Real-IP": "127.0.0.1"}},
    {"headers": {"Host": "fhirbridge.hospital.example"}},
    {"headers": {"Host": "127.0.0.1.evil.example"}},
    {"headers": {"Host": "127.evil.example"}},
    {"headers": {"Host": "localhost.evil.example:8000"}},
    {"headers": {"Host": "[::1"}},
    {"headers": {"Host": ""}},
    {"headers": {"Host": "x@evil.example"}},
)


@pytest.mark.parametrize("request_", DISGUISED, ids=repr)
def test_without_a_token_nobody_from_elsewhere_sees_anything(
    estate: Estate, request_: dict[str, Any]
) -> None:
    call = door(estate, Management())
    for path in CLOSED:
        answer = call("GET", path, **request_)
        assert answer.status_code == 403
        assert "management_token" in answer.text
        assert "fhirbridge_due" not in answer.text
    for path in PUBLIC:
        answer = call("GET", path, **request_)
        assert answer.status_code == 200
        assert "ehr" not in answer.text


@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "localhost:8000", "[::1]:8000"])
def test_on_this_machine_it_is_open(estate: Estate, host: str) -> None:
    call = door(estate, Management())
    assert call("GET", "/readyz").json()["subscriptions"]["ehr/Task"] == "active"
    for caller in ("127.0.0.1", "::1"):
        assert call("GET", "/metrics", caller=caller, headers={"Host": host}).status_code == 200


def test_where_others_reach_us_a_caller_of_this_machine_may_be_a_proxy(estate: Estate) -> None:
    assert door(estate, Management(is_public=True))("GET", "/metrics").status_code == 403
    call = door(estate, Management(TOKEN, is_public=True))
    assert call("GET", "/metrics").status_code == 401
    assert call("GET", "/metrics", headers=BEARER).status_code == 200


def test_the_token_opens_from_anywhere(estate: Estate) -> None:
    call = door(estate, Management(TOKEN, is_public=True))
    password = base64.b64encode(f"grafana:{TOKEN}".encode()).decode()
    for given in (f"Bearer {TOKEN}", f"bearer  {TOKEN}", f"Basic {password}"):
        answer = call("GET", "/", caller=ELSEWHERE, headers={"Authorization": given})
        assert answer.status_code == 200
    for given in (
        "",
        "Bearer",
        "Bearer wrong",
        "Basic",
        "Basic *",
        "Basic !!!!",
        f"Digest {TOKEN}",
    ):
        answer = call("GET", "/", caller=ELSEWHERE, headers={"Authorization": given})
        assert answer.status_code == 401
        assert "Bearer" in answer.headers["WWW-Authenticate"]
        assert TOKEN not in answer.text


def test_who_guesses_tokens_is_slowed_down_and_the_right_one_opens(estate: Estate) -> None:
    call = door(estate, Management(TOKEN, is_public=True))

    def tried(token: str, caller: str = ELSEWHERE) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return call("GET", "/metrics", caller=caller, headers=headers).status_code

    answers = [tried(f"guess-{n}") for n in range(40)]
    assert answers[0] == 401
    assert answers[-1] == 429
    assert tried(TOKEN) == 200
    assert tried("guess", "203.0.113.9") == 401
    # An IPv6 caller has a whole network of addresses.
    answers = [tried(f"guess-{n}", f"2001:db8::{n:x}") for n in range(40)]
    assert answers[-1] == 429


def test_it_can_be_opened_explicitly(estate: Estate) -> None:
    call = door(estate, Management(is_open=True, is_public=True))
    assert call("GET", "/metrics", caller=ELSEWHERE).status_code == 200


@pytest.mark.parametrize(
    ("public_url", "host", "is_public"),
    [
        ("http://127.0.0.1:8000", "127.0.0.1", False),
        ("http://localhost:8000", "::1", False),
        ("https://fhirbridge.hospital.example", "127.0.0.1", True),
        ("http://127.0.0.1:8000", "0.0.0.0", True),
        ("http://127.0.0.1:8000", "::", True),
    ],
)
def test_who_is_reached_by_others(public_url: str, host: str, is_public: bool) -> None:
    assert Management.of(Settings(public_url=public_url), host).is_public is is_public


def test_our_worklist_has_its_own_token(estate: Estate) -> None:
    call = door(estate, Management(TOKEN, is_public=True))
    answer = call("GET", "/fhir/Task", caller=ELSEWHERE, headers=BEARER)
    assert answer.status_code == 404
    assert "worklist_token" in answer.text


def test_the_token_is_compared_in_constant_time_only(
    estate: Estate, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What decides is `hmac.compare_digest`: where it says no, the right token is refused."""
    call = door(estate, Management(TOKEN, is_public=True))
    assert call("GET", "/", caller=ELSEWHERE, headers=BEARER).status_code == 200
    monkeypatch.setattr("fhirbridge.web.gate.compare_digest", lambda _a, _b: False)
    assert call("GET", "/", caller=ELSEWHERE, headers=BEARER).status_code == 401


def test_the_console_shows_words_of_servers_as_words(estate: Estate) -> None:
    """An error, a state or a name comes from elsewhere, and is no part of the page."""
    harm = "<script>alert(1)</script>"
    store = estate.bridge.store
    row = store.subscription("ehr", "Task")
    assert row is not None
    store.save_subscription(replace(row, state="error", problem=f"ehr: {harm}"))
    store.raise_(f"ehr:Patient/{harm}", estate.clock(), why="test")
    (lease,) = store.lease("w", estate.clock(), timedelta(minutes=1))
    store.fail(lease, estate.clock(), error=harm, retry_at=None)
    answer = door(estate, Management())("GET", "/")
    assert answer.status_code == 200
    assert "<script" not in answer.text
    assert answer.text.count("&lt;script&gt;") >= 3
    assert "default-src 'none'" in answer.headers["content-security-policy"]
