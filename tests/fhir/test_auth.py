"""The ways of signing in that need no token: what goes with each request, as it is configured."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from fhirbridge import signing
from fhirbridge.fhir import auth
from fhirbridge.settings import Settings
from tests.fhir.wire import NOW

BASE = "https://ehr.example/fhir"


def made(**how: Any) -> auth.Auth:
    """The sign-in of a server that is configured so; its token endpoint gives one token."""
    settings = Settings.model_validate(
        {"servers": {"ehr": {"base_url": BASE, "holds": ["worklist"], "auth": how}}}
    )
    token = httpx.Response(200, json={"access_token": "t-1", "token_type": "bearer"})
    smart = httpx.Response(200, json={"token_endpoint": "https://ehr.example/token"})
    answers = httpx.MockTransport(lambda ask: token if ask.method == "POST" else smart)
    return signing.sign_in("ehr", settings, clock=lambda: NOW, ids=lambda: "id", transport=answers)


@pytest.mark.parametrize(
    ("how", "headers"),
    [
        ({}, {}),
        ({"bearer": " t-0\n"}, {"Authorization": "Bearer t-0"}),
        (
            {"basic": {"user": "us", "password": "p:ä"}},
            {"Authorization": "Basic dXM6cDrDpA=="},  # RFC 7617, UTF-8
        ),
        ({"headers": {"X-Api-Key": "k"}}, {"X-Api-Key": "k"}),
        (
            {"bearer": "t-0", "headers": {"X-Api-Key": "k", "X-Site": "st-mary"}},
            {"Authorization": "Bearer t-0", "X-Api-Key": "k", "X-Site": "st-mary"},
        ),
        (
            {"basic": {"user": "us", "password": "p"}, "headers": {"X-Api-Key": "k"}},
            {"Authorization": "Basic dXM6cA==", "X-Api-Key": "k"},
        ),
        (
            {"client_secret": {"client_id": "us", "secret": "s"}, "headers": {"X-Api-Key": "k"}},
            {"Authorization": "Bearer t-1", "X-Api-Key": "k"},
        ),
    ],
)
def test_what_is_configured_goes_with_each_request(
    how: dict[str, Any], headers: dict[str, str]
) -> None:
    found = made(**how)
    try:
        assert dict(found.headers()) == headers
        shown = repr(found)
        assert not [each for each in ("t-0", "t-1", "p:ä", "dXM6") if each in shown]
    finally:
        found.close()


def test_only_a_token_that_we_ask_for_ourselves_can_be_another_one() -> None:
    for how, again in (
        ({"bearer": "t-0"}, False),
        ({"basic": {"user": "us", "password": "p"}}, False),
        ({"bearer": "t-0", "headers": {"X-Api-Key": "k"}}, False),
        ({"client_secret": {"client_id": "us", "secret": "s"}, "headers": {"X": "k"}}, True),
    ):
        found = made(**how)
        assert found.refused(found.headers()) is again
        found.close()


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"basic": {"user": "a:b", "password": "p"}}, "cannot contain a colon"),
        ({"bearer": " \n"}, "empty"),
        ({"bearer": "two\nlines"}, "characters that HTTP forbids"),
        ({"headers": {"X-Api-Key": "two\r\nX-Other: lines"}}, "characters that HTTP forbids"),
    ],
)
def test_what_cannot_be_sent_is_named(how: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        made(**how)
    assert "two" not in str(caught.value)
