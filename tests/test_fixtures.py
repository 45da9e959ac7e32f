"""The fixtures themselves: valid FHIR, made up, complete, and each record is used."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.fhir import jsonio
from fhirbridge.fhir.check import check
from fhirbridge.journeys.script import COMMON, Journey, fixtures, journeys

JOURNEYS = journeys(fixtures())
FILES = sorted(fixtures().glob("*/*/*.json"))


def name(path: Path) -> str:
    return str(path.relative_to(fixtures()))


@pytest.mark.parametrize("path", FILES, ids=name)
def test_a_record_is_valid(path: Path) -> None:
    check(jsonio.loads(path.read_bytes()), path.parent.name)


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
def test_every_record_is_put_somewhere(journey: Journey) -> None:
    put = {
        f"{server}/{file}.json"
        for step in journey.script.steps
        for server, files in step.put.items()
        for file in files
    }
    found = {str(path.relative_to(journey.folder)) for path in journey.folder.glob("*/*.json")}
    assert found == put


@pytest.mark.parametrize("journey", JOURNEYS, ids=lambda journey: journey.name)
def test_time_goes_on(journey: Journey) -> None:
    moments = [journey.script.as_of, *(step.at for step in journey.script.steps if step.at)]
    assert moments == sorted(moments)


def test_journeys_follow_one_another() -> None:
    """They share one clock, which never goes back."""
    for before, after in itertools.pairwise(JOURNEYS):
        last = max(before.script.as_of, *(step.at for step in before.script.steps if step.at))
        assert last <= after.script.as_of, (before.name, after.name)


def test_journeys_share_no_record() -> None:
    owner: dict[tuple[str, str, str], str] = {}
    for path in FILES:
        record: dict[str, Any] = jsonio.loads(path.read_bytes())
        key = (path.parent.name, record["resourceType"], record["id"])
        assert owner.setdefault(key, path.parts[-3]) == path.parts[-3], name(path)


def test_every_folder_is_told_of_in_the_readme() -> None:
    readme = (fixtures() / "README.md").read_text(encoding="utf-8")
    for folder in fixtures().iterdir():
        if folder.is_dir():
            assert f"`{folder.name}`" in readme


def test_patients_are_made_up() -> None:
    for path in FILES:
        record = jsonio.loads(path.read_bytes())
        if record["resourceType"] == "Patient":
            assert path.parts[-3] != COMMON
            assert {each["family"] for each in record["name"]} == {"Sample"}
