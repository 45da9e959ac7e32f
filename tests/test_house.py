"""What must be true of the checkout as a whole."""

from __future__ import annotations

import re
import subprocess
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parents[1]

# Written so that this file does not contain what it looks for.
NOT_IN_A_COMMIT = {
    "the address of a package registry": re.compile(
        r"\b(py(?:pi|thonhosted)\.org|registry\.npm|repo1?\.maven|central\.sonatype"
        r"|(?:deb|security)\.debian|archive\.ubuntu|(?:static\.|index\.)?crates\.io|proxy\.golang)"
    ),
    "a path of one machine": re.compile(r"(?<![\w.:$}-])/(?:work|root|home/\w+|opt/wheels)/"),
}


def committed() -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return [ROOT / name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


@pytest.mark.parametrize("what", NOT_IN_A_COMMIT)
def test_nothing_of_this_workplace_is_committed(what: str) -> None:
    pattern = NOT_IN_A_COMMIT[what]
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in committed()
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, f"{what} in {found}"


def test_every_slow_folder_has_a_target() -> None:
    """The fast suite takes every folder that is not named as slow: none can be left out."""
    makefile = (ROOT / "Makefile").read_text()
    slow = re.search(r"^SLOW := (.*)$", makefile, re.MULTILINE)
    assert slow
    for folder in slow[1].split():
        assert re.search(rf"\$\(PYTEST\) {folder}$", makefile, re.MULTILINE), folder
        target = folder.removeprefix("tests/")
        assert re.search(rf"make {target}\b", (ROOT / "scripts" / "check").read_text()), target


@pytest.mark.parametrize("lock", ["base.txt", "dev.txt", "otel.txt"])
def test_every_dependency_is_pinned(lock: str) -> None:
    """A dependency added to pyproject.toml wants `make lock`."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    pinned = re.findall(r"^([A-Za-z0-9._-]+)==", (ROOT / "requirements" / lock).read_text(), re.M)
    needed = [*project["dependencies"]]
    if lock != "base.txt":
        needed += project["optional-dependencies"]["otel"]
    wanted = {canonicalize_name(Requirement(text).name) for text in needed}
    assert wanted <= {canonicalize_name(name) for name in pinned}
