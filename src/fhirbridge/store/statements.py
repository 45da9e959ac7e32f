"""Statements that run for every delivery: made once, then handed to the driver as they are.

SQLAlchemy's own share of an execution costs several times what SQLite's does. On SQLite these
statements go to the driver as text that was compiled once; on PostgreSQL, where the way to the
server costs more than either, SQLAlchemy sends many rows at once.
"""

from __future__ import annotations

import json
import sqlite3
from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from functools import cache, lru_cache
from typing import Any, TypeAlias

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.ext.compiler import compiles

Selected: TypeAlias = "sa.Select[*tuple[Any, ...]] | sa.TextualSelect"

_BY_NAME = sqlite.dialect(paramstyle="named")
_BY_POSITION = sqlite.dialect(paramstyle="qmark")


class _Listed(sa.sql.functions.FunctionElement[str]):
    """The elements of a list that is one parameter."""

    type = sa.Text()
    inherit_cache = True


def among(column: sa.Column[Any], name: str) -> sa.ColumnElement[bool]:
    """The column is one of the list of strings `name`: a single parameter, so that the statement
    is the same for lists of all lengths."""
    listed = _Listed(sa.bindparam(name, type_=sa.ARRAY(sa.Text)))
    return column.bool_op("IN")(listed)


@compiles(_Listed, "sqlite")
def _from_json(element: _Listed, compiler: Any, **more: Any) -> str:
    return f"(SELECT value FROM json_each({compiler.process(element.clauses, **more)}))"


@compiles(_Listed, "postgresql")
def _from_array(element: _Listed, compiler: Any, **more: Any) -> str:
    return f"(SELECT unnest({compiler.process(element.clauses, **more)}))"


def select(conn: sqlite3.Connection, statement: Selected, asked: Mapping[str, Any]) -> list[Any]:
    """The rows, as named tuples. A list among the parameters is one for `among`."""
    text, constants = _made(statement, tuple(asked))
    lists = {name: json.dumps(value) for name, value in asked.items() if isinstance(value, list)}
    rows = conn.execute(text, constants | dict(asked) | lists).fetchall()
    return [*map(_row_of(statement), rows)]


def run(conn: sqlite3.Connection, statement: sa.UpdateBase, rows: Sequence[Any]) -> None:
    """Run the statement for each row."""
    text, constants = _made(statement, tuple(rows[0]))
    conn.executemany(text, [constants | row for row in rows] if constants else rows)


def insert(conn: sqlite3.Connection, statement: sa.Insert, rows: Sequence[Any]) -> list[Any]:
    """Insert the rows (SQLite takes 32,766 values); what RETURNING answers for each.

    One execution for all: the driver gives the interpreter away at each, and has to wait for the
    event loop to get it back.
    """
    text, order = _for_many(statement, frozenset(rows[0]), len(rows))
    return conn.execute(text, [row[name] for row in rows for name in order]).fetchall()


@lru_cache(maxsize=512)
def _for_many(statement: sa.Insert, names: frozenset[str], count: int) -> tuple[str, list[str]]:
    """The text for so many rows, and the order in which it wants the values of each."""
    made = statement.values([dict.fromkeys(names)] * count).compile(dialect=_BY_POSITION)
    return str(made), [column.key for column in statement.table.c if column.key in names]


@cache
def _row_of(statement: Selected) -> Callable[[tuple[Any, ...]], Any]:
    names = [column.name for column in statement.selected_columns]
    row: Any = namedtuple("row", names, rename=True)  # type: ignore[misc]  # known when it runs
    make: Callable[[tuple[Any, ...]], Any] = row._make
    return make


@cache
def _made(statement: sa.ClauseElement, names: tuple[str, ...]) -> tuple[str, dict[str, Any]]:
    """The text, and the values that the statement itself brings."""
    made = statement.compile(dialect=_BY_NAME, column_keys=list(names), for_executemany=True)
    return str(made), {name: made.params[name] for name in made.params if name not in names}
