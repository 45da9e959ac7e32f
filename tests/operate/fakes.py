"""Servers that are set up badly, on loopback: TLS, proxies, clocks, addresses."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from fhirbridge.fhir import jsonio

STATEMENT = {
    "resourceType": "CapabilityStatement",
    "fhirVersion": "4.0.1",
    "rest": [
        {
            "mode": "server",
            "resource": [{"type": each} for each in ("Patient", "Task", "Communication")],
        }
    ],
}


@contextmanager
def fake(
    answers: dict[str, tuple[int, Any]],
    *,
    skew: timedelta = timedelta(0),
    certificate: Path | None = None,
) -> Iterator[str]:
    """A server that answers each path as told (bytes as they are), and 404 in HTML to all others:
    its address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            status, body = answers.get(path, answers.get("*", (404, None)))
            content = body if isinstance(body, bytes) else jsonio.dumps(body)
            content = b"<html>no" if body is None else content
            self.send_response_only(status)
            self.send_header("Date", format_datetime(datetime.now(UTC) + skew, usegmt=True))
            self.send_header("Content-Type", "text/html" if body is None else "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_CONNECT = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with _listening(Handler, certificate) as url:
        yield url


@contextmanager
def between(
    target: str,
    *,
    skew: timedelta = timedelta(0),
    certificate: Path | None = None,
    host: str = "127.0.0.1",
) -> Iterator[str]:
    """A proxy in front of a real server: another clock, a certificate, another network."""
    parts = urlsplit(target)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length) if length else None
            wire = http.client.HTTPConnection(parts.netloc, timeout=60)
            try:
                wire.request(self.command, self.path, body, dict(self.headers.items()))
                answer = wire.getresponse()
                content = answer.read()
            finally:
                wire.close()
            self.send_response_only(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("date", "transfer-encoding", "content-length"):
                    self.send_header(name, value)
            self.send_header("Date", format_datetime(datetime.now(UTC) + skew, usegmt=True))
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_POST = do_PUT = do_DELETE = do_GET

        def log_message(self, *_: Any) -> None:
            pass

    with _listening(Handler, certificate, host) as url:
        yield f"{url}{parts.path}"


@contextmanager
def _listening(
    handler: type[BaseHTTPRequestHandler],
    certificate: Path | None = None,
    host: str = "127.0.0.1",
) -> Iterator[str]:
    server = ThreadingHTTPServer((host, 0), handler)
    if certificate:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, args=(0.05,))
    thread.start()
    try:
        yield f"http{'s' if certificate else ''}://{host}:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def certificate(folder: Path, *, days: int = 365, name: str = "127.0.0.1") -> Path:
    """A certificate that vouches for itself, with its key, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "fhirbridge test")])
    now = datetime.now(UTC)
    numbers = name.replace(".", "").isdigit()
    host = x509.IPAddress(ip_address(name)) if numbers else x509.DNSName(name)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=400))
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.SubjectAlternativeName([host]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / f"certificate-{days}-{name}.pem"
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path.write_bytes(private + made.public_bytes(serialization.Encoding.PEM))
    return path


@contextmanager
def silent() -> Iterator[tuple[str, list[socket.socket]]]:
    """A server that takes connections and never answers: its address, and who connected."""
    asked: list[socket.socket] = []
    with socket.create_server(("127.0.0.1", 0)) as listening:

        def take() -> None:
            with suppress(OSError):  # closed: the end
                while True:
                    asked.append(listening.accept()[0])

        threading.Thread(target=take, daemon=True).start()
        yield f"http://127.0.0.1:{listening.getsockname()[1]}/fhir", asked
        listening.shutdown(socket.SHUT_RDWR)
    for each in asked:
        each.close()
