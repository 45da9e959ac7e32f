"""The switches of `sandbox/hapi`. What the server does with them is the contract suite's matter."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.fhir import jsonio
from tests.servers import hapi_server


def ask(method: str, url: str, body: dict[str, Any] | None = None) -> Any:
    request = urllib.request.Request(
        url,
        method=method,
        data=jsonio.dumps(body) if body else None,
        headers={"Content-Type": "application/fhir+json"},
    )
    with urllib.request.urlopen(request, timeout=60) as answer:
        return jsonio.loads(answer.read())


@pytest.mark.parametrize(("fhir", "number"), [("R4B", "4.3.0"), ("R5", "5.0.0")])
def test_the_versions_that_deliver_topic_notifications_start(fhir: str, number: str) -> None:
    with hapi_server(fhir) as base:
        capabilities = ask("GET", f"{base}/metadata")

    assert capabilities["fhirVersion"] == number
    assert "SubscriptionTopic" in {r["type"] for r in capabilities["rest"][0]["resource"]}


def test_a_file_keeps_what_was_written_over_a_restart(tmp_path: Path) -> None:
    with hapi_server(data=tmp_path / "db") as base:
        ask("PUT", f"{base}/Patient/p-1", {"resourceType": "Patient", "id": "p-1"})
    with hapi_server(data=tmp_path / "db") as base:
        assert ask("GET", f"{base}/Patient/p-1")["meta"]["versionId"] == "1"
