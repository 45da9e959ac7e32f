"""What the bridge tells whoever traces it: spans from the notification to the written Task.

    notification ─ journal          the web door; the trace is kept with the event
    work ─ gather ─ read            one for each server
         ├ decide
         └ write

`traces.Traces` sends them by OpenTelemetry; `UNTRACED` does nothing and costs nothing. Attributes
are counts, names of sources and codes of rules: no reference, no identifier, nothing of a person.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import ParamSpec, Protocol, TypeVar

P = ParamSpec("P")
T = TypeVar("T")
Value = bool | int | float | str | Sequence[str]


class Span(Protocol):
    """One piece of work, while it is done."""

    def say(self, **attributes: Value) -> None: ...
    def failed(self, error: BaseException) -> None:
        """Say that it did, by the class of the error; an exception that leaves a span does so."""


class Tracer(Protocol):
    """Opens spans. A context is a W3C `traceparent`, as text."""

    @property
    def is_on(self) -> bool: ...
    def span(
        self, name: str, /, *, of: Sequence[str] = (), **attributes: Value
    ) -> AbstractContextManager[Span]:
        """A span below the one that is open, or of the first of these contexts; the others are
        linked. An exception that leaves it is named by its class only."""

    def here(self) -> str | None:
        """The context of the open span."""

    def carried(self, work: Callable[P, T]) -> Callable[P, T]:
        """The same work, to be done by another thread within the open span."""

    def close(self) -> None: ...


class _Untold:
    def say(self, **_: Value) -> None:
        pass

    def failed(self, error: BaseException) -> None:
        pass


class _Untraced:
    is_on = False
    _span = nullcontext(_Untold())

    def span(
        self, _: str, /, *, of: Sequence[str] = (), **__: Value
    ) -> AbstractContextManager[Span]:
        del of
        return self._span

    def here(self) -> None:
        return None

    def carried(self, work: Callable[P, T]) -> Callable[P, T]:
        return work

    def close(self) -> None:
        pass


UNTRACED: Tracer = _Untraced()
