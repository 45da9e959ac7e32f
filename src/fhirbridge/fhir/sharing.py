"""One access token for all processes of an installation: one asks, the others wait for the answer.

Who asks is who claims the token first (`Tokens.claim_token`). The others look whether it has come.
A claim ends: if the one who asks dies, another takes over. Nobody waits longer than half a minute;
then each asks for itself, because two tokens do no harm and none does.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

_ASKING = timedelta(seconds=15)  # how long a claim holds: a sign-in server answers in less
_LOOK = 0.1  # seconds between looks at what another process got
_LOOKS = 300


@dataclass(frozen=True, slots=True)
class Token:
    value: str = field(repr=False)
    renew_at: datetime


class Tokens(Protocol):
    """Where processes share tokens."""

    def token(self, name: str, now: datetime) -> tuple[str, datetime] | None: ...
    def keep_token(self, name: str, value: str, until: datetime) -> None: ...
    def forget_token(self, name: str, value: str) -> None: ...
    def claim_token(self, name: str, by: str, now: datetime, until: datetime) -> bool: ...
    def release_token(self, name: str, by: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Shared:
    """The tokens as one process uses them. `me` is its name, which no other has; `sleep` waits for
    so many seconds."""

    tokens: Tokens
    me: str
    sleep: Callable[[float], object]

    def token(
        self, name: str, clock: Callable[[], datetime], ask: Callable[[datetime], Token]
    ) -> Token:
        """The token of all, or what `ask` answers. Raises what `ask` raises."""
        for _ in range(_LOOKS):
            now = clock()
            if kept := self.tokens.token(name, now):
                return Token(*kept)
            if self.tokens.claim_token(name, self.me, now, now + _ASKING):
                break
            self.sleep(_LOOK)
        try:
            now = clock()
            if kept := self.tokens.token(name, now):  # it came between look and claim
                return Token(*kept)
            asked = ask(now)
            self.tokens.keep_token(name, asked.value, asked.renew_at)
            return asked
        finally:
            self.tokens.release_token(name, self.me)
