"""What one look of the doctor showed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    OK = "ok"
    NOTE = "note"  # it works, and you should know
    FAILS = "fails"


@dataclass(frozen=True, slots=True)
class Sign:
    """`says` is what is so, `remedy` what to do about it; every failure has one."""

    check: str
    state: State
    says: str
    remedy: str = ""

    def __str__(self) -> str:
        return f"{self.says}; {self.remedy}" if self.remedy else self.says


def ok(check: str, says: str) -> Sign:
    return Sign(check, State.OK, says)


def note(check: str, says: str, remedy: str = "") -> Sign:
    return Sign(check, State.NOTE, says, remedy)


def fails(check: str, says: str, remedy: str) -> Sign:
    return Sign(check, State.FAILS, says, remedy)
