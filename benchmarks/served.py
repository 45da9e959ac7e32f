"""Embedded servers in processes of their own, and what processes hold and use (needs /proc)."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Json = dict[str, Any]


@dataclass(frozen=True)
class Served:
    """A server that runs, and its controls."""

    url: str
    pid: int
    _pipe: Connection

    def put(self, records: Iterable[Json]) -> list[Json]:
        """Write the records without HTTP; answers them as they stand, with their new versions."""
        self._pipe.send(list(records))
        stored: list[Json] = self._pipe.recv()
        return stored

    def slow(self, lag: float) -> None:
        """Take so many seconds more for each answer from now on."""
        self._pipe.send(lag)
        self._pipe.recv()


@contextmanager
def served(
    name: str, records: Iterable[Json] = (), *, ago: timedelta = timedelta(0)
) -> Iterator[Served]:
    """An embedded server that holds these records, written so long `ago`."""
    here, there = multiprocessing.Pipe()
    spawn = multiprocessing.get_context("spawn")
    process = spawn.Process(target=_serve, args=(there, name, ago), name=f"server {name}")
    process.start()
    try:
        for record in records:
            here.send(record)
        here.send(None)
        yield Served(here.recv(), process.pid or 0, here)
    finally:
        process.terminate()
        process.join(20)


def _serve(told: Connection, name: str, ago: timedelta) -> None:
    from fhirbridge import logs
    from fhirbridge.sandbox import Sandbox

    lag = 0.0

    class Slow(Sandbox):
        async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(lag)
            self.requests.clear()  # nobody counts them here, and they would be kept
            await super()._serve(scope, receive, send)

    def keep(record: Json) -> Json:
        with box.store.unit(checked=False):  # records may refer to what was never loaded
            box.store.update(record["resourceType"], record["id"], record)
        return record

    logs.set_up("ERROR")
    with Slow(name, resthook=False, clock=lambda: datetime.now(UTC) - ago) as box:
        while (record := told.recv()) is not None:
            keep(record)
        ago = timedelta(0)
        told.send(box.base_url)
        while True:
            match told.recv():
                case float(lag):
                    told.send(None)
                case records:
                    told.send([keep(each) for each in records])


def resident(pid: int) -> float:
    """Megabytes of memory that a process holds now."""
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def worked(pid: int) -> float:
    """Seconds of processor time that a process and its children, those that ended too, used."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except FileNotFoundError:  # a child that ended just now: its parent has its time
        return 0.0
    own = sum(int(each) for each in fields[11:15]) / os.sysconf("SC_CLK_TCK")
    return own + sum(worked(child) for child in _children(pid))


def idled() -> float:
    """Seconds for which the cores of this machine had nothing to do, all together."""
    idle, waiting = Path("/proc/stat").read_text().split("\n")[0].split()[4:6]
    return (int(idle) + int(waiting)) / os.sysconf("SC_CLK_TCK")


def parent(pid: int) -> int:
    """Who started a process."""
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def _children(pid: int) -> list[int]:
    tasks = Path(f"/proc/{pid}/task").glob("*/children")
    return [int(child) for each in tasks for child in each.read_text().split()]
