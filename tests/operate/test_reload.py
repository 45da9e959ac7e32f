"""SIGHUP while notifications come in: what was acknowledged is on disk, and nothing stays out."""

from __future__ import annotations

import http.client
import re
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from fhirbridge.cli.doctor.site import health
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.subscription import SECRET_HEADER
from fhirbridge.sandbox import Sandbox
from fhirbridge.store import Store, SubscriptionRow
from tests.bridge.estate import order
from tests.operate.fakes import certificate

_DEADLINE = 60.0


def until(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _DEADLINE
    while not condition():
        assert time.monotonic() < end, "it did not happen in time"
        time.sleep(0.02)


def said(log: Path, words: str, times: int) -> bool:
    return len(re.findall(words, log.read_text())) == times


def test_who_is_told_to_end_while_it_reads_again_ends(tmp_path: Path) -> None:
    """Both signals at once: nothing that comes while one service takes over is lost."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    log = tmp_path / "log"
    with Sandbox("ends") as server, log.open("wb") as output:
        (tmp_path / "fhirbridge.yaml").write_text(
            f"servers:\n  ehr: {{base_url: '{server.base_url}', holds: [orders, worklist]}}\n"
            f"public_url: http://127.0.0.1:{port}\n"
        )
        command = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "serve"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
        try:
            until(lambda: health(f"http://127.0.0.1:{port}") == (200, "ok"))
            process.send_signal(signal.SIGHUP)
            until(partial(said, log, "configuration_read_again", 1))
            process.send_signal(signal.SIGTERM)  # the one is closed, the other not there yet
            assert process.wait(30) == 0, log.read_text()[-2000:]
        finally:
            process.kill()


def shown(port: int, trusted: Path) -> bytes | None:
    """The certificate that the door shows to somebody who trusts `trusted`."""
    context = ssl.create_default_context(cafile=trusted)
    try:
        with (
            socket.create_connection(("127.0.0.1", port), timeout=5) as plain,
            context.wrap_socket(plain, server_hostname="127.0.0.1") as wire,
        ):
            wire.sendall(b"GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            assert b" 200 " in wire.recv(1000)
            return wire.getpeercert(binary_form=True)
    except OSError:
        return None


def test_a_certificate_of_our_own_is_renewed_without_a_restart(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    first, second = certificate(tmp_path), certificate(tmp_path, days=200)
    ours, log = tmp_path / "ours.pem", tmp_path / "log"
    ours.write_bytes(first.read_bytes())
    (tmp_path / "fhirbridge.yaml").write_text(
        "servers:\n  ehr: {base_url: 'http://127.0.0.1:9/fhir', holds: [worklist],"
        " subscribe: poll}\n"
        f"public_url: https://127.0.0.1:{port}\n"
        f"tls: {{certificate: {ours}, key: {ours}}}\n"
    )
    command = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "serve"]
    with log.open("wb") as output:
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
        try:
            until(lambda: process.poll() is not None or shown(port, first) is not None)
            assert process.poll() is None, log.read_text()
            until(partial(said, log, f"listens at https://127.0.0.1:{port}", 1))
            ours.write_text("no certificate")
            process.send_signal(signal.SIGHUP)
            until(partial(said, log, "configuration_refused .*tls: .* cannot be used", 1))
            assert shown(port, first) is not None  # the old one stays
            ours.write_bytes(second.read_bytes())
            process.send_signal(signal.SIGHUP)
            until(lambda: shown(port, second) is not None)
            assert shown(port, first) is None
        finally:
            process.terminate()
            process.wait(30)
    assert process.returncode == 0, log.read_text()[-2000:]


class Sender(threading.Thread):
    """A server that notifies, one change after the other, each until it is acknowledged."""

    def __init__(self, port: int, link: SubscriptionRow) -> None:
        super().__init__(daemon=True)
        self.port, self.acknowledged, self.stop = port, 0, threading.Event()
        self._where = f"/notify/{link.source}/{link.key}/{link.type}"
        self._headers = {SECRET_HEADER: link.secret, "Content-Type": "application/fhir+json"}

    def has(self, count: int) -> bool:
        return self.acknowledged >= count

    def run(self) -> None:
        while not self.stop.is_set():
            record = order(id=f"o-{self.acknowledged}", meta={"versionId": "1"})
            while not self._sent(jsonio.dumps(record), record["id"]):
                if self.stop.wait(0.01):
                    return
            self.acknowledged += 1

    def _sent(self, body: bytes, id_: str) -> bool:
        wire = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        try:
            wire.request("PUT", f"{self._where}/{id_}", body, self._headers)
            return wire.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False  # not acknowledged: a sender comes again
        finally:
            wire.close()


def test_reading_the_configuration_again_loses_nothing(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    config, log = tmp_path / "fhirbridge.yaml", tmp_path / "log"
    url = f"sqlite:///{tmp_path}/x.db"
    keep = Store(url, ids=lambda: "x")

    def link() -> SubscriptionRow | None:
        row = keep.subscription("ehr", "MedicationRequest")
        return row if row and row.state == "active" else None

    with Sandbox("reload") as server, log.open("wb") as output:
        text = (
            f"servers:\n  ehr: {{base_url: '{server.base_url}', holds: [orders, worklist],"
            f" subscribe: push}}\nstore: {url}\npublic_url: http://127.0.0.1:{port}\n"
        )
        config.write_text(text)
        command = [sys.executable, "-c", "from fhirbridge.cli import main; main()", "serve"]
        process = subprocess.Popen(command, cwd=tmp_path, stdout=output, stderr=output)
        sender = None
        try:
            until(lambda: health(f"http://127.0.0.1:{port}") == (200, "ok"))
            until(lambda: link() is not None)
            row = link()
            assert row is not None
            sender = Sender(port, row)
            sender.start()
            until(partial(sender.has, 20))
            for number in range(1, 4):
                config.write_text(f"{text}poll_seconds: {number}\n")
                process.send_signal(signal.SIGHUP)
                until(partial(said, log, "configuration_read_again", number))
                until(partial(sender.has, sender.acknowledged + 20))
            config.write_text(text + "polll_seconds: 3\n")
            process.send_signal(signal.SIGHUP)
            until(
                partial(
                    said,
                    log,
                    "configuration_refused .*did you mean “poll_seconds”.*the old one stays",
                    1,
                )
            )
            until(partial(sender.has, sender.acknowledged + 20))
        finally:
            if sender:
                sender.stop.set()
                sender.join()
            process.terminate()
            process.wait(30)
    assert sender is not None
    kept = {event.id for line in keep.recent(100_000) for event in line.events}
    keep.close()
    assert {f"o-{n}" for n in range(sender.acknowledged)} <= kept
    assert process.returncode == 0, log.read_text()[-2000:]
