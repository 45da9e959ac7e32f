"""What says nothing of the dose is taken away, and nothing else."""

from __future__ import annotations

import pytest

from fhirbridge.core.wording import dose_only


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("Give ocrelizumab (Ocrevus) 600 mg IV", "600 mg"),
        ("600 mg in 500 mL NS over 3.5 hours, every 24 weeks", "600 mg every 24 weeks"),
        ("600 mg diluted in 500 ml of 0.9 % sodium chloride", "600 mg"),
        ("600 mg, at 171.4 mL/hr", "600 mg"),
        ("600 mg over about 2 to 3 hrs", "600 mg"),
        ("Dose: 600 mg. Route: IV. Frequency: every 6 months.", "600 mg every 6 months"),
        ("600 mg. Premedicate per clinic protocol.", "600 mg"),
        ("600 mg. Premedicate 30 minutes before.", "600 mg"),
        (
            "600 mg. Premedicate with cetirizine, then 300 mg",
            "600 mg premedicate with cetirizine then 300 mg",
        ),
        ("600 mg, once, Starting on Tue 12/8/26 at 0900, For 1 dose", "600 mg once"),
        ("600 mg in sodium chloride 0.9 % 500 mL IVPB, 1 refill", "600 mg"),
        ("600 mg into the vein every 24 weeks x 1 year as directed", "600 mg every 24 weeks"),
        ("600 mg once, infuse per titration protocol", "600 mg once"),
        ("every six (6) months", "every 6 months"),
        ("every 14 (fourteen) days", "every 14 days"),
        ("every six (8) months", "every six (8) months"),  # which of the two?
        ("600 mg (2 x 300 mg vials)", "600 mg (600 mg)"),
        ("600 mg (2 × 150 mg vials)", "600 mg (300 mg)"),  # the grammar's user refuses it
        ("2 vials (300 mg each)", "2 vials (600 mg)"),
        ("300 mg x 2 (day 1 and day 15)", "300 mg x 2 day 1 and day 15"),
        ("300 mg x 2 (see note)", "300 mg x 2 (see note)"),
        ("600 mg once for 1 dose", "600 mg once"),
        ("600 mg in 2 doses", "600 mg in 2 doses"),
        ("600 mg once on 12/8/2026", "600 mg once"),
        ("600 mg once 12/08/26", "600 mg once"),
        ("600 mg on 2026-12-08 at 9:00 AM", "600 mg"),
        ("600 mg (8 Dec 2026)", "600 mg"),
        ("600 mg on 8-Dec-2026", "600 mg"),
        ("600 mg on the 8th of December 2026", "600 mg on the"),
        ("600 mg, due on Dec. 8, 2026.", "600 mg"),
        ("Date: 13.12.2026. 600 mg", "600 mg"),
        ("600 mg every 24 weeks starting on 12/8/2026", "600 mg every 24 weeks"),
        ("600 mg every 24 weeks, next dose due on 12/8/2026", "600 mg every 24 weeks"),
        ("300 mg on 12/8/2026 and 12/22/2026", "300 mg 2 visits"),
        ("300 mg on 12/8/2026, then 300 mg on 12/22/2026", "300 mg 2 visits"),
        ("300 mg x 2 (12/8/2026, 12/22/2026)", "300 mg x 2"),
        ("150 mg on 12/8/2026, then 450 mg on 12/22/2026", "150 mg on @ then 450 mg on @"),
        ("300 mg on 12/8/2026, 12/22/2026, 1/5/2027", "300 mg 2 visits @"),
        ("600 mg 12/8/2026 to 12/22/2026", "600 mg @ to @"),
        ("600 mg until 12/8/2026", "600 mg until"),
        ("600 mg @ 12/8/2026", "600 mg @ 12/8/2026"),
        ("600 mg on 12/8", "600 mg on 12/8"),
        ("600 mg on 13/13/2026", "600 mg on 13/13/2026"),
        ("600 mg on 12/8-2026", "600 mg on 12/8-2026"),
        ("300 mg/10/20", "300 mg/10/20"),
    ],
)
def test_what_is_left(text: str, left: str) -> None:
    assert dose_only(text, ("ocrelizumab", "ocrevus")) == left
