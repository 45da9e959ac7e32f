"""The sentences: complete for every rule, variant and audience, whatever is known."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fhirbridge.core.findings import Finding, Role, Severity
from fhirbridge.core.plan import Why
from fhirbridge.core.quantity import mg
from fhirbridge.core.roots import ROOT_RULE, Part
from fhirbridge.core.rules import ALL_RULES
from fhirbridge.core.rules.base import Rule
from fhirbridge.texts import ALWAYS, NAMES, load
from fhirbridge.yamlfile import Invalid

ENGLISH = Path(__file__).parents[1] / "mappings" / "tasks" / "en"
TEXTS = load([ENGLISH])
DUE = datetime(2026, 12, 4, 17, tzinfo=UTC)

KNOWN: dict[str, Any] = {
    "drug": "Ocrelizumab",
    "day": date(2026, 12, 8),
    "due": DUE,
    "ordered": mg(600),
    "ordered_visits": 1,
    "ordered_total": mg(600),
    "authorized": mg(300),
    "authorized_visits": 2,
    "authorized_total": mg(600),
    "admin_visits": 1,
    "dispensed": mg(300),
    "given": mg(300),
    "decision": "modified",
    "numbers": ("PA-1", "PA-2"),
    "steps": ("10 mL × 30 mg/mL = 300 mg",),
    "missing": mg(300),
    "packages": "1 vial",
    "available": mg(300),
    "short": mg(300),
    "each": ("150 mg", "450 mg"),
    "classes": ("steroid", "antihistamine"),
    "side": "drug",
    "reference": "PA-1",
    "answer": "not covered",
    "until": date(2026, 12, 1),
    "begins": date(2026, 12, 10),
    "column": "authorized drug",
    "said": "2",
    "readings": ("2 visits", "2 vials"),
    "record": "ClaimResponse/c-1",
    "role": ("pharmacy", "payer"),
    "rules": ("dispense-short", "auth-missing-drug"),
    "place": "home",
    "approved_place": "hospital",
    "ordered_place": "office",
    "sent_place": "hospital",
    "product": "Ocrelizumab SC",
    "brand": "Remicade",
    "supplied_brand": "Inflectra",
    "program": "TOUCH Prescribing Program",
    "enrolled": ("patient", "facility"),
    "issued": date(2026, 11, 2),
    "asked": date(2026, 11, 20),
    "source": "payer",
    "kinds": ("authorizations", "coverage"),
    "silent_since": date(2026, 11, 28),
    "excess": mg(300),
    "expected": date(2026, 12, 7),
    "allowed_visits": 2,
    "asked_visits": 1,
    "booked_visits": 2,
    "left_visits": 1,
    "need_visits": 2,
    "used_visits": 1,
    "booked_minutes": 120,
    "needed_minutes": 240,
    "called_off": date(2026, 12, 1),
    "was_due": date(2026, 11, 1),
    "visit_day": date(2026, 12, 8),
    "last_dose": date(2026, 6, 9),
    "earliest": date(2026, 12, 20),
    "days": 130,
    "other_order": mg(600),
    "usual": (mg(300), mg(600)),
    "lacks": ("visit", "drug"),
    "former_payer": "Example Health Plan",
    "present_payer": "Other Health Plan",
}


def finding(rule: str, variant: str = "", **say: object) -> Finding:
    return Finding(
        rule=rule,
        severity=Severity.S2,
        owner=Role.PHARMACY,
        audience=(),
        therapy="ocrelizumab",
        occasion="o-1",
        day=None,
        due=None,
        action="fulfill",
        variant=variant,
        say=say,
    )


def every_text() -> list[tuple[str, str, Role]]:
    return [
        (rule.code, variant, role)
        for rule in ALL_RULES
        for variant in ["", *TEXTS.templates[rule.code].variants]
        for role in Role
    ]


def test_every_rule_and_the_root_have_a_template() -> None:
    assert set(TEXTS.templates) == {rule.code for rule in ALL_RULES} | {ROOT_RULE}


def test_these_examples_know_every_name() -> None:
    assert set(KNOWN) == NAMES - {"owner", "troubles", "parts", "hidden"}


@given(st.sampled_from(every_text()), st.frozensets(st.sampled_from(sorted(NAMES - ALWAYS))))
def test_whatever_is_unknown_the_text_is_whole(
    text: tuple[str, str, Role], unknown: frozenset[str]
) -> None:
    rule, variant, role = text
    say = {name: None if name in unknown else value for name, value in KNOWN.items()}
    told = TEXTS.tell(finding(rule, variant, **say), role)
    assert told.title
    for part in (told.summary, told.action, told.known):
        assert part.endswith((".", "?"))
        assert part[0].isupper() or part[0].isdigit()
    assert "Ocrelizumab" in told.title
    assert "Ocrelizumab" in told.text
    assert re.search(r"None(?! (of|is) )|[{}]|  |\.\.", told.text) is None


@pytest.mark.parametrize(("rule", "variant", "role"), every_text())
def test_sentences_are_short_enough_to_be_read_in_a_hurry(
    rule: str, variant: str, role: Role
) -> None:
    text = TEXTS.tell(finding(rule, variant, **KNOWN), role).text
    assert max(len(sentence.split()) for sentence in text.split(". ")) <= 30
    assert len(text.split()) <= 85


def test_a_short_dispense_in_full() -> None:
    told = TEXTS.tell(finding("dispense-short", **KNOWN), Role.PHARMACY)
    assert told.title == "Ocrelizumab: dispensed less than ordered"
    assert told.text == (
        "300 mg dispensed of 600 mg ordered for December 8, 2026; 300 mg (1 vial) missing."
        " Send the missing 300 mg (1 vial) of Ocrelizumab so that it is at the infusion site by"
        " 5:00 PM on Friday, December 4. The records of the pharmacy add up to 300 mg for this"
        " dose. Calculation: 10 mL × 30 mg/mL = 300 mg."
    )


def test_whoever_is_only_told_reads_who_is_asked() -> None:
    late = finding("auth-expires-before-appt", **KNOWN)
    assert "Ask the payer to extend it" in TEXTS.tell(late, late.owner).action
    other = Role.INFUSION_CENTER if late.owner is not Role.INFUSION_CENTER else Role.PAYER
    assert TEXTS.tell(late, other).action.startswith(
        f"{TEXTS.name(late.owner).capitalize()} is asked to have it extended by"
    )


def test_visits_that_differ_are_told_to_everybody_in_the_same_words() -> None:
    told = {TEXTS.tell(finding("auth-per-visit-mismatch", **KNOWN), role).text for role in Role}
    (text,) = told
    assert text.startswith(
        "The order is for 600 mg of Ocrelizumab in 1 visit."
        " The authorization is for 300 mg in 2 visits."
    )


def test_the_root_says_who_does_what_and_by_when() -> None:
    parts = (
        Part(finding("dispense-short", **KNOWN)),
        Part(finding("premed-order-missing", **KNOWN)),
    )
    told = TEXTS.tell(
        finding(ROOT_RULE, drug="Ocrelizumab", day=date(2026, 12, 8), troubles=2, parts=parts),
        Role.COORDINATOR,
    )
    assert told.summary == (
        "The Ocrelizumab dose for December 8, 2026 is not ready: 2 open problems."
    )
    assert "The pharmacy: 300 mg dispensed of 600 mg" in told.action
    assert told.action.count("by 5:00 PM on Friday, December 4") == 2


@pytest.mark.parametrize(
    ("state", "begins"),
    [
        ("started", "The pharmacy is working on it: 300 mg dispensed"),
        ("refused", "The pharmacy declined or could not do it: 300 mg dispensed"),
        ("completed", "The pharmacy closed the task, but the records have not changed: 300 mg"),
    ],
)
def test_the_root_says_what_the_owners_have_done(state: str, begins: str) -> None:
    part = Part(finding("dispense-short", **KNOWN), state)
    told = TEXTS.tell(finding(ROOT_RULE, drug="Ocrelizumab", parts=(part,)), Role.COORDINATOR)
    assert told.action.startswith(begins)


def test_a_deadline_at_the_end_of_a_day_is_the_day() -> None:
    at_night = datetime(2026, 12, 4, 23, 59, tzinfo=UTC)
    told = TEXTS.tell(
        finding("premed-order-missing", **(KNOWN | {"due": at_night})), Role.PRESCRIBER
    )
    assert "by Friday, December 4." in told.action


def test_every_way_to_close_has_words() -> None:
    for why in Why:
        assert "Short dispense" in TEXTS.solved(why, "Short dispense")


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        ('summary: ["{drog} is short."]', "did you mean “drug”"),
        ('summary: ["{day} is near."]', "must do with {drug} alone"),
        ('sumary: ["{drug}."]', "did you mean “summary”"),
    ],
)
def test_a_broken_template_is_refused_by_line(tmp_path: Path, line: str, complaint: str) -> None:
    (tmp_path / "words.yaml").write_text((ENGLISH / "words.yaml").read_text("utf-8"), "utf-8")
    good = 'title: ["{drug}"]\naction: ["Act."]\n'
    (tmp_path / "my-rule.yaml").write_text(good + line + "\n", "utf-8")
    with pytest.raises(Invalid, match=r"my-rule\.yaml:") as refused:
        load([tmp_path])
    assert complaint in str(refused.value)


def test_a_site_replaces_one_file(tmp_path: Path) -> None:
    own = 'title: ["{drug}"]\nsummary: ["Call the {drug} desk."]\naction: ["Call."]\n'
    (tmp_path / "dispense-short.yaml").write_text(own, "utf-8")
    texts = load([ENGLISH, tmp_path])
    assert texts.tell(finding("dispense-short", **KNOWN), Role.PHARMACY).text == (
        "Call the Ocrelizumab desk. Call."
    )
    assert len(texts.templates) == len(TEXTS.templates)


#: What the columns of a rule put into its digest, of the words that every rule may use.
COMPARED = {
    "ordered": {"ordered", "ordered_visits", "ordered_total"},
    "authorized drug": {"authorized", "authorized_visits", "authorized_total", "decision"},
    "authorized administration": {"admin_visits"},
    "dispensed": {"dispensed"},
    "administered": {"given"},
}


@pytest.mark.parametrize("rule", ALL_RULES, ids=lambda each: each.code)
def test_what_a_rule_says_is_what_it_compares(rule: Rule) -> None:
    """Else a sentence stays when its figure has changed."""
    template = (ENGLISH / f"{rule.code}.yaml").read_text("utf-8")
    shown = set(re.findall(r"\{(\w+)(?::[^}]*)?\}", template))
    everywhere = {*set().union(*COMPARED.values()), "numbers", "steps"}
    compared = {*rule.beside, *rule.known}.union(*(COMPARED.get(each, ()) for each in rule.columns))
    assert shown & everywhere <= compared
