"""The doctor's looks at this machine: store, broker, our own address, our keys, identity."""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Iterator, Mapping
from datetime import timedelta
from pathlib import Path
from urllib.parse import urlsplit

from fhirbridge import signing, wiring
from fhirbridge.fhir.keys import BadKeys
from fhirbridge.settings import Misconfigured, Settings, is_loopback
from fhirbridge.store import Store
from fhirbridge.store.records import StoreError

from .server import certificate_signs
from .signs import Sign, fails, note, ok

#: What a container runtime puts there: Docker, Podman, Kubernetes.
_CONTAINER = (
    Path("/.dockerenv"),
    Path("/run/.containerenv"),
    Path("/var/run/secrets/kubernetes.io"),
)
UNTRUSTED = 0  # in place of a status: somebody answers, with a certificate that is not trusted
_SOON = timedelta(days=30)

_TO_BE_WRITTEN = (
    "the file or its folder may not be written: give it to the account that runs fhirbridge, on a"
    " file system that is not read-only"
)
_STORE_REMEDIES = {
    "25006": "the database is read-only (a standby, or default_transaction_read_only): name the"
    " primary in `store`",
    "SQLITE_READONLY": _TO_BE_WRITTEN,
    "Read-only file system": _TO_BE_WRITTEN,
    "Permission denied": _TO_BE_WRITTEN,
    "SQLITE_FULL": "the disk is full: make room",
    "SQLITE_BUSY": "another program holds the file: end it",
    "28P01": "the password is wrong: check `store`, or give it in $FHIRBRIDGE_STORE_FILE",
    "28000": "the database does not let this account in: check the user, and pg_hba.conf",
    "3D000": "there is no such database: create it, or check `store`",
    "42501": "the account may not make or change tables: grant it the schema",
}


def site_signs(found: Settings) -> Iterator[Sign]:
    """Every look that needs no FHIR server."""
    yield from _store(found)
    yield from _broker(found)
    yield from _public_url(found)
    yield from _own_tls(found)
    yield from management_signs(found)
    yield from _traces(found)
    yield from _traps(found)
    yield from _keys(found)
    yield from _identity(found)


def _store(found: Settings) -> Iterator[Sign]:
    try:
        store = Store(found.store, ids=wiring.names)
    except StoreError as error:
        yield fails("store", str(error).removeprefix("store: "), _store_remedy(error))
        return
    try:
        store.ping()
        counts = store.counts(wiring.now())
        yield ok("store", f"writable; {counts.due} due, {counts.parked} parked")
        if counts.parked:
            yield note("store", "work was set aside", "`fhirbridge parked` shows what and why")
    except StoreError as error:
        yield fails("store", str(error).removeprefix("store: "), _store_remedy(error))
    finally:
        store.close()


def _store_remedy(error: Exception) -> str:
    known = (remedy for code, remedy in _STORE_REMEDIES.items() if code in str(error))
    return next(known, "check `store`")


def _broker(found: Settings) -> Iterator[Sign]:
    if found.broker is None:
        yield ok("broker", "none: the threads of `fhirbridge serve` do the work")
        return
    from fhirbridge.worker import answers, keeps

    if not answers(found):
        yield fails("broker", "does not answer", "start Redis, or check `broker`")
        return
    disk = "keeps its messages on disk" if keeps(found) else "keeps nothing on disk, and need not"
    yield ok("broker", f"answers; {disk}: it only wakes workers, the store remembers the work")
    if found.store.startswith("sqlite"):
        yield note(
            "store",
            "workers on other machines cannot share a SQLite file",
            "use postgresql+psycopg://… with a broker, unless all run on this machine",
        )


def _public_url(found: Settings) -> Iterator[Sign]:
    """Servers on other machines cannot reach an address that means their own."""
    pushing = {n: s for n, s in found.servers.items() if s.subscribe == "push"}
    far = sorted(n for n, server in pushing.items() if not is_loopback(server.base_url))
    host = urlsplit(found.public_url).hostname or ""
    if host in ("0.0.0.0", "::"):
        yield fails(
            "public_url",
            f"{found.public_url} is an address to listen at, not one to be reached at",
            "set public_url to this machine's name, and give `serve --host` the other",
        )
    elif is_loopback(found.public_url) and far:
        yield fails(
            "public_url",
            f"{found.public_url} is the own address of whoever asks: {' and '.join(far)} cannot"
            " notify us there",
            "set public_url to an address of this machine that it can reach",
        )
    elif not pushing:
        yield ok("public_url", f"{found.public_url}; nobody needs it, all servers are polled")
    else:
        yield _answering(found)


def _answering(found: Settings) -> Sign:
    match health(found.public_url):
        case None:
            return note(
                "public_url",
                f"nothing answers at {found.public_url} from here",
                "start `fhirbridge serve`; if it runs, check the proxy and the firewall",
            )
        case 200, "ok":
            return ok("public_url", found.public_url)
        case 0, why:
            return note(
                "public_url",
                f"the certificate of {found.public_url} is not trusted here: {why}",
                "have the proxy send the whole chain; each server has to trust it, else it cannot"
                " notify us",
            )
        case status, _:
            return fails(
                "public_url",
                f"somebody else answers at {found.public_url} ({status}): another program, or a"
                " proxy that does not lead to fhirbridge",
                "let the proxy pass /notify/ and /healthz on, with the path as it is",
            )


def _own_tls(found: Settings) -> Iterator[Sign]:
    try:
        if pair := signing.own_tls(found):
            yield from certificate_signs("tls", pair[0])
    except Misconfigured as error:
        yield fails(
            "tls", str(error).removeprefix("tls: "), "name others in `tls`, or leave it out"
        )


def management_signs(found: Settings) -> Iterator[Sign]:
    """Who sees the console and the metrics? Asked without a token, as a stranger would."""
    public, token = not is_loopback(found.public_url), found.management_token
    if found.management == "open":
        if public:
            yield note(
                "management",
                f"whoever reaches {found.public_url} sees the console and the metrics",
                "leave `management` out and set management_token, or let the proxy pass only"
                " /notify/, /healthz and /.well-known/jwks.json",
            )
        return
    stranger = answered(found.public_url, "/metrics")
    if public and stranger and stranger[0] == 200:
        yield fails(
            "management",
            f"{found.public_url}/metrics answers without a token: what listens there has another"
            " configuration, or a proxy adds the token",
            "start `fhirbridge serve` with this configuration, and mend the proxy",
        )
    elif token is None and public:
        yield note(
            "management",
            "console and metrics are closed: others reach us, and there is no management_token",
            "set management_token to see them (`openssl rand -hex 32` makes one)",
        )
    elif token is not None:
        bearer = {"Authorization": f"Bearer {token.get_secret_value()}"}
        manager = answered(found.public_url, "/metrics", bearer)
        if manager and manager[0] in (401, 403):
            yield fails(
                "management",
                f"{found.public_url}/metrics does not take our management_token",
                "start `fhirbridge serve` again: it has another token, or none",
            )
        else:
            yield ok("management", "console and metrics want the management_token")


def _traces(found: Settings) -> Iterator[Sign]:
    if found.traces is None:
        return
    endpoint = found.traces.endpoint
    try:
        wiring.tracer(found).close()
    except Misconfigured as error:
        says, _, remedy = str(error).rpartition(": ")
        yield fails("traces", says, remedy)
        return
    answer = answered(endpoint, "")
    if answer is None:
        yield note("traces", f"nothing answers at {endpoint}: they are lost", "start the collector")
    elif answer[0] == UNTRUSTED:
        says = f"the certificate of {endpoint} is not trusted: they are lost"
        yield note("traces", says, "name its authority in $OTEL_EXPORTER_OTLP_CERTIFICATE")
    else:
        yield ok("traces", f"go to {endpoint}")


def health(url: str) -> tuple[int, str] | None:
    """What `/healthz` below an address answers; None: nothing answers."""
    return answered(url, "/healthz")


def answered(
    url: str, path: str, headers: Mapping[str, str] | None = None
) -> tuple[int, str] | None:
    """Status and beginning of what a path below an address answers; None: nothing answers.

    The status `UNTRUSTED`, with the reason, where only the certificate keeps us from asking."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    wire = kind(parts.netloc, timeout=3)
    try:
        wire.request("GET", f"{parts.path.rstrip('/')}{path}", headers=dict(headers or {}))
        answer = wire.getresponse()
        return answer.status, answer.read(100).decode(errors="replace").strip()
    except ssl.SSLCertVerificationError as error:
        return UNTRUSTED, error.verify_message
    except (OSError, http.client.HTTPException):
        return None
    finally:
        wire.close()


def _traps(found: Settings) -> Iterator[Sign]:
    """`localhost` means another machine to each container."""
    if not any(path.exists() for path in _CONTAINER):
        return
    near = sorted(n for n, server in found.servers.items() if is_loopback(server.base_url))
    if near:
        yield note(
            "container",
            f"we run in a container, where the address of {' and '.join(near)} is the container"
            " itself",
            "if it runs elsewhere, name its service (http://hapi:8080/fhir) or"
            " host.docker.internal",
        )
    if is_loopback(found.public_url) and any(s.subscribe == "push" for s in found.servers.values()):
        yield note(
            "container",
            f"{found.public_url} is, for a server in another container, that container",
            "name our service (http://web:8000) in public_url",
        )


def _keys(found: Settings) -> Iterator[Sign]:
    """Can we sign, now and in a month?"""
    if not any(server.auth.smart_backend for server in found.servers.values()):
        return
    now = wiring.now()
    try:
        ring = signing.keyring(found)
        for alg in sorted({key.alg for key in ring.keys}):
            ring.signing((alg,), now)
            try:
                ring.signing((alg,), now + _SOON)
            except BadKeys:
                yield note("keys", f"the key for {alg} ends soon", "`fhirbridge keys rotate`")
    except BadKeys as error:
        says, _, remedy = str(error).partition(": ")
        yield fails("keys", says, remedy)
        return
    yield ok("keys", f"{len(ring.keys)} in {found.keys}")
    if Path(found.keys).stat().st_mode & 0o077:
        yield note("keys", f"{found.keys} can be read by others", f"chmod 600 {found.keys}")


def _identity(found: Settings) -> Iterator[Sign]:
    if len(found.servers) > 1 and not found.identity:
        yield note(
            "identity",
            "any identifier that two servers share joins their patients (with the birth date)",
            "name in `identity` the systems that may, to be strict",
        )
