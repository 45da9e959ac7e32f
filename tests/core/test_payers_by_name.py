"""Whether two payors that one server names, and does not point at, are surely two."""

from __future__ import annotations

import pytest

from fhirbridge.core.facts import Party
from fhirbridge.core.rules.coverage import _named_otherwise


def named(display: str | None, source: str = "ehr") -> Party:
    return Party(source, display=display)


@pytest.mark.parametrize(
    ("one", "other", "differ"),
    [
        (named("Example Health"), named("Second Mutual"), True),
        (named("Example Health Plan"), named("EXAMPLE HEALTH"), False),
        (named("Health Plan"), named("Second Mutual"), False),  # it says no name
        (named("Example Health"), named(None), False),
        (named("Example Health", "payer"), named("Second Mutual"), False),
        (None, named("Second Mutual"), False),
    ],
)
def test_names_with_no_word_in_common_are_two(
    one: Party | None, other: Party, differ: bool
) -> None:
    assert _named_otherwise(one, other) is differ
