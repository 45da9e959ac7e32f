"""`/fhir`: our own worklist as FHIR R4, where the worklist's server takes no Tasks.

| route | |
|---|---|
| `/fhir/metadata` | what can be asked here |
| `/fhir/Task`, `/fhir/Communication` | search as in R4, page by page (`_count`, `_offset`) |
| `/fhir/Task/{id}` | one of them |

Read only. It holds what is said about patients, so it asks for `Authorization: Bearer` with the
configured `worklist_token`; without one configured, nothing is served. Too many wrong tokens from
one address are answered 429.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl, urlencode

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from fhirbridge.bridge.bridge import Bridge
from fhirbridge.bridge.worklist import TYPES
from fhirbridge.fhir import jsonio
from fhirbridge.fhir.matching import BadSearch
from fhirbridge.fhir.parameters import PARAMETERS

from .callers import Guesses

_PAGE, _LONGEST = 50, 500
_OURS = frozenset({"_count", "_offset", "_format"})


def routes(bridge: Bridge, guesses: Guesses) -> list[Route]:
    """The routes of our own worklist."""
    served = _Served(bridge, guesses)
    return [
        Route("/fhir/metadata", served.metadata),
        Route("/fhir/{type}", served.search),
        Route("/fhir/{type}/{id}", served.read),
    ]


class _Served:
    def __init__(self, bridge: Bridge, guesses: Guesses) -> None:
        self._bridge, self._guesses = bridge, guesses

    def metadata(self, _: Request) -> Response:
        if not self._bridge.own.is_served:
            return _not_served()
        types: list[dict[str, Any]] = [
            {
                "type": type_,
                "interaction": [{"code": "read"}, {"code": "search-type"}],
                "searchParam": [
                    {"name": p.name, "type": p.kind} for p in PARAMETERS[type_].values()
                ],
            }
            for type_ in TYPES
        ]
        return _answer(
            200,
            {
                "resourceType": "CapabilityStatement",
                "status": "active",
                "date": self._bridge.clock().date().isoformat(),
                "kind": "instance",
                "software": {"name": "fhirbridge"},
                "implementation": {"description": "The worklist of fhirbridge"},
                "fhirVersion": "4.0.1",
                "format": ["application/fhir+json"],
                "rest": [{"mode": "server", "resource": types}],
            },
        )

    def search(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        type_ = request.path_params["type"]
        query = parse_qsl(request.url.query, keep_blank_values=True)
        asked = dict(query)
        try:
            count = min(max(int(asked.get("_count", _PAGE)), 1), _LONGEST)
            offset = max(int(asked.get("_offset", 0)), 0)
            criteria = [each for each in query if each[0] not in _OURS]
            found = self._bridge.own.search(type_, criteria, self._bridge.home_url)
        except (BadSearch, ValueError) as error:
            why = str(error) if isinstance(error, BadSearch) else "_count and _offset are numbers"
            return _answer(400, _outcome("invalid", why))
        base = f"{str(request.base_url).rstrip('/')}/fhir"
        links = [{"relation": "self", "url": f"{base}/{type_}?{urlencode(query)}"}]
        if offset + count < len(found):
            after = [*criteria, ("_count", count), ("_offset", offset + count)]
            links.append({"relation": "next", "url": f"{base}/{type_}?{urlencode(after)}"})
        entries = [
            {
                "fullUrl": f"{base}/{type_}/{each['id']}",
                "resource": each,
                "search": {"mode": "match"},
            }
            for each in found[offset : offset + count]
        ]
        made: dict[str, Any] = {"resourceType": "Bundle", "type": "searchset", "total": len(found)}
        return _answer(200, made | {"link": links} | ({"entry": entries} if entries else {}))

    def read(self, request: Request) -> Response:
        if refused := self._refused(request):
            return refused
        type_, id_ = request.path_params["type"], request.path_params["id"]
        found = self._bridge.own.get(type_, id_)
        if found is None:
            return _answer(404, _outcome("not-found", f"there is no such {type_} here"))
        return _answer(200, found, {"ETag": f'W/"{found["meta"]["versionId"]}"'})

    def _refused(self, request: Request) -> Response | None:
        if not self._bridge.own.is_served:
            return _not_served()
        kind, _, token = request.headers.get("Authorization", "").partition(" ")
        if kind.lower() != "bearer" or not self._bridge.own.opens(token.strip()):
            if token and (wait := self._guesses.wrong(request.scope)):
                why = "too many wrong tokens from this address: come again later"
                return _answer(429, _outcome("throttled", why), {"Retry-After": str(wait)})
            why = "send Authorization: Bearer with the configured worklist_token"
            return _answer(401, _outcome("login", why), {"WWW-Authenticate": "Bearer"})
        if request.path_params["type"] not in TYPES:
            return _answer(404, _outcome("not-supported", f"here are only {' and '.join(TYPES)}"))
        return None


def _not_served() -> Response:
    why = "not served here: set worklist_token in the configuration"
    return _answer(404, _outcome("not-supported", why))


def _outcome(code: str, why: str) -> dict[str, Any]:
    issue = {"severity": "error", "code": code, "diagnostics": why}
    return {"resourceType": "OperationOutcome", "issue": [issue]}


def _answer(status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> Response:
    return Response(jsonio.dumps(body), status, headers=headers, media_type="application/fhir+json")
