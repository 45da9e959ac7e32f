"""The switches of `sandbox/hapi`. What the server does with them is the contract suite's matter."""

from __future__ import annotations

import urllib.request
from pathlib import Path
from typing import Any

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


def test_r4b_in_a_file_keeps_what_was_written_over_a_restart(tmp_path: Path) -> None:
    with hapi_server("R4B", data=tmp_path / "db") as base:
        capabilities = ask("GET", f"{base}/metadata")
        ask("PUT", f"{base}/Patient/p-1", {"resourceType": "Patient", "id": "p-1"})

    assert capabilities["fhirVersion"] == "4.3.0"
    # The versions other than R4 are here for topic notifications.
    assert "SubscriptionTopic" in {r["type"] for r in capabilities["rest"][0]["resource"]}

    with hapi_server("R4B", data=tmp_path / "db") as base:
        assert ask("GET", f"{base}/Patient/p-1")["meta"]["versionId"] == "1"


def test_r5_starts() -> None:
    with hapi_server("R5") as base:
        assert ask("GET", f"{base}/metadata")["fhirVersion"] == "5.0.0"
