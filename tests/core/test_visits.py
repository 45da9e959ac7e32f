"""What an appointment is for, where its words name an infusion and mean something else."""

from __future__ import annotations

import pytest

from fhirbridge.core.visits import Visits


@pytest.mark.parametrize(
    ("text", "infused", "kind"),
    [
        ("Infusion, 6 hours", False, "yes"),
        ("Pre-infusion labs", False, "no"),
        ("Infusion teaching visit", False, "no"),
        ("Ocrevus pre-infusion labs", True, "no"),
        ("Infusion; pre-infusion labs first", False, "yes"),
        ("Ocrevus", True, "yes"),
        ("MRI before the infusion", False, "unknown"),
        ("MRI", False, "no"),
        ("Follow-up", False, "unknown"),
    ],
)
def test_words_say_what_a_visit_is_for(text: str, infused: bool, kind: str) -> None:
    visits = Visits(
        yes_words=("infusion",),
        no_words=("MRI",),
        beside_words=("pre-infusion", "infusion teaching"),
    )
    assert visits.infusion("ehr", (), text, None, infused=infused) == kind
