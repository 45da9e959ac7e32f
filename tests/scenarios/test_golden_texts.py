"""The texts of all rules: as they were reviewed, and in words that are quickly read."""

from __future__ import annotations

import re

import pytest

from fhirbridge import texts
from fhirbridge.core.findings import Finding
from fhirbridge.core.rules import ALL_RULES

from . import golden_texts as golden

NAMES = sorted({rule.code for rule in ALL_RULES} | {"occasion", "phrases"})
#: US school grades (Flesch and Kincaid). Drugs, payers and authorizations have long names.
GRADE, LONGEST = 10.0, 14.0


@pytest.fixture(scope="module")
def spoken() -> texts.Texts:
    return golden.english()


@pytest.fixture(scope="module")
def found() -> dict[str, list[Finding]]:
    return golden.findings()


@pytest.fixture(scope="module")
def pages(found: dict[str, list[Finding]], spoken: texts.Texts) -> dict[str, str]:
    return golden.pages(found, spoken)


def test_every_rule_has_its_page(pages: dict[str, str]) -> None:
    assert sorted(pages) == NAMES
    assert sorted(path.stem for path in golden.FOLDER.iterdir()) == NAMES


def test_every_variant_and_audience_is_on_a_page(
    found: dict[str, list[Finding]], spoken: texts.Texts
) -> None:
    """What no scenario says nobody has reviewed, and most likely nobody ever reads."""
    for rule in ALL_RULES:
        template, said = spoken.templates[rule.code], found[rule.code]
        assert {each.variant for each in said} >= set(template.variants), rule.code
        roles = {role for each in said for role, _ in golden.said(each, spoken)}
        assert roles >= {role.value for role in template.audiences}, rule.code


@pytest.mark.parametrize("rule", NAMES)
def test_the_texts_are_those_that_were_reviewed(rule: str, pages: dict[str, str]) -> None:
    written = (golden.FOLDER / f"{rule}.txt").read_text(encoding="utf-8")
    assert written == pages[rule], "run: python -m tests.scenarios.golden_texts, and read the diff"


def grade(text: str) -> float:
    """The Flesch-Kincaid grade of a text: long sentences and long words raise it."""
    sentences = max(len(re.findall(r"[.?!](?:\s|$)", text)), 1)
    words = re.findall(r"[A-Za-z]+", text)
    syllables = sum(max(len(re.findall(r"[aeiouy]+", word.lower())), 1) for word in words)
    return 0.39 * len(words) / sentences + 11.8 * syllables / len(words) - 15.59


def test_the_measure_knows_easy_from_hard() -> None:
    easy = "Send the rest of the drug. It is due on Friday."
    hard = "Pharmaceutical supplementation necessitates interdepartmental reconciliation."
    assert grade(easy) < 5 < LONGEST < grade(hard)


def test_reading_level(found: dict[str, list[Finding]], spoken: texts.Texts) -> None:
    grades = {
        (rule, finding.variant, role): grade(text.text)
        for rule, of_rule in found.items()
        for finding in of_rule
        for role, text in golden.said(finding, spoken)
    }
    hard = {place: round(each, 1) for place, each in grades.items() if each > LONGEST}
    assert not hard
    assert sum(grades.values()) / len(grades) < GRADE


def test_patients_read_plain_words_and_nothing_about_doses(
    found: dict[str, list[Finding]], spoken: texts.Texts
) -> None:
    told = {
        rule: text
        for rule, of_rule in found.items()
        for finding in of_rule
        for role, text in golden.said(finding, spoken)
        if role == "patient"
    }
    assert len(told) >= 5
    for rule, text in told.items():
        whole = f"{text.title}. {text.text}".lower()
        for word in ("dose", " mg", "vial", " ml", "authoriz", "prescriber", "payer", "stop "):
            assert word not in whole, (rule, word)
        assert grade(text.text.replace("Ocrelizumab IV (Ocrevus)", "drug")) < 8, rule
