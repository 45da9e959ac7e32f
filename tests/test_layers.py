"""Who may lean on whom, read off the import statements.

A rule here names a part of the package (`core`, `fhir`, `store`, …: a module or a folder directly
under `src/fhirbridge`) or a module below it (`fhir.http`); a rule for `web` holds for all in it.
"""

from __future__ import annotations

import ast
import sys
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "src" / "fhirbridge"
MODULES = sorted(PACKAGE.rglob("*.py"))

# What a part may import of the project, itself included. A part that is not named may import any
# part but the doors: what people and machines come in by leans on the rest, never the reverse.
MAY_LEAN_ON = {
    "core": {"core"},
    "fhir": {"core", "fhir"},
    "yamlfile": {"core"},
    "mappings": {"core", "mappings", "yamlfile", "fhir.profile"},
    "store": {"core", "store"},
    # the sandbox shares what R4 says with the rest, but nothing of what we make of it
    "sandbox": {"sandbox", "fhir.files", "fhir.jsonio", "fhir.matching", "fhir.parameters"},
}
DOORS = {"cli", "demo", "sandbox", "web", "worker"}

# Each of these lives in one place, so that it can be replaced there and mocked nowhere else.
LIVES_IN = {
    "alembic": {"store"},
    "celery": {"worker"},
    "fastapi": {"web"},
    "httpx": {"fhir.http", "sandbox"},
    "joserfc": {"fhir.keys"},
    "json": {"fhir.jsonio", "store.statements"},  # there: a list as one parameter of SQLite
    "kombu": {"worker"},
    "msgspec": {"fhir.jsonio"},
    "opentelemetry": {"traces"},
    "psycopg": {"store"},
    "redis": {"worker"},
    "requests": set(),
    "sqlalchemy": {"store"},
    "sqlite3": {"store", "audit.shelf"},  # the index of an audit lives as long as the audit
    "starlette": {"sandbox", "web"},
    "structlog": {"logs"},
    "typer": {"cli"},
    "websockets": {"fhir.websocket"},
    "yaml": {"yamlfile"},
}
READS_ENVIRONMENT = {"settings"}


def within(name: str, places: set[str]) -> bool:
    return any(name == place or name.startswith(f"{place}.") for place in places)


def module_name(path: Path) -> str:
    """`src/fhirbridge/fhir/client.py` → `fhir.client`; a package is named by its folder."""
    parts = path.relative_to(PACKAGE).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@cache
def nodes(path: Path) -> list[ast.AST]:
    return list(ast.walk(ast.parse(path.read_bytes())))


@cache
def imports(path: Path) -> frozenset[str]:
    """Every module named by an import statement, wherever it stands; relative ones resolved."""
    package = ["fhirbridge", *path.relative_to(PACKAGE).parent.parts]
    found = set[str]()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            found.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = package[: len(package) + 1 - node.level] if node.level else []
            origin = ".".join([*base, *([node.module] if node.module else [])])
            found.update(f"{origin}.{alias.name}" for alias in node.names)
    return frozenset(found)


def ours(path: Path) -> set[str]:
    """Imports of the project, without its name; `fhirbridge` itself (the version) is free."""
    return {name.partition(".")[2] for name in imports(path) if name.startswith("fhirbridge.")}


def others(path: Path) -> set[str]:
    return {name.partition(".")[0] for name in imports(path)} - {"fhirbridge"}


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_part_leans_only_on_those_below_it(path: Path) -> None:
    part = module_name(path).partition(".")[0]
    allowed = MAY_LEAN_ON.get(part)
    if allowed is not None:
        wrong = {name for name in ours(path) if not within(name, allowed)}
    elif part in DOORS | {""}:
        wrong = set()
    else:
        wrong = {name for name in ours(path) if within(name, DOORS)}
    assert not wrong


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_a_library_is_imported_in_its_one_place(path: Path) -> None:
    name = module_name(path)
    wrong = {
        library for library in others(path) & LIVES_IN.keys() if not within(name, LIVES_IN[library])
    }
    assert not wrong


@pytest.mark.parametrize("path", sorted((PACKAGE / "core").rglob("*.py")), ids=module_name)
def test_core_imports_the_standard_library_and_itself(path: Path) -> None:
    assert others(path) <= sys.stdlib_module_names


def test_fhir_resources_is_imported_by_one_module_of_fhir() -> None:
    users = [module_name(path) for path in MODULES if "fhir" in others(path)]
    assert len(users) <= 1
    assert all(within(name, {"fhir"}) for name in users)


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_settings_read_the_environment(path: Path) -> None:
    if within(module_name(path), READS_ENVIRONMENT):
        return
    assert not {"os.environ", "os.getenv"} & imports(path)
    for node in nodes(path):
        match node:
            case ast.Attribute(value=ast.Name("os"), attr="environ" | "getenv"):
                pytest.fail(f"line {node.lineno}")
