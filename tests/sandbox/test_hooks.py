"""What a Subscription means, and what HAPI sends and understands, without sending."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import httpx
import pytest

from fhirbridge.fhir.jsonio import loads
from fhirbridge.fhir.matching import BadSearch
from fhirbridge.sandbox.hooks import (
    HAPI_RETRIES,
    SEND_DELETES,
    check,
    meant,
    request,
    understood,
)
from fhirbridge.sandbox.resources import Refused, Version

AT = datetime(2026, 12, 1, tzinfo=UTC)
TASK = {"resourceType": "Task", "id": "t", "status": "accepted"}


def version(resource: dict[str, Any] | None = TASK, type_: str = "Task") -> Version:
    return Version((type_, "t"), 2, AT, resource)


def wanted(criteria: str = "Task?", **channel: Any) -> dict[str, Any]:
    plain = {
        "type": "rest-hook",
        "endpoint": "http://b.example/n/k/",
        "payload": "application/json",
    }
    return {"criteria": criteria, "channel": plain | channel}


@pytest.mark.parametrize(
    ("criteria", "fires"),
    [
        ("Task?", True),
        ("Task?status=accepted", True),
        ("Task?status=draft,accepted", True),
        ("Task?status=draft", False),
        ("Patient?", False),
        ("[Task,Patient]", True),
        ("[Patient]", False),
        ("[*]", True),
    ],
)
def test_criteria(criteria: str, fires: bool) -> None:
    assert meant(wanted(criteria), version()) is fires


def test_deletions_only_with_the_extension() -> None:
    assert not meant(wanted(), version(None))
    assert meant(wanted(extension=[SEND_DELETES]), version(None))
    assert not meant(wanted("Patient?", extension=[SEND_DELETES]), version(None))


@pytest.mark.parametrize(
    "bad",
    [
        wanted("Task"),
        wanted("Nonsense?"),
        wanted("Task?nonsense=1"),
        wanted(endpoint=""),
        wanted(payload="text/plain"),
    ],
)
def test_what_could_never_fire_is_refused(bad: dict[str, Any]) -> None:
    with pytest.raises((Refused, BadSearch), match="HAPI-"):
        check(Version(("Subscription", "s"), 1, AT, bad))


def test_the_resource_goes_below_the_endpoint() -> None:
    sent = request(wanted(header=["X-Key: a:b", "broken"])["channel"], version())
    assert (sent.method, str(sent.url)) == ("PUT", "http://b.example/n/k/Task/t")
    assert (sent.headers["if-match"], sent.headers["x-key"]) == ('W/"2"', "a:b")
    assert loads(sent.content) == TASK


def test_a_deletion_and_an_empty_notice_have_no_body() -> None:
    gone = request(wanted()["channel"], version(None))
    assert (gone.method, gone.url.path, gone.content) == ("DELETE", "/n/k/Task/t", b"")
    empty = request({"endpoint": "http://b.example/n/k"}, version())
    assert (empty.method, empty.url.path, empty.content) == ("POST", "/n/k", b"")


@pytest.mark.parametrize(
    ("status", "kind", "content", "good"),
    [
        (204, "", b"", True),
        (200, "", b"", True),
        (200, "text/plain", b"ok", True),
        (200, "application/fhir+json", b'{"resourceType":"Bundle"}', True),
        (200, "application/json", b'{"ok":true}', False),
        (200, "application/json", b"1", False),
        (200, "application/json", b"{", False),
        (302, "", b"", False),
        (404, "", b"", False),
        (500, "application/fhir+json", b'{"resourceType":"OperationOutcome"}', False),
    ],
)
def test_answers(status: int, kind: str, content: bytes, good: bool) -> None:
    answer = httpx.Response(status, headers={"content-type": kind}, content=content)
    assert understood(answer) is good


def test_hapi_gives_up_after_about_a_minute() -> None:
    assert 55 < sum(HAPI_RETRIES) < 65
