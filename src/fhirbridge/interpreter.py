"""How Python is set in processes that work for long: seldom interrupted.

    with little_garbage(): ...      the audit
    with undisturbed(): ...         serve and worker, whose threads share the interpreter, too

What we make is freed by counting references; the garbage collector is there for cycles, which are
few. By default it looks after each 700 new objects, and finds nothing.

A thread that works gives the interpreter away after 5 ms when others want it, be it in the middle
of a commit for which they wait. What our threads have to do in one piece takes less than
`TURN`, and they give it away by themselves whenever they wait for a socket or the disk.
"""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager

#: Seconds that a thread may keep the interpreter while others want it.
TURN = 0.02


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


@contextmanager
def undisturbed() -> Iterator[None]:
    """The same, and threads have longer turns."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(TURN)
    try:
        with little_garbage():
            yield
    finally:
        sys.setswitchinterval(before)
