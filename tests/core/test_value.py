"""Values: to the type checker frozen dataclasses; what they still are at run time."""

from copy import copy
from dataclasses import field, replace
from pickle import dumps, loads
from typing import Any

import pytest

from fhirbridge.core.facts import ALWAYS, Code, Coverage, Ref
from fhirbridge.core.value import value


def test_a_value_is_compared_and_hashed_by_its_fields() -> None:
    assert Code("urn:s", "1", "one") == Code("urn:s", "1", "one")
    assert len({Code("urn:s", "1"), Code("urn:s", "1"), Code("urn:s", "2")}) == 2
    assert Ref("ehr", "Patient", "1", "7") == Ref("ehr", "Patient", "1")  # compare=False
    assert Ref("ehr", "Patient", "1") < Ref("ehr", "Patient", "2")


def test_a_changed_copy_leaves_the_value_as_it_was() -> None:
    coverage = Coverage(ref=Ref("ehr", "Coverage", "v"), order=1)
    second = replace(coverage, order=2)
    assert (coverage.order, second.order, second.span) == (1, 2, ALWAYS)
    assert copy(coverage) == loads(dumps(coverage)) == coverage


def test_a_value_takes_no_other_attribute() -> None:
    code: Any = Code("urn:s", "1")
    with pytest.raises(AttributeError):
        code.systen = "urn:t"


def test_a_value_is_declared_frozen_and_with_slots() -> None:
    declare: Any = value
    with pytest.raises(TypeError, match="frozen"):
        declare(frozen=False, slots=True)
    with pytest.raises(TypeError):
        declare(slots=True)


def test_keywords_and_defaults_are_those_of_a_dataclass() -> None:
    @value(frozen=True, slots=True, kw_only=True)
    class Point:
        x: int
        seen: list[int] = field(default_factory=list, compare=False)

    assert Point(x=1).seen is not Point(x=1).seen
    with pytest.raises(TypeError):
        Point(1)  # type: ignore[call-arg]  # the mistake that is to be refused
