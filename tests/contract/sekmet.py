"""Starts sekmet-fhir, an independent FHIR R4 server, in an environment and a folder of its own.

It needs other versions of our libraries, so it is installed once beside, under ~/.cache.
"""

from __future__ import annotations

import hashlib
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from fhirbridge.fhir.jsonio import dumps

_LOCK = Path(__file__).parents[2] / "requirements" / "sekmet.txt"


def _command() -> Path:
    """The program, installed anew whenever the pinned requirements change."""
    digest = hashlib.sha256(_LOCK.read_bytes()).hexdigest()[:12]
    home = Path.home() / ".cache" / "fhirbridge" / f"sekmet-{digest}"
    command = home / "bin" / "sekmet"
    if not command.exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        pip = [
            str(home / "bin" / "pip"),
            "install",
            "--quiet",
            "--no-deps",
            "--require-hashes",
            "-r",
        ]
        subprocess.run([*pip, str(_LOCK)], check=True)
    return command


@contextmanager
def sekmet_server(auth: dict[str, Any] | None = None) -> Iterator[str]:
    """A running sekmet-fhir on loopback, simulator off: its base URL. `auth`: its server_auth."""
    command = _command()
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    base = f"http://127.0.0.1:{port}/fhir"
    with tempfile.TemporaryDirectory() as folder:
        settings = {
            "base_url": base,
            "host": "127.0.0.1",
            "port": port,
            "data_dir": f"{folder}/data",
            "simulator": {"enabled": False},
            "log_inbound": False,
            "server_auth": auth or {"types": ["none"]},
        }
        file = Path(folder) / "settings.yaml"
        file.write_bytes(dumps(settings))  # JSON is YAML
        with (Path(folder) / "log").open("wb") as log:
            process = subprocess.Popen(
                [str(command), "serve", "-c", str(file)],
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            try:
                _wait(process, base, Path(folder) / "log")
                yield base
            finally:
                process.terminate()
                process.wait(10)


def _wait(process: subprocess.Popen[bytes], base: str, log: Path) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(f"{base}/metadata", trust_env=False).is_success:
                return
        except httpx.HTTPError:
            time.sleep(0.1)
    raise RuntimeError(f"sekmet did not start: {log.read_text()[-2000:]}")
