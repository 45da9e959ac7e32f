"""Nothing of others is ever written: every write of the whole suite is looked at.

The client has one place through which each write goes. Folders in which a test writes as the
hospital does, by the same client, are exempt: there the bridge's own writes are judged by what
stands on the servers afterwards.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fhirbridge.fhir import ours
from fhirbridge.fhir.http import Answer, Http
from fhirbridge.fhir.ours import items

_AS_THE_HOSPITAL = {"contract", "fhir", "journeys", "services"}
_NAMED = {"Task", "Communication", "Provenance"}


def strangers(method: str, url: str, body: Mapping[str, Any] | None) -> Iterator[str]:
    """What of a request is no record of ours: types and methods only."""
    if body is None:
        if method != "DELETE" or "/Subscription/" not in url:
            yield f"{method} without a body"
    elif body.get("resourceType") == "Bundle":
        for entry in items(body, "entry"):
            if entry["request"]["method"] not in ("POST", "PUT"):
                yield f"{entry['request']['method']} in a transaction"
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
    parts = Path(str(request.node.path)).relative_to(Path(__file__).parent).parts
    if parts[0] in _AS_THE_HOSPITAL:
        yield
        return
    found: list[str] = []
    write = Http.write

    def watched(
        self: Http,
        operation: str,
        method: str,
        url: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        found.extend(strangers(method, url, body))
        return write(self, operation, method, url, body, headers)

    monkeypatch.setattr(Http, "write", watched)
    yield
    assert not found, f"written, and not ours: {sorted(set(found))}"
