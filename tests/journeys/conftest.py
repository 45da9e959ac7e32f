"""One real HAPI for all journeys: it takes half a minute to start, and they share it as guests.

Each journey brings patients of its own, so that several on one server do not meet. The pages of
the documentation cannot: everybody who types them has a Patient/first on an empty server. They
have a HAPI of their own, which is emptied after each.
"""

from __future__ import annotations

import os
from collections.abc import Iterator

import httpx
import pytest

from fhirbridge.fhir import jsonio
from tests.servers import hapi_server

from .shell import free_port

#: What a page leaves behind, and what of its records the next one must not find.
_LEFT = ("Provenance", "Communication", "Task", "Subscription", "MedicationDispense")


@pytest.fixture(scope="session", autouse=True)
def shared_hapi() -> Iterator[None]:
    """With SERVER=hapi, `hapi_server()` is the same server throughout the session."""
    if os.environ.get("SERVER") != "hapi":
        yield
        return
    with hapi_server() as url, pytest.MonkeyPatch.context() as environment:
        environment.setenv("FHIRBRIDGE_TEST_HAPI", url)
        yield


@pytest.fixture(scope="session")
def hapi_of_the_pages() -> Iterator[str | None]:
    """Where SERVER=hapi, the base URL of a server that nobody else uses."""
    if os.environ.get("SERVER") != "hapi":
        yield None
        return
    with hapi_server(own=True) as url:
        yield url


@pytest.fixture
def page_port(hapi_of_the_pages: str | None) -> Iterator[str]:
    """Where the page's FHIR server listens: a HAPI does already, an embedded one is yet to be
    started there."""
    if hapi_of_the_pages is None:
        yield str(free_port())
        return
    yield hapi_of_the_pages.removesuffix("/fhir").rpartition(":")[2]
    _emptied(hapi_of_the_pages)


def _emptied(base: str) -> None:
    """One transaction, because HAPI deletes nothing that another record points at."""
    entries = []
    for type_ in _LEFT:
        page = httpx.get(f"{base}/{type_}?_count=500", headers={"Cache-Control": "no-cache"})
        for each in jsonio.loads(page.content).get("entry", []):
            place = f"{type_}/{each['resource']['id']}"
            entries.append({"request": {"method": "DELETE", "url": place}})
    bundle = {"resourceType": "Bundle", "type": "transaction", "entry": entries}
    headers = {"Content-Type": "application/fhir+json"}
    answer = httpx.post(base, content=jsonio.dumps(bundle), headers=headers, timeout=60)
    assert answer.is_success, answer.text
