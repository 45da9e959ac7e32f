"""Programs that are started, killed with SIGKILL, and started again with the same address."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from tests.servers import (
    POSTGRES_ACCOUNT,
    CannotStart,
    free_port,
    postgres_program,
    program,
    redis_answers,
)

_READY_WITHIN = 40.0
#: Bytes of the disk that PostgreSQL has: enough to run, little enough to be filled in a moment.
DISK = 192 * 2**20


class Program:
    """One process, as often as it takes. `port` is where it listens, if it does."""

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        folder: Path,
        *,
        ready: Callable[[], bool] = lambda: True,
        account: str | None = None,
    ) -> None:
        self.name = name
        self._command, self._folder, self._account = list(command), folder, account
        self._ready = ready
        self._process: subprocess.Popen[bytes] | None = None
        self.log = folder / f"{name}.log"

    def start(self, *, wait: bool = False) -> None:
        """Start it unless it runs."""
        if self.alive:
            return
        with self.log.open("ab") as output:
            output.write(f"--- {self.name} starts at {datetime.now(UTC):%X}\n".encode())
            output.flush()
            self._process = subprocess.Popen(
                self._command,
                cwd=self._folder,
                stdout=output,
                stderr=output,
                user=self._account,
                start_new_session=True,
            )
        if wait:
            self.wait()

    def wait(self) -> None:
        """Until it is ready; one that ended meanwhile is started again."""
        deadline = time.monotonic() + _READY_WITHIN
        while not (self.alive and self._ready()):
            if time.monotonic() > deadline:
                tail = self.log.read_text(errors="replace")[-2000:]
                raise CannotStart(f"{self.name} did not start: {tail}")
            self.start()
            time.sleep(0.05)

    @property
    def pid(self) -> int:
        """Of the process that runs now."""
        if self._process is None:
            raise RuntimeError(f"{self.name} does not run")
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def ended(self) -> bool:
        """Did it end without having been killed or stopped by us?"""
        return self._process is not None and self._process.poll() is not None

    def kill(self) -> None:
        """SIGKILL: nothing is said good-bye to."""
        if self._process is not None and self.alive:
            self.signal(signal.SIGKILL)
            self._process.wait()
        self._process = None

    def signal(self, number: signal.Signals) -> None:
        if self._process is not None and self.alive:
            self._process.send_signal(number)

    def stop(self) -> None:
        """Let it end; kill it if it does not."""
        if self._process is None or not self.alive:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGINT)
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Disk:
    """A small file system of its own, which can be full. Needs the right to mount (root)."""

    def __init__(self, size: int = DISK) -> None:
        self.path = Path(tempfile.mkdtemp(prefix="fhirbridge-chaos-disk-"))
        self._filler = self.path / "filler"
        mount = ["mount", "-t", "tmpfs", "-o", f"size={size},mode=0755", "tmpfs", str(self.path)]
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
        self.small = done.returncode == 0
        if os.geteuid() == 0:
            shutil.chown(self.path, POSTGRES_ACCOUNT)

    def fill(self) -> None:
        """Until not one byte more fits."""
        if not self.small:
            raise RuntimeError("a file system of normal size is not filled")
        with self._filler.open("wb", buffering=0) as filler:
            for size in (2**20, 2**12, 1):
                try:
                    while True:
                        filler.write(b"\0" * size)
                except OSError:
                    continue

    def clear(self) -> None:
        self._filler.unlink(missing_ok=True)

    def close(self) -> None:
        if self.small:
            subprocess.run(["umount", "--lazy", str(self.path)], check=False)
        shutil.rmtree(self.path, ignore_errors=True)


def postgres(folder: Path, disk: Disk) -> tuple[Program, str]:
    """A PostgreSQL on that disk, not started; and its SQLAlchemy URL."""
    account = POSTGRES_ACCOUNT if os.geteuid() == 0 else None
    data, port = disk.path / "data", free_port()
    init = [postgres_program("initdb"), "--pgdata", str(data), "--username", "fhirbridge"]
    init += ["--auth", "trust", "--encoding", "UTF8", "--no-sync", "--wal-segsize", "1"]
    made = subprocess.run(
        init, user=account, cwd=disk.path, capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise CannotStart(f"initdb failed: {made.stderr}")
    command = [postgres_program("postgres"), "-D", str(data), "-k", str(disk.path)]
    command += ["-p", str(port), "-c", "listen_addresses=127.0.0.1"]
    command += ["-c", "max_wal_size=32MB", "-c", "min_wal_size=4MB"]
    is_ready = [postgres_program("pg_isready"), "-q", "-h", "127.0.0.1", "-p", str(port)]

    def ready() -> bool:
        return subprocess.run(is_ready, check=False).returncode == 0

    made_program = Program("postgres", command, folder, ready=ready, account=account)
    return made_program, f"postgresql+psycopg://fhirbridge@127.0.0.1:{port}/postgres"


def redis(folder: Path) -> tuple[Program, str]:
    """A Redis that keeps nothing, not started; and its URL."""
    port = free_port()
    command = [program("redis-server", "redis-server"), "--port", str(port)]
    command += ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    made = Program("redis", command, folder, ready=lambda: redis_answers(port))
    return made, f"redis://127.0.0.1:{port}/0"


def command(name: str, folder: Path, *arguments: str, port: int | None = None) -> Program:
    """`fhirbridge …` with the configuration in that folder."""
    line = [sys.executable, "-c", "from fhirbridge.cli import main; main()", *arguments]
    ready = (lambda: _listens(port)) if port else (lambda: True)
    return Program(name, line, folder, ready=ready)


def _listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0
