"""Classic R4 Subscriptions and their rest-hooks, as HAPI delivers them.

One heap of things that are due and a few threads: order is not kept, nobody is told of failures,
and what is not answered properly comes again until the delays are used up, then is lost.
"""

from __future__ import annotations

import heapq
import itertools
import logging
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from fhirbridge.fhir.jsonio import NotJson, dumps, loads
from fhirbridge.sandbox.resources import Refused, Resource, Store, Version
from fhirbridge.sandbox.search import matcher, parse_query

SEND_DELETES = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages"
HAPI_RETRIES = tuple(1.1**n for n in range(20))
"""Seconds between tries: 1 s, each 1.1 times longer, given up after about a minute."""

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs endpoints, which hold secrets


def check(version: Version) -> None:
    """Refuse a Subscription that could never fire, with HAPI's codes."""
    subscription = version.resource
    if version.key[0] != "Subscription" or subscription is None:
        return
    criteria, channel = str(subscription.get("criteria", "")), subscription.get("channel") or {}
    if not criteria.startswith("[") and "?" not in criteria:
        raise Refused(422, "HAPI-0014", 'Subscription.criteria must be in the form "Type?params"')
    if not criteria.startswith("["):
        matcher(*parse_query(criteria))
    if channel.get("type") == "rest-hook" and not channel.get("endpoint"):
        raise Refused(422, "HAPI-0021", "Rest-hook subscriptions must have an endpoint")
    if channel.get("payload", "application/json") not in (
        "application/fhir+json",
        "application/json",
    ):
        raise Refused(422, "HAPI-1985", "Invalid value for Subscription.channel.payload")


def meant(subscription: Resource, version: Version) -> bool:
    """Whether the new content meets the criteria; a deletion only where deletions are asked for."""
    criteria = str(subscription["criteria"])
    type_ = version.key[0]
    if version.resource is None:
        extensions = subscription["channel"].get("extension", [])
        if not any(e.get("url") == SEND_DELETES and e.get("valueBoolean") for e in extensions):
            return False
    if criteria.startswith("["):
        return type_ in criteria.strip("[]").split(",") or (criteria, type_) == ("[*]", type_)
    wanted, query = parse_query(criteria)
    return wanted == type_ and (version.resource is None or matcher(type_, query)(version.resource))


def understood(response: httpx.Response) -> bool:
    """HAPI parses every JSON answer as a FHIR resource; what is none counts as a failure."""
    if not response.is_success or not response.content:
        return response.is_success
    if "json" not in response.headers.get("content-type", ""):
        return True
    try:
        return "resourceType" in loads(response.content)
    except (NotJson, TypeError):
        return False


class Hooks:
    """Activates Subscriptions and delivers what they ask for. `delay` is in seconds."""

    def __init__(
        self, store: Store, delay: float, retries: Sequence[float], channels: Sequence[str]
    ) -> None:
        self.silent = False
        self._store, self._delay, self._retries, self._channels = store, delay, retries, channels
        self._due: list[tuple[float, int, Callable[[int], bool], int]] = []
        self._busy, self._order, self._closed = 0, itertools.count(), False
        self._changed = threading.Condition()
        self._http = httpx.Client(timeout=10, trust_env=False)
        self._threads = [threading.Thread(target=self._work, daemon=True) for _ in range(3)]
        for thread in self._threads:
            thread.start()
        store.checks.append(check)
        store.listeners.append(self.heard)

    def heard(self, version: Version) -> None:
        """Listen to what was written."""
        content = version.resource or {}
        if version.key[0] == "Subscription" and content.get("status") == "requested":
            if content["channel"].get("type") in self._channels:
                self._put(self._delay, lambda _: self._activate(version))
            return
        for other in self._store.current("Subscription"):
            wanted = other.resource or {}
            if wanted.get("status") == "active" and meant(wanted, version):
                channel = wanted["channel"]
                self._put(self._delay, lambda n, c=channel: self._deliver(c, version, n))

    def wake(self, silent: bool) -> None:
        """Hold everything back, or let it go again."""
        with self._changed:
            self.silent = silent
            self._changed.notify_all()

    def idle(self, timeout: float) -> None:
        """Wait until nothing is due or under way; `TimeoutError` with the count when it stays so."""
        with self._changed:
            if not self._changed.wait_for(
                lambda: not self._busy and (self.silent or not self._due), timeout
            ):
                raise TimeoutError(f"{len(self._due) + self._busy} deliveries pending")

    def close(self) -> None:
        """Drop what is due and end the threads."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join()
        self._http.close()

    def _put(self, wait: float, act: Callable[[int], bool], tried: int = 0) -> None:
        with self._changed:
            heapq.heappush(self._due, (time.monotonic() + wait, next(self._order), act, tried))
            self._changed.notify_all()

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._closed and (
                    self.silent or not self._due or self._due[0][0] > time.monotonic()
                ):
                    ahead = self._due and not self.silent
                    self._changed.wait(self._due[0][0] - time.monotonic() if ahead else None)
                if self._closed:
                    return
                _, _, act, tried = heapq.heappop(self._due)
                self._busy += 1
            done = act(tried)
            if not done and tried < len(self._retries):
                self._put(self._retries[tried], act, tried + 1)
            with self._changed:
                self._busy -= 1
                self._changed.notify_all()

    def _activate(self, version: Version) -> bool:
        with self._store.unit():
            newest = self._store.versions(*version.key)[-1]
            if newest is version and version.resource:
                self._store.update(*version.key, version.resource | {"status": "active"})
        return True

    def _deliver(self, channel: dict[str, Any], version: Version, tried: int) -> bool:
        type_, id_ = version.key
        headers = dict(h.split(":", 1) for h in channel.get("header", []) if ":" in h)
        headers = {name.strip(): value.strip() for name, value in headers.items()}
        endpoint = channel["endpoint"].rstrip("/")
        method, url, body = "POST", endpoint, b""
        if channel.get("payload"):
            method, url = ("PUT" if version.resource else "DELETE"), f"{endpoint}/{type_}/{id_}"
            headers |= {"Content-Type": "application/fhir+json; charset=UTF-8"}
            if version.resource:
                body = dumps(version.resource)
                headers |= {"If-Match": f'W/"{version.number}"'}
        try:
            if understood(self._http.request(method, url, headers=headers, content=body)):
                return True
        except (httpx.HTTPError, httpx.InvalidURL):
            pass
        if tried >= len(self._retries):
            log.warning("delivery of %s/%s given up after %d tries", type_, id_, tried + 1)
        return False
