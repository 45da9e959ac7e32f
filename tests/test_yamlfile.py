"""YAML files: what words mean in them, and how mistakes are named."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Literal

import pytest

from fhirbridge.yamlfile import Invalid, Strict, load, read_model, validate


class Item(Strict):
    mode: Literal["shadow", "on", "off"] = "shadow"
    name: str = ""


class Model(Strict):
    items: list[Item] = []  # noqa: RUF012 - pydantic copies it
    by_name: dict[str, Item] = {}  # noqa: RUF012 - likewise
    count: int = 0
    needed: str = ""


class Needy(Strict):
    needed: str


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "file.yaml"


def complaints(path: Path, text: str, model: type[Strict] = Model) -> list[str]:
    path.write_text(text, encoding="utf-8")
    with pytest.raises(Invalid) as caught:
        read_model(path, model)
    return str(caught.value).replace(f"{path}:", "").splitlines()


def test_words_numbers_and_days(path: Path) -> None:
    path.write_text(
        "a: 1.50\nb: off\nc: yes\nd: true\ne: 2024-04-01\nf: 12:30\ng:\nh: -3\ni: 0123\n"
        'j: "1.5"\nk: [~, x]\nl: 0078-1007-68\n'
    )
    assert load(path).data == {
        "a": Decimal("1.50"),
        "b": "off",
        "c": "yes",
        "d": True,
        "e": date(2024, 4, 1),
        "f": "12:30",
        "g": None,
        "h": -3,
        "i": "0123",
        "j": "1.5",
        "k": [None, "x"],
        "l": "0078-1007-68",
    }
    assert str(load(path).data["a"]) == "1.50"


def test_lines(path: Path) -> None:
    path.write_text("a: 1\nb:\n  - c: 2\n  -\n    d: 3\n")
    node = load(path)
    assert [node.line(where) for where in [(), ("a",), ("b", 0, "c"), ("b", 1, "d")]] == [
        1,
        1,
        3,
        5,
    ]
    assert node.line(("b", 0, "c", "deeper")) == 3
    assert node.line(("nowhere",)) == 1


def test_an_empty_file_is_empty(path: Path) -> None:
    path.write_text("# nothing\n")
    assert read_model(path, Model) == Model()
    assert load(path).line(("x",)) == 1


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("count: 1\nitms: []\n", "2: unknown key “itms”; did you mean “items”?"),
        ("items:\n  - naem: x\n", "2: unknown key “naem”; did you mean “name”?"),
        ("by_name:\n  x:\n    mdoe: on\n", "3: unknown key “mdoe”; did you mean “mode”?"),
        ("zzz: 1\n", "1: unknown key “zzz”; valid: by_name, count, items, needed"),
        (
            "items:\n  - mode: shadwo\n",
            "2: “items.0.mode”: “shadwo” is not valid; did you mean “shadow”?",
        ),
        ("needed: 5\n", "1: “needed” should be text; put it in quotes"),
        ("count: many\n", "1: “count” should be a whole number"),
        ("needed: [a]\n", "1: “needed” should be text; put it in quotes"),
        ("a:\n\tb: 1\n", "2: not YAML: a tab before the words: indent with spaces"),
        ("a: 1\na: 2\n", "2: “a” is written twice"),
        ("? [a]\n: 1\n", "1: a key should be a word"),
        ("a: 2024-02-30\n", "1: no such date or number"),
        ("\x00", "1: not a text file in UTF-8"),
    ],
)
def test_each_mistake_is_named(path: Path, text: str, said: str) -> None:
    assert complaints(path, text) == [said]


def test_what_is_no_yaml_is_named_by_its_line(path: Path) -> None:
    (said,) = complaints(path, "a: [\n")
    assert said.startswith("1: not YAML: ")  # what follows is the parser's


def test_all_mistakes_in_order_of_lines(path: Path) -> None:
    found = complaints(path, "zzz: 1\ncount: x\nneeded: 1\n")
    assert [line.partition(":")[0] for line in found] == ["1", "2", "3"]


def test_what_is_missing(path: Path) -> None:
    assert complaints(path, "", Needy) == ["1: “needed” is missing"]
    assert complaints(path, "- a\n", Needy) == [
        "1: “the file” should hold keys with values, as `key: value`"
    ]


def test_a_file_that_is_not_there(path: Path) -> None:
    with pytest.raises(Invalid, match="cannot be read: No such file"):
        load(path)


def test_a_file_in_another_encoding(path: Path) -> None:
    path.write_bytes(b"a: \xff")
    with pytest.raises(Invalid, match="UTF-8"):
        load(path)


def test_changed_data_is_checked_alike(path: Path) -> None:
    path.write_text("count: 1\n")
    node = load(path)
    node.data["needed"] = "x"
    assert validate(node, Model) == Model(count=1, needed="x")
