"""How this installation signs in: from the configuration to what the client needs.

sign_in("ehr", settings, …)     the headers, or the tokens, that a server wants of us
keyring(settings)               our keys; `fhirbridge keys` makes them
trust("ehr", server)            whose certificates we believe, and our own
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import Any

from fhirbridge import private
from fhirbridge.fhir import auth, scopes
from fhirbridge.fhir.http import Http, Transport
from fhirbridge.fhir.keys import BadKeys, Keyring
from fhirbridge.fhir.kinds import types_of
from fhirbridge.fhir.proofs import Assertion, Proof, Secret
from fhirbridge.fhir.sharing import Shared, Tokens
from fhirbridge.fhir.smart import Backend
from fhirbridge.settings import Auth, Client, Misconfigured, ServerSettings, Settings
from fhirbridge.store.records import StoreError

_LARGEST = 2**20  # an answer of a token endpoint is a few hundred bytes


def keyring(settings: Settings) -> Keyring:
    """Our keys, as the file holds them now. Raises `BadKeys`."""
    path = Path(settings.keys)
    try:
        return Keyring.parse(path.read_bytes())
    except FileNotFoundError:
        raise BadKeys(f"{path} is not there: `fhirbridge keys new` makes our keys") from None
    except OSError as error:
        raise BadKeys(f"{path} cannot be read: {error.strerror}; check `keys`") from None


def published(settings: Settings, now: datetime) -> dict[str, Any]:
    """Our public keys as a JWK Set; an empty one where nothing signs and no keys were made. Raises
    `BadKeys`: servers keep what they are shown, and an empty set would shut us out for as long."""
    signs = any(each.auth.smart_backend for each in settings.servers.values())
    if not signs and not Path(settings.keys).exists():
        return {"keys": []}
    return keyring(settings).public(now)


def keep(ring: Keyring, settings: Settings, *, new: bool) -> Path:
    """Write our keys, readable by nobody else. Whole or not at all. Raises OSError."""
    path = Path(settings.keys)
    if new and path.exists():
        raise BadKeys(f"{path} is there already: `fhirbridge keys rotate` replaces the keys in it")
    private.write(path, ring.dumps())
    return path


class Kept:
    """Tokens in the store. When that does not answer, each process signs in by itself."""

    def __init__(self, store: Tokens) -> None:
        self._store = store

    def token(self, name: str, now: datetime) -> tuple[str, datetime] | None:
        try:
            return self._store.token(name, now)
        except StoreError:
            return None

    def keep_token(self, name: str, value: str, until: datetime) -> None:
        with suppress(StoreError):
            self._store.keep_token(name, value, until)

    def forget_token(self, name: str, value: str) -> None:
        with suppress(StoreError):
            self._store.forget_token(name, value)

    def claim_token(self, name: str, by: str, now: datetime, until: datetime) -> bool:
        try:
            return self._store.claim_token(name, by, now, until)
        except StoreError:
            return True

    def release_token(self, name: str, by: str) -> None:
        with suppress(StoreError):
            self._store.release_token(name, by)


def needs(name: str, settings: Settings) -> scopes.Needs:
    """What we do on a server, and so which scopes we need there."""
    server = settings.servers[name]
    mode = server.write or settings.write.default
    return scopes.needs(
        types_of(server.holds),
        push=server.subscribe != "poll",
        writes="worklist" in server.holds and mode == "on",
        attests=server.attested,
    )


def sign_in(
    name: str,
    settings: Settings,
    *,
    clock: Callable[[], datetime],
    ids: Callable[[], str],
    transport: Transport | None = None,
    tls: ssl.SSLContext | None = None,
    tokens: Tokens | None = None,
    sleep: Callable[[float], object] = time.sleep,
) -> auth.Auth:
    """What a server wants of us with each request. `tokens`: where processes share theirs; `sleep`
    is how this one waits for another's."""
    server = settings.servers[name]
    how = server.auth
    made: auth.Auth = auth.NONE
    if how.bearer:
        made = auth.bearer(how.bearer.get_secret_value())
    elif how.basic:
        made = auth.basic(how.basic.user, how.basic.password.get_secret_value())
    elif client := how.smart_backend or how.client_secret:
        wire = Http(
            name,
            auth=auth.NONE,
            timeout=server.timeout_seconds,
            retries=0,
            max_bytes=_LARGEST,
            sleep=lambda _: None,
            clock=clock,
            transport=transport,
            tls=tls,
        )
        made = Backend(
            name,
            server.base_url,
            _proof(how, client, settings, ids),
            needs(name, settings),
            wire=wire,
            clock=clock,
            token_url=client.token_url,
            scopes=client.scopes,
            shared=None if tokens is None else Shared(tokens, ids(), sleep),
        )
    if not how.headers:
        return made
    fixed = auth.headers({key: each.get_secret_value() for key, each in how.headers.items()})
    return fixed if made is auth.NONE else auth.Beside(fixed, made)


def _proof(how: Auth, client: Client, settings: Settings, ids: Callable[[], str]) -> Proof:
    if how.smart_backend:
        return Assertion(
            client.client_id,
            keys=lambda: keyring(settings),
            ids=ids,
            audience=how.smart_backend.audience,
            alg=how.smart_backend.algorithm,
        )
    assert how.client_secret is not None
    return Secret(client.client_id, how.client_secret.secret.get_secret_value())


def trust(name: str, server: ServerSettings) -> ssl.SSLContext | None:
    """Whom we believe besides the usual authorities. None: nothing special is configured."""
    tls = server.tls
    if not (tls.ca or tls.certificate):
        return None
    try:
        made = ssl.create_default_context(cafile=tls.ca)
    except (OSError, ssl.SSLError):
        raise Misconfigured(f"servers.{name}.tls.ca: {tls.ca} is no certificate in PEM") from None
    if tls.certificate:
        try:
            made.load_cert_chain(tls.certificate, tls.key)
        except (OSError, ssl.SSLError):
            raise Misconfigured(
                f"servers.{name}.tls: {tls.certificate} and its key cannot be used: both in PEM,"
                " the key without a password"
            ) from None
    return made


def own_tls(settings: Settings) -> tuple[str, str] | None:
    """Certificate and key of our own door, tried. Raises `Misconfigured`."""
    if settings.tls is None:
        return None
    pair = settings.tls.certificate, settings.tls.key
    try:
        # A password is given so that a locked key is refused, and not asked for at a terminal.
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(*pair, password="")
    except (OSError, ssl.SSLError):
        raise Misconfigured(
            f"tls: {pair[0]} and {pair[1]} cannot be used: both in PEM, readable, of one pair, the"
            " key without a password"
        ) from None
    return pair
