"""What the compiler sees of a dataclass does what `dataclass` does."""

from __future__ import annotations

import runpy
from copy import copy
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from tests.servers import ROOT

SOURCE = '''
"""A module."""
from __future__ import annotations

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, order=True)
class Name:
    """Its words stay."""

    first: str
    last: str = "Doe"
    read: str | None = field(default=None, compare=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    name: Name
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Order(Fact):
    dose: int
    days: tuple[int, ...] = ()


@dataclass(slots=True)
class Open:
    days: list[int] = field(default_factory=list)

    def __hash__(self) -> int:
        return 7


@dataclass(slots=True, eq=False)
class Node:
    near: list[Node] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Twice:
    once: int
    twice: int = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "twice", self.once * 2)
'''


@pytest.fixture(scope="module", params=["written", "spelled out"])
def module(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module as it is written, and as the compiler sees it."""
    spelled_out = runpy.run_path(str(ROOT / "scripts" / "spell_out.py"))["spelled_out"]
    file = tmp_path_factory.mktemp("source") / "module.py"
    file.write_text(SOURCE if request.param == "written" else spelled_out(SOURCE))
    return SimpleNamespace(**runpy.run_path(str(file)))


def test_defaults_are_made(module: Any) -> None:
    assert module.Name("Ann").last == "Doe"
    one, other = module.Open(), module.Open()
    one.days.append(1)
    assert other.days == []
    with pytest.raises(TypeError):
        module.Name()


def test_what_is_inherited_comes_first_and_by_name(module: Any) -> None:
    order = module.Order(name=module.Name("Ann"), dose=600)
    assert repr(order) == (
        "Order(name=Name(first='Ann', last='Doe', read=None), notes={}, dose=600, days=())"
    )
    with pytest.raises(TypeError):
        module.Order(module.Name("Ann"), dose=600)
    assert replace(order, dose=300).dose == 300


def test_values_are_the_same_by_what_is_compared(module: Any) -> None:
    ann, read, bob = module.Name("Ann"), module.Name("Ann", read="today"), module.Name("Bob")
    assert ann == read
    assert hash(ann) == hash(read)
    assert ann != bob
    assert ann != ("Ann", "Doe")
    assert module.Fact(name=ann) != module.Order(name=ann, dose=1)
    assert module.Open([1]) == module.Open([1])


def test_a_copy_is_made_by_the_constructor(module: Any) -> None:
    order = module.Order(name=module.Name("Ann"), dose=600)
    assert copy(order) == order


def test_what_is_compared_by_identity_stays_so(module: Any) -> None:
    assert len({module.Node(), module.Node()}) == 2
    assert module.Node() != module.Node()


def test_an_order_is_that_of_the_fields(module: Any) -> None:
    ann, bob = module.Name("Ann"), module.Name("Bob")
    assert ann < bob <= bob
    assert bob > ann >= module.Name("Ann", read="today")
    with pytest.raises(TypeError):
        assert module.Fact(name=ann) < module.Fact(name=bob)


def test_what_a_class_says_itself_stays(module: Any) -> None:
    assert hash(module.Open()) == 7
    assert module.Twice(2).twice == 4
    assert module.Name.__doc__ == "Its words stay."


def test_without_dataclasses_nothing_changes() -> None:
    spelled_out = runpy.run_path(str(ROOT / "scripts" / "spell_out.py"))["spelled_out"]
    assert spelled_out("x = 1  # one\n") == "x = 1  # one\n"
