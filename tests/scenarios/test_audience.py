"""Whoever is asked to put a trouble right is told of it."""

from __future__ import annotations

import pytest

from fhirbridge.core.findings import Role

from . import scenario as s


@pytest.mark.parametrize("scenario", s.every(), ids=lambda each: each.name)
def test_the_owner_is_among_the_audience(scenario: s.Scenario) -> None:
    for finding in scenario.judged().findings:
        assert finding.owner in finding.audience, finding.rule
        assert len(set(finding.audience)) == len(finding.audience)


def test_it_is_tested_where_the_owner_is_not_the_rules_own() -> None:
    found = [
        finding.owner
        for scenario in s.every()
        for finding in scenario.judged().findings
        if finding.rule == "unit-ambiguous"
    ]
    assert set(found) - {Role.PRESCRIBER}
