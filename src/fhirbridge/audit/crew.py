"""Work for several processes, with answers in the order of the work.

    for answer in each(4, work, things): ...

The processes are forked, so they know what this one knows; only `things` and answers travel. At
most two things for each process are under way, so that answers do not pile up.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

Thing = TypeVar("Thing")
Answer = TypeVar("Answer")

_AHEAD = 2


class Lost(RuntimeError):
    """A process ended before its work was done; the message says what to do."""


def processors() -> int:
    """How many processes this machine can run at once; 1 where none can be forked."""
    if "fork" not in multiprocessing.get_all_start_methods():
        return 1
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def each(
    jobs: int,
    work: Callable[[Thing], Answer],
    things: Iterable[Thing],
    begin: Callable[[], None] = lambda: None,
) -> Generator[Answer, None, None]:
    """The answers to all things, in order. Each process calls `begin` first; one job is done here.

    What `work` raises is raised here; raises `Lost` where a process is killed. Close it.
    """
    if jobs == 1:
        yield from map(work, things)
        return
    fork = multiprocessing.get_context("fork")
    pool = ProcessPoolExecutor(jobs, fork, initializer=_begin, initargs=(work, begin))
    waiting: deque[Future[Answer]] = deque()
    try:
        for thing in things:
            waiting.append(pool.submit(_do, thing))
            if len(waiting) > _AHEAD * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool:
        raise Lost(
            "a process of the audit was ended from outside, perhaps for want of memory: nothing"
            " is decided; try again with --jobs 1"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


_work: Callable[[Any], Any]


def _begin(work: Callable[[Any], Any], begin: Callable[[], None]) -> None:
    global _work
    _work = work
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the first process is told, and tells us
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    threading.Thread(target=_end_with_the_first, daemon=True).start()
    begin()


def _end_with_the_first() -> None:
    """Nobody is left behind when the first process is killed."""
    first = multiprocessing.parent_process()
    if first is not None:
        first.join()
        os._exit(1)


def _do(thing: Any) -> Any:
    return _work(thing)
