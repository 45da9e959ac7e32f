"""Our own TLS door, from end to end: a server notifies us there, if it trusts our certificate."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.cli.doctor.site import UNTRUSTED, health
from fhirbridge.fhir import jsonio
from fhirbridge.sandbox import Sandbox
from fhirbridge.store import Store
from tests.operate.doctoring import IMPATIENT, Doctor, failing, noted
from tests.operate.fakes import certificate, fake
from tests.servers import ROOT, free_port


@pytest.fixture
def ours(tmp_path: Path) -> Path:
    """Certificate and key of our door; it vouches for itself, as the authority of a hospital."""
    return certificate(tmp_path, name="localhost")


def config(ours: Path, public: str) -> dict[str, Any]:
    return {"public_url": public, "tls": {"certificate": str(ours), "key": str(ours)}}


@contextmanager
def serving(folder: Path, public: str) -> Iterator[subprocess.Popen[bytes]]:
    """`fhirbridge serve` with the configuration that lies in the folder."""
    log = folder / "serve.log"
    command = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=folder, stdout=output, stderr=output)
        try:
            wait(lambda: process.poll() is not None or health(public) is not None)
            assert process.poll() is None, log.read_text()
            yield process
        finally:
            process.terminate()
            process.wait(30)
    assert process.returncode == 0, log.read_text()


def wait(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def healthy(url: str) -> bool:
    """What the health check of the image says."""
    (check,) = re.findall(r"^HEALTHCHECK CMD (.*)$", (ROOT / "Dockerfile").read_text(), re.M)
    _, *command = jsonio.loads(check.encode())
    done = subprocess.run([sys.executable, *command], env={"HEALTH_URL": url}, capture_output=True)
    return done.returncode == 0


def test_the_health_check_of_the_image() -> None:
    with fake({"/healthz": (200, b"ok"), "/ill/healthz": (503, b"no")}) as url:
        assert healthy(f"{url}/healthz")
        assert not healthy(f"{url}/ill/healthz")


def test_a_change_arrives_where_our_certificate_is_trusted(tmp_path: Path, ours: Path) -> None:
    doctor, public = Doctor(tmp_path), f"https://localhost:{free_port()}"
    believes = ssl.create_default_context(cafile=ours)
    with Sandbox("tls", delay=0.005, trust=believes) as server:
        look = partial(
            doctor,
            server.base_url,
            "--round-trip",
            server={"subscribe": "push"},
            **config(ours, public),
        )
        signs = look()  # it opens the door itself; that this machine does not trust it is no matter
        assert not failing(signs)
        assert "arrived after" in noted(signs)
        with serving(tmp_path, public):
            assert health(public) == (UNTRUSTED, "self-signed certificate")  # by this process
            signs = look(env={"SSL_CERT_FILE": str(ours)})
            assert not failing(signs)
            assert "arrived after" in noted(signs)
            assert f"public_url: {public}; " in noted(signs)
            assert healthy(f"{public}/healthz")
    assert not healthy(f"{public}/healthz")
    with closing(Store(f"sqlite:///{tmp_path}/fhirbridge.db", ids=lambda: "x")) as store:
        assert "Basic" in {event.type for line in store.recent(100) for event in line.events}


def test_a_server_that_does_not_trust_our_certificate_is_told_how(
    tmp_path: Path, ours: Path
) -> None:
    impatient, public = Doctor(tmp_path, program=IMPATIENT), f"https://localhost:{free_port()}"
    with Sandbox("tls", delay=0.005, retries=()) as server:
        push = {"subscribe": "push"}
        said = failing(
            impatient(server.base_url, "--round-trip", server=push, **config(ours, public))
        )
        server.idle()
        assert not [*server.all("Subscription"), *server.all("Basic")]
    assert f"the Subscription is active, and of a change nothing arrived at {public}" in said
    assert "have ehr trust our certificate" in said
    assert "does not trust either (self-signed certificate)" in said
    assert "keytool -importcert" in said
