"""A client without a network: `net` plays the server, `waits` are the pauses it made."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
import respx

from fhirbridge.fhir.client import Server
from tests.fhir.wire import BASE, NOW

#: No test here makes a connection; reading the authorities of this machine takes a while.
NOBODY = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


@pytest.fixture
def waits() -> list[float]:
    return []


@pytest.fixture
def server(waits: list[float]) -> Iterator[Server]:
    def clock() -> datetime:
        return NOW + timedelta(seconds=sum(waits))

    server = Server("ehr", BASE, sleep=waits.append, clock=clock, max_bytes=200_000, tls=NOBODY)
    yield server
    server.close()


@pytest.fixture
def net() -> Iterator[respx.MockRouter]:
    with respx.mock(base_url=BASE, assert_all_called=False) as router:
        yield router
