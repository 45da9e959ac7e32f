"""Doors in processes of their own, and who sends to them over kept-alive connections."""

from __future__ import annotations

import asyncio
import itertools
import multiprocessing
import socket
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from benchmarks.served import worked
from fhirbridge.fhir.subscription import SECRET_HEADER

CONNECTIONS = 32
_OPENS = 120.0  # seconds that a door may take to open; a busy machine takes its time


class Served(NamedTuple):
    """A door that is open."""

    port: int
    pid: int

    @property
    def worked(self) -> float:
        """Seconds of processor time so far."""
        return worked(self.pid)


@contextmanager
def serving(serve: Callable[..., None], arguments: tuple[Any, ...]) -> Iterator[Served]:
    """`serve(port, *arguments)` in a process of its own, from when it listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    process = multiprocessing.get_context("spawn").Process(target=serve, args=(port, *arguments))
    process.start()
    try:
        _wait(port, process.is_alive)
        yield Served(port, process.pid or 0)
    finally:
        process.terminate()
        process.join(10)


def _wait(port: int, alive: Callable[[], bool]) -> None:
    end = time.monotonic() + _OPENS
    while time.monotonic() < end and alive():
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.05)
    raise RuntimeError("the door did not open")


def request(server: str, key: str, secret: str, record: str, body: bytes) -> bytes:
    """A rest-hook notification as HAPI sends it. `record`: Type/id."""
    head = (
        f"PUT /notify/{server}/{key}/{record} HTTP/1.1\r\nHost: x\r\n"
        f"Content-Type: application/fhir+json\r\n{SECRET_HEADER}: {secret}\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def sent(
    ports: Sequence[int], requests: Iterator[bytes], *, end: float = float("inf")
) -> list[float]:
    """Send on all connections, which the doors share, until `end` (of the monotonic clock) or
    until there are no more; answers how long each acknowledgement took."""
    doors = itertools.islice(itertools.cycle(ports), CONNECTIONS)
    each = await asyncio.gather(*(_one(port, requests, end) for port in doors))
    return list(itertools.chain.from_iterable(each))


async def _one(port: int, requests: Iterator[bytes], end: float) -> list[float]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    waits = []
    while (began := time.monotonic()) < end and (message := next(requests, None)):
        writer.write(message)
        status = await reader.readline()
        if b" 200 " not in status:
            raise RuntimeError(f"the door answered {status.decode().strip()}")
        await _rest(reader)
        waits.append(time.monotonic() - began)
    writer.close()
    return waits


async def _rest(reader: asyncio.StreamReader) -> None:
    """Headers and body of an answer."""
    length = 0
    while (line := await reader.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    await reader.readexactly(length)
