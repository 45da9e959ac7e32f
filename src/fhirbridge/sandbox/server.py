"""The HTTP door of the embedded FHIR server, and `Sandbox`, which starts it in a thread.

`Door.answer` is a function from request to reply without sockets; transactions and fast tests
call it too. It answers as HAPI 8.8.0 was measured to; where it differs, it is wrong.
"""

from __future__ import annotations

import gzip
import itertools
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import uvicorn
from starlette.requests import Request
from starlette.responses import Response

from fhirbridge.fhir.jsonio import NotJson, dumps, loads
from fhirbridge.sandbox.hooks import HAPI_RETRIES, Hooks
from fhirbridge.sandbox.parameters import PARAMETERS
from fhirbridge.sandbox.resources import (
    Key,
    Refused,
    Resource,
    Store,
    Version,
    rewrite_references,
    stamp,
)
from fhirbridge.sandbox.search import Query, find, included, interval

PAGE, LONGEST_PAGE, PAGE_LIFE = 10, 50, timedelta(hours=1)
_REASONS = {200: "200 OK", 201: "201 Created", 204: "204 No Content"}
_ORDER = ("DELETE", "POST", "PUT", "GET")


@dataclass(slots=True)
class Reply:
    """An answer: `body` is a resource or None; `version` is what was read or written."""

    status: int
    body: Resource | None = None
    version: Version | None = None
    headers: dict[str, str] = field(default_factory=dict)


def outcome(text: str, severity: str = "error") -> Resource:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": "processing", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class Door:
    """Every FHIR interaction of one server, over a `Store`."""

    def __init__(self, store: Store, base: str, clock: Callable[[], datetime]) -> None:
        self.base, self._store, self._clock = base, store, clock
        self._pages: dict[str, tuple[datetime, str, list[Any], Query]] = {}

    def answer(
        self, method: str, target: str, headers: Mapping[str, str], body: bytes = b""
    ) -> Reply:
        """Reply to `method` on `target` (path below the base, with query). Never raises."""
        try:
            path, _, query = target.partition("?")
            if path.endswith("_search") and method == "POST":
                method, path = "GET", path.removesuffix("/_search")
                query, body = f"{query}&{body.decode()}", b""
            return self._do(method, path, query, headers, self._parse(body) if body else None)
        except Refused as refused:
            return Reply(refused.status, outcome(str(refused)))

    @staticmethod
    def _parse(body: bytes) -> Resource:
        try:
            parsed = loads(body)
        except NotJson:
            parsed = None
        if not isinstance(parsed, dict) or not isinstance(parsed.get("resourceType"), str):
            raise Refused(400, "HAPI-0450", "Failed to parse request body as JSON resource")
        return parsed

    def _do(
        self, method: str, path: str, query: str, headers: Mapping[str, str], body: Resource | None
    ) -> Reply:
        asked = parse_qsl(query, keep_blank_values=True)
        with self._store.unit():
            match (method, *filter(None, path.strip("/").split("/"))):
                case ("POST",) if body:
                    return self._bundle(body)
                case ("GET",) if "_getpages" in query:
                    return self._next_page(dict(asked))
                case ("GET", "metadata"):
                    return Reply(200, capabilities(self.base))
                case ("GET", *only, "_history") if len(only) < 3:
                    return self._history(only, asked)
                case ("GET", type_):
                    return self._search(type_, asked, headers)
                case ("GET", type_, id_):
                    return self._found(200, self._store.version(type_, id_))
                case ("GET", type_, id_, "_history", number):
                    return self._found(200, self._store.version(type_, id_, number))
                case ("POST", type_) if body:
                    self._expect(body, type_)
                    return self._create(type_, body, headers.get("if-none-exist", ""))
                case ("PUT", type_) if body and asked:
                    self._expect(body, type_)
                    one = self._only(type_, asked)
                    if not one:
                        return self._found(201, self._store.create(type_, body))
                    return self._update(type_, one[0][1], body, headers)
                case ("PUT", type_, id_) if body:
                    self._expect(body, type_)
                    if body.get("id") != id_:
                        raise Refused(400, "HAPI-0420", "Resource body ID must match the URL's ID")
                    return self._update(type_, id_, body, headers)
                case ("DELETE", type_, *rest) if rest or asked:
                    keys = [(type_, rest[0])] if rest else self._only(type_, asked)
                    for key in keys:
                        self._store.delete(*key)
                    return Reply(200, outcome("Successfully deleted", "information"))
        raise Refused(400, "HAPI-0287", f"Invalid request: {method} {path}")

    @staticmethod
    def _expect(body: Resource, type_: str) -> None:
        if type_ not in PARAMETERS:
            raise Refused(404, "HAPI-0302", f"Unknown resource type '{type_}'")
        if body["resourceType"] != type_:
            raise Refused(400, "HAPI-1814", f'Incorrect resource type found, expected "{type_}"')

    def _found(self, status: int, version: Version) -> Reply:
        (type_, id_), number = version.key, version.number
        headers = {
            "ETag": f'W/"{number}"',
            "Last-Modified": version.last_updated.strftime("%a, %d %b %Y %H:%M:%S GMT"),
            "Location": f"{self.base}/{type_}/{id_}/_history/{number}",
        }
        return Reply(status, version.resource, version, headers)

    def _only(self, type_: str, query: Query) -> list[Key]:
        """At most one match of a conditional interaction."""
        keys = find(self._store, type_, query)
        if len(keys) > 1:
            raise Refused(412, "HAPI-0958", f"match URL of {type_} matched {len(keys)} resources")
        return keys

    def _create(self, type_: str, body: Resource, condition: str) -> Reply:
        if condition:
            present = self._only(type_, parse_qsl(condition.rpartition("?")[2]))
            if present:
                return self._found(200, self._store.version(*present[0]))
        return self._found(201, self._store.create(type_, body))

    def _update(self, type_: str, id_: str, body: Resource, headers: Mapping[str, str]) -> Reply:
        new = not self._store.alive((type_, id_))
        written = self._store.update(type_, id_, body, headers.get("if-match", ""))
        return self._found(201 if new else 200, written)

    # ---- Bundles in

    def _bundle(self, bundle: Resource) -> Reply:
        kind, entries = bundle.get("type"), bundle.get("entry", [])
        if bundle["resourceType"] != "Bundle" or kind not in ("transaction", "batch"):
            raise Refused(400, "HAPI-0527", "Unable to process: no transaction or batch Bundle")
        replies: dict[int, Reply] = {}
        names: dict[str, str] = {}
        for phase in _ORDER:
            for number, entry in enumerate(entries):
                if entry["request"]["method"] == phase:
                    replies[number] = self._entry(entry, kind)
                    if version := replies[number].version:
                        names[entry.get("fullUrl", "")] = "/".join(version.key)
            if phase == "POST":
                put = [e for e in entries if e["request"]["method"] == "PUT"]
                names |= {e.get("fullUrl", ""): e["request"]["url"] for e in put}
                for entry in entries:
                    rewrite_references(entry.get("resource"), lambda text: names.get(text, text))
        answers = [_entry_response(replies[number]) for number in sorted(replies)]
        return Reply(200, {"resourceType": "Bundle", "type": f"{kind}-response", "entry": answers})

    def _entry(self, entry: Resource, kind: str) -> Reply:
        request = entry["request"]
        names = {"if-match": "ifMatch", "if-none-exist": "ifNoneExist"}
        headers = {name: request[key] for name, key in names.items() if key in request}
        path, _, query = request["url"].partition("?")
        try:
            return self._do(request["method"], path, query, headers, entry.get("resource"))
        except Refused as refused:
            if kind == "transaction":
                raise
            return Reply(refused.status, outcome(str(refused)))

    # ---- Bundles out

    def _search(self, type_: str, query: Query, headers: Mapping[str, str]) -> Reply:
        if type_ not in PARAMETERS:
            raise Refused(404, "HAPI-0302", f"Unknown resource type '{type_}'")
        keys = find(self._store, type_, query)
        asked = dict(query)
        if asked.get("_summary") == "count":
            return Reply(200, self._sheet("searchset", [], len(keys)))
        if "no-store" in headers.get("cache-control", ""):
            both = keys + included(self._store, keys, query)
            entries = [self._entry_of(key, key in keys) for key in both[: _page_size(asked)]]
            return Reply(200, self._sheet("searchset", entries, None))
        return self._page("searchset", keys, query, 0, _page_size(asked), uuid.uuid4().hex)

    def _history(self, only: Sequence[str], query: Query) -> Reply:
        asked = dict(query)
        if len(only) == 2:
            log = self._store.versions(*only)
            if not log:
                raise Refused(404, "HAPI-2001", f"Resource {'/'.join(only)} is not known")
        else:
            log = [v for v in self._store.log if not only or v.key[0] == only[0]]
        since = interval(asked["_since"])[0] if "_since" in asked else None
        found = [v for v in reversed(log) if since is None or v.last_updated >= since]
        return self._page("history", found, query, 0, _page_size(asked), uuid.uuid4().hex)

    def _next_page(self, asked: dict[str, str]) -> Reply:
        name = asked["_getpages"]
        made, kind, items, query = self._pages.get(name, (None, "", [], []))
        if made is None or self._clock() - made > PAGE_LIFE:
            raise Refused(
                410, "HAPI-0417", f'Search ID "{name}" does not exist and may have expired'
            )
        offset, count = int(asked.get("_getpagesoffset", 0)), int(asked.get("_count", PAGE))
        return self._page(kind, items, query, offset, count, name)

    def _page(
        self, kind: str, items: list[Any], query: Query, offset: int, count: int, name: str
    ) -> Reply:
        part = items[offset : offset + count]
        if kind == "history":
            entries = [self._entry_of_history(version) for version in part]
        else:
            part = [key for key in part if self._store.alive(key)]
            more = included(self._store, part, query)
            entries = [self._entry_of(key, key in part) for key in [*part, *more]]
        sheet = self._sheet(kind, entries, len(items))
        if offset + count < len(items):
            self._pages.setdefault(name, (self._clock(), kind, items, query))
            place = {"_getpages": name, "_getpagesoffset": offset + count, "_count": count}
            url = f"{self.base}?{urlencode(place)}&_bundletype={kind}"
            sheet["link"].append({"relation": "next", "url": url})
        return Reply(200, sheet)

    def _sheet(self, kind: str, entries: list[Resource], total: int | None) -> Resource:
        sheet: Resource = {"resourceType": "Bundle", "id": str(uuid.uuid4()), "type": kind}
        sheet["meta"] = {"lastUpdated": stamp(self._clock())}
        sheet["link"] = [{"relation": "self", "url": self.base}]
        sheet |= {} if total is None else {"total": total}
        return sheet | ({"entry": entries} if entries else {})

    def _entry_of(self, key: Key, matched: bool) -> Resource:
        return {
            "fullUrl": f"{self.base}/{key[0]}/{key[1]}",
            "resource": self._store.read(*key),
            "search": {"mode": "match" if matched else "include"},
        }

    def _entry_of_history(self, version: Version) -> Resource:
        place = "/".join(version.key)
        entry: Resource = {"fullUrl": f"{self.base}/{place}"}
        if version.resource:
            entry["resource"] = version.resource
        url = version.key[0] if version.method == "POST" else place
        entry["request"] = {"method": version.method, "url": url}
        return entry | _entry_response(self._found(200, version))


def _page_size(asked: Mapping[str, str]) -> int:
    count = asked.get("_count", "")
    return min(int(count), LONGEST_PAGE) if count.isdigit() and int(count) else PAGE


def _entry_response(reply: Reply) -> Resource:
    response: Resource = {"status": _REASONS.get(reply.status, str(reply.status))}
    if reply.version:
        place = "/".join(reply.version.key)
        response["location"] = f"{place}/_history/{reply.version.number}"
        response["etag"] = f'W/"{reply.version.number}"'
        response["lastModified"] = stamp(reply.version.last_updated)
        return {"response": response}
    if reply.body and reply.body["resourceType"] == "OperationOutcome":
        return {"response": response | {"outcome": reply.body}}
    return {"resource": reply.body, "response": response}


def capabilities(base: str) -> Resource:
    """The CapabilityStatement, made from the tables that the server runs on."""
    codes = ["read", "vread", "update", "delete", "create", "search-type", "history-type"]
    codes.append("history-instance")
    types = [
        {
            "type": type_,
            "interaction": [{"code": code} for code in codes],
            "versioning": "versioned-update",
            "conditionalCreate": True,
            "conditionalUpdate": True,
            "conditionalDelete": "single",
            "updateCreate": True,
            "searchInclude": [f"{type_}:{p.name}" for p in found.values() if p.kind == "reference"],
            "searchParam": [{"name": p.name, "type": p.kind} for p in found.values()],
        }
        for type_, found in PARAMETERS.items()
    ]
    system = [{"code": code} for code in ("transaction", "batch", "history-system")]
    return {
        "resourceType": "CapabilityStatement",
        "status": "active",
        "date": "2026-01-01",
        "kind": "instance",
        "software": {"name": "fhirbridge sandbox"},
        "implementation": {"description": "fhirbridge sandbox", "url": base},
        "fhirVersion": "4.0.1",
        "format": ["application/fhir+json", "json"],
        "rest": [{"mode": "server", "resource": types, "interaction": system}],
    }


class Sandbox:
    """A running FHIR R4 server on 127.0.0.1. Use as a context manager.

    `delay`: seconds from a write to its delivery; `retries`: seconds between tries.
    """

    def __init__(
        self,
        name: str = "sandbox",
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        ids: Callable[[], str] | None = None,
        port: int = 0,
        delay: float = 0.05,
        retries: Sequence[float] = HAPI_RETRIES,
        channels: Sequence[str] = ("rest-hook",),
    ) -> None:
        self.name = name
        self.requests: list[tuple[str, str]] = []
        counter = itertools.count(1)
        self.store = Store(clock, ids or (lambda: str(next(counter))))
        self._listening = socket.create_server(("127.0.0.1", port))
        # headers and body leave separately; with Nagle each answer would cost 40 ms
        self._listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.base_url = f"http://127.0.0.1:{self._listening.getsockname()[1]}/fhir"
        self._door = Door(self.store, self.base_url, clock)
        self._hooks = Hooks(self.store, delay, retries, channels)
        self._failing: tuple[int, Mapping[str, str]] | None = None
        self._failures_left: int | None = None
        config = uvicorn.Config(
            self._serve,
            interface="asgi3",
            lifespan="off",
            ws="none",
            log_config=None,
            access_log=False,
        )
        config.timeout_graceful_shutdown = 1
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(
            target=self._server.run, args=([self._listening],), daemon=True
        )

    def __enter__(self) -> Sandbox:
        self._thread.start()
        deadline = time.monotonic() + 10
        while not self._server.started:
            if time.monotonic() > deadline or not self._thread.is_alive():
                raise RuntimeError(f"the sandbox {self.name} did not start")
            time.sleep(0.002)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()
        self._server.should_exit = True
        self._thread.join()
        self._listening.close()

    async def _serve(self, scope: Any, receive: Any, send: Any) -> None:
        request = Request(scope, receive)
        body = await request.body()
        target = request.url.path.removeprefix("/fhir").strip("/")
        target += f"?{request.url.query}" if request.url.query else ""
        self.requests.append((request.method, target))
        reply = self._failure() or self._door.answer(request.method, target, request.headers, body)
        content = dumps(reply.body) if reply.body else b""
        kind = {"Content-Type": "application/fhir+json;charset=utf-8"}
        await Response(content, reply.status, kind | reply.headers)(scope, receive, send)

    def _failure(self) -> Reply | None:
        if self._failing is None:
            return None
        status, headers = self._failing
        if self._failures_left is not None:
            self._failures_left -= 1
            if not self._failures_left:
                self.heal()
        return Reply(status, outcome("out of order"), headers=dict(headers))

    def fail(
        self, status: int = 503, times: int | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        """Answer every request (or the next `times`) so; with no `times`, deliver nothing either."""
        self._failing, self._failures_left = (status, headers or {}), times
        self._hooks.wake(silent=times is None)

    def heal(self) -> None:
        """Answer and deliver again."""
        self._failing = None
        self._hooks.wake(silent=False)

    def idle(self, timeout: float = 10) -> None:
        """Wait until no delivery is pending or being repeated, or raise `TimeoutError`."""
        self._hooks.idle(timeout)

    def count(self) -> int:
        """Requests since the start or the last `reset_counts`."""
        return len(self.requests)

    def reset_counts(self) -> None:
        """Count from zero."""
        self.requests.clear()

    def put(self, resource: Resource) -> Resource:
        """Write without HTTP; notifies like any write. Raises `Refused`."""
        content = loads(dumps(resource))
        with self.store.unit():
            written = self.store.update(content["resourceType"], content["id"], content)
        return self.get("/".join(written.key))

    def get(self, reference: str) -> Resource:
        """A copy of the newest version; raises `Refused` with status 404 or 410."""
        copy: Resource = loads(dumps(self.store.read(*reference.split("/"))))
        return copy

    def all(self, type_: str) -> list[Resource]:
        """Copies of all that stands of a type."""
        return [self.get("/".join(v.key)) for v in self.store.current(type_) if v.resource]

    def delete(self, reference: str) -> None:
        """Delete without HTTP; raises `Refused` where something still points to it."""
        with self.store.unit():
            self.store.delete(*reference.split("/"))

    def load(self, paths: Sequence[Path]) -> int:
        """Store all resources of files and folders (JSON, Bundles, NDJSON, gzip): how many.

        References are not checked: an extract is seldom whole.
        """
        number = 0
        for file in (f for p in paths for f in (sorted(p.rglob("*")) if p.is_dir() else [p])):
            if ".json" in file.name or ".ndjson" in file.name:
                with self.store.unit(checked=False):
                    for resource in _resources(file):
                        self.store.update(resource["resourceType"], resource["id"], resource)
                        number += 1
        return number


def _resources(file: Path) -> Iterator[Resource]:
    data = gzip.decompress(file.read_bytes()) if file.suffix == ".gz" else file.read_bytes()
    documents = [data]
    with suppress(ValueError):
        documents = [line for line in data.splitlines() if line.strip()]
        loads(documents[0])
    for document in documents:
        parsed = loads(document)
        entries = parsed.get("entry", []) if parsed["resourceType"] == "Bundle" else None
        yield from [parsed] if entries is None else [e["resource"] for e in entries]
