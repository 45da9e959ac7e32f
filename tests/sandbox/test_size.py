"""The sandbox serves the demo and the fast tests; it is not a product and shall not become one."""

from __future__ import annotations

import ast
from pathlib import Path

import fhirbridge.sandbox

LIMIT = 600


def _lines_of_code(text: str) -> int:
    """Lines without blank ones, comments and docstrings."""
    documented: set[int] = set()
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            documented |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    lines = enumerate(text.splitlines(), 1)
    return sum(n not in documented and line.strip()[:1] not in ("", "#") for n, line in lines)


def test_the_sandbox_stays_small() -> None:
    folder = Path(fhirbridge.sandbox.__file__).parent
    assert sum(_lines_of_code(file.read_text()) for file in folder.glob("*.py")) < LIMIT
