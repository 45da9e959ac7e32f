"""How often the garbage collector looks, in processes that make many short-lived objects.

What we make is freed by counting references; the collector is there for cycles, which are few. By
default it looks after each 700 new objects, and finds nothing.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def little_garbage() -> Iterator[None]:
    """What is loaded by now is not looked at, and what comes is not looked at often."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(100_000, 20, 20)
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()
