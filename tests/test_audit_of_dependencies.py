"""The audit of what we install finds what advisories name, and never passes for want of them."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

audit = importlib.import_module("scripts.audit")


def advisories(folder: Path, *affected: dict[str, Any], **more: Any) -> Path:
    file = folder / "all.zip"
    with zipfile.ZipFile(file, "w") as archive:
        for n, each in enumerate(affected):
            package = {"ecosystem": "PyPI", "name": "Some_Thing"}
            said = {"id": f"OSV-{n}", "affected": [{"package": package, **each}], **more}
            archive.writestr(f"OSV-{n}.json", json.dumps(said))
    return file


def ranged(*events: dict[str, str]) -> dict[str, Any]:
    return {"ranges": [{"type": "ECOSYSTEM", "events": list(events)}]}


@pytest.mark.parametrize(
    ("affected", "is_found"),
    [
        ({"versions": ["1.4", "1.5"]}, True),
        ({"versions": ["1.4"]}, False),
        (ranged({"introduced": "0"}, {"fixed": "1.5"}), False),
        (ranged({"introduced": "0"}, {"fixed": "1.5.1"}), True),
        (ranged({"introduced": "1.6"}), False),
        (ranged({"introduced": "0"}, {"fixed": "1.2"}, {"introduced": "1.5"}), True),
        (ranged({"introduced": "0"}, {"last_affected": "1.5"}), True),
        (ranged({"introduced": "0"}, {"last_affected": "1.4"}), False),
        (ranged({"introduced": "nonsense"}), True),
    ],
)
def test_a_version_is_hit_or_not(tmp_path: Path, affected: dict[str, Any], is_found: bool) -> None:
    file = advisories(tmp_path, affected)
    assert audit.read({"some-thing": "1.5"}, file) == (
        {"some-thing": ["OSV-0"]} if is_found else {}
    )
    gone = advisories(tmp_path, affected, withdrawn="2026-01-01T00:00:00Z")
    assert not audit.read({"some-thing": "1.5"}, gone)


def test_all_locks_are_audited() -> None:
    pins = audit.pinned()
    assert {"httpx", "celery", "psycopg-binary", "opentelemetry-sdk", "mypy"} <= pins.keys()


def run(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(audit.ROOT / "scripts" / "audit.py"), *arguments]
    return subprocess.run(command, env=env, capture_output=True, text=True)


def test_without_advisories_it_does_not_pass(tmp_path: Path) -> None:
    nothing = tmp_path / "none.zip"
    done = run("--advisories", str(nothing))
    assert done.returncode == audit.NOT_AUDITED
    assert "NOT AUDITED" in done.stderr
    assert run("--advisories", str(nothing), FHIRBRIDGE_TEST_AUDIT="required").returncode == 1


def test_it_says_what_it_found(tmp_path: Path) -> None:
    package = {"ecosystem": "PyPI", "name": "httpx"}
    file = advisories(tmp_path, {"package": package, **ranged({"introduced": "0"})})
    done = run("--advisories", str(file))
    assert done.returncode == audit.FOUND
    assert done.stdout.startswith("httpx ")
    clean = run("--advisories", str(advisories(tmp_path, {"versions": ["0"]})))
    assert clean.returncode == audit.FINE
    assert "0 with known vulnerabilities" in clean.stdout
