"""Patients are told only what a site switches on, in words of their own."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from fhirbridge.settings import Misconfigured
from tests.bridge.estate import Estate, Json, order, people, visit

RULE = "order-without-appt"
DAY = date(2026, 12, 15)


def told(estate: Estate) -> list[Json]:
    """The messages to the patient."""
    people(estate)
    estate.put("ehr", order(on=DAY))
    estate.work()
    assert RULE in estate.rules()
    return to_patient(estate)


def to_patient(estate: Estate) -> list[Json]:
    found = [each.resource for each in estate.servers["ehr"].shelf.current("Communication")]
    return [
        each for each in found if each and {"Patient/p-1"} & set(map(recipient, each["recipient"]))
    ]


def recipient(reference: Json) -> str | None:
    return reference.get("reference")


def test_nobody_tells_a_patient_unasked(tmp_path: Path) -> None:
    estate = Estate(tmp_path)
    assert not told(estate)
    estate.close()


def test_what_is_switched_on_is_told_in_plain_words_and_taken_back(tmp_path: Path) -> None:
    estate = Estate(tmp_path, tell_patients=[RULE])
    (letter,) = told(estate)
    text = letter["payload"][0]["contentString"]
    assert "No visit is booked yet." in text
    assert "mg" not in text
    assert letter["category"][0]["coding"][0]["code"] == "notification"
    estate.put("ehr", visit(start=f"{DAY}T09:00:00-05:00"))
    estate.work()
    first, clear = to_patient(estate)
    assert first == letter
    assert clear["inResponseTo"][0]["identifier"] == letter["identifier"][0]
    estate.close()


@pytest.mark.parametrize("rule", ["dose-outside-label", "order-without-apt"])
def test_a_rule_without_words_for_patients_is_refused(tmp_path: Path, rule: str) -> None:
    with pytest.raises(Misconfigured, match=f"no words for patients about “{rule}”"):
        Estate(tmp_path, tell_patients=[rule])
