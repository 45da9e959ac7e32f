"""Embedded servers that behave like other makes: a layer before the embedded server.

behave(estate.servers["ehr"], CANVAS)     refuses, forgets and answers as that make does
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import Any

import httpx

from fhirbridge.fhir import jsonio
from tests.bridge.estate import Answer, Fake

Json = dict[str, Any]
#: TaskStatus of R4: a server that takes these lets a person refuse, too.
R4_STATUSES = frozenset(
    {"draft", "requested", "received", "accepted", "rejected", "ready", "cancelled"}
    | {"in-progress", "on-hold", "failed", "completed", "entered-in-error"}
)


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a make of server behaves."""

    software: str
    takes: frozenset[str] = frozenset({"Task", "Communication", "Provenance"})
    transactions: bool = True
    conditional: bool = True  # else If-None-Exist is passed over, and a second one is made
    if_match: bool = True  # else it is passed over, and the last writer wins
    statuses: frozenset[str] = R4_STATUSES
    intents: frozenset[str] = frozenset({"order", "proposal"})
    refuses: dict[str, frozenset[str]] = field(default_factory=dict)
    stale: int = 409
    uuids: bool = False  # versions are UUIDs
    own_ids: bool = True  # else what we write gets its id from the server alone


HAPI = Manner(software="HAPI FHIR Server")
MEDPLUM = Manner(software="medplum", stale=412, uuids=True, own_ids=False)
MILLENNIUM = Manner(
    software="Oracle Health Millennium Platform",
    takes=frozenset({"Communication"}),
    transactions=False,
    conditional=False,
    refuses={"Communication": frozenset({"about", "basedOn", "partOf", "inResponseTo", "topic"})},
)
OPENEMR = Manner(
    software="OpenEMR", takes=frozenset(), transactions=False, conditional=False, if_match=False
)
CANVAS = Manner(
    software="Canvas FHIR API",
    takes=frozenset({"Task", "Communication"}),
    transactions=False,
    conditional=False,
    if_match=False,
    statuses=frozenset({"requested", "completed", "cancelled"}),
)
OPENMRS = Manner(
    software="OpenMRS",
    takes=frozenset({"Task"}),
    transactions=False,
    conditional=False,
    if_match=False,
    intents=frozenset({"order"}),
)


def behave(fake: Fake, manner: Manner) -> None:
    """Let an embedded server behave so from now on."""
    fake.around = _Layer(fake, manner)


class _Layer:
    def __init__(self, fake: Fake, manner: Manner) -> None:
        self._fake, self._manner = fake, manner

    def __call__(self, request: httpx.Request, go: Answer) -> httpx.Response:
        manner = self._manner
        target = str(request.url).removeprefix(self._fake.base_url).strip("/")
        path = target.partition("?")[0]
        if path == "metadata":
            return _said(200, self._statement())
        type_ = path.partition("/")[0]
        hidden = {"Task", "Communication", "Provenance"} - manner.takes
        if type_ in hidden or any(f"{each}%3A" in target for each in hidden):
            return _refused(400, f"{type_} is not supported")
        if request.method == "POST" and not path and not manner.transactions:
            return _refused(400, "transactions are not supported")
        body = (
            jsonio.loads(request.read())
            if request.method in ("POST", "PUT") and _json(request)
            else {}
        )
        for each in _resources(body):
            if why := self._complaint(each):
                return _refused(422, why)
        if not manner.own_ids and (place := self._unknown(request.method, path, body)):
            return _refused(404, f"{place} is not known, and its id is for the server to give")
        headers = dict(request.headers)
        if not manner.conditional:
            headers.pop("if-none-exist", None)
        if not manner.if_match:
            headers.pop("if-match", None)
        content = request.read()
        if manner.uuids:
            content = jsonio.dumps(self._numbered(body)) if body else content
            if "if-match" in headers:
                headers["if-match"] = self._number(path, headers["if-match"])
        headers["content-length"] = str(len(content))
        answer = go(httpx.Request(request.method, request.url, headers=headers, content=content))
        if answer.status_code == 409 and manner.stale != 409:
            return _refused(manner.stale, "version conflict")
        return self._with_uuids(answer) if manner.uuids else answer

    def _complaint(self, resource: Json) -> str | None:
        manner, type_ = self._manner, resource.get("resourceType", "")
        if type_ in ("Provenance", "Communication", "Task") and type_ not in manner.takes:
            return f"{type_} is not supported"
        if wrong := manner.refuses.get(type_, frozenset()) & resource.keys():
            return f"{type_}: unknown {sorted(wrong)}"
        if type_ == "Task" and resource["status"] not in manner.statuses:
            return f"Task.status {resource['status']}"
        if type_ == "Task" and resource["intent"] not in manner.intents:
            return f"Task.intent {resource['intent']}"
        return None

    def _unknown(self, method: str, path: str, body: Json) -> str | None:
        """What a PUT names and nobody has created."""
        asks = [each["request"] for each in body.get("entry", [])]
        places = [path] if method == "PUT" else []
        places += [each["url"] for each in asks if each["method"] == "PUT"]
        shelf = self._fake.shelf
        there = {
            f"{type_}/{each.resource['id']}"
            for type_ in {place.partition("/")[0] for place in places}
            for each in shelf.current(type_)
            if each.resource
        }
        return next((place for place in places if place not in there), None)

    def _statement(self) -> Json:
        codes = [{"code": "transaction"}, {"code": "batch"}] if self._manner.transactions else []
        reads = ("Patient", "MedicationRequest", "Appointment", "MedicationAdministration")
        types = [*reads, "ServiceRequest", *sorted(self._manner.takes)]
        resources = [
            {
                "type": each,
                "conditionalCreate": self._manner.conditional,
                "updateCreate": self._manner.own_ids,
                "interaction": [{"code": code} for code in ("read", "search-type", "create")],
            }
            for each in types
        ]
        rest = {"mode": "server", "resource": resources, "interaction": codes}
        return {
            "resourceType": "CapabilityStatement",
            "fhirVersion": "4.0.1",
            "software": {"name": self._manner.software},
            "rest": [rest],
        }

    # --- versions that are no numbers

    def _number(self, path: str, etag: str) -> str:
        """The number of the version whose UUID is given; a number that is none, if it is old."""
        version = etag.removeprefix("W/").strip('"')
        for number in range(1, 50):
            if _uuid(path, str(number)) == version:
                return f'W/"{number}"'
        return 'W/"999"'

    def _numbered(self, body: Json) -> Json:
        for entry in body.get("entry", []):
            ask = entry["request"]
            if "ifMatch" in ask:
                ask["ifMatch"] = self._number(ask["url"], ask["ifMatch"])
        return body

    def _with_uuids(self, answer: httpx.Response) -> httpx.Response:
        body = jsonio.loads(answer.content) if answer.content else {}
        for each in _resources(body):
            meta = each.get("meta", {})
            if "versionId" in meta:
                meta["versionId"] = _uuid(f"{each['resourceType']}/{each['id']}", meta["versionId"])
        for entry in body.get("entry", []):
            told = entry.get("response", {})
            if "location" in told:
                place, _, number = told["location"].partition("/_history/")
                told["location"] = f"{place}/_history/{_uuid(place, number)}"
                told["etag"] = f'W/"{_uuid(place, number)}"'
        return _said(answer.status_code, body)


def _resources(body: Json) -> list[Json]:
    inner = [each.get("resource") for each in body.get("entry", []) if isinstance(each, dict)]
    own = [body] if body.get("resourceType") not in (None, "Bundle") else []
    return [*own, *(each for each in inner if each)]


def _json(request: httpx.Request) -> bool:
    return "json" in request.headers.get("content-type", "")


def _uuid(place: str, number: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_OID, f"{place}/{number}"))


def _said(status: int, body: Json) -> httpx.Response:
    headers = {"Content-Type": "application/fhir+json"}
    return httpx.Response(status, headers=headers, content=jsonio.dumps(body))


def _refused(status: int, why: str) -> httpx.Response:
    issue = {"severity": "error", "code": "not-supported", "diagnostics": why}
    return _said(status, {"resourceType": "OperationOutcome", "issue": [issue]})
