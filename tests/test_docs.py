"""Documents say what is so: links lead somewhere, the policy is the one that the code walks."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from fhirbridge.core.plan import NEXT, Do, Told, Trouble
from fhirbridge.core.rules import ALL_RULES

ROOT = Path(__file__).parents[1]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
_LINK = re.compile(r"\]\((?!https?://|#)([^)#]+)")
_NUMBERED = re.compile(r"^\| (\d+) \| \[([a-z-]+)\]\(rules\.md#([a-z-]+)\) \| (S\d) \|", re.M)
_CITED = re.compile(r"docs/(domain|servers)\.md (\d(?:\.\d)?)")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    links = set(_LINK.findall(page.read_text("utf-8")))
    assert not [link for link in links if not (page.parent / link).exists()]


def test_the_policy_is_printed_as_it_is() -> None:
    lines = (ROOT / "docs" / "decisions.md").read_text("utf-8").splitlines()
    table = [line.strip("|").split("|") for line in lines if line.startswith("|")]
    rows = [[cell.strip() for cell in row] for row in table]
    start = rows.index(["", *(told.value for told in Told)])
    for row in rows[start + 2 : start + 2 + len(Trouble)]:
        printed = [Do.NOTHING if cell == "–" else Do(cell) for cell in row[1:]]
        assert printed == [NEXT[Trouble(row[0]), told] for told in Told]


def test_the_catalog_numbers_the_rules_as_they_are() -> None:
    rows = _NUMBERED.findall((ROOT / "docs" / "domain.md").read_text("utf-8"))
    assert {row[1:] for row in rows} == {
        (rule.code, rule.code, rule.severity.name) for rule in ALL_RULES
    }
    assert {row[:2] for row in rows} == {(rule.source.split()[0], rule.code) for rule in ALL_RULES}


def test_what_the_code_cites_stands_on_the_page() -> None:
    sections = {
        (name, number)
        for name in ("domain", "servers")
        for number in re.findall(
            r"^#+ (\d(?:\.\d)?) ", (ROOT / "docs" / f"{name}.md").read_text("utf-8"), re.M
        )
    }
    for file in [*(ROOT / "src").rglob("*.py"), *(ROOT / "tests").rglob("*.py")]:
        cited = set(_CITED.findall(file.read_text("utf-8")))
        assert cited <= sections, file


def test_the_readme_shows_the_configuration_that_is_there() -> None:
    shown = (ROOT / "README.md").read_text("utf-8")
    assert (ROOT / "docs" / "first-task" / "fhirbridge.yaml").read_text("utf-8") in shown


def test_every_alert_has_its_section_in_the_runbook() -> None:
    alerts = re.findall(r"- alert: (\w+)", (ROOT / "docs" / "alerts.yaml").read_text("utf-8"))
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text("utf-8"), re.M)
    assert alerts
    assert set(alerts) <= set(sections)


def test_every_page_is_in_the_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {(index.parent / link).resolve() for link in _LINK.findall(index.read_text("utf-8"))}
    pages = {page.resolve() for page in (ROOT / "docs").rglob("*.md")} - {index.resolve()}
    assert pages <= linked


def test_every_profile_is_in_the_matrix_of_servers() -> None:
    text = (ROOT / "docs" / "servers.md").read_text("utf-8")
    profiles = {path.stem for path in (ROOT / "mappings" / "servers").glob("*.yaml")}
    rows = {
        cell.strip(" `") for row in re.findall(r"^\|.*\|$", text, re.M) for cell in row.split("|")
    }
    assert profiles <= rows
