"""Spells out the methods that `dataclass` writes at run time, so that a compiler sees them.

    spelled_out(source) -> source

mypyc compiles what stands in a class and leaves what a decorator adds to it: of a dataclass the
fields become places in a C struct, but `__init__`, `__eq__` and `__hash__` stay interpreted, and
slower than in plain Python. So the copy that is compiled says them itself. They do what those of
`dataclass` do; that a value is frozen has been checked by mypy, in the sources.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

DECORATORS = {"dataclass", "value"}
ORDER = (("__lt__", "<"), ("__le__", "<="), ("__gt__", ">"), ("__ge__", ">="))


@dataclass(frozen=True)
class Field:
    """One field: how it is written as a parameter, and what it is set to."""

    name: str
    annotation: str
    default: str | None = None  # None: it must be given
    factory: str | None = None  # makes the default of each instance
    compared: bool = True

    @property
    def parameter(self) -> str:
        if self.factory:
            return f"{self.name}: {self.annotation} | None = None"
        return f"{self.name}: {self.annotation}" + (f" = {self.default}" if self.default else "")

    @property
    def given(self) -> str:
        if self.factory:
            return f"{self.factory}() if {self.name} is None else {self.name}"
        return self.name


def spelled_out(source: str) -> str:
    """The same module with the methods of its dataclasses; one with `__post_init__` stays."""
    module = ast.parse(source)
    known: dict[str, list[Field]] = {}
    changed = False
    for class_ in (each for each in module.body if isinstance(each, ast.ClassDef)):
        how = next((d for d in class_.decorator_list if _is_ours(d)), None)
        said = {each.name for each in class_.body if isinstance(each, ast.FunctionDef)}
        if not isinstance(how, ast.Call) or "__post_init__" in said:
            continue
        inherited = [f for base in class_.bases for f in known.get(ast.unparse(base), ())]
        fields = known[class_.name] = [*inherited, *_fields(class_)]
        options = {each.arg: ast.unparse(each.value) for each in how.keywords}
        for name, method in _methods(class_.name, fields, options):
            if name not in said:
                class_.body += ast.parse(method).body
        how.func = ast.Name("dataclass")
        how.keywords = [each for each in how.keywords if each.arg in ("kw_only", "eq")]
        changed = True
    if not changed:
        return source
    place = next(n for n, each in enumerate(module.body) if _is_future(each)) + 1
    module.body[place:place] = ast.parse(
        "from dataclasses import dataclass\nfrom functools import partial"
    ).body
    return ast.unparse(ast.fix_missing_locations(module))


def _is_ours(decorator: ast.expr) -> bool:
    return isinstance(decorator, ast.Call) and ast.unparse(decorator.func) in DECORATORS


def _is_future(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.ImportFrom) and statement.module == "__future__"


def _fields(class_: ast.ClassDef) -> Iterator[Field]:
    for each in class_.body:
        if not isinstance(each, ast.AnnAssign) or not isinstance(each.target, ast.Name):
            continue
        name, annotation = each.target.id, ast.unparse(each.annotation)
        if isinstance(each.value, ast.Call) and ast.unparse(each.value.func) == "field":
            said = {k.arg: ast.unparse(k.value) for k in each.value.keywords}
            compared = said.get("compare") != "False"
            factory = said.get("default_factory")
            yield Field(name, annotation, said.get("default"), factory, compared)
        else:
            yield Field(name, annotation, ast.unparse(each.value) if each.value else None)


def _methods(
    class_: str, fields: list[Field], options: dict[str | None, str]
) -> Iterator[tuple[str, str]]:
    """`__init__`, how it is copied and pickled, `__eq__`, of a frozen one `__hash__`, of an ordered
    one its order: by name.

    A copy is made by the constructor: what is compiled has no instance without its fields.
    """
    star = ["*"] if options.get("kw_only") == "True" else []
    parameters = ", ".join(["self", *star, *(each.parameter for each in fields)])
    body = "".join(f"    self.{each.name} = {each.given}\n" for each in fields)
    yield "__init__", f"def __init__({parameters}) -> None:\n{body}"
    again = ", ".join((class_, *(f"{each.name}=self.{each.name}" for each in fields)))
    yield (
        "__reduce__",
        f"def __reduce__(self) -> tuple[object, ...]:\n    return partial({again}), ()\n",
    )
    if options.get("eq") == "False":
        return
    compared = [each.name for each in fields if each.compared]
    same = "".join(f" and self.{name} == other.{name}" for name in compared)
    yield (
        "__eq__",
        "def __eq__(self, other: object) -> bool:\n"
        f"    return isinstance(other, {class_}) and type(other) is type(self){same}\n",
    )
    mine, theirs = ("".join(f"{who}.{name}, " for name in compared) for who in ("self", "other"))
    if options.get("frozen") == "True":
        yield "__hash__", f"def __hash__(self) -> int:\n    return hash(({mine}))\n"
    for name, sign in ORDER if options.get("order") == "True" else ():
        yield (
            name,
            f"def {name}(self, other: {class_}) -> bool:\n    return ({mine}) {sign} ({theirs})\n",
        )
