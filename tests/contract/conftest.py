"""One suite for three servers: `SERVER=sandbox` (default), `hapi` or `sekmet`.

`hapi` uses the running one that `FHIRBRIDGE_TEST_HAPI` names (a base URL), else starts its own.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import httpx
import pytest

from fhirbridge.sandbox import Sandbox
from tests.contract.driver import Fhir, Listener
from tests.contract.profiles import PROFILES, Profile
from tests.contract.sekmet import sekmet_server
from tests.servers import hapi_server


@pytest.fixture(scope="session")
def profile() -> Profile:
    name = os.environ.get("SERVER", "sandbox")
    if name not in PROFILES:
        pytest.exit(f"SERVER={name} is none of {', '.join(PROFILES)}", returncode=2)
    return PROFILES[name]


@pytest.fixture(scope="session")
def base_url(profile: Profile) -> Iterator[str]:
    if profile.name == "hapi":
        with hapi_server() as url:
            yield url
    elif profile.name == "sekmet":
        with sekmet_server() as url:
            yield url
    else:
        with Sandbox("contract", delay=0.005, retries=(0.05, 0.05, 0.05, 0.05)) as sandbox:
            yield sandbox.base_url


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


@pytest.fixture
def fhir(base_url: str, profile: Profile, http: httpx.Client) -> Iterator[Fhir]:
    one = Fhir(base_url, profile, http, uuid.uuid4().hex[:10])
    yield one
    one.unsubscribe()


@pytest.fixture
def listener() -> Iterator[Listener]:
    with Listener().listening() as one:
        yield one
