"""What the soak calls growth, told by figures that are made up."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.chaos.soak import KEEP, Look, reported

SECONDS = 1200


def looks(
    *,
    memory: Callable[[float], float] = lambda _: 200.0,
    files: Callable[[float], float] = lambda _: 60.0,
    database: Callable[[float], float | None] = lambda _: 30.0,
    lag: Callable[[float], float] = lambda _: 2.0,
) -> list[Look]:
    return [
        Look(at, memory(at), files(at), database(at), lag(at))
        for at in map(float, range(2, SECONDS, 2))
    ]


def test_what_swings_does_not_grow() -> None:
    outage = looks(
        memory=lambda at: 200.0 + at % 7,
        database=lambda at: None if 500 < at < 600 else 30.0 + at % 5,
        lag=lambda at: 90.0 if 300 < at < 700 else 1.0,
    )
    assert reported(outage, SECONDS) == []


@pytest.mark.parametrize(
    ("leak", "what"),
    [
        (looks(memory=lambda at: 200 + at / 10), "memory of a door and a worker"),
        (looks(files=lambda at: 60 + at / 20), "their open files and sockets"),
        (looks(database=lambda at: at / 10), "size of the database"),
        (looks(lag=lambda at: at / 5), "lag"),
    ],
)
def test_what_leaks_is_named(leak: list[Look], what: str) -> None:
    assert reported(leak, SECONDS) == [what]


def test_what_was_never_seen_is_no_proof() -> None:
    with pytest.raises(RuntimeError, match="database"):
        reported(looks(database=lambda _: None), SECONDS)


def test_the_first_look_is_when_forgetting_has_begun() -> None:
    assert KEEP.total_seconds() < SECONDS * 0.25
