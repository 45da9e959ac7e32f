"""Every FHIR interaction of the embedded server, from request to reply, without sockets.

Answers are those of HAPI 8.8.0 as measured by the contract suite; where it differs, it is wrong.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from http import HTTPStatus
from typing import Any, NamedTuple
from urllib.parse import parse_qsl

from fhirbridge.fhir.jsonio import loads
from fhirbridge.fhir.matching import BadSearch, Query, interval
from fhirbridge.fhir.parameters import PARAMETERS
from fhirbridge.sandbox.resources import (
    Refused,
    Resource,
    Store,
    Version,
    rewrite_references,
    stamp,
)
from fhirbridge.sandbox.search import find, included, parse

PAGE, LONGEST_PAGE, PAGE_LIFE = 10, 50, timedelta(hours=1)
REFUSALS = (Refused, ValueError, LookupError, TypeError, AttributeError)  # but for ours: malformed
Headers = Mapping[str, str]
NO_HEADERS: dict[str, str] = {}
Page = tuple[datetime, str, list[Any], Query]
"""When a search or history was made, which of them, all that it found, and its query."""


class Reply(NamedTuple):
    """An answer: `body` is a resource or None; `version` is what was read or written."""

    status: int
    body: Resource | None
    version: Version | None = None
    headers: dict[str, str] = NO_HEADERS


def outcome(text: str, severity: str = "error") -> Resource:
    """An OperationOutcome with one issue."""
    issue = {"severity": severity, "code": "processing", "diagnostics": text}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


class Door:
    """The interactions over one `Store`; `base` is the address before every path."""

    def __init__(self, store: Store, base: str, clock: Callable[[], datetime]) -> None:
        self.base, self._store, self._clock = base, store, clock
        self._pages: dict[str, Page] = {}

    def answer(self, method: str, target: str, headers: Headers, body: bytes = b"") -> Reply:
        """Reply to `method` on `target` (path below the base, with query). Header names are lower
        case. What is refused is a reply too."""
        try:
            if method == "POST" and target.endswith("/_search"):
                return self._do("GET", f"{target[:-8]}?{body.decode()}", headers, {})
            content = loads(body) if body else {}
            if body and "resourceType" not in content:
                raise Refused(400, "HAPI-0450", "Failed to parse request body as JSON resource")
            return self._do(method, target, headers, content)
        except REFUSALS as error:
            return _refusal(error)

    def _do(self, method: str, target: str, headers: Headers, body: Resource) -> Reply:
        path, _, asked = target.partition("?")
        query = parse_qsl(asked, keep_blank_values=True)
        steps = [step for step in path.split("/") if step]
        if method in ("POST", "PUT") and steps and body.get("resourceType") != steps[0]:
            parse(steps[0])
            raise Refused(400, "HAPI-1814", f'Incorrect resource type, expected "{steps[0]}"')
        if (method, steps) == ("POST", []):
            return self._bundle(body)
        with self._store.unit():
            match method, *steps:
                case ["GET"] if "_getpages" in asked:
                    return self._next_page(dict(query))
                case ["GET", "metadata"]:
                    return Reply(200, capabilities())
                case ["GET", *only, "_history"]:
                    return self._history(only, query)
                case ["GET", type_]:
                    return self._search(type_, query, headers)
                case ["GET", type_, id_]:
                    return self._told(200, self._store.version(type_, id_))
                case ["GET", type_, id_, "_history", number]:
                    return self._told(200, self._store.version(type_, id_, number))
                case ["POST", type_]:
                    return self._create(type_, body, headers.get("if-none-exist", ""))
                case ["PUT", type_, id_] if body.get("id") != id_:
                    raise Refused(400, "HAPI-0420", "Resource body ID does not match URL ID")
                case ["PUT", type_, id_] if id_.isdigit() and not self._store.versions(type_, id_):
                    raise Refused(400, "HAPI-0960", "clients may not assign purely numeric IDs")
                case ["PUT", type_, id_]:
                    new = not self._store.alive((type_, id_))
                    version = self._store.update(type_, id_, body, headers.get("if-match", ""))
                    return self._told(201 if new else 200, version)
                case ["DELETE", type_, id_]:
                    self._store.delete(type_, id_)
                    return Reply(200, outcome("Successfully deleted", "information"))
        raise Refused(400, "", f"Invalid request: this server does not know {method} {path}")

    def _told(self, status: int, version: Version) -> Reply:
        headers = {"ETag": f'W/"{version.number}"', "Location": f"{self.base}/{version.place}"}
        headers["Last-Modified"] = f"{version.last_updated:%a, %d %b %Y %H:%M:%S} GMT"
        return Reply(status, version.resource, version, headers)

    def _create(self, type_: str, body: Resource, condition: str) -> Reply:
        query = parse_qsl(condition.rpartition("?")[2])
        present = find(self._store, type_, query) if query else []
        if len(present) > 1:
            text = f"Failed to CREATE {type_}: the condition matched {len(present)} resources"
            raise Refused(412, "HAPI-0958", text)
        if present:
            return self._told(200, self._store.version(*present[0]))
        return self._told(201, self._store.create(type_, body))

    def _bundle(self, bundle: Resource) -> Reply:
        kind, entries = bundle.get("type"), bundle.get("entry", [])
        if kind not in ("transaction", "batch"):
            raise Refused(400, "HAPI-0527", f"Unable to process Bundle.type = {kind}")
        with self._store.unit() if kind == "transaction" else self._store.lock:
            replies = self._entries(entries, kind == "transaction")
        answers = [_response(replies[number]) for number in sorted(replies)]
        return Reply(200, {"resourceType": "Bundle", "type": f"{kind}-response", "entry": answers})

    def _entries(self, entries: list[Resource], whole: bool) -> dict[int, Reply]:
        names = {e["fullUrl"]: e["request"]["url"] for e in entries if "fullUrl" in e}
        replies: dict[int, Reply] = {}
        for method in ("DELETE", "POST", "PUT", "GET"):
            for number, entry in enumerate(entries):
                if entry["request"]["method"] == method:
                    reply = replies[number] = self._entry(entry, whole)
                    if method == "POST" and reply.version:
                        names[entry.get("fullUrl", "")] = "/".join(reply.version.key)
            for entry in entries if whole and method == "POST" else []:  # those stored by now, too
                rewrite_references(entry.get("resource"), lambda text: names.get(text, text))
        return replies

    def _entry(self, entry: Resource, whole: bool) -> Reply:
        ask = entry["request"]
        headers = {"if-match": ask.get("ifMatch", ""), "if-none-exist": ask.get("ifNoneExist", "")}
        try:
            return self._do(ask["method"], ask["url"], headers, entry.get("resource", {}))
        except REFUSALS as error:
            if whole:
                raise
            return _refusal(error)

    def _search(self, type_: str, query: Query, headers: Headers) -> Reply:
        parse(type_)
        keys, asked = find(self._store, type_, query), dict(query)
        if asked.get("_summary") == "count":
            return Reply(200, self._sheet("searchset", [], len(keys)))
        if "no-store" in headers.get("cache-control", ""):  # HAPI cuts, and nothing says so
            keys += included(self._store, keys, query)
            entries = [self._listed(key, "match") for key in keys[: _page_size(asked)]]
            return Reply(200, self._sheet("searchset", entries, None))
        return self._first_page("searchset", keys, query)

    def _history(self, only: list[str], query: Query) -> Reply:
        log = [v for v in self._store.log if [*v.key][: len(only)] == only]
        if not log and len(only) == 2:
            raise Refused(404, "HAPI-2001", f"Resource {'/'.join(only)} is not known")
        since = interval(dict(query).get("_since", "0001"))[0]
        log = [v for v in reversed(log) if v.last_updated >= since]
        return self._first_page("history", log, query)

    def _first_page(self, kind: str, items: list[Any], query: Query) -> Reply:
        page, name, asked = (self._clock(), kind, items, query), uuid.uuid4().hex, dict(query)
        if len(items) > _page_size(asked):
            young = {n: old for n, old in self._pages.items() if page[0] - old[0] < PAGE_LIFE}
            self._pages = young | {name: page}
        return self._page(page, name, asked)

    def _next_page(self, asked: dict[str, str]) -> Reply:
        page = self._pages.get(name := asked["_getpages"])
        if page is None or self._clock() - page[0] >= PAGE_LIFE:
            raise Refused(410, "HAPI-0417", f'Search ID "{name}" does not exist or has expired')
        return self._page(page, name, asked)

    def _page(self, page: Page, name: str, asked: dict[str, str]) -> Reply:
        _, kind, items, query = page
        offset, count = int(asked.get("_getpagesoffset", 0)), _page_size(asked)
        part = items[offset : offset + count]
        if kind == "history":
            entries = [self._told_of(version) for version in part]
        else:
            part = [key for key in part if self._store.alive(key)]
            entries = [self._listed(key, "match") for key in part]
            entries += [self._listed(key, "include") for key in included(self._store, part, query)]
        sheet = self._sheet(kind, entries, len(items))
        if offset + count < len(items):
            url = f"{self.base}?_getpages={name}&_getpagesoffset={offset + count}&_count={count}"
            sheet["link"].append({"relation": "next", "url": url})
        return Reply(200, sheet)

    def _sheet(self, kind: str, entries: list[Resource], total: int | None) -> Resource:
        sheet: Resource = {"resourceType": "Bundle", "id": uuid.uuid4().hex, "type": kind}
        sheet["meta"] = {"lastUpdated": stamp(self._clock())}
        sheet["link"] = [{"relation": "self", "url": self.base}]
        sheet |= {"total": total} if total is not None else {}
        return sheet | ({"entry": entries} if entries else {})

    def _listed(self, key: tuple[str, str], mode: str) -> Resource:
        url, content = f"{self.base}/{'/'.join(key)}", self._store.version(*key).resource
        return {"fullUrl": url, "resource": content, "search": {"mode": mode}}

    def _told_of(self, version: Version) -> Resource:
        method = "POST" if version.number == 1 else "PUT" if version.resource else "DELETE"
        entry: Resource = {"request": {"method": method, "url": version.place}}
        entry["fullUrl"] = f"{self.base}/{'/'.join(version.key)}"
        return entry | ({"resource": version.resource} if version.resource else {})


def _refusal(error: Exception) -> Reply:
    text = (
        str(error) if isinstance(error, Refused | BadSearch) else f"HAPI-0450: malformed: {error!r}"
    )
    return Reply(getattr(error, "status", 400), outcome(text))


def _page_size(asked: Mapping[str, str]) -> int:
    count = asked.get("_count", "")
    return min(int(count), LONGEST_PAGE) if count.isdigit() and int(count) else PAGE


def _response(reply: Reply) -> Resource:
    told: Resource = {"status": f"{reply.status} {HTTPStatus(reply.status).phrase}"}
    if v := reply.version:
        told |= {"location": v.place, "etag": str(v.number), "lastModified": stamp(v.last_updated)}
    if reply.body and reply.body["resourceType"] == "OperationOutcome":
        return {"response": told | {"outcome": reply.body}}
    return {"resource": reply.body, "response": told}


def capabilities() -> Resource:
    """The CapabilityStatement, made from the table that the server searches by."""
    codes = "read vread update delete create search-type history-type history-instance"
    types: list[Resource] = []
    for type_, found in PARAMETERS.items():
        known: Resource = {"type": type_, "updateCreate": True, "conditionalCreate": True}
        known["interaction"] = [{"code": code} for code in codes.split(" ")]
        known["searchParam"] = [{"name": p.name, "type": p.kind} for p in found.values()]
        types.append(known)
    whole = [{"code": code} for code in ("transaction", "batch", "history-system")]
    statement: Resource = {"resourceType": "CapabilityStatement", "fhirVersion": "4.0.1"}
    statement |= {"status": "active", "kind": "instance", "format": ["application/fhir+json"]}
    return statement | {"rest": [{"mode": "server", "resource": types, "interaction": whole}]}
