"""YAML files that people write: read exactly, checked strictly, complained about by line.

The only module that knows YAML. It reads a careful subset:

- `true` and `false` are booleans; `yes`, `no`, `on`, `off` are words (so `write: off` means
  what it says);
- a number with a point is an exact `Decimal`; `2024-04-01` is a date; `12:30` is a word;
- a key written twice is refused.

    read_model(path, Model) -> Model      a file as a pydantic model, or Invalid
    load(path) -> Node                    the data and where each part of it stands
    validate(node, Model) -> Model        the same check for data that was changed after loading
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError

Where = tuple[str | int, ...]
M = TypeVar("M", bound=BaseModel)


class Invalid(ValueError):
    """A file cannot be used as it is. `str()` is one `file:line: message` for each complaint.

    `path`, `line` (1-based) and `message` are those of the first complaint, `more` the others.
    """

    def __init__(self, path: Path, line: int, message: str, more: tuple[Invalid, ...] = ()) -> None:
        super().__init__(path, line, message)
        self.path, self.line, self.message, self.more = path, line, message, more

    def __str__(self) -> str:
        return "\n".join(f"{each.path}:{each.line}: {each.message}" for each in self.all)

    @property
    def all(self) -> tuple[Invalid, ...]:
        return (self, *self.more)


class Strict(BaseModel):
    """The base of every model of a file: exact types, unknown keys refused, frozen."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True)


def _moment(value: object) -> object:
    if not isinstance(value, str):
        return value
    moment = datetime.fromisoformat(value)
    if moment.tzinfo is None:
        raise ValueError("should say its time zone: 2026-12-01T09:00-05:00")
    return moment


#: A moment with its time zone, as ISO 8601 writes it.
Moment = Annotated[datetime, BeforeValidator(_moment)]


@dataclass(frozen=True, slots=True)
class Node:
    """What a file says, and the line (1-based) of each key and item in it."""

    path: Path
    data: Any
    lines: Mapping[Where, int] = field(default_factory=dict)

    def line(self, where: Where) -> int:
        """The line of the nearest part of the file that `where` names."""
        for length in range(len(where), -1, -1):
            if (line := self.lines.get(where[:length])) is not None:
                return line
        return 1


def load(path: Path) -> Node:
    """Read one file. An empty file is an empty mapping. Raises `Invalid`."""
    text = ""
    try:
        text = path.read_text(encoding="utf-8")
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        lines_of = text.splitlines()
        line = min(mark.line + 1, len(lines_of)) if mark else 1  # not beyond the end
        tab = re.match(r" *\t", lines_of[line - 1] if lines_of else "")
        problem = "a tab before the words: indent with spaces" if tab else error.problem
        raise Invalid(path, line, f"not YAML: {problem}") from None
    except (yaml.YAMLError, UnicodeDecodeError):
        raise Invalid(path, 1, "not a text file in UTF-8") from None
    except OSError as error:
        raise Invalid(path, 1, f"cannot be read: {error.strerror}") from None
    lines: dict[Where, int] = {}
    data = {} if root is None else _plain(path, root, (), lines)
    return Node(path, data, lines)


def dumps(data: Any) -> str:
    """Plain data as YAML, for people to read."""
    return yaml.safe_dump(data, sort_keys=False, allow_unicode=True, width=100)


def read_model(path: Path, model: type[M]) -> M:
    """Read one file as `model`. Raises `Invalid` with every complaint, in order of lines."""
    return validate(load(path), model)


def validate(node: Node, model: type[M]) -> M:
    """Check data against `model`. Raises `Invalid` with every complaint, in order of lines."""
    try:
        return model.model_validate(node.data)
    except ValidationError as error:
        found = [
            Invalid(node.path, node.line(_where(each)), _complaint(each, model))
            for each in error.errors(include_url=False)
        ]
    first, *rest = sorted(found, key=lambda each: each.line)
    raise Invalid(first.path, first.line, first.message, tuple(rest))


def near(word: str, names: Sequence[str]) -> str | None:
    """The name that is most like a word, if one is."""
    return next(iter(difflib.get_close_matches(word, names, 1, cutoff=0.6)), None)


def nearest(word: str, names: Iterable[str]) -> str:
    """`; did you mean “…”?` where a valid name is near, else the valid names."""
    known = sorted(names)
    if close := near(word, known):
        return f"; did you mean “{close}”?"
    return f"; valid: {', '.join(known)}" if known else ""


#: What a value should be, in the words of those who write files.
_SHOULD = {
    "tuple_type": 'should be a list, like ["one", "two"]',
    "too_short": "should not be empty",
    "int_type": "should be a whole number",
    "int_parsing": "should be a whole number",
    "float_type": "should be a number",
    "bool_type": "should be true or false",
    "dict_type": "should hold keys with values, as `key: value`",
    "model_type": "should hold keys with values, as `key: value`",
    "string_type": "should be text; put it in quotes",
}


def _where(error: Any) -> Where:
    """The place of a complaint. One about the whole names the key that it means first."""
    if error["loc"]:
        return tuple(error["loc"])
    named = re.match(r"(?:Value error, )?([a-z_.]+):", error["msg"])
    return tuple(named[1].split(".")) if named else ()


def _complaint(error: Any, model: type[BaseModel]) -> str:
    """One pydantic error in words; never the value, unless it is a wrong word of a fixed list."""
    where: Where = error["loc"]
    name = ".".join(str(part) for part in where) or "the file"
    last = str(where[-1]) if where else ""
    match error["type"]:
        case "extra_forbidden":
            return f"unknown key “{last}”" + nearest(last, _keys(model, where))
        case "missing":
            return f"“{name}” is missing"
        case "literal_error" | "enum":
            words = re.findall(r"'([^']*)'", error["ctx"]["expected"])
            return f"“{name}”: “{error['input']}” is not valid" + nearest(
                str(error["input"]), words
            )
    if should := _SHOULD.get(error["type"]):
        return f"“{name}” {should}"
    said = error["msg"].removeprefix("Input ")
    return f"“{name}”: {said[:1].lower()}{said[1:]}"


def _keys(model: type[BaseModel], where: Where) -> set[str]:
    """The keys that are valid where an unknown one stands."""
    models = [model]
    for part in where[:-1]:
        fields = [each.model_fields[str(part)] for each in models if part in each.model_fields]
        inner = [found for each in fields for found in _models(each.annotation)]
        models = inner or models  # an index, or a key of a free mapping: the same model
    return {key for each in models for key in each.model_fields}


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models(argument)


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # libyaml's if there
    """SafeLoader that resolves plain words as the module's text says."""

    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 - none of YAML 1.1's


for _tag, _pattern, _first in (
    ("bool", r"true|false", "tf"),
    ("null", r"null|~|", "n~\0"),
    ("int", r"-?(0|[1-9][0-9]*)", "-0123456789"),
    ("float", r"-?[0-9]+\.[0-9]+", "-0123456789"),
    ("timestamp", r"[0-9]{4}-[0-9]{2}-[0-9]{2}", "0123456789"),
):
    _letters = [letter if letter != "\0" else "" for letter in _first]
    _Loader.add_implicit_resolver(
        f"tag:yaml.org,2002:{_tag}", re.compile(f"^({_pattern})$"), _letters
    )


def _plain(path: Path, node: Any, where: Where, lines: dict[Where, int]) -> Any:
    """A composed YAML node as plain data, noting lines on the way."""
    lines.setdefault(where, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _mapping(path, node, where, lines)
    if isinstance(node, yaml.SequenceNode):
        return [_plain(path, item, (*where, n), lines) for n, item in enumerate(node.value)]
    try:
        return _scalar(node)
    except ValueError:
        raise Invalid(path, node.start_mark.line + 1, "no such date or number") from None


def _mapping(path: Path, node: Any, where: Where, lines: dict[Where, int]) -> dict[Hashable, Any]:
    made: dict[Hashable, Any] = {}
    for key_node, value_node in node.value:
        line = key_node.start_mark.line + 1
        if not isinstance(key_node, yaml.ScalarNode):
            raise Invalid(path, line, "a key should be a word")
        key = key_node.value
        if key in made:
            raise Invalid(path, line, f"“{key}” is written twice")
        lines[(*where, key)] = line
        made[key] = _plain(path, value_node, (*where, key), lines)
    return made


def _scalar(node: Any) -> Any:
    text = node.value
    match node.tag.rpartition(":")[2]:
        case "bool":
            return text == "true"
        case "null":
            return None
        case "int":
            return int(text)
        case "float":
            return Decimal(text)
        case "timestamp":
            return date.fromisoformat(text)
    return text
