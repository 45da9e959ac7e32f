"""Classic R4 Subscriptions and their rest-hooks, as HAPI delivers them.

Each delivery is a task of its own on the server's event loop: order is not kept, nobody is told of
failures, and what is not answered properly comes again until the tries are used up, then is lost.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

import httpx

from fhirbridge.fhir.jsonio import NotJson, dumps, loads
from fhirbridge.fhir.matching import matcher
from fhirbridge.sandbox.resources import Refused, Resource, Store, Version
from fhirbridge.sandbox.search import parse

_URL = "http://hapifhir.io/fhir/StructureDefinition/subscription-send-delete-messages"
SEND_DELETES = {"url": _URL, "valueBoolean": True}
"""The extension of a channel that wants to hear of deletions."""
HAPI_RETRIES = tuple(1.1**n for n in range(20))
"""Seconds between tries: 1 s, each 1.1 times longer, given up after about a minute."""

log = logging.getLogger(__name__)
logging.getLogger("httpx").setLevel(logging.WARNING)  # it logs endpoints, which hold secrets


def check(version: Version) -> None:
    """Refuse a Subscription that could never fire, with HAPI's codes."""
    wanted = version.resource
    if version.key[0] != "Subscription" or wanted is None:
        return
    criteria, channel = str(wanted.get("criteria", "")), wanted.get("channel", {})
    if not criteria.startswith("["):
        if "?" not in criteria:
            raise Refused(422, "HAPI-0014", 'Subscription.criteria must be "Type?params"')
        matcher(*parse(criteria))
    if channel.get("type") == "rest-hook" and not channel.get("endpoint"):
        raise Refused(422, "HAPI-0021", "Rest-hook subscriptions must have an endpoint")
    if not channel.get("payload", "json").endswith("json"):
        raise Refused(422, "HAPI-1985", "Invalid value for Subscription.channel.payload")


def meant(wanted: Resource, version: Version) -> bool:
    """Whether the new content meets the criteria; a deletion only where deletions are asked for."""
    criteria, type_ = str(wanted["criteria"]), version.key[0]
    if version.resource is None and SEND_DELETES not in wanted["channel"].get("extension", []):
        return False
    if criteria.startswith("["):
        return criteria == "[*]" or type_ in criteria.strip("[]").split(",")
    other, query = parse(criteria)
    return other == type_ and (version.resource is None or matcher(type_, query)(version.resource))


def understood(answer: httpx.Response) -> bool:
    """HAPI parses every JSON answer as a FHIR resource; what is none counts as a failure."""
    if not answer.content or "json" not in answer.headers.get("content-type", ""):
        return answer.is_success
    try:
        return answer.is_success and "resourceType" in loads(answer.content)
    except (NotJson, TypeError):
        return False


def request(channel: Resource, version: Version) -> httpx.Request:
    """What is sent: the resource by PUT (or a DELETE) below the endpoint, or an empty POST."""
    headers = dict(line.split(":", 1) for line in channel.get("header", []) if ":" in line)
    headers = {name.strip(): value.strip() for name, value in headers.items()}
    if not channel.get("payload"):
        return httpx.Request("POST", channel["endpoint"], headers=headers)
    url = f"{channel['endpoint'].rstrip('/')}/{'/'.join(version.key)}"
    if version.resource is None:
        return httpx.Request("DELETE", url, headers=headers)
    headers |= {"Content-Type": "application/fhir+json; charset=UTF-8"}
    headers |= {"If-Match": f'W/"{version.number}"'}
    return httpx.Request("PUT", url, headers=headers, content=dumps(version.resource))


class Hooks:
    """Activates Subscriptions and delivers. `delay` and `retries` are in seconds."""

    def __init__(self, store: Store, delay: float, retries: Sequence[float], on: bool) -> None:
        self._store, self._waits, self._on, self.silent = store, (delay, *retries), on, False
        # Lanes: so many deliveries at once, the others wait for their turn, as at HAPI.
        self._pending, self._done, self._lanes = 0, threading.Condition(), asyncio.Semaphore(32)
        store.checks.append(check)

    def start(self, http: httpx.AsyncClient) -> None:
        """Listen to the store from now on; call on the loop that shall deliver."""
        self._http, self._loop = http, asyncio.get_running_loop()
        self._store.listeners.append(self._heard)

    def idle(self, timeout: float) -> None:
        """Wait until nothing is due or under way; `TimeoutError` when it stays so."""
        with self._done:
            if not self._done.wait_for(lambda: self.silent or not self._pending, timeout):
                raise TimeoutError(f"{self._pending} deliveries pending")

    def _heard(self, version: Version) -> None:
        content = version.resource or {}
        if version.key[0] == "Subscription" and content.get("status") == "requested":
            if self._on and content["channel"].get("type") == "rest-hook":
                self._soon(partial(self._activate, version), version)
            return
        for other in self._store.current("Subscription"):
            wanted = other.resource or {}
            if wanted.get("status") == "active" and meant(wanted, version):
                self._soon(partial(self._deliver, wanted["channel"], version), version)

    def _soon(self, act: Callable[[], Awaitable[bool]], version: Version) -> None:
        with self._done:
            self._pending += 1
        asyncio.run_coroutine_threadsafe(self._try(act, version), self._loop)

    async def _try(self, act: Callable[[], Awaitable[bool]], version: Version) -> None:
        try:
            for wait in self._waits:
                await asyncio.sleep(wait)
                while self.silent:
                    await asyncio.sleep(0.1)
                if await act():
                    return
            log.warning("delivery of %s given up", version.place)
        finally:
            with self._done:
                self._pending -= 1
                self._done.notify_all()

    async def _activate(self, version: Version) -> bool:
        with self._store.unit():
            if self._store.versions(*version.key)[-1] is version and version.resource:
                self._store.update(*version.key, version.resource | {"status": "active"})
        return True

    async def _deliver(self, channel: Resource, version: Version) -> bool:
        try:
            async with self._lanes:
                return understood(await self._http.send(request(channel, version)))
        except (httpx.HTTPError, httpx.InvalidURL):
            return False
