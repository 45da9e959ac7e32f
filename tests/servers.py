"""Real servers for tests, each on loopback, a free port and data of its own, gone afterwards.

    with redis_server() as url: ...            redis://127.0.0.1:PORT/0
    with postgres_server() as url: ...         postgresql+psycopg://fhirbridge@127.0.0.1:PORT/postgres
    with hapi_server(fhir="R4B") as url: ...   http://127.0.0.1:PORT/fhir

A suite wraps them in a session fixture. A program that is not installed is an error that names
the package, never a skipped test: a suite that tests nothing must not look green.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
POSTGRES_ACCOUNT = "postgres"  # PostgreSQL refuses to run as root; Debian's package makes this user


class CannotStart(RuntimeError):
    """A server is not installed, ended at once or did not answer in time; says what to do."""


@contextlib.contextmanager
def redis_server() -> Iterator[str]:
    """A Redis that keeps nothing on disk. Yields its URL, database 0."""
    port = free_port()
    command = [program("redis-server", "redis-server"), "--port", str(port)]
    command += ["--bind", "127.0.0.1", "--save", "", "--appendonly", "no"]
    with _folder() as folder, _running(command, folder, ready=lambda: redis_answers(port)):
        yield f"redis://127.0.0.1:{port}/0"


@contextlib.contextmanager
def postgres_server(*, durable: bool = False) -> Iterator[str]:
    """A PostgreSQL cluster made for the occasion. Yields the SQLAlchemy URL of its database.

    `durable`: it waits for the disk, as a real one does (for what is measured).
    """
    account = POSTGRES_ACCOUNT if os.geteuid() == 0 else None
    port = free_port()
    with _folder(owner=account) as folder:
        data = str(folder / "data")
        init = [postgres_program("initdb"), "--pgdata", data, "--username", "fhirbridge"]
        init += ["--auth", "trust", "--encoding", "UTF8", "--no-sync"]
        made = subprocess.run(init, user=account, cwd=folder, capture_output=True, text=True)
        if made.returncode:
            raise CannotStart(f"initdb failed: {made.stderr}")
        serve = [postgres_program("postgres"), "-D", data, "-k", str(folder), "-p", str(port)]
        # A killed server loses nothing without fsync; only a power cut would, and no test cuts it.
        serve += ["-c", "listen_addresses=127.0.0.1", "-c", f"fsync={'on' if durable else 'off'}"]
        log = folder / "log"
        with _running(
            serve,
            folder,
            ready=lambda: "ready to accept connections" in log.read_text(errors="replace"),
            account=account,
            stop=signal.SIGINT,  # "fast" shutdown: open connections are ended
        ):
            yield f"postgresql+psycopg://fhirbridge@127.0.0.1:{port}/postgres"


@contextlib.contextmanager
def hapi_server(
    fhir: str = "R4",
    *,
    interval_ms: int = 500,
    resthook: bool = True,
    websocket: bool = True,
    data: Path | None = None,
    port: int | None = None,
    own: bool = False,
) -> Iterator[str]:
    """A real HAPI (`sandbox/hapi`). Yields its FHIR base URL.

    `$FHIRBRIDGE_TEST_HAPI`, a base URL, is used in place of a new one with all defaults: starting
    takes half a minute. `own`: not that one, because others' records stand there. With `data`, the
    database stays in that file, for a start after a crash.
    """
    given = os.environ.get("FHIRBRIDGE_TEST_HAPI")
    if given and not own and (fhir, interval_ms, resthook, websocket, data, port) == (
        "R4", 500, True, True, None, None,
    ):  # fmt: skip
        yield given.rstrip("/")
        return
    port = port or free_port()
    run = str(ROOT / "sandbox" / "hapi" / "run")
    built = subprocess.run([run, "--build-only"], capture_output=True, text=True)
    if built.returncode:
        raise CannotStart(f"sandbox/hapi could not be built: {built.stdout}{built.stderr}")
    command = [run, "--port", str(port), "--fhir", fhir, "--interval-ms", str(interval_ms)]
    command += ["--resthook", str(resthook).lower(), "--websocket", str(websocket).lower()]
    command += ["--data", str(data)] if data else []
    base = f"http://127.0.0.1:{port}/fhir"
    with (
        _folder() as folder,
        _running(command, folder, ready=lambda: http_answers(f"{base}/metadata"), within=240),
    ):
        yield base


@contextlib.contextmanager
def _running(
    command: list[str],
    folder: Path,
    *,
    ready: Callable[[], bool],
    account: str | None = None,
    stop: signal.Signals = signal.SIGTERM,
    within: float = 30,
) -> Iterator[None]:
    """Runs `command` until the block ends; enters the block once `ready()`. Log in `folder/log`."""
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=folder, stdout=output, stderr=output, user=account, start_new_session=True
        )
    try:
        deadline = time.monotonic() + within
        while not ready():
            if process.poll() is not None or time.monotonic() > deadline:
                tail = log.read_text(errors="replace")[-2000:]
                raise CannotStart(f"{command[0]} did not start in {within:.0f} s: {tail}")
            time.sleep(0.05)
        yield
    finally:
        process.send_signal(stop)
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def _folder(owner: str | None = None) -> Iterator[Path]:
    """A scratch folder directly under the system's, where another account can reach it too."""
    folder = Path(tempfile.mkdtemp(prefix="fhirbridge-test-"))
    try:
        if owner:
            shutil.chown(folder, owner)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def program(name: str, package: str, *, also: str | None = None) -> str:
    """Where a program is installed; `CannotStart` names the package of one that is not."""
    places = os.environ.get("PATH", "") + (f":{also}" if also else "")
    found = shutil.which(name, path=places)
    if not found:
        raise CannotStart(f"{name} is not installed (Debian: apt-get install {package})")
    return found


def postgres_program(name: str) -> str:
    # Debian keeps the server's programs off the PATH, in a folder for each major version.
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return program(name, "postgresql", also=":".join(map(str, folders)))


def redis_answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def http_answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False
