"""Nothing of others is ever written, and no Task of ours is changed in a transaction without its
version: every write of the whole suite is looked at.

The client has one place through which each write goes. In folders in which a test writes as the
hospital does, by the same client, the servers that `wiring` made for a bridge are watched; what a
worker in a process of its own writes is seen at the embedded server's door.

Not seen: `tests/journeys/test_demo.py` (bridge and hospital are one other process), and what other
processes write to a real HAPI.
"""

from __future__ import annotations

import gc
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from weakref import WeakSet

import pytest

from fhirbridge import wiring
from fhirbridge.bridge.sources import Source
from fhirbridge.fhir import jsonio, ours
from fhirbridge.fhir.http import Answer, Http
from fhirbridge.fhir.ours import items
from fhirbridge.sandbox.door import Door, Reply
from tests.command import fhirbridge

__all__ = ["fhirbridge"]

_AS_THE_HOSPITAL = {"contract", "fhir", "journeys", "services"}
#: Here the hospital writes without HTTP, or by our client in this process, which then says so.
_WORKERS_ELSEWHERE = {"services"}
_HOSPITAL = "x-hospital"
_OF_BRIDGES = WeakSet[Http]()
_NAMED = {"Task", "Communication", "Provenance"}

# Five thousand tests and what they import live to the end. Looking them over for garbage every few
# hundred objects is an eighth of the suite's time.
gc.set_threshold(100_000)


def pytest_collection_finish() -> None:
    gc.freeze()


def strangers(method: str, url: str, body: Mapping[str, Any] | None) -> Iterator[str]:
    """What of a request is no record of ours: types and methods only."""
    if body is None:
        if method != "DELETE" or "/Subscription/" not in url:
            yield f"{method} without a body"
    elif body.get("resourceType") == "Bundle":
        for entry in items(body, "entry"):
            if entry["request"]["method"] not in ("POST", "PUT"):
                yield f"{entry['request']['method']} in a transaction"
            asks, type_ = entry["request"], entry["resource"]["resourceType"]
            if (asks["method"], type_) == ("PUT", "Task") and not asks.get("ifMatch"):
                yield "a Task changed without If-Match"
            yield from _strange(entry["resource"])
    else:
        yield from _strange(body)


def _strange(resource: Mapping[str, Any]) -> Iterator[str]:
    type_, tags = resource.get("resourceType"), list(items(resource.get("meta"), "tag"))
    tagged = any(tag.get("system") == ours.TAG["system"] for tag in tags)
    named = type_ in _NAMED and ours.name_of(resource) is not None
    if not (tagged and (named or type_ in ("Subscription", "Provenance"))):
        yield f"a {type_} that is not ours"


@pytest.fixture(autouse=True)
def _nothing_of_others(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    folder = Path(str(request.node.path)).relative_to(Path(__file__).parent).parts[0]
    found: list[str] = []
    write, answer = Http.write, Door.answer

    def watched(
        self: Http,
        operation: str,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        if folder not in _AS_THE_HOSPITAL or self in _OF_BRIDGES:
            found.extend(strangers(method, url, body))
        else:
            headers = {**(headers or {}), _HOSPITAL: "yes"}
        return write(self, operation, method, url, body, headers)

    def at_the_door(
        self: Door, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        is_write = method not in ("GET", "HEAD") and not target.endswith("_search")
        if is_write and _HOSPITAL not in headers:
            found.extend(strangers(method, f"/{target}", jsonio.loads(body) if body else None))
        return answer(self, method, target, headers, body)

    monkeypatch.setattr(Http, "write", watched)
    if folder in _WORKERS_ELSEWHERE:
        monkeypatch.setattr(Door, "answer", at_the_door)
    yield
    assert not found, f"written, and not ours: {sorted(set(found))}"


@pytest.fixture(autouse=True, scope="session")
def _whose_servers() -> Iterator[None]:
    """Note the servers that are made for bridges, those of fixtures that many tests share, too."""
    make = wiring.source

    def noted(*args: Any, **more: Any) -> Source:
        made = make(*args, **more)
        _OF_BRIDGES.add(made.server._http)  # type: ignore[attr-defined]  # the port has no such part
        return made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(wiring, "source", noted)
        yield
