"""Environment variables that stand for keys of the configuration; they win over the file.

The environment is handed in: only `settings` looks at it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from fhirbridge import yamlfile
from fhirbridge.fhir import jsonio

PREFIX = "FHIRBRIDGE_"
NO_FILE = Path("(no file)")  # the place of what stands in none
#: Variables that are no settings: where the file is, and what the tests use.
_OTHERS = re.compile(r"FHIRBRIDGE_(CONFIG|DEBUG|TEST_.*)")


def overridden(
    node: yamlfile.Node, environ: Mapping[str, str], variables: list[str]
) -> yamlfile.Node:
    """The file's data with the variables put in; variable n stands at line -n."""
    if not isinstance(node.data, dict):
        return node
    data, lines = _copied(node.data), dict(node.lines)
    for name, where, value in _given(environ):
        variables.append(name)
        at = data
        for key in where[:-1]:
            inner = at.setdefault(key, {})
            if not isinstance(inner, dict):
                inner = at[key] = {}
            at = inner
        at[where[-1]] = value
        lines = {place: n for place, n in lines.items() if place[: len(where)] != where}
        for length in range(1, len(where) + 1):
            lines.setdefault(where[:length], -len(variables))
        lines[where] = -len(variables)
    return replace(node, data=data, lines=lines)


def _copied(data: Any) -> Any:
    return {key: _copied(each) for key, each in data.items()} if isinstance(data, dict) else data


def _given(environ: Mapping[str, str]) -> Iterator[tuple[str, tuple[str, ...], object]]:
    """Name, place and value of every variable that is a setting."""
    for name in sorted(environ):
        if not name.startswith(PREFIX) or _OTHERS.fullmatch(name):
            continue
        where = tuple(name.removeprefix(PREFIX).lower().split("__"))
        value = environ[name]
        if where[-1].endswith("_file"):
            where = (*where[:-1], where[-1].removesuffix("_file"))
            try:
                yield name, where, Path(value).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                # Not its path: who mistakes this variable for the other gives the secret itself.
                why = getattr(error, "strerror", None) or "no text"
                said = f"${name}: the file cannot be read: {why}"
                raise yamlfile.Invalid(NO_FILE, 1, said) from None
        else:
            yield name, where, _value(value)


def _value(text: str) -> object:
    """Lists, mappings and numbers are JSON; everything else is the text itself."""
    if re.match(r"\s*[\[{]", text) or re.fullmatch(r"[0-9]+", text):
        try:
            return jsonio.loads(text)
        except ValueError:
            return text
    return text
