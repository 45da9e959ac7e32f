"""The texts of all rules: as they were reviewed, and in words that are quickly read."""

from __future__ import annotations

import re

import pytest

from fhirbridge.core.rules import ALL_RULES

from . import golden_texts as golden

PAGES = golden.pages()
#: US school grades (Flesch and Kincaid). Drugs, payers and authorizations have long names.
GRADE, LONGEST = 10.0, 14.0


def test_every_rule_has_its_page() -> None:
    assert set(PAGES) == {rule.code for rule in ALL_RULES} | {"occasion", "phrases"}
    assert {path.stem for path in golden.FOLDER.iterdir()} == set(PAGES)


@pytest.mark.parametrize("rule", sorted(PAGES))
def test_the_texts_are_those_that_were_reviewed(rule: str) -> None:
    written = (golden.FOLDER / f"{rule}.txt").read_text(encoding="utf-8")
    assert written == PAGES[rule], "run: python -m tests.scenarios.golden_texts, and read the diff"


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


def test_reading_level() -> None:
    spoken = golden.english()
    grades = {
        (rule, finding.variant, role): grade(text.text)
        for rule, of_rule in golden.findings().items()
        for finding in of_rule
        for role, text in golden.said(finding, spoken)
    }
    hard = {place: round(each, 1) for place, each in grades.items() if each > LONGEST}
    assert not hard
    assert sum(grades.values()) / len(grades) < GRADE


def test_patients_read_plain_words_and_nothing_about_doses() -> None:
    spoken = golden.english()
    found = {
        rule: text
        for rule, of_rule in golden.findings().items()
        for finding in of_rule
        for role, text in golden.said(finding, spoken)
        if role == "patient"
    }
    assert len(found) >= 5
    for rule, text in found.items():
        whole = f"{text.title}. {text.text}".lower()
        for word in ("dose", " mg", "vial", " ml", "authoriz", "prescriber", "payer", "stop "):
            assert word not in whole, (rule, word)
        assert grade(text.text.replace("Ocrelizumab IV (Ocrevus)", "drug")) < 8, rule
