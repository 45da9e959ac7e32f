"""Every scenario comes out as it is told, and every rule fires in some, not in others."""

from __future__ import annotations

from pathlib import Path

import pytest

from fhirbridge.core.rules import ALL_RULES
from fhirbridge.yamlfile import Invalid

from . import render
from . import scenario as s

ALL = s.every()
CODES = [rule.code for rule in ALL_RULES]


@pytest.mark.parametrize("scenario", ALL, ids=lambda each: each.name)
def test_a_scenario(scenario: s.Scenario) -> None:
    judged = scenario.judged()
    wrong = s.differences(scenario.story, judged.findings)
    assert not wrong, "\n".join(wrong)
    told = {each.rule: each.why for each in judged.verdicts if each.outcome == "cannot tell"}
    assert scenario.story.cannot_tell.items() <= told.items()
    assert len({each.key for each in judged.findings}) == len(judged.findings)
    for each in judged.findings:
        assert {each.focus, each.reason, each.based_on} - {None} <= set(each.evidence)


@pytest.mark.parametrize("code", CODES)
def test_a_rule_has_scenarios_that_fire_and_that_stay_quiet(code: str) -> None:
    own = [each for each in ALL if each.path.parent.name == code]
    assert sum(each.fires for each in own) >= 2
    assert sum(not each.fires for each in own) >= 2


def test_folders_are_named_after_rules() -> None:
    folders = {each.path.parent.name for each in ALL}
    assert folders - set(CODES) <= {"quiet", "golden"}


STORY = """\
title: A story
as_of: 3 December 2026 15:00
facts: |
  order  o1  ocrelizumab 600 mg, 1 visit
  {line}
expect: []
"""


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ("visit v1 8 Smarch 2026 09:00", "5: “8 Smarch 2026” is no day"),
        ("visit v1 8 December 2026, maybe", "5: “maybe” is no phrase"),
        ("visit v1 8 December 2026, every 14 days", "5: visit v1: a line “visit” cannot say"),
        ("dispensed d1 10 mL, for o9", "5: dispensed d1: “o9” is told in no line"),
        ("vist v1 8 December 2026", "5: vist v1: “vist” is no kind of fact"),
        ("order o1 ocrelizumab", "5: “o1” is told twice"),
        ("not read paier", "5: “paier” is no source; did you mean “payer”?"),
        ("visit", "5: “visit”: write a kind"),
        ("dispensed d1 2 cartloads", "5: “2 cartloads” is no phrase"),
        ("visit v1 8 December 2026, on hold", "5: visit v1: 'on hold'"),
    ],
)
def test_a_word_that_nobody_knows_is_said_with_its_line(
    tmp_path: Path, line: str, complaint: str
) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(STORY.format(line=line), encoding="utf-8")
    with pytest.raises(Invalid) as error:
        s.load(path)
    assert str(error.value).startswith(f"{path}:{complaint}")


def test_a_moment_that_nobody_knows_is_said_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "story.yaml"
    path.write_text(STORY.format(line="").replace("15:00", "tea time"), encoding="utf-8")
    with pytest.raises(Invalid, match=r":2: .*is no moment"):
        s.load(path)


def test_the_document_is_up_to_date() -> None:
    assert render.DOCUMENT.read_text(encoding="utf-8") == render.document(), (
        "run: python -m tests.scenarios.render"
    )
