"""One real HAPI for all journeys: it takes half a minute to start, and they share it as guests.

Each journey brings patients of its own, so that several on one server do not meet.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.servers import hapi_server


@pytest.fixture(scope="session", autouse=True)
def shared_hapi() -> Iterator[None]:
    """With SERVER=hapi, `hapi_server()` is the same server throughout the session."""
    if os.environ.get("SERVER") != "hapi":
        yield
        return
    with hapi_server() as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIRBRIDGE_TEST_HAPI", url)
        yield
