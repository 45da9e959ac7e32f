"""The built wheel, alone in an empty environment and an empty folder, does what the README says.

Installs from the hashed requirements, as users are told to, so it needs the package index; the
demo opens sockets on loopback. `make package` runs it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import pytest

from fhirbridge.fhir import jsonio

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="session")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel"]
    subprocess.run([*build, "--directory", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


@pytest.fixture(scope="session")
def command(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`fhirbridge` of a new environment that holds the wheel and its requirements only."""
    environment = tmp_path_factory.mktemp("venv")
    subprocess.run([sys.executable, "-m", "venv", str(environment)], check=True)
    pip = [str(environment / "bin" / "python"), "-m", "pip", "install", "--quiet"]
    base = str(ROOT / "requirements" / "base.txt")
    subprocess.run([*pip, "--no-deps", "--require-hashes", "-r", base], check=True)
    subprocess.run([*pip, "--no-deps", "--no-index", str(wheel)], check=True)
    return environment / "bin" / "fhirbridge"


def run(
    command: Path, *arguments: str, folder: Path, codes: set[int]
) -> subprocess.CompletedProcess[str]:
    """Runs in `folder` with nothing of this checkout in reach; a stack trace is never an answer."""
    clean = {"PATH": os.defpath, "HOME": str(folder), "LANG": "C.UTF-8"}
    done = subprocess.run(
        [command, *arguments], cwd=folder, env=clean, capture_output=True, text=True, timeout=120
    )
    assert done.returncode in codes, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done


def test_mappings_fixtures_and_types_are_inside(wheel: Path) -> None:
    listed = ["git", "ls-files", "mappings", "fixtures"]
    data = subprocess.run(listed, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    inside = set(zipfile.ZipFile(wheel).namelist())

    assert {f"fhirbridge/_data/{name}" for name in data.split()} <= inside
    assert "fhirbridge/py.typed" in inside
    tops = {name.partition("/")[0] for name in inside}
    assert {top for top in tops if not top.endswith(".dist-info")} == {"fhirbridge"}


def test_the_demo_tells_its_story_within_30_seconds(command: Path, tmp_path: Path) -> None:
    started = time.monotonic()
    run(command, "demo", folder=tmp_path, codes={0})
    assert time.monotonic() - started < 30


def test_audit_reads_a_fixture(command: Path, tmp_path: Path) -> None:
    journey = next(path for path in sorted((ROOT / "fixtures").iterdir()) if path.is_dir())
    done = run(command, "audit", str(journey), "--format", "json", folder=tmp_path, codes={0, 1})
    assert jsonio.loads(done.stdout) is not None


def test_doctor_answers_without_a_configuration(command: Path, tmp_path: Path) -> None:
    assert run(command, "doctor", folder=tmp_path, codes={0, 1}).stdout.strip()


def test_the_mappings_inside_are_valid(command: Path, tmp_path: Path) -> None:
    run(command, "mappings", "check", folder=tmp_path, codes={0})
